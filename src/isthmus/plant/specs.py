# SPDX-License-Identifier: Apache-2.0
"""What a plant file says beside the common keys is checked by a Spec; pydantic's errors become findings with places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from isthmus.core.errors import IsthmusError
from isthmus.plant import forms
from isthmus.plant.findings import Findings, article, one_of
from isthmus.plant.grammar import Shape
from isthmus.plant.nodes import List, Map, Node, Scalar, plain_data
from isthmus.plant.reading import below, sentence

_PLACEHOLDER: Final = "a-secret-that-is-not-known-here"
"""Stands for a secret's value while a Spec is checked."""


class Specified(Protocol):
    """A kind of system or of output, as far as its Spec goes."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def spec(self) -> type[BaseModel]: ...
    @property
    def example(self) -> str: ...
    @property
    def secrets(self) -> tuple[str, ...]: ...


def guarded(kind: Specified, check: Any, *given: Any) -> Any:
    """What a kind's own code says; whatever else it raises is its mistake, logged, and a finding here."""
    try:
        return check(*given)
    except (IsthmusError, ValidationError):
        raise
    except Exception as error:
        import structlog  # a third of a second that only a kind with a mistake in it costs

        structlog.get_logger().exception("a kind failed to check the plant file", kind=kind.name)
        raise IsthmusError(f"the kind {kind.name!r} could not check this: {type(error).__name__}: {error}") from error


def configured(
    kind: Specified, node: Map, shape: Shape, path: str, findings: Findings
) -> tuple[dict[str, Any], BaseModel | None]:
    """The kind's own keys, those that `shape` does not have, as plain data; and its Spec of them.

    None where something is wrong with them. In the Spec a secret is a placeholder.
    """
    config: dict[str, Any] = {}
    sound = True
    trial: dict[str, Any] = {}
    known = keys(kind.spec)
    for key, (_, value) in node.entries.items():
        if key in shape.by_name:
            continue
        try:
            if key not in known:
                trial[key] = None
                continue
            secret = key in kind.secrets
            config[key] = forms.secret(value) if secret else _open(value)
            trial[key] = _PLACEHOLDER if secret else config[key]
        except IsthmusError as error:
            findings.problem(value, below(path, key), error.what, error.hint)
            trial[key], sound = _PLACEHOLDER, False
    try:
        spec: BaseModel = guarded(kind, kind.spec.model_validate, trial)
    except ValidationError as error:
        _say(error, kind, node, shape, path, findings)
    except IsthmusError as error:
        findings.problem(node, path, error.what, error.hint)
    else:
        return config, spec if sound else None
    return config, None


def _open(node: Node) -> Any:
    """Plain data of what holds no secret."""
    _no_secret(node)
    return plain_data(node)


def _no_secret(node: Node) -> None:
    if isinstance(node, Scalar) and node.secret:
        raise IsthmusError("takes no !secret", hint="only a system's secret keys do")
    inner: Iterable[Node] = ()
    if isinstance(node, Map):
        inner = (value for _, value in node.entries.values())
    elif isinstance(node, List):
        inner = node.items
    for part in inner:
        _no_secret(part)


def _say(error: ValidationError, kind: Specified, node: Map, shape: Shape, path: str, findings: Findings) -> None:
    """Every finding of the Spec, at the deepest place of the file it speaks of; several about one place are joined."""
    said: dict[str, tuple[Node, list[str], str]] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        spot, where, spec = _locate(one["loc"], kind, node, path)
        what, hint = _words(one, spot, spec, kind, shape)
        known = said.setdefault(where, (spot, [], hint))
        if what not in known[1]:
            known[1].append(what)
    for where, (spot, whats, hint) in said.items():
        findings.problem(
            spot, where, " or ".join([whats[0], *(what.removeprefix("must be ") for what in whats[1:])]), hint
        )


def _locate(
    loc: tuple[int | str, ...], kind: Specified, node: Map, path: str
) -> tuple[Node, str, type[BaseModel] | None]:
    """(where it stands, its path, the model around it) of a pydantic location; what names a union's arm is skipped."""
    spot: Node = node
    spec: type[BaseModel] | None = kind.spec
    for part in loc:
        if isinstance(spot, Map) and isinstance(part, str) and part in spot.entries:
            key, value = spot.entries[part]
            unknown = spec is not None and part not in keys(spec)
            spot, path = (key if unknown else value), below(path, part)
            spec = spec if unknown else _inner(spec, part)
        elif isinstance(spot, List) and isinstance(part, int) and part < len(spot.items):
            spot, path = spot.items[part], f"{path}[{part}]"
    return spot, path, spec


def keys(spec: type[BaseModel]) -> dict[str, Any]:
    """What a Spec calls its fields in the file."""
    return {field.alias or name: field for name, field in spec.model_fields.items()}


def _inner(spec: type[BaseModel] | None, name: str) -> type[BaseModel] | None:
    """The model inside a field's annotation, where there is one."""
    field = keys(spec).get(name) if spec is not None else None
    waiting = [field.annotation] if field is not None else []
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
        waiting.extend(get_args(one))
    return None


def _words(one: Any, spot: Node, spec: type[BaseModel] | None, kind: Specified, shape: Shape) -> tuple[str, str]:
    """(what, hint) of one pydantic error, in the words of the house."""
    last = str(one["loc"][-1])[:80] if one["loc"] else ""
    if one["type"] == "extra_forbidden":
        known = [*(keys(spec) if spec is not None else ()), *(shape.by_name if spec is kind.spec else ())]
        return f"{article(shape.name)} of kind {kind.name!r} has no key {last!r}", one_of(last, known)
    if one["type"] == "missing":
        field = keys(spec).get(last) if spec is not None else None
        return f"{last!r} is missing", sentence(field.description or "") if field is not None else ""
    message = _said(one).replace("Input should be", "must be")
    if one["type"] == "string_type" and isinstance(spot, Scalar) and not spot.empty:
        wrong = _as_text(spot.text, kind.spec, one["loc"])
        return (wrong, "") if wrong else (message, "put it in quotes")
    return message, ""


def _as_text(text: str, spec: type[BaseModel] | None, loc: tuple[int | str, ...]) -> str:
    """What would be wrong with a number where a text is wanted if it stood in quotes: `every: 2` lacks its unit.

    Nothing that can be said where it is one of several in a list or a map.
    """
    annotation: Any = Any
    for part in loc:
        field = keys(spec).get(str(part)) if spec is not None else None
        if field is not None:
            annotation, spec = field.rebuild_annotation(), _inner(spec, str(part))
    try:
        TypeAdapter(annotation).validate_python(text)
    except ValidationError as error:
        wrong = error.errors()[0]
        return "" if wrong["type"].endswith("_type") else _said(wrong)  # of another type: the whole list is wanted
    except IsthmusError as error:
        return "; ".join(filter(None, (error.what, error.hint)))
    return ""


def _said(one: Any) -> str:
    """The words of one pydantic error."""
    return str(one["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
