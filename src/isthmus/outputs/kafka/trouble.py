# SPDX-License-Identifier: Apache-2.0
"""What is wrong between us and the brokers, in words for a person: librdkafka tells of a lot, and not always why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from isthmus.core.errors import Disconnected, Refused
from isthmus.systems.tls import distrusted

if TYPE_CHECKING:
    from ssl import SSLContext

    from confluent_kafka import KafkaError

REFUSED: Final = frozenset({10, 18, 32, 87, -196})
"""Codes that speak of the message itself: MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_TIMESTAMP, INVALID_RECORD,
and librdkafka's own for one it cannot send."""
_UNKNOWN: Final = frozenset({58, -169})
"""SASL_AUTHENTICATION_FAILED, and librdkafka's own."""
_TLS: Final = -181
_NOBODY: Final = -187
"""librdkafka's own for: all brokers are down. It comes behind what says why."""
HANDSHAKE: Final = 5.0
"""Seconds that a broker may take to show its certificate."""


class Trouble:
    """What librdkafka said of the brokers, or of us, that says most."""

    def __init__(self, servers: Sequence[str], where: str, context: Callable[[], SSLContext] | None) -> None:
        # context: whom we trust; None: without TLS
        self._servers, self._where, self._context = servers, where, context
        self._said: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """Takes what librdkafka says; the last one, unless an earlier one says more."""
        if self._said is None or _weight(error) >= _weight(self._said):
            self._said = error

    def clear(self) -> None:
        """All is well."""
        self._said = None

    @property
    def lasts(self) -> bool:
        """Waiting longer does not help: somebody has to put it right."""
        return self._said is not None and _weight(self._said) > 1

    def error(self, last: KafkaError) -> Disconnected | Refused:
        """What there is to raise; `last` is what librdkafka said last, should it have said nothing else. May block."""
        said = self._said if self._said is not None else last
        if said.code() in _UNKNOWN:
            return Refused("the brokers do not know us", where=self._where, hint="are user and password right?")
        if said.code() == _TLS and (why := self._distrusted()):
            hint = "renew it at the broker, or name with ca: the authority that signed it"
            return Disconnected(f"the broker's certificate is not good: {why}", where=self._where, hint=hint)
        return Disconnected(_plain(said), where=self._where)

    def _distrusted(self) -> str:
        """What is wrong with a broker's certificate: librdkafka only says that something is."""
        if self._context is None:
            return ""
        context = self._context()
        for server in self._servers:
            host, _, port = server.rpartition(":")
            if why := distrusted((host.strip("[]"), int(port)), context, HANDSHAKE):
                return f"{why} ({server})"
        return ""


def _weight(error: KafkaError) -> int:
    code = error.code()
    return 3 if code in _UNKNOWN else 2 if code == _TLS else 0 if code == _NOBODY else 1


_PLAIN: Final = (
    (re.compile(r"Invalid response size"), "what answers there does not speak Kafka"),
    (re.compile(r"brokers are down|Failed to get metadata"), "none of the brokers answers"),
    (re.compile(r"Connect to \S+ failed: (.*)"), r"nobody can be reached there: \1"),
)
"""What librdkafka says → what a person is told."""


def _plain(error: KafkaError) -> str:
    """What librdkafka says, without addresses and times that are others at every try."""
    text = re.sub(r"^.*?(?=Connect to|SSL|Disconnected|Failed|Receive)", "", error.str())
    text = re.sub(r"\(after \d+ms in state [A-Z_]+.*?\)|, \d+ identical error.*$", "", text)
    for pattern, words in _PLAIN:
        if (found := pattern.search(text)) is not None:
            text = found.expand(words)
    return " ".join(text.split()).removesuffix(":")[:200] or error.name()
