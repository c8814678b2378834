"""The error of a start whose engines did not come up: why, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parallelflow.errors import EnginesFailed

from .launch.ssh_watch import TIMED_OUT

if TYPE_CHECKING:
    from .connection.cluster_connection import ClusterConnection
    from .launch.engine_set import EngineSet

__all__ = ["engines_failed"]

# What an engine writes that leaves, since it hears nothing of its controller.
NO_HEART = "heartbeats misses reached"

TRACEBACK = "Traceback (most recent call last)"
NO_MPI4PY = "No module named 'mpi4py'"

NEEDS_MPI4PY = (
    " Engines that mpiexec starts need the package mpi4py: install it for their Python (python -m "
    "pip install mpi4py)."
)
UNREACHED = (
    " The engines could not reach the controller at {address}: a firewall or a wrong address "
    "is the reason. Its address is c.IPController.ip in {file}."
)


def engines_failed(
    connection: ClusterConnection,
    engines: EngineSet,
    come: tuple[int, int],
    why: str,
    controller_before: bool,
) -> EnginesFailed:
    """Return the error of a start that has failed.

    Parameters
    ----------
    connection : ClusterConnection
        The connection to the controller.
    engines : EngineSet
        What was started.
    come : tuple of int
        How many engines have registered, and how many were asked for.
    why : str
        What has happened to the others.
    controller_before : bool
        Whether the controller ran before.
    """
    ready, wanted = come
    file, log = connection.file, engines.log()
    # Without an engine's traceback it is mpiexec that has refused: what to do comes last there.
    refused = bool(engines.ended_programs()) and TRACEBACK not in log
    profile_folder = file.path.parent.parent
    profile = profile_folder.name.removeprefix("profile_")
    hint = ""
    if TIMED_OUT in log.lower():
        address = f"{file.interface}:{file.port}"
        hint = UNREACHED.format(address=address, file=profile_folder / "ipcontroller_config.py")
    elif NO_MPI4PY in log:
        hint = NEEDS_MPI4PY
    if wanted == 1:
        error = EnginesFailed(
            f"The engine that was started on the profile {profile!r} did not come up: {why}. What "
            f"this start had begun was stopped again.{hint}",
            log,
            wanted=wanted,
            reason_first=refused,
        )
    else:
        come_up = f"Only {ready}" if ready else "None"
        error = EnginesFailed(
            f"{come_up} of the {wanted} engines that were started on the profile {profile!r} came "
            f"up: {why}. What this start had begun was stopped again.{hint}",
            log,
            wanted=wanted,
            ready=ready,
            reason_first=refused,
        )
    # A controller of this start has no heart: ipcontroller chooses its ports before it takes
    # them, and another one may choose the same in the same moment.
    error.passing = not controller_before and not ready and NO_HEART in log.lower()
    return error
