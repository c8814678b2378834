"""A cluster whose engines follow the work, on this machine: the contract of all launchers."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from parallelflow import cli
from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager import EngineManager, State
from parallelflow.engine_manager.model import Limits
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import ClusterLost, EnginesFailed
from parallelflow.work.run import Run
from tests.support.waiting import meet, wait_until

pytestmark = pytest.mark.own_cluster


def square(index: int, folder: str, seconds: float, together: int = 0) -> int:
    if together:
        meet(Path(folder).parent, together)
    (Path(folder) / f"{index}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(seconds)
    return index * index


def begin(manager: EngineManager, folder: Path, n: int, seconds: float, together: int = 0) -> Run:
    client = manager.ensure_engines(for_run=True)
    assert client is not None
    function = partial(square, folder=str(folder), seconds=seconds, together=together)
    pool = manager.engine_pool()
    return Run(client, plain_function, (function,), range(n), "f", chunk_size=1, pool=pool)


def finish(run: Run) -> None:
    deadline = time.monotonic() + 300
    while not run.is_finished:
        run.poll(0.05)
        assert time.monotonic() < deadline


@pytest.mark.long_wait
def test_engines_come_with_the_work_and_go_when_it_is_done(
    manager: EngineManager, profile: str, tmp_path: Path
) -> None:
    assert manager.start_engines(limits=Limits(0, 2, "local", idle_seconds=2.0)) == 0
    assert manager.state is State.CONTROLLER and manager.info().elastic == "0 to 2 engines by local"
    folder = tmp_path / "begun"
    folder.mkdir()
    run = begin(manager, folder, 12, 0.5, together=2)
    finish(run)
    assert run.values == [i * i for i in range(12)]
    began = [path.name.split("-")[:2] for path in folder.iterdir()]
    assert sorted(int(index) for index, _ in began) == list(range(12))  # none of them twice
    assert len({pid for _, pid in began}) == 2
    connection = manager.cluster.live_connection()
    assert connection is not None
    wait_until(lambda: not connection.ids, 120.0)
    # The controller is here, and they come again; also for a view, which needs one at once.
    assert manager.alive() and len(manager.started()) == 1
    assert manager.ensure_engines() is connection.client and len(connection.fit) >= 1


@pytest.mark.long_wait
def test_the_reason_is_told_if_no_engine_comes(
    manager: EngineManager, profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = profiles.ensure_folder(profile) / "ipcluster_config.py"
    config.write_text("c = get_config()\nc.LocalEngineSetLauncher.engine_cmd = ['/bin/false']\n")
    manager.start_engines(limits=Limits(0, 2, "local"))
    told: list[str] = []
    monkeypatch.setattr(manager.interaction, "tell", told.append)
    run = begin(manager, tmp_path, 3, 0.1)
    with pytest.raises(ClusterLost, match="No engine has come for the work: an engine ended"):
        finish(run)
    assert len(told) == 1 and told[0].startswith("No more engines are asked for: an engine ended")
    with pytest.raises(EnginesFailed, match="None of the engines that were asked for has come"):
        manager.ensure_engines()
    run.cancel()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--min", "1"], "--min and --idle need --max"),
        (["--max", "2", "-n", "2"], "leave it out beside --max"),
        (["--min", "3", "--max", "2"], "--min 3 is more than --max 2"),
        (["--max", "0"], "is not a number of engines"),
        (["--max", "2", "--idle", "0"], "is not a number of seconds above 0"),
    ],
)
def test_wrong_limits_are_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["start", *arguments]) == 2
    assert told in capsys.readouterr().err
