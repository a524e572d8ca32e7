# SPDX-License-Identifier: Apache-2.0
"""A conversation with a web server: one request, its answer as a whole and within bounds, or why there is none."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
from yarl import URL

from isthmus.core import quality
from isthmus.core.errors import Disconnected
from isthmus.systems.http.site import Site, secret_of, tls_of
from isthmus.systems.tls import remedy

LONGEST_REST: Final = 3600.0
"""Seconds that a server may ask to be left alone at most."""
UNASKED: Final = 5.0
"""Seconds that one is left alone that does not say how long."""
HOPS: Final = 5
"""Redirects followed one after the other."""
BUSY: Final = frozenset({429, 503})
"""Answers of a server that has too much to do."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    body: bytes = b""
    whole: bool = True
    """The body was not longer than it may be; else it is its beginning."""
    tag: str = ""
    """Its ETag."""
    charset: str = ""
    rest: float = 0.0
    """Seconds that we are asked to wait (Retry-After); 0: not said."""
    location: str = ""
    """Where a redirect points to that is not followed."""

    @property
    def words(self) -> str:
        """`404 Not Found`."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return str(self.status)


@dataclass(frozen=True, slots=True)
class Silence:
    """There was no answer."""

    status: int
    """StatusCode of what was asked for."""
    why: str
    hint: str = ""

    def error(self, where: str) -> Disconnected:
        """As the error that it is."""
        return Disconnected(self.why, where=where, hint=self.hint)


class Client:
    """An open session with one web server."""

    def __init__(self, session: aiohttp.ClientSession, site: Site, tls: ssl.SSLContext | None, same_host: bool) -> None:
        self._session, self._tls, self._same_host = session, tls, same_host
        self._url, self._base, self._where = site.url, site.url.rstrip("/"), site.where
        self._timeout, self._patience = site.timeout, site.patience

    async def get(self, path: str, largest: int, known: str = "") -> Answer | Silence:
        """What stands at a path below the url; `known` is the ETag of what we have."""
        url = URL(f"{self._base}{path}", encoded=True)
        headers = {"If-None-Match": known} if known else {}
        for _ in range(HOPS):
            answer = await self.ask("GET", url, headers, largest=largest)
            onward = _onward(url, answer) if self._same_host and isinstance(answer, Answer) else None
            if onward is None:
                return answer
            url = onward
        return Answer(508, location=str(url))

    async def post(self, data: bytes, headers: Mapping[str, str]) -> Answer | Silence:
        """The answer to what is pushed to the url itself."""
        return await self.ask("POST", URL(self._url, encoded=True), headers, data)

    async def reach(self) -> None:
        """Raises Disconnected unless something listens there, with a certificate that is trusted."""
        url = URL(self._url, encoded=True)
        tls = self._tls if url.scheme == "https" else None
        assert url.host is not None and url.port is not None  # by the Spec
        try:
            async with asyncio.timeout(self._patience):
                _, writer = await asyncio.open_connection(url.host, url.port, ssl=tls)
                writer.transport.abort()
        except TimeoutError:
            raise Disconnected(f"no answer within {self._timeout}", where=self._where) from None
        except ssl.SSLCertVerificationError as error:
            what, hint = _certificate(error)
            raise Disconnected(what, where=self._where, hint=hint) from error
        except OSError as error:
            raise Disconnected(_unreached(error), where=self._where) from error

    async def ask(
        self, method: str, url: URL, headers: Mapping[str, str], data: bytes | None = None, largest: int = 65_536
    ) -> Answer | Silence:
        """One request, followed nowhere."""
        try:
            async with self._session.request(method, url, headers=headers, data=data, allow_redirects=False) as found:
                body, whole = await _read(found, largest)
                said = found.headers
                tag, location, wait = (_plain(said.get(name, "")) for name in ("ETag", "Location", "Retry-After"))
                charset = (found.charset or "").lower()
                location = location if 300 <= found.status < 400 else ""
                return Answer(found.status, body, whole, tag, charset, _rest(wait), location)
        except TimeoutError:
            return Silence(quality.BAD_TIMEOUT, f"no answer within {self._timeout}")
        except aiohttp.ClientConnectorCertificateError as error:
            return Silence(quality.BAD_NO_COMMUNICATION, *_certificate(error.certificate_error))
        except aiohttp.ClientConnectorError as error:
            return Silence(quality.BAD_NO_COMMUNICATION, _unreached(error.os_error))
        except (aiohttp.ServerDisconnectedError, OSError):
            return Silence(quality.BAD_NO_COMMUNICATION, "it hung up before it had answered")
        except aiohttp.ClientPayloadError:
            return Silence(quality.BAD_DECODING, "its answer broke off, or was not what its headers say")
        except (aiohttp.ClientError, ValueError) as error:
            return Silence(quality.BAD_DECODING, f"what answers there does not speak HTTP: {_first_line(error)}")


@asynccontextmanager
async def talking(site: Site, pki: Path, *, at_once: int = 1, same_host: bool = False) -> AsyncIterator[Client]:
    """A session with the server; nothing is connected yet. Raises Refused where a file or secret cannot be used."""
    tls = tls_of(site, pki) if site.url.startswith("https:") else None
    headers = {"User-Agent": "isthmus", "Accept": "application/json, */*;q=0.5", **site.headers, **secret_of(site)}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=at_once, ssl=tls or True, ttl_dns_cache=10, enable_cleanup_closed=False),
        timeout=aiohttp.ClientTimeout(total=site.patience),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        trust_env=False,
    ) as session:
        yield Client(session, site, tls, same_host)


async def _read(found: aiohttp.ClientResponse, largest: int) -> tuple[bytes, bool]:
    """The body, and whether that is all of it."""
    body = bytearray()
    async for piece in found.content.iter_any():
        body += piece
        if len(body) > largest:
            return bytes(body[:largest]), False
    return bytes(body), True


def _onward(url: URL, answer: Answer) -> URL | None:
    """Where a redirect leads on the same host; None where it leads elsewhere, or the answer is none."""
    if answer.status not in _REDIRECTS or not answer.location:
        return None
    try:
        onward = url.join(URL(answer.location))
        return onward if onward.origin() == url.origin() else None
    except ValueError:  # mailto:, what has no host, what is no address at all
        return None


def _plain(header: str) -> str:
    """A header that can be told and sent; nothing in place of one with bytes that are no text."""
    return header if header.isprintable() else ""


def _rest(said: str) -> float:
    """Seconds of a Retry-After (RFC 9110, 10.2.3): a number of them, or a date."""
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), LONGEST_REST)
    try:
        when = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max(0.0, (when - datetime.now(UTC)).total_seconds()), LONGEST_REST)


def _certificate(error: Exception) -> tuple[str, str]:
    """What is wrong with it, and what to do."""
    said = getattr(error, "verify_message", "") or _first_line(error)
    return f"its certificate is not trusted: {said}", remedy(said, "ca")


def _unreached(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it: {error.reason or _first_line(error)}"
    return (error.strerror or _first_line(error)).lower()


def _first_line(error: BaseException) -> str:
    said = str(error).replace("\\n", "\n").splitlines()  # where it quotes what it got, behind its first line
    return (said or [type(error).__name__])[0][:120]
