# SPDX-License-Identifier: Apache-2.0
"""The reference of the plant file as a page for people, written from the grammar and the kinds' Specs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from isthmus.plant import forms
from isthmus.plant.findings import article
from isthmus.plant.forms import Form
from isthmus.plant.grammar import OUTPUT, SHAPES, SYSTEM, Entries, Held, Key, Listed, Nested, Shape
from isthmus.plant.specs import Specified

_OPENING: Final = """\
# The plant file

A plant file says what there is: types of equipment, systems, assets, and where each of their tags is read.
`isthmus check` finds everything wrong with it at once, `isthmus plan` shows what applying it would do,
`isthmus apply` makes a numbered revision of it, and that is what runs until the next apply.

It is YAML 1.2: `no`, `on` and `12:30` are texts, `0o17` is octal. A key stands once in its mapping. Anchors and
aliases may be used; the only tag is `!secret name`, which stands for a value kept outside the file. Numbers need no
quotes where a text is wanted; a text that begins with `{` or `[` needs them. The file is UTF-8.

The value of `!secret name` stands in the environment variable `ISTHMUS_SECRET_NAME` (capitals, `_` for all that is no
letter and no digit), else in the file `secrets/name` of the data directory, which only its user should be able to read
(mode 0600). It is read for every connection: a system that its far end turned away asks again, with what is there then,
after half a minute, later every five minutes; an output every half minute.

For completion and checking while you type: `isthmus schema > plant.schema.json`, and in the plant file's first line
`# yaml-language-server: $schema=plant.schema.json`.
"""

_TEMPLATES: Final = """\
## Templates

`reactor-{2..12}` in an asset's path makes eleven assets; `{01..12}` keeps the leading zero. `{n}` in any value below it
is the number as it stands in the path. Several ranges need names: `line-{line:1..3}/pump-{pump:1..8}`, and `{line}`,
`{pump}` in the values.

With `rows: file.csv` there is one asset per row; `{column}` in the path and in any value is the cell of that column.
The first line names the columns; comma, semicolon and tab all separate. A value that is one empty cell counts as not
said.

In a template `{{` and `}}` stand for braces. A value that begins with `{` needs quotes: `"{name}.PV"`.

## Renames and removals

A tag has a number for ever, and its history goes by that number. Rename an asset or a tag by saying `was:` with the old
path or name; the line may stay for as long as you like. A tag that is gone without that is refused by `isthmus apply`,
as it would remove the history of it; `--remove` says that it is meant. What is recorded stays, and a path that comes
back gets its number back. Another unit or data type opens a new number; history is joined where the values convert.
"""


_PAGES: Final = {SYSTEM.name: "systems.md", OUTPUT.name: "outputs.md"}
"""Where the kinds of systems and of outputs are described."""


def render(kinds: Mapping[str, Specified] | None = None, outputs: Mapping[str, Specified] | None = None) -> str:
    """The page as Markdown; what each kind takes is on the pages of systems and of outputs, to which it leads."""
    parts = [
        _OPENING,
        *map(_shape, SHAPES.values()),
        *_kinds(SYSTEM, kinds or {}),
        *_kinds(OUTPUT, outputs or {}),
        _TEMPLATES,
        _forms(),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _shape(shape: Shape) -> str:
    lines = [f"## {shape.title}", "", shape.text, ""]
    if shape.short:
        lines += [f"A lone value stands for `{shape.short}: value`.", ""]
    lines += ["| key | takes | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{key.name}` | {_cell(_takes(key.takes))} | {_cell(_meaning(key))} |" for key in shape.keys]
    if shape.example:
        lines += ["", "```yaml", shape.example.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _meaning(key: Key) -> str:
    return f"{key.text} **Required.**" if key.required else key.text


def _takes(takes: Held) -> str:
    match takes:
        case Form():
            return takes.name
        case Listed():
            return f"{takes.of.name}, or a list"
        case Nested():
            return _link(takes.holds)
        case Entries():
            own = f" or {_link(takes.untyped)}" if takes.untyped else ""
            return f"{takes.key.name} → {_link(takes.holds)}{own}"


def _link(name: str) -> str:
    return f"[{name}](#{anchor(SHAPES[name].title)})"


def anchor(heading: str) -> str:
    """The fragment a heading is found under."""
    kept = "".join(character for character in heading.lower() if character.isalnum() or character in " -_")
    return kept.replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _forms() -> str:
    lines = ["## How values are written", "", "| form | written |", "| --- | --- |"]
    seen: dict[str, str] = {}
    for form in vars(forms).values():
        if isinstance(form, Form) and form.text:
            seen.setdefault(form.name, form.text)
    lines += [f"| {name} | {_cell(text)} |" for name, text in sorted(seen.items()) if name != "number"]
    return "\n".join(lines) + "\n"


def _kinds(shape: Shape, kinds: Mapping[str, Specified]) -> Iterator[str]:
    if kinds:
        noun = shape.name
        yield f"## Kinds of {noun}s\n\nBeside the keys of every {noun}, {article(noun)} has those of its kind:\n"
        yield "\n".join(
            f"- [`{name}`]({_PAGES[noun]}#{anchor(_heading(kinds[name]))}): {kinds[name].title}"
            for name in sorted(kinds)
        )


def _heading(kind: Specified) -> str:
    return f"{kind.name}: {kind.title}"


def field_rows(spec: Mapping[str, Any], secrets: Sequence[str] = ()) -> Iterator[str]:
    """A table of the fields of a Spec, given its JSON Schema."""
    yield from ("| key | takes | without it | meaning |", "| --- | --- | --- | --- |")
    required = spec.get("required", [])
    for name, said in spec.get("properties", {}).items():
        takes = "secret" if name in secrets else _json_form(said, spec.get("$defs", {}))
        yield f"| `{name}` | {_cell(takes)} | {_default(name, said, required)} | {_cell(said.get('description', ''))} |"


def kind_section(kind: Specified, powers: Sequence[str] = (), shape: Shape = SYSTEM) -> str:
    """What one kind of system (or output) is, can do and takes, as a section of the page of these."""
    spec = kind.spec.model_json_schema()
    lines = [f"## {_heading(kind)}", "", (spec.get("description") or "").strip(), ""]
    lines += [f"Powers: {', '.join(powers)}.", ""] if powers else []
    lines += [f"Beside the keys of [every {shape.name}](plant-file.md#{anchor(shape.title)}):", ""]
    lines += field_rows(spec, kind.secrets)
    lines += ["", "```yaml", kind.example.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _default(name: str, said: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "**required**"
    if "x-without" in said:
        return str(said["x-without"])
    default = said.get("default")
    if default is None or default == "":
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _json_form(said: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A field's JSON Schema in a few words."""
    if "$ref" in said:
        return _json_form(definitions.get(said["$ref"].rsplit("/", 1)[-1], {}), definitions)
    if "enum" in said:
        return ", ".join(f"`{one}`" for one in said["enum"])
    if "const" in said:
        return f"`{said['const']}`"
    if "anyOf" in said:
        ways = [_json_form(one, definitions) for one in said["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(ways))
    if said.get("type") == "array":
        return f"list of {_json_form(said.get('items', {}), definitions)}"
    word = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "object": "mapping"}
    type_ = str(said.get("type", "value"))
    return word.get(type_, type_) + _bounds(said)


def _bounds(said: dict[str, Any]) -> str:
    low, high = said.get("minimum"), said.get("maximum")
    if low is None and high is None:
        return ""
    return (
        f" ({low:,} to {high:,})"
        if None not in (low, high)
        else f" ({'from' if high is None else 'up to'} {low or high or 0:,})"
    )
