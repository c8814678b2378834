"""The files that a command is asked to write: each is one of its own, and none that it reads."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from parallelflow.errors import UserMistake

from . import target

__all__ = ["check_output_files"]


def check_output_files(
    options: Namespace, names: Sequence[str], *, table_is_written: bool = False
) -> None:
    """Check, before anything runs, that no file would be overwritten that is read or just written.

    Parameters
    ----------
    options : Namespace
        The options of ``run`` or ``explore``.
    names : sequence of str
        The workflows, FILE[:VERSION].
    table_is_written : bool
        Whether ``--table`` is written; else it is read.

    Raises
    ------
    UserMistake
        If a file would.
    """
    read: dict[str, str] = {}
    for name in names:
        with contextlib.suppress(UserMistake):  # told when it is read, after other mistakes
            read[f"the workflow {name}"] = str(target.parse(name).path)
    written: dict[str, str] = {}
    for option in ("table", "params_file", "out", "report", "trace", "save_log"):
        file = getattr(options, option, None)
        if not file:
            continue
        flag = "--output" if option == "out" else f"--{option.replace('_', '-')}"
        is_read = option == "params_file" or (option == "table" and not table_is_written)
        (read if is_read else written)[flag] = file
    places = {_place(name): what for what, name in read.items()}
    for flag, name in written.items():
        other = places.setdefault(_place(name), flag)
        if other is not flag:
            raise UserMistake(f"{flag} {name}: that is the file of {other}; give another name.")


def _place(name: str) -> object:
    """Return what is the same for all names of one file: links, too."""
    path = Path(name)
    try:
        found = path.stat()
    except OSError:
        return path.resolve()
    return found.st_dev, found.st_ino
