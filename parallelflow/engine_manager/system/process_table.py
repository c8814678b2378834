"""What the system says of all processes and of all ports, read once and no more than is asked for.

On a busy machine there are thousands of both, and psutil asks the system anew for each process, or
for all that there is to know of each connection. Imports psutil and the standard library only: the
guard process uses this file, too.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import psutil

__all__ = ["ProcessTable", "listening_pids", "pids_with_variable", "stat_fields"]

LINUX = sys.platform.startswith("linux")

# What ``proc(5)`` calls the state of a TCP socket that listens.
LISTENS = b"0A"
PIECE_BYTES = 4096

#: Who listened on a port when it was asked for last: where to look first.
_listened: dict[int, int] = {}


class ProcessTable:
    """The processes of this moment: who has started whom, and whose session they belong to.

    Attributes
    ----------
    sessions : dict of int to int
        The pid of the session's leader by the pid of each process; empty on systems without
        sessions.
    """

    def __init__(self) -> None:
        self.sessions: dict[int, int] = {}
        self._children: dict[int, list[int]] = {}
        for pid in psutil.pids():
            with contextlib.suppress(psutil.Error, OSError, IndexError):
                parent, session = _kin(pid)
                self._children.setdefault(parent, []).append(pid)
                if session is not None:
                    self.sessions[pid] = session

    def descendants(self, pid: int) -> list[int]:
        """Return the pids of the processes that one has started, and of those that they have."""
        found: dict[int, None] = {}
        waiting = [pid]
        while waiting:
            for child in self._children.get(waiting.pop(), ()):
                if child not in found and child != pid:
                    found[child] = None
                    waiting.append(child)
        return list(found)


def stat_fields(pid: int) -> list[str]:
    """Return the fields of a process from the third one, its state, on (``proc(5)``).

    Raises
    ------
    OSError
        If there is no such process, or the system has no such files.
    """
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        # The command's name, in parentheses, may hold blanks and parentheses itself.
        return file.read().rpartition(b")")[2].decode("ascii").split()


def _kin(pid: int) -> tuple[int, int | None]:
    """Return the pids of a process' parent and of its session's leader."""
    if LINUX:
        fields = stat_fields(pid)
        return int(fields[1]), int(fields[3])
    return psutil.Process(pid).ppid(), os.getsid(pid) if hasattr(os, "getsid") else None


def pids_with_variable(name: str, value: str) -> list[int]:
    """Return the pids of the processes that were started with an environment variable.

    Parameters
    ----------
    name, value : str
        The variable and its value.

    Returns
    -------
    list of int
        Without those of other users, whose environment cannot be read.
    """
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if LINUX:
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                has = os.fsencode(f"{name}={value}") in variables
            else:
                has = psutil.Process(pid).environ().get(name) == value
            if has:
                found.append(pid)
    return found


def listening_pids(ports: Collection[int]) -> dict[int, int]:
    """Return the pids of the processes of this machine that listen on TCP ports.

    Parameters
    ----------
    ports : collection of int
        The ports that are asked for.

    Returns
    -------
    dict of int to int
        By the ports, without those of other users. Of several processes that hold one socket, one.
    """
    if not LINUX:
        return _listening_pids_elsewhere(ports)
    inodes = {inode: port for port, inode in _listening_sockets(ports)}
    found: dict[int, int] = {}
    # Mostly it is asked for the same ones again, or for those that were started last.
    before = (_listened.get(port) for port in ports)
    likely = [pid for pid in before if pid is not None]
    for pid in dict.fromkeys([*likely, *reversed(psutil.pids())]):
        if len(found) == len(set(inodes.values())):
            break
        for inode in _open_files(pid) & inodes.keys():
            found.setdefault(inodes[inode], pid)
    _listened.update(found)
    return found


def _listening_sockets(ports: Collection[int]) -> Iterator[tuple[int, str]]:
    """Yield the ports that somebody listens on, with the names of the sockets (``proc(5)``)."""
    missing = set(ports)
    for name in ("tcp", "tcp6"):
        if not missing:
            return
        # In pieces: those that listen come first (``tcp_get_idx`` of Linux), and the system takes
        # five milliseconds to look for all others, however few there are.
        with (
            contextlib.suppress(OSError),  # it may have no IPv6
            open(f"/proc/net/{name}", "rb", buffering=PIECE_BYTES) as file,
        ):
            next(file, None)  # the titles
            for line in file:
                _, local, _, state, _, _, _, _, _, inode = line.split(maxsplit=10)[:10]
                if state != LISTENS:
                    break
                if (port := int(local.rpartition(b":")[2], 16)) in ports:
                    missing.discard(port)
                    yield port, f"socket:[{inode.decode()}]"


def _open_files(pid: int) -> set[str]:
    """Return the names of what a process holds open, empty if it is not the user's."""
    found = set()
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # closed meanwhile
                # A Path of each would cost more than the system's answer.
                found.add(os.readlink(entry.path))  # noqa: PTH115
    return found


def _listening_pids_elsewhere(ports: Collection[int]) -> dict[int, int]:
    try:
        every = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return {}
    listening = [one for one in every if one.status == psutil.CONN_LISTEN and one.pid is not None]
    return {one.laddr.port: one.pid for one in reversed(listening) if one.laddr.port in ports}
