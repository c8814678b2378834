"""Every repair cures its fault, and without it the fault shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallelflow.host.repairs import (
    REPAIRS,
    SKIP_VARIABLE,
    Repair,
    load_package_repairs,
    packages_with_repairs,
)
from tests.host import symptoms
from tests.support.fork_server import LIBRARIES, PARTS, ForkServer

ROOT = Path(__file__).parents[2]
OF_PACKAGES = {codepath: load_package_repairs(codepath) for codepath in packages_with_repairs()}
ALL = (*REPAIRS, *(repair for repairs in OF_PACKAGES.values() for repair in repairs))
SYMPTOMS = symptoms.load()

#: Seconds, a guard against deadlocks. A symptom takes one or two; the first of VTK has all of its
#: classes looked at, for which a busy machine needs minutes, and one that is killed starts anew.
LIMIT = 600

pytestmark = pytest.mark.timeout(2 * LIMIT)

#: Faults whose check spoils the process for another one's.
ALONE = {
    "updates",
    "updates-message",
    "start-folder",
    "second-window",
    "configuration-lists",
    "configuration-of-another",
    "first-start",
    "entry-points",
    "import-elsewhere",
    "import-hook",
    "import-threads",
    "initial-configuration",
    "install-offer",
    "lazy-submodules",
    "unload",
}
WINDOW = {
    repair.name
    for repair in ALL
    if any(module.startswith("vistrails.gui") for module in repair.modules)
}


#: Checks that have VisTrails' window or many of its packages, which import large libraries.
WITH_LIBRARIES = {
    "first-start",
    "group-upgrades",
    *WINDOW,
    *(repair.name for repairs in OF_PACKAGES.values() for repair in repairs),
}

#: Libraries that Parallel Flow's package imports, which each check with VisTrails' core enables.
OF_THE_PACKAGE = (
    "importlib.metadata",
    "importlib.resources",
    "multiprocessing.reduction",
    "psutil",
    "zmq",
)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """Start the process that checks are forked from, each with a VisTrails of its own."""
    server = ForkServer(*LIBRARIES, *OF_THE_PACKAGE, *PARTS)
    yield server
    server.stop()


Servers = tuple[ForkServer, ForkServer]


@pytest.fixture(scope="module")
def servers(server: ForkServer, windows: ForkServer) -> Servers:
    """Return the processes for checks with few and with large libraries."""
    return server, windows


def check(servers: Servers, *names: str, without: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, SKIP_VARIABLE: without}
    server = servers[names[0] in WITH_LIBRARIES]
    return server.run("tests.host.symptoms", names, environment, LIMIT)


def test_a_check_in_a_process_of_its_own() -> None:
    """As the others, but started anew."""
    name = "entry-points"
    for without, code in (("", 0), (name, 1)):
        result = subprocess.run(
            [sys.executable, "-m", "tests.host.symptoms", name],
            cwd=ROOT,
            env={**os.environ, SKIP_VARIABLE: without},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert result.returncode == code, result.stderr


def test_every_repair_has_a_symptom() -> None:
    assert {repair.name for repair in ALL} == SYMPTOMS.keys()


def test_every_repair_tells_what_it_is_for() -> None:
    for repair in ALL:
        moments = (repair.before, repair.after, repair.around, repair.instead)
        assert sum(moment is not None for moment in moments) == 1, repair.name
        assert repair.symptom and repair.cause and repair.affected and repair.modules


@pytest.mark.parametrize("repair", ALL, ids=lambda repair: repair.name)
def test_without_the_repair_the_fault_shows(repair: Repair, servers: Servers) -> None:
    symptom = SYMPTOMS[repair.name]
    without = ",".join([repair.name, *symptom.hidden_by])
    result = check(servers, repair.name, without=without)
    if result.returncode == symptoms.NOT_HERE:
        pytest.skip(f"this machine has not the fault ({repair.affected})")
    assert result.returncode == 1, result.stderr
    assert re.search(symptom.says, result.stderr), result.stderr


@pytest.mark.parametrize(
    "names",
    [
        sorted({repair.name for repair in REPAIRS} - WINDOW - ALONE),
        sorted(WINDOW - ALONE),
        *([name] for name in sorted(ALONE)),
        *([repair.name for repair in repairs] for repairs in OF_PACKAGES.values()),
    ],
    ids=lambda names: names[0] if len(names) == 1 else f"{names[0]}-and-{len(names) - 1}-more",
)
def test_with_the_repairs_no_fault_shows(names: list[str], servers: Servers) -> None:
    result = check(servers, *names)
    if result.returncode == symptoms.NOT_HERE:
        pytest.skip("this machine has not the fault")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
