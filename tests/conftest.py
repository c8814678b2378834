"""What holds for every test: a home of its own, no window on the screen, no process left behind.

The environment is set while this file is imported, before anything that reads it is.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import examples, leaks
from tests.support.fork_server import SESSION_LIBRARIES, WINDOW_LIBRARIES, ForkServer
from tests.support.home import make_home
from tests.support.shared_cluster import manager_with_engines
from tests.support.stale_segments import remove_stale_segments

if TYPE_CHECKING:
    from tests.support.loaded_programs import LoadedPrograms

HOME = make_home()
RUN = leaks.mark_this_run()
TEMPORARY = leaks.TemporaryFiles(HOME / "tmp")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def hear(name: str) -> None:
    """Have the processes that tests start hear a signal that this one was started to ignore.

    ``nohup`` has SIGHUP ignored, and a shell without job control SIGINT by what it starts with
    ``&``; children inherit that, but not a handler.
    """
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda *_: None)


for name in ("SIGHUP", "SIGINT", "SIGTERM"):
    hear(name)


@pytest.fixture(scope="session")
def home() -> Path:
    """Return the temporary home folder of this test run."""
    return HOME


@pytest.fixture(scope="session")
def vistrails_examples() -> Path:
    """Return the folder of the example vistrails that come with VisTrails."""
    folder = examples.find_examples()
    if folder is None:
        pytest.fail("VisTrails' examples were not found: set VISTRAILS_EXAMPLES to their folder")
    return folder


@pytest.fixture(scope="session")
def shared_engines(no_process_outlives_the_run: None) -> Iterator[None]:
    """Stop, after the last test, the engines that this process' own manager has started."""
    yield
    from parallelflow.engine_manager import get_manager

    get_manager().stop()


@pytest.fixture(scope="module")
def cluster(shared_engines: None) -> Any:
    """Return this process' own manager with two engines; tests of other folders use them, too."""
    return manager_with_engines()


@pytest.fixture(scope="session")
def windows(no_process_outlives_the_run: None) -> Iterator[ForkServer]:
    """Start the process that programs with VisTrails' window are forked from."""
    server = ForkServer(*WINDOW_LIBRARIES)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sessions(no_process_outlives_the_run: None) -> Iterator[ForkServer]:
    """Start the process that sessions are forked from of which only the result counts."""
    server = ForkServer(*SESSION_LIBRARIES)
    yield server
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def loaded_programs(no_process_outlives_the_run: None) -> Iterator[LoadedPrograms]:
    """Fork this process' controllers and engines from processes that have their libraries."""
    from ipyparallel.cluster import launcher

    from parallelflow.engine_manager.launch import local_engines
    from tests.support.loaded_programs import LoadedPrograms

    programs = LoadedPrograms()
    with pytest.MonkeyPatch.context() as patch:
        for module in (launcher, local_engines):
            patch.setattr(module, "Popen", programs.popen)
        yield programs
    programs.stop()


@pytest.fixture
def programs_load_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start controllers and engines as the product does, in a test of that."""
    from ipyparallel.cluster import launcher

    from parallelflow.engine_manager.launch import local_engines

    for module in (launcher, local_engines):
        monkeypatch.setattr(module, "Popen", subprocess.Popen)


@pytest.fixture(scope="session")
def core() -> Any:
    """Start VisTrails' headless core, with an execution log.

    Its interpreter collects garbage at each flush, which is before each workflow that a test runs.
    What is there now need not be looked at every time.
    """
    from parallelflow import host

    application = host.start_core()
    gc.collect()
    gc.freeze()
    return application


@pytest.fixture(scope="session", autouse=True)
def no_process_outlives_the_run() -> Iterator[None]:
    """Fail when, after everything else was torn down, a process of this run is still there."""
    yield
    left = leaks.wait_until_gone(RUN, seconds=leaks.GRACE_SECONDS)
    if left:
        leaks.kill(left)
        pytest.fail(f"left behind by the tests, now killed:\n{leaks.report(left)}", pytrace=False)
    files = TEMPORARY.report()
    if files:  # they go with the home; sessions that tests kill may leave some
        text = f"temporary files left behind by the tests:\n{files}"
        warnings.warn(pytest.PytestWarning(text), stacklevel=1)


@pytest.fixture(scope="module", autouse=True)
def what_is_there_is_left_out() -> None:
    """Leave what there is before the tests of a file out of each search for garbage in them.

    VisTrails searches before each workflow that it runs. Modules, caches and what tests have made
    add up to a million objects: half a second.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait for long: at the end, nothing would be left to do beside."""
    items.sort(key=lambda item: item.get_closest_marker("long_wait") is None)


def pytest_collection_finish() -> None:
    """Leave what pytest has made of all tests out of each search for garbage: a second of it."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup() -> None:
    """Remove what windows have left that tests have killed: another one could take it for its."""
    remove_stale_segments()


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Note which test has left temporary files."""
    TEMPORARY.look(nodeid)


@pytest.fixture
def no_memory_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system count no process that it killed for lack of memory: some tests beside do."""
    monkeypatch.setattr("parallelflow.work.memory_watch.memory_kills", lambda: 0)


@pytest.fixture(autouse=True)
def permissions_of_the_working_directory_stay() -> Iterator[None]:
    """Fail when a test, or a process that it has started, changes who can enter this folder."""
    here = Path.cwd()
    before = here.stat().st_mode
    yield
    if here.is_dir() and here.stat().st_mode != before:
        now = here.stat().st_mode
        here.chmod(before)
        pytest.fail(f"the permissions of {here} were changed to {now:o}", pytrace=False)


@pytest.fixture(autouse=True)
def no_process_outlives_the_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail when a test marked ``own_cluster`` leaves a process that was not there before it."""
    if request.node.get_closest_marker("own_cluster") is None:
        yield
        return
    before = leaks.processes_of(RUN)
    yield
    left = leaks.wait_until_gone(RUN, known=before, seconds=leaks.GRACE_SECONDS)
    if left:
        leaks.kill(left)
        pytest.fail(f"left behind by this test, now killed:\n{leaks.report(left)}", pytrace=False)


@pytest.fixture(autouse=True)
def no_test_resumes_what_another_has_left() -> Iterator[None]:
    """Remove what failed runs of a test have left in the home that all share."""
    yield
    left = HOME / ".vistrails" / "parallelflow" / "checkpoints"
    if left.is_dir():
        shutil.rmtree(left)
        for folder in (left.parent, left.parent.parent):  # unless there is something else in it
            with contextlib.suppress(OSError):
                folder.rmdir()


def pytest_unconfigure() -> None:
    """Remove the temporary home, last of all."""
    shutil.rmtree(HOME, ignore_errors=True)
