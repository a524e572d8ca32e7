# SPDX-License-Identifier: Apache-2.0
"""What processes say while they run: readable lines on a terminal, JSON lines otherwise, and a file of bounded size."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import structlog

SIZE: Final = 4 << 20
"""Bytes of a log file before it is put aside; one former file is kept."""

_LIBRARIES: Final = ("alembic", "asyncio", "asyncua", "nats", "sqlalchemy")

_SHARED: Final[tuple[Any, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def begin(service: str, file: Path | None, *, quiet: bool = False) -> None:
    """From now on everything logged goes to the error output and, as JSON, to `file`.

    With `quiet` the error output gets warnings and errors only. Libraries are heard from warnings upwards.
    """
    handlers: list[logging.Handler] = [_screen(quiet)]
    if file is not None:
        handlers.append(_file(file))
    logging.basicConfig(handlers=handlers, level=logging.INFO, force=True)
    logging.captureWarnings(True)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.processors.format_exc_info if not sys.stderr.isatty() else _as_is,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)


def only_errors() -> None:
    """For commands that look and end: nothing is logged but errors."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.basicConfig(level=logging.ERROR)


def _as_is(_logger: Any, _name: str, event: Any) -> Any:
    return event


def _screen(quiet: bool) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING if quiet else logging.INFO)
    handler.setFormatter(_console() if sys.stderr.isatty() else _json())
    return handler


def _file(path: Path) -> logging.Handler:
    handler = RotatingFileHandler(path, maxBytes=SIZE, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(_json())
    return handler


def _json() -> logging.Formatter:
    return _formatter(structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str))


def _console() -> logging.Formatter:
    return _formatter(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))


def _formatter(*last: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=list(_SHARED),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
