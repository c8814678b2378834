"""What an engine tells of itself: asked once, when it has registered.

The question travels as text: an engine of another Python version understands it, and one
that lacks this package, or VisTrails, can still answer.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..system.processes import ENGINE_SET, TOKEN_VARIABLE, pid_of
from ..system.records import read_all
from .client_cache import forget

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["METADATA", "EngineMetadata", "ask_ready", "recorded_metadata", "request_metadata"]

logger = logging.getLogger(__name__)

METADATA = """
def answer(variable, engine_set):
    import os, platform, socket, sys
    import ipyparallel
    told = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "system": platform.system(),
        "python": platform.python_version(),
        "ipyparallel": ipyparallel.__version__,
        "parallelflow": "",
        "vistrails": "",
        "token": os.environ.get(variable, ""),
        "job": "",
        "rank": "",
        "engine_set": os.environ.get(engine_set, ""),
    }
    jobs = {"SLURM_JOB_ID": "slurm", "PBS_JOBID": "pbs", "LSB_JOBID": "lsf", "JOB_ID": "sge"}
    for name, system in jobs.items():
        number = os.environ.get(name, "").partition(".")[0].partition("[")[0]
        if number.isdigit():
            told["job"] = system + ":" + number
            break
    for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        told["rank"] = told["rank"] or os.environ.get(name, "")
    try:
        import parallelflow
        told["parallelflow"] = parallelflow.version
        from parallelflow.host import find_vistrails
        told["vistrails"] = find_vistrails().version
    except Exception:
        pass
    return told
"""
"""The source of a function that tells of the Python that runs it: versions, host, process."""

_READY = """
def answer():
    try:
        from parallelflow.host import start_engine_core
        start_engine_core()
    except Exception as e:
        return type(e).__name__ + ": " + str(e)
    return ""
"""


@dataclass(frozen=True)
class EngineMetadata:
    """What does not change while an engine lives.

    Attributes
    ----------
    host, system : str
        Its machine's name and operating system.
    pid : int
        Its process id there.
    python, ipyparallel, parallelflow, vistrails : str
        Versions; empty if the package is not there.
    token : str
        That of the session that started it (`processes.TOKEN_VARIABLE`), empty if none did.
    job : str
        The batch job that it runs in, such as ``slurm:17``; empty if in none.
    rank : str
        Its number among the processes that one ``mpiexec`` has started; empty if none did.
    engine_set : str
        The name of the set in which it was started (see `processes.ENGINE_SET`).
    """

    host: str
    system: str
    pid: int
    python: str
    ipyparallel: str
    parallelflow: str
    vistrails: str
    token: str
    job: str = ""
    rank: str = ""
    engine_set: str = ""


def recorded_metadata(profile_folder: Path) -> dict[str, EngineMetadata]:
    """Return what engines have told other sessions, by the engines' identities."""
    found = {}
    for record in read_all(profile_folder):
        for identity, told in record.engines.items():
            with contextlib.suppress(TypeError, ValueError):
                facts = EngineMetadata(**told)
                pid_of(facts.pid)
                found[identity] = facts
    return found


def request_metadata(
    client: ipyparallel.Client,
    engine: int,
    tell: Callable[[EngineMetadata], None],
    ended: Callable[[], None],
) -> None:
    """Ask an engine for its facts; it answers when it has finished what it works at.

    Parameters
    ----------
    tell : callable
        Called in the client's thread with the answer; not at all if the engine goes.
    ended : callable
        Called before that, and also if the engine has failed to answer.
    """
    _ask(
        client,
        engine,
        METADATA,
        lambda told: tell(EngineMetadata(**told)),
        ended,
        TOKEN_VARIABLE,
        ENGINE_SET,
    )


def ask_ready(
    client: ipyparallel.Client,
    engine: int,
    tell: Callable[[str], None],
    ended: Callable[[], None],
) -> None:
    """Make an engine start VisTrails' core.

    Parameters
    ----------
    tell : callable
        Called in the client's thread with an empty text, or why it has no VisTrails; not at
        all if the engine goes.
    ended : callable
        Called before that, and also if the engine has failed to answer.
    """
    _ask(client, engine, _READY, tell, ended)


def _ask(
    client: ipyparallel.Client,
    engine: int,
    source: str,
    tell: Callable[[Any], None],
    ended: Callable[[], None],
    *arguments: str,
) -> None:
    call = f"space['answer'](*{arguments!r})"
    expression = f"(lambda space: (exec({source!r}, space), {call})[1])({{}})"

    def take(answer: Any) -> None:
        ended()
        try:
            told = answer.get(timeout=0)
        except Exception as e:
            logger.debug("engine %d does not tell of itself: %r", engine, e)
            return
        finally:
            forget(client, answer)
        tell(told)

    try:
        client.direct_view(engine).apply_async(eval, expression).add_done_callback(take)
    except Exception as e:  # it has just left
        ended()
        logger.debug("engine %d cannot be asked: %r", engine, e)
