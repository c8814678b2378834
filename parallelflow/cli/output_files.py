"""The files that a command is asked to write: each is one of its own, and none that it reads.

What cannot be written, on a full disk for example, is told with the option that named it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from parallelflow.errors import OutputFileError, UserMistake, shown
from parallelflow.system import safe_files

from . import target
from .messages import tell

__all__ = ["check_output_files", "write_or_print", "written"]


def check_output_files(
    options: Namespace, names: Sequence[str], *, table_is_written: bool = False
) -> None:
    """Check, before anything runs, the files that are to be written.

    Each can be written, is none that is read, and is not written twice.

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
    OutputFileError
        If one cannot be written, or is another one of the command.
    """
    read: dict[str, str] = {}
    for name in names:
        with contextlib.suppress(UserMistake):  # told when it is read, after other mistakes
            read[f"the workflow {name}"] = str(target.parse(name).path)
    written: dict[str, str] = {}
    for option in ("table", "params_file", "out", "report", "trace", "save_log"):
        file = getattr(options, option, None)
        if file is None:
            continue
        flag = "--output" if option == "out" else f"--{option.replace('_', '-')}"
        is_read = option == "params_file" or (option == "table" and not table_is_written)
        (read if is_read else written)[flag] = file
    places = {_place(name): what for what, name in read.items()}
    for flag, name in written.items():
        other = places.setdefault(_place(name), flag)
        if other is not flag:
            raise OutputFileError(flag, name, f"that is the file of {other}; give another name.")
        _check_place(flag, name)


@contextlib.contextmanager
def written(option: str, file: str) -> Iterator[None]:
    """Name the option and the file in an error of the block, which writes it.

    Parameters
    ----------
    option : str
        As the user writes it.
    file : str
        Its value.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    try:
        yield
    except OSError as e:
        raise OSError(e.errno, e.strerror or str(e), f"{option} {file}") from e


def write_or_print(option: str, file: str, text: str) -> None:
    """Replace a file's content by results; print them if it cannot be written.

    To compute them may have taken days. A link stays one: what it leads to is replaced.

    Parameters
    ----------
    option : str
        The option that names the file.
    file : str
        Its name.
    text : str
        The new content.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    try:
        with written(option, file):
            safe_files.replace_text(Path(file).resolve(), text, private=False)
    except OSError:
        tell(f"{option} {file} cannot be written: the results go to standard output")
        sys.stdout.write(text)
        sys.stdout.flush()
        raise


def _check_place(flag: str, name: str) -> None:
    """Raise unless a file can be written."""
    path = Path(name)
    if safe_files.is_folder(path):
        raise OutputFileError(flag, name, "it is a folder; give the name of a file.")
    if safe_files.is_circle(path):
        raise OutputFileError(flag, name, "it is a link that leads in a circle; give another name.")
    if path.exists() and not path.is_file():
        raise OutputFileError(flag, name, "it is no ordinary file; give the name of one.")
    if not safe_files.is_folder(path.parent):
        raise OutputFileError(
            flag, name, f"there is no folder {shown(str(path.parent))}; make it first."
        )
    if not os.access(path.parent, os.W_OK):
        raise OutputFileError(flag, name, "you may not write into its folder; give another one.")


def _place(name: str) -> object:
    """Return what is the same for all names of one file: links, too."""
    path = Path(name)
    try:
        found = path.stat()
    except OSError:
        return path.absolute() if safe_files.is_circle(path) else path.resolve()
    return found.st_dev, found.st_ino
