# SPDX-License-Identifier: Apache-2.0
"""An endpoint is where the log is and as whom to use it; the log server writes one file per service."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from isthmus.core.errors import Damaged, NotFound


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log is, and as whom to use it."""

    url: str
    """`nats://host:port`, or `tls://`; several with commas between them."""
    user: str = ""
    password: str = ""
    inbox: str = "_INBOX"
    """Prefix of the subjects answers come back on; the embedded server keeps services from reading each other's."""
    embedded: bool = False
    """Our own server, which makes the streams itself."""

    @classmethod
    def load(cls, path: Path) -> Endpoint:
        """The endpoint in a file `save` wrote; raises NotFound when there is none, Damaged when it is none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError as error:
            raise NotFound("there is no log here", where=str(path), hint="is `isthmus run` running?") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Damaged(f"not an endpoint: {error}", where=str(path), hint="remove it and start again") from error

    def save(self, path: Path) -> None:
        """Writes the endpoint, readable by its owner only, whole or not at all."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600, exist_ok=False)
        temporary.write_bytes(msgspec.json.encode(self))
        temporary.replace(path)

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r}, user={self.user!r})"
