"""The part of a configuration file that a setup has written: found, put in, put again in place.

Whatever stands outside the two marks stays as it is, byte for byte.
"""

from __future__ import annotations

from pathlib import Path

from parallelflow.errors import ConfigurationFailed

__all__ = ["BEGIN", "END", "part_of", "with_part"]

BEGIN, END = "# >>> parallelflow setup >>>", "# <<< parallelflow setup <<<"


def part_of(path: Path, data: bytes) -> str:
    """Return the lines between the marks, empty if there are none.

    Parameters
    ----------
    path : Path
        The file, for the error.
    data : bytes
        What it holds.

    Raises
    ------
    ConfigurationFailed
        If one of the marks is missing, or stands there twice.
    """
    lines = data.splitlines(keepends=True)
    found = _find(path, lines)
    if found is None:
        return ""
    inside = b"".join(lines[found[0] + 1 : found[1]])
    return inside.decode(errors="replace").replace("\r\n", "\n")


def with_part(path: Path, data: bytes, part: str) -> bytes:
    """Return a file with another part between the marks, which are put at its end if missing.

    Parameters
    ----------
    path : Path
        The file, for the error.
    data : bytes
        What it holds.
    part : str
        The lines, each with its end.

    Raises
    ------
    ConfigurationFailed
        As `part_of`.
    """
    lines = data.splitlines(keepends=True)
    end = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    marked = f"{BEGIN}\n{part}{END}\n".encode().replace(b"\n", end)
    found = _find(path, lines)
    if found is not None:
        return b"".join([*lines[: found[0]], marked, *lines[found[1] + 1 :]])
    if not lines:
        return marked
    whole = lines[-1].endswith((b"\n", b"\r"))
    between = ([] if whole else [end]) + ([end] if lines[-1].strip() else [])
    return b"".join([*lines, *between, marked])


def _find(path: Path, lines: list[bytes]) -> tuple[int, int] | None:
    """Return the places of the marks among the lines, None if there are none."""
    marks = [(number, line.strip()) for number, line in enumerate(lines)]
    marks = [(number, mark) for number, mark in marks if mark in (BEGIN.encode(), END.encode())]
    if not marks:
        return None
    if [mark for _, mark in marks] != [BEGIN.encode(), END.encode()]:
        wrong = marks[1][0] if len(marks) > 1 and marks[0][1] == BEGIN.encode() else marks[0][0]
        raise ConfigurationFailed(
            f"{path}, line {wrong + 1}: a setup's part begins with '{BEGIN}' and ends with "
            f"'{END}', once each. Correct that, or remove both lines and what is between. "
            "Nothing was written."
        )
    return marks[0][0], marks[1][0]
