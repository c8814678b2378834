"""FILE[:VERSION] and the first look at the file, before VisTrails is loaded."""

from __future__ import annotations

import os
import socket
import tempfile
import zipfile
from pathlib import Path

import pytest

from parallelflow.cli.target import MAX_TREE_BYTES, parse, read
from parallelflow.errors import NoVistrail, UserMistake

VISTRAIL = b'<vistrail id="" version="1.0.4"><action id="1" prevId="0"/></vistrail>'


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("a.vt", "a.vt", None),
        ("a.vt", "a.vt:final", "final"),
        ("a.vt", "a.vt:57", "57"),
        ("a.vt", "a.vt:with: a colon", "with: a colon"),
        ("a:b.vt", "a:b.vt", None),
        ("a:b.vt", "a:b.vt:final", "final"),
        ("a.vt:b", "a.vt:b", None),
    ],
)
def test_file_and_version_are_told_apart_whatever_has_colons(
    tmp_path: Path, name: str, text: str, version: str | None
) -> None:
    (tmp_path / name).touch()
    target = parse(f"{tmp_path}/{text}")
    assert (target.path, target.version) == (tmp_path / name, version)
    assert str(target) == f"{tmp_path}/{text}"


def test_the_longest_name_that_exists_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.vt").touch()
    (tmp_path / "a.vt:b").touch()
    assert parse(f"{tmp_path}/a.vt:b").version is None
    assert parse(f"{tmp_path}/a.vt:c").version == "c"


@pytest.mark.parametrize("text", ["gone.vt", "gone.vt:final", ":", "", "x" * 5000, "a\0b"])
def test_a_file_that_is_not_there_is_named_without_its_version(tmp_path: Path, text: str) -> None:
    with pytest.raises(NoVistrail, match="there is no such file") as error:
        parse(f"{tmp_path}/gone/{text}")
    assert error.value.path == f"{tmp_path}/gone/{text}".removesuffix(":final")


def test_nothing_after_the_colon_is_no_version(tmp_path: Path) -> None:
    (tmp_path / "a.vt").touch()
    with pytest.raises(UserMistake, match="after the colon"):
        parse(f"{tmp_path}/a.vt:")


def test_archives_and_bare_xml_are_read(tmp_path: Path) -> None:
    bare = tmp_path / "bare.xml"
    bare.write_bytes(VISTRAIL)
    for path in (archive(tmp_path / "a.vt", vistrail=VISTRAIL), bare):
        assert [action.get("id") for action in read(path).iter("action")] == ["1"]


def test_what_is_no_vistrail_is_told_in_one_line(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.vt", vistrail=VISTRAIL * 50).read_bytes()
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF  # inside the compressed data
    cases = {
        "empty.vt": (b"", "is empty"),
        "blank.vt": (b" \n", "is empty"),
        "text.vt": (b"Dear diary,", "is no VisTrails file"),
        "binary.vt": (bytes(range(256)), "is no VisTrails file"),
        "other.xml": (b"<workflow/>", "is no VisTrails file"),
        "cut.vt": (whole[: len(whole) // 2], "is a damaged archive"),
        "begun.vt": (b"PK", "is a damaged archive"),
        "flipped.vt": (bytes(flipped), "is a damaged archive"),
        "zip.vt": (archive(tmp_path / "z", other=b"x").read_bytes(), "but no VisTrails file"),
        "tree.vt": (archive(tmp_path / "t", vistrail=b"<vis").read_bytes(), "is not XML"),
        "hollow.vt": (archive(tmp_path / "h", vistrail=b"").read_bytes(), "is empty"),
    }
    for name, (data, reason) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(NoVistrail) as error:
            read(tmp_path / name)
        assert reason in str(error.value), name
        assert "\n" not in str(error.value)
        assert name in str(error.value)


def test_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(NoVistrail, match="is a folder"):
        read(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_files_that_may_not_be_read_are_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.vt", vistrail=VISTRAIL)
    path.chmod(0)
    with pytest.raises(NoVistrail, match="cannot be read"):
        read(path)


def test_what_is_no_file_or_unpacks_to_too_much_is_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.vt")
    listening = socket.socket(socket.AF_UNIX)
    # The path of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory() as folder:
        listening.bind(f"{folder}/socket.vt")
        for path, reason in [
            (tmp_path / "pipe.vt", "is a named pipe"),
            (Path(folder, "socket.vt"), "is a socket"),
            (Path("/dev/zero"), "is a device"),
            (tmp_path, "is a folder"),
        ]:
            with pytest.raises(NoVistrail, match=reason):
                read(path)
    listening.close()
    large = tmp_path / "large.xml"
    with large.open("wb") as file:
        file.write(b"<vistrail>")
        file.truncate(MAX_TREE_BYTES + 1)
    with pytest.raises(NoVistrail, match="is larger than 128 MB"):
        read(large)
    for member in ("vistrail", "thumbs/0.png"):
        bomb = tmp_path / "bomb.vt"
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as zipped:
            if member != "vistrail":
                zipped.writestr("vistrail", "<vistrail/>")
            with zipped.open(member, "w") as stream:
                for _ in range(300):
                    stream.write(bytes(2**20))
        with pytest.raises(NoVistrail, match="would be 300 MB unpacked"):
            read(bomb)


def test_names_that_are_not_one_line_are_told_on_one() -> None:
    for name in ("no\nsuch", "\x1b[31m", "", " ", "a" * 5000, os.fsdecode(b"no\xff")):
        with pytest.raises(NoVistrail) as error:
            parse(name)
        text = str(error.value)
        assert text.endswith("': there is no such file.") and text.isprintable()
        assert len(text) < 600


def test_a_name_that_is_not_in_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.vt")
    path.write_bytes(VISTRAIL)
    with pytest.raises(NoVistrail, match="names of files and folders in UTF-8 only; rename it"):
        read(path)
