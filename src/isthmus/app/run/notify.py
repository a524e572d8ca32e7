# SPDX-License-Identifier: Apache-2.0
"""Tells systemd that the plant runs, or is about to end (sd_notify(3)); does nothing when systemd did not ask."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def ready() -> None:
    _send("READY=1")


def stopping() -> None:
    _send("STOPPING=1")


def _send(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.connect("\0" + address[1:] if address.startswith("@") else address)
        to.sendall(state.encode())
