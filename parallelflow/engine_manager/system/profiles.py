"""IPython profiles: their names and their folders."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from parallelflow.errors import ProfileError, ProfileUnusable
from parallelflow.system.safe_files import (
    is_folder,
    is_there,
    list_files,
    make_folder,
    replace_text,
    writable_by_others,
)

__all__ = [
    "check_name",
    "create",
    "ensure_folder",
    "left_as_it_is",
    "names",
    "open_to_change",
    "profile_exists",
    "profile_folder",
]

# Names become folder names (profile_NAME) and file names; IPython itself sets no rule.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

# Those that hold keys, process ids and logs.
PRIVATE_SUBFOLDERS = ("security", "pid", "log")
# IPython makes it when a controller starts, as the umask says; what is in it runs in every engine.
SUBFOLDERS = (*PRIVATE_SUBFOLDERS, "startup")
# As long as a connection file and a record of some engines together.
TRY_BYTES = 4096


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


def _ipython_folder() -> Path:
    """Return the folder of all profiles, whether it can be used or not."""
    return _ipython_folder_of(os.environ.get("IPYTHONDIR"), os.environ.get("HOME"))


@functools.cache
def _ipython_folder_of(ipythondir: str | None, home: str | None) -> Path:
    # The usual case, without the 0.1 s that IPython takes to load; where it sees a choice, the
    # answer is its own (IPython 9.1, IPython.paths.get_ipython_dir).
    named = Path(os.path.normpath(Path(ipythondir or "~/.ipython").expanduser()))
    older = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "ipython"
    # Where it cannot write the folder, IPython takes a temporary one, another at each call: what
    # is started there is found by nobody.
    writable = os.access(named if is_there(named) else named.parent, os.W_OK)
    if (ipythondir or not is_there(older)) or not writable:
        return named
    from IPython.paths import get_ipython_dir

    try:
        return Path(get_ipython_dir())
    except OSError as e:
        raise ProfileUnusable(
            f"The folder of the profiles cannot be used: {e}. Free some space or correct its "
            "permissions, or name another place by IPYTHONDIR."
        ) from e


def profile_folder(profile: str) -> Path:
    """Return the folder of a profile, whether it exists or not.

    Raises
    ------
    ProfileError
        If the name is not valid.
    """
    return _ipython_folder() / f"profile_{check_name(profile)}"


def profile_exists(profile: str) -> bool:
    """Whether the profile has a folder; ``default`` always counts, IPython makes it."""
    return profile == "default" or is_folder(profile_folder(profile))


def ensure_folder(profile: str) -> Path:
    """Return the profile's folder, made with its private subfolders where missing.

    Raises
    ------
    ProfileError
        If the name is not valid or the folder cannot be written.
    """
    folder = profile_folder(profile)
    if os.path.expandvars(folder) != str(folder):
        raise ProfileUnusable(
            f"The folder of the profiles, {folder.parent}, cannot be used: IPython takes the "
            "'$' in its name for a variable. Name another place by IPYTHONDIR."
        )
    try:
        for name in SUBFOLDERS:
            make_folder(folder / name)
        for name in PRIVATE_SUBFOLDERS:
            # Logs may quote data and connection files hold the key: nobody else's business.
            (folder / name).chmod(0o700)
        _try_to_write(folder / "pid")
        _try_to_write(folder / "security")
    except OSError as e:
        raise ProfileUnusable(
            f"The folder of the profile {profile!r} cannot be used: {e}. "
            "Free some space or correct its permissions, or choose another profile."
        ) from e
    return folder


def _try_to_write(folder: Path) -> None:
    """Raise unless a file can be written in a folder; permissions alone do not tell it all."""
    replace_text(folder / "parallelflow.try", "x" * TRY_BYTES)
    (folder / "parallelflow.try").unlink(missing_ok=True)


def open_to_change(profile: str) -> list[str]:
    """Return a sentence on each part of a profile that other users can change, and how to mend it.

    Configuration and startup files run as whoever starts a controller or an engine.
    """
    folder = profile_folder(profile)
    parts = [folder.parent, folder, folder / "startup"]
    parts += (p for p in list_files(folder, "*_config.*") if p.suffix in (".py", ".json"))
    return [
        f"other users can change {path}, and so run programs as you: take it from them "
        f"({_how_to_take(path)})"
        for path in parts
        if writable_by_others(path)
    ]


def _how_to_take(path: Path) -> str:
    quoted = shlex.quote(str(path))
    if path.stat().st_uid in (0, os.geteuid()):
        return f"chmod go-w {quoted}"
    return f"look at what is in it, then: sudo chown $USER {quoted}"


@contextlib.contextmanager
def left_as_it_is(folder: Path) -> Iterator[None]:
    """Look at a profile by ipyparallel's classes, which make the folders that they name.

    Parameters
    ----------
    folder : Path
        The profile's folder; need not exist.
    """
    inside = [folder / name for name in ("log", "pid", "security", "startup")]
    missing = [one for one in (*inside, folder, folder.parent) if not is_there(one)]
    try:
        yield
    finally:
        if folder / "startup" in missing:
            with contextlib.suppress(OSError):
                (folder / "startup" / "README").unlink()  # which IPython puts there
        for one in missing:
            # What another session has begun meanwhile is not empty.
            with contextlib.suppress(OSError):
                one.rmdir()


def names() -> list[str]:
    """Return the names of the profiles that have a folder."""
    folders = list_files(_ipython_folder(), "profile_*")
    found = [f.name.removeprefix("profile_") for f in folders if is_folder(f)]
    return sorted(name for name in found if _NAME.fullmatch(name) and ".." not in name)


def create(name: str) -> Path:
    """Make a new profile's folder, as ``ipython profile create`` does.

    Raises
    ------
    ProfileError
        If the name is not valid or taken, or the folder cannot be written.
    """
    folder = profile_folder(name)
    if is_there(folder):
        raise ProfileError(f"There is a profile {name!r} already: choose it, or another name.")
    from IPython.core.profiledir import ProfileDir

    ensure_folder(name)
    ProfileDir.create_profile_dir(str(folder))
    return folder
