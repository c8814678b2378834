"""The connection files of a profile, and whether their controllers answer."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import logging
import os
import socket
import stat
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from parallelflow.system.safe_files import UnusableFile, list_files, read_json

from ..system.process_table import listening_pids
from ..system.processes import pid_of
from ..system.profiles import profile_folder

__all__ = [
    "ANSWER_SECONDS",
    "THREADS",
    "ConnectionFile",
    "connections",
    "that_answer",
]

# A controller on this machine accepts within a millisecond, one across a slow ssh
# tunnel within a few hundred; longer than this it is not worth connecting to.
ANSWER_SECONDS = 0.6
# Asking an address is waiting, so all are asked at once.
THREADS = 32
# What TCP has.
MAX_PORT = 65535

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConnectionFile:
    """A client connection file of a profile.

    Attributes
    ----------
    path : Path
        The file.
    cluster_id : str
        The cluster's id; empty for the one that ``ipcluster start`` makes.
    host : str
        Address that clients connect to.
    port : int
        The port of the hub's registration socket.
    interface : str
        Address that the controller listens on, such as ``127.0.0.1`` or ``0.0.0.0``.
    location : str
        Name of the controller's machine as it calls itself, empty if it is not told.
    encrypted : bool
        Whether it takes encrypted connections only (CurveZMQ).
    """

    path: Path
    cluster_id: str
    host: str
    port: int
    interface: str = "127.0.0.1"
    location: str = ""
    encrypted: bool = False

    def answers(self, seconds: float = ANSWER_SECONDS) -> bool:
        """Whether what listens at the address can be this connection file's controller.

        A file that a dead controller has left names a port that may since belong to another
        program, or to another controller.

        Parameters
        ----------
        seconds : float
            How long to wait for an answer.
        """
        address = _address(self.host, seconds)
        if address is None:
            return False
        try:
            with socket.create_connection((address, self.port), timeout=seconds) as connected:
                connected.settimeout(seconds)
                greets = _greets(connected)
        except OSError:
            return False
        if greets is False:
            return False
        pid = self.owner()
        seems = None if pid is None else _is_controller(pid, self)
        # One that does not greet in time may hang, or the machine is very busy: it is no stale
        # file as long as its process is known to be the controller.
        return seems is True if greets is None else seems is not False

    def owner(self) -> int | None:
        """Return the pid of the process that listens at the address, if it is on this machine.

        None as well if it is another user's.
        """
        address = _address(self.host, ANSWER_SECONDS)
        if address is None or not _is_own(address):
            return None
        pid = listening_pids([self.port]).get(self.port)
        return None if pid is None else _main_process(pid)

    def announced_engines(self) -> int:
        """Return how many engines run on this machine by the cluster file, registered or not.

        ``ipcluster start`` and `ipyparallel.Cluster` write that file; 0 if there is none.
        """
        path = self.path.parent / f"cluster-{self.cluster_id}.json"
        try:
            sets = read_json(path)["engines"]["sets"].values()
            pids = [pid_of(one["pid"]) for each in sets for one in each["engines"].values()]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return 0
        return sum(map(psutil.pid_exists, pids))

    @property
    def elsewhere(self) -> bool:
        """Whether it is a controller of another machine.

        The folder of a profile may be shared by several machines.
        """
        return bool(self.location) and not _is_this_machine(self.location)

    @property
    def beyond_this_machine(self) -> bool:
        """Whether the controller listens on an address that other machines can reach."""
        return not self.interface.startswith(("127.", "localhost"))

    def readable_by_others(self) -> bool:
        """Whether other users can read the file, or the engines' one, which has the same key.

        Who can read it can run code as its owner.
        """
        return bool(self.open_to_others())

    def open_to_others(self) -> list[Path]:
        """Return which of the cluster's connection files other users can read."""
        if os.name != "posix":
            return []
        stem = self.path.name.removesuffix("-client.json")
        found = []
        for path in (self.path, self.path.with_name(f"{stem}-engine.json")):
            with contextlib.suppress(OSError):  # it has gone with its controller
                if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                    found.append(path)
        return found


def connections(profile: str) -> list[ConnectionFile]:
    """Return the profile's client connection files, the default cluster's first.

    Returns
    -------
    list of ConnectionFile
        The default cluster's (empty id), then the others, newest first. Files that
        cannot be read or that are no connection files are left out.
    """
    security = profile_folder(profile) / "security"
    found: list[tuple[bool, float, ConnectionFile]] = []
    for path in list_files(security, "ipcontroller*-client.json"):
        try:
            info = read_json(path)
            cluster_id = path.name[len("ipcontroller") : -len("-client.json")].lstrip("-")
            connection = ConnectionFile(
                path,
                cluster_id,
                _host(info),
                _port(info),
                _interface(info),
                str(info.get("location") or ""),
                bool(info.get("curve_serverkey")),
            )
            found.append((bool(cluster_id), -path.stat().st_mtime, connection))
        except UnusableFile as e:
            _warn_once(f"{e}. Remove it.")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            # It may be being written, or removed.
            logger.debug("%s is left out: %r", path, e)
    return [c for _, _, c in sorted(found, key=lambda f: f[:2])]


def that_answer(
    found: Sequence[ConnectionFile], seconds: float = ANSWER_SECONDS
) -> list[ConnectionFile]:
    """Return the connections of which something answers, in their order; all are asked at once.

    Parameters
    ----------
    found : sequence of ConnectionFile
        Those to ask.
    seconds : float
        How long to wait for each.
    """
    if len(found) < 2:
        return [connection for connection in found if connection.answers(seconds)]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="parallelflow-profiles") as pool:
        answers = list(pool.map(lambda connection: connection.answers(seconds), found))
    return [connection for connection, does in zip(found, answers, strict=True) if does]


def _address(host: str, seconds: float) -> str | None:
    """Return the address of a host, None if its name is not known or not found in time.

    The system's resolver waits for its name servers as long as it likes, in C code.
    """
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host))
    if host == "localhost":
        return "127.0.0.1"
    found: list[str] = []

    def resolve() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found.append(socket.gethostbyname(host))

    thread = threading.Thread(target=resolve, name="parallelflow-resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else None


@functools.cache
def _warn_once(text: str) -> None:
    """Log a warning; once, since a window looks at connection files every second."""
    logger.warning("%s", text)


def _port(info: dict[str, object]) -> int:
    port = int(str(info["registration"]))
    if not 0 < port <= MAX_PORT:
        raise ValueError(f"there is no port {port}")
    return port


def _interface(info: dict[str, object]) -> str:
    """Return the address in an interface such as ``tcp://127.0.0.1``."""
    return str(info["interface"]).rpartition("://")[2]


def _host(info: dict[str, object]) -> str:
    """Return the address that a client on this machine uses (as ipyparallel's client does)."""
    address = _interface(info)
    if address in ("", "*", "0.0.0.0"):
        location = str(info.get("location") or "")
        return location if location and location != socket.gethostname() else "127.0.0.1"
    return address


def _is_own(address: str) -> bool:
    """Return True if an address is one of this machine's: its loopback's, or an interface's."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(address).is_loopback:
            return True
    return address in {a.address for each in psutil.net_if_addrs().values() for a in each}


def _is_this_machine(location: str) -> bool:
    """Whether a name or address that a controller has given for its machine is this one's."""
    if location in (socket.gethostname(), socket.getfqdn(), "localhost"):
        return True
    address = _address(location, ANSWER_SECONDS)
    return address is not None and _is_own(address)


def _main_process(pid: int) -> int:
    """Return the controller's main process; its forked schedulers hold its sockets, too."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        while (parent := process.parent()) is not None and parent.cmdline() == process.cmdline():
            process = parent
        return int(process.pid)
    return pid


def _greets(connected: socket.socket) -> bool | None:
    """Whether what was connected to speaks ZeroMQ; None if it says nothing in time.

    ZeroMQ speaks first (ZMTP 3.1, "greeting"); few other programs do.
    """
    try:
        greeting = connected.recv(10)
    except TimeoutError:
        return None
    return greeting[:1] == b"\xff" and greeting[9:10] == b"\x7f"


def _is_controller(pid: int, connection: ConnectionFile) -> bool | None:
    """Whether a process is the controller of a connection file; None if that cannot be seen."""
    try:
        process = psutil.Process(pid)
        environment, command = process.environ(), " ".join(process.cmdline())
    except psutil.Error:
        return None
    folder = environment.get("IPP_PROFILE_DIR")
    if "controller" not in command or folder is None:
        # A program may embed a controller; one started by hand does not carry these.
        return None
    same_folder = Path(folder).resolve() == connection.path.parent.parent.resolve()
    return same_folder and environment.get("IPP_CLUSTER_ID", "") == connection.cluster_id
