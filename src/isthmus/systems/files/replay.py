# SPDX-License-Identifier: Apache-2.0
"""A file of a test is read like one that lay in the folder: from its first byte, by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import Field, model_validator

from isthmus.core.event import EventKind, Severity
from isthmus.systems.bare import no_values
from isthmus.systems.captured import Hexadecimal, one_of_two
from isthmus.systems.contract import Address, Oddity, Readings, Spec
from isthmus.systems.files.picking import Picker, Piece
from isthmus.systems.files.rows import Unreadable, read_rows
from isthmus.systems.files.spec import FilesSpec
from isthmus.systems.telling import happened


class Dropped(Spec):
    """A file, as a test writes it."""

    name: str = Field("test", min_length=1, description="What it is called.")
    content: str | None = Field(None, description="What stands in it, in the system's own `encoding`.")
    bytes: Hexadecimal | None = Field(None, description="The same in hexadecimal, in place of `content`.")

    @model_validator(mode="after")
    def _whole(self) -> Dropped:
        one_of_two(self.content, self.bytes, "content and bytes")
        return self


def begin(spec: FilesSpec, system: str, addresses: Sequence[Address]) -> Callable[[Dropped], Readings]:
    """Reads files of a test one after the other."""
    picker = Picker(addresses, spec)

    def read(file: Dropped) -> Readings:
        data = bytes.fromhex(file.bytes) if file.bytes is not None else (file.content or "").encode(spec.encoding)
        piece = Piece(file=file.name)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(data)
            try:
                for row in read_rows(path, spec):
                    picker.take(row, piece)
            except Unreadable as error:
                message = f"{file.name} cannot be read: {error}"
                event = happened(system, EventKind.QUARANTINE, Severity.ERROR, message)
                return no_values([event], [Oddity(message, data[:4096])])
        return piece.readings()

    return read
