"""What is read of all processes and ports: as psutil has it, which asks for more than is needed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from parallelflow.engine_manager.system import process_table
from parallelflow.engine_manager.system.process_table import (
    ProcessTable,
    listening_pids,
    pids_with_variable,
)
from tests.support.waiting import wait_until

# A process with two children, of which one leads a session of its own and has a child, too.
TREE = """
import subprocess, sys
wait = [sys.executable, "-c", "input()"]
inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
subprocess.Popen(wait, stdin=subprocess.PIPE)
subprocess.Popen([sys.executable, "-c", inner], stdin=subprocess.PIPE, start_new_session=True)
print("ready", flush=True)
input()
"""


@pytest.fixture
def tree() -> Iterator[psutil.Process]:
    with subprocess.Popen(
        [sys.executable, "-c", TREE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        parent = psutil.Process(process.pid)
        while len(parent.children(recursive=True)) < 3:
            pass
        yield parent
        for child in parent.children(recursive=True):
            child.kill()
        process.kill()


def test_descendants_and_sessions_are_found(tree: psutil.Process) -> None:
    table = ProcessTable()
    expected = {child.pid for child in tree.children(recursive=True)}
    assert len(expected) == 3
    assert set(table.descendants(tree.pid)) == expected
    for pid in (tree.pid, *expected):
        assert table.sessions[pid] == os.getsid(pid)
    assert len({table.sessions[pid] for pid in expected}) == 2
    assert table.descendants(max(expected) + 2**22) == []


def test_processes_are_found_by_a_variable() -> None:
    name, value = "PARALLELFLOW_TEST", f"a value of {os.getpid()}"
    environment = {**os.environ, name: value}
    command = [sys.executable, "-c", "print(1, flush=True); input()"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        assert pids_with_variable(name, value) == [process.pid]
        assert pids_with_variable(name, value[:-1]) == []  # no part of a value
        process.kill()


@pytest.fixture(params=["here", "elsewhere"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look as on Linux, and as on other systems."""
    monkeypatch.setattr(process_table, "LINUX", request.param == "here")


@pytest.mark.usefixtures("system")
def test_who_listens_is_found_by_port() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_connection(one.getsockname()) as connected,
    ):
        ports = [each.getsockname()[1] for each in (one, other)]
        nobodys = connected.getsockname()[1]  # used, but nobody listens
        # The child of this process holds the sockets, too.
        with subprocess.Popen(
            [sys.executable, "-c", "input()"],
            stdin=subprocess.PIPE,
            pass_fds=[one.fileno(), other.fileno()],
        ) as child:
            found = listening_pids([*ports, nobodys])
            assert found.keys() == set(ports)
            # A program that another thread is just starting holds them for a moment, too.
            wait_until(lambda: set(listening_pids(ports).values()) <= {os.getpid(), child.pid})
            assert listening_pids(ports[:1]).keys() == {ports[0]}
            assert listening_pids([]) == {}
            other.close()
            wait_until(lambda: listening_pids(ports)[ports[1]] == child.pid)
            child.kill()


@pytest.mark.skipif(not socket.has_ipv6, reason="Python has no IPv6 here")
@pytest.mark.usefixtures("system")
def test_who_listens_on_ipv6_is_found() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        port = server.getsockname()[1]
        wait_until(lambda: listening_pids([port]) == {port: os.getpid()})
