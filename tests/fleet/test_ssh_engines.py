"""Engines by ssh: forked on each host by a process that has loaded their libraries for all of them.

They are as an engine that starts alone, which a host still has where its Python lacks this package.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.machines import Machines
from tests.support.waiting import wait_until

from .commands import Command, make_profile
from .test_ssh_start import clean, engines_of, start

HOST_ENGINES = "parallelflow.engine_manager.launch.host_engines"

# What a session learns of four engines, and what their elements can do. The one that starts alone
# takes no part in the map.
FACTS = """
import json
import ipyparallel
from parallelflow import api
from parallelflow.engine_manager import get_manager

def told():
    import multiprocessing, os, random, signal, socket, sys, uuid
    import numpy
    mask = os.umask(0)
    os.umask(mask)
    main = sys.modules["__main__"]
    return {
        "host": socket.gethostname(),
        "same": [
            os.getcwd(), mask, sys.argv, sys.path, os.getppid(), os.readlink("/proc/self/fd/0"),
            main.__name__, getattr(main, "__file__", None), repr(signal.getsignal(signal.SIGHUP)),
            sorted(name for name in os.environ if not name.startswith(("PARALLELFLOW_", "PYTHON"))),
        ],
        "own": [
            os.getpid(), random.random(), numpy.random.random(), uuid.uuid4().hex,
            multiprocessing.current_process().authkey.hex(), numpy.random.bytes(8).hex(),
        ],
        "leads": [os.getsid(0), os.getpgid(0), os.getpid()],
        "set": os.environ["PARALLELFLOW_ENGINE_SET"],
    }

def worked(number):
    import asyncio, multiprocessing
    async def later():
        await asyncio.sleep(0)
        return number
    found = [asyncio.run(later())]
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            found += pool.map(abs, [-number])
    return found

get_manager().configure("forked")
facts = ipyparallel.Client(profile="forked", timeout=60)[:].apply_sync(told)
work = api.parallel_map(worked, range(4), chunk_size=1)
print("FACTS", json.dumps({"engines": facts, "work": work}))
"""


CRASH = """
import sys
from pathlib import Path
from parallelflow import api, progress
from parallelflow.engine_manager import get_manager

def element(number, crashed=sys.argv[1]):
    import os, signal
    if number == 5 and not Path(crashed).exists():
        Path(crashed).touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return number

get_manager().configure("forked")
progress.listen(lambda snapshot: print(snapshot.note, flush=True))
print("VALUES", api.parallel_map(element, range(8), chunk_size=1))
"""


@dataclass
class Started:
    """A cluster of four engines: one that started alone on node1, three forked ones."""

    hosts: Machines
    processes: list[str]
    engines: list[dict[str, Any]]
    work: list[list[int]]


@pytest.fixture(scope="module")
def started(hosts: Machines) -> Iterator[Started]:
    # A Python that has all but this package.
    lacking = hosts.folder / "lacking" / "parallelflow" / "__init__.py"
    lacking.parent.mkdir(parents=True)
    lacking.write_text("raise ModuleNotFoundError('No module named parallelflow')\n")
    python = hosts.folder / "lacking" / "python"
    path = f"PYTHONPATH={lacking.parent.parent}:$PYTHONPATH"
    python.write_text(f'#!/bin/sh\nexec env {path} {sys.executable} "$@"\n')
    python.chmod(0o755)
    alone = {"n": 1, "engine_cmd": [str(python), "-m", "ipyparallel.engine"]}
    configure(hosts, "forked", {"node1": alone, "node2": 2, "node3": 1})
    command = start(hosts, "forked", 4)
    assert command.wait() == 0, command.text
    processes = engines_of(hosts)
    asked = Command(hosts, "-c", FACTS)
    assert asked.wait() == 0, asked.text
    [line] = [line for line in asked.text.splitlines() if line.startswith("FACTS ")]
    told = json.loads(line.removeprefix("FACTS "))
    engines = told["engines"]
    for engine in engines:
        path_of = engine["same"][3]
        path_of[:] = [folder for folder in path_of if folder != str(lacking.parent.parent)]
    yield Started(hosts, processes, engines, told["work"])
    clean(hosts, "forked")


def configure(hosts: Machines, name: str, engines: dict[str, object]) -> Path:
    return make_profile(
        hosts,
        name,
        f"c.SSHEngineSetLauncher.engines = {engines!r}\n"
        f"c.SSHEngineSetLauncher.remote_python = {sys.executable!r}\n",
    )


def test_what_loads_the_libraries_ends_and_leaves_no_zombie(started: Started) -> None:
    forked = [line for line in started.processes if HOST_ENGINES in line]
    # Each with its nanny.
    assert len(forked) == 2 * 3 and len(started.processes) == 2 * 4
    for node in started.hosts.nodes:
        assert "Z" not in started.hosts.run(node, "ps -e -o stat=")


def test_a_forked_engine_is_as_one_that_starts_alone(started: Started) -> None:
    [alone] = [engine for engine in started.engines if engine["host"] == "node1"]
    forked = [engine for engine in started.engines if engine["host"] != "node1"]
    assert sorted(engine["host"] for engine in forked) == ["node2", "node2", "node3"]
    for engine in forked:
        assert engine["same"] == alone["same"] and engine["set"] == alone["set"]
        assert len(set(engine["leads"])) == 1


def test_forked_engines_share_no_log_and_nothing_random(started: Started) -> None:
    forked = [engine["own"] for engine in started.engines if engine["host"] == "node2"]
    assert all(ours != theirs for ours, theirs in zip(*forked, strict=True))
    logs = "cd ~/.ipython/profile_forked/log; stat -c %a *; grep -c 'Nanny watching parent' *"
    told = [line.rpartition(":")[2] for line in started.hosts.run("node2", logs).splitlines()]
    assert told == ["600", "600", "1", "1"]


def test_elements_on_forked_engines_use_asyncio_and_multiprocessing(started: Started) -> None:
    assert started.work == [[number] * 3 for number in range(4)]


def test_the_death_of_a_forked_engine_is_told_by_its_nanny(started: Started) -> None:
    session = Command(started.hosts, "-c", CRASH, str(started.hosts.folder / "crashed"))
    assert session.wait() == 0, session.text
    assert "VALUES [0, 1, 2, 3, 4, 5, 6, 7]" in session.text
    # By that a crash is known: without a report it would be "taken away".
    assert "was lost; its elements run again elsewhere" in session.text
    logs = "cat ~/.ipython/profile_forked/log/ipengine-*"
    told = "".join(started.hosts.run(node, logs) for node in ("node2", "node3"))
    assert told.count("Notifying Hub that our parent has shut down") == 1


def test_a_start_that_is_given_up_while_a_host_loads_leaves_nothing_there(hosts: Machines) -> None:
    folder = hosts.folder / "waiting"
    folder.mkdir()
    python = folder / "python"
    python.write_text(
        f"#!/bin/sh\ntouch {folder}/begun\nwhile [ ! -e {folder}/go ]; do sleep 0.1; done\n"
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    engine = {"n": 2, "engine_cmd": [str(python), "-m", "ipyparallel.engine"]}
    configure(hosts, "waiting", {"node1": engine})
    command = start(hosts, "waiting", 2)
    wait_until((folder / "begun").exists)
    assert command.interrupt() == 130, command.text
    (folder / "go").touch()
    wait_until(lambda: not hosts.run("node1", "ps -e -o args= | grep [h]ost_engines || true"))
    assert hosts.run("node1", "ls ~/.ipython/profile_waiting/log") == ""
