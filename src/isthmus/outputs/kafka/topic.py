# SPDX-License-Identifier: Apache-2.0
"""Samples into a Kafka topic: a message each, under the path of its tag, written only when the brokers have it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from pydantic import AfterValidator, Field, SecretStr, model_validator

from isthmus.core.errors import Disconnected, Refused
from isthmus.core.threads import as_long_as_wanted
from isthmus.outputs.contract import Delivery, Refusal, Surroundings
from isthmus.outputs.kafka.trouble import REFUSED, Trouble
from isthmus.outputs.words import Words
from isthmus.store.history.columns import Columns
from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between, seconds
from isthmus.systems.tls import trusting

if TYPE_CHECKING:
    from ssl import SSLContext

    from confluent_kafka import KafkaError, Message, Producer
    from confluent_kafka.admin import TopicMetadata

PROBE: Final = 10.0
"""Seconds without anything to write after which we look whether the brokers are there."""
LONGEST_NAME: Final = 249
"""Characters of a topic's name (Kafka: Topic.MAX_NAME_LENGTH)."""
_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s/:,@]+):\d{1,5}")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
GLANCE: Final = 1.0
"""Seconds after which it is looked whether waiting for the brokers makes sense."""


def _server(text: str) -> str:
    if not _SERVER.fullmatch(text):
        raise ValueError(f"{text!r} is no broker; write host:9092")
    return text


def _topic(text: str) -> str:
    if text and (not _NAME.fullmatch(text) or len(text) > LONGEST_NAME or text in (".", "..")):
        raise ValueError(f"{text[:80]!r} is no topic; take letters, digits, dots, _ and -")
    return text


Server = Annotated[str, AfterValidator(_server)]


class KafkaSpec(Spec):
    """Every sample into a topic of a Kafka cluster, a message each."""

    servers: Server | list[Server] = Field(
        description="Brokers to begin with, `host:9092`; they tell of the others, under the names they know."
    )
    topic: Annotated[str, AfterValidator(_topic)] = Field(
        "", description="The topic; without one the plant's path with dots, `acme.lyon`. It must be there."
    )
    tls: bool = Field(False, description="Speak TLS.")
    user: str = Field("", description="User name (SASL); without one we are anonymous.")
    password: SecretStr | None = Field(None, description="The user's password; written `!secret name`.")
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How user and password are told."
    )
    plain_password: bool = Field(False, description="Allow the password to travel without TLS.")
    ca: str = Field("", description="Certificates to trust (PEM file, relative to `pki/`); else the system's own.")
    certificate: str = Field("", description="Our certificate (PEM file, relative to `pki/`) where the brokers ask.")
    key: str = Field("", description="Private key (PEM file, relative to `pki/`) of `certificate`.")
    compression: Literal["none", "lz4", "zstd", "gzip"] = Field("lz4", description="How messages are packed.")
    largest: int = Field(1_000_000, ge=1_000, le=10_000_000, description="The most bytes of a message.")
    patience: Annotated[Duration, between("1s", "5m")] = Field(
        "10s", description="How long the brokers may take to have what was written before we call them gone."
    )

    @model_validator(mode="after")
    def _whole(self) -> KafkaSpec:
        if not self.listed:
            raise ValueError("servers is empty")
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        if (self.ca or self.certificate) and not self.tls:
            raise ValueError("ca, certificate and key are for tls: true")
        if self.user and not self.tls and not self.plain_password:
            raise ValueError("the password would travel unencrypted; use tls: true, or plain_password: true")
        return self

    @property
    def listed(self) -> list[str]:
        return [self.servers] if isinstance(self.servers, str) else list(self.servers)


class ToTopic:
    """One such output; remembers nothing."""

    def __init__(self, spec: KafkaSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        self._topic = spec.topic or _topic(surroundings.revision.plant.replace("/", "."))
        self._words = Words.of(surroundings.tags)
        paths = {number: one.tag.path for number, one in surroundings.tags.items()}
        self._keys = {number: path.encode() for number, path in paths.items()}
        self._begins = {number: b'{"tag":' + msgspec.json.encode(path) + b"," for number, path in paths.items()}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_Sink]:
        """Makes sure that the brokers are there, and the topic."""
        sink = self.sink()
        try:
            await as_long_as_wanted(sink.look)
            yield sink
        finally:
            await asyncio.to_thread(sink.close)

    def sink(self) -> _Sink:
        """A producer; raises Refused where it cannot be configured so."""
        spec = self._spec
        trust = partial(trusting, self._house.data / "pki", ca=spec.ca, certificate=spec.certificate, key=spec.key)
        return _Sink(spec, self._topic, self.messages, self._settings(), trust)

    def messages(self, columns: Columns) -> list[tuple[bytes, bytes]]:
        """Key and value of each sample."""
        tags, bodies = columns.tag.tolist(), self._words.messages(columns)
        return [(self._keys[tag], self._begins[tag] + body[1:]) for tag, body in zip(tags, bodies, strict=True)]

    def _settings(self) -> dict[str, Any]:
        """In librdkafka's words; raises Refused where a file is missing."""
        spec, pki = self._spec, self._house.data / "pki"
        said: dict[str, Any] = {
            "bootstrap.servers": ",".join(spec.listed),
            "client.id": f"isthmus-{self._house.output}",
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "compression.type": spec.compression,
            "message.max.bytes": spec.largest,
            "delivery.timeout.ms": round(seconds(spec.patience) * 1000),
            "socket.timeout.ms": round(seconds(spec.patience) * 1000),
            "reconnect.backoff.ms": 1000,
            "reconnect.backoff.max.ms": 2000,
            "allow.auto.create.topics": False,
            "log_level": 0,
            "security.protocol": ("SASL_" if spec.user else "") + ("SSL" if spec.tls else "PLAINTEXT"),
        }
        if spec.password is not None:
            said |= {"sasl.mechanism": spec.mechanism, "sasl.username": spec.user}
            said["sasl.password"] = spec.password.get_secret_value()
        files = {"ssl.ca.location": spec.ca, "ssl.certificate.location": spec.certificate, "ssl.key.location": spec.key}
        for key, name in files.items():
            if name and not (pki / name).is_file():
                raise Refused(f"{name} is not there", where=str(pki), hint="name PEM files that lie in pki/")
            said |= {key: str(pki / name)} if name else {}
        return said


class _Sink:
    """A producer; its methods but `write` block, and run in threads."""

    def __init__(
        self, spec: KafkaSpec, topic: str, messages: Any, settings: dict[str, Any], trust: Callable[[], SSLContext]
    ) -> None:
        from confluent_kafka import KafkaException, Producer

        self._spec, self._topic, self._messages = spec, topic, messages
        self._where = f"{topic} on {','.join(spec.listed)}"
        self._trouble = Trouble(spec.listed, self._where, trust if spec.tls else None)
        self._patience, self._closed = seconds(spec.patience), False
        self._heard = time.monotonic()
        try:
            self._producer: Producer = Producer({**settings, "error_cb": self._trouble.note})
        except KafkaException as error:
            raise Refused(f"it cannot be configured so: {error.args[0].str()}", where=self._where) from error

    def look(self) -> None:
        """Raises Disconnected unless the brokers are there and have the topic, Refused where they know us not."""
        from confluent_kafka import KafkaException

        try:
            found = self._found()
        except KafkaException as error:
            raise self._gone(error.args[0]) from error
        if found.error is not None:
            hint = f"make the topic {self._topic}, and let {self._spec.user or 'anonymous'} write to it"
            raise Disconnected(f"no topic {self._topic}: {found.error.str()}", where=self._where, hint=hint)
        self._heard = time.monotonic()
        self._trouble.clear()

    def _found(self) -> TopicMetadata:
        """What the brokers say of the topic. They are not tried for long where that leads to nothing."""
        from confluent_kafka import KafkaException

        ask = self._producer.list_topics
        try:
            return ask(self._topic, timeout=GLANCE).topics[self._topic]
        except KafkaException:
            self._producer.poll(0)
            if self._trouble.lasts or self._patience <= GLANCE:
                raise
        return ask(self._topic, timeout=self._patience).topics[self._topic]

    def _gone(self, error: KafkaError) -> Disconnected | Refused:
        self._producer.poll(0)
        return self._trouble.error(error)

    def close(self) -> None:
        """What is still on its way is forgotten: it comes again."""
        self._closed = True
        self._producer.purge()
        self._producer.flush(1.0)

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        if len(delivery):
            return await asyncio.to_thread(self._write, self._messages(delivery.columns))
        if time.monotonic() - self._heard >= PROBE:
            await as_long_as_wanted(self.look)
        return ()

    def _write(self, messages: Sequence[tuple[bytes, bytes]]) -> list[Refusal]:
        """Returns when the brokers have all but those refused; raises Disconnected when that took too long."""
        refused = self._stored(messages, range(len(messages)))
        self._heard = time.monotonic()
        self._trouble.clear()
        return [Refusal(row, error.str()) for row, error in sorted(refused.items())]

    def _stored(self, messages: Sequence[tuple[bytes, bytes]], rows: Sequence[int]) -> dict[int, KafkaError]:
        """Which of these rows are refused, and why; brokers refuse whole batches, so those are tried in halves."""
        unfit, failed = self._sent(messages, rows)
        if len(failed) > 1:
            again, half = sorted(failed), len(failed) // 2
            failed = self._stored(messages, again[:half]) | self._stored(messages, again[half:])
        return unfit | failed

    def _sent(
        self, messages: Sequence[tuple[bytes, bytes]], rows: Sequence[int]
    ) -> tuple[dict[int, KafkaError], dict[int, KafkaError]]:
        """Sends these rows, once; (those that cannot be sent, those that brokers refuse)."""
        from confluent_kafka import KafkaException

        unfit, failed = dict[int, "KafkaError"](), dict[int, "KafkaError"]()
        for row in rows:
            try:
                self._produce(*messages[row], partial(_report, failed, row))
            except KafkaException as error:
                unfit[row] = error.args[0]
        if self._closed:  # while they were handed over: nobody waits for them
            self._producer.purge()
        left = self._producer.flush(self._patience + 1)
        away = next((one for one in (*unfit.values(), *failed.values()) if one.code() not in REFUSED), None)
        if away is not None:
            raise self._gone(away)
        if left:
            raise Disconnected(f"no answer within {self._spec.patience}", where=self._where)
        return unfit, failed

    def _produce(self, key: bytes, value: bytes, report: Any) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value=value, key=key, on_delivery=report)
            except BufferError:  # librdkafka's own queue is full
                self._producer.poll(0.1)
            else:
                return


def _report(failed: dict[int, KafkaError], row: int, error: KafkaError | None, _: Message) -> None:
    if error is not None:
        failed[row] = error
