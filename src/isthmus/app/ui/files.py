# SPDX-License-Identifier: Apache-2.0
"""The screen's files: read once when the server starts, named by their content, given with strict headers.

The page itself is asked for anew each time. All else lies under an address that holds the digest of all files, so a
browser may keep it for ever and still never mixes two versions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Final

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.params import Parameter

from isthmus.core.errors import NotFound

MEDIA: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
"""What browsers are given; a file with another ending is not."""

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

FOR_EVER: Final = "public, max-age=31536000, immutable"

BOTH: Final = [HttpMethod.GET, HttpMethod.HEAD]

NEEDED: Final = "vendor/lit-html/lit-html.js"
"""Without what is copied from npm there is no screen."""


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent."""

    media: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Screen:
    """All files of the screen."""

    digest: str
    page: File
    """What `/` answers: the page, or what is missing and how to get it."""
    files: dict[str, File]
    complete: bool


def screen(folder: Traversable | None = None) -> Screen:
    """Reads the files, those of the package unless others are named."""
    found = dict(_files(folder or resources.files("isthmus.app.ui") / "static", ""))
    digest = sha256(b"".join(name.encode() + b"\0" + found[name] + b"\0" for name in sorted(found))).hexdigest()[:16]
    complete = NEEDED in found
    page = found["index.html" if complete else "missing.html"].replace(b"{modules}", _modules(found))
    page = page.replace(b"{files}", f"/ui/{digest}".encode())
    files = {name: _file(name, content) for name, content in found.items() if not name.endswith(".html")}
    return Screen(digest, _file("index.html", page), files, complete)


def _files(folder: Traversable, below: str) -> list[tuple[str, bytes]]:
    """(name, content) of every file that browsers may be given, folders within included."""
    found: list[tuple[str, bytes]] = []
    for one in folder.iterdir():
        if one.is_dir():
            found += _files(one, f"{below}{one.name}/")
        elif _ending(one.name) in MEDIA:
            found.append((below + one.name, one.read_bytes()))
    return found


def _modules(found: Iterable[str]) -> bytes:
    """Has the browser fetch all modules at once; else it finds them one behind the other, import by import."""
    names = sorted(name for name in found if name.endswith(".js"))
    return "\n".join(f'<link rel="modulepreload" href="{{files}}/{name}">' for name in names).encode()


def _ending(name: str) -> str:
    return "." + name.rpartition(".")[2]


def _file(name: str, content: bytes) -> File:
    return File(MEDIA[_ending(name)], content)


def _given(file: File, caching: str) -> Response[bytes]:
    return Response(file.content, media_type=file.media, headers={**HEADERS, "Cache-Control": caching})


@route("/", http_method=BOTH, include_in_schema=False)
async def page(files: Screen) -> Response[bytes]:
    """The page."""
    return _given(files.page, "no-cache")


@route("/ui/{digest:str}/{name:path}", http_method=BOTH, include_in_schema=False)
async def file(
    files: Screen,
    digest: str,
    name: Annotated[str, Parameter(description="Of the file, with its folders")],
) -> Response[bytes]:
    """One file of the page; those of another version are not here any more."""
    found = files.files.get(str(name).lstrip("/")) if digest == files.digest else None
    if found is None:
        raise NotFound("there is no such file of the screen", where=str(name), hint="open / again")
    return _given(found, FOR_EVER)
