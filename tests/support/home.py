"""A home for one test run, so that no test reads or writes the user's own files."""

from __future__ import annotations

import os
import tempfile
import xml.etree.ElementTree
from pathlib import Path

# Every child process inherits these; whatever else the user has set would lead tests elsewhere.
FORGET = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_PATH")

#: Packages that VisTrails enables where it finds their libraries, and that take it most of its
#: start: a window that is about something else need not have them.
LARGE_PACKAGES = ("matplotlib", "sklearn")


def make_home() -> Path:
    """Make a temporary home folder and point the environment of this process at it.

    Returns
    -------
    pathlib.Path
        The folder; its name is short, since the path of a socket has at most 107 characters.
    """
    home = Path(tempfile.mkdtemp(prefix="pf-test-"))
    folders = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "XDG_CONFIG_HOME": home / "config",
        "XDG_CACHE_HOME": home / "cache",
        "XDG_DATA_HOME": home / "data",
        "XDG_STATE_HOME": home / "state",
        "XDG_RUNTIME_DIR": home / "run",
        "TMPDIR": home / "tmp",
    }
    # Where people look for what failed tests have left, and where it is removed after some runs.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    for variable, folder in folders.items():
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ[variable] = str(folder)
    tempfile.tempdir = None  # it is known from before
    for variable in FORGET:
        os.environ.pop(variable, None)
    # Tests that make a terminal want one that can move its cursor, wherever they run themselves.
    os.environ["TERM"] = "xterm"
    return home


def disable_packages(home: Path, *codepaths: str) -> None:
    """Disable packages for the VisTrails of a home, as its user can in the Preferences.

    Parameters
    ----------
    home : pathlib.Path
        A home in which a window has been open.
    *codepaths : str
        The packages; those that are not enabled stay as they are.
    """
    file = home / ".vistrails" / "startup.xml"
    tree = xml.etree.ElementTree.parse(file)
    enabled, disabled = (tree.getroot().find(name) for name in ("packages", "disabledpackages"))
    assert enabled is not None and disabled is not None
    for package in [each for each in enabled if each.get("name") in codepaths]:
        enabled.remove(package)
        disabled.append(package)
    tree.write(file)
