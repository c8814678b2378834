"""The wall time of jobs, as batch systems print it; each function returns None for what is none."""

from __future__ import annotations

import re
from datetime import datetime

__all__ = ["clock_seconds", "lsf_limit_seconds", "number_of", "remaining", "seconds_of",
           "seconds_since"]  # fmt: skip


def clock_seconds(text: str) -> float | None:
    """Return the seconds of a time such as ``1-02:03:04`` or ``59:12``."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24.0 + hours) * 60 + minutes) * 60 + seconds


def number_of(text: str) -> float | None:
    """Return the number that a text begins with."""
    found = re.match(r"\s*(\d+(?:\.\d+)?)", text)
    return float(found.group(1)) if found else None


def seconds_since(text: str) -> float | None:
    """Return how long ago a moment of the local time was, such as ``2026-01-31T14:37:16``."""
    try:
        began = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return max((datetime.now(began.tzinfo) - began).total_seconds(), 0.0)


def remaining(limit: float | None, used: float | None) -> float | None:
    """Return what is left of a limit."""
    return None if limit is None or used is None else limit - used


def seconds_of(text: str) -> float | None:
    """Return the seconds of a time that is a clock's or a number, such as ``16038 second(s)``."""
    return clock_seconds(text) if ":" in text else number_of(text)


def lsf_limit_seconds(text: str) -> float | None:
    """Return the seconds of LSF's ``runtimelimit``: minutes, such as ``90.0`` or ``3.0/hostA``.

    Where it is configured so (LSB_HMS_TIME_FORMAT) it is a clock's.
    """
    minutes = number_of(text)
    return clock_seconds(text) if ":" in text else None if minutes is None else 60 * minutes
