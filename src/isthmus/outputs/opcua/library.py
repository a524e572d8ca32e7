# SPDX-License-Identifier: Apache-2.0
"""asyncua's server with what it leaves out or leaves open: checked certificates, guarded sessions, services of ours.

asyncua keeps the secure channel, sessions, discovery and the address space. Everything a signed-in client asks is
answered by our services: `attributes.py`, `subscribing.py`, `historian.py`. With `connection.py` and `nodes.py` this is
all that depends on how asyncua is made inside: `tests/opcuaserver` says so when that changes.
"""

from __future__ import annotations

import asyncio
import gc
import hmac
import logging
import pickle
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from struct import unpack_from
from time import monotonic
from typing import Any, Final

import structlog
from asyncua import ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.address_space import AddressSpace, NodeManagementService
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession, SessionState
from asyncua.server.standard_address_space.standard_address_space import fill_address_space
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from cryptography import x509

from isthmus.core import time
from isthmus.outputs.opcua import wire
from isthmus.outputs.opcua.subscription import Publishing

UNKNOWN: Final = 32
"""Connections on which nobody has signed in; with more the oldest is closed."""
ACTIVATION: Final = 10.0
"""Seconds to sign in."""
PENALTY: Final = 0.5
"""Seconds that a wrong password takes."""
LONGEST_TOKEN: Final = 3_600_000
"""ms that keys of a secure channel are used."""
MOST_SESSIONS: Final = 10
"""On one connection."""

logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)  # what strangers send is nothing to report

say = structlog.get_logger("opcua-server")

Answer = Callable[["Call"], Awaitable[None]]
"""What answers a service; raises ServiceError."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service of ours."""

    parameters: type[Any]
    """What the library decodes of it."""
    answer: Answer
    apart: bool = False
    """It takes its time: other requests of the connection do not wait for it."""
    decode: Callable[[Any], Any] | None = None
    """In place of the library's own."""


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in, and what is answered then."""

    passwords: Mapping[str, str]
    anonymous: bool
    policies: frozenset[str]
    """URIs of the security policies that may be used."""
    check: Callable[[x509.Certificate], int]
    """A StatusCode for a client's certificate."""
    services: Mapping[int, Service]
    """By the number of the request's encoding."""
    sessions: int


class Visit(InternalSession):  # type: ignore[misc]  # asyncua has no types that mypy knows
    """A session; its token cannot be guessed."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.iserver.unregister_external_session(self)
        self.auth_token = ua.NodeId(secrets.token_bytes(24), 0)
        if self.external:
            self.iserver.register_external_session(self)
        self.publishing = Publishing()
        self.channel: Channel | None = None
        """Where its client is."""
        self.peer: bytes | None = None
        """The certificate of the client that made it."""
        self.private = False
        """Its channel is encrypted."""
        self.points: dict[bytes, Any] = {}
        """Continuation points of browsing and of history."""

    async def close_session(self, delete_subs: bool = True) -> None:
        """One whose time is over keeps its subscriptions, whatever the library says: its client may come for them."""
        if self.state is SessionState.Closed:  # its connection ends behind it
            return
        self.points.clear()
        if delete_subs and asyncio.current_task() is not self._timeout_task:
            self.publishing.close()
        else:
            self.publishing.leave_alone()
        await super().close_session(delete_subs)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage: among half a million new objects that takes longer than making them."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@cache
def _packed_nodes() -> bytes:
    space = AddressSpace()
    fill_address_space(NodeManagementService(space))
    return pickle.dumps(space._nodes, pickle.HIGHEST_PROTOCOL)


def _standard_nodes() -> Any:
    """The nodes of the standard's own namespace."""
    with _uncollected():
        return pickle.loads(_packed_nodes())


class House(InternalServer):  # type: ignore[misc]  # asyncua has no types that mypy knows
    """The inside of the server."""

    def __init__(self, door: Door) -> None:
        super().__init__(user_manager=self)
        self.door = door
        self.allow_remote_admin = False
        self.max_pending_activation_seconds = ACTIVATION
        self.max_connections = door.sessions + UNKNOWN
        self.supported_tokens = tuple(
            token
            for token, offered in (
                (ua.AnonymousIdentityToken, door.anonymous),
                (ua.UserNameIdentityToken, bool(door.passwords)),
            )
            if offered
        )

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """Made once in a process, copied for every server: that takes a tenth of the time."""
        self.aspace._nodes = await asyncio.to_thread(_standard_nodes)

    def create_session(self, name: str, user: User = User(), external: bool = False) -> Visit:  # noqa: B008  # as asyncua has it
        return Visit(self, self.aspace, self.subscription_service, name, user=user, external=external)

    def get_user(
        self, _: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """Who signs in; None: nobody we know. (The library asks its user manager so.)"""
        if username is None:
            return User(role=UserRole.User) if self.door.anonymous else None
        known = self.door.passwords.get(username)
        same = hmac.compare_digest((known or secrets.token_hex()).encode(), (password or "").encode())
        return User(role=UserRole.User, name=username) if known is not None and same else None

    def decrypt_user_token(self, isession: Visit, token: ua.UserNameIdentityToken) -> tuple[str, str]:
        """Name and password; refuses a password that travelled in the clear, or was heard before (Part 4, 7.41.4)."""
        if not token.EncryptionAlgorithm:
            if not isession.private:
                raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
            return token.UserName, bytes(token.Password or b"").decode()
        decrypt = _DECRYPT.get(token.EncryptionAlgorithm)
        if decrypt is None:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        plain = decrypt(self.private_key, token.Password)
        length = unpack_from("<I", plain)[0] - len(isession.nonce)
        if length < 0 or plain[4 + length :] != isession.nonce:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        return token.UserName, plain[4 : 4 + length].decode()


_DECRYPT: Final = {
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep": uacrypto.decrypt_rsa_oaep,
    "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256": uacrypto.decrypt_rsa_oaep_sha256,
}


class Channel(UaProcessor):  # type: ignore[misc]  # asyncua has no types that mypy knows
    """What goes on over one connection."""

    def __init__(self, iserver: House, transport: asyncio.Transport, limits: TransportLimits) -> None:
        super().__init__(iserver, transport, limits)
        self.visits: dict[ua.NodeId, Visit] = {}
        self.clear = True
        """The client reads what is sent to it."""
        self._apart: set[asyncio.Task[None]] = set()

    @property
    def transport(self) -> asyncio.Transport:
        transport: asyncio.Transport = self._transport
        return transport

    @property
    def is_known(self) -> bool:
        """Somebody has signed in."""
        return any(visit.is_activated() for visit in self.visits.values())

    def open_secure_channel(self, algohdr: Any, seqhdr: Any, body: Any) -> None:
        """As the library does, but only for a certificate that is trusted."""
        request = struct_from_binary(ua.OpenSecureChannelRequest, body)
        connection = self._connection
        if not connection.is_open():
            if algohdr.SecurityPolicyURI != SecurityPolicyNone.URI:
                self._check(algohdr.SenderCertificate)
            mode = request.Parameters.SecurityMode
            connection.select_policy(algohdr.SecurityPolicyURI, algohdr.SenderCertificate, mode)
        request.Parameters.RequestedLifetime = min(request.Parameters.RequestedLifetime or LONGEST_TOKEN, LONGEST_TOKEN)
        response = ua.OpenSecureChannelResponse()
        response.Parameters = connection.open(request.Parameters, self.iserver)
        self.send_response(request.RequestHeader.RequestHandle, seqhdr, response, ua.MessageType.SecureOpen)

    def _check(self, certificate: bytes | None) -> None:
        try:
            status = self.iserver.door.check(x509.load_der_x509_certificate(certificate or b""))
        except ValueError:
            status = ua.StatusCodes.BadCertificateInvalid
        if status:
            raise ServiceError(status)

    async def _process_message(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Any) -> bool:
        number = typeid.Identifier if typeid.NamespaceIndex == 0 else 0
        self.session = self.visits.get(requesthdr.AuthenticationToken)
        prepare = _LIBRARY.get(number)
        if prepare is not None:
            prepare(self, requesthdr, body)
            try:
                going_on: bool = await super()._process_message(typeid, requesthdr, seqhdr, body)
            except (ServiceError, ua.uaerrors.UaStatusCodeError):
                if number == ua.ObjectIds.ActivateSessionRequest_Encoding_DefaultBinary:
                    await asyncio.sleep(PENALTY)
                raise
            self._note(number)
            return going_on
        service = self.iserver.door.services.get(number)
        if service is None:
            raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
        visit = self.session
        if visit is None:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if not visit.is_activated():
            raise ServiceError(ua.StatusCodes.BadSessionNotActivated)
        visit.touch()
        try:
            parameters = await _decoded(service, body)
        except Exception as error:  # whatever the library makes of bytes that mean nothing
            raise ServiceError(ua.StatusCodes.BadDecodingError) from error
        await self._serve(service, Call(self, visit, requesthdr, seqhdr.RequestId, number, parameters))
        return True

    async def _serve(self, service: Service, call: Call) -> None:
        if not service.apart:
            await self._answer(service, call)
            return
        if len(self._apart) >= _WAITING:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        task = asyncio.create_task(self._answer(service, call))
        self._apart.add(task)
        task.add_done_callback(self._apart.discard)

    async def _answer(self, service: Service, call: Call) -> None:
        try:
            await service.answer(call)
        except (ServiceError, ua.uaerrors.UaStatusCodeError) as error:
            call.fault(error.code)
        except Exception:
            say.exception("a request failed", peer=str(self.name))
            call.fault(ua.StatusCodes.BadInternalError)

    def _note(self, number: int) -> None:
        """What the library did to sessions."""
        visit = self.session
        if visit is None:
            return
        if number == ua.ObjectIds.CloseSessionRequest_Encoding_DefaultBinary:
            self.visits.pop(visit.auth_token, None)
        elif number in (
            ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary,
            ua.ObjectIds.ActivateSessionRequest_Encoding_DefaultBinary,
        ):
            policy = self._connection.security_policy
            if number == ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary:
                visit.peer = policy.peer_certificate
            visit.private = policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
            self._receive(visit)

    def _receive(self, visit: Visit) -> None:
        """What its client asked over another connection is not answered any more (Part 4, 5.7.3)."""
        if visit.channel is not None and visit.channel is not self:
            visit.channel.visits.pop(visit.auth_token, None)
        visit.channel = self
        self.visits[visit.auth_token] = visit

    def before_create(self, _: Any, body: Any) -> None:
        """Refuses a session on a channel without the security we ask for, and for another than the channel's client."""
        policy = self._connection.security_policy
        if policy.URI not in self.iserver.door.policies:
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)
        known = sum(visit.is_activated() for visit in self.iserver._external_sessions.values())
        if len(self.visits) >= MOST_SESSIONS or known >= self.iserver.door.sessions:
            raise ServiceError(ua.StatusCodes.BadTooManySessions)
        if policy.URI == SecurityPolicyNone.URI:
            return
        said = struct_from_binary(ua.CreateSessionParameters, body.copy())
        if said.ClientCertificate != policy.peer_certificate:
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid)
        if said.ClientDescription.ApplicationUri != _uri(policy.peer_certificate):
            raise ServiceError(ua.StatusCodes.BadCertificateUriInvalid)

    def before_activate(self, header: Any, _: Any) -> None:
        """A session goes on over another connection only with the certificate, and the security, it began with."""
        if self.session is not None:
            return
        existing = self.iserver.lookup_external_session(header.AuthenticationToken)
        policy = self._connection.security_policy
        if existing is not None and (
            existing.peer != policy.peer_certificate or policy.URI not in self.iserver.door.policies
        ):
            raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed)

    def nothing(self, _: Any, __: Any) -> None:
        """Nothing to check beforehand."""

    async def _session_watchdog_loop(self) -> None:
        """Sessions watch their own time."""

    async def close(self) -> None:
        """The connection is gone: so are its sessions, but those whose subscriptions may go on over another one."""
        self._closing = True
        for task in self._apart:
            task.cancel()
        for visit in list(self.visits.values()):  # meanwhile one may go on over another connection
            if not visit.is_activated() or not visit.publishing.subscriptions:
                await visit.close_session(True)

    def resume(self) -> None:
        """The client reads again."""
        self.clear = True
        for visit in self.visits.values():
            visit.publishing.resume()

    def respond(self, request: int, body: bytes) -> bool:
        """Sends an answer; false where it is larger than the client takes."""
        limits = self._limits
        if limits.max_message_size and len(body) > limits.max_message_size:
            return False
        if limits.max_chunk_count and len(body) > limits.max_chunk_count * (limits.max_send_buffer - 256):
            return False
        if not self._transport.is_closing():
            self._transport.write(self._connection.message_to_binary(body, request_id=request))
        return True


_WAITING: Final = 16
"""Long requests of one connection that wait or run."""

_LIBRARY: Final[Mapping[int, Callable[[Channel, Any, Any], None]]] = {
    ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary: Channel.before_create,
    ua.ObjectIds.ActivateSessionRequest_Encoding_DefaultBinary: Channel.before_activate,
    ua.ObjectIds.CloseSessionRequest_Encoding_DefaultBinary: Channel.nothing,
    ua.ObjectIds.GetEndpointsRequest_Encoding_DefaultBinary: Channel.nothing,
    ua.ObjectIds.FindServersRequest_Encoding_DefaultBinary: Channel.nothing,
    ua.ObjectIds.CloseSecureChannelRequest_Encoding_DefaultBinary: Channel.nothing,
}
"""Services that are the library's, and what is checked before each."""

_SMALL: Final = 65_536


async def _decoded(service: Service, body: Any) -> Any:
    """A request's parameters; long ones in a thread, so that others need not wait for them."""
    decode = service.decode or partial(struct_from_binary, service.parameters)
    return decode(body) if len(body) < _SMALL else await asyncio.to_thread(decode, body)


def _uri(certificate: bytes) -> str:
    """The application URI in a certificate; empty when it has none."""
    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ""
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")


class Call:
    """A request that waits for its answer."""

    __slots__ = ("_channel", "_header", "_request", "_since", "number", "parameters", "results", "visit")

    def __init__(self, channel: Channel, visit: Visit, header: Any, request: int, number: int, parameters: Any) -> None:
        self._channel, self._header, self._request, self._since = channel, header, request, monotonic()
        self.visit, self.number, self.parameters = visit, number, parameters
        self.results: list[int] = []

    @property
    def patience(self) -> float:
        """Seconds that the client waits; 0: it does not say."""
        return float(self._header.TimeoutHint) / 1000

    @property
    def open(self) -> bool:
        return self._channel.clear

    @property
    def gone(self) -> bool:
        return self._channel.transport.is_closing() or self.visit.channel is not self._channel

    def expired(self, now: float) -> bool:
        return self.patience > 0 and now - self._since > self.patience

    def answer(self, body: bytes) -> None:
        """Sends the parameters of the answer, whose type comes three after the request's (Part 6, A.3)."""
        head = wire.head(self.number + 3, self._header.RequestHandle, time.now())
        if not self._channel.respond(self._request, head + body):
            self.fault(ua.StatusCodes.BadResponseTooLarge)

    def reply(self, response: Any) -> None:
        """Sends an answer that the library encodes."""
        response.ResponseHeader.RequestHandle = self._header.RequestHandle
        if not self._channel.respond(self._request, struct_to_binary(response)):
            self.fault(ua.StatusCodes.BadResponseTooLarge)

    def fault(self, status: int) -> None:
        fault = ua.ObjectIds.ServiceFault_Encoding_DefaultBinary
        self._channel.respond(self._request, wire.head(fault, self._header.RequestHandle, time.now(), status))
