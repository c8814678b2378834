"""A stand-in for the engine manager, for the dialogs' own logic; a check that nothing is left."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine_manager.model import (
    EngineStart,
    Inventory,
    LauncherChoice,
    LaunchPreview,
    ProfileInfo,
    Stage,
    StartSnapshot,
    State,
)
from parallelflow.engine_manager.model.information import ClusterInfo
from parallelflow.errors import StartCancelled
from tests.gui import walks
from tests.gui.walks import LIMIT, Walk
from tests.support import leaks
from tests.support.fork_server import ForkServer
from tests.support.home import LARGE_PACKAGES, disable_packages
from tests.support.waiting import LIMIT_SECONDS

pytest.importorskip("PyQt5.QtWidgets")

LAUNCHERS = [
    LauncherChoice("local", "this machine", "", True, True),
    LauncherChoice("ssh", "other machines, by ssh", "ssh", True, False),
    LauncherChoice("slurm", "Slurm (sbatch)", "sbatch", False, False),
    LauncherChoice("htcondor", "HTCondor (condor_submit)", "condor_submit", False, False),
]


class FakeManager:
    """What the dialogs call of an engine manager, told by each test what to answer."""

    def __init__(self) -> None:
        self.profile = "default"
        self.launcher: str | None = None
        self.state = State.NO_CLUSTER
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.information = ClusterInfo("default", State.NO_CLUSTER)
        self.found = Inventory("default")
        self.plan: Any = None
        self.left: list[Any] = []
        self.known = [ProfileInfo("default", "/profiles/default", True, False)]
        self.go_on = threading.Event()
        self.go_on.set()
        self._listeners: list[Callable[[State], None]] = []

    def _do(self, *call: Any) -> None:
        """Note a call; wait and fail as the test wants."""
        assert threading.current_thread() is not threading.main_thread(), "the window waits"
        self.calls.append(call)
        assert self.go_on.wait(LIMIT_SECONDS)
        if self.error is not None:
            raise self.error

    # What never waits.

    def on_state(self, listener: Callable[[State], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def enter(self, state: State) -> None:
        """Change the state, as a thread of the manager does."""
        self.state = state
        thread = threading.Thread(target=lambda: [tell(state) for tell in self._listeners])
        thread.start()
        thread.join()

    def suggested_engines(self) -> int:
        return 3

    def free_cores(self) -> int:
        return 3

    def runs(self) -> tuple[Any, ...]:
        return self.information.runs

    # What waits.

    def connect(self) -> None:
        self._do("connect")

    def launchers(self) -> list[LauncherChoice]:
        return LAUNCHERS

    def launch_preview(self, name: str, n: int) -> LaunchPreview:
        self._do("preview", name, n)
        return LaunchPreview(name, "ipcontroller", f"ipengine x {n} by {name}", notes=("a note",))

    def start_engines(
        self, n: int, launcher: str | None, *, progress: Any, cancel: Any, limits: Any = None
    ) -> None:
        if limits is not None:
            self._do("follow", limits)
            n = limits.minimum
        else:
            self._do("start", n, launcher)
        for stage in (Stage.WAITING, Stage.STARTED, Stage.REGISTERED, Stage.READY):
            if cancel.wait(0.05):
                raise StartCancelled("the start was cancelled")
            engines = tuple(EngineStart(number, stage) for number in range(1, n + 1))
            progress(StartSnapshot("default", launcher or "", Stage.REGISTERED, engines))

    def info(self) -> ClusterInfo:
        self._do("info")
        return self.information

    def stop_engine(self, engine: int) -> None:
        self._do("stop", engine)

    def interrupt_engine(self, engine: int) -> None:
        self._do("interrupt", engine)

    def profiles(self) -> list[ProfileInfo]:
        self._do("profiles")
        return self.known

    def create_profile(self, name: str) -> None:
        self._do("create", name)
        self.known = [*self.known, ProfileInfo(name, f"/profiles/{name}", False, True)]

    def change_profile(self, name: str, leave: bool = False) -> None:
        self._do("change", name, leave)
        self.profile = name

    def inventory(self) -> Inventory:
        self._do("inventory")
        return self.found

    def cleanup(self) -> list[int]:
        self._do("cleanup")
        return self.left

    def leave_running(self) -> None:
        self._do("leave")

    def shutdown_plan(self) -> Any:
        return self.plan

    def shutdown_cluster(self) -> list[str]:
        self._do("shutdown")
        return self.left


@pytest.fixture
def manager() -> Iterator[FakeManager]:
    """Return the stand-in; whoever waits for it goes on at the end."""
    fake = FakeManager()
    yield fake
    fake.error = None
    fake.go_on.set()


@pytest.fixture
def qtbot(qtbot: Any) -> Any:
    """Return pytest-qt's; it waits as long as other tests do, where it would wait 5 s."""
    for name in ("waitUntil", "waitSignal"):
        waiting = functools.partial(getattr(qtbot, name), timeout=int(LIMIT_SECONDS * 1000))
        setattr(qtbot, name, waiting)
    return qtbot


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail when a test leaves a window, a running timer or a thread of ours."""
    if "qtbot" not in request.fixturenames:
        yield
        return
    from PyQt5.QtCore import QCoreApplication, QEvent, QTimer
    from PyQt5.QtWidgets import QApplication

    from parallelflow.gui import tasks

    # A cluster that the whole run shares has a thread that watches it.
    before = set(threading.enumerate())
    yield
    app = QApplication.instance()
    assert app is not None
    for widget in QApplication.topLevelWidgets():
        widget.close()
    deadline = time.monotonic() + LIMIT_SECONDS
    while tasks._running and time.monotonic() < deadline:
        QCoreApplication.processEvents()
        time.sleep(0.01)
    QCoreApplication.sendPostedEvents(None, QEvent.DeferredDelete)
    new = set(threading.enumerate()) - before
    left = [t.name for t in new if t.name.startswith("parallelflow")]
    assert not tasks._running and not left, left
    timers = [
        timer
        for widget in QApplication.topLevelWidgets()
        for timer in widget.findChildren(QTimer)
        if timer.isActive()
    ]
    assert not timers


# -- VisTrails' real window -------------------------------------------------------------------


@pytest.fixture(scope="session")
def maps(tmp_path_factory: pytest.TempPathFactory, windows: ForkServer) -> Path:
    """Return a vistrail with Maps, see `make_vistrail`."""
    path = tmp_path_factory.mktemp("vistrail") / "maps.vt"
    windows.run("tests.gui.make_vistrail", [str(path)], os.environ, LIMIT).check_returncode()
    return path


@pytest.fixture(scope="session")
def opened_once(home: Path, walk: Walk) -> Path:
    """Return the home of a user who has had the window open once.

    At the first start VisTrails enables packages that lack something; its messages tell of it.
    Nothing is printed, also where a package of VisTrails' own list cannot run on this machine.
    """
    home = short_home(home)
    walk(home, "quit_by_menu")
    walks.forget_unsaved(home)
    disable_packages(home, *LARGE_PACKAGES)
    return home


@pytest.fixture
def user(home: Path, opened_once: Path, maps: Path) -> Path:
    """Return the home of a user with a vistrail of their own."""
    own = short_home(home)
    shutil.copytree(opened_once, own, ignore_dangling_symlinks=True, dirs_exist_ok=True)
    shutil.copy(maps, own / "maps.vt")
    return own


@pytest.fixture(scope="session")
def walk(windows: ForkServer) -> Walk:
    """Return `walks.walk`; other tests start a window anew."""
    return functools.partial(walks.walk, windows)


def short_home(folder: Path) -> Path:
    """Make a home whose name is short: the window makes a socket in it, and warns if it cannot."""
    return Path(tempfile.mkdtemp(dir=folder))


@pytest.fixture
def others() -> set[leaks.Left]:
    """Return the processes of the run that are not the test's own, such as a shared cluster."""
    return leaks.processes_of(os.environ[leaks.VARIABLE])
