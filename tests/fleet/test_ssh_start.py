"""Engines of other machines by real ssh servers: side by side, and every error names its host."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from parallelflow.engine_manager.launch.ssh_watch import LOOKS
from parallelflow.engine_manager.model import Origin
from tests.support.machines import Machines
from tests.support.waiting import wait_until

from .commands import Command, make_profile


def ssh_profile(hosts: Machines, name: str, each: int, ip: str = "10.77.0.1") -> Path:
    engines = dict.fromkeys(hosts.nodes, each)
    return make_profile(
        hosts,
        name,
        f"c.SSHEngineSetLauncher.engines = {engines!r}\n"
        f"c.SSHEngineSetLauncher.remote_python = {sys.executable!r}\n",
        ip,
    )


def start(hosts: Machines, profile: str, n: int) -> Command:
    arguments = ("start", "-n", str(n), "--profile", profile, "--launcher", "ssh")
    return Command.parallelflow(hosts, *arguments)


def clean(hosts: Machines, profile: str) -> None:
    cleaned = Command.parallelflow(hosts, "cleanup", "-y", "--profile", profile)
    assert cleaned.wait() == 0, cleaned.text
    wait_until(lambda: not engines_of(hosts))


def engines_of(hosts: Machines) -> list[str]:
    """Return the engines that run on the nodes."""
    script = "ps -e -o args= | grep [i]pyparallel.engine || true"
    return [line for node in hosts.nodes for line in hosts.run(node, script).splitlines()]


def connections(hosts: Machines, node: str) -> int:
    """Return how often somebody has logged in."""
    log = hosts.folder / "ssh" / f"{node}.log"
    return log.read_text().count("Accepted publickey")


def test_engines_of_three_hosts_start_by_few_connections(hosts: Machines) -> None:
    ssh_profile(hosts, "many", 4)
    before = [connections(hosts, node) for node in hosts.nodes]
    began = time.monotonic()
    started = start(hosts, "many", 12)
    assert started.wait() == 0, started.text
    rounds = (time.monotonic() - began) / LOOKS + 1  # those by which hosts tell what has ended
    assert "12 engines on the profile many (12 new" in started.text
    for node, past in zip(hosts.nodes, before, strict=True):
        assert connections(hosts, node) - past <= 1 + rounds
    info = Command.parallelflow(hosts, "info", "--profile", "many")
    assert info.wait() == 0
    assert all(info.text.count(f"\n{node} ") == 4 for node in hosts.nodes)
    # On the machine that has started it the controller is known, also by an outer address.
    [controller] = [line for line in info.text.splitlines() if line.startswith("controller ")]
    assert "10.77.0.1:" in controller and ", pid " in controller
    assert controller.endswith(Origin.DETACHED.value)
    clean(hosts, "many")


def test_a_host_that_cannot_be_reached_is_named_and_nothing_goes_on(hosts: Machines) -> None:
    ssh_profile(hosts, "cut", 2)
    hosts.run("node2", "mv ~/.ssh/authorized_keys ~/.ssh/hidden")
    try:
        started = start(hosts, "cut", 6)
        assert started.wait() == 1
    finally:
        hosts.run("node2", "mv ~/.ssh/hidden ~/.ssh/authorized_keys")
    assert "node2:" in started.text and "Permission denied" in started.text
    assert "node1:" not in started.text
    wait_until(lambda: not engines_of(hosts))


def test_a_host_without_the_engines_python_is_named(hosts: Machines) -> None:
    folder = ssh_profile(hosts, "bare", 1)
    config = folder / "ipcluster_config.py"
    missing = "{'node1': 1, 'node3': {'n': 1, 'engine_cmd': ['/opt/missing/python']}}"
    config.write_text(f"{config.read_text()}\nc.SSHEngineSetLauncher.engines = {missing}\n")
    started = start(hosts, "bare", 2)
    assert started.wait() == 1
    assert "node3: there is no /opt/missing/python" in started.text
    wait_until(lambda: not engines_of(hosts))


def test_engines_that_do_not_reach_the_controller_are_told(hosts: Machines) -> None:
    ssh_profile(hosts, "unreached", 1, "127.0.0.1")
    started = start(hosts, "unreached", 3)
    assert started.wait() == 1
    assert "could not reach the controller at 127.0.0.1" in started.text
    assert "firewall" in started.text and "IPController.ip" in started.text
    wait_until(lambda: not engines_of(hosts))
