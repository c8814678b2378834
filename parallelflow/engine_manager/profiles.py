"""IPython profiles: their names, their folders and the connection files in them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from parallelflow.errors import ProfileError

__all__ = [
    "Connection",
    "check_name",
    "connections",
    "ensure_folder",
    "profile_exists",
    "profile_folder",
]

# Names become folder names (profile_NAME) and file names; IPython itself sets no rule.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

# A controller on this machine accepts within a millisecond, one across a slow ssh
# tunnel within a few hundred; longer than this it is not worth connecting to.
ANSWER_SECONDS = 0.6


@dataclass(frozen=True)
class Connection:
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
    """

    path: Path
    cluster_id: str
    host: str
    port: int

    def answers(self, seconds: float = ANSWER_SECONDS) -> bool:
        """Whether something accepts connections at the address.

        Parameters
        ----------
        seconds : float
            How long to wait for an answer.
        """
        try:
            with socket.create_connection((self.host, self.port), timeout=seconds):
                return True
        except OSError:
            return False

    def readable_by_others(self) -> bool:
        """Whether other users can read the file; who can read it can run code as its owner."""
        if os.name != "posix":
            return False
        return bool(self.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def check_name(profile: str) -> str:
    """Return the profile's name if it is a valid one.

    Raises
    ------
    ProfileError
        If the name is empty, too long, or has characters that could lead out of
        the folder of the profiles.
    """
    if not _NAME.fullmatch(profile) or ".." in profile:
        raise ProfileError(
            f"{profile!r} is not a valid profile name: use letters, digits, '_', '-' and '.' "
            "(64 at most, the first a letter, a digit or '_')."
        )
    return profile


def profile_folder(profile: str) -> Path:
    """Return the folder of a profile, whether it exists or not.

    Raises
    ------
    ProfileError
        If the name is not valid.
    """
    from IPython.paths import get_ipython_dir

    return Path(get_ipython_dir()) / f"profile_{check_name(profile)}"


def profile_exists(profile: str) -> bool:
    """Whether the profile has a folder; ``default`` always counts, IPython makes it."""
    return profile == "default" or profile_folder(profile).is_dir()


def ensure_folder(profile: str) -> Path:
    """Return the profile's folder, made with its private subfolders where missing.

    Raises
    ------
    ProfileError
        If the name is not valid or the folder cannot be written.
    """
    folder = profile_folder(profile)
    try:
        for name in ("security", "pid", "log"):
            sub = folder / name
            sub.mkdir(parents=True, exist_ok=True)
            # Logs may quote data and connection files hold the key: nobody else's business.
            sub.chmod(0o700)
    except OSError as e:
        raise ProfileError(
            f"the folder of the profile {profile!r} cannot be used: {e}. "
            "Free some space or correct its permissions, or choose another profile."
        ) from e
    return folder


def connections(profile: str) -> list[Connection]:
    """Return the profile's client connection files, the default cluster's first.

    Returns
    -------
    list of Connection
        The default cluster's (empty id), then the others, newest first. Files that
        cannot be read or that are no connection files are left out.
    """
    security = profile_folder(profile) / "security"
    found: list[tuple[bool, float, Connection]] = []
    for path in security.glob("ipcontroller*-client.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            info = json.loads(path.read_text())
            cluster_id = path.name[len("ipcontroller") : -len("-client.json")].lstrip("-")
            host = _host(info)
            connection = Connection(path, cluster_id, host, int(info["registration"]))
            found.append((bool(cluster_id), -path.stat().st_mtime, connection))
    return [c for _, _, c in sorted(found, key=lambda f: f[:2])]


def _host(info: dict[str, object]) -> str:
    """Return the address that a client on this machine uses (as ipyparallel's client does)."""
    address = str(info["interface"]).rpartition("://")[2].rpartition(":")[0]
    address = address or str(info["interface"]).rpartition("://")[2]
    if address in ("", "*", "0.0.0.0"):
        location = str(info.get("location") or "")
        return location if location and location != socket.gethostname() else "127.0.0.1"
    return address
