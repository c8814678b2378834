"""Only files are opened, links are not written through, what is made is private at any umask."""

from __future__ import annotations

import ast
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import parallelflow
from parallelflow.system import safe_files
from parallelflow.system.safe_files import UnusableFile
from tests.support.odd_files import KINDS, make_odd

SOURCES = Path(parallelflow.__file__).parent


@pytest.fixture
def umask() -> Iterator[Callable[[int], object]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "name"
    with make_odd(path, kind):
        with pytest.raises(UnusableFile, match=rf"^{path} (is|belongs)"):
            safe_files.read_bytes(path)
        with pytest.raises(UnusableFile, match=rf"^{path} is (a|not)"):
            safe_files.open_lock(path)


def test_a_file_is_read_through_a_link_only_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"a": 1}')
    (tmp_path / "link").symlink_to("file")
    assert safe_files.read_json(tmp_path / "link") == {"a": 1}
    with pytest.raises(UnusableFile, match="is a link, not a file"):
        safe_files.read_json(tmp_path / "link", links=False)


def test_a_link_is_told_by_what_it_leads_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, target, told in (
        ("a", "pipe", "is a named pipe (FIFO), not a file"),
        ("b", "/dev/null", "is a device, not a file"),
        ("c", ".", "is a folder, not a file"),
        ("d", "nowhere", "is a link that leads to nothing that can be reached"),
        ("e", "e", "is a link that leads in a circle"),
    ):
        link = tmp_path / name
        link.symlink_to(target)
        with pytest.raises(UnusableFile) as error:
            safe_files.open_to_read(link)
        assert str(error.value) == f"{link} {told}"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(2**40)  # of holes: it takes no room
    with pytest.raises(UnusableFile, match="is larger than 10 bytes"):
        safe_files.read_bytes(path, 10)
    with pytest.raises(UnusableFile, match="is larger than"):
        safe_files.read_bytes(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_another_users_file_is_refused_where_it_must_be_our_own(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("theirs")
    os.chown(path, 65534, -1)
    assert safe_files.read_text(path) == "theirs"
    with pytest.raises(UnusableFile, match="belongs to another user"):
        safe_files.read_text(path, own=True)


def test_deeply_nested_json_is_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        safe_files.read_json(path)


def test_a_file_is_replaced_whole_and_not_through_a_link(tmp_path: Path) -> None:
    path, precious = tmp_path / "record.json", tmp_path / "precious"
    precious.write_text("precious")
    path.symlink_to(precious)
    safe_files.replace_text(path, "new")
    assert path.read_text() == "new" and not path.is_symlink()
    assert precious.read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["precious", "record.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    safe_files.replace_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        safe_files.replace_text(path, "new \ud800")
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"] and path.read_text() == "old"


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o377])
def test_what_is_made_is_private_at_any_umask(
    tmp_path: Path, umask: Callable[[int], object], mask: int
) -> None:
    umask(mask)
    folder = tmp_path / "a" / "b"
    safe_files.make_folder(folder)
    safe_files.replace_text(folder / "file", "x")
    safe_files.open_lock(folder / "lock").close()
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (folder.parent, folder, folder / "file")]
    assert modes == [0o700, 0o700, 0o600]
    assert not stat.S_IMODE((folder / "lock").stat().st_mode) & 0o077


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableFile, match=r"file is not a folder"):
        safe_files.make_folder(tmp_path / "file" / "folder")


def test_what_others_can_change_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir(0o700)
    assert not safe_files.writable_by_others(path)
    path.chmod(0o757)
    assert safe_files.writable_by_others(path)
    assert not safe_files.writable_by_others(tmp_path / "missing")
    if os.geteuid() == 0:
        path.chmod(0o700)
        os.chown(path, 65534, -1)
        assert safe_files.writable_by_others(path)


# -- every file ------------------------------------------------------------------------------

#: Calls that open a file by its name, and where another one than `safe_files` may make them.
OPENING = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "fromfile", "parse"}
MAY_OPEN = {
    "system/safe_files.py": "it is what the others use",
    "engine_manager/launch/host_engines.py": "/dev/null, and new logs of engines, as a shell would",
    "engine_manager/launch/launchers.py": "a file of ours, in a folder made a moment ago",
    "engine/capture.py": "/dev/null, and an open descriptor",
    "engine/files.py": "writes into the file pool; archives in memory",
    "engine_manager/system/process_table.py": "what the kernel tells of processes and sockets",
    "engine/peak_memory.py": "what the kernel tells of this process",
    "system/memory.py": "what the kernel tells of memory, and nothing else stands there",
    "data/folder_owners.py": "without waiting or following links: a file that a lock is taken on",
    "data/shared_file.py": "opens without waiting or following links, and looks at what it is",
    "data/shared_folder.py": "the same; and what the kernel tells of mounts",
    "host/repairs/standins/imp.py": "as the module of the standard library",
    "host/repairs/packages/persistence.py": "writes where its user or itself has made a place",
    "cli/target.py": "vistrails, which it looks at before",
    "cli/workflow.py": "vistrails that target has looked at",
    "troubleshooting.py": "a page of the package",
    "cli/command.py": "/dev/null",
    "cli/detached_process.py": "new files, in a folder made a moment ago",
    "cli/streams.py": "/dev/null, and an open descriptor",
    "engine_manager/system/standard_files.py": "/dev/null",
    # Dialogs are opened, too.
    "gui/": "windows",
    "work/run.py": "a run is opened",
}


def _openings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            name = getattr(function, "attr", getattr(function, "id", ""))
            # `parse` of ElementTree takes a file's name; others take texts.
            of = ast.unparse(function).rpartition(".")[0]
            given = "".join(map(ast.unparse, node.args[:1]))
            if "/proc/" in of + given or of == "SharedFolder":
                continue
            if of in ("", "safe_files") and name in safe_files.__all__:
                continue
            if name in OPENING and (name != "parse" or "etree" in of.lower()):
                yield f"{path.relative_to(SOURCES)}:{node.lineno} {ast.unparse(function)}"


def test_no_other_file_of_the_package_opens_files_by_itself() -> None:
    found = [
        line
        for path in sorted(SOURCES.rglob("*.py"))
        if not str(path.relative_to(SOURCES)).startswith(tuple(MAY_OPEN))
        for line in _openings(path)
    ]
    assert not found, "open these by parallelflow.system.safe_files:\n" + "\n".join(found)


def test_a_socket_can_be_made_here(tmp_path: Path) -> None:
    """The kinds of the tests above are what they are called."""
    with make_odd(tmp_path / "s", "socket"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
