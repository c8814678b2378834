"""What VisTrails and packages of its time use of ``imp``, removed in Python 3.12."""

from __future__ import annotations

import importlib.util
import sys
from importlib import reload as reload
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import IO

PY_SOURCE = 1
PKG_DIRECTORY = 5


def new_module(name: str) -> ModuleType:
    """Return an empty module that is not registered anywhere."""
    return ModuleType(name)


def find_module(
    name: str, path: list[str] | None = None
) -> tuple[IO[str] | None, str, tuple[str, str, int]]:
    """Find a module written in Python.

    Parameters
    ----------
    name : str
        Its name, without dots.
    path : list of str or None
        The folders to look in; None: ``sys.path``.

    Returns
    -------
    tuple
        Open file (None for a package), file or folder, description: what
        ``load_module`` takes.

    Raises
    ------
    ImportError
        There is none.
    """
    spec = PathFinder.find_spec(name, path)
    if spec is None or spec.origin is None:
        raise ImportError(f"No module named {name!r}", name=name)
    if spec.submodule_search_locations is not None:
        return None, str(Path(spec.origin).parent), ("", "", PKG_DIRECTORY)
    return open(spec.origin, encoding="utf-8"), spec.origin, (".py", "r", PY_SOURCE)


def load_module(
    name: str, file: IO[str] | None, pathname: str, description: tuple[str, str, int]
) -> ModuleType:
    """Load what ``find_module`` found and register it under ``name``."""
    folder = [pathname] if description[2] == PKG_DIRECTORY else None
    source = str(Path(pathname) / "__init__.py") if folder else pathname
    return _load(name, source, folder)


def load_source(name: str, pathname: str, file: IO[str] | None = None) -> ModuleType:
    """Load a file of Python source and register it under ``name``."""
    return _load(name, pathname, None)


def _load(name: str, source: str, folder: list[str] | None) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        name, source, loader=SourceFileLoader(name, source), submodule_search_locations=folder
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {source}", name=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
