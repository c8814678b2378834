"""A Map whose engines are lost, hang, or lack what it needs."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.elements import HANG_IN_C, IGNORE_INTERRUPTS
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tests.support.workflows import (
    PARALLEL_FLOW,
    Progress,
    Workflow,
    map_part,
    mapped,
    run,
    source,
)


@pytest.fixture
def engines(cluster: Any) -> Iterator[dict[int, int]]:
    """Give the pids of the two engines by id; afterwards there are two good ones again."""
    client = cluster.connect()
    wait_until(lambda: len(client.ids) == 2)
    yield dict(zip(client.ids, client[:].apply_sync(os.getpid), strict=True))
    for engine, pid in list(dict(zip(client.ids, pids(client), strict=True)).items()):
        if engine in spoilt:
            os.kill(pid, signal.SIGKILL)
            wait_until(functools.partial(_has_left, client, engine))
    spoilt.clear()
    wait_until(lambda: not cluster_starting(cluster))
    if len(client.ids) < 2:
        cluster.start_engines(2 - len(client.ids))


spoilt: set[int] = set()
"""Engines that a test has made unfit for the next one."""


def _has_left(client: Any, engine: int) -> bool:
    return engine not in client.ids


def pids(client: Any) -> list[int]:
    return [client[engine].apply_async(os.getpid).get(timeout=LIMIT_SECONDS)
            for engine in client.ids]  # fmt: skip


def cluster_starting(cluster: Any) -> bool:
    return bool(cluster.engine_pool().expected())


def later(seconds: float, action: Any) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_an_engine_killed_in_the_middle_costs_nothing(engines: Any, caplog: Any) -> None:
    victim = min(engines)

    def kill(module: int, progress: float) -> None:
        if progress > 0.2 and not killed:
            killed.append(victim)
            os.kill(engines[victim], signal.SIGKILL)

    killed: list[int] = []
    code = "import time\ntime.sleep(0.03)\no = i * i"
    ours = run(mapped(source(code), list(range(100))), PARALLEL_FLOW, view=Progress(kill))
    assert ours.errors == {} and ours.values[1] == [i * i for i in range(100)]
    told = [r.getMessage() for r in caplog.records if "was lost" in r.getMessage()]
    assert len(told) == 1 and told[0].startswith(f"engine {victim} (")
    iterations = ours.workflow_exec.item_execs[-1].loop_execs[0].loop_iterations
    assert sorted(i.iteration for i in iterations) == list(range(100))


WRITES_FILES = """
import os, tempfile
with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, 'f'), 'w') as own:
    own.write('x')
with tempfile.NamedTemporaryFile() as other:
    other.write(b'x')
o = self.interpreter.filePool.create_file(suffix='.txt')
with open(o.name, 'w') as f:
    f.write('element %d' % i)
"""


def private_folders() -> list[str]:
    """Return the session folders of the process that this runs in."""
    from vistrails.core.interpreter.cached import CachedInterpreter

    return [str(Path(CachedInterpreter.get().filePool.directory).parents[1])]


@pytest.mark.parametrize("missing", ["folder", "subfolders", "lock", "pool"])
def test_an_engines_folder_that_the_system_has_cleaned_away_is_made_again(
    cluster: Any, engines: Any, missing: str
) -> None:
    from parallelflow.host import session_folder

    workflow = mapped(source(WRITES_FILES), list(range(20)))
    assert run(workflow, PARALLEL_FLOW).errors == {}
    client = cluster.connect()
    folders = [Path(f) for (f,) in client[:].apply_sync(private_folders)]
    assert len(set(folders)) == 2
    for folder in folders:
        assert folder.name.startswith("parallelflow-core-"), folder
        gone = {
            "folder": [folder],
            "subfolders": [path for path in folder.iterdir() if path.is_dir()],
            "lock": [path for path in folder.iterdir() if path.is_file()],
            "pool": list((folder / session_folder.TEMPORARY).iterdir()),
        }[missing]
        assert gone
        for path in gone:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    ours = run(workflow, PARALLEL_FLOW)
    assert ours.errors == {}
    texts = [Path(file.name).read_text() for file in ours.values[1]]
    assert texts == [f"element {i}" for i in range(20)]
    # Another session does not take them for abandoned ones.
    swept = session_folder.sweep_abandoned()
    assert not set(swept) & set(folders) and all(folder.is_dir() for folder in folders)


def test_a_lost_engine_of_ours_is_replaced(engines: Any, cluster: Any) -> None:
    def kill() -> None:
        wait_until(lambda: any(each.done for each in cluster.runs()))
        os.kill(engines[min(engines)], signal.SIGKILL)

    later(0.0, kill)
    run(mapped(source("import time\ntime.sleep(0.05)\no = i"), list(range(60))), PARALLEL_FLOW)
    client = cluster.connect()
    wait_until(lambda: len(client.ids) == 2)
    assert set(client.ids) != set(engines)


@pytest.mark.usefixtures("no_memory_kills")
def test_an_element_that_ends_engines_is_named_and_the_others_finish(engines: Any) -> None:
    code = "import os\nif i == 7: os._exit(1)\no = i"
    workflow = mapped(source(code), list(range(20)))
    finishing = map_part(functions={"OnError": "finish others"})
    parts = [workflow.parts[0], finishing, workflow.parts[2]]
    ours = run(Workflow(parts, workflow.connections), PARALLEL_FLOW)
    kind, text = ours.errors[0]
    assert kind == "PythonSource"
    assert "Element 7 of 20, 7, failed" in text and "ended 3 engines" in text
    iterations = ours.workflow_exec.item_execs[-1].loop_execs[0].loop_iterations
    assert sorted(i.iteration for i in iterations) == [i for i in range(20) if i != 7]


def test_cancel_replaces_an_engine_that_hangs_in_c_code(
    engines: Any, cluster: Any, tmp_path: Path
) -> None:
    from vistrails.core.interpreter.base import AbortExecution

    begun = tmp_path / "begun"
    stopped: list[float] = []

    def stop(module: int, progress: float) -> None:
        if begun.exists():
            stopped.append(time.monotonic())
            raise AbortExecution("by the user")

    begin = f"{IGNORE_INTERRUPTS}; open({str(begun)!r}, 'w').close()"
    code = f"if i: {begin}; {HANG_IN_C}\no = i"
    ours = run(mapped(source(code), [0, 1]), PARALLEL_FLOW, view=Progress(stop))
    assert ours.errors.keys() == {1}
    assert time.monotonic() - stopped[0] < LIMIT_SECONDS  # the element does not end
    client = cluster.connect()
    wait_until(lambda: len(client.ids) == 2 and set(client.ids) != set(engines))
    (hung,) = set(engines) - set(client.ids)
    wait_until(lambda: not psutil.pid_exists(engines[hung]))


BLOCK = """
import sys
for name in [n for n in sys.modules if n.split('.')[0] == 'vistrails']:
    del sys.modules[name]
sys.modules['vistrails'] = None
"""


def test_an_engine_without_vistrails_takes_no_part(engines: Any, cluster: Any, caplog: Any) -> None:
    lacking, other = sorted(engines)
    client = cluster.connect()
    client[lacking].execute(BLOCK, block=True)
    spoilt.add(lacking)
    ours = run(mapped(source("import os\no = os.getpid()"), list(range(10))), PARALLEL_FLOW)
    assert ours.errors == {}
    assert set(ours.values[1]) == {engines[other]}
    told = [r.getMessage() for r in caplog.records if "takes no part" in r.getMessage()]
    assert len(told) == 1 and f"engine {lacking}" in told[0] and "vistrails" in told[0].lower()


def test_no_engine_with_vistrails_is_a_clear_error(engines: Any, cluster: Any) -> None:
    client = cluster.connect()
    client[:].execute(BLOCK, block=True)
    spoilt.update(engines)
    ours = run(mapped(source("o = i"), [1, 2]), PARALLEL_FLOW)
    kind, text = ours.errors[1]
    assert kind == "Map"
    assert "cannot run the function" in text and "vistrails" in text.lower()


@pytest.fixture
def kill_mux(cluster: Any) -> Any:
    """Give what kills a part of the controller when a fifth of the list has finished."""
    from parallelflow.engine_manager.connection.connection_files import connections
    from parallelflow.engine_manager.connection.controller_processes import ControllerProcesses

    cluster.ensure_engines()
    info = cluster.info().controller
    [connection] = [c for c in connections(cluster.profile) if f"{c.host}:{c.port}" == info.address]
    killed: list[int] = []

    def kill(module: int, progress: float) -> None:
        if progress > 0.2 and not killed:
            killed.extend(ControllerProcesses(connection).pids()["mux"])
            os.kill(killed[0], signal.SIGKILL)

    return kill


def decline(cluster: Any, monkeypatch: Any) -> None:
    """Answer the question for engines with none."""
    monkeypatch.setattr(type(cluster.interaction), "engines_to_start", lambda *_: 0)


def iterations_of(ours: Any) -> list[int]:
    loop = ours.workflow_exec.item_execs[-1].loop_execs[0]
    return sorted(iteration.iteration for iteration in loop.loop_iterations)


@pytest.mark.parametrize("declined", [False, True])
def test_a_map_goes_on_when_its_cluster_fails(
    cluster: Any, kill_mux: Any, monkeypatch: Any, caplog: Any, declined: bool
) -> None:
    if declined:
        decline(cluster, monkeypatch)
    code = "import time\ntime.sleep(0.03)\no = i * i"
    ours = run(mapped(source(code), list(range(100))), PARALLEL_FLOW, view=Progress(kill_mux))
    assert ours.errors == {} and ours.values[1] == [i * i for i in range(100)]
    told = [r.getMessage() for r in caplog.records if "The work goes on" in r.getMessage()]
    assert len(told) == 1 and "mux scheduler (process " in told[0]
    assert ("in this process" in told[0]) == declined
    assert iterations_of(ours) == list(range(100))
    monkeypatch.undo()
    assert len(cluster.ensure_engines().ids) == 2


CALLED = """
import os, time
# Most elements are left when the loss of the cluster is noticed, on a busy machine, too.
slow = i > 25 and os.getpid() != {session} and not os.path.exists({path!r} + '.fast')
time.sleep(3.0 if slow else 0.01)
with open({path!r}, 'a') as file:
    file.write('%d ' % i)
o = 1 / (i % 40)
"""


@pytest.mark.long_wait
@pytest.mark.parametrize("policy", ["stop", "finish others"])
def test_the_policy_holds_where_a_map_goes_on_in_this_process(
    cluster: Any, kill_mux: Any, monkeypatch: Any, tmp_path: Path, policy: str
) -> None:
    called = tmp_path / "called"
    workflow = mapped(
        source(CALLED.format(path=str(called), session=os.getpid())), list(range(1, 100))
    )
    parts = [workflow.parts[0], map_part(functions={"OnError": policy}), workflow.parts[2]]
    workflow = Workflow(parts, workflow.connections)
    decline(cluster, monkeypatch)
    client = cluster.connect()
    engines = list(client.ids)
    before = [psutil.Process(pid) for pid in pids(client)]
    ours = run(workflow, PARALLEL_FLOW, view=Progress(kill_mux))
    kind, text = ours.errors[0]
    assert kind == "PythonSource"
    if policy == "stop":
        assert text.startswith("Uncaught exception: ZeroDivisionError")
        assert set(iterations_of(ours)) >= set(range(40))
    else:
        assert text.startswith("2 of 99 elements failed. Element 39 (40): Uncaught exception: Zero")
        assert text.endswith("\n  the same: element 79 (80)")
        assert iterations_of(ours) == list(range(99))
    failures = ours.raw.errors[0].elements
    assert [f.index for f in failures] == [39, 79][: 1 if policy == "stop" else 2]
    # On a busy machine an engine may have come to the first before the loss was noticed.
    assert failures[0].engine in (None, *engines)
    assert all(failure.engine is None for failure in failures[1:])
    assert ours.raw.errors[0].errorTrace.startswith("Element 39 of 99: 40\n")
    monkeypatch.undo()
    # The next execution goes on where this one has ended. An engine of the cluster that was lost
    # may be in the middle of an element, and write at its end.
    wait_until(lambda: not any(process.is_running() for process in before))
    called.unlink()
    Path(f"{called}.fast").touch()
    run(workflow, PARALLEL_FLOW)
    again = {int(word) for word in called.read_text().split()}
    assert not again & set(range(1, 40))
    assert 40 in again
    if policy == "finish others":
        assert again == {40, 80}
