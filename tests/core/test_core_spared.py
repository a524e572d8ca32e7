# SPDX-License-Identifier: Apache-2.0
"""What is spared is not loaded by those that would; whoever needs it has it where it was spared for a while."""

from __future__ import annotations

import subprocess
import sys

import pytest

ARRAYS = """
import sys
from isthmus.core.spared import PANDAS, spare
spare(PANDAS)
import pyarrow as pa
assert pa.table({"word": ["a", None], "number": [1.5, None]}).column("word").to_pylist() == ["a", None]
assert "pandas" not in sys.modules
try:
    import pandas
except ModuleNotFoundError as error:
    assert error.name == "pandas"
else:
    raise AssertionError("pandas is there")
"""
LOG = """
import sys
import isthmus.stream.{module}
assert "aiohttp" not in sys.modules
import aiohttp
assert aiohttp.ClientSession
"""


@pytest.mark.parametrize("script", [ARRAYS, LOG.format(module="log"), LOG.format(module="follow")])
def test_a_process_does_without_what_is_spared(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
