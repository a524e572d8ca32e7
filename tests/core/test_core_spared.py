# SPDX-License-Identifier: Apache-2.0
"""What is spared is not loaded by those that would; whoever needs it has it where it was spared for a while."""

from __future__ import annotations

import subprocess
import sys

import pytest

ARRAYS = """
import sys
from isthmus.core.spared import PANDAS, spared
import pyarrow as pa
with spared(PANDAS):
    assert pa.table({"word": ["a", None], "number": [1.5, None]}).column("word").to_pylist() == ["a", None]
    assert "pandas" not in sys.modules
    try:
        import pandas
    except ModuleNotFoundError as error:
        assert error.name == "pandas"
    else:
        raise AssertionError("pandas is there")
import pandas, io
written = io.BytesIO()
pandas.DataFrame({"a": [1]}).to_parquet(written)
assert list(pa.table({"a": [1]}).to_pandas()["a"]) == [1]
"""
COMMAND = """
import sys
from isthmus.app.cli import main
sys.argv = ["isthmus", "--version"]
try:
    main()
except SystemExit as end:
    assert not end.code
assert "pandas" not in sys.modules
import pandas
assert pandas.DataFrame
"""
LOG = """
import sys
import isthmus.stream.{module}
assert "aiohttp" not in sys.modules
import aiohttp
assert aiohttp.ClientSession
"""


@pytest.mark.parametrize("script", [ARRAYS, COMMAND, LOG.format(module="log"), LOG.format(module="follow")])
def test_a_process_does_without_what_is_spared(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
