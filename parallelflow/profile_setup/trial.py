"""Try a setup with one engine: what it needs, one finding after the other."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.connection.engine_metadata import METADATA
from parallelflow.engine_manager.launch.ssh_probe import HostAnswer, probe_hosts
from parallelflow.engine_manager.model import Stage, StartSnapshot
from parallelflow.engine_manager.monitor import own_versions
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import EnginesFailed, ParallelFlowError, StartCancelled
from parallelflow.findings import FINE, NOTE, TO_DO, Finding
from parallelflow.host.installation import UNKNOWN_VERSION
from parallelflow.system.safe_files import replace_text

from .answers import own_addresses

if TYPE_CHECKING:
    from parallelflow.engine_manager.connection.cluster_connection import ClusterConnection
    from parallelflow.engine_manager.connection.connection_files import ConnectionFile
    from parallelflow.engine_manager.interaction import Interaction

__all__ = ["try_setup"]

# A message and its answer take milliseconds; a busy node some more.
ANSWER_SECONDS = 30.0

NAMES = {
    "python": "Python",
    "ipyparallel": "ipyparallel",
    "parallelflow": "Parallel Flow",
    "vistrails": "VisTrails",
}
# What an element needs to be the same; of Python, its first two numbers.
NEEDED = ("python", "parallelflow", "vistrails")

# What a connection to the controller may take.
CONNECT_SECONDS = 10.0

# What a machine is asked by ssh: of its Python, of a file, and, if it runs, of the controller.
_PROBE = """
import socket, sys
told = answer("", "")
told["executable"] = sys.executable
try:
    with open({path!r}) as file:
        told["file"] = file.read()
except (OSError, ValueError):
    told["file"] = ""
if {address!r}:
    try:
        socket.create_connection({address!r}, {seconds}).close()
        told["controller"] = ""
    except OSError as e:
        told["controller"] = str(e)
"""

_LOOK = """
def answer(path):
    import sys
    try:
        with open(path) as file:
            return sys.executable, file.read()
    except (OSError, ValueError):
        return sys.executable, ""
"""


def try_setup(
    profile: str,
    launcher: str,
    progress: Callable[[StartSnapshot], None] = lambda _: None,
    cancel: threading.Event | None = None,
    interaction: Interaction | None = None,
) -> Generator[Finding, None, None]:
    """Start a controller and one engine by a launcher, look at them, and stop them again.

    They are this session's alone: a cluster that runs on the profile is not touched.

    Parameters
    ----------
    profile : str
        The profile, set up.
    launcher : str
        The launcher's short name.
    progress : callable
        Called with a `StartSnapshot` while the engine is waited for.
    cancel : threading.Event, optional
        Set it to give up.
    interaction : Interaction, optional
        Who is told where the log of a job stays that has failed.

    Yields
    ------
    Finding
        As it is found.

    Raises
    ------
    StartCancelled
        If it was given up.
    """
    folder = profiles.ensure_folder(profile)
    # What stands in it tells this home from another one that has the same name.
    file, content = folder / f"setup-test-{secrets.token_hex(4)}", secrets.token_hex(16)
    cancel = cancel or threading.Event()
    manager = EngineManager(profile, interaction)
    manager.configure(private=True)
    try:
        replace_text(file, content)
        if launcher == "ssh":
            answers = probe_hosts(folder, _probe(file), lambda: _check(cancel))
            hosts = list(_findings_of_hosts(answers, content))
            yield from hosts
            if any(finding.state == TO_DO for finding in hosts):
                yield Finding(NOTE, "no engine was started: first, what there is to do above")
                return
        yield from _findings_of_engine(manager, launcher, (file, content), progress, cancel)
    except StartCancelled:
        raise
    except ParallelFlowError as e:
        yield from _findings_of_failure(e, launcher)
    finally:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
        left = manager.stop()
    if left:
        yield Finding(TO_DO, f"these processes did not stop: {', '.join(map(str, left))}")


def _check(cancel: threading.Event) -> None:
    if cancel.is_set():
        raise StartCancelled("The test was given up; what it had started was stopped again.")


# -- machines, by ssh ------------------------------------------------------------------------


def _probe(path: Path, address: tuple[str, int] | None = None) -> str:
    return METADATA + _PROBE.format(path=str(path), address=address, seconds=CONNECT_SECONDS)


def _findings_of_hosts(answers: list[HostAnswer], content: str) -> Iterator[Finding]:
    for answer in answers:
        if answer.fault:
            yield Finding(TO_DO, f"{answer.host}: {answer.fault}")
            continue
        yield Finding(FINE, f"{answer.host}: reached by ssh")
        yield _versions(answer.host, answer.told, str(answer.told["executable"]))
        if answer.told["file"] == content:
            yield Finding(FINE, f"{answer.host}: the home folder is shared with this machine")
        else:
            text = "the home folder is not shared, nor need it be: the connection file is copied"
            yield Finding(FINE, f"{answer.host}: {text}")


def _reach(file: ConnectionFile, path: Path, cancel: threading.Event) -> Iterator[Finding]:
    """Return whether each machine reaches the controller, which runs."""
    host = file.interface
    if host in ("0.0.0.0", "*"):
        host = file.location or own_addresses()[0]
    program = _probe(path, (host, file.port))
    for answer in probe_hosts(path.parent, program, lambda: _check(cancel)):
        fault = answer.fault or answer.told.get("controller")
        yield _reached(answer.host, f"{host}:{file.port}", str(fault or ""))


def _reached(host: str, address: str, fault: str = "") -> Finding:
    if not fault:
        return Finding(FINE, f"{host}: reaches the controller at {address}")
    return Finding(
        TO_DO,
        f"{host}: does not reach the controller at {address}: {fault}. A firewall is the reason, "
        "or the address: choose another one of this machine.",
    )


# -- the engine ------------------------------------------------------------------------------


def _findings_of_engine(
    manager: EngineManager,
    launcher: str,
    known: tuple[Path, str],
    progress: Callable[[StartSnapshot], None],
    cancel: threading.Event,
) -> Iterator[Finding]:
    began = time.monotonic()
    jobs: list[str] = []

    def show(snapshot: StartSnapshot) -> None:
        jobs[:] = snapshot.jobs or jobs
        progress(snapshot)

    manager.start_engines(1, launcher, progress=show, cancel=cancel, until=Stage.REGISTERED)
    seconds = time.monotonic() - began
    connection = manager.cluster.live_connection()
    assert connection is not None
    [(engine, facts)] = connection.facts.items()
    job = f"job {facts.job.partition(':')[2]} runs: " if facts.job else ""
    yield Finding(FINE, f"{facts.host}: {job}an engine has joined after {seconds:.0f} s")
    file, content = known
    if launcher == "ssh":
        yield from _reach(connection.file, file, cancel)
        return
    executable, found = _ask(connection, engine, file)
    yield _versions(facts.host, asdict(facts), executable)
    if found == content:
        yield Finding(FINE, f"{facts.host}: the home folder is shared with this machine")
    else:
        yield Finding(NOTE, f"{facts.host}: {file.parent} is not the same folder as here")
    yield _reached(facts.host, f"{connection.file.interface}:{connection.file.port}")


def _ask(connection: ClusterConnection, engine: int, file: Path) -> tuple[str, str]:
    """Return the engine's Python, and what it reads in a file."""
    call = f"space['answer']({str(file)!r})"
    expression = f"(lambda space: (exec({_LOOK!r}, space), {call})[1])({{}})"
    answer = connection.client.direct_view(engine).apply_async(eval, expression)
    executable, found = answer.get(ANSWER_SECONDS)
    return str(executable), str(found)


def _versions(host: str, told: Mapping[str, Any], executable: str) -> Finding:
    """Return whether an engine's Python and libraries are those of this session."""
    own = own_versions()
    parts, needed = [], False
    for name, title in NAMES.items():
        there, here = str(told[name]), own[name]
        if there == here:
            version = "" if there == UNKNOWN_VERSION else f" {there}"
            parts.append(f"{title}{version}" if there else f"no {title}, here neither")
            continue
        parts.append(f"{title} {there}, here {here}" if there else f"no {title}, here {here}")
        short = slice(2) if name == "python" else slice(None)
        needed |= name in NEEDED and there.split(".")[short] != here.split(".")[short]
    text = f"{host}: {executable} has {'; '.join(parts)}"
    same = all(str(told[name]) == own[name] for name in NAMES)
    if same:
        return Finding(FINE, f"{text}: the same as here")
    if needed:
        return Finding(TO_DO, f"{text}: install the same there, or name another Python")
    return Finding(NOTE, text)


def _findings_of_failure(error: ParallelFlowError, launcher: str) -> Iterator[Finding]:
    first, *more = str(error).splitlines()
    yield Finding(TO_DO, first, tuple(filter(None, [*more, error.more])))
    if isinstance(error, EnginesFailed) and not error.log and launcher != "ssh":
        yield Finding(
            NOTE,
            "the job has left no log here: the home folder may not be shared with the nodes, "
            "which they need to read the connection file",
        )
