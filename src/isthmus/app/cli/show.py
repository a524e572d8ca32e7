# SPDX-License-Identifier: Apache-2.0
"""How values, times and states look in a terminal: in words first, colour only beside them and only when abnormal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from isthmus.core.samples import Value
    from isthmus.plant.revision import TagSetting

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"))


def value(setting: TagSetting, value: Value) -> str:
    """A value without its unit: six digits of a number, the name of an enumeration's value, `-` for none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and value in setting.labels:
        return setting.labels[value]
    return str(value)


def age(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 m`, `2 h`, `5 d`; times ahead of ours have a minus."""
    for size, name in _UNITS:
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.1f} s" if abs(seconds) < 10 else f"{seconds:.0f} s"


def size(count: float) -> str:
    """Bytes as people say them: `14.9 kB`, `1.1 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("the last unit returns")


def seconds(ns: int) -> int:
    """`ns` cut to whole seconds, still in ns: for times that people read."""
    return ns // 1_000_000_000 * 1_000_000_000


def print_json(data: Any) -> None:
    """Prints JSON with two spaces of indent."""
    import msgspec
    import typer

    typer.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())


def table(columns: Iterable[str], rows: Iterable[Iterable[str]], *, right: Iterable[str] = ()) -> str:
    """Columns of text under their headings, aligned, for pipes and terminals alike."""
    headings = list(columns)
    cells = [headings, *([*row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    aligned = [str.rjust if heading in set(right) else str.ljust for heading in headings]
    lines = (
        "  ".join(align(text, width) for align, text, width in zip(aligned, row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines)
