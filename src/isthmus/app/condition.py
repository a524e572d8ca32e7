# SPDX-License-Identifier: Apache-2.0
"""How a plant is, from what its services say of themselves: one document for `isthmus status` and the API.

Times are ISO 8601. What nobody says now is not told as if it were so: the systems of a plant that is stopped, or whose
collector does not answer, have the state they had last under `last_state`.
"""

from __future__ import annotations

from typing import Any, Final

from isthmus.app.run import status as files
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import DELIVER, SUPERVISOR, Place
from isthmus.core import time
from isthmus.plant.outputs import tags_of
from isthmus.plant.revision import Revision

COUNTERS: Final = (
    ("accepted", "accepted samples", "collect", "accepted"),
    ("held", "waiting for the log", "collect", "held"),
    ("discarded", "discarded at the bound", "collect", "discarded"),
    ("recorded", "recorded samples", "record", "recorded"),
    ("in_memory", "in memory", "record", "rows"),
    ("gaps", "gaps ever recorded", "record", "gaps"),
    ("repeated", "blocks that came again", "record", "repeated"),
)
"""(key for scripts, words for people, service, its counter); since the service started, but gaps: ever recorded."""


def gather(place: Place) -> dict[str, Any]:
    """Everything the services say of themselves, in one document."""
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
            "since": _iso(kept["since"]),
            "state": _state(kept, own is not None and own.silent(now), runs),
            "heartbeat": _iso(said.heartbeat) if said is not None else None,
            "age": round((now - said.heartbeat) / time.SECOND, 1) if said is not None else None,
            "counters": _counters(said.counters) if said is not None else {},
        }
    log = _log(supervisor.counters["log"] if supervisor else {}, services, runs)
    ready = bool(services) and all(service["state"] == "ready" for service in services.values())
    ready = ready and log["state"] == "ready"
    systems = _systems(files.read(place.status("collect")), services.get("collect", {}), runs)
    away = [name for name, system in systems.items() if system["state"] != "connected"]
    outputs = _outputs(revision, files.read(place.status(DELIVER)), services.get(DELIVER, {}), runs)
    outputs |= _shown(revision, services.get("serve", {}), runs)
    waiting = [name for name, output in outputs.items() if output["state"] != "connected"]
    state = "ready" if not away and not waiting else "not connected"
    return {
        "state": "stopped" if not runs else "not ready" if not ready else state,
        "data": str(place.root),
        "plant": revision.plant,
        "revision": revision.number,
        "tags": len(revision.tags),
        "heard": _iso(supervisor.heartbeat) if supervisor is not None else None,
        "supervisor": {"pid": supervisor.pid, "since": time.to_iso(supervisor.started)}
        if supervisor and runs
        else None,
        "history": _history(services.get("record", {}).get("counters", {})),
        "log": log,
        "services": services,
        "systems": systems,
        "not_connected": away if runs else list(systems),
        "outputs": outputs,
        "not_delivering": waiting if runs else list(outputs),
        "bad": sum(system["bad"] for system in systems.values()),
        "counters": {
            key: services.get(service, {}).get("counters", {}).get(counter, 0) for key, _, service, counter in COUNTERS
        },
    }


def _systems(said: files.Status | None, collector: dict[str, Any], runs: bool) -> dict[str, Any]:
    """What the collector said of the systems, and whether that is still so."""
    now = "" if runs and collector.get("state") == "ready" else "unknown" if runs else "stopped"
    return {
        name: {
            **_UNTOLD,
            **system,
            "state": now or system["state"],
            "last_state": system["state"],
            "since": _iso(system["since"]),
            "again": _iso(system.get("again", 0)),
            "heard": collector.get("heartbeat"),
        }
        for name, system in (said.counters.get("systems", {}) if said is not None else {}).items()
    }


def _outputs(revision: Revision, said: files.Status | None, deliverer: dict[str, Any], runs: bool) -> dict[str, Any]:
    """What the deliverer said of the outputs, and whether that is still so."""
    now = "" if runs and deliverer.get("state") == "ready" else "unknown" if runs else "stopped"
    told = said.counters.get("outputs", {}) if said is not None else {}
    outputs = {one.name: {**_UNHEARD, "kind": one.kind, **told.get(one.name, {})} for one in revision.outputs}
    return {
        name: {
            **output,
            "state": now or output["state"],
            "last_state": output["state"],
            "since": _iso(output["since"]),
            "heard": deliverer.get("heartbeat"),
        }
        for name, output in outputs.items()
    }


def _shown(revision: Revision, server: dict[str, Any], runs: bool) -> dict[str, Any]:
    """Outputs to which nothing is delivered: the API shows them."""
    if not revision.outputs:
        return {}
    from isthmus.outputs.registry import delivers  # not before: it takes a while, and few plants have any

    ready = server.get("state") == "ready"
    state = "connected" if runs and ready else "unknown" if runs else "stopped"
    said = {"state": state, "last_state": state, "since": server.get("since"), "heard": server.get("heartbeat")}
    return {
        one.name: {**_UNHEARD, "kind": one.kind, "tags": len(tags_of(one, revision.tags)), **said}
        for one in revision.outputs
        if not delivers(one.kind)
    }


_UNTOLD: Final[dict[str, Any]] = {"without_value": 0, "tags_problem": ""}
"""Of a system whose collector was of an earlier version, and stopped."""

_UNHEARD: Final[dict[str, Any]] = {
    "state": "unknown", "problem": "", "since": 0, "tags": 0, "delivered": 0, "again": 0, "parked": 0,
    "lag_messages": None, "lag_seconds": None, "recalling": False, "lost": 0,
}  # fmt: skip
"""An output that has not said anything yet."""


def _counters(said: dict[str, Any]) -> dict[str, Any]:
    """A service's counters without systems and outputs, which have places of their own; positions as objects."""
    counters = {name: value for name, value in said.items() if name not in ("systems", "outputs")}
    for name in ("position", "committed"):
        if counters.get(name):
            stream, sequence, at = counters[name]
            counters[name] = {"stream": stream, "sequence": sequence, "at": _iso(at)}
    return counters


def _history(recorder: dict[str, Any]) -> dict[str, Any]:
    """What lies in the history, as the recorder last saw it; empty before it has looked."""
    held = recorder.pop("history", {})
    return {**held, "compacted": _iso(held["compacted"])} if held else {}


def _iso(at: int) -> str | None:
    return time.to_iso(at) if at else None


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
