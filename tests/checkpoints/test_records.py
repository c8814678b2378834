"""The file of a checkpoint, and what makes two runs the same: without engines."""

from __future__ import annotations

import collections
import functools
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from parallelflow import settings
from parallelflow.checkpoints import checkpoint as checkpoint_module
from parallelflow.checkpoints import folder
from parallelflow.checkpoints.checkpoint import Checkpoint
from parallelflow.checkpoints.content import AT_ONCE_BYTES, ContentDigest, content_digest
from parallelflow.checkpoints.function_content import function_digest
from parallelflow.checkpoints.identity import Parts, RunIdentity, difference
from parallelflow.checkpoints.writer import Writer
from parallelflow.engine.spec import PackageNeed
from parallelflow.loops.checkpoint import session_parts
from parallelflow.work.checkpoint import named_checkpoint
from tests.support.waiting import wait_until

DAY = 86_400


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have checkpoints of this test alone, written at once."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(checkpoint_module, "LEAST_SECONDS", 0.0)
    return tmp_path / "home"


@pytest.fixture
def override() -> Iterator[Callable[..., None]]:
    yield settings.override
    settings.override(checkpointMegabytes=None, checkpointDays=None, resume=None)


PARTS = {"the function": "#aa", "package stats": "1.2"}


def open_one(
    elements: Any, parts: dict[str, str] | None = None, place: str = "a.vt, Map"
) -> tuple[Checkpoint, dict[int, Any], list[str]]:
    told: list[str] = []
    made = Checkpoint(RunIdentity(place, "Map", parts or PARTS), elements, told.append)
    return made, made.take(), told


def leave(elements: Any, values: list[Any], parts: dict[str, str] | None = None) -> Path:
    """Leave what a session leaves that has ended badly; return its file."""
    made, _, _ = open_one(elements, parts)
    for index, value in enumerate(values):
        made.add(index, [value])
    made.close(finished=False)
    [*_, last] = folder.list_kept()
    return last.path


@pytest.mark.parametrize("value", [numpy.ones(1_000_000), b"b" * 8_000_000, "t" * 8_000_000])
def test_a_large_value_is_kept_if_its_element_is_slow(value: Any) -> None:
    small = value[:1000]
    made, _, told = open_one(["quick", "slow", "quick and small", "of unknown time"])
    made.add(0, [value, value, small], (), [0.001, 10.0, 0.001])
    made.add(3, [value])
    made.close(finished=False)
    assert told == [
        "not in the checkpoint: 1 of 4 elements; their values take longer to write than to compute"
    ]
    _, known, _ = open_one(["quick", "slow", "quick and small", "of unknown time"])
    assert known.keys() == {1, 2, 3} and len(known[1]) == len(value) and len(known[2]) == 1000


def test_what_has_finished_is_there_in_another_order_and_number() -> None:
    path = leave(["a", "b", "c", "d"], [1, {"x": [2]}, numpy.arange(3)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    made, known, [line] = open_one(["c", "new", "b", "d", "a"])
    assert known.keys() == {0, 2, 4} and known[4] == 1 and known[2] == {"x": [2]}
    known[0][0] = 5  # it can be written to
    assert list(known[0]) == [5, 1, 2]
    assert line.startswith("resuming the run of today ")
    assert line.endswith(
        ": 3 of 5 elements are done (parallelflow checkpoints shows them; --no-resume computes all)"
    )
    made.add(1, ["one more"])
    made.close(finished=False)
    assert len(folder.list_kept()) == 1 and folder.list_kept()[0].count() == 4


def test_a_run_that_ends_well_leaves_nothing() -> None:
    leave([1, 2], [10])
    made, known, _ = open_one([1, 2])
    assert known == {0: 10}
    made.add(1, [20])
    made.close(finished=True)
    assert folder.list_kept() == []


def test_a_run_that_computes_all_leaves_nothing_either(override: Any) -> None:
    leave([1, 2], [10])
    override(resume=False)
    made, known, told = open_one([1, 2])
    assert (known, told) == ({}, [])
    made.add(0, [1, 2])
    made.close(finished=True)
    assert folder.list_kept() == []


def test_equal_elements_have_a_value_each() -> None:
    leave(["same"] * 5, [1, 2])
    _, known, _ = open_one(["same"] * 5)
    assert sorted(known.values()) == [1, 2]


@pytest.mark.parametrize("cut", [1, 5, 30, 40])
def test_a_cut_record_costs_its_own_element(cut: int) -> None:
    path = leave(["a", "b", "c"], ["x" * 10, "y" * 10, "z" * 10])
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size - cut)
    made, known, _ = open_one(["a", "b", "c"])
    assert known == {0: "x" * 10, 1: "y" * 10}
    made.add(2, ["new"])  # behind the rest of what was cut
    made.close(finished=False)
    _, known, _ = open_one(["a", "b", "c"])
    assert known == {0: "x" * 10, 1: "y" * 10, 2: "new"}


def test_a_damaged_record_costs_its_own_element() -> None:
    elements = list(range(20))
    path = leave(elements, [f"value {i}" for i in elements])
    data = bytearray(path.read_bytes())
    for text in (b"value 7", b"value 12"):
        data[data.index(text)] ^= 1
    path.write_bytes(data)
    _, known, _ = open_one(elements)
    assert known == {i: f"value {i}" for i in elements if i not in (7, 12)}


@pytest.mark.parametrize("content", [b"", b"rubbish" * 1000, b"\x93PFckpt\n"])
def test_a_file_that_is_none_is_passed_over(content: bytes) -> None:
    leave([1], [1]).write_bytes(content)
    _, known, _ = open_one([1])
    assert known == {}


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"the function": "#bb", "package stats": "1.2"}, "the function has changed"),
        ({"the function": "#aa", "package stats": "1.3"}, "package stats is 1.3, was 1.2"),
        ({**PARTS, "the value on port c": "#cc"}, "the value on port c was not there"),
        ({"the function": "#aa"}, "package stats is not there any more"),
    ],
)
def test_what_has_changed_is_told(parts: dict[str, str], why: str) -> None:
    leave([1, 2], [10])
    _, known, [line] = open_one([1, 2], parts)
    assert known == {} and line.startswith("not resuming the run of today ")
    assert line.endswith(f": {why}")
    _, known, told = open_one([1, 2], parts, place="another.vt, Map")
    assert (known, told) == ({}, [])


def test_any_file_of_a_users_package_is_a_part_of_the_function(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("__init__.py", "inner/work.py"):
        (tmp_path / name).write_text("1")
    need = PackageNeed("org.me.own", "1.0", "userpackages.own", str(tmp_path / "__init__.py"))
    before = dict(session_parts([need], {}))
    assert not difference(before, dict(session_parts([need], {})))
    (tmp_path / "inner" / "work.py").write_text("2")
    told = difference(before, dict(session_parts([need], {})))
    assert "the code of package org.me.own has changed" in told


def test_modules_that_only_one_session_has_loaded_decide_nothing() -> None:
    assert not difference({"a": "1", "module x": "#1"}, {"a": "1", "module y": "#2"})
    assert difference({"module x": "#1"}, {"module x": "#2"}) == "module x has changed"


def test_two_sessions_never_write_the_same(home: Path) -> None:
    leave([1, 2, 3], [10])
    first, known, _ = open_one([1, 2, 3])
    second, nothing, [line] = open_one([1, 2, 3])
    assert known == {0: 10} and nothing == {}
    assert line.endswith(f": another session (process {os.getpid()}) is at work at it")
    first.add(1, [20])
    second.add(2, [30])
    first.close(finished=False)
    second.close(finished=False)
    assert len(folder.list_kept()) == 2


def test_a_full_disk_costs_no_value(home: Path) -> None:
    """A limit on the size of files stands for the disk, in a process of its own."""
    program = f"""
import os, resource, signal
from parallelflow.checkpoints import checkpoint, folder
checkpoint.LEAST_SECONDS = 0
from parallelflow.checkpoints.identity import RunIdentity
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
told = []
elements = list(range(50))
made = checkpoint.Checkpoint(RunIdentity("p", "Map", {PARTS!r}), elements, told.append)
assert made.take() == {{}}
for i in elements:
    made.add(i, ["v" * 100])
    made.tick()
made.close(finished=False)
[line] = told
assert line.startswith("the checkpoint is not written any more: File too large. The run goes on")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    _, known, _ = open_one(list(range(50)))
    assert 0 < len(known) < 50 and set(known.values()) == {"v" * 100}
    assert sorted(known) == list(range(len(known)))


def test_a_busy_disk_keeps_nothing_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill while the system brings records to the disk costs none that came meanwhile."""
    syncing, over = threading.Event(), threading.Event()

    def sync(descriptor: int) -> None:
        syncing.set()
        over.wait()

    monkeypatch.setattr("parallelflow.checkpoints.writer.SYNC_SECONDS", 0.01)
    monkeypatch.setattr("parallelflow.checkpoints.writer.os.fdatasync", sync)
    path = tmp_path / "records"
    writer = Writer(path.open("wb"), None)
    try:
        writer.add(b"before ")
        assert syncing.wait(60.0)
        writer.add(b"meanwhile")
        wait_until(lambda: path.read_bytes() == b"before meanwhile", 30.0)
    finally:
        over.set()
        writer.close()


def test_old_ones_and_too_many_are_removed_and_that_is_told() -> None:
    old = leave([1], [1], {"the function": "#01"})
    leave([1], ["x" * 2_000_000], {"the function": "#02"})
    kept = leave([1], [1], {"the function": "#03"})
    os.utime(old, (time.time() - 31 * DAY,) * 2)
    first, second = folder.prune(1, 30)
    assert first.endswith("was removed: it is older than 30 days (checkpointDays).")
    assert second.endswith("all of them take more than 1 MB (checkpointMegabytes).")
    assert [each.path for each in folder.list_kept()] == [kept]


def test_no_more_is_written_than_allowed(override: Any) -> None:
    override(checkpointMegabytes=1)
    made, _, told = open_one([1, 2, 3])
    made.add(0, ["small"])
    made.tick()
    made.add(1, ["x" * 2_000_000])
    made.close(finished=False)
    assert "it would be larger than checkpointMegabytes allows" in told[0]
    override(checkpointMegabytes=None)
    assert open_one([1, 2, 3])[1] == {0: "small"}


def test_what_cannot_be_compared_or_kept_is_not_and_that_is_told() -> None:
    lock = open(os.devnull)  # noqa: SIM115
    made, _, told = open_one([lock, 2, 3])
    made.add(0, [1, lock, 3])
    made.close(finished=False)
    lock.close()
    assert told[0] == (
        "not in the checkpoint: 2 of 3 elements; they, or their values, cannot be compared or kept"
    )
    assert open_one([1, 2, 3])[1] == {2: 3}


def test_a_run_that_ends_at_once_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_module, "LEAST_SECONDS", 60.0)
    made, _, _ = open_one([1, 2])
    made.add(0, [1, 2])
    made.close(finished=True)
    assert not folder.checkpoints_folder().exists()


# -- what values and functions are ------------------------------------------------------------


class PathObject:
    """As VisTrails' own: a file's name."""

    def __init__(self, name: Path) -> None:
        self.name = str(name)


def test_an_element_that_names_a_file_is_what_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "data.txt"
    file.write_text("one")
    path = leave([(1, PathObject(file)), 2], [10, 20])
    assert open_one([(1, PathObject(file)), 2])[1] == {0: 10, 1: 20}
    file.write_text("two")
    assert path.exists() and open_one([(1, PathObject(file)), 2])[1] == {1: 20}


PROGRAM = """
from parallelflow.checkpoints.content import AT_ONCE_BYTES, ContentDigest, content_digest
from parallelflow.checkpoints.function_content import function_digest
import numpy, functools
scale = 3
def helper(x): return x * scale
def work(x, words={'b', 'a', 'c'}): return helper(x) + len(words & {'a', 'x', 'yy'})
values = [1, 1.5, "a", b"a", None, (1, "a"), ["a", ("b",)], {"k": {"a", "b", "c"}},
          frozenset("xyz"), numpy.arange(4), float("nan"), "a" * 3]
print([content_digest(v).hex() for v in values])
print(function_digest(work).hex(), function_digest(functools.partial(work, words="a")).hex())
"""


def test_digests_are_the_same_in_every_session() -> None:
    def run(seed: str, program: str = PROGRAM) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, text=True,
                              check=True).stdout  # fmt: skip

    first = run("1")
    assert first == run("2")
    changed = run("1", PROGRAM.replace("scale = 3", "scale = 4"))
    assert changed.splitlines()[0] == first.splitlines()[0]
    assert changed.splitlines()[1] != first.splitlines()[1]


def test_values_that_differ_have_digests_that_do() -> None:
    values: list[Any] = [1, 1.0, True, "1", b"1", None, (1,), [1], [[1]], {1: 1}, {1}, 10, 1j]
    values += [numpy.array([1]), numpy.array([1.0]), collections.OrderedDict([(1, 1)])]
    assert len({content_digest(value) for value in values}) == len(values)


def test_functions_that_differ_have_digests_that_do() -> None:
    def closing(n: int) -> Callable[[int], int]:
        return lambda x: x + n

    functions: list[Any] = [
        closing(1), closing(2), lambda x: x * 2, lambda x: x * 3, abs, len,
        functools.partial(pow, 2), functools.partial(pow, 3), functools.partial(pow, mod=2),
    ]  # fmt: skip
    assert len({function_digest(each) for each in functions}) == len(functions)
    assert function_digest(closing(1)) == function_digest(closing(1))


def test_the_name_of_a_file_is_no_part_of_a_digest() -> None:
    """A notebook's cell has another one in each session."""

    def value(file: str) -> Any:
        space: dict[str, Any] = {"__name__": "__main__"}
        exec(compile("def value(): return 1", file, "exec"), space)
        return space["value"]

    digests = {content_digest(value(file)) for file in ("/tmp/cell_1.py", "/tmp/cell_2.py")}
    assert len(digests) == 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the digests of elements of which records are made, in that order."""
    digests: list[bytes] = []
    record = checkpoint_module.record

    def counted(digest: bytes, frames: Any) -> bytes:
        digests.append(digest)
        return record(digest, frames)

    monkeypatch.setattr(checkpoint_module, "record", counted)
    return digests


def test_no_record_is_made_of_a_short_run_that_ends_well(
    made: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs as much as a small element; what has failed, or takes long, has its records."""
    monkeypatch.setattr(checkpoint_module, "LEAST_SECONDS", 60.0)
    short, _, _ = open_one([1, 2])
    short.add(0, [10, 20])
    short.close(finished=True)
    assert made == []
    value = [10]
    changed = Checkpoint(RunIdentity("p", "Map", PARTS), [1, 2], lambda line: None, at_once=True)
    changed.add(0, [value])
    value.append(11)  # as an operation() may do
    changed.close(finished=False)
    assert len(made) == 1
    _, known, _ = open_one([1, 2])
    assert known == {0: [10]}


def test_records_are_made_in_pieces(made: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A window's event loop turns in between."""
    monkeypatch.setattr(checkpoint_module, "RECORD_SECONDS", 0.0)
    piece = checkpoint_module.PIECE
    values = list(range(3 * piece - 1))
    checkpoint, _, _ = open_one(values)
    checkpoint.add(0, values)
    counts = [len(made)]
    for _ in range(3):
        checkpoint.tick()
        counts.append(len(made))
    assert counts == [0, piece, 2 * piece, len(values)]
    checkpoint.close(finished=False)
    _, known, _ = open_one(values)
    assert known == dict(enumerate(values))


def test_what_came_early_is_written_when_it_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_module, "LEAST_SECONDS", 0.2)
    made, _, _ = open_one([1, 2, 3])
    made.add(0, [10])
    made.add(1, [20])
    assert folder.list_kept() == []

    def is_written() -> bool:
        made.tick()
        return any(kept.count() == 2 for kept in folder.list_kept())

    wait_until(is_written)
    made.close(finished=False)
    _, known, _ = open_one([1, 2, 3])
    assert known == {0: 10, 1: 20}


@pytest.mark.parametrize("constant", ["small", b"x" * (2 * AT_ONCE_BYTES), {1: [None]}])
def test_a_digest_that_is_computed_beside_is_that_of_the_content(constant: Any) -> None:
    for value in (constant, [1, constant], ("text", constant)):
        assert ContentDigest(value).get() == content_digest(value)
    assert ContentDigest([1, constant]).get() != ContentDigest([2, constant]).get()
    with pytest.raises(TypeError):
        ContentDigest([constant, threading.Lock()])


def test_parts_that_are_still_being_computed_are_compared_by_what_they_become() -> None:
    array = bytearray(2 * AT_ONCE_BYTES)
    before = dict(Parts({"a": "1", "the value": ContentDigest(array)}))
    assert not difference(Parts({"a": "1", "the value": ContentDigest(array)}), before)
    array[-1] = 1
    changed = Parts({"a": "1", "the value": ContentDigest(array)})
    assert difference(changed, before) == "the value has changed"


def test_a_call_of_the_api_is_not_told_of_an_option_of_commands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = named_checkpoint("numbers", abs, [(1,), (2,)])
    assert made is not None and made.take() == {}
    made.add(0, [1])
    made.close(finished=False)
    again = named_checkpoint("numbers", abs, [(1,), (2,)])
    assert again is not None and again.take() == {0: 1}
    again.close(finished=True)
    assert "1 of 2 elements are done (parallelflow checkpoints shows them; " in caplog.text
    assert "parallelflow checkpoints remove forgets them)" in caplog.text
    assert "--no-resume" not in caplog.text
