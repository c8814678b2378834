"""The launchers that ipyparallel offers, and what each would run."""

from __future__ import annotations

import logging
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import ipyparallel
from ipyparallel.cluster import launcher as ipp_launcher

from parallelflow.errors import LauncherUnusable, UserMistake, shortened
from parallelflow.system.working_directory import working_directory

from ..model import LauncherChoice, LaunchPreview
from ..system.module_command import module_command
from .controller_options import (
    check_configuration,
    controller_arguments,
    controller_config,
    wrong_values_told,
)
from .host_engines import LOCAL_ENGINE

__all__ = [
    "TITLES",
    "check_launcher",
    "choices",
    "cluster_of",
    "controller_command",
    "find_choice",
    "local_command",
    "preview",
]

# In the order in which they are offered; others that are installed come after them.
TITLES = {
    "local": "this machine",
    "ssh": "other machines, by ssh",
    "sshproxy": "another machine's own cluster, by ssh",
    "mpi": "MPI (mpiexec)",
    "slurm": "Slurm (sbatch)",
    "pbs": "PBS (qsub)",
    "sge": "Grid Engine (qsub)",
    "lsf": "LSF (bsub)",
    "htcondor": "HTCondor (condor_submit)",
}
# Not for anybody's use as it is: a base class, and a system that is no longer sold.
LEFT_OUT = ("batch", "winhpc")

LOCAL_CONTROLLER = "parallelflow.engine_manager.launch.controller_main"

BEYOND = (
    "The controller listens on this machine only, so engines on other machines cannot reach it. "
    "If it may listen on the network, put this line into {path}: c.IPController.ip = '0.0.0.0'"
)
OPEN = (
    "The profile lets the controller listen on {ip}: whoever can reach it and has its connection "
    "file can run programs as you."
)


def cluster_of(profile_folder: Path) -> Any:
    """Return ipyparallel's `Cluster` of a profile, for its configuration only.

    Raises
    ------
    ConfigurationFailed
        If one of the profile's configuration files cannot be read, or has a wrong value.
    WorkingDirectoryGone
        If this process has no working directory.
    """
    working_directory()  # or ipyparallel's launchers fail as they are imported
    check_configuration(profile_folder)
    with wrong_values_told(profile_folder):
        return ipyparallel.Cluster(
            profile_dir=str(profile_folder),
            cluster_id="",
            shutdown_atexit=False,
            cluster_file="",
            log_level=logging.CRITICAL,
        )


def choices(cluster: Any) -> list[LauncherChoice]:
    """Return the launchers that can start engines, local processes first.

    Parameters
    ----------
    cluster : ipyparallel.Cluster
        The profile's cluster, for its configuration.
    """
    names = {e.name.lower() for e in entry_points(group="ipyparallel.engine_launchers")}
    ordered = [n for n in TITLES if n in names] + sorted(names - set(TITLES) - set(LEFT_OUT))
    default = ipp_launcher.abbreviate_launcher_class(cluster.engine_launcher_class)
    found = []
    for name in ordered:
        program = _program(_launcher(cluster, name))
        there = not program or shutil.which(program) is not None
        title = TITLES.get(name, name)
        found.append(LauncherChoice(name, title, program, there, name == default))
    return found


def check_launcher(cluster: Any, name: str | None, n: int) -> None:
    """Raise unless a launcher exists, its program is installed and it has room for n engines.

    Raises
    ------
    UserMistake
        If ipyparallel has no launcher of this name.
    ClusterError
        If the program that it needs is not on this machine, or the machines that it knows take
        fewer engines: ipyparallel would start those, and the others be waited for in vain.
    """
    known = choices(cluster)
    if name is None:
        name = next((c.name for c in known if c.default), None)
        if name is None:
            return  # a class of the profile's own
    choice = find_choice(known, name)
    if not choice.available:
        raise LauncherUnusable(
            f"The launcher {name!r} needs the program {choice.command}, which is not installed "
            "here. Log in where it is, or choose another launcher."
        )
    if choice.name == "ssh":
        hosts = _launcher(cluster, "ssh").engines
        if not hosts:
            raise LauncherUnusable(
                "The launcher ssh does not know any machine. List them in the profile's "
                "ipcluster_config.py: c.SSHEngineSetLauncher.engines = {'host': 4}"
            )
        if _room(hosts) < n:
            raise LauncherUnusable(_no_room(hosts, n))


def local_command(launcher: Any, connection: Path) -> dict[str, list[str]]:
    """Return ``engine_cmd`` of local engines, unless the profile has a command of its own.

    Parameters
    ----------
    launcher : LocalEngineSetLauncher
        With the profile's configuration.
    connection : Path
        The connection file for engines.
    """
    if launcher.engine_cmd != ipp_launcher.ipengine_cmd_argv:
        return {}
    return {"engine_cmd": [*module_command(LOCAL_ENGINE), str(connection)]}


def controller_command(cluster: Any) -> dict[str, list[str]]:
    """Return ``controller_cmd`` of a local controller, unless the profile has one of its own.

    Parameters
    ----------
    cluster : ipyparallel.Cluster
        With the profile's configuration.
    """
    launcher_class = cluster.controller_launcher_class
    if launcher_class is not ipp_launcher.LocalControllerLauncher:
        return {}
    launcher = launcher_class(parent=cluster)
    if launcher.controller_cmd != ipp_launcher.ipcontroller_cmd_argv:
        return {}
    return {"controller_cmd": module_command(LOCAL_CONTROLLER)}


def preview(folder: Path, name: str, n: int, controller_runs: bool) -> LaunchPreview:
    """Return what a launcher would run; nothing is started.

    Parameters
    ----------
    folder : Path
        The profile's folder; need not exist.
    name : str
        The launcher.
    n : int
        Number of engines.
    controller_runs : bool
        Whether there is a controller already.

    Raises
    ------
    UserMistake
        If there is no such launcher.
    ClusterError
        If the profile's configuration cannot be read.
    """
    cluster = cluster_of(folder)
    choice = find_choice(choices(cluster), name)
    controller = ""
    if not controller_runs:
        first = cluster.controller_launcher_class(
            parent=cluster, profile_dir=str(folder), **controller_command(cluster)
        )
        given = [str(argument) for argument in cluster.controller_args]
        more = [*given, *controller_arguments(folder, given)]
        controller = shlex.join([*map(str, first.args), *more])
    launcher = _launcher(cluster, name)
    notes = []
    if not choice.available:
        notes.append(f"The program {choice.command} is not installed on this machine.")
    script = ""
    if isinstance(launcher, ipp_launcher.BatchSystemLauncher):
        command, script = _job(cluster, name, n)
    elif isinstance(launcher, ipp_launcher.SSHEngineSetLauncher):
        command = "\n".join(_ssh_lines(launcher, n))
        if not command:
            notes.append(
                "No machines are listed. Change profile > Set up... (at the terminal: parallelflow "
                "setup ssh) asks for them; or put a line like this one into "
                f"{folder / 'ipcluster_config.py'}: c.SSHEngineSetLauncher.engines = {{'host': 4}}"
            )
        elif _room(launcher.engines) < n:
            notes.append(_no_room(launcher.engines, n))
    elif isinstance(launcher, ipp_launcher.SSHLauncher):
        launcher.n = n
        program = shlex.join([*launcher.program, *launcher.program_args])
        command = shlex.join([*launcher.ssh_cmd, *launcher.ssh_args, launcher.location, program])
        if not launcher.hostname:
            command = ""
            notes.append(
                "No machine is named. Put a line like this one into "
                f"{folder / 'ipcluster_config.py'}: c.{type(launcher).__name__}.hostname = 'host'"
            )
    elif isinstance(launcher, ipp_launcher.LocalEngineSetLauncher):
        connection = Path(launcher.connection_files["engine"])
        program = local_command(launcher, connection).get("engine_cmd", launcher.engine_cmd)
        command = (
            f"{shlex.join([*program, *launcher.engine_args])}{f'    ({n} times)' if n > 1 else ''}"
        )
    else:
        launcher.n = n
        command = shlex.join(map(str, launcher.args))
    notes += _reach(cluster, folder, name)
    return LaunchPreview(name, controller, command, script, tuple(notes))


def find_choice(known: list[LauncherChoice], name: str) -> LauncherChoice:
    """Return a launcher by its name, however it is written.

    Raises
    ------
    UserMistake
        If there is no such one; with those that there are.
    """
    for choice in known:
        if choice.name == name.strip().lower():
            return choice
    names = ", ".join(c.name for c in known)
    raise UserMistake(f"There is no launcher {shortened(name)}; ipyparallel offers: {names}.")


def _reach(cluster: Any, folder: Path, name: str) -> list[str]:
    """Return what there is to know of the controller's address.

    A profile may set it in its controller's configuration, by the cluster's ``controller_ip``
    and by arguments for the controller; an argument goes before the configuration.
    """
    section = controller_config(folder).IPController
    given = _options([str(argument) for argument in cluster.controller_args])
    ip = (
        given.get("ip")
        or given.get("IPController.ip")
        or getattr(cluster, "controller_ip", "")
        or section.get("ip")
        or given.get("IPController.engine_ip")
        or section.get("engine_ip")
    )
    if ip and not ip.startswith(("127.", "localhost")):
        return [OPEN.format(ip=ip)]
    return [] if name == "local" else [BEYOND.format(path=folder / "ipcontroller_config.py")]


def _options(arguments: Sequence[str]) -> dict[str, str]:
    """Return the values of options that are written ``--option=value`` or ``--option value``."""
    found = {}
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        option, sign, value = argument.partition("=")
        if option.startswith("-"):
            found[option.lstrip("-")] = value if sign else following
    return found


def _launcher(cluster: Any, name: str, **options: Any) -> Any:
    launcher_class = ipp_launcher.find_launcher_class(name, "engine")
    return launcher_class(
        parent=cluster, profile_dir=cluster.profile_dir, cluster_id=cluster.cluster_id, **options
    )


def _program(launcher: Any) -> str:
    """Return the program that a launcher runs on this machine, empty for local engines."""
    for option in ("submit_command", "mpi_cmd", "ssh_cmd"):
        command = getattr(launcher, option, None)
        if command:
            return str(command[0])
    return ""


def _job(cluster: Any, name: str, n: int) -> tuple[str, str]:
    """Return the command that submits a job, and the job's script."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = _launcher(cluster, name, work_dir=folder)
        launcher.write_batch_script(n)
        script = Path(launcher.batch_file).read_text()
        name = Path(launcher.batch_file).name
        return shlex.join([*launcher.submit_command, name]), script


def _slots(number: Any) -> int:
    return int(number.get("n", 1) if isinstance(number, dict) else number)


def _room(hosts: dict[str, Any]) -> int:
    """Return how many engines the machines of the launcher ssh take."""
    return sum(map(_slots, hosts.values()))


def _no_room(hosts: dict[str, Any], n: int) -> str:
    listed = ", ".join(f"{host}: {_slots(number)}" for host, number in hosts.items())
    return (
        f"The machines that the launcher ssh knows take {_room(hosts)} engines ({listed}), not "
        f"{n}. Start fewer, or raise the numbers of c.SSHEngineSetLauncher.engines in the "
        "profile's ipcluster_config.py."
    )


def _ssh_lines(launcher: Any, n: int) -> list[str]:
    lines: list[str] = []
    for host, number in launcher.engines.items():
        wanted = min(_slots(number), n - len(lines))
        program = shlex.join([*launcher.engine_cmd, *launcher.engine_args])
        lines += [shlex.join([*launcher.ssh_cmd, *launcher.ssh_args, host, program])] * wanted
    return lines
