# SPDX-License-Identifier: Apache-2.0
"""How a broker is named in the plant file, for all that speak MQTT: addresses, TLS, who we are."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from isthmus.core.errors import Disconnected, IsthmusError, Refused
from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between, seconds
from isthmus.systems.hosts import known_as
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.client import Connection, Where, connected
from isthmus.systems.mqtt.packet import Greeting, Version, Will
from isthmus.systems.tls import trusting

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


def _url(text: str) -> str:
    if "@" in text:  # before anything that repeats it
        raise ValueError("user and password have keys of their own")
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError(f"{text!r} is no address: {error}") from error
    if parts.scheme not in PORTS or not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is no broker; write mqtt://host:1883, or mqtts://host:8883 for TLS")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or PORTS[parts.scheme]}"


Url = Annotated[str, AfterValidator(_url)]


def said_in_mqtt(text: str) -> str:
    """`text` itself; raises ValueError when MQTT cannot say it."""
    try:
        packet.text(text)
    except (IsthmusError, UnicodeEncodeError) as error:
        raise ValueError(f"{text[:40]!r} cannot be said in MQTT: at most 65,535 bytes of UTF-8, without NUL") from error
    return text


Said = Annotated[str, AfterValidator(said_in_mqtt)]


class Broker(Spec):
    """An MQTT broker, or several that hold the same, tried in turn."""

    url: Url | list[Url] = Field(
        description="Where the broker listens, `mqtt://host:1883`, or `mqtts://host:8883` for TLS; a list names "
        "brokers that stand in for each other, tried in turn."
    )
    version: Literal[5, "3.1.1"] = Field(5, description="The version of MQTT.")
    user: Said = Field("", description="User name; without one we are anonymous.")
    password: SecretStr | None = Field(None, description="The user's password; written `!secret name`.")
    plain_password: bool = Field(
        False, description="Allow the password to travel unencrypted, over `mqtt://`, to another machine."
    )
    ca: str = Field("", description="Certificates to trust (PEM file, relative to `pki/`); else the system's own.")
    certificate: str = Field("", description="Our certificate (PEM file, relative to `pki/`) where the broker asks.")
    key: str = Field("", description="Private key (PEM file, relative to `pki/`) of `certificate`.")
    client: Said = Field(
        "",
        description="Client identifier; without one it is made of its name here and of where it runs, and nobody else "
        "has the same.",
    )
    keep_alive: Annotated[Duration, between("1s", "1h")] = Field(
        "15s", description="How often broker and we make sure of each other when there is nothing else to say."
    )
    patience: Annotated[Duration, between("1s", "5m")] = Field(
        "10s", description="How long the broker may take to answer before we call it gone."
    )

    @model_validator(mode="after")
    def _whole(self) -> Broker:
        if not self.urls:
            raise ValueError("url is empty")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        tls = [url.startswith("mqtts:") for url in self.urls]
        if (self.ca or self.certificate) and not any(tls):
            raise ValueError("ca, certificate and key are for mqtts://")
        if self.password is not None and not self.user and self.version == "3.1.1":
            raise ValueError("a password needs a user in MQTT 3.1.1")
        open_ = [url for url, safe in zip(self.urls, tls, strict=True) if not safe and not _here(url)]
        if self.password is not None and open_ and not self.plain_password:
            raise ValueError(
                f"the password would travel unencrypted to {open_[0]}; use mqtts://, or plain_password: true"
            )
        return self

    @property
    def urls(self) -> list[str]:
        return [self.url] if isinstance(self.url, str) else list(self.url)


def _here(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def client_of(plant: str, name: str) -> str:
    """A client identifier of letters and digits, which every broker takes (MQTT 3.1.3.1), but maybe a longer one."""
    return _UNSAFE.sub("-", f"isthmus-{plant}-{name}")


SOLE_HINT: Final = (
    "a broker ends the connection of one when the other comes, again and again: without client: each has its own"
)
"""What to do about two of one client identifier."""


def clients(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Which client of which broker these keys of a plant file name, if they name one."""
    said = config.get("url", ())
    urls = [said] if isinstance(said, str) else said
    hosts = sorted({known_as(urlsplit(url).hostname or url) for url in urls}) if config.get("client") else ()
    return tuple(f"the client {config['client']!r} of the broker {host}" for host in hosts)


def own_client(name: str, data: Path) -> str:
    """The client identifier of what is called `name` in the plant whose data directory this is, and of nothing else.

    A broker ends the connection of whoever comes with an identifier that is in use. The same plant file may run in two
    places, a trial beside the plant, so where it runs is part of it.
    """
    return client_of(name, sha256(str(data.absolute()).encode()).hexdigest()[:8])


def greeting(broker: Broker, client: str, *, clean: bool, expiry: int = 0, receive: int = 0) -> Greeting:
    """What we say to the broker first."""
    return Greeting(
        version=Version.V5 if broker.version == 5 else Version.V311,
        client=broker.client or client,
        keep_alive=max(1, round(seconds(broker.keep_alive))),
        clean=clean,
        expiry=expiry,
        receive=receive,
        user=broker.user,
        password=broker.password.get_secret_value() if broker.password is not None else None,
    )


@asynccontextmanager
async def reached(broker: Broker, said: Greeting, pki: Path, will: Will | None = None) -> AsyncIterator[Connection]:
    """A connection to the first of the brokers that takes us.

    Raises Disconnected when none can be reached, Refused when one of them will never take us.
    """
    safe = any(url.startswith("mqtts:") for url in broker.urls)
    tls = trusting(pki, ca=broker.ca, certificate=broker.certificate, key=broker.key) if safe else None
    async with AsyncExitStack() as opened:
        yield await _first(broker, replace(said, will=will), tls, opened)


async def _first(broker: Broker, said: Greeting, tls: ssl.SSLContext | None, opened: AsyncExitStack) -> Connection:
    trouble: list[Disconnected | Refused] = []
    for url in broker.urls:
        try:
            return await opened.enter_async_context(connected(_where(url, tls), said, seconds(broker.patience)))
        except (Disconnected, Refused) as error:
            trouble.append(error)
    raise next((error for error in trouble if isinstance(error, Refused)), trouble[0])


def _where(url: str, tls: ssl.SSLContext | None) -> Where:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None  # by `_url`
    return Where(parts.hostname, parts.port, tls if parts.scheme == "mqtts" else None)
