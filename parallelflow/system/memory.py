"""How much memory there is for this process, by the machine and by its control group."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["available_memory", "free_memory", "total_memory"]

# Reading the files takes 0.1 ms: not for each of many messages.
REMEMBER_SECONDS = 0.1

CGROUP = Path("/sys/fs/cgroup")

_lock = threading.Lock()
_last: tuple[float, int | None] = (0.0, None)


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
    found = [_of_machine(), *_of_groups()]
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


def _of_machine() -> int | None:
    with suppress(OSError, ValueError, IndexError), open("/proc/meminfo", "rb") as lines:
        for line in lines:
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _of_groups() -> list[int]:
    """Return what the process' control group and those above it have left."""
    return [max(most - used, 0) for most, used in _limits()]


def _limits() -> list[tuple[int, int]]:
    """Return the limits of the process' control groups, each with what is used of it."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        return []
    found: list[tuple[int, int]] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            names = ("memory.max", "memory.current", "inactive_file")
            found += _limits_up_to(CGROUP, path, *names)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            found += _limits_up_to(CGROUP / "memory", path, *names)
    return found


def _limits_up_to(
    root: Path, path: str, limit: str, usage: str, cache: str
) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    parts = [part for part in path.split("/") if part and part != ".."]
    for depth in range(len(parts), -1, -1):
        folder = root.joinpath(*parts[:depth])
        with suppress(OSError, ValueError):
            most = int((folder / limit).read_text())  # the word "max" is a ValueError: no limit
            used = int((folder / usage).read_text())
            with suppress(OSError, ValueError, IndexError):
                for line in (folder / "memory.stat").read_text().splitlines():
                    if line.startswith(f"{cache} "):
                        used -= int(line.split()[1])  # the system drops it when it needs room
            found.append((most, used))
    return found
