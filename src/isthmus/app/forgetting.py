# SPDX-License-Identifier: Apache-2.0
"""An output that was taken out of the plant file is forgotten: what its far end still shows, and its book."""

from __future__ import annotations

import shutil

from isthmus.app.run.place import Place
from isthmus.core.errors import IsthmusError, NotFound
from isthmus.flow.deliver.deliver import folder_of
from isthmus.flow.fitted import fitted
from isthmus.outputs.contract import Clears, Surroundings
from isthmus.outputs.registry import output_kinds
from isthmus.plant.findings import one_of
from isthmus.plant.outputs import tags_of
from isthmus.plant.revision import OutputSetting, Revision
from isthmus.store.ledger.files import RevisionFiles


async def forget(place: Place, name: str, *, far_end: bool = True) -> int:
    """Takes away what output `name` left at its far end (unless not `far_end`) and its folder; how many things went.

    Raises NotFound when no output of that name ever ran here, IsthmusError while it is in the plant file, Disconnected
    or Refused when the far end does not take it: then everything stays.
    """
    files = RevisionFiles(place.revisions)
    current = files.current()
    if current is not None and any(one.name == name for one in current.outputs):
        raise IsthmusError(f"output {name!r} is in the plant file", hint="take it out and isthmus apply")
    folder = folder_of(place.root, name)
    known = sorted(path.name for path in folder.parent.iterdir()) if folder.parent.is_dir() else []
    if name not in known:
        raise NotFound(f"there is nothing of an output {name!r}", hint=one_of(name, known))
    gone = 0
    if far_end:
        setting, revision = _last(files, name)
        kind = output_kinds().get(setting.kind)
        if kind is None:
            raise IsthmusError(f"no kind of output {setting.kind!r} is installed here", hint="--only-here")
        tags = {one.tag.number: one for one in tags_of(setting, revision.tags)}
        spec = fitted(kind.spec, setting.config, place.root, name)
        accepts = kind.connect(spec, Surroundings(name, revision, tags, place.root, folder))
        if isinstance(accepts, Clears):
            gone = await accepts.clear()
    shutil.rmtree(folder)
    return gone


def _last(files: RevisionFiles, name: str) -> tuple[OutputSetting, Revision]:
    """The output as the newest revision that had it says it."""
    for _, path in sorted(files.numbers().items(), reverse=True):
        revision = files.read(path)
        for output in revision.outputs:
            if output.name == name:
                return output, revision
    raise NotFound(f"no revision has an output {name!r}", hint="--only-here forgets what lies here of it")
