"""FILE[:VERSION]: which file and version are meant, and whether the file is a vistrail.

Everything here is done before VisTrails is loaded, so that a mistake is told at once.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from parallelflow.errors import NoVistrail, UserMistake

__all__ = ["Target", "parse", "read"]

# The member of a .vt archive that holds the version tree.
_MEMBER = "vistrail"

# How a zip archive begins, whole or cut off.
_ZIP_SIGNATURE = b"PK"

# What zipfile raises for archives cut off, altered, encrypted or packed by other methods.
_DAMAGED = (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError)

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
    if path.is_dir():
        raise NoVistrail(name, "is a folder; give the .vt file in it")
    try:
        with path.open("rb") as stream:
            beginning = stream.read(2)
            data = beginning + stream.read() if beginning != _ZIP_SIGNATURE else b""
        if beginning == _ZIP_SIGNATURE:
            with zipfile.ZipFile(path) as archive:
                if _MEMBER not in archive.namelist():
                    raise NoVistrail(name, "is a zip archive, but no VisTrails file")
                data = archive.read(_MEMBER)
    except OSError as e:
        raise NoVistrail(name, f"cannot be read: {e.strerror or e}") from e
    except _DAMAGED as e:
        raise NoVistrail(name, f"is a damaged archive ({e}); take another copy of the file") from e
    if not data.strip():
        raise NoVistrail(name, "is empty")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as e:
        if beginning == _ZIP_SIGNATURE:
            raise NoVistrail(name, f"is damaged: its version tree is not XML ({e})") from e
        raise NoVistrail(name, _NOT_A_VISTRAIL) from e
    if root.tag != "vistrail":
        raise NoVistrail(name, _NOT_A_VISTRAIL)
    return root
