"""``parallelflow checkpoints``: what unfinished runs have left on disk."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parallelflow.checkpoints import folder
from parallelflow.checkpoints.folder import Kept
from parallelflow.errors import NothingLeft, UserMistake, shown

from .exits import Exit
from .json_output import print_document
from .messages import tell

__all__ = ["check_something_is_left", "run_command"]

NUMBER = 10


def run_command(options: Namespace) -> int:
    """List, show or remove checkpoints; return the exit code.

    Raises
    ------
    UserMistake
        If there is no checkpoint of a name, or none was named, or JSON of a removal is wanted.
    """
    if options.json and options.action == "remove":
        raise UserMistake("Of a removal there is no JSON: --json is for list and show.")
    if options.action == "list":
        kept_ones = folder.list_kept()
        if options.json:
            print_document("checkpoints", {"checkpoints": [_fields(each) for each in kept_ones]})
            return Exit.OK
        for line in _listed(kept_ones):
            print(line)
        return Exit.OK
    if options.all and options.action == "remove":
        wanted = folder.list_kept()
    else:
        wanted = [_named(name) for name in options.names]
        if not wanted:
            raise UserMistake(
                f"Name the checkpoint to {options.action}, as 'parallelflow checkpoints' shows it."
            )
    if options.action == "show":
        if options.json:
            print_document("checkpoints", {"checkpoints": [_fields(each) for each in wanted]})
            return Exit.OK
        for kept in wanted:
            print("\n".join(_shown(kept)))
        return Exit.OK
    code = Exit.OK
    for kept in wanted:
        if not folder.remove(kept):
            tell(f"{kept.name} is not removed: a session is at work at it")
            code = Exit.FAILED
    return code


def check_something_is_left(path: Path) -> None:
    """Raise if no run of a file has left a checkpoint.

    Raises
    ------
    NothingLeft
        If none has.
    """
    wanted = str(path.absolute())
    if not any(kept.header.get("file") == wanted for kept in folder.list_kept()):
        raise NothingLeft(str(path))


def _named(name: str) -> Kept:
    kept = folder.find(name)
    if kept is None:
        raise UserMistake(
            f"There is no checkpoint {shown(name)}; 'parallelflow checkpoints' shows those there "
            "are."
        )
    return kept


def _listed(kept: list[Kept]) -> Iterator[str]:
    if not kept:
        yield "no checkpoints: every run has ended well, or has left nothing"
        return
    for each in kept:
        yield (
            f"{each.name:{NUMBER}}  {folder.when(each.begun):>16}  {_progress(each)}  "
            f"{_size(each.size)}  {each.place}"
        )


def _shown(kept: Kept) -> Iterator[str]:
    yield f"{kept.name}: {kept.place}"
    yield f"  begun        {folder.when(kept.begun)} on {kept.header.get('host', 'unknown host')}"
    yield f"  done         {_progress(kept)} elements"
    yield f"  size         {_size(kept.size)}"
    yield f"  file         {kept.path}"
    yield "  A run resumes it if these are the same:"
    for name, value in sorted(kept.parts.items()):
        yield f"    {name}: {value}"


def _fields(kept: Kept) -> dict[str, Any]:
    header = kept.header
    return {
        "name": kept.name,
        "place": kept.place,
        "file": header.get("file") or None,
        "label": header.get("label") or "",
        "begun": kept.begun,
        "host": header.get("host"),
        "done": kept.count(),
        "total": header.get("total"),
        "bytes": kept.size,
        "path": str(kept.path),
        "parts": kept.parts,
    }


def _progress(kept: Kept) -> str:
    return f"{kept.count()} of {kept.header.get('total', 'an unknown number of')}"


def _size(size: int) -> str:
    return f"{size / folder.MEGABYTE:.1f} MB"
