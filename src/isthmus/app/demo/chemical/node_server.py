# SPDX-License-Identifier: Apache-2.0
"""Becomes the node-opcua server: ties this process to its parent, then has Node.js take its place.

`python -m isthmus.app.demo.chemical.node_server ...`. What the kernel was told (prctl, see lifeline) holds for the
program that takes the place too, so that server ends with its parent like every other process of the plant.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from isthmus.app.demo.chemical.faces import SERVERS
from isthmus.app.run import lifeline

SCRIPT: Final = Path(__file__).parent / "node" / "server.js"


def program() -> str | None:
    """The node program, if it is there and finds node-opcua: beside the script, or where NODE_PATH says."""
    node = shutil.which("node")
    if node is None:
        return None
    asked = [node, "-e", "require.resolve('node-opcua')"]
    try:
        found = subprocess.run(asked, cwd=SCRIPT.parent, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return node if found.returncode == 0 else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description="An OPC UA server of the chemical plant, by node-opcua, started by `isthmus demo chemical`."
    )
    parser.add_argument("--system", choices=SERVERS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--status", type=Path, required=True)
    parser.add_argument(lifeline.PARENT, type=int, required=True)
    arguments = parser.parse_args()
    lifeline.end_with(arguments.parent)
    node = shutil.which("node")
    if node is None:
        sys.exit("isthmus: Node.js is gone")
    said = {"system": arguments.system, "port": arguments.port, "folder": str(arguments.folder.resolve()),
            "status": str(arguments.status.resolve())}  # fmt: skip
    os.execv(node, [node, str(SCRIPT), json.dumps(said)])


if __name__ == "__main__":
    main()
