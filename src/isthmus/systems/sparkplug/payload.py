# SPDX-License-Identifier: Apache-2.0
"""Sparkplug's payload as protobuf messages, made of `payload.proto` at import: there is no generated file to go stale.

What our .proto does not name (extensions of other makers) is read over and kept out of the way, as protobuf has it.
"""

from __future__ import annotations

import re
import zlib
from importlib.resources import files
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from isthmus.core.errors import IsthmusError

PACKAGE: Final = "isthmus.sparkplug"

LARGEST: Final = 8 << 20
"""Bytes that a compressed payload may become."""

COMPRESSED: Final = "SPBV1.0_COMPRESSED"
"""The `uuid` of a payload whose `body` is another one, compressed: not in the specification, but in Tahu's clients."""

_MESSAGE: Final = re.compile(r"message (\w+) \{")
_ONEOF: Final = re.compile(r"oneof (\w+) \{")
_FIELD: Final = re.compile(r"(?:(optional|repeated) )?(\w+) (\w+) = (\d+);")


def described(text: str) -> Any:
    """The FileDescriptorProto of a .proto file that has one declaration per line and no nested messages."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{PACKAGE}/payload.proto", package=PACKAGE, syntax="proto2")
    message: Any = None
    choosing = False
    for line in (one.partition("//")[0].strip() for one in text.splitlines()):
        if found := _MESSAGE.fullmatch(line):
            message = file.message_type.add(name=found[1])
        elif found := _ONEOF.fullmatch(line):
            message.oneof_decl.add(name=found[1])
            choosing = True
        elif found := _FIELD.fullmatch(line):
            _add_field(message, found, choosing=choosing)
        elif line == "}":
            choosing = False
    return file


def _add_field(message: Any, found: re.Match[str], *, choosing: bool) -> None:
    label, type_, name, number = found.groups()
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if label == "repeated" else field.LABEL_OPTIONAL
    if type_[0].isupper():
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{type_}"
    else:
        field.type = field.Type.Value(f"TYPE_{type_.upper()}")
    if choosing:
        field.oneof_index = 0


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described((files(__package__) / "payload.proto").read_text("utf-8")))
    names = pool.FindFileByName(f"{PACKAGE}/payload.proto").message_types_by_name
    return {name: message_factory.GetMessageClass(found) for name, found in names.items()}


_CLASSES: Final = _classes()
Payload: Final = _CLASSES["Payload"]
Metric: Final = _CLASSES["Metric"]
DataSet: Final = _CLASSES["DataSet"]
Template: Final = _CLASSES["Template"]


class Garbled(IsthmusError):
    """Bytes that are no Sparkplug payload."""


def parsed(data: bytes) -> Any:
    """The payload in these bytes; raises Garbled when there is none."""
    try:
        payload = Payload.FromString(data)
        if payload.uuid == COMPRESSED:
            payload = Payload.FromString(_unpacked(payload.body))
    except (DecodeError, zlib.error) as error:
        raise Garbled("a payload that is no Sparkplug B") from error
    return payload


def _unpacked(body: bytes) -> bytes:
    """What was compressed by DEFLATE or GZIP; raises Garbled when it is too much."""
    stream = zlib.decompressobj(wbits=47)  # either of the two, whichever it says it is
    found = stream.decompress(body, LARGEST)
    if stream.unconsumed_tail:
        raise Garbled(f"a payload of more than {LARGEST >> 20} MB when it is unpacked")
    return found
