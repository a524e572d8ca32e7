# SPDX-License-Identifier: Apache-2.0
"""Payloads: the .proto means to protoc what it means to us, another library's bytes are read and ours by it."""

from __future__ import annotations

import base64
import gzip
import json
import math
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core import quality
from isthmus.systems.contract import Form
from isthmus.systems.sparkplug import message, payload
from isthmus.systems.sparkplug import quality as qualities
from isthmus.systems.sparkplug.message import Metric
from isthmus.systems.sparkplug.payload import Garbled, described, parsed
from isthmus.systems.sparkplug.values import Type, Unfit, cell, put, simple, type_of
from tests.peers.sparkplug_peer import SparkplugPeer
from tests.peers.sparkplug_peer import metric as member

PROTO = Path(payload.__file__).with_name("payload.proto")
MS = 1_700_000_000_123
AT = MS * 1_000_000


def test_our_reading_of_the_proto_file_is_protocs(tmp_path: Path, need: Callable[[object, str], None]) -> None:
    need(which("protoc"), "protoc (apt-get install protobuf-compiler)")
    out = tmp_path / "descriptor"
    subprocess.run(
        ["protoc", f"--proto_path={PROTO.parent}", f"--descriptor_set_out={out}", PROTO.name], check=True, timeout=240
    )
    theirs = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    ours = described(PROTO.read_text())
    ours.name = theirs.name
    for one in (ours, theirs):
        one.ClearField("syntax")  # proto2 is what none means
        for each in (one, *one.message_type):
            for field in getattr(each, "field", ()):
                field.ClearField("json_name")
    assert ours == theirs


VALUES: list[tuple[str, Any, Type, tuple[int, Any]]] = [
    ("Int8", -128, Type.INT8, (Form.SIGNED, -128)),
    ("Int16", -32768, Type.INT16, (Form.SIGNED, -32768)),
    ("Int32", -5, Type.INT32, (Form.SIGNED, -5)),
    ("Int64", 5, Type.INT64, (Form.SIGNED, 5)),
    ("UInt8", 255, Type.UINT8, (Form.UNSIGNED, 255)),
    ("UInt16", 65535, Type.UINT16, (Form.UNSIGNED, 65535)),
    ("UInt32", 4294967295, Type.UINT32, (Form.UNSIGNED, 4294967295)),
    ("UInt64", 9007199254740991, Type.UINT64, (Form.UNSIGNED, 9007199254740991)),
    ("Float", 1.5, Type.FLOAT, (Form.FLOAT, 1.5)),
    ("Double", 81.3, Type.DOUBLE, (Form.FLOAT, 81.3)),
    ("Boolean", True, Type.BOOLEAN, (Form.BOOLEAN, 1.0)),
    ("String", "läuft", Type.STRING, (Form.TEXT, "läuft")),
    ("Text", "", Type.TEXT, (Form.TEXT, "")),
    ("UUID", "a-b", Type.UUID, (Form.TEXT, "a-b")),
    ("DateTime", MS, Type.DATETIME, (Form.TEXT, "2023-11-14T22:13:20.123Z")),
    ("Bytes", base64.b64encode(b"\0\xff").decode(), Type.BYTES, (Form.TEXT, "AP8=")),
    (
        "DataSet",
        {"numOfColumns": 2, "types": ["Double", "String"], "columns": ["a", "b"], "rows": [[1.5, "x"], [2.5, "y"]]},
        Type.DATASET,
        (Form.TEXT, '{"columns":["a","b"],"rows":[[1.5,"x"],[2.5,"y"]]}'),
    ),
    (
        "Template",
        {
            "templateRef": "motor", "isDefinition": False, "version": "v1",
            "metrics": [member("speed", 4.5), member("on", True, "Boolean")],
            "parameters": [{"name": "size", "type": "UInt32", "value": 7}],
        },
        Type.TEMPLATE,
        (Form.TEXT, '{"template":"motor","version":"v1","metrics":{"speed":4.5,"on":true},"parameters":{"size":7}}'),
    ),
]  # fmt: skip
"""What Tahu's library writes, and what it is to us."""


async def test_what_another_library_writes_is_read(tmp_path: Path) -> None:
    metrics = [
        {"name": f"m{n}", "alias": n, "type": type_, "value": value, "timestamp": MS + n}
        for n, (type_, value, *_) in enumerate(VALUES)
    ]
    metrics[0] |= {"isHistorical": True, "quality": 16}
    metrics.append({"name": "none", "type": "Double", "value": None, "isNull": True})
    async with SparkplugPeer(tmp_path) as peer:
        data = (await peer.do("encode", payload={"timestamp": MS, "seq": 200, "metrics": metrics}))["data"]
    found = parsed(base64.b64decode(data))
    assert (found.timestamp, found.seq) == (MS, 200)
    for n, (metric, (_, _, type_, want)) in enumerate(zip(found.metrics, VALUES, strict=False)):
        assert (metric.name, metric.alias, metric.timestamp) == (f"m{n}", n, MS + n)
        assert type_of(metric.datatype) is type_
        form, value, integer, text = cell(metric, type_)
        whole = form in (Form.SIGNED, Form.UNSIGNED)
        assert (form, text if form == Form.TEXT else integer if whole else value) == want
    assert found.metrics[0].is_historical and not found.metrics[1].is_historical
    assert qualities.of(found.metrics[0].properties) == 0x808C_0000
    assert found.metrics[len(VALUES)].is_null


async def test_another_library_reads_what_we_write(tmp_path: Path) -> None:
    metrics = [
        Metric("int", Type.INT64, -7, AT, alias=1),
        Metric("unsigned", Type.UINT64, 2**64 - 1, AT, alias=2),
        Metric("double", Type.DOUBLE, 81.3, AT + 1_000_000, alias=3, quality=quality.BAD_NO_COMMUNICATION),
        Metric("on", Type.BOOLEAN, True, AT, properties={"engUnit": "Cel", "engLow": -1.5}),
        Metric("text", Type.STRING, "läuft", AT, historical=True),
        Metric("small", Type.INT8, -1, AT),
        Metric("nothing", Type.DOUBLE, None, AT),
    ]
    async with SparkplugPeer(tmp_path) as peer:
        data = base64.b64encode(message.birth(metrics, at=AT, seq=5, bd=9)).decode()
        found = (await peer.do("decode", data=data))["payload"]
        short = (await peer.do("decode", data=base64.b64encode(message.data(metrics[:2], at=AT, seq=6)).decode()))[
            "payload"
        ]
    assert (found["timestamp"], found["seq"]) == (str(MS), "5")
    told = {metric["name"]: metric for metric in found["metrics"]}
    assert list(told) == ["bdSeq", "Node Control/Rebirth", *(metric.name for metric in metrics)]
    assert (told["bdSeq"]["type"], told["bdSeq"]["value"]) == ("Int64", "9")
    assert told["int"]["value"] == str(2**64 - 7)  # a Long, which the peer script writes without its sign
    assert told["unsigned"]["value"] == str(2**64 - 1)
    assert (told["double"]["value"], told["double"]["timestamp"]) == (81.3, str(MS + 1))
    assert told["double"]["properties"]["Quality"] == {"type": "Int32", "value": 500}
    assert {key: one["value"] for key, one in told["on"]["properties"].items()} == {"engUnit": "Cel", "engLow": -1.5}
    assert (told["text"]["value"], told["text"]["isHistorical"]) == ("läuft", True)
    assert told["small"]["value"] == -1
    assert told["nothing"]["value"] is None
    assert [(metric.get("name"), metric["alias"]) for metric in short["metrics"]] == [(None, "1"), (None, "2")]


NUMBERS = {
    Type.INT8: st.integers(-(2**7), 2**7 - 1), Type.INT16: st.integers(-(2**15), 2**15 - 1),
    Type.INT32: st.integers(-(2**31), 2**31 - 1), Type.INT64: st.integers(-(2**63), 2**63 - 1),
    Type.UINT8: st.integers(0, 2**8 - 1), Type.UINT16: st.integers(0, 2**16 - 1),
    Type.UINT32: st.integers(0, 2**32 - 1), Type.UINT64: st.integers(0, 2**64 - 1),
    Type.FLOAT: st.floats(width=32, allow_nan=False), Type.DOUBLE: st.floats(allow_nan=False),
    Type.BOOLEAN: st.booleans(), Type.STRING: st.text(max_size=20),
}  # fmt: skip


@given(st.sampled_from(sorted(NUMBERS)).flatmap(lambda type_: st.tuples(st.just(type_), NUMBERS[type_])))
def test_a_value_that_is_written_is_the_one_that_is_read(case: tuple[Type, Any]) -> None:
    type_, value = case
    sent = parsed(message.data([Metric("m", type_, value, AT)], at=AT, seq=0)).metrics[0]
    read = simple(sent, type_)
    assert read == (repr(value) if isinstance(value, float) and math.isinf(value) else value)
    assert type(read) is not bool or type_ is Type.BOOLEAN


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Type.INT8, 128), (Type.INT8, -129), (Type.UINT8, 256), (Type.UINT8, -1), (Type.INT64, 2**63),
        (Type.UINT64, 2**64), (Type.DOUBLE, "warm"), (Type.STRING, 5), (Type.DATASET, "x"), (Type.INT32, "x"),
    ],
)  # fmt: skip
def test_a_value_that_is_none_of_its_type_is_not_written(type_: Type, value: Any) -> None:
    with pytest.raises(Unfit):
        put(payload.Metric(), type_, value)


WHOLE = [type_ for type_ in Type if Type.INT8 <= type_ <= Type.UINT64]


@given(st.sampled_from(WHOLE), st.sampled_from(["int_value", "long_value"]), st.integers(0, 2**64 - 1))
def test_a_whole_number_is_its_own_or_none(type_: Type, which_: str, raw: int) -> None:
    """Encoders write negative numbers in their own width, in 32 bits or in 64."""
    raw &= 2**32 - 1 if which_ == "int_value" else 2**64 - 1
    width = int(type_.name.lstrip("UINT"))
    unsigned = type_.name.startswith("U")
    carriers = {width} if width == 64 else {width, 32, 64}
    candidates = {raw} | {raw - 2**one for one in carriers if not unsigned and 2 ** (one - 1) <= raw < 2**one}
    low, high = (0, 2**width) if unsigned else (-(2 ** (width - 1)), 2 ** (width - 1))
    fitting = {one for one in candidates if low <= one < high}
    if type_ is Type.INT64 and which_ == "int_value" and raw >= 2**31:
        fitting = set()  # nobody can say whether it is negative
    try:
        form, _, integer, _ = cell(payload.Metric(**{which_: raw}), type_)
    except Unfit:
        assert not fitting
        return
    assert fitting == {integer % 2**64 if form == Form.UNSIGNED else integer}


ARRAYS: list[tuple[Type, bytes, Any]] = [
    (Type.INT8_ARRAY, struct.pack("<3b", -1, 0, 5), [-1, 0, 5]),
    (Type.INT16_ARRAY, struct.pack("<2h", -2, 300), [-2, 300]),
    (Type.UINT32_ARRAY, struct.pack("<2I", 0, 2**32 - 1), [0, 2**32 - 1]),
    (Type.INT64_ARRAY, struct.pack("<q", -(2**40)), [-(2**40)]),
    (Type.FLOAT_ARRAY, struct.pack("<2f", 1.5, -2.5), [1.5, -2.5]),
    (Type.DOUBLE_ARRAY, b"", []),
    (Type.BOOLEAN_ARRAY, struct.pack("<I", 12) + b"\xa3\x40", [bool(int(bit)) for bit in "101000110100"]),
    (Type.STRING_ARRAY, b"ABC\0\0hello\0", ["ABC", "", "hello"]),
    (Type.DATETIME_ARRAY, struct.pack("<q", MS), ["2023-11-14T22:13:20.123Z"]),
]
"""As the specification lays them out (6.4.16), and what they are."""


@pytest.mark.parametrize(("type_", "raw", "want"), ARRAYS, ids=lambda one: one.name if isinstance(one, Type) else "")
def test_an_array_is_a_list_in_json(type_: Type, raw: bytes, want: Any) -> None:
    form, _, _, text = cell(payload.Metric(bytes_value=raw), type_)
    assert form == Form.TEXT and text is not None
    assert json.loads(text) == want


@pytest.mark.parametrize(
    ("type_", "raw"),
    [
        (Type.INT16_ARRAY, b"123"), (Type.BOOLEAN_ARRAY, b"\1\0\0"), (Type.BOOLEAN_ARRAY, b"\xff\xff\xff\xff\0"),
        (Type.STRING_ARRAY, b"no end"), (Type.STRING_ARRAY, b"\xff\0"), (Type.DATETIME_ARRAY, b"\xff" * 7 + b"\x7f"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_such_array_are_said_to_be_none(type_: Type, raw: bytes) -> None:
    with pytest.raises(Unfit):
        cell(payload.Metric(bytes_value=raw), type_)


@given(st.binary(max_size=300), st.sampled_from(sorted(Type)))
@settings(max_examples=300)
def test_whatever_bytes_come_they_are_a_payload_or_garbled(data: bytes, type_: Type) -> None:
    try:
        found = parsed(data)
    except Garbled:
        return
    for metric in found.metrics:
        try:
            cell(metric, type_)
            simple(metric, type_of(metric.datatype))
            qualities.of(metric.properties)
        except Unfit:
            continue


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress])
def test_a_compressed_payload_is_unpacked_but_not_to_any_size(pack: Callable[[bytes], bytes]) -> None:
    inner = message.data([Metric("m", Type.DOUBLE, 5.0, AT)], at=AT, seq=7)
    outer = payload.Payload(uuid=payload.COMPRESSED, body=pack(inner)).SerializeToString()
    assert parsed(outer).seq == 7
    bomb = payload.Payload(uuid=payload.COMPRESSED, body=pack(bytes(payload.LARGEST + 1)))
    with pytest.raises(Garbled, match="more than 8 MB"):
        parsed(bomb.SerializeToString())
    with pytest.raises(Garbled):
        parsed(payload.Payload(uuid=payload.COMPRESSED, body=b"no such thing").SerializeToString())


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (192, quality.GOOD), (0, quality.BAD), (500, quality.BAD_NO_COMMUNICATION), (16, 0x808C_0000),
        (64, quality.UNCERTAIN), (219, 0x0096_0000), (0x8000_01F4, quality.BAD_NO_COMMUNICATION),
        (0x8000_0200, quality.BAD), (512, quality.GOOD), (0x8031_0000, quality.BAD_NO_COMMUNICATION),
        (0x4000_0100, quality.UNCERTAIN), (256, quality.GOOD),
    ],
)  # fmt: skip
def test_a_quality_is_read_by_its_rule(code: int, status: int) -> None:
    assert qualities.status(code) == status


@given(st.integers(0, 2**32 - 1))
def test_our_own_property_keeps_a_status_to_the_last_bit(status: int) -> None:
    sent = parsed(message.data([Metric("m", Type.DOUBLE, 1.0, AT, quality=status)], at=AT, seq=0)).metrics[0]
    assert qualities.of(sent.properties) == status
    assert sent.properties.values[0].int_value in (192, 0, 500)
