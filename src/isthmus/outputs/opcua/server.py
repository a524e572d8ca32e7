# SPDX-License-Identifier: Apache-2.0
"""The output: an OPC UA server with the plant in it, whose variables have the values that are delivered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, Final

import structlog
from asyncua import ua
from asyncua.crypto.security_policies import SECURITY_POLICY_TYPE_MAP
from cryptography import x509

from isthmus.core.errors import Disconnected, Refused
from isthmus.core.quality import Mark
from isthmus.core.tag import DataType
from isthmus.outputs.contract import Delivery, Refusal, Surroundings
from isthmus.outputs.opcua import wire
from isthmus.outputs.opcua.attributes import MOST, POINTS, Attributes
from isthmus.outputs.opcua.connection import PlantServer
from isthmus.outputs.opcua.historian import Historian
from isthmus.outputs.opcua.library import Door
from isthmus.outputs.opcua.past import PAGE, Recent
from isthmus.outputs.opcua.space import Space, build, namespace
from isthmus.outputs.opcua.spec import OpcUaServerSpec
from isthmus.outputs.opcua.subscribing import Subscribing
from isthmus.outputs.opcua.wire import Value
from isthmus.store.history.columns import Columns, empty
from isthmus.systems.opcua import trust

CLIENTS: Final = "clients"
"""Folder in `pki/` with the clients' certificates: `trusted/` and `rejected/`."""

say = structlog.get_logger("opcua-server")


class OpcUaServer:
    """One such output; remembers what its variables are when it is opened again."""

    def __init__(self, spec: OpcUaServerSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        self._types = {number: one.tag.type for number, one in surroundings.tags.items()}
        self._recent = Recent()
        self._shown: dict[int, Value] | None = None
        """By tag number: what is shown."""
        self._passwords = passwords(spec.users.get_secret_value(), surroundings.output) if spec.users else {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_Sink]:
        """Listens until left; raises Refused when it cannot."""
        spec, pki = self._spec, trust.folder(self._house.data)
        self._check_port()
        before = await self._house.last() if self._shown is None else empty()
        server = PlantServer(self._door(pki))
        await server.init()
        space, attributes = await self._furnished(server, pki)
        subscribing = Subscribing(attributes, space)
        historian = Historian(self._house.data / "history", self._house.revision, space, self._recent)
        server.iserver.door.services.update(attributes.services() | subscribing.services() | historian.services())
        sink = _Sink(server, space, self._types, self._recent)
        if self._shown is None:
            sink.show(before)
            self._shown = sink.shown
        else:
            sink.shown = self._shown
            for number, value in self._shown.items():
                space.tags[number].change(value, 0.0)
        await server.start()
        say.info("listening", output=self._house.output, address=spec.listen)
        try:
            yield sink
        finally:
            await server.stop()
            subscribing.close()

    def _check_port(self) -> None:
        """Raises Refused when nothing can listen there, before the address space is made for nothing."""
        spec = self._spec
        with socket.socket(socket.AF_INET6 if ":" in spec.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((spec.host, spec.port))
                probe.listen()
            except OSError as error:
                what = f"nothing can listen on {spec.listen}: {error.strerror}"
                raise Refused(what, where=self._house.output, hint="choose another address with listen:") from error

    def _door(self, pki: Path) -> Door:
        clients = pki / CLIENTS
        for place in (clients, clients / "trusted", clients / "rejected"):
            place.mkdir(mode=0o700, exist_ok=True)
        offered = [SECURITY_POLICY_TYPE_MAP[policy][0].URI for policy in _policies(self._spec)]

        def check(certificate: x509.Certificate) -> int:
            return _checked(certificate, clients, self._house.output)

        return Door(self._passwords, self._spec.anonymous, frozenset(offered), check, {}, self._spec.sessions)

    async def _furnished(self, server: PlantServer, pki: Path) -> tuple[Space, Attributes]:
        """The server with its name, its certificate and the plant in it."""
        spec, house = self._spec, self._house
        certificate, key = await asyncio.to_thread(trust.own, pki, f"server-{house.output}")
        server.iserver.certificate, server.iserver.private_key = certificate, key
        server.set_security_policy(_policies(spec))
        server.name = f"Isthmus {house.revision.plant}"
        server.product_uri = "urn:isthmus"
        server.set_endpoint(f"opc.tcp://{spec.listen}/")
        server.socket_address = (spec.host, spec.port)
        await server.set_application_uri(trust.application_uri(certificate))
        await server.set_build_info("urn:isthmus", "Isthmus", server.name, version("isthmus"), "", datetime.now(UTC))
        index = await server.register_namespace(namespace(house.revision.plant))
        inside = server.iserver.aspace
        space = await asyncio.to_thread(build, inside, index, house.revision, house.tags)
        for number, value in _limits(spec):
            node = inside[ua.NodeId(number, 0)]
            node.attributes[ua.AttributeIds.Value].value = ua.DataValue(value)
        return space, Attributes(inside, space)


class _Sink:
    """The open server."""

    def __init__(self, server: PlantServer, space: Space, types: dict[int, DataType], recent: Recent) -> None:
        self._server, self._space, self._types, self._recent = server, space, types, recent
        self.shown: dict[int, Value] = {}

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        """Returns once the variables have the values; clients are told at their own pace."""
        if not self._server.bserver.is_serving:
            raise Disconnected("the server does not listen any more")
        if len(delivery):
            if not delivery.recalled:
                self._recent.add(delivery.columns)
            self.show(delivery.columns)
        return ()

    def show(self, columns: Columns) -> None:
        """Changes variables to what is not older than what they have; what is historical is for the history."""
        now, tags, shown = monotonic(), self._space.tags, self.shown
        marks = (columns.mark & Mark.HISTORICAL).tolist()
        rows = zip(columns.tag.tolist(), columns.time.tolist(), marks, wire.values(columns, self._types), strict=True)
        for number, at, historical, value in rows:
            known = shown.get(number)
            if historical or (known is not None and known.at is not None and at < known.at):
                continue
            shown[number] = value
            tags[number].change(value, now)


def passwords(text: str, where: str) -> dict[str, str]:
    """Name → password of lines `name:password`; raises Refused for other lines."""
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, password = line.partition(":")
        if not colon or not name.strip() or not password:
            raise Refused(f"line {number} of the secret users is not name:password", where=where)
        found[name.strip()] = password
    if not found:
        raise Refused("the secret users is empty", where=where, hint="write a line name:password for each user")
    return found


def _policies(spec: OpcUaServerSpec) -> list[ua.SecurityPolicyType]:
    return [_POLICIES[word] for word in dict.fromkeys(spec.security)]


_POLICIES: Final = {
    "None": ua.SecurityPolicyType.NoSecurity,
    "Basic256Sha256/Sign": ua.SecurityPolicyType.Basic256Sha256_Sign,
    "Basic256Sha256/SignAndEncrypt": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "Aes128_Sha256_RsaOaep/Sign": ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    "Aes128_Sha256_RsaOaep/SignAndEncrypt": ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    "Aes256_Sha256_RsaPss/Sign": ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    "Aes256_Sha256_RsaPss/SignAndEncrypt": ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
}


def _checked(certificate: x509.Certificate, clients: Path, output: str) -> int:
    """A StatusCode for a client's certificate; an unknown one is put where a person finds it."""
    if not trust.is_trusted(certificate, clients):
        file = trust.reject(certificate, clients)
        hint = f"if this is a client of yours, move {file} to {clients / 'trusted'}"
        say.warning("client not trusted", output=output, client=trust.subject(certificate), hint=hint)
        return int(ua.StatusCodes.BadCertificateUntrusted)
    if not trust.is_valid(certificate):
        say.warning("client's certificate is out of its time", output=output, client=trust.subject(certificate))
        return int(ua.StatusCodes.BadCertificateTimeInvalid)
    return 0


def _limits(spec: OpcUaServerSpec) -> list[tuple[int, Any]]:
    """What the server says of what it can."""
    ids, long = ua.ObjectIds, ua.VariantType.UInt32
    operations = [
        number
        for name, number in vars(ids).items()
        if name.startswith("Server_ServerCapabilities_OperationLimits_MaxNodesPer")
    ]
    short = ua.Variant(POINTS, ua.VariantType.UInt16)
    return [
        *((number, ua.Variant(MOST, long)) for number in operations),
        (ids.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall, ua.Variant(MOST, long)),
        (ids.Server_ServerCapabilities_MaxHistoryContinuationPoints, short),
        (ids.Server_ServerCapabilities_MaxBrowseContinuationPoints, short),
        (ids.HistoryServerCapabilities_MaxReturnDataValues, ua.Variant(PAGE, long)),
        (ids.Server_ServerCapabilities_MaxSessions, ua.Variant(spec.sessions, long)),
    ]
