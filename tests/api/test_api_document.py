# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document is true: whatever it allows is answered as it says, and nothing makes the server fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import address
from tests.app.conftest import Plant

PHASES = ("--phases", "examples,fuzzing")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.parametrize("examples", [5, pytest.param(300, marks=(pytest.mark.soak, pytest.mark.timeout(3600)))])
def test_everything_the_document_allows_is_answered_as_it_says(served: Plant, tmp_path: Path, examples: int) -> None:
    found = httpx.get(f"{address(served)}/api/schema/openapi.json", trust_env=False, timeout=90)
    assert found.json()["openapi"] == "3.1.0"
    document = tmp_path / "openapi.json"
    document.write_bytes(found.content)
    program = [str(Path(sys.executable).with_name("schemathesis")), "run", str(document)]
    how = ["--url", address(served), "--max-examples", str(examples), "--checks", CHECKS, "--seed", "7", *PHASES]
    how += ["--request-timeout", "180", "--suppress-health-check", "too_slow"]  # a busy machine is no mistake of ours
    done = subprocess.run([*program, *how], cwd=tmp_path, capture_output=True, text=True, timeout=3500, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
