# SPDX-License-Identifier: Apache-2.0
"""MQTT's packets: cut anywhere, garbled in any way, and as mosquitto's own clients see what we send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.errors import Disconnected, IsthmusError
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.client import Connection, Where, connected
from isthmus.systems.mqtt.packet import Garbled, Greeting, Stream, Version
from tests.peers.mosquitto import Mosquitto

PACKETS = [packet.PINGREQ, packet.puback(7), packet.packet(0x32, packet.text("a"), b"\0\1\0" + b"x" * 300), b"\xd0\0"]


@given(st.lists(st.sampled_from(PACKETS), max_size=8), st.integers(1, 64))
def test_packets_are_the_same_however_the_bytes_are_cut(sent: list[bytes], size: int) -> None:
    stream, data, found = Stream(), b"".join(sent), []
    for place in range(0, len(data), size):
        found += list(stream.feed(data[place : place + size]))
    assert [packet.packet(first, body) for first, body in found] == sent


@given(st.integers(0, 268_435_455))
def test_lengths_are_read_as_they_are_written(size: int) -> None:
    assert packet.Reader(packet.length(size)).length() == size


READERS: list[Callable[[bytes], object]] = [
    partial(packet.connack, Version.V5),
    partial(packet.connack, Version.V311),
    partial(packet.published, Version.V5, 0x32),
    partial(packet.published, Version.V311, 0x31),
    packet.acknowledged,
    partial(packet.farewell, Version.V5),
    partial(packet.subscribed, Version.V5),
]


@given(st.sampled_from(READERS), st.binary(max_size=60))
def test_garbled_packets_are_called_that(read: Callable[[bytes], object], body: bytes) -> None:
    with suppress(Garbled):
        read(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_cut_or_called_garbled(data: bytes) -> None:
    with suppress(Garbled):
        list(Stream().feed(data))


@pytest.mark.parametrize("text", ["a\0b", "ä" * 40_000])
def test_what_mqtt_cannot_say_is_refused(text: str) -> None:
    with pytest.raises(IsthmusError):
        packet.text(text)


@asynccontextmanager
async def server(answers: bytes) -> AsyncIterator[int]:
    """A server that sends this to everyone who says anything."""

    answering: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read(1)
            writer.write(answers)
            while await reader.read(1000):
                pass
        writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.append(asyncio.create_task(answer(reader, writer)))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
        for _ in range(10):  # whoever was let in by now gets as far as `accept`
            await asyncio.sleep(0)
        await asyncio.gather(*answering)


WELCOME = b"\x20\x03\0\0\0"


@asynccontextmanager
async def open_to(port: int, version: Version = Version.V5, patience: float = 0.5) -> AsyncIterator[Connection]:
    greeting = Greeting(version, "test", 30, True)
    async with connected(Where("127.0.0.1", port), greeting, patience) as connection:
        yield connection


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer"),
        (b"\x20\xff\xff\xff\xff\xff", "a length of more than four bytes"),
        (b"\x20\x80\x80\x80\x40", "a packet of"),
        (b"\x20\x01\0", "ends too soon"),
        (b"", "does not answer"),
        (b"\x20\x03\0\x88\0", "the server is unavailable"),
    ],
)
async def test_a_server_that_is_no_broker_counts_as_away(answers: bytes, says: str) -> None:
    async with server(answers) as port:
        with pytest.raises(Disconnected, match=says):
            async with open_to(port, patience=0.5 if says == "does not answer" else 60):
                pass


async def test_a_broker_that_falls_silent_counts_as_gone_and_publishing_ends() -> None:
    async with server(WELCOME) as port, open_to(port, patience=2) as connection:
        with pytest.raises(Disconnected, match="does not answer"):
            await connection.publish([(packet.text("a"), b"1")], retain=False)


@pytest.mark.parametrize("version", list(Version))
async def test_mosquitto_has_every_message_and_gives_it_back(broker: Mosquitto, version: Version) -> None:
    payloads = [b"", b"\0\xff", b"x" * 200_000, "é".encode()]
    async with open_to(broker.port, version, 60) as reading, open_to_other(broker.port, version) as writing:
        assert await reading.subscribe(["a b/#"]) == []
        sent = [(packet.text(f"a b/{n}/ü"), payloads[n % len(payloads)]) for n in range(100)]
        assert await writing.publish(sent, retain=False) == []
        found: list[tuple[bytes, bytes]] = []
        while len(found) < len(sent):
            arrived = await reading.received(50, 60)
            assert arrived
            reading.acknowledge([message.id for message in arrived])
            found += [(packet.text(message.topic), message.payload) for message in arrived]
        assert found == sent


@asynccontextmanager
async def open_to_other(port: int, version: Version) -> AsyncIterator[Connection]:
    async with connected(Where("127.0.0.1", port), Greeting(version, "other", 30, True), 60) as connection:
        yield connection


async def test_more_than_the_broker_takes_at_once_waits(broker: Mosquitto) -> None:
    async with open_to(broker.port, Version.V5, 60) as connection:
        assert connection.window == 20
        assert (
            await connection.publish([(packet.text("many"), b"%d" % n) for n in range(70_000 // 20)], retain=True) == []
        )
    assert broker.retained("many") == {"many": str(70_000 // 20 - 1)}
