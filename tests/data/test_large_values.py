"""Large inputs, elements and results of real engines: through shared memory, or in messages."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from parallelflow.data import parcel, shared_values
from parallelflow.data.folder_owners import folder_states
from parallelflow.engine import payload, runner, session_state
from parallelflow.engine.main_module import main_facts
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.connection.requests import send_request
from parallelflow.work import chunks, mapping, worker
from parallelflow.work.sendable import with_constants
from tests.support.clusters import send_as_messages
from tests.support.fork_server import ForkServer
from tests.support.waiting import meet, wait_until

MEGABYTES_8 = 1_000_000  # numbers of 8 bytes
# Folders of sessions that were killed before these tests; they are not theirs.
LEFT_BEFORE = {state.path for state in folder_states() if not state.owned}
Map = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def manager() -> Iterator[EngineManager]:
    manager = EngineManager(profile="large")
    manager.configure(engines=2)
    manager.ensure_engines()
    yield manager
    manager.stop()


@pytest.fixture
def client(manager: EngineManager) -> Any:
    """Return a client with two engines; what a test before has killed is started again."""
    client = manager.connect()
    assert client is not None
    if len(client.ids) < 2:
        manager.start_engines(2 - len(client.ids))
    return client


@pytest.fixture(params=["shared", "messages"])
def map_(request: pytest.FixtureRequest, client: Any, monkeypatch: pytest.MonkeyPatch) -> Map:
    """Return `map_on_cluster`, with shared memory and without; what it writes is counted."""
    written = []
    original = shared_values.SharedFolder.write

    def write(self: Any, *arguments: Any) -> Any:
        written.append(self.path)  # not what is written: it must be freed
        return original(self, *arguments)

    monkeypatch.setattr(shared_values.SharedFolder, "write", write)
    if request.param == "messages":
        send_as_messages(monkeypatch)

    def run(function: Any, *iterables: Any, **options: Any) -> list[Any]:
        return mapping.map_on_cluster(client, function, zip(*iterables, strict=False), **options)

    run.of_list = functools.partial(mapping.map_on_cluster, client)  # type: ignore[attr-defined]
    run.shared = request.param == "shared"  # type: ignore[attr-defined]
    run.written = written  # type: ignore[attr-defined]
    return run


def test_a_constant_input(map_: Any) -> None:
    big = np.arange(3.0 * MEGABYTES_8)
    function, elements = with_constants(
        lambda i, big: float(big[i] + big[-1]), (range(20), itertools.repeat(big))
    )
    assert map_(function, *elements) == [float(i + big[-1]) for i in range(20)]
    # Once for both engines.
    assert len(map_.written) == (1 if map_.shared else 0)
    assert_nothing_lies()


def test_elements(map_: Any) -> None:
    elements = [np.full(MEGABYTES_8, float(i)) for i in range(12)]
    assert map_(lambda a: float(a.sum()), elements) == [i * 1e6 for i in range(12)]
    assert bool(map_.written) == map_.shared
    assert_nothing_lies()


def test_elements_of_a_generator(map_: Any) -> None:
    """One object for all: each element is as it was when it was made."""

    def make() -> Iterator[Any]:
        one = np.zeros(MEGABYTES_8)
        for i in range(6):
            one[:] = i
            yield one

    assert map_(lambda a: float(a.sum()), make()) == [i * 1e6 for i in range(6)]
    assert_nothing_lies()


def test_results_are_the_callers_own(map_: Any) -> None:
    results = map_(lambda i: __import__("numpy").full(1_000_000, float(i)), range(12))
    for i, result in enumerate(results):
        assert (result == i).all()
        result[:] = -1  # it may be written to
    assert_nothing_lies()
    assert (results[3] == -1).all()


def set_frame_bytes(size: int) -> int:
    """Set how large one frame of a message may be in this process; return what it was."""
    from parallelflow.data import parcel

    before, parcel.FRAME_BYTES = parcel.FRAME_BYTES, size
    return before


def test_messages_of_many_frames_with_encryption(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of values above 2 GB, which one frame cannot hold: there and back."""
    assert client.curve_serverkey, "the connection is not encrypted"
    monkeypatch.setattr(shared_values.SharedFolder, "create", classmethod(lambda *_: None))
    monkeypatch.setattr(shared_values, "_folder", None)
    sent: list[int] = []
    original = worker.send_request

    def count(client: Any, engine: int, function: Any, arguments: Any) -> Any:
        sent.append(sum(isinstance(a, memoryview) for a in arguments))
        return original(client, engine, function, arguments)

    monkeypatch.setattr(worker, "send_request", count)
    small = 100_000
    monkeypatch.setattr(parcel, "FRAME_BYTES", small)
    [before, _] = client[:].apply_sync(set_frame_bytes, small)
    try:
        big = np.arange(1.5 * MEGABYTES_8)  # 120 of such frames are more than a message has
        for array in (big[: MEGABYTES_8 // 2], big):
            function, elements = with_constants(
                lambda a, constant: (a * 2, bool((a == constant).all())),
                ([array], itertools.repeat(array)),
            )
            pairs = zip(*elements, strict=False)
            [(doubled, same)] = mapping.map_on_cluster(client, function, pairs)
            assert same
            np.testing.assert_array_equal(doubled, 2 * array)
            doubled[:] = 0  # it may be written to
    finally:
        client[:].apply_sync(set_frame_bytes, before)
    frames = sorted(sent)[-4:]  # of function and elements, twice
    assert 40 <= frames[0] <= frames[-1] <= parcel.MAX_FRAMES + 2


def memory(folder: str | None) -> int:
    """Return how much this process and its folder hold, bytes; mapped files are not counted."""
    text = Path("/proc/self/smaps_rollup").read_text()
    own = int(re.findall(r"Anonymous: +(\d+) kB", text)[0]) * 1024
    with contextlib.suppress(OSError):
        own += sum(entry.stat().st_size for entry in os.scandir(folder)) if folder else 0
    return own


@contextlib.contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Yield a list whose item is, after the block, by how much `memory` grew in it."""
    shared = shared_values.session_folder()
    folder = None if shared is None else shared.path
    over, highest, before = threading.Event(), [0], memory(folder)

    def watch() -> None:
        while not over.wait(0.005):
            highest[0] = max(highest[0], memory(folder) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield highest
    finally:
        over.set()
        watcher.join()


def rows_of_a_file(path: Path, number: int) -> Any:
    """Return an array of rows of 8 MB each over a file with holes, as a data set on a disk."""
    rows = np.memmap(path, np.float64, "w+", shape=(number, MEGABYTES_8))
    rows[:, 0] = np.arange(number)
    rows.flush()
    del rows
    return np.memmap(path, np.float64, "r", shape=(number, MEGABYTES_8))


def test_a_list_on_a_disk_is_not_read_into_memory(
    map_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor if many small elements come first, so that thousands travel together."""
    monkeypatch.setattr(chunks, "SHARED_BYTES", 34_000_000)  # that a short list is long enough
    rows = rows_of_a_file(tmp_path / "rows", 30)
    elements = [(np.full(1, -1.0),)] * 5000 + [(row,) for row in rows]
    with peak_memory() as peak:
        values = map_.of_list(lambda row: (float(row[0]), float(row.sum())), elements)
    assert values[5000:] == [(i, i) for i in range(30)]
    assert peak[0] < rows.nbytes / 2, f"{peak[0] / 1e6:.0f} of {rows.nbytes / 1e6:.0f} MB"
    assert_nothing_lies()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [500, 10_000])
def test_a_data_set_larger_than_memory(client: Any, tmp_path: Path, number: int) -> None:
    rows = rows_of_a_file(tmp_path / "rows", number)
    with peak_memory() as peak:
        values = mapping.map_on_cluster(
            client, lambda row: (float(row[0]), row.nbytes), [(row,) for row in rows]
        )
    assert values == [(i, 8_000_000) for i in range(number)]
    print(f"{rows.nbytes / 1e9:.0f} GB, at most {peak[0] / 1e6:.0f} MB held")
    assert peak[0] < chunks.ALL_SHARED_BYTES + 60e6
    assert_nothing_lies()


def test_an_element_may_write_into_its_input_and_nobody_else_sees_it(map_: Any) -> None:
    big = np.zeros(2 * MEGABYTES_8)

    def function(i: int, big: Any) -> float:
        before = float(big.sum())
        big[:] = 1
        return before

    # On an engine the constant is one object for all its elements, as it is in this process.
    wrapped, elements = with_constants(function, (range(10), itertools.repeat(big)))
    values = map_(wrapped, *elements)
    assert sorted(set(values)) in ([0.0, 2e6], [0.0])
    assert values.count(0.0) <= 2 and not big.any()


@pytest.mark.parametrize("value", [b"x" * 3_000_000, bytearray(b"y" * 3_000_000), "z" * 3_000_000])
def test_bytes_and_texts(map_: Any, value: Any) -> None:
    assert map_(lambda v: (len(v), v), [value] * 3) == [(3_000_000, value)] * 3
    assert_nothing_lies()


def test_a_failing_element_and_a_cancel_leave_nothing(map_: Any) -> None:
    elements = [np.full(MEGABYTES_8, float(i)) for i in range(8)]

    def function(a: Any) -> Any:
        if a[0] == 5:
            raise ValueError("five")
        return a

    with pytest.raises(ValueError, match="five"):
        map_(function, elements)
    assert_nothing_lies()
    with pytest.raises(TimeoutError):
        map_(lambda a: (__import__("time").sleep(20), a), elements, timeout=1)
    wait_until(lambda: not lying())


def test_a_reply_does_not_wait_until_its_elements_memory_is_given_back(client: Any) -> None:
    """That is done when the next chunk begins, or its run's function is dropped."""
    key, engine = uuid.uuid4().hex, client.ids[0]
    shared = shared_values.SharedValues(shared_values.session_folder(), key)

    def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        return send_request(client, engine, function, arguments).get(120)

    def run_chunk(*elements: Any) -> None:
        frames = shared.frames(payload.pack(list(elements)), one_reader=True)
        views = [memoryview(frame) for frame in frames]
        ask(runner.run_chunk, key, 0, True, None, None, None, False, *views)

    def mapped() -> int:
        lines = client[engine].apply(eval, "list(open('/proc/self/maps'))").get(120)
        return sum(key in line for line in lines)

    function = payload.dump((plain_function, (len, False, main_facts())))
    state, *views = [memoryview(each) for each in (session_state.capture().dump(), *function)]
    told = ask(runner.setup, key, state, shared.offer, False, *views)
    assert told["failure"] is None and mapped() == 0
    run_chunk((np.zeros(MEGABYTES_8),), (np.zeros(MEGABYTES_8),))
    assert mapped() == 1
    run_chunk((np.ones(MEGABYTES_8),))
    assert mapped() == 1
    run_chunk((1,))
    assert mapped() == 0
    run_chunk((np.ones(MEGABYTES_8),))
    ask(runner.drop, key)
    assert mapped() == 0
    shared.close()


def test_an_engine_that_dies_leaves_nothing(client: Any, tmp_path: Path) -> None:
    """Its elements run again; the file that it did not open is removed."""
    elements = [(np.full(MEGABYTES_8, float(i)),) for i in range(8)]

    path = str(tmp_path / "died")

    def function(a: Any) -> float:
        import os
        import pathlib

        if a[0] == 3 and not pathlib.Path(path).exists():
            pathlib.Path(path).touch()
            os.kill(os.getpid(), 9)
        return float(a.sum())

    values = mapping.map_on_cluster(client, function, elements)
    assert values == [i * 1e6 for i in range(8)]
    assert_nothing_lies()


def test_engines_need_the_memory_of_a_constant_once(client: Any, tmp_path: Path) -> None:
    """Pages that both engines have mapped count half for each."""
    big = np.arange(12.0 * MEGABYTES_8)

    def function(i: int, big: Any) -> tuple[int, float, int]:
        import os
        import pathlib
        import re

        total = float(big.sum())
        meet(tmp_path / str(len(big)))  # the other engine has read it, too
        text = pathlib.Path("/proc/self/smaps_rollup").read_text()
        return os.getpid(), total, int(re.findall(r"Pss: +(\d+) kB", text)[0]) * 1024

    def memory(value: Any) -> int:
        (tmp_path / str(len(value))).mkdir()
        wrapped, elements = with_constants(function, (range(8), itertools.repeat(value)))
        pairs = zip(*elements, strict=False)
        found = mapping.map_on_cluster(client, wrapped, pairs, chunk_size=1)
        assert {total for _, total, _ in found} == {float(value.sum())}
        last = {pid: used for pid, _, used in found}
        assert len(last) == 2
        return sum(last.values())

    growth = memory(big) - memory(np.ones(9))
    assert growth < 1.4 * big.nbytes, "each engine has a copy of its own"


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="another machine's memory needs a mount, and root"
)


def move_away() -> int:
    """Give an engine another shared memory, as in another container, or on another machine."""
    import ctypes
    import os

    assert ctypes.CDLL(None).unshare(0x20000) == 0  # CLONE_NEWNS, for the engine's main thread
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/dev/shm"], check=True)
    return os.getpid()


def follow(pid: int) -> int:
    """Move an engine to where another one has moved."""
    import ctypes
    import os

    library = ctypes.CDLL(None, use_errno=True)
    assert library.unshare(0x200) == 0  # CLONE_FS: threads of one process share it
    with open(f"/proc/{pid}/ns/mnt") as there:
        assert library.setns(there.fileno(), 0x20000) == 0, os.strerror(ctypes.get_errno())
    return os.getpid()


@needs_root
def test_an_engine_with_another_shared_memory_gets_and_gives_messages(
    client: Any, tmp_path: Path
) -> None:
    """Names would not tell it."""
    assert client[client.ids[0]].apply(move_away).get(120)
    big = np.arange(3.0 * MEGABYTES_8)
    function, elements = with_constants(
        lambda i, big: (meet(tmp_path), big[i : i + 1_000_000].copy()),
        (range(20), itertools.repeat(big)),
    )
    options: Any = {"chunk_size": 1}
    values = mapping.map_on_cluster(client, function, zip(*elements, strict=False), **options)
    assert len({pid for pid, _ in values}) == 2
    for i, (_, value) in enumerate(values):
        np.testing.assert_array_equal(value, big[i : i + 1_000_000])
    assert_nothing_lies()
    for pid in {pid for pid, _ in values}:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not client.ids)


def lying_there() -> list[tuple[str, list[str]]]:
    """Return the folders in an engine's shared memory, with what lies in each."""
    import pathlib

    folders = sorted(pathlib.Path("/dev/shm").glob("parallelflow-*"))
    return [(str(path), sorted(file.name for file in path.iterdir())) for path in folders]


@needs_root
def test_a_constant_crosses_once_to_each_machine(
    client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, second = (client[engine] for engine in client.ids)
    pid = first.apply(move_away).get(120)
    other = second.apply(follow, pid).get(120)
    sent: list[int] = []
    original = worker.send_request

    def count(client: Any, engine: int, function: Any, arguments: Any) -> Any:
        sent.append(sum(a.nbytes for a in arguments if isinstance(a, memoryview)))
        return original(client, engine, function, arguments)

    monkeypatch.setattr(worker, "send_request", count)
    monkeypatch.setattr(worker, "SETUP_SECONDS", 600)  # what is late would be sent again
    big = np.arange(8.0 * MEGABYTES_8)

    def function(i: int, big: Any) -> tuple[int, float, float]:
        before = float(big[i])
        big[i] = -1  # nobody else sees it
        # The other engine gets its copy from the one that has answered first.
        return meet(tmp_path, 2 if i >= 4 else 1), before, float(big[-1])

    def run() -> set[int]:
        wrapped, elements = with_constants(function, (range(12), itertools.repeat(big)))
        pairs = zip(*elements, strict=False)
        values = mapping.map_on_cluster(client, wrapped, pairs, chunk_size=1)
        assert [before for _, before, _ in values] == [float(i) for i in range(12)]
        assert {last for *_, last in values} == {big[-1]}
        return {pid for pid, *_ in values}

    assert run() == {pid, other}
    assert big.nbytes <= sum(sent) < 1.1 * big.nbytes
    # The run has ended: of the engine that kept it there is the folder, with nothing in it.
    [(folder, files)] = first.apply(lying_there).get(120)
    assert files == ["owner"] and lying() == []

    # An engine that is killed while it keeps something: whoever keeps the next removes its folder.
    keeper = next(p for p in (pid, other) if folder_owner(folder, p))
    survivor = second if keeper == pid else first
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: len(client.ids) == 1)
    assert [path for path, _ in survivor.apply(lying_there).get(120)] == [folder]
    assert len(run()) == 1
    assert folder not in [path for path, _ in survivor.apply(lying_there).get(120)]
    os.kill(pid if keeper == other else other, signal.SIGKILL)
    wait_until(lambda: not client.ids)


def folder_owner(folder: str, pid: int) -> bool:
    """Return True if a process has the owner's file of a folder open."""
    opened = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return f"{folder}/owner" in opened


def test_the_nanny_of_a_killed_engine_removes_its_folder(client: Any) -> None:
    def make() -> tuple[int, str]:
        import os

        from parallelflow.data.shared_values import machine_values

        values = machine_values("run", None)
        values.keep([b"x" * 1000, b"y" * 1000])
        assert values.offer is not None
        return os.getpid(), values.offer[0]

    pid, folder = client[client.ids[0]].apply(make).get(120)
    assert len([*Path(folder).iterdir()]) == 2
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(folder).exists())


SESSION = """
import itertools, os, sys, time
import numpy as np
from parallelflow.api import parallel_map
from parallelflow.data import shared_values
from parallelflow.engine_manager import get_manager

get_manager().configure(profile={profile!r}, engines=2)
big = np.ones(1_000_000)
parallel_map(lambda i, big: float(big.sum()), range(4), itertools.repeat(big), ask=True)
print(shared_values.session_folder().path, flush=True)

def slow(i, big):
    __import__("time").sleep(0.05)
    return big

parallel_map(slow, range(10_000), itertools.repeat(big))
"""


@pytest.mark.own_cluster
def test_a_killed_session_leaves_nothing(sessions: ForkServer) -> None:
    """The guard removes the folder, whatever engines have written there since."""
    session = sessions.start_code(SESSION.format(profile=f"killed{os.getpid()}"))
    try:
        folder = Path(session.stdout.readline().strip())
        time.sleep(1)  # in the middle of the second run
        assert folder.exists()
        psutil.Process(session.pid).send_signal(signal.SIGKILL)
        session.wait()
        wait_until(lambda: not folder.exists(), seconds=60)
    finally:
        session.kill()
        session.wait()
        session.stdout.close()


def lying() -> list[str]:
    """Return what lies in this process' folder beside its owner's file."""
    folder = shared_values.session_folder()
    if folder is None:
        return []
    return [path.name for path in Path(folder.path).iterdir() if path.name != "owner"]


def assert_nothing_lies() -> None:
    """Fail if something lies there; folders of sessions that other tests kill go in a while."""
    assert lying() == []
    wait_until(lambda: {s.path for s in folder_states() if not s.owned} <= LEFT_BEFORE)
