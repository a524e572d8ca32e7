# SPDX-License-Identifier: Apache-2.0
"""`isthmus browse URL` prints what a server has, as plant-file YAML ready to paste."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from isthmus.app.cli.options import JsonOption
from isthmus.app.cli.slow import slow
from isthmus.app.cli.where import VARIABLE, data_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from isthmus.systems.contract import Found, Kind

MOST: Final = 10_000

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Where certificates are kept; else ISTHMUS_DATA, else `data`."),
]


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command()(browse)


def browse(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the server listens: `opc.tcp://host:4840`.")],
    start: Annotated[str | None, typer.Option(metavar="NODE", help="Look only below this address.")] = None,
    name: Annotated[str, typer.Option(help="The system's name in what is printed.")] = "server",
    kind: Annotated[str, typer.Option(help="The kind of system.")] = "opcua",
    security: Annotated[
        str | None, typer.Option(metavar="POLICY", help="Such as `Basic256Sha256/SignAndEncrypt`.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="User name; without one we are anonymous.")] = None,
    password_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The environment variable that holds the password.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Stop after this many tags.")] = MOST,
    data: Data = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a server has, as plant-file YAML ready to paste.

    Examples: `isthmus browse opc.tcp://10.20.0.5:4840`, `isthmus browse opc.tcp://dcs:4840 --start "nsu=urn:acme;s=R1"`
    """
    from isthmus.app.cli.found import lacking, left_out, needed, plant_file, without_unit

    door, config = _door(kind), _config(url, security, user)
    with _pki(data, security) as folder, slow(f"looking at {url}") as say:
        driver = _driver(door, {**door.looking, **config, **_password(password_env)}, name, folder)
        found, complete = asyncio.run(_collect(driver.browse(start), most, say))
    if as_json:
        sys.stdout.write(json.dumps([_plain(one) for one in found], indent=1, ensure_ascii=False) + "\n")
        return
    secret = {"password": {"!secret": name}} if user and password_env else {}
    tags = sum(one.type is not None for one in found)
    sys.stdout.write(f"# {tags} tags found at {url}\n")
    sys.stdout.write(left_out(found))
    sys.stdout.write(without_unit(found))
    sys.stdout.write("# A new plant file also says, at its top: version: 1, plant: enterprise/site, time_zone: UTC\n")
    sys.stdout.write(lacking(found))
    sys.stdout.write(plant_file(found, name, {"kind": kind, **config, **secret, **needed(found)}))
    if not complete:
        sys.stderr.write(f"isthmus: there is more; shown are the first {most} tags (--most)\n")


@contextmanager
def _pki(data: Path | None, security: str | None) -> Iterator[Path]:
    """Where the driver keeps its certificates: a passing look without security leaves nothing behind."""
    if data is not None or security is not None or VARIABLE in os.environ:
        yield data_folder(data)
        return
    with tempfile.TemporaryDirectory(prefix="isthmus-browse-") as folder:
        yield Path(folder)


def _door(kind: str) -> Kind:
    from isthmus.core.errors import NotFound
    from isthmus.systems.registry import kinds

    able = _able()
    if kind in kinds() and kind not in able:
        raise NotFound(
            f"a system of kind {kind!r} cannot be browsed: it has no list of what there is to read",
            hint="its manual has one; how addresses are written stands in docs/systems.md",
        )
    if kind not in able:
        raise NotFound(f"no kind {kind!r} that can be browsed", hint=f"there are: {', '.join(able)}")
    return kinds()[kind]


def _able() -> list[str]:
    """The kinds that can be browsed."""
    from isthmus.systems.registry import kinds

    return sorted(name for name, one in kinds().items() if "browses" in one.powers)


def _config(url: str, security: str | None, user: str | None) -> dict[str, Any]:
    said = {"url": url, "security": security, "user": user}
    return {key: value for key, value in said.items() if value is not None}


def _password(variable: str | None) -> dict[str, Any]:
    from isthmus.core.errors import NotFound

    if variable is None:
        return {}
    if variable not in os.environ:
        raise NotFound(f"the environment variable {variable} is not set", hint="it should hold the password")
    return {"password": os.environ[variable]}


def _driver(kind: Kind, config: dict[str, Any], name: str, folder: Path) -> Any:
    from pydantic import ValidationError

    from isthmus.core.errors import IsthmusError
    from isthmus.systems.contract import Surroundings

    try:
        spec = kind.spec.model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
        others = "of another kind? say which: " + ", ".join(f"--kind {one}" for one in _able() if one != kind.name)
        hint = others if where == "url" and "://" in config["url"] else ""
        raise IsthmusError(f"{where}: {first['msg'].removeprefix('Value error, ')}", hint=hint) from None
    return kind.connect(spec, Surroundings(name, folder))


async def _collect(found: AsyncIterator[Found], most: int, say: Any) -> tuple[list[Found], bool]:
    everything: list[Found] = []
    tags = 0
    async for one in found:
        everything.append(one)
        tags += one.type is not None
        if tags % 50 == 0:
            say(f"{tags:,} tags of {len(everything):,} things found, now at {one.path}", 0, 0)
        if tags >= most:
            return everything, False
    return everything, True


def _plain(one: Found) -> dict[str, Any]:
    return {
        "address": one.address,
        "name": one.name,
        "path": one.path,
        "type": one.type,
        "unit": one.unit,
        "description": one.description,
        "writable": one.writable,
        "range": one.range,
        "remark": one.remark,
    }
