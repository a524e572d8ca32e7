# SPDX-License-Identifier: Apache-2.0
"""What answers say, as rows: from a web service, or from a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from pydantic import Field, model_validator

from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.core.event import Event
from isthmus.systems.bare import no_values
from isthmus.systems.captured import Hexadecimal, one_of_two, payload_of
from isthmus.systems.contract import Address, Oddity, Readings, Spec
from isthmus.systems.http.address import check_address
from isthmus.systems.http.client import Answer
from isthmus.systems.http.remarks import Remarks
from isthmus.systems.http.resource import Resource, Unfit, resources, stamps_of, text_of, trouble
from isthmus.systems.http.spec import HttpSpec
from isthmus.systems.payload import Reading, columns, unreadable

Found: TypeAlias = tuple[list[Reading], list[Event], list[Oddity]]


class Reader:
    """Reads answers; knows from connection to connection what could not be read."""

    def __init__(self, spec: HttpSpec, remarks: Remarks) -> None:
        self._stamps, self._remarks = stamps_of(spec), remarks

    def read(self, resource: Resource, answer: Answer) -> Found:
        """What an answer says of the addresses of its resource."""
        unfit = trouble(answer)
        if unfit is not None:
            return self._spoilt(resource, unfit, answer)
        if resource.same(answer):
            return resource.steady, self._remarks.restored(resource), []
        try:
            body = text_of(answer)
        except Unfit as error:
            return self._spoilt(resource, error, answer)
        return self._values(resource, answer, body)

    def _values(self, resource: Resource, answer: Answer, body: bytes) -> Found:
        rows, events, oddities, now = list[Reading](), list[Event](), list[Oddity](), time.now()
        for target, result in zip(resource.targets, self._stamps.results(body, resource.targets), strict=True):
            if isinstance(result, str) or self._remarks.told(target.position):
                happened, odd = self._remarks.result(resource, target, result, answer.body, now)
                events, oddities = [*events, *happened], [*oddities, *odd]
            rows.append(unreadable(target.position) if isinstance(result, str) else result)
        resource.keep(rows, answer)
        return rows, events + self._remarks.restored(resource), oddities

    def _spoilt(self, resource: Resource, unfit: Unfit, answer: Answer) -> Found:
        """An answer that cannot be read, or says no."""
        events = self._remarks.trouble(resource, str(unfit))
        found = answer.status == 200
        odd = self._remarks.odd(resource.targets[0], str(unfit), answer.body, time.now()) if found else []
        return resource.bad(unfit.status), events, odd


class Answered(Spec):
    """An answer, as a test writes it."""

    path: str = Field(min_length=1, description="What was asked for: the part of an address before the #.")
    status: int = Field(200, ge=200, le=599, description="Its status.")
    body: Any = Field(None, description="What it says: a text as it stands; a mapping or a list is JSON.")
    bytes: Hexadecimal | None = Field(None, description="Its body in hexadecimal, in place of `body`.")
    charset: str = Field("", description="The charset that its headers name.")

    @model_validator(mode="after")
    def _whole(self) -> Answered:
        if self.status == 200:
            one_of_two(self.body, self.bytes, "body and bytes")
        return self


def begin(spec: HttpSpec, system: str, addresses: Sequence[Address]) -> Callable[[Answered], Readings]:
    """Reads answers of a test one after the other."""
    found = resources(addresses, spec, system)
    reader = Reader(spec, Remarks(system, len(addresses)))

    def read(said: Answered) -> Readings:
        asked = [one for one in found if one.path == check_address(said.path)]
        if not asked:
            hint = f"there are {', '.join(sorted({one.path for one in found})[:5])}"
            raise IsthmusError(f"nobody asks for {said.path}", where=system, hint=hint)
        body = payload_of(said.body, said.bytes) if said.body is not None or said.bytes else b""
        answer = Answer(said.status, body, len(body) <= spec.largest, charset=said.charset.lower())
        rows, events, oddities = list[Reading](), list[Event](), list[Oddity]()
        for one in asked:
            more = reader.read(one, answer)
            rows, events, oddities = rows + more[0], events + more[1], oddities + more[2]
        return columns(rows, time.now(), events, oddities) if rows else no_values(events, oddities)

    return read
