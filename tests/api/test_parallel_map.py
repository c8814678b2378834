"""`parallel_map`: the same in this process and on a cluster, and what only a cluster has."""

from __future__ import annotations

import functools
import importlib
import io
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow import api
from parallelflow.engine_manager import get_manager
from parallelflow.errors import ElementError
from tests.support import leaks
from tests.support.waiting import BUSY_SECONDS

TIMES = 3
ROOT = Path(__file__).resolve().parents[2]


class Odd(Exception):
    """An exception with a state of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(f"odd: {number}")
        self.number = number


def test_it_is_like_map(where: str) -> None:
    assert api.parallel_map(lambda x: x * TIMES, range(10)) == [x * 3 for x in range(10)]
    assert api.parallel_map(pow, [2, 3, 4], (5, 2)) == [32, 9]
    assert api.parallel_map(lambda a, b, c: (a, b, c), "ab", [1, 2], iter("xyz")) == [
        ("a", 1, "x"),
        ("b", 2, "y"),
    ]
    assert api.parallel_map(abs, []) == []


def test_it_tells_whether_the_cluster_was_used(where: str) -> None:
    values, used = api.parallel_map(lambda _: os.getpid(), range(8), ipython=True)
    assert used == (where == "cluster")
    assert (os.getpid() in values) == (where == "here")


def test_the_first_exception_is_raised_as_it_was(where: str) -> None:
    def function(x: int) -> int:
        if x % 2:
            raise Odd(x)
        return x

    with pytest.raises(Odd, match="odd: 5") as raised:
        api.parallel_map(function, [0, 2, 5, 4, 7])
    assert raised.value.number == 5
    cause = raised.value.__cause__
    assert isinstance(cause, ElementError)
    assert cause.failures[0].index == 2
    assert "function" in cause.failures[0].traceback
    if where == "cluster":
        assert cause.failures[0].engine is not None and cause.failures[0].host


def test_the_others_may_be_finished_first(where: str) -> None:
    def function(x: int) -> float:
        return 1 / x

    with pytest.raises(ZeroDivisionError) as raised:
        api.parallel_map(function, [1, 0, 2, 0], on_error="finish")
    assert isinstance(raised.value.__cause__, ElementError)
    assert [f.index for f in raised.value.__cause__.failures] == [1, 3]


def test_exceptions_may_be_returned_in_place(where: str) -> None:
    values = api.parallel_map(lambda x: 1 / x, [1, 0, 2], on_error="return")
    assert values[0] == 1 and values[2] == 0.5
    assert isinstance(values[1], ZeroDivisionError)


def test_progress_reaches_the_end_and_may_end_the_work(where: str) -> None:
    seen: list[int] = []
    api.parallel_map(lambda x: x, range(50), progress=lambda s: seen.append(s.done))
    assert seen == sorted(seen) and seen[-1] == 50

    def stop(snapshot: Any) -> None:
        if snapshot.done:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        api.parallel_map(lambda x: time.sleep(0.01), range(1000), progress=stop)


def test_what_is_told_last_is_the_end(where: str) -> None:
    from parallelflow.progress import RunState, Snapshot, listen

    told: dict[int, Snapshot] = {}
    stop = listen(lambda s: told.update({s.run: s}))
    seen: list[Snapshot] = []

    def fails(snapshot: Snapshot) -> None:
        raise KeyError("enough")

    def broken() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    try:
        api.parallel_map(abs, [1, 2], progress=seen.append)
        assert seen[-1].state is RunState.DONE
        with pytest.raises(KeyError):
            api.parallel_map(abs, [1, 2], progress=fails)
        with pytest.raises(RuntimeError):
            api.parallel_map(abs, broken())
    finally:
        stop()
    assert len(told) == 3 and all(s.state.is_finished for s in told.values())


class Table:
    """As a data frame: its length is that of its rows, its items are its columns."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[str]:
        return iter(f"C{n}" for n in range(self.columns))


class Shy(Table):
    """It has a length that it does not tell."""

    def __len__(self) -> int:
        raise TypeError("who knows")


def test_the_items_count_and_not_what_a_length_says(where: str) -> None:
    assert api.parallel_map(str.lower, Table(6, 3)) == ["c0", "c1", "c2"]
    assert api.parallel_map(str.lower, Table(2, 5)) == ["c0", "c1", "c2", "c3", "c4"]
    assert api.parallel_map(str.lower, Shy(2, 2)) == ["c0", "c1"]
    assert api.parallel_map(pow, range(10**30), [1, 2]) == [0, 1]
    numpy = pytest.importorskip("numpy")
    assert api.parallel_map(float, numpy.arange(3)) == [0.0, 1.0, 2.0]
    with pytest.raises(TypeError):
        api.parallel_map(abs, numpy.array(1))
    with pytest.raises(TypeError):
        api.parallel_map(abs, 3)  # type: ignore[call-overload]


def test_an_iterator_may_use_one_object_for_all_items(where: str) -> None:
    numpy = pytest.importorskip("numpy")

    def numbers() -> Iterator[Any]:
        item, large = [0], numpy.zeros(20_000)
        for n in range(60):
            item[0] = n
            large[:] = n
            yield item, large

    values = api.parallel_map(lambda both: (both[0][0], float(both[1].mean())), numbers())
    assert values == [(n, float(n)) for n in range(60)]


def test_an_earlier_failure_comes_before_the_iterators_own(where: str) -> None:
    def numbers() -> Iterator[int]:
        yield 0
        yield 1
        raise RuntimeError("no more")

    with pytest.raises(ZeroDivisionError):
        api.parallel_map(lambda x: 1 / x, numbers())
    for on_error in ("finish", "return"):
        with pytest.raises(RuntimeError, match="no more"):
            api.parallel_map(lambda x: 1 / x, numbers(), on_error=on_error)


def test_a_slow_iterator_holds_nothing_up(where: str) -> None:
    taken = []

    def numbers() -> Iterator[int]:
        for n in range(40):
            time.sleep(0.3)
            taken.append(n)
            yield n

    with pytest.raises(TimeoutError):
        api.parallel_map(abs, numbers(), timeout=1.0)
    assert len(taken) < 20


def test_what_a_function_writes_is_shown_in_order(
    where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def function(x: int) -> int:
        time.sleep(0.02 * (x % 3))
        print("element", x)
        print("warned", x, file=sys.stderr)
        return x

    api.parallel_map(function, range(12), chunk_size=2)
    out, err = capsys.readouterr()
    assert out == "".join(f"element {x}\n" for x in range(12))
    assert err == "".join(f"warned {x}\n" for x in range(12))


def test_what_is_written_is_cut_for_each_stream(
    cluster: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def function(x: int) -> None:
        for _ in range(2000):
            print("o" * 99)
            print("e", file=sys.stderr)

    api.parallel_map(function, [0])
    out, err = capsys.readouterr()
    assert len(out) < 101_000 and out.endswith("\n[what more was written is cut off]\n")
    assert err == "e\n" * 2000


class Unreadable:
    """What can be sent and not be read."""

    def __reduce__(self) -> Any:
        return int, ("x",)


def test_an_item_that_cannot_be_read_costs_one_element(cluster: Any) -> None:
    for elements in ([1, Unreadable(), 3], iter([1, Unreadable(), 3])):
        values: list[Any] = api.parallel_map(lambda x: x, elements, on_error="return")
        assert values[::2] == [1, 3] and isinstance(values[1], ElementError)
    with pytest.raises(ElementError, match="Element 1 of"):
        api.parallel_map(lambda x: x, iter([1, Unreadable(), 3]))


def test_what_is_repeated_is_an_argument_like_others(where: str) -> None:
    forever, thrice = itertools.repeat, functools.partial(itertools.repeat, times=3)
    assert api.parallel_map(pow, range(4), forever(2)) == [0, 1, 4, 9]
    assert api.parallel_map(pow, forever(2), range(4), forever(5)) == [1, 2, 4, 3]
    assert api.parallel_map(pow, thrice(2), range(9)) == [1, 2, 4]
    assert api.parallel_map(abs, thrice(-2)) == [2, 2, 2]
    assert api.parallel_map(pow, iter([2, 3]), forever(2)) == [4, 9]


def test_what_is_logged_is_shown_from_all_elements(
    where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def function(x: int) -> int:
        import logging
        import sys

        logger = logging.getLogger("tests.of.parallel_map")
        if not logger.handlers:
            logger.addHandler(logging.StreamHandler(sys.stderr))
            logger.propagate = False
        logger.warning("element %d", x)
        return x

    api.parallel_map(function, range(12), chunk_size=1)
    assert capsys.readouterr().err == "".join(f"element {x}\n" for x in range(12))


@pytest.mark.parametrize("stream", ["none", "ascii"])
def test_a_terminal_that_cannot_show_it_ends_nothing(
    cluster: Any, monkeypatch: Any, stream: str
) -> None:
    # A strict one would refuse the text in the session, too: elements' streams are like its own.
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", None if stream == "none" else written)
    values = api.parallel_map(lambda x: (print("\u00e9", x), x)[1], [1, 2])
    written.seek(0)
    text = written.read()
    monkeypatch.undo()
    assert values == [1, 2] and text == ("" if stream == "none" else "\\xe9 1\n\\xe9 2\n")


def test_a_function_that_leaves_fails_for_its_element_only(where: str) -> None:
    def leave(x: int) -> int:
        if x == 2:
            sys.exit(3)
        return x

    with pytest.raises(SystemExit) as raised:
        api.parallel_map(leave, range(4))
    assert raised.value.code == 3
    assert re.search(r"Element 2 of 4, .*SystemExit: 3", str(raised.value.__cause__))
    values: list[Any] = api.parallel_map(leave, range(4), on_error="return")
    assert values[:2] + values[3:] == [0, 1, 3] and isinstance(values[2], SystemExit)


def test_it_keeps_a_window_alive_and_ends_with_the_session(where: str, monkeypatch: Any) -> None:
    from parallelflow.engine_manager.interaction import ConsoleInteraction
    from parallelflow.errors import ClusterLost

    class Quits(ConsoleInteraction):
        asked = 0

        def leaving(self) -> bool:
            self.asked += 1
            return self.asked > 3

    quits = Quits()
    manager = get_manager()
    monkeypatch.setattr(manager, "interaction", quits)
    with pytest.raises(ClusterLost, match="being ended"):
        api.parallel_map(time.sleep, [0.1] * 100)
    assert quits.asked == 4
    monkeypatch.undo()
    assert api.parallel_map(abs, [-1]) == [1]


def test_time_runs_out(where: str) -> None:
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match="elements had finished"):
        api.parallel_map(lambda x: time.sleep(0.02), range(10_000), timeout=0.5)
    assert time.monotonic() - begin < 60  # all elements would take 100 s


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"on_error": "ignore"}, ValueError, "on_error must be one of raise, finish, return"),
        ({"chunk_size": 0}, ValueError, "chunk_size must be at least 1"),
        ({"buffer_size": -1}, ValueError, "buffer_size must be at least 1"),
        ({"chunk_size": 2.5}, TypeError, "chunk_size must be a whole number, not 2.5"),
        ({"blocking": True}, TypeError, "blocking"),
    ],
)
def test_bad_options_are_clear_errors(options: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        api.parallel_map(abs, [1], **options)
    with pytest.raises(TypeError, match="at least one iterable"):
        api.parallel_map(abs)


def test_a_generator_is_read_as_its_items_are_needed(cluster: Any) -> None:
    taken = []

    def numbers() -> Iterator[int]:
        for i in range(400):
            taken.append(i)
            yield i

    ahead: list[int] = []
    values = api.parallel_map(
        lambda x: [x, time.sleep(0.005)][0],  # type: ignore[func-returns-value]
        numbers(),
        buffer_size=10,
        progress=lambda s: ahead.append(len(taken) - s.done),
    )
    assert values == list(range(400))
    assert max(ahead) <= 11  # and the one that is being handed over


def test_an_error_of_the_generator_is_the_callers(cluster: Any) -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        api.parallel_map(abs, numbers())


def test_values_as_they_finish(cluster: Any) -> None:
    def function(x: int) -> int:
        time.sleep(4.0 if x == 0 else 0)
        return x

    values = api.parallel_map(function, range(20), ordered=False, chunk_size=1)
    assert sorted(values) == list(range(20)) and values[-1] == 0


def test_several_threads_at_once(cluster: Any) -> None:
    results: dict[int, list[int]] = {}

    def work(n: int) -> None:
        results[n] = api.parallel_map(lambda x: x * n, range(200))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {n: [x * n for x in range(200)] for n in range(4)}


def test_on_an_engine_it_runs_there_and_asks_for_nothing(cluster: Any) -> None:
    def outer(n: int) -> Any:
        from parallelflow import api as inner

        values, used = inner.parallel_map(lambda x: x + n, range(3), ask=True, ipython=True)
        return values, used, inner.get_client(), inner.load_balanced_view()

    assert api.parallel_map(outer, [10, 20]) == [
        ([10, 11, 12], False, None, None),
        ([20, 21, 22], False, None, None),
    ]
    # Also where the engine was given the work by ipyparallel itself.
    assert cluster.connect()[0].apply_sync(outer, 1) == ([1, 2, 3], False, None, None)


def test_a_module_that_map_runs_may_call_it(cluster: Any) -> None:
    from parallelflow import host
    from tests.support.workflows import CONTROL_FLOW, PARALLEL_FLOW, mapped, run, source

    host.start_core()
    code = (
        "from vistrails.packages.parallelflow.api import parallel_map\n"
        "o = parallel_map(lambda x: x * i, range(3), ask=True, ipython=True)"
    )
    workflow = mapped(source(code), [1, 10])
    serial, ours = run(workflow, CONTROL_FLOW), run(workflow, PARALLEL_FLOW)
    assert serial.values[1] == [([0, 1, 2], True), ([0, 10, 20], True)], serial.errors
    assert ours.values[1] == [([0, 1, 2], False), ([0, 10, 20], False)], ours.errors


NOTEBOOK = """
from parallelflow.api import load_balanced_view, parallel_map
factor = 10
def own(x):
    return helper(x) * factor
def helper(x):
    return x + 1
print(parallel_map(own, range(4), ask=True, ipython=True))
print(load_balanced_view(ask=False).apply_sync(lambda x: x + 1, 4))
"""


@pytest.mark.own_cluster
def test_functions_of_a_notebook_travel() -> None:
    import subprocess

    shell = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", NOTEBOOK]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["([10, 20, 30, 40], True)", "5"], done.stderr
    line = "Parallel Flow: no engine runs in the profile 'default': starting 2 engines\n"
    assert done.stderr == line


@pytest.mark.own_cluster
def test_a_script_that_ends_stops_its_engines_quietly(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nfrom parallelflow.api import direct_view, parallel_map\n"
        "print(parallel_map(abs, [-1, -2], ask=True))\n"
        "print(*direct_view(ask=False).apply_sync(os.getpid))\n"
    )
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    line = "Parallel Flow: no engine runs in the profile 'default': starting 2 engines\n"
    assert (done.returncode, done.stderr) == (0, line)
    values, pids = done.stdout.splitlines()
    assert values == "[1, 2]"
    assert not any(leaks.is_running(int(pid)) for pid in pids.split())
    # A home in which nothing can be written.
    unusable = {k: v for k, v in os.environ.items() if k != "IPYTHONDIR"} | {"HOME": "/proc"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=unusable)
    assert "ProfileUnusable: The folder of the profile 'default' cannot be used" in done.stderr


def test_a_module_beside_a_script_is_found_wherever_it_is_started(tmp_path: Path) -> None:
    folder = tmp_path / "analysis"
    folder.mkdir()
    (folder / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (folder / "main.py").write_text(
        "import helper\n"
        "from parallelflow.api import parallel_map\n"
        "from parallelflow.engine_manager import get_manager\n"
        "if __name__ == '__main__':\n"
        "    get_manager().configure(engines=1, private=True)\n"
        "    print(parallel_map(helper.double, [1, 2], ask=True, ipython=True))\n"
    )
    told = subprocess.run(
        [sys.executable, "analysis/main.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.stdout == "([2, 4], True)\n", told.stderr


def test_where_there_can_be_no_profile_it_computes_here() -> None:
    code = "from parallelflow.api import parallel_map\nprint(parallel_map(abs, [-1]))"
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "HOME": "/proc", "IPYTHONDIR": "/proc/ipython"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.stdout == "[1]\n", told.stderr


def test_engines_that_join_later_get_tasks_of_a_view_that_is_there(cluster: Any) -> None:
    view = api.load_balanced_view(ask=False)
    assert view is not None
    before = set(view.client.ids)
    cluster.start_engines(1)
    (new,) = set(view.client.ids) - before
    try:
        deadline = time.monotonic() + 30
        pids = set(view.client[:].apply_sync(os.getpid))
        seen: set[int] = set()
        while seen < pids and time.monotonic() < deadline:
            tasks = [view.apply_async(_pid_after, 0.05) for _ in range(6)]
            seen |= {task.get(timeout=30) for task in tasks}
        assert seen == pids
    finally:
        cluster.stop_engine(new)


def _pid_after(seconds: float) -> int:
    import os
    import time

    time.sleep(seconds)
    return os.getpid()


def test_views_are_ipyparallels_own(cluster: Any) -> None:
    import ipyparallel

    assert isinstance(api.get_client(ask=False), ipyparallel.Client)
    direct = api.direct_view(ask=False)
    assert isinstance(direct, ipyparallel.DirectView)
    assert len(direct.targets) == 2
    balanced = api.load_balanced_view(ask=False)
    assert isinstance(balanced, ipyparallel.LoadBalancedView)
    assert balanced.apply_sync(lambda: 42) == 42


def test_without_a_cluster_nothing_is_started_and_the_answer_comes_at_once() -> None:
    from parallelflow.engine_manager import EngineManager

    manager = EngineManager(profile="nothing-runs-here")
    begin = time.monotonic()
    assert manager.ensure_engines(ask=False) is None
    # A bound against waiting; the benchmark's row A1 has the figure.
    assert time.monotonic() - begin < BUSY_SECONDS
    assert manager.started() == []


def test_docstrings_tell_the_truth(monkeypatch: Any) -> None:
    import doctest

    for name in ("get_client", "client_for_run"):
        monkeypatch.setattr(api, name, lambda ask=True: None)
    assert doctest.testmod(api).failed == 0


def test_it_imports_neither_vistrails_nor_qt_nor_ipyparallel() -> None:
    import subprocess
    import sys

    code = (
        "import sys, parallelflow.api\n"
        "bad = {'vistrails', 'PyQt5', 'ipyparallel'} & set(sys.modules)\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_functions_of_user_packages_need_no_copy_of_them_on_engines(
    cluster: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    package = tmp_path / "userpackages" / "mine"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("OFFSET = 100\n")
    (package / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (package / "tasks.py").write_text(
        "from . import OFFSET, helper\n"
        "def work(x):\n    return helper.double(x) + OFFSET\n"
        "also = lambda x: work(x) + 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in user_packages():  # VisTrails' own, if it runs in this process
        monkeypatch.delitem(sys.modules, name)
    tasks = importlib.import_module("userpackages.mine.tasks")
    try:
        shutil.rmtree(package)
        assert api.parallel_map(tasks.work, [1, 2]) == [102, 104]
        assert api.parallel_map(tasks.also, [1, 2]) == [103, 105]
        assert api.parallel_map(functools.partial(tasks.work), [1, 2]) == [102, 104]
    finally:
        for name in user_packages():
            del sys.modules[name]


def user_packages() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "userpackages"]


@pytest.mark.usefixtures("where")
def test_it_goes_on_without_those_that_fail(caplog: pytest.LogCaptureFixture) -> None:
    texts = ["1", "one", "2", "two"]
    values = api.parallel_map(int, texts, on_error="continue", value_for_failed=-1)
    assert values == [1, -1, 2, -1]
    assert "int goes on without 2 of 4 elements, which have the value -1: Element 1" in caplog.text


@pytest.mark.usefixtures("where")
def test_elements_that_raise_are_tried_again(tmp_path: Path) -> None:
    def work(i: int) -> int:
        file = tmp_path / str(i)
        if not file.exists():
            file.touch()
            raise ValueError("not yet")
        return i

    assert api.parallel_map(work, range(5), retries=1) == list(range(5))
