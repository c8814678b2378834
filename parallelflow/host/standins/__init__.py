"""Small replacements of standard modules that current Pythons no longer have.

They hold what VisTrails and its packages use, and are given only to a process that
has imported VisTrails, only when asked for, and only if this Python (or setuptools,
for distutils) has no such module.
"""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

_HERE = Path(__file__).parent

#: Removed module -> the file that replaces it.
NAMES: dict[str, Path] = {
    "cgi": _HERE / "cgi.py",
    "distutils": _HERE / "distutils" / "__init__.py",
    "imp": _HERE / "imp.py",
    "lib2to3": _HERE / "lib2to3" / "__init__.py",
}


def find(name: str) -> ModuleSpec | None:
    """Return the spec of a replacement.

    Parameters
    ----------
    name : str
        Full name of the removed module.

    Returns
    -------
    ModuleSpec or None
        None if there is no replacement of that name.
    """
    file = NAMES.get(name)
    if file is None:
        return None
    folder = [str(file.parent)] if file.name == "__init__.py" else None
    return spec_from_file_location(name, file, submodule_search_locations=folder)
