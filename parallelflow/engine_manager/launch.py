"""Start of a controller and of engines through ipyparallel's own `Cluster`.

`Cluster` brings the launchers (local, ssh, MPI, batch systems) and the cluster
file by which ``ipcluster list`` and Jupyter see what runs. What it lacks is added
here: options that make the start short, an environment that keeps engines from
competing for cores, one event loop that lives as long as the cluster, and the
record of every process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import site
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import ipyparallel
import psutil
from traitlets.config import Config

import parallelflow
from parallelflow.errors import ControllerFailed, EnginesFailed

from .processes import MARK, ProcessRecord, record_of

__all__ = ["EventLoop", "Launch", "child_environment"]

T = TypeVar("T")

# Registration is complete at the next heartbeat, so the period is what a start waits for
# (3 000 ms by default). At 200 ms an idle cluster of two engines takes about half a percent
# of a core (measured); at 100 ms it is two.
HEARTBEAT_MS = 200
# A suspended laptop or a long stall must not lose engines for ever: 150 x 200 ms = 30 s,
# what ipyparallel's defaults come to.
HEARTBEAT_MISSES = 150
# From the start of ipcontroller to its connection files: 0.7 s on an idle machine; a loaded
# one with a cold disk may need much longer, a controller that has ended is noticed at once.
CONTROLLER_SECONDS = 60.0
# What a launcher's own start may take: a fork locally, a queue submission elsewhere.
LAUNCH_SECONDS = 120.0
# Lines of a log that tell the reason: a traceback's end and some context.
TAIL_LINES = 15

# Libraries that start one thread per core each: with one engine per core that is too many.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

CONTROLLER_ARGUMENTS = (
    f"--HeartMonitor.period={HEARTBEAT_MS}",
    f"--HeartMonitor.max_heartmonitor_misses={HEARTBEAT_MISSES}",
    # With a database the hub keeps every task and result for ever.
    "--nodb",
)

logger = logging.getLogger(__name__)


def child_environment(token: str) -> dict[str, str]:
    """Return what the environment of our processes has beyond the session's own.

    Parameters
    ----------
    token : str
        The session's mark.

    Returns
    -------
    dict of str to str
        The mark, ``PYTHONSAFEPATH`` (a ``random.py`` in the working directory would
        stop a controller otherwise), one numeric thread per engine unless the user
        set another number, and the way to this package where it is not installed.
    """
    environment = {MARK: token, "PYTHONSAFEPATH": "1"}
    for name in THREAD_VARIABLES:
        environment.setdefault(name, os.environ.get(name, "1"))
    here = str(Path(parallelflow.__file__).parent.parent)
    installed = {str(Path(p)) for p in [*site.getsitepackages(), site.getusersitepackages()]}
    if here not in installed:
        path = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
        environment["PYTHONPATH"] = os.pathsep.join([*path, here])
    return environment


class EventLoop:
    """An asyncio loop in a thread of its own, alive as long as the cluster.

    With ipyparallel's ``_sync`` methods the loop is gone after each call, and
    `Cluster` never learns of a later death.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="parallelflow-cluster", daemon=True
        )
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine in the loop and return its result.

        Raises
        ------
        TimeoutError
            If it takes longer than `seconds`; it is cancelled then.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(seconds)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Stop the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LAUNCH_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()


class Launch:
    """One cluster of a profile as we start it: a controller and sets of engines.

    Parameters
    ----------
    profile_folder : Path
        The profile's folder.
    cluster_id : str
        Empty for the profile's default cluster, which other programs find.
    token : str
        The session's mark, see `child_environment`.
    """

    def __init__(self, profile_folder: Path, cluster_id: str, token: str) -> None:
        self._loop = EventLoop()
        self.environment = child_environment(token)
        self._engine_launchers: list[Any] = []
        config = Config()
        config.LocalEngineSetLauncher.delay = 0
        self.cluster = self._loop.run(
            self._make(profile_folder, cluster_id, config), LAUNCH_SECONDS
        )

    async def _make(
        self, profile_folder: Path, cluster_id: str, config: Config
    ) -> ipyparallel.Cluster:
        cluster = ipyparallel.Cluster(
            profile_dir=str(profile_folder),
            cluster_id=cluster_id,
            config=config,
            delay=0,
            # Ours to stop: atexit would stop what was left running on purpose.
            shutdown_atexit=False,
            log_level=logging.ERROR,
        )
        # The same option given twice ends the controller: the profile's own comes first.
        given = {argument.partition("=")[0] for argument in cluster.controller_args}
        cluster.controller_args = [
            *cluster.controller_args,
            *(a for a in CONTROLLER_ARGUMENTS if a.partition("=")[0] not in given),
        ]
        return cluster

    def _environment(self, launcher_class: type) -> dict[str, str]:
        """Return our environment and, before it, what the profile's config asks for."""
        configured = launcher_class(parent=self.cluster).environment  # type: ignore[attr-defined]
        return {**self.environment, **configured}

    def remove_connection_files(self) -> None:
        """Remove what a dead cluster of the same id left, which would be taken for ours."""
        launcher = self.cluster.controller_launcher_class(
            profile_dir=self.cluster.profile_dir, cluster_id=self.cluster.cluster_id
        )
        for path in _files(launcher):
            Path(path).unlink(missing_ok=True)

    def start_controller(self) -> ProcessRecord | None:
        """Start ipcontroller; its connection files need not be there yet.

        Returns
        -------
        ProcessRecord or None
            The process on this machine, None if the profile's launcher starts it elsewhere.

        Raises
        ------
        ControllerFailed
            If its launcher fails.
        """
        try:
            environment = self._environment(self.cluster.controller_launcher_class)
            self._loop.run(self.cluster.start_controller(environment=environment), LAUNCH_SECONDS)
        except Exception as e:
            raise ControllerFailed(
                f"the controller of {self._name()} could not be started: {e!r}. "
                "Check that ipyparallel is installed completely (python -m ipyparallel.controller)."
            ) from e
        return record_of(getattr(self.cluster.controller, "pid", -1), "controller")

    def wait_for_controller(self) -> None:
        """Wait until the controller has written its connection files.

        Raises
        ------
        ControllerFailed
            If it ends before, or takes too long; with the end of its log.
        """
        controller = self.cluster.controller
        try:
            self._loop.run(
                controller.get_connection_info(timeout=CONTROLLER_SECONDS), CONTROLLER_SECONDS + 10
            )
        except Exception as e:
            tail, path = _log(controller)
            raise ControllerFailed(
                f"the controller of {self._name()} did not come up: {e}.", tail, path
            ) from e

    def start_engines(self, n: int) -> list[ProcessRecord]:
        """Start a set of n engines with the profile's launcher; does not wait for them.

        Returns
        -------
        list of ProcessRecord
            The processes on this machine: n for local engines, one for a launcher that
            starts them elsewhere (mpiexec, a batch system's command), or none.

        Raises
        ------
        EnginesFailed
            If the launcher fails.
        """
        try:
            environment = self._environment(self.cluster.engine_launcher_class)
            set_id = self._loop.run(
                self.cluster.start_engines(n, environment=environment), LAUNCH_SECONDS
            )
        except Exception as e:
            raise EnginesFailed(
                f"{n} engines of {self._name()} could not be started: {e!r}. "
                "Check the launcher that the profile's ipcluster_config.py chooses.",
                wanted=n,
            ) from e
        launcher = self.cluster.engines[set_id]
        records = []
        for one in list((getattr(launcher, "launchers", None) or {"0": launcher}).values()):
            record = record_of(getattr(one, "pid", -1), "engine")
            if record is not None:
                records.append(record)
            self._engine_launchers.append(one)
        return records

    def engine_log(self) -> tuple[str, str]:
        """Return the end and the path of the log of an engine that has ended, empty if none."""
        for launcher in self._engine_launchers:
            if not psutil.pid_exists(getattr(launcher, "pid", -1)) or not launcher.running:
                tail, path = _log(launcher)
                if tail:
                    return tail, path
        return "", ""

    def forget(self) -> None:
        """Take note that everything was stopped: remove cluster and connection files."""
        controller, self.cluster.controller = self.cluster.controller, None
        self.cluster.engines = {}
        for launcher in [*self._engine_launchers, *([controller] if controller else [])]:
            _log(launcher, remove=True)
        for path in [self.cluster.cluster_file, *(_files(controller) if controller else [])]:
            Path(path).unlink(missing_ok=True)

    def close(self) -> None:
        """End the event loop; processes are not touched."""
        self._loop.close()

    def _name(self) -> str:
        return f"the profile {Path(self.cluster.profile_dir).name.removeprefix('profile_')}"


def _files(controller: Any) -> list[str]:
    return [str(path) for path in controller.connection_files.values()]


def _log(launcher: Any, remove: bool = False) -> tuple[str, str]:
    """Return the last lines of a launcher's log and the log's path, empty if it is gone."""
    path = str(getattr(launcher, "output_file", "") or "")
    try:
        text = launcher.get_output(remove=remove) or ""
    except Exception as e:  # a remote launcher may have to fetch it
        logger.debug("no log of %s: %r", launcher, e)
        return "", ""
    tail = "\n".join(text.strip().splitlines()[-TAIL_LINES:])
    return tail, path if path and Path(path).exists() else ""


