"""Start of a controller and of engines through ipyparallel's own `Cluster`.

`Cluster` brings the launchers (local, ssh, MPI, batch systems) and the cluster
file by which ``ipcluster list`` and Jupyter see what runs. What it lacks is added
here: options that make the start short, an environment that keeps engines from
competing for cores, one event loop that lives as long as the cluster, and the
record of every process. The file is long because `Cluster` is touched here alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipyparallel
from ipyparallel.cluster import launcher as ipp_launcher
from traitlets.config import Config

from parallelflow.engine.session_state import LAUNCHER_VARIABLES
from parallelflow.errors import ControllerFailed, EnginesFailed, ProfileUnusable, StartCancelled
from parallelflow.system.safe_files import read_json
from parallelflow.system.working_directory import working_directory

from ..system.jobs import JobRecord
from ..system.processes import ENGINE_SET, ProcessRecord, record_of
from ..system.resources import what_to_do
from . import capacity, launchers
from .controller_options import check_configuration, controller_arguments, wrong_values_told
from .engine_set import EngineSet, log_names, log_of, make_private
from .environment import child_environment
from .event_loop import EventLoop
from .local_engines import fork_engines_of_this_machine
from .programs import keep_what_programs_say
from .ssh_hosts import HostFailed

__all__ = ["ClusterLauncher"]

Check = Callable[[], object]

# What a launcher's own start may take: a fork locally, a queue submission elsewhere.
LAUNCH_SECONDS = 120.0
# The loop writes the file in a millisecond; one that hangs in a launcher's call writes nothing.
LEAVE_SECONDS = 1.0
# Each host has a bound of its own, and they are asked side by side.
SSH_SECONDS = 3600.0

# In a controller's log: ipcontroller chooses its ports before it takes them.
TAKEN_PORT = "Address already in use"

COMPLETE = "Check that ipyparallel is installed completely (python -m ipyparallel.controller)."
CONFIGURED = "Check the launcher, which the profile's ipcluster_config.py configures."


class ClusterLauncher:
    """One cluster of a profile as we start it: a controller and sets of engines.

    Parameters
    ----------
    profile_folder : Path
        The profile's folder.
    cluster_id : str
        Empty for the profile's default cluster, which other programs find.
    token : str
        The session's token, see `child_environment`.

    Raises
    ------
    ConfigurationFailed
        If one of the profile's configuration files cannot be read.
    WorkingDirectoryGone
        If this process has no working directory.
    """

    def __init__(self, profile_folder: Path, cluster_id: str, token: str) -> None:
        working_directory()  # or ipyparallel's launchers fail as they are imported
        keep_what_programs_say()
        fork_engines_of_this_machine()
        check_configuration(profile_folder)
        self._folder = profile_folder
        self._loop = EventLoop()
        self._sets: list[EngineSet] = []
        self.controller_jobs: list[JobRecord] = []
        self.environment = child_environment(token)
        config = Config()
        config.LocalEngineSetLauncher.delay = 0
        try:
            self.cluster = self._loop.run(self._make(cluster_id, config), LAUNCH_SECONDS)
        except BaseException:
            self._loop.close()
            raise
        self._profiles_own = self.cluster.engine_launcher_class
        self._left_file = ""

    async def _make(self, cluster_id: str, config: Config) -> ipyparallel.Cluster:
        with wrong_values_told(self._folder):
            return ipyparallel.Cluster(
                profile_dir=str(self._folder),
                cluster_id=cluster_id,
                config=config,
                delay=0,
                # Ours to stop: atexit would stop what was left running on purpose.
                shutdown_atexit=False,
                # We wait for the connection files ourselves, with the engines already starting.
                send_engines_connection_env=False,
                log_level=logging.ERROR,
            )

    def _environment(self, launcher_class: type) -> dict[str, str]:
        """Return our environment and, before it, what the profile's config asks for."""
        # With the folder: a batch system's launcher makes its "log" in the working directory else.
        configured = launcher_class(
            parent=self.cluster,
            profile_dir=self.cluster.profile_dir,
            cluster_id=self.cluster.cluster_id,
        ).environment
        # Elements find these as the profile has them, not as the session has.
        names = {LAUNCHER_VARIABLES: ",".join(configured)} if configured else {}
        return {**self.environment, **configured, **names}

    # -- the controller -------------------------------------------------------------------

    @property
    def files(self) -> list[Path]:
        """The files that the cluster has in the profile's security folder while it runs."""
        launcher = self.cluster.controller_launcher_class(
            profile_dir=self.cluster.profile_dir, cluster_id=self.cluster.cluster_id
        )
        found = [Path(path) for path in launcher.connection_files.values()]
        cluster_file = self.cluster.cluster_file or self._left_file
        return [*found, Path(cluster_file)] if cluster_file else found

    def remove_stale_files(self) -> None:
        """Remove what a dead cluster of the same id left, which would be taken for ours.

        Raises
        ------
        ProfileUnusable
            If it cannot be removed.
        """
        for path in self.files:
            try:
                path.unlink(missing_ok=True)
            except OSError as e:
                raise ProfileUnusable(
                    f"{path} is in the way of the cluster's own file: {e}. Remove it."
                ) from e

    def start_controller(self, check: Check = lambda: None) -> ProcessRecord | None:
        """Start ipcontroller; its connection files need not be there yet.

        Parameters
        ----------
        check : callable
            Called while the launcher works; raises if the user has given up.

        Returns
        -------
        ProcessRecord or None
            The process on this machine, None if the profile's launcher starts it elsewhere.

        Raises
        ------
        ControllerFailed
            If its launcher fails.
        """
        # The same option given twice ends the controller: the profile's own comes first.
        given = [str(a) for a in self.cluster.controller_args]
        self.cluster.controller_args = [*given, *controller_arguments(self._folder, given)]
        try:
            environment = self._environment(self.cluster.controller_launcher_class)
            options = launchers.controller_command(self.cluster)
            starting = self.cluster.start_controller(environment=environment, **options)
            self._loop.run(starting, LAUNCH_SECONDS, check)
        except StartCancelled:
            raise
        except Exception as e:
            raise ControllerFailed(
                f"The controller of {self._name()} could not be started: {_why(e)}. "
                f"{what_to_do(e, COMPLETE)}"
            ) from e
        controller = self.cluster.controller
        if isinstance(controller, (ipp_launcher.SSHLauncher, ipp_launcher.BatchSystemLauncher)):
            name = ipp_launcher.abbreviate_launcher_class(type(controller))
            self.controller_jobs = [
                replace(job, kind="controller", text=job.text.replace("engine", "controller"))
                for job in EngineSet(name, controller).jobs
            ]
            return None
        make_private(controller)
        return record_of(getattr(controller, "pid", -1), "controller")

    def controller_up(self) -> bool:
        """Whether the controller has written its connection files.

        Raises
        ------
        ControllerFailed
            If it has ended; with its log.
        """
        controller = self.cluster.controller
        if all(_whole(Path(path)) for path in controller.connection_files.values()):
            return True
        status = controller.poll()
        if status is not None:
            error = ControllerFailed(
                f"The controller of {self._name()} ended at once (exit code {status}).",
                log_of(controller),
            )
            error.passing = TAKEN_PORT in error.log
            raise error
        return False

    def logs(self) -> list[str]:
        """Return the name of the controller's log file, relative to the profile's folder."""
        return log_names(self.cluster.controller)

    def controller_log(self) -> str:
        """Return the controller's log so far."""
        return log_of(self.cluster.controller)

    def has_met_taken_port(self) -> bool:
        """Whether the controller's log says that a port was taken when a part of it began."""
        return TAKEN_PORT in self.controller_log()

    # -- engines --------------------------------------------------------------------------

    def check_launcher(self, name: str | None, n: int) -> None:
        """Raise unless a launcher can start n engines from here.

        Raises
        ------
        UserMistake
            If there is none of this name, or this machine's memory has no room for them.
        ClusterError
            If a program or a setting that it needs is missing.
        """
        if self.starts_locally(name):
            capacity.check_memory(n)
        else:
            launchers.check_launcher(self.cluster, name, n)

    def starts_locally(self, name: str | None) -> bool:
        """Whether engines of a launcher are processes of this machine, started at once."""
        if name is not None:
            return name == "local"
        return self._profiles_own is ipp_launcher.LocalEngineSetLauncher

    def start_engines(
        self, n: int, launcher: str | None = None, check: Check = lambda: None
    ) -> EngineSet:
        """Start a set of n engines; does not wait for them.

        Parameters
        ----------
        n : int
            How many.
        launcher : str, optional
            ipyparallel's short name of a launcher; the profile's own if not given.
        check : callable
            Called while the launcher works; raises if the user has given up.

        Raises
        ------
        EnginesFailed
            If the launcher fails.
        """
        if self.cluster.controller is None:
            # The cluster is another's, and so is the file that names it: ipyparallel would
            # write it again, and remove it when our engines have ended.
            self.cluster.cluster_file = ""
        # Else the launcher of the start before would be the profile's.
        self.cluster.engine_launcher_class = launcher or self._profiles_own
        launcher_class = self.cluster.engine_launcher_class
        name = ipp_launcher.abbreviate_launcher_class(launcher_class)
        # Two sessions may add engines within a second, after which sets are named.
        set_id = f"{int(time.time())}-{os.getpid()}-{len(self._sets)}"
        try:
            environment = {**self._environment(launcher_class), ENGINE_SET: set_id}
            options: dict[str, Any] = {"environment": environment}
            if launcher_class is ipp_launcher.LocalEngineSetLauncher:
                connection = next(p for p in self.files if p.name.endswith("-engine.json"))
                own = launcher_class(parent=self.cluster, profile_dir=str(self._folder))
                options |= launchers.local_command(own, connection)
            options |= self._job_script(launcher_class, set_id)
            starting = self.cluster.start_engines(n, set_id, **options)
            by_ssh = launcher_class is ipp_launcher.SSHEngineSetLauncher  # each host has its bound
            self._loop.run(starting, SSH_SECONDS if by_ssh else LAUNCH_SECONDS, check)
        except BaseException as e:
            if set_id in self.cluster.engines:
                # Some may have been started, on hosts that come before the one that fails.
                EngineSet(name, self.cluster.engines.pop(set_id)).stop()
            if isinstance(e, StartCancelled) or not isinstance(e, Exception):
                raise
            raise EnginesFailed(
                f"{n} engines of {self._name()} could not be started: {_why(e)}. "
                f"{what_to_do(e, CONFIGURED)}",
                wanted=n,
            ) from e
        engines = EngineSet(name, self.cluster.engines[set_id], set_id)
        for one in engines.launchers:
            make_private(one)
        self._sets.append(engines)
        return engines

    def _job_script(self, launcher_class: Any, set_id: str) -> dict[str, str]:
        """Return where a batch system's job script is written, unless the profile names a place.

        ipyparallel's own choice is one name in the working directory, where it stays, and where
        that of another session may take its place before it is submitted.
        """
        if not issubclass(launcher_class, ipp_launcher.BatchSystemLauncher):
            return {}
        configured = launcher_class(
            parent=self.cluster,
            profile_dir=self.cluster.profile_dir,
            cluster_id=self.cluster.cluster_id,
        ).batch_file_name
        if configured != launcher_class.batch_file_name.default():
            return {}
        return {"batch_file_name": str(self._folder / "log" / f"{set_id}-{configured}")}

    # -- the end --------------------------------------------------------------------------

    def leave_cluster_file(self) -> None:
        """Let ipyparallel note nothing in the cluster file any more: all is about to be stopped.

        It would write the file again after it was removed, when it sees that the controller has
        ended and takes the engines for running, as it does those of a batch system.
        """

        def leave() -> None:
            if self.cluster.cluster_file:
                self._left_file, self.cluster.cluster_file = self.cluster.cluster_file, ""

        # In the loop, which may be writing the file just now.
        if not self._loop.call(leave, LEAVE_SECONDS):
            leave()

    def forget(self) -> None:
        """Take note that everything was stopped, and remove the logs."""
        controller, self.cluster.controller = self.cluster.controller, None
        self.cluster.engines = {}
        names = [name for engines in self._sets for name in engines.logs()]
        for name in [*names, *(log_names(controller) if controller else [])]:
            with contextlib.suppress(OSError):
                (self._folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """End the event loop; processes are not touched."""
        self._loop.close()

    def _name(self) -> str:
        return f"the profile {self._folder.name.removeprefix('profile_')!r}"


def _whole(path: Path) -> bool:
    """Whether a connection file is there and written to its end."""
    try:
        read_json(path)
    except (OSError, ValueError):
        return False
    return True


def _why(error: Exception) -> str:
    if isinstance(error, HostFailed):
        return str(error)
    said = getattr(error, "stderr", None)
    if isinstance(error, subprocess.CalledProcessError) and said:
        program = error.cmd if isinstance(error.cmd, str) else error.cmd[0]
        words = said.decode(errors="replace") if isinstance(said, bytes) else said
        return f"{program} says: {' '.join(words.split())}"
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{error.filename} is not installed here"
    return f"{type(error).__name__}: {error}"
