# SPDX-License-Identifier: Apache-2.0
"""What we encode is what asyncua reads; and asyncua is still made inside as our server takes it to be."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import numpy as np
import pytest
from asyncua import Server, ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.common.utils import Buffer
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData, ViewService
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import from_binary, struct_from_binary
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.tag import DataType
from isthmus.outputs.opcua import wire
from isthmus.outputs.opcua.wire import BOTH, NEITHER, SERVER, SOURCE, Value
from tests.opcuaserver.house import AT, samples

WHOLE = st.integers(-(2**63), 2**63 - 1)


def read_back(value: Value, stamps: int = BOTH) -> ua.DataValue:
    return from_binary(ua.DataValue, Buffer(value.encoded(stamps)))


@given(st.floats(), WHOLE, st.integers(0, 2**64 - 1), st.booleans(), st.text(max_size=20), st.integers(0, 2**31 - 1))
def test_values_of_every_type_are_read_back(
    number: float, whole: int, unsigned: int, flag: bool, text: str, status: int
) -> None:
    text = text.encode("utf-8", "replace").decode()
    types = {1: DataType.FLOAT, 2: DataType.INTEGER, 3: DataType.UNSIGNED, 4: DataType.BOOLEAN, 5: DataType.TEXT}
    two = int(np.array(unsigned, np.uint64).astype(np.int64))
    columns = [
        samples(1, [AT], [number], quality=status),
        samples(2, [AT], [float(whole)], integer=[whole], quality=status),
        samples(3, [AT], [float(unsigned)], integer=[two], quality=status),
        samples(4, [AT], [float(flag)], quality=status),
        samples(5, [AT], text=[text], quality=status),
    ]
    found = [read_back(next(wire.values(one, types))) for one in columns]
    assert [one.Value.VariantType.name for one in found] == ["Double", "Int64", "UInt64", "Boolean", "String"]
    assert [one.Value.Value for one in found[1:]] == [whole, unsigned, flag, text]
    assert np.array_equal([found[0].Value.Value], [number], equal_nan=True)
    assert {one.StatusCode.value for one in found} == {status}


@pytest.mark.parametrize("stamps", [SOURCE, SERVER, BOTH, NEITHER])
def test_the_timestamps_asked_for_come(stamps: int) -> None:
    found = read_back(Value(b"", 0x8000_0000, AT + 123_456_789, AT + 5_000), stamps)
    assert (found.SourceTimestamp is not None) == (stamps in (SOURCE, BOTH))
    assert (found.ServerTimestamp is not None) == (stamps in (SERVER, BOTH))
    assert found.SourcePicoseconds is None
    assert found.Value.Value is None and found.StatusCode.value == 0x8000_0000
    assert wire.nanoseconds(wire.ticks(AT + 123_456_700)) == AT + 123_456_700


def test_a_publish_answer_is_read_back() -> None:
    notes = [wire.handle(n) + Value(wire.DOUBLE + wire.double(n / 2), 0, AT, AT).encoded(BOTH) for n in range(3)]
    message = wire.message(9, AT, (wire.data_change(notes),))
    body = wire.head(829, 4, AT) + wire.published(77, (8, 9), True, message, (0, wire.OVERFLOW))
    found = struct_from_binary(ua.PublishResponse, Buffer(body))
    said = found.Parameters
    assert (found.ResponseHeader.RequestHandle, said.SubscriptionId, said.MoreNotifications) == (4, 77, True)
    assert said.AvailableSequenceNumbers == [8, 9] and said.NotificationMessage.SequenceNumber == 9
    items = said.NotificationMessage.NotificationData[0].MonitoredItems
    assert [(one.ClientHandle, one.Value.Value.Value) for one in items] == [(0, 0.0), (1, 0.5), (2, 1.0)]


def test_a_history_answer_is_read_back() -> None:
    values = [Value(wire.number_variant(n, DataType.INTEGER), 0, AT + n, AT).encoded(SOURCE) for n in range(2)]
    results = [wire.history_result(0, b"more", values), wire.history_result(0x8034_0000, None, None)]
    body = wire.head(667, 4, AT) + wire.array(results) + wire.NO_DIAGNOSTICS
    first, second = struct_from_binary(ua.HistoryReadResponse, Buffer(body)).Results
    assert [one.Value.Value for one in first.HistoryData.DataValues] == [0, 1] and first.ContinuationPoint == b"more"
    assert second.StatusCode.value == 0x8034_0000


INSIDE = {
    (UaProcessor, "__init__"): "internal_server transport limits",
    (UaProcessor, "process"): "header body",
    (UaProcessor, "process_message"): "seqhdr body",
    (UaProcessor, "_process_message"): "typeid requesthdr seqhdr body",
    (UaProcessor, "open_secure_channel"): "algohdr seqhdr body",
    (UaProcessor, "send_response"): "requesthandle seqhdr response msgtype",
    (UaProcessor, "_session_watchdog_loop"): "",
    (UaProcessor, "close"): "",
    (InternalServer, "create_session"): "name user external",
    (InternalServer, "decrypt_user_token"): "isession token",
    (InternalServer, "load_standard_address_space"): "shelf_file",
    (InternalServer, "lookup_external_session"): "auth_token",
    (InternalSession, "close_session"): "delete_subs",
    (InternalSession, "activate_session"): "params peer_certificate",
    (OPCUAProtocol, "__init__"): "iserver policies clients closing_tasks limits",
    (OPCUAProtocol, "data_received"): "data",
    (OPCUAProtocol, "_process_one_msg"): "header buf",
    (BinaryServer, "_make_protocol"): "",
    (Server, "_setup_server_nodes"): "",
    (Server, "start"): "",
    (SecureConnection, "open"): "params server",
    (SecureConnection, "select_policy"): "uri peer_certificate mode",
    (SecureConnection, "message_to_binary"): "message message_type request_id",
    (TransportLimits, "create_acknowledge_and_set_limits"): "msg",
    (AddressSpace, "add_datachange_callback"): "nodeid attr callback",
    (AddressSpace, "read_attribute_value"): "nodeid attr",
    (ViewService, "_browse"): "desc",
    (ViewService, "_suitable_reftype"): "ref1 ref2 subtypes",
    (ViewService, "_get_sub_ref"): "ref",
}
"""What our classes override or call inside asyncua, with its parameters."""


@pytest.mark.parametrize(("of", "name"), INSIDE, ids=lambda one: getattr(one, "__name__", one))
def test_asyncua_is_made_inside_as_it_was(of: type, name: str) -> None:
    parameters = list(inspect.signature(getattr(of, name)).parameters)[1:]
    assert " ".join(parameters) == INSIDE[of, name], (
        f"asyncua {version('asyncua')} changed {of.__name__}.{name}: look through outputs/opcua/library.py, "
        "connection.py and nodes.py before you let it in"
    )


def test_nodes_are_kept_as_they_were() -> None:
    node = NodeData(ua.NodeId(1))
    assert set(vars(node)) == {"nodeid", "attributes", "references", "call"}
    assert set(vars(AttributeValue(ua.DataValue(1)))) == {
        "value", "value_callback", "value_setter", "datachange_callbacks",
    }  # fmt: skip
    assert isinstance(AddressSpace()._nodes, dict)
    assert {"_connection", "_limits", "session", "iserver", "_transport"} <= set(
        vars(UaProcessor(InternalServer(), _Nowhere(), TransportLimits()))
    )


class _Nowhere:
    """A transport that nobody is at the other end of."""

    def get_extra_info(self, _: str) -> None:
        return None
