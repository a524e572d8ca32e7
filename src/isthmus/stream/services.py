# SPDX-License-Identifier: Apache-2.0
"""Each service is a user of the embedded log with a password of its own and no more rights than its work needs."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from isthmus.core.errors import IsthmusError
from isthmus.stream import names
from isthmus.stream.endpoint import Endpoint

_API: Final = "$JS.API"
_HAPPENINGS: Final = (f"{names.EVENTS}>", f"{names.QUARANTINE}>")
_KNOW: Final = (
    f"{_API}.STREAM.INFO.{names.STREAM}",
    f"{_API}.DIRECT.GET.{names.bucket_stream(names.LISTS)}.>",
    f"{_API}.DIRECT.GET.{names.bucket_stream(names.REVISIONS)}.>",
)
_READ: Final = (
    *_KNOW,
    f"{_API}.DIRECT.GET.{names.STREAM}",
    f"{_API}.DIRECT.GET.{names.STREAM}.>",
    f"{_API}.CONSUMER.CREATE.{names.STREAM}.*",
    f"{_API}.CONSUMER.INFO.{names.STREAM}.*",
    f"{_API}.CONSUMER.DELETE.{names.STREAM}.*",
    f"{_API}.CONSUMER.MSG.NEXT.{names.STREAM}.*",
)

MAY_PUBLISH: Final[dict[str, tuple[str, ...]]] = {
    "collect": (
        f"{names.SAMPLES}>",
        *_HAPPENINGS,
        *_KNOW,
        f"{_API}.DIRECT.GET.{names.STREAM}.{names.SAMPLES}>",
        names.bucket_subject(names.LISTS, ">"),
    ),
    "record": (*_HAPPENINGS, *_READ, f"{_API}.STREAM.PURGE.{names.STREAM}"),
    "serve": _READ,
    "deliver": (*_HAPPENINGS, *_READ),
    "admin": (">",),
}
"""Service → subjects it may publish to, which with NATS is also what it may ask for."""


@dataclass(frozen=True, slots=True)
class User:
    """One service as a user of the server."""

    service: str
    endpoint: Endpoint

    def config(self) -> dict[str, Any]:
        """Its entry in the server's configuration: answers come back on its own inbox only."""
        everything = self.service == "admin"
        listen = [">"] if everything else [f"{self.endpoint.inbox}.>"]
        return {
            "user": self.endpoint.user,
            "password": self.endpoint.password,
            "permissions": {
                "publish": {"allow": list(MAY_PUBLISH[self.service])},
                "subscribe": {"allow": listen},
            },
        }


def users(folder: Path, port: int) -> dict[str, User]:
    """Every service's user, with the password it had before where there was one, so that running clients come back."""
    return {service: User(service, _endpoint(folder / f"{service}.json", service, port)) for service in MAY_PUBLISH}


def _endpoint(path: Path, service: str, port: int) -> Endpoint:
    password = secrets.token_urlsafe(24)
    with suppress(IsthmusError):
        password = Endpoint.load(path).password or password
    endpoint = Endpoint(
        url=f"nats://127.0.0.1:{port}", user=service, password=password, inbox=f"_INBOX_{service}", embedded=True
    )
    endpoint.save(path)
    return endpoint
