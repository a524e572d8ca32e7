# SPDX-License-Identifier: Apache-2.0
"""`isthmus status`: how the plant is, from what its services say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from isthmus.app.cli import show
from isthmus.app.cli.options import DataOption, JsonOption
from isthmus.app.cli.where import data_folder, told

if TYPE_CHECKING:
    from collections.abc import Iterator


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show how the plant is: services, the log, systems, outputs and their connections, counters.

    The exit code is for what watches over processes: 0 when everything is ready and every system and output
    connected, 1 when not.
    Tags whose quality is bad are counted and do not change it: they tell of the plant, and a script finds them under
    "bad" in --json. Why they are bad, and which tags never had a value, stands as the problem of a system that is
    connected. What is stopped shows what was heard of it last.

    \b
    Examples:
      isthmus status
      isthmus status --json --data /var/lib/isthmus
    """
    from isthmus.app.condition import gather
    from isthmus.app.run.place import Place

    found = gather(Place(data_folder(data)))
    if as_json:
        show.print_json(found)
    else:
        typer.echo("\n".join(_lines(found, told(data))))
    if found["state"] != "ready":
        raise typer.Exit(1)


def _lines(found: dict[str, Any], where: str) -> Iterator[str]:
    from isthmus.app.condition import COUNTERS

    supervisor = found["supervisor"]
    by = f" (process {supervisor['pid']}, since {_short(supervisor['since'])})" if supervisor else ""
    yield f"{found['plant']}, revision {found['revision']}, {found['tags']} tags: {_state_of(found)}{by}"
    yield where
    yield ""
    yield show.table(
        ["service", "state", "process", "restarts", "heard", "last end"], _services(found), right=["process"]
    )
    yield ""
    if found["systems"]:
        yield show.table(
            ["system", "state", "tags", "bad", "samples", "marked", "quarantined", "problem"],
            _systems(found["systems"]),
            right=["tags", "bad", "samples", "marked", "quarantined"],
        )
        if any(system["bad"] and system["tags_problem"] for system in found["systems"].values()):
            yield "isthmus events --kind tag tells when each tag became bad"
        yield ""
    if found["outputs"]:
        yield show.table(
            ["output", "state", "tags", "delivered", "behind", "since", "parked", "problem"],
            _outputs(found["outputs"]),
            right=["tags", "delivered", "behind", "since", "parked"],
        )
        yield ""
    log = found["log"]
    yield (
        f"log: {show.size(log['bytes'])} of {show.size(log['limit'])} ({log['fill']:.1%}), "
        f"{log['unread']:,} messages unread, {log['unwritten']:,} not yet in segments"
    )
    if log["problem"]:
        yield f"log: {log['problem']}"
    if found["history"]:
        yield _history(found["history"])
    yield ", ".join(f"{found['counters'][key]:,} {words}" for key, words, _, _ in COUNTERS)
    problem = found["services"].get("record", {}).get("counters", {}).get("problem")
    if problem:
        yield f"recorder: {problem}"


def _history(held: dict[str, Any]) -> str:
    """`history: 12 segments of 3.1 MB, 1 run of 40 MB, 30 days of 1.2 GB and 130 MB derived; compacted 2026-...`."""

    def part(kind: str) -> str:
        files, size = held[kind]["files"], show.size(held[kind]["bytes"])
        return f"{files:,} {kind if files != 1 else kind[:-1]} of {size}"

    parts = [part(kind) for kind in ("segments", "runs", "days") if held[kind]["files"]]
    derived = f" and {show.size(held['derived']['bytes'])} derived" if held["derived"]["files"] else ""
    compacted = f"last compacted {_short(held['compacted'])}" if held["compacted"] else "not compacted yet"
    return f"history: {', '.join(parts) or 'empty'}{derived}; {compacted}"


def _state_of(found: dict[str, Any]) -> str:
    """The plant's state in words: `running, 1 of 2 systems not connected, 1 tag bad`."""
    away, bad = len(found["not_connected"]), found["bad"]
    words = ["running" if found["state"] == "not connected" else found["state"]]
    if away and found["state"] in ("not connected", "not ready"):
        words.append(f"{away} of {len(found['systems'])} systems not connected")
    if found["not_delivering"] and found["state"] in ("not connected", "not ready"):
        words.append(f"{len(found['not_delivering'])} of {len(found['outputs'])} outputs not delivering")
    if found["state"] == "stopped" and found["heard"]:
        words.append(f"last heard of {_short(found['heard'])}")
    if bad and found["state"] != "stopped":
        words.append(f"{bad:,} tag{'s' if bad > 1 else ''} bad")
    return ", ".join(words)


def _services(found: dict[str, Any]) -> Iterator[list[str]]:
    log = found["log"]
    if log["embedded"]:
        yield ["log", log["state"], str(log.get("pid") or "-"), str(log.get("restarts", 0)), "", ""]
    for name, service in found["services"].items():
        heard = f"{show.age(service['age'])} ago" if service["age"] is not None else "never"
        last_end = service["last_end"] if service["restarts"] else ""
        yield [name, service["state"], str(service["pid"] or "-"), str(service["restarts"]), heard, last_end]


def _systems(systems: dict[str, Any]) -> Iterator[list[str]]:
    for name, system in systems.items():
        counts = [f"{system[key]:,}" for key in ("tags", "bad", "samples", "marked", "quarantined")]
        was = f", was {system['last_state']}" if system["state"] != system["last_state"] else ""
        yield [name, f"{system['state']}{was}", *counts, _problem(system)]


def _problem(system: dict[str, Any]) -> str:
    """Why it is not connected, and when it is tried again; while it is, what is wrong with single tags."""
    from isthmus.core import time

    if not system["problem"]:
        return str(system["tags_problem"])
    left = (time.from_iso(system["again"]) - time.now()) / time.SECOND if system["again"] else 0.0
    return f"{system['problem']}; tried again in {show.age(left)}" if left > 0 else str(system["problem"])


def _outputs(outputs: dict[str, Any]) -> Iterator[list[str]]:
    for name, output in outputs.items():
        was = f", was {output['last_state']}" if output["state"] != output["last_state"] else ""
        history = ", from history" if output["recalling"] else ""
        history += f", lost {output['lost']:,} messages" if output["lost"] else ""
        behind, age = output["lag_messages"], output["lag_seconds"]
        lags = [f"{behind:,} messages" if behind is not None else "-", show.age(age) if age is not None else "-"]
        counts = [f"{output['tags']:,}", f"{output['delivered']:,}", *lags, f"{output['parked']:,}"]
        yield [name, f"{output['state']}{was}{history}", *counts, output["problem"]]


def _short(moment: str) -> str:
    """A time without its fraction of a second."""
    return f"{moment[:19]}Z"
