# SPDX-License-Identifier: Apache-2.0
"""What processes say while they run: words for people or JSON lines for machines, and a file of bounded size."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import structlog

SIZE: Final = 4 << 20
"""Bytes of a log file before it is put aside; one former file is kept."""


class Speech(StrEnum):
    """How a process speaks on its error output."""

    TEXT = "text"
    """To people: problems, and how systems are connected, in words."""
    JSON = "json"
    """To machines: everything, a JSON object a line."""


_LIBRARIES: Final = ("alembic", "asyncio", "asyncua", "nats", "sqlalchemy")

_SHARED: Final[tuple[Any, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def begin(service: str, file: Path | None, speech: Speech = Speech.JSON) -> None:
    """From now on everything logged goes to the error output, as `speech` says, and as JSON to `file`.

    Libraries are heard from warnings upwards.
    """
    handlers: list[logging.Handler] = [_screen(speech)]
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
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)


def only_errors() -> None:
    """For commands that look and end: nothing is logged but errors."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.ERROR)


def _screen(speech: Speech) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    if speech is Speech.TEXT:
        handler.addFilter(_for_people)
    handler.setFormatter(_words() if speech is Speech.TEXT else _json())
    return handler


def _for_people(record: logging.LogRecord) -> bool:
    """Problems, what becomes of a system, and what the end of a plant waits for."""
    told = isinstance(record.msg, dict) and not record.msg.keys().isdisjoint(("system", "waits_for"))
    return record.levelno >= logging.WARNING or told


def _file(path: Path) -> logging.Handler:
    handler = RotatingFileHandler(path, maxBytes=SIZE, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(_json())
    return handler


def _json() -> logging.Formatter:
    return _formatter(structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str))


def _words() -> logging.Formatter:
    return _formatter(_say)


def _say(_logger: Any, _name: str, event: Any) -> str:
    """`03:12:05Z tank-farm: disconnected: connection refused`; a traceback is in the file only."""
    fields = {name: event.pop(name, "") for name in ("timestamp", "event", "service", "system", "process")}
    subject = fields["system"] or fields["process"] or fields["service"]
    why, hint = (event.pop(name, "") for name in ("problem", "hint"))
    hint = hint or ("its log file has more" if "exception" in event else "")
    rest = [f"{name.replace('_', ' ')} {value}" for name, value in event.items() if name not in _UNSAID]
    words = ": ".join(str(word) for word in (subject, fields["event"], why) if word)
    clock = datetime.fromisoformat(fields["timestamp"]).astimezone(UTC).strftime("%H:%M:%SZ")
    more = f" ({', '.join(rest)})" if rest else ""
    return f"{clock} {words}{more}{f'; {hint}' if hint else ''}"


_UNSAID: Final = frozenset({"level", "logger", "exception", "exc_info", "stack_info"})


def _formatter(*last: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=list(_SHARED),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
