"""The folder in shared memory: whose it is, what fits, and that it goes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parallelflow.data import folder_owners, mapping
from parallelflow.data.folder_owners import folder_states, remove_abandoned
from parallelflow.data.shared_file import FileReference, NotShared, read_buffers, write_buffers
from parallelflow.data.shared_folder import SharedFolder
from tests.support.waiting import open_files, wait_until_closed

MAKE_AND_WAIT = """
import sys, time
from parallelflow.data.shared_folder import SharedFolder
folder = SharedFolder.create()
folder.write([[b"x" * 100_000]], last_reader=False)
print(folder.path, flush=True)
time.sleep(600)
"""


def made() -> SharedFolder:
    folder = SharedFolder.create()
    assert folder is not None, "this machine has no shared memory"
    return folder


def test_folder_and_files_are_for_their_user_alone_whatever_the_umask() -> None:
    before = os.umask(0)
    try:
        folder = made()
        reference = folder.write([[b"secret" * 10_000]], last_reader=False)
    finally:
        os.umask(before)
    assert reference is not None
    assert stat.S_IMODE(Path(folder.path).stat().st_mode) == 0o700
    for entry in os.scandir(folder.path):
        assert stat.S_IMODE(entry.stat().st_mode) == 0o600, entry.name
    folder.remove()
    assert not Path(folder.path).exists()


def test_a_killed_owners_folder_is_removed_and_a_living_ones_is_not() -> None:
    mine = made()
    owner = subprocess.Popen(
        [sys.executable, "-c", MAKE_AND_WAIT], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    theirs = owner.stdout.readline().strip()
    try:
        remove_abandoned()
        states = {str(state.path): state for state in folder_states()}
        assert states[theirs].owned and states[mine.path].owned
        assert states[theirs].nbytes > 100_000
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert not next(s for s in folder_states() if str(s.path) == theirs).owned
        remove_abandoned()
        assert not Path(theirs).exists() and Path(mine.path).exists()
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
        mine.remove()


def test_a_forked_child_does_not_remove_its_parents_folder() -> None:
    folder = made()
    child = os.fork()
    if not child:
        folder.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert Path(folder.path).exists()
    folder.remove()


def test_a_folder_without_an_owners_file_is_new_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = folder_owners.BASE / f"parallelflow-{os.geteuid()}-test-{os.getpid()}"
    path.mkdir()
    try:
        remove_abandoned()
        assert path.exists()
        old = time.time() - 2 * folder_owners.NEW_FOLDER_SECONDS
        os.utime(path, (old, old))
        remove_abandoned()
        assert not path.exists()
    finally:
        if path.exists():
            path.rmdir()


def test_a_link_in_a_folders_place_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("x")
    link = folder_owners.BASE / f"parallelflow-{os.geteuid()}-link-{os.getpid()}"
    link.symlink_to(tmp_path)
    try:
        assert link not in [state.path for state in folder_states()]
        remove_abandoned()
        assert kept.exists()
    finally:
        link.unlink()


def test_what_does_not_fit_is_not_written() -> None:
    folder = made()
    folder.limit = 1000
    assert folder.write([[bytes(2000)]], last_reader=True) is None
    assert folder.write([[bytes(500)]], last_reader=True) is not None
    folder.remove()
    assert folder.write([[bytes(500)]], last_reader=True) is None
    assert folder.room() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_file_system_costs_no_signal_and_leaves_nothing() -> None:
    """In a mount namespace with a shared memory of 4 MB, as containers have it."""
    script = """
import os
from parallelflow.data import shared_folder
from parallelflow.data.shared_folder import SharedFolder
shared_folder.RESERVED_BYTES = -(64 << 20)  # what is said to be free is not
folder = SharedFolder.create()
assert folder.write([[bytes(2 << 20)]], last_reader=False) is not None
assert folder.write([[bytes(8 << 20)]], last_reader=False) is None
assert len(os.listdir(folder.path)) == 2, os.listdir(folder.path)
folder.remove()
assert os.listdir("/dev/shm") == []
print("well")
"""
    command = f"mount -t tmpfs -o size=4m none /dev/shm && exec {sys.executable} -c '{script}'"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "well\n", done.stderr


@pytest.mark.parametrize(
    "change",
    [
        "another token",
        "another size",
        "a link",
        "a folder",
        "a pipe",
        "nothing",
        "a name of zeros",
    ],
)
def test_another_file_in_the_place_is_not_taken_for_it(change: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    reference = write_buffers(str(path), [[b"a" * 1000]], last_reader=False)
    assert reference is not None
    if change == "another token":
        reference = reference._replace(token=bytes(16))
    elif change == "another size":
        reference = reference._replace(sizes=(5000,))
    elif change == "a link":
        path.rename(tmp_path / "other")
        path.symlink_to(tmp_path / "other")
    elif change == "a folder":
        path.unlink()
        path.mkdir()
    elif change == "a pipe":
        path.unlink()
        os.mkfifo(path)
    elif change == "nothing":
        path.unlink()
    else:
        reference = reference._replace(path="\0")
    with pytest.raises(NotShared):
        read_buffers(reference)


def test_a_pipe_in_the_place_of_the_owners_file_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    folder = tmp_path / f"parallelflow-{os.geteuid()}-x"
    folder.mkdir()
    os.mkfifo(folder / folder_owners.OWNER_FILE)
    assert SharedFolder.open((str(folder), "0" * 32, 1000)) is None
    assert [state.path for state in folder_states(tmp_path)] == [folder]
    assert remove_abandoned(tmp_path) == 1


def test_thousands_of_files_can_be_mapped_at_once(tmp_path: Path) -> None:
    """More than a process may have open."""
    number = 3000
    before = open_files()
    kept = []
    for index in range(number):
        reference = write_buffers(str(tmp_path / "file"), [[b"%06d" % index]], last_reader=True)
        assert reference is not None
        kept.append(read_buffers(reference))
    wait_until_closed(before)
    assert [bytes(buffers[0]) for buffers in kept] == [b"%06d" % i for i in range(number)]


def test_beyond_the_limit_of_maps_contents_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "MAX_MAPS", 0)
    reference: FileReference | None = write_buffers(
        str(tmp_path / "file"), [[b"abc", b"def"], [b"g" * 100]], last_reader=True
    )
    assert reference is not None
    first, second = read_buffers(reference)
    assert bytes(first) == b"abcdef" and bytes(second) == b"g" * 100
    first[0] = 0
