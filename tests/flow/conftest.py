# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the flow's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.stream.server import LogServer
from tests.flow.floor import Floor


@pytest.fixture
def floor(tmp_path: Path, log_server: LogServer) -> Floor:
    return Floor(tmp_path, log_server)
