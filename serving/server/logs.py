"""The log of the embedded server: one line on stderr for each event and each request, as JSON or as text."""

import json
import logging
import sys
import time
from typing import Any

_LOGGER = logging.getLogger("colorzoo.serving")

LOG_FORMATS = ("json", "text")


def start(format: str) -> None:
    """Write events to stderr, in the format "json" or "text"; without this call there is no log."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if format == "json" else _Text())
    _LOGGER.handlers = [handler]
    _LOGGER.propagate = False
    _LOGGER.setLevel(logging.INFO)


def event(name: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event; `fields` are plain values."""
    if _LOGGER.isEnabledFor(level):
        _LOGGER.log(level, name, extra={"fields": fields})


def failure(name: str, **fields: Any) -> None:
    """Log a failure that an operator should know about."""
    event(name, level=logging.ERROR, **fields)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"
        line = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(line | getattr(record, "fields", {}), default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = "  ".join(f"{name}={value}" for name, value in getattr(record, "fields", {}).items())
        return f"{time.strftime('%H:%M:%S', time.localtime(record.created))}  {record.getMessage()}  {fields}"
