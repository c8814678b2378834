"""FILE[:VERSION]: which file and version are meant, and whether the file is a vistrail.

Everything here is done before VisTrails is loaded, so that a mistake is told at once.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from parallelflow.errors import NoVistrail, UserMistake
from parallelflow.system import safe_files

__all__ = ["Target", "parse", "read"]

# The member of a .vt archive that holds the version tree.
_MEMBER = "vistrail"

# The largest version tree that is read: a year's work has some megabytes, and VisTrails needs
# fifty times as much memory.
MAX_TREE_BYTES = 128 * 2**20

# A log of executions, pictures and data may be large, but nothing that VisTrails saves is packed
# to a smaller part than a fiftieth or so. VisTrails unpacks all of it on the disk.
MAX_PACKED_TIMES = 250
HARMLESS_BYTES = 16 * 2**20

# How a zip archive begins, whole or cut off.
_ZIP_SIGNATURE = b"PK"

# What zipfile raises for archives cut off, altered, encrypted or packed by other methods.
_DAMAGED = (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError)

_NOT_LIKELY = "which is no sensible VisTrails file; it was not read"
_NOT_A_VISTRAIL = "is no VisTrails file; give a .vt that VisTrails has saved"


@dataclass(frozen=True)
class Target:
    """What the user asked to run.

    Attributes
    ----------
    path : Path
        The file.
    version : str or None
        Tag or number as written; None for the latest version.
    """

    path: Path
    version: str | None

    def __str__(self) -> str:
        return str(self.path) if self.version is None else f"{self.path}:{self.version}"


def parse(text: str) -> Target:
    """Split FILE[:VERSION].

    Both parts may contain colons themselves: the longest beginning that is the name
    of something on disk is the file.

    Parameters
    ----------
    text : str
        As the user wrote it.

    Raises
    ------
    NoVistrail
        If no beginning of it is the name of a file.
    UserMistake
        If nothing follows the colon.
    """
    cut = len(text)
    while cut > 0:
        path = Path(text[:cut])
        if _exists(path):
            version = text[cut + 1 :] if cut < len(text) else None
            if version == "":
                raise UserMistake(f"{text}: give a tag or a number after the colon, or no colon.")
            return Target(path, version)
        cut = text.rfind(":", 0, cut)
    name, ending, _ = text.partition(".vt:")
    raise NoVistrail(name + ending.rstrip(":"), "there is no such file")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a null character
        return False


def read(path: Path) -> ElementTree.Element:
    """Return the version tree of a vistrail, as XML.

    Parameters
    ----------
    path : Path
        A ``.vt`` archive, or the bare XML that VisTrails also reads.

    Returns
    -------
    Element
        The root element, ``vistrail``.

    Raises
    ------
    NoVistrail
        If the file cannot be read or is no vistrail.
    """
    name = str(path)
    _check_name(path)
    try:
        with safe_files.open_to_read(path) as stream:
            beginning = stream.read(len(_ZIP_SIGNATURE))
            if beginning == _ZIP_SIGNATURE:
                data = _unpack(name, stream)
            else:
                data = beginning + stream.read(MAX_TREE_BYTES)
    except safe_files.UnusableFile as e:
        raise NoVistrail(name, f"{e.reason}; give a .vt that VisTrails has saved") from e
    except OSError as e:
        raise NoVistrail(name, f"cannot be read: {e.strerror or e}") from e
    except _DAMAGED as e:
        raise NoVistrail(name, f"is a damaged archive ({e}); take another copy of the file") from e
    if len(data) > MAX_TREE_BYTES:
        raise NoVistrail(name, f"is larger than {MAX_TREE_BYTES // 2**20} MB, {_NOT_LIKELY}")
    if not data.strip():
        raise NoVistrail(name, "is empty")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError) as e:  # or no such encoding
        if beginning == _ZIP_SIGNATURE:
            raise NoVistrail(name, f"is damaged: its version tree is not XML ({e})") from e
        raise NoVistrail(name, _NOT_A_VISTRAIL) from e
    if root.tag != "vistrail":
        raise NoVistrail(name, _NOT_A_VISTRAIL)
    return root


def _check_name(path: Path) -> None:
    """Raise for a name that VisTrails cannot write down: it does in UTF-8."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as e:
        raise NoVistrail(
            str(path), "VisTrails takes names of files and folders in UTF-8 only; rename it"
        ) from e


def _unpack(name: str, stream: IO[bytes]) -> bytes:
    """Return the version tree in an archive, once its sizes are known to be sensible."""
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if _MEMBER not in archive.namelist():
            raise NoVistrail(name, "is a zip archive, but no VisTrails file")
        unpacked = sum(member.file_size for member in members)
        packed = sum(member.compress_size for member in members)
        if archive.getinfo(_MEMBER).file_size > MAX_TREE_BYTES or (
            unpacked > HARMLESS_BYTES and unpacked > MAX_PACKED_TIMES * packed
        ):
            raise NoVistrail(
                name,
                f"would be {unpacked // 2**20} MB unpacked, {_NOT_LIKELY}",
            )
        return archive.read(_MEMBER)
