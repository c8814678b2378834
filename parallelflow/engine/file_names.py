"""Names of the files that output modules write: one for each point."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

__all__ = ["numbered", "numbered_files", "written_files"]

WRITTEN = "_parallelflow_written"
"""The attribute by which an output module knows the names of its files."""


def numbered(name: str, number: str) -> str:
    """Return a file's name with a number before its ending, such as ``plot_03.png``.

    Parameters
    ----------
    name : str
        The file's name, with or without folders.
    number : str
        The number as text.
    """
    path = PurePath(name)
    return str(path.with_name(f"{path.stem}_{number}{path.suffix}"))


@contextlib.contextmanager
def numbered_files(number: str) -> Iterator[None]:
    """Number the files of VisTrails' output modules while the context is entered.

    Where a workflow asks for a series of files, VisTrails numbers them itself; its own count is one
    of the process, so that the point's number is added here, too.

    Parameters
    ----------
    number : str
        The number as text; empty to leave the names as they are.
    """
    from vistrails.core.modules.output_modules import FileMode, OutputModule

    original, original_config = FileMode.get_filename, OutputModule.get_mode_config
    at_work: list[Any] = []

    def get_mode_config(self: Any, mode: Any) -> Any:
        at_work[:] = [self]
        self.__dict__[WRITTEN] = []
        return original_config(self, mode)

    def get_filename(self: Any, *args: Any, **kwargs: Any) -> Any:
        name = original(self, *args, **kwargs)
        if number and isinstance(name, str):
            name = numbered(name, number)
        for module in at_work:
            module.__dict__[WRITTEN].append(name)
        return name

    FileMode.get_filename, OutputModule.get_mode_config = get_filename, get_mode_config
    try:
        yield
    finally:
        FileMode.get_filename, OutputModule.get_mode_config = original, original_config


def written_files(module: Any) -> list[str]:
    """Return the names of the files that an output module has written.

    Parameters
    ----------
    module : OutputModule
        The module, which has run within `numbered_files`.
    """
    return [str(name) for name in module.__dict__.get(WRITTEN, ())]
