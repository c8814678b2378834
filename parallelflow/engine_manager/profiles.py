"""IPython profiles: their names and their folders."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from parallelflow.errors import ProfileError, ProfileUnusable

__all__ = [
    "check_name",
    "create",
    "ensure_folder",
    "names",
    "profile_exists",
    "profile_folder",
]

# Names become folder names (profile_NAME) and file names; IPython itself sets no rule.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


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
    """Return the folder of all profiles.

    Where it cannot be written, IPython takes a temporary one, and another one at each call.
    """
    return _ipython_folder_of(os.environ.get("IPYTHONDIR"), os.environ.get("HOME"))


@functools.cache
def _ipython_folder_of(ipythondir: str | None, home: str | None) -> Path:
    # The usual case, without the 0.1 s that IPython takes to load; where it sees a choice, or
    # anything amiss, the answer is its own (IPython 9.1, IPython.paths.get_ipython_dir).
    named = Path(ipythondir or "~/.ipython").expanduser()
    older = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "ipython"
    if (ipythondir or not older.exists()) and os.access(named, os.W_OK):
        return Path(os.path.normpath(named))
    from IPython.paths import get_ipython_dir

    try:
        return Path(get_ipython_dir())
    except OSError as e:
        raise ProfileUnusable(
            f"the folder of the profiles cannot be used: {e}. Free some space or correct its "
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
        raise ProfileUnusable(
            f"the folder of the profile {profile!r} cannot be used: {e}. "
            "Free some space or correct its permissions, or choose another profile."
        ) from e
    return folder


def names() -> list[str]:
    """Return the names of the profiles that have a folder."""
    folders = _ipython_folder().glob("profile_*")
    found = [f.name.removeprefix("profile_") for f in folders if f.is_dir()]
    return sorted(name for name in found if _NAME.fullmatch(name) and ".." not in name)


def create(name: str) -> Path:
    """Make a new profile's folder, as ``ipython profile create`` does.

    Raises
    ------
    ProfileError
        If the name is not valid or taken, or the folder cannot be written.
    """
    folder = profile_folder(name)
    if folder.exists():
        raise ProfileError(f"there is a profile {name!r} already: choose it, or another name.")
    from IPython.core.profiledir import ProfileDir

    ensure_folder(name)
    ProfileDir.create_profile_dir(str(folder))
    return folder
