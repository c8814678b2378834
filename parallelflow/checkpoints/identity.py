"""What makes two runs the same, and what has changed where they are not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .content import ContentDigest, content_digest

__all__ = ["Parts", "RunIdentity", "difference", "digest_text", "environment_parts"]

# Modules that only one of two sessions has loaded decide nothing: they were not used.
IF_BOTH_HAVE_IT = "module "
_DIGEST = "#"
# Environment variables that tell where a session runs, and not what it computes.
_OF_THE_SESSION = (
    "_", "COLORTERM", "COLUMNS", "DBUS_", "DESKTOP_", "DISPLAY", "GNOME_", "GPG_", "GTK_", "HIST",
    "INVOCATION_ID", "IPY", "JOURNAL_STREAM", "JPY_", "KDE_", "LESS", "LINES", "LOGNAME",
    "LS_COLORS", "MAIL", "NOTIFY_SOCKET", "OLDPWD", "PARALLELFLOW_", "PBS_", "PS1", "PWD",
    "PYTEST_", "QT_", "SESSION", "SHLVL", "SLURM_", "SSH_", "STY", "SYSTEMD_", "TERM", "TMPDIR",
    "TMUX", "VSCODE_", "VTE_", "WAYLAND_", "WINDOW", "XAUTHORITY", "XDG_",
)  # fmt: skip


@dataclass(frozen=True)
class RunIdentity:
    """A run, as it is found again by a later session.

    Attributes
    ----------
    place : str
        Where it is asked for: a file and a module, or a name that the user has given.
    label : str
        What the user calls it.
    parts : mapping of str to str
        What decides the elements' values, by what the user calls it: versions, and digests as
        `digest_text` gives them.
    file : str
        The vistrail that it is in; empty for none.
    otherwise : str
        How the user has all elements computed.
    """

    place: str
    label: str
    parts: Mapping[str, str]
    file: str = ""
    otherwise: str = "--no-resume computes all"


class Parts(Mapping[str, str]):
    """The parts of a `RunIdentity`, of which some may still be being computed.

    Parameters
    ----------
    parts : mapping of str to str or ContentDigest
        The parts; digests are waited for when they are asked for.
    """

    def __init__(self, parts: Mapping[str, str | ContentDigest]) -> None:
        self._parts = parts

    def __getitem__(self, name: str) -> str:
        part = self._parts[name]
        return digest_text(part.get()) if isinstance(part, ContentDigest) else part

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def environment_parts(environment: Mapping[Any, Any]) -> dict[str, str]:
    """Return the environment variables that may decide values, as parts of a `RunIdentity`.

    Their values are not written to the disk, but digests of them.

    Parameters
    ----------
    environment : mapping
        As `parallelflow.engine.process_settings.read_environment` gives it.
    """
    return {
        f"environment variable {name}": digest_text(content_digest(value))
        for name, value in ((os.fsdecode(n), v) for n, v in environment.items())
        if not name.startswith(_OF_THE_SESSION)
    }


def digest_text(digest: bytes) -> str:
    """Return a digest as it stands among the parts of a `RunIdentity`."""
    return _DIGEST + digest.hex()


def difference(now: Mapping[str, str], before: Mapping[str, str]) -> str:
    """Return what has changed between two runs, one line; empty if they are the same.

    Examples
    --------
    >>> difference({"package stats": "1.3"}, {"package stats": "1.2"})
    'package stats is 1.3, was 1.2'
    >>> difference({"the function": "#aa"}, {"the function": "#bb"})
    'the function has changed'
    """
    for name in sorted({*now, *before}):
        new, old = now.get(name), before.get(name)
        if new == old or (name.startswith(IF_BOTH_HAVE_IT) and None in (new, old)):
            continue
        if new is None:
            return f"{name} is not there any more"
        if old is None:
            return f"{name} was not there"
        if new.startswith(_DIGEST) or old.startswith(_DIGEST):
            return f"{name} has changed"
        return f"{name} is {new}, was {old}"
    return ""
