"""Whether a controller's processes have ended, or have not had the time to start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from parallelflow.engine_manager.connection import controller_processes
from parallelflow.engine_manager.connection.connection_files import ConnectionFile
from parallelflow.engine_manager.connection.controller_processes import (
    STARTING_SECONDS,
    ControllerProcesses,
)

# What the clock says: this process was started long ago, as a controller that gets little of the
# cores was.
NOW = time.time() + 3600


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectionFile]:
    """Return the connection file of a hub, this process, whose schedulers do not listen."""
    clock = SimpleNamespace(time=lambda: NOW, monotonic=time.monotonic)
    monkeypatch.setattr(controller_processes, "time", clock)
    with socket.socket() as hub, socket.socket() as nobody:
        hub.bind(("127.0.0.1", 0))
        hub.listen()
        nobody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        nobody.bind(("127.0.0.1", 0))
        port, free = hub.getsockname()[1], nobody.getsockname()[1]
        path = tmp_path / "ipcontroller-client.json"
        path.write_text(json.dumps({"registration": port, "mux": free, "hb_ping": free}))
        yield ConnectionFile(path, "", "127.0.0.1", port)


@pytest.mark.parametrize(
    ("age", "fault"),
    [
        (0.0, ""),  # they are about to start
        (STARTING_SECONDS + 5, "its mux scheduler has ended"),
        (-3600.0, "its mux scheduler has ended"),  # of another machine's clock
    ],
)
def test_schedulers_have_time_from_when_the_files_were_written(
    connection: ConnectionFile, age: float, fault: str
) -> None:
    os.utime(connection.path, (NOW - age, NOW - age))
    assert ControllerProcesses(connection).fault(at_once=True) == fault


@pytest.mark.parametrize("alone", [False, True])
def test_who_has_taken_a_port_is_no_part_of_the_controller(
    connection: ConnectionFile, alone: bool
) -> None:
    """Parts of a controller are of one session (setsid); a process of another has taken it."""
    port = json.loads(connection.path.read_text())["hb_ping"]
    address = ("127.0.0.1", port)
    listen = f"import socket; s = socket.create_server({address}); print(flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", listen],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=alone,
    )
    try:
        assert process.stdout is not None and process.stdout.readline()
        found = ControllerProcesses(connection).pids()
        assert found.get("hb_ping") == (None if alone else [process.pid])
    finally:
        process.communicate(b"\n", timeout=60)
