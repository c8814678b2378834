"""A small archive of Debian packages in a folder, and an apt that knows it alone."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

VERSION = "3.0~git+9dc22bd.dfsg.1-1.1"


def make_deb(path: Path, package: str, files: dict[str, str], version: str = VERSION) -> Path:
    """Write a Debian package: an ar archive of a format number and two tar archives."""
    stated = f"Package: {package}\nVersion: {version}\nArchitecture: all\n"
    stated += "Maintainer: nobody\nDescription: made by a test\n"
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": _tar({"control": stated}),
        "data.tar.xz": _tar(files),
    }
    content = b"!<arch>\n"
    for name, data in members.items():
        content += f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        content += data + b"\n" * (len(data) % 2)
    path.write_bytes(content)
    return path


def _tar(files: dict[str, str]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:xz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return written.getvalue()


def make_archive(folder: Path, origin: str, suite: str, packages: list[Path]) -> Path:
    """Make an archive with one release, unsigned, and an apt's configuration; return the latter."""
    index = folder / "archive" / "dists" / suite / "main" / "binary-all"
    index.mkdir(parents=True)
    stanzas = []
    # python3 is asked for to see whether apt has lists.
    for name in ["python3", *(package.name.partition("_")[0] for package in packages)]:
        stanzas.append(f"Package: {name}\nVersion: {VERSION}\nArchitecture: all\n")
    for package in packages:
        data = package.read_bytes()
        (folder / "archive" / package.name).write_bytes(data)
        stanzas[1 + packages.index(package)] += (
            f"Filename: {package.name}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
        )
    text = "\n".join(stanzas)
    (index / "Packages").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / "archive" / "dists" / suite / "Release").write_text(
        f"Origin: {origin}\nLabel: {origin}\nSuite: {suite}\nCodename: {suite}\n"
        "Architectures: all amd64\nComponents: main\nDate: Sat, 01 Nov 2025 00:00:00 UTC\n"
        f"SHA256:\n {digest} {len(text.encode())} main/binary-all/Packages\n"
    )
    for name in ("state/lists/partial", "cache/archives/partial", "parts"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(
        f"deb [trusted=yes arch=all] file:{folder / 'archive'} {suite} main\n"
    )
    configuration = folder / "apt.conf"
    configuration.write_text(
        f'Dir::State "{folder}/state";\nDir::State::lists "{folder}/state/lists";\n'
        f'Dir::State::status "{folder}/status";\nDir::Cache "{folder}/cache";\n'
        f'Dir::Etc::main "/dev/null";\nDir::Etc::parts "{folder}/parts";\n'
        f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "{folder}/parts";\n'
        'APT::Sandbox::User "root";\nAcquire::Languages "none";\n'
    )
    return configuration
