"""usage: unpack_deb.py FILE.deb FOLDER PACKAGE: unpack a Debian package and print its version.

With the standard library alone: a system without dpkg can use a Debian package, too. The files go
into FOLDER; nothing of it is run. Fails, with one line, if FILE is not the package PACKAGE.
"""

import email
import io
import lzma
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"!<arch>\n"
HEADER = 60


def members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each member of an ar archive, which a .deb is."""
    if not data.startswith(MAGIC):
        raise ValueError("it is no Debian package")
    at = len(MAGIC)
    while at < len(data):
        header = data[at : at + HEADER]
        at += HEADER
        if len(header) < HEADER or at + int(header[48:58]) > len(data):
            raise ValueError("it ends early")
        size = int(header[48:58])
        yield header[:16].decode("ascii").strip().rstrip("/"), data[at : at + size]
        at += size + size % 2


def unpack(file: Path, folder: Path, package: str) -> str:
    """Unpack the files of a Debian package into a folder.

    Parameters
    ----------
    file : Path
        The package.
    folder : Path
        Made if it is not there.
    package : str
        The name that the package must have.

    Returns
    -------
    str
        Its version.
    """
    parts = {name.partition(".tar")[0]: content for name, content in members(file.read_bytes())}
    if not {"control", "data"} <= set(parts):
        raise ValueError("it is no Debian package")
    with tarfile.open(fileobj=io.BytesIO(parts["control"])) as archive:
        stated = archive.extractfile("./control")
        assert stated is not None  # it is a file, not a folder
        control = email.message_from_bytes(stated.read())
    if control["Package"] != package:
        raise ValueError(f"it is the package {control['Package']!r}, not {package!r}")
    with tarfile.open(fileobj=io.BytesIO(parts["data"])) as archive:
        # A link to a file of another package, such as documentation, is left as it is.
        if hasattr(tarfile, "tar_filter"):
            archive.extractall(folder, filter="tar")
        else:  # Python 3.10 and 3.11 before their last versions
            archive.extractall(folder)
    return str(control["Version"])


if __name__ == "__main__":
    try:
        print(unpack(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
    except (OSError, ValueError) as e:
        sys.exit(f"{sys.argv[1]}: {e}")
    except (KeyError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError) as e:
        sys.exit(f"{sys.argv[1]}: it is damaged ({' '.join(str(e).split())})")
