# SPDX-License-Identifier: Apache-2.0
"""The application: every noun's routes, behind the guard, over one living picture of the plant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig

from isthmus import __version__
from isthmus.app.api import (
    assets,
    events,
    health,
    history,
    last,
    live,
    metrics,
    pictures,
    plant,
    problem,
    quarantine,
    sql,
    systems,
    tags,
)
from isthmus.app.api.guard import guarded
from isthmus.app.api.questions import Questions
from isthmus.app.ui import files
from isthmus.core.errors import IsthmusError

if TYPE_CHECKING:
    from litestar.types import ASGIApp, ControllerRouterHandler

    from isthmus.app.api.picture import Picture
    from isthmus.app.run.place import Place
    from isthmus.stream.log import Log

ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    plant.plant,
    plant.revisions,
    plant.revision,
    assets.assets,
    assets.asset,
    pictures.pictures,
    tags.tags,
    tags.tag,
    last.last,
    live.live,
    systems.systems,
    events.events,
    events.gaps,
    quarantine.quarantine,
    history.raw,
    history.aggregate,
    history.at,
    history.lines,
    sql.sql,
    health.health,
    metrics.metrics,
    files.page,
    files.file,
)


def application(place: Place, log: Log, picture: Picture) -> ASGIApp:
    """The API of the plant in `place`, behind its guard; `log` is for reading, `picture` follows it."""
    return guarded(routed(place, log, picture))


def routed(place: Place, log: Log, picture: Picture) -> Litestar:
    """The routes alone."""
    questions, screen = Questions(), files.screen()
    return Litestar(
        route_handlers=ROUTES,
        dependencies={
            "place": Provide(lambda: place, sync_to_thread=False),
            "questions": Provide(lambda: questions, sync_to_thread=False),
            "log": Provide(lambda: log, sync_to_thread=False),
            "picture": Provide(lambda: picture, sync_to_thread=False),
            "files": Provide(lambda: screen, sync_to_thread=False),
        },
        exception_handlers={
            IsthmusError: problem.explained,
            HTTPException: problem.refused,
            Exception: problem.unexpected,
        },
        compression_config=CompressionConfig(backend="gzip", minimum_size=2000, gzip_compress_level=5),
        openapi_config=OpenAPIConfig(
            title="Isthmus",
            version=__version__,
            description="The plant as Isthmus knows it. Read-only; this machine only, until people sign in.",
            path="/api/schema",
            render_plugins=[],
        ),
        logging_config=None,
    )
