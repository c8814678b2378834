"""How much memory there is for this process, by the machine and by its control group."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

__all__ = [
    "available_memory",
    "free_memory",
    "memory_kills",
    "shortage",
    "shown_bytes",
    "total_memory",
]

# Reading the files takes 0.1 ms: not for each of many messages.
REMEMBER_SECONDS = 0.1
# What is low stays so for longer: engines ask between elements.
SHORTAGE_SECONDS = 0.25

CGROUP = Path("/sys/fs/cgroup")

# More than the files have that `_beginning` reads, or what is read of them.
FILE_BYTES = 16_384

# With less of it free, the system soon ends processes; it is also what the system itself needs.
LOW_SHARE = 0.05

_lock = threading.Lock()
_last: tuple[float, int | None] = (0.0, None)
_last_shortage: tuple[float, tuple[int, int] | None] = (0.0, None)

_T = TypeVar("_T")


def available_memory() -> int | None:
    """Return how many bytes can still be taken without others having to give theirs up.

    Returns
    -------
    int or None
        The least of what the machine has and what each control group of this process has left;
        None if the system does not say.

    Notes
    -----
    ``MemAvailable`` is described in proc(5), the files ``memory.max``, ``memory.current`` and
    ``memory.stat`` in the kernel's documentation of control groups, version 2; version 1 has
    ``memory.limit_in_bytes`` and ``memory.usage_in_bytes``.
    """
    global _last
    with _lock:
        when, known = _last
        if time.monotonic() - when < REMEMBER_SECONDS:
            return known
    found = [*_of_machine("MemAvailable:"), *_of_groups()]
    least = min((one for one in found if one is not None), default=None)
    with _lock:
        _last = time.monotonic(), least
    return least


def free_memory(*, swap: bool = False) -> int:
    """Return how many bytes can still be taken, also on systems that only psutil knows.

    Parameters
    ----------
    swap : bool
        Whether to add what the machine can swap out; a control group's limit holds as it is.
    """
    import psutil

    machine = psutil.virtual_memory().available
    if swap:
        machine += psutil.swap_memory().free
    return int(min([machine, *_of_groups()]))


def total_memory() -> int:
    """Return how many bytes this process can have at the most."""
    import psutil

    limits = [most for most, _ in _limits()]
    return int(min([psutil.virtual_memory().total, *limits]))


def shortage() -> tuple[int, int] | None:
    """Return how many bytes are free, and of how many, if memory runs low; None if it does not.

    Of the machine or of a control group of this process, whatever is shorter of it.
    """
    global _last_shortage
    with _lock:
        when, known = _last_shortage
        if time.monotonic() - when < SHORTAGE_SECONDS:
            return known
    free, total = _of_machine("MemAvailable:", "MemTotal:")
    known_limits = [(max(most - used, 0), most) for most, used in _limits(LOW_SHARE, total)]
    if free is not None and total is not None:
        known_limits.append((free, total))
    least = min(known_limits, key=lambda pair: pair[0] / max(pair[1], 1), default=(1, 1))
    found = least if least[0] < LOW_SHARE * least[1] else None
    with _lock:
        _last_shortage = time.monotonic(), found
    return found


def memory_kills() -> int:
    """Return a number that grows whenever the system ends a process for lack of memory.

    Of this machine, and of the control groups of this process: ``oom_kill`` in ``/proc/vmstat``,
    ``memory.events`` (version 2) and ``memory.oom_control`` (version 1).
    """
    kills = 0
    files = [f"{folder}/{name}" for folder, name in _groups("memory.events", "memory.oom_control")]
    for file in ("/proc/vmstat", *files):
        with suppress(OSError, ValueError, IndexError):
            for line in Path(file).read_text().splitlines():
                if line.startswith("oom_kill "):
                    kills += int(line.split()[1])
    return kills


def shown_bytes(size: int) -> str:
    """Return an amount of memory as it is read: *310 MB*, *7.9 GB*; empty for none."""
    if not size:
        return ""
    return f"{size / 2**20:.0f} MB" if size < 1000 * 2**20 else f"{size / 2**30:.1f} GB"


def _of_machine(*names: str) -> list[int | None]:
    """Return numbers of the machine's memory, bytes; None for what the system does not tell."""
    found: list[int | None] = [None] * len(names)
    with suppress(OSError, ValueError, IndexError):
        text = _beginning("/proc/meminfo")
        for position, name in enumerate(names):
            _, known, rest = text.partition(name)
            if known:
                found[position] = int(rest.split(None, 1)[0]) * 1024
    return found


def _of_groups() -> list[int]:
    """Return what the process' control group and those above it have left."""
    return [max(most - used, 0) for most, used in _limits()]


# The limit, what is used, and the parts of it that the system drops when it needs room.
_VERSION_2 = ("memory.max", "memory.current", ("inactive_file", "active_file"))
_VERSION_1 = (
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
)


def _limits(low_share: float = 1, machine: int | None = None) -> list[tuple[int, int]]:
    """Return the limits of the process' control groups, each with what is used of it.

    Parameters
    ----------
    low_share : float
        What the system can drop is subtracted where less than this share of the limit is left
        without it. Reading it takes most of the time.
    machine : int or None
        The machine's memory, bytes; limits above it, which limit nothing, are left out.
    """
    found: list[tuple[int, int]] = []
    for folder, (limit, usage, cache) in _groups(_VERSION_2, _VERSION_1):
        with suppress(OSError, ValueError):
            most = int(_beginning(f"{folder}/{limit}"))  # the word "max" is a ValueError: no limit
            if machine is not None and most > machine:
                continue
            used = int(_beginning(f"{folder}/{usage}"))
            if most - used < low_share * most:
                used -= _droppable(folder, cache)
            found.append((most, used))
    return found


def _beginning(path: str) -> str:
    """Return a file's first bytes as text, with less work than Python's files are.

    Engines read some of the system's between elements.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        return os.fsdecode(os.read(file, FILE_BYTES))
    finally:
        os.close(file)


def _droppable(folder: str, parts: tuple[str, ...]) -> int:
    """Return how many bytes of a control group's use the system drops when it needs room."""
    droppable = 0
    with suppress(OSError, ValueError, IndexError):
        for line in Path(folder, "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in parts:
                droppable += int(value)
    return droppable


def _groups(version_2: _T, version_1: _T) -> Iterator[tuple[str, _T]]:
    """Yield the folders of the process' control groups, each with what its version has."""
    try:
        lines = _beginning("/proc/self/cgroup").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            root, version = f"{CGROUP}", version_2
        elif "memory" in controllers.split(","):
            root, version = f"{CGROUP}/memory", version_1
        else:
            continue
        parts = [part for part in path.split("/") if part and part != ".."]
        for depth in range(len(parts), -1, -1):
            yield "/".join([root, *parts[:depth]]), version
