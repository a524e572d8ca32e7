# SPDX-License-Identifier: Apache-2.0
"""A path names a place in the ISA-95 equipment hierarchy: `enterprise/site/area/line/unit/tag`."""

from __future__ import annotations

import re
from collections.abc import Callable

from isthmus.core.errors import IsthmusError

_SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,62}[A-Za-z0-9_\-])?")
LONGEST = 400


def check(path: str) -> str:
    """`path` itself when it is a valid one; raises IsthmusError that says which part is not.

    Segments are 1 to 64 letters, digits, `_`, `-` and inner `.`, so a path is also a good MQTT topic, a good URL and,
    segment by segment, a good file name. At most 400 characters in all.
    """
    if len(path) > LONGEST:
        raise IsthmusError(f"path of {len(path)} characters", hint=f"at most {LONGEST}")
    for segment in path.split("/"):
        if not _SEGMENT.fullmatch(segment):
            raise IsthmusError(
                f"{segment!r} cannot be part of a path",
                where=path,
                hint="use 1 to 64 of A-Z a-z 0-9 _ - and .",
            )
    return path


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test for paths: `*` stands for one segment or a part of it, `**` for any number of segments.

    A pattern without a `/` is found anywhere (`reactor-1`, `*temperature*`); one with a `/` must match from the start
    of the path or of any of its segments, and everything below a match matches too.
    """
    body = "".join(_translate(piece) for piece in re.split(r"(\*\*/?|\*|\?)", pattern.strip("/")))
    return re.compile(rf"(?:.*/)?{body}(?:/.*)?", re.IGNORECASE).fullmatch  # type: ignore[return-value]


def _translate(piece: str) -> str:
    return {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
