# SPDX-License-Identifier: Apache-2.0
"""How a web server is named in the plant file, for all that speak to one: its URL, TLS, who we are."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from isthmus.core.errors import Refused
from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between, seconds
from isthmus.systems.tls import trusting

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A name of a header (RFC 9110, 5.6.2)."""
_LINE = re.compile(r"[\x20-\x7e\xa0-\xff]*")
_OURS: Final = frozenset(
    {
        "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type", "host",
        "idempotency-key", "if-none-match", "te", "trailer", "transfer-encoding", "upgrade", "webhook-id",
        "webhook-signature", "webhook-timestamp",
    }
)  # fmt: skip
"""Headers that we set ourselves, or that belong to the connection."""


def _url(text: str) -> str:
    if "@" in text.partition("?")[0]:  # before anything that repeats it
        raise ValueError("user and password have keys of their own")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no address: {error}") from error
    good = text.isascii() and text.isprintable() and " " not in text
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or not good:
        raise ValueError(f"{text!r} is no web server; write https://host/path, or http://host:8080")
    return text


Url = Annotated[str, AfterValidator(_url)]


class Site(Spec):
    """A web server, and who we are to it."""

    url: Url = Field(description="Where it is, `https://host/path`; `http://` travels unencrypted.")
    token: SecretStr | None = Field(
        None, description="What we are known by, written `!secret name`: sent as `Authorization: Bearer`."
    )
    token_header: str = Field("", description="Send `token` as it is in this header instead: `X-API-Key`.")
    user: str = Field("", description="User name of basic authentication.")
    password: SecretStr | None = Field(None, description="The user's password; written `!secret name`.")
    plain_password: bool = Field(
        False, description="Allow token and password to travel unencrypted, over `http://`, to another machine."
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Further headers of every request; nothing secret belongs here."
    )
    ca: str = Field("", description="Certificates to trust (PEM file, relative to `pki/`); else the system's own.")
    certificate: str = Field("", description="Our certificate (PEM file, relative to `pki/`) where the server asks.")
    key: str = Field("", description="Private key (PEM file, relative to `pki/`) of `certificate`.")
    timeout: Annotated[Duration, between("50ms", "5m")] = Field(
        default="10s", description="How long an answer may take, the connection and all of its body included."
    )

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or not _LINE.fullmatch(value):
                raise ValueError(f"{name!r} is no header of one line")
            if name.lower() in _OURS:
                raise ValueError(f"{name!r} is set by Isthmus; see token, user and password")
        return headers

    @field_validator("token_header")
    @classmethod
    def _token_header(cls, name: str) -> str:
        if name and (not _TOKEN.fullmatch(name) or name.lower() in _OURS - {"authorization"}):
            raise ValueError(f"{name!r} is no header for a token; write X-API-Key")
        return name

    @model_validator(mode="after")
    def _whole(self) -> Site:
        parts = urlsplit(self.url)
        secret = self.token is not None or self.password is not None
        if self.token is not None and self.user and not self.token_header:
            raise ValueError("token and user are two ways of saying who we are; use one")
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
        if self.token_header and self.token is None:
            raise ValueError("token_header needs a token")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        if (self.ca or self.certificate) and parts.scheme != "https":
            raise ValueError("ca, certificate and key are for https://")
        here = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if secret and parts.scheme == "http" and not here and not self.plain_password:
            raise ValueError(
                f"the secret would travel unencrypted to {parts.hostname}; use https://, or plain_password: true"
            )
        return self

    @property
    def where(self) -> str:
        """Host and port, for a person."""
        parts = urlsplit(self.url)
        return parts.netloc if parts.port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"

    @property
    def patience(self) -> float:
        """`timeout` in seconds."""
        return seconds(self.timeout)


def secret_of(site: Site) -> dict[str, str]:
    """The headers that say who we are; raises Refused when the secret cannot stand in one."""
    said: dict[str, str] = {}
    if site.token is not None:
        token = site.token.get_secret_value()
        said[site.token_header or "Authorization"] = token if site.token_header else f"Bearer {token}"
    if site.password is not None:
        import base64

        pair = f"{site.user}:{site.password.get_secret_value()}".encode()
        said["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    if not all(_LINE.fullmatch(value) for value in said.values()):
        raise Refused("the token holds what no header can carry", where=site.where, hint="is it one line of ASCII?")
    return said


def tls_of(site: Site, pki: Path) -> ssl.SSLContext:
    """What we trust and who we are; raises Refused when a file is not what it should be."""
    return trusting(pki, ca=site.ca, certificate=site.certificate, key=site.key)
