"""The set-up of Python's logging, as far as another process can have it.

Standard library only. Handlers for the terminal are made again on engines, where what they write
is shown with its element. Handlers of other kinds (files, windows) stay with the session.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

__all__ = ["read", "receive", "send", "write"]

Setup = tuple[int, int, tuple[logging.Handler, ...]]
"""Up to which level nothing is logged at all; the root logger's level and its handlers."""


class _TerminalHandler(logging.Handler):
    """Writes to what ``sys.stderr`` or ``sys.stdout`` is when a message comes."""

    def __init__(self, stream: str, level: int) -> None:
        super().__init__(level)
        self.stream_name = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            getattr(sys, self.stream_name).write(f"{self.format(record)}\n")
        except Exception:
            self.handleError(record)


def read() -> Setup:
    """Return the set-up of this process."""
    root = logging.root
    return root.manager.disable, root.level, tuple(root.handlers)


def write(setup: Setup) -> None:
    """Give this process another set-up."""
    disabled, level, handlers = setup
    logging.disable(disabled)
    logging.root.setLevel(level)
    logging.root.handlers[:] = handlers


def send(setup: Setup) -> Any:
    """Return a set-up as it travels: handlers for the terminal as what makes them."""
    disabled, level, handlers = setup
    return disabled, level, [made for made in map(_description, handlers) if made is not None]


def receive(sent: Any) -> Setup:
    """Return a set-up that was sent, with handlers of this process."""
    disabled, level, descriptions = sent
    handlers = []
    for stream, own_level, text, dates, style in descriptions:
        handler = _TerminalHandler(stream, own_level)
        handler.setFormatter(logging.Formatter(text, dates, style, validate=False))
        handlers.append(handler)
    return disabled, level, tuple(handlers)


def _description(handler: logging.Handler) -> tuple[Any, ...] | None:
    stream = getattr(handler, "stream_name", None)
    if type(handler) is logging.StreamHandler:
        for name in ("stderr", "stdout"):
            if handler.stream in (getattr(sys, name), getattr(sys, f"__{name}__")):
                stream = name
    if stream is None:
        return None
    formatter = handler.formatter or logging.Formatter()
    return (
        stream,
        handler.level,
        getattr(formatter, "_fmt", None),
        formatter.datefmt,
        _style(formatter),
    )


def _style(formatter: logging.Formatter) -> str:
    """Return the character of a formatter's style."""
    name = type(getattr(formatter, "_style", None)).__name__
    return {"StrFormatStyle": "{", "StringTemplateStyle": "$"}.get(name, "%")
