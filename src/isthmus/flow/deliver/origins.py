# SPDX-License-Identifier: Apache-2.0
"""From which systems a tag may have come since an output was there: a tag that was moved had another one before.

An output knows of each system when the last samples it had of it reached us. Of a tag that was moved what it lacks may
have come from the former system, of which it had heard less: the least of what it heard of all of them counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from isthmus.core.errors import IsthmusError
from isthmus.core.time import LATEST
from isthmus.plant.revision import Revision
from isthmus.store.history.since import SLACK
from isthmus.store.history.state import State
from isthmus.store.ledger.files import RevisionFiles

say = structlog.get_logger("deliver")


def heard_of(revisions: Path, systems: Mapping[int, str], state: State) -> dict[int, int]:
    """Tag number → when the last samples reached us (ns) of that of its systems of which least was heard.

    `systems`: tag number → the system it is read from now. A tag is left out where nothing was heard of one of its
    systems; all are where a revision since then cannot be read. Reads the revisions since `state`.
    """
    origins = {number: {name} for number, name in systems.items()}
    try:
        for revision in _newest_first(RevisionFiles(revisions)):
            for setting in revision.tags:
                if setting.tag.number in origins:
                    origins[setting.tag.number].add(setting.system)
            if revision.created <= _reach(origins, state):
                break
    except IsthmusError as error:
        say.warning("all that history has since then is delivered again", problem=str(error))
        return {}
    return {
        number: min(state.heard[name] for name in names)
        for number, names in origins.items()
        if names <= state.heard.keys()
    }


def _reach(origins: Mapping[int, set[str]], state: State) -> int:
    """How far back (ns) revisions matter: to the one that ran when least was heard of any of these systems."""
    heard = [state.heard[name] for name in set().union(*origins.values()) if name in state.heard]
    if state.position is not None and state.position.at:
        heard.append(state.position.at)
    return min(heard, default=LATEST) - SLACK


def _newest_first(files: RevisionFiles) -> Iterator[Revision]:
    for _, path in sorted(files.numbers().items(), reverse=True):
        yield files.read(path)
