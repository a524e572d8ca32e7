# SPDX-License-Identifier: Apache-2.0
"""`isthmus status`: how the plant is, from what its services say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

from isthmus.app.cli import show
from isthmus.app.cli.options import DataOption, JsonOption
from isthmus.app.cli.where import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_COUNTERS: Final = (
    ("accepted", "accepted samples", "collect", "accepted"),
    ("held", "waiting for the log", "collect", "held"),
    ("discarded", "discarded at the bound", "collect", "discarded"),
    ("recorded", "recorded samples", "record", "recorded"),
    ("in_memory", "in memory", "record", "rows"),
    ("gaps", "gaps ever recorded", "record", "gaps"),
    ("repeated", "blocks that came again", "record", "repeated"),
)
"""(key for scripts, words for people, service, its counter); since the service started, but gaps: ever recorded."""


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show how the plant is: services, the log, systems and their connections, counters.

    The exit code is 0 when everything is ready and every system connected, and 1 when not. Tags whose quality is bad
    are counted, and do not change it.

    \b
    Examples:
      isthmus status
      isthmus status --json --data /var/lib/isthmus
    """
    from isthmus.app.run.place import Place

    found = gather(Place(data_folder(data)))
    if as_json:
        show.print_json(found)
    else:
        typer.echo("\n".join(_lines(found)))
    if found["state"] != "ready":
        raise typer.Exit(1)


def gather(place: Any) -> dict[str, Any]:
    """Everything the services say of themselves, in one document."""
    from isthmus.app.run import status as files
    from isthmus.app.run.endpoint import revision_of
    from isthmus.app.run.place import SUPERVISOR
    from isthmus.core import time

    revision, holder, now = revision_of(place), place.holder(), time.now()
    runs = holder is not None and not holder.brief
    supervisor = files.read(place.status(SUPERVISOR))
    runs = runs and supervisor is not None and holder is not None and supervisor.pid == holder.pid
    services = {}
    for name, kept in (supervisor.counters["services"] if supervisor else {}).items():
        said = files.read(place.status(name))
        own = said if said is not None and said.pid == kept["pid"] else None
        services[name] = {
            **kept,
            "state": _state(kept, own is not None and own.silent(now), runs),
            "heartbeat": time.to_iso(said.heartbeat) if said is not None else None,
            "age": round((now - said.heartbeat) / time.SECOND, 1) if said is not None else None,
            "counters": said.counters if said is not None else {},
        }
    ready = bool(services) and all(service["state"] == "ready" for service in services.values())
    systems = services.get("collect", {}).get("counters", {}).get("systems", {})
    away = [name for name, system in systems.items() if system["state"] != "connected"]
    return {
        "state": "stopped" if not runs else "not ready" if not ready else "not connected" if away else "ready",
        "data": str(place.root),
        "plant": revision.plant,
        "revision": revision.number,
        "tags": len(revision.tags),
        "supervisor": {"pid": supervisor.pid, "since": time.to_iso(supervisor.started)}
        if supervisor and runs
        else None,
        "log": _log(supervisor.counters["log"] if supervisor else {}, services, runs),
        "services": services,
        "systems": systems,
        "not_connected": away if runs else list(systems),
        "bad": sum(system["bad"] for system in systems.values()),
        "counters": {
            key: services.get(service, {}).get("counters", {}).get(counter, 0) for key, _, service, counter in _COUNTERS
        },
    }


def _state(kept: dict[str, Any], silent: bool, runs: bool) -> str:
    if not runs:
        return "stopped"
    return "silent" if silent and kept["state"] == "ready" else str(kept["state"])


def _log(said: dict[str, Any], services: dict[str, Any], runs: bool) -> dict[str, Any]:
    """The log server, as the supervisor knows it, and the stream, as the recorder sees it."""
    recorder = services.get("record", {}).get("counters", {})
    seen = recorder.get("log", {})
    return {
        "embedded": said.get("embedded", True),
        "state": "stopped" if not runs else "ready" if said.get("ready", True) else "starting",
        **(
            {"pid": said["pid"] if runs else None, "restarts": said["restarts"], "url": said["url"]}
            if "pid" in said
            else {}
        ),
        "bytes": seen.get("bytes", 0),
        "limit": seen.get("limit", 0),
        "fill": seen.get("fill", 0.0),
        "unread": recorder.get("unread", 0),
        "unwritten": recorder.get("unwritten", 0),
        "problem": seen.get("problem", ""),
    }


def _lines(found: dict[str, Any]) -> Iterator[str]:
    supervisor = found["supervisor"]
    by = f" (process {supervisor['pid']}, since {_short(supervisor['since'])})" if supervisor else ""
    yield f"{found['plant']}, revision {found['revision']}, {found['tags']} tags: {_state_of(found)}{by}"
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
        yield ""
    log = found["log"]
    yield (
        f"log: {show.size(log['bytes'])} of {show.size(log['limit'])} ({log['fill']:.1%}), "
        f"{log['unread']:,} messages unread, {log['unwritten']:,} not yet in segments"
    )
    if log["problem"]:
        yield f"log: {log['problem']}"
    yield ", ".join(f"{found['counters'][key]:,} {words}" for key, words, _, _ in _COUNTERS)
    problem = found["services"].get("record", {}).get("counters", {}).get("problem")
    if problem:
        yield f"recorder: {problem}"


def _state_of(found: dict[str, Any]) -> str:
    """The plant's state in words: `running, 1 of 2 systems not connected, 1 tag bad`."""
    away, bad = len(found["not_connected"]), found["bad"]
    words = ["running" if found["state"] == "not connected" else found["state"]]
    if away and found["state"] in ("not connected", "not ready"):
        words.append(f"{away} of {len(found['systems'])} systems not connected")
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
        yield [name, system["state"], *counts, system["problem"]]


def _short(moment: str) -> str:
    """A time without its fraction of a second."""
    return f"{moment[:19]}Z"
