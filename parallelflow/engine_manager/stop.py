"""How single engines, and a whole cluster, are stopped."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING

from parallelflow.errors import EngineUnreachable, NoEngines

from .connection import hub
from .model import Origin, ShutdownPlan
from .system import profiles
from .system.origins import Origins
from .system.processes import ProcessRecord, stop_trees
from .system.records import SessionRecord, read_all

if TYPE_CHECKING:
    from .cluster import ManagerCore
    from .connection.cluster_connection import Link

__all__ = ["interrupt_engine", "is_own_local", "plan", "retire", "shutdown", "stop_engine"]

# The hub answers in milliseconds.
QUEUE_SECONDS = 0.5
# A signal goes through the engine's nanny, which answers in milliseconds.
SIGNAL_SECONDS = 2.0
# An idle engine leaves within 0.5 s of being asked; a busy one only when its task ends.
LEAVE_SECONDS = 2.0
# The hub waits 1.1 s itself before it ends (ipyparallel's hub, `shutdown_request`).
HUB_SECONDS = 4.0

UNKNOWN = "unknown host"


def stop_engine(manager: ManagerCore, engine: int) -> None:
    """Stop one engine: by its pid if it is ours and on this machine, else by asking it."""
    cluster = _cluster_with(manager, engine)
    cluster.retired.add(engine)
    process = cluster.processes.get(engine)
    if process is not None and _ours(manager, cluster, engine):
        stop_trees([process], nannies=False)
    else:
        _ask_to_leave(cluster, [engine])
        for sign in ("SIGINT", "SIGTERM", "SIGKILL"):
            if not _wait_for_leaving(cluster, [engine], LEAVE_SECONDS):
                break
            _signal(cluster, [engine], sign)
    if _wait_for_leaving(cluster, [engine], LEAVE_SECONDS):
        cluster.retired.discard(engine)
        raise EngineUnreachable(
            f"engine {engine} of the profile {manager.profile} did not stop. If it runs on another "
            "machine, stop its process there; 'Show information on the cluster' tells which."
        )


def interrupt_engine(manager: ManagerCore, engine: int) -> None:
    """Send SIGINT to one engine."""
    cluster = _cluster_with(manager, engine)
    process = cluster.processes.get(engine)
    if process is not None and (found := process.process()) is not None:
        with contextlib.suppress(Exception):
            found.send_signal(signal.SIGINT)
            return
    if not _signal(cluster, [engine], "SIGINT"):
        raise EngineUnreachable(
            f"engine {engine} of the profile {manager.profile} does not take signals; it may run "
            "without a nanny (IPEngine.enable_nanny). Stop it instead."
        )


def is_own_local(manager: ManagerCore, cluster: Link, engine: int) -> bool:
    """Return True if an engine, which may have left, was started by this session and runs here."""
    session = manager._session
    facts = cluster.facts.get(engine) or cluster.gone.get(engine)
    if session is None or facts is None or facts.host != socket.gethostname():
        return False
    # Not a launcher's or a batch system's.
    return facts.mark in manager.tokens() and any(
        p.pid == facts.pid and p.kind == "engine" for p in session.record.processes
    )


def retire(manager: ManagerCore, cluster: Link, engine: int) -> bool:
    """Stop one engine if it is a local one of this session; return True if it was, and is gone.

    Also one that has left the cluster: it may be frozen, and go on one day.
    """
    if cluster is not manager._link or not manager.alive():
        return False
    cluster.meet()
    if not is_own_local(manager, cluster, engine):
        return False
    process = cluster.processes.get(engine) or cluster.gone_processes.get(engine)
    return process is None or not stop_trees([process], nannies=False)


# -- the whole cluster ---------------------------------------------------------------------


def plan(manager: ManagerCore) -> ShutdownPlan | None:
    """Return what a shutdown would end, None if there is no connection."""
    cluster = manager._link
    if cluster is None:
        return None
    facts = [cluster.facts.get(engine) for engine in cluster.ids]
    hosts = Counter(told.host if told else UNKNOWN for told in facts)
    tasks = _tasks(cluster)
    origins = Origins(manager)
    found = [origins.of_engine(told) if told else None for told in facts]
    found.append(origins.of_controller(cluster.controller, cluster.connection.cluster_id))
    elsewhere = any(origin is not Origin.HERE for origin in found)
    foreign = any(origin in (Origin.ANOTHER, Origin.ELSEWHERE) for origin in found)
    return ShutdownPlan(manager.profile, dict(sorted(hosts.items())), tasks, elsewhere, foreign)


def _tasks(cluster: Link) -> int | None:
    """Return how many tasks run or wait, also those that no engine has yet; ours do not count."""
    told = hub.ask(cluster.client, "queue_request", QUEUE_SECONDS, targets=None, verbose=False)
    if told is None:
        return None
    queues = {int(key): queue for key, queue in told.items() if key.isdigit()}
    waiting = sum(queue["queue"] + queue["tasks"] for queue in queues.values())
    return max(waiting + told["unassigned"] - sum(map(cluster.unanswered, queues)), 0)


def shutdown(manager: ManagerCore) -> list[str]:
    """Stop a whole cluster by its hub, and what does not follow by signals."""
    cluster = manager._link
    if cluster is None and manager.connect() is not None:
        cluster = manager._link
    if cluster is None:
        raise NoEngines(f"no cluster runs on the profile {manager.profile}: nothing to shut down.")
    cluster.end_watch()
    recorded = _recorded(manager, cluster)
    known = [*cluster.processes.values(), *recorded]
    engines, here = cluster.ids, set(cluster.processes)
    with contextlib.suppress(Exception):
        cluster.client.abort(block=False)
    _signal(cluster, engines, "SIGINT")
    _ask_to_leave(cluster, engines)
    for sign in ("SIGINT", "SIGTERM", "SIGKILL"):
        engines = _wait_for_leaving(cluster, engines, LEAVE_SECONDS)
        if not engines:
            break
        _signal(cluster, engines, sign)
    hub.ask(cluster.client, "shutdown_request", HUB_SECONDS)
    controller = cluster.controller
    if controller is not None:
        _wait_for_end(controller, HUB_SECONDS)
        known.append(controller)
    left = [f"process {pid} on this machine" for pid in stop_trees(known)]
    silent = [e for e in engines if e not in here]
    # Engines that are still starting have not told who they are: the records know some of them.
    if len(silent) > sum(p.kind == "engine" and not _known(cluster, p) for p in recorded):
        left += [f"engine {e} ({_host(cluster, e)})" for e in silent]
    _forget(manager, cluster)
    if controller is None and cluster.connection.answers():
        left.append(f"the controller at {cluster.connection.host}:{cluster.connection.port}")
    return left


def _known(cluster: Link, process: ProcessRecord) -> bool:
    """Whether it is known which engine a process is."""
    return any(process.is_same(one) for one in cluster.processes.values())


def _records(manager: ManagerCore, cluster: Link) -> list[SessionRecord]:
    """Return the records of all sessions that have started something of a cluster."""
    found = read_all(profiles.profile_folder(manager.profile))
    return [record for record in found if record.cluster_id == cluster.connection.cluster_id]


def _recorded(manager: ManagerCore, cluster: Link) -> list[ProcessRecord]:
    return [p for record in _records(manager, cluster) for p in record.alive()]


def _forget(manager: ManagerCore, cluster: Link) -> None:
    """Take note that a cluster is gone: connection, records, files."""
    manager._end_session()
    manager._drop_link()
    for record in _records(manager, cluster):
        if not record.alive():
            record.stop()
    connection = cluster.connection
    if not connection.answers():
        stem = connection.path.name.removesuffix("-client.json")
        security = connection.path.parent
        cluster_file = f"cluster-{connection.cluster_id}.json"
        for name in (f"{stem}-client.json", f"{stem}-engine.json", cluster_file):
            with contextlib.suppress(OSError):
                (security / name).unlink()
    manager._refresh()


# -- engines -------------------------------------------------------------------------------


def _cluster_with(manager: ManagerCore, engine: int) -> Link:
    cluster = manager._link
    if cluster is None or engine not in cluster.ids:
        raise EngineUnreachable(
            f"there is no engine {engine} in the cluster of the profile {manager.profile} (any "
            "more). 'Show information on the cluster' lists those there are."
        )
    return cluster


def _ours(manager: ManagerCore, cluster: Link, engine: int) -> bool:
    facts = cluster.facts.get(engine)
    return facts is not None and Origins(manager).of_engine(facts).ours_to_stop


def _host(cluster: Link, engine: int) -> str:
    facts = cluster.facts.get(engine)
    return facts.host if facts else UNKNOWN


def _ask_to_leave(cluster: Link, engines: list[int]) -> None:
    with contextlib.suppress(Exception):
        if engines:
            cluster.client.shutdown(targets=engines, hub=False, block=False)


def _signal(cluster: Link, engines: list[int], sign: str) -> bool:
    """Send a signal to engines through their nannies; whether it was taken."""
    if not engines:
        return True
    try:
        answers = cluster.client.send_signal(sign, targets=engines, block=False)
        return bool(answers.wait(SIGNAL_SECONDS)) if hasattr(answers, "wait") else True
    except Exception:
        return False


def _wait_for_leaving(cluster: Link, engines: list[int], seconds: float) -> list[int]:
    deadline = time.monotonic() + seconds
    while left := [e for e in engines if e in cluster.ids and not cluster.client._closed]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def _wait_for_end(process: ProcessRecord, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while process.alive() and time.monotonic() < deadline:
        time.sleep(0.02)
