"""How single engines, and a whole cluster, are stopped."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections import Counter
from typing import TYPE_CHECKING

from parallelflow.errors import EngineUnreachable, NoEngines
from parallelflow.system.waiting import wait_until

from .connection import hub
from .model import Origin, ShutdownPlan
from .system import profiles
from .system.origins import Origins, origin_of
from .system.process_trees import stop_trees
from .system.processes import ProcessRecord
from .system.records import SessionRecord, read_all

if TYPE_CHECKING:
    from .cluster import Cluster
    from .connection.cluster_connection import ClusterConnection

__all__ = [
    "can_be_replaced",
    "interrupt_engine",
    "plan",
    "shutdown",
    "stop_engine",
    "stop_own_engine",
]

# The hub answers in milliseconds.
QUEUE_SECONDS = 0.5
# A signal goes through the engine's nanny, which answers in milliseconds.
SIGNAL_SECONDS = 2.0
# An idle engine leaves within 0.5 s of being asked; a busy one only when its task ends.
LEAVE_SECONDS = 2.0
# The hub waits 1.1 s itself before it ends (ipyparallel's hub, `shutdown_request`).
HUB_SECONDS = 4.0

UNKNOWN = "unknown host"


def stop_engine(cluster: Cluster, engine: int) -> None:
    """Stop one engine: by its pid if it is ours and on this machine, else by asking it."""
    connection = _cluster_with(cluster, engine)
    connection.retired.add(engine)
    process = connection.processes.get(engine)
    if process is not None and _ours(cluster, connection, engine):
        stop_trees([process], nannies=False)
    else:
        _ask_to_leave(connection, [engine])
        for sign in ("SIGINT", "SIGTERM", "SIGKILL"):
            if not _wait_for_leaving(connection, [engine], LEAVE_SECONDS):
                break
            _signal(connection, [engine], sign)
    if _wait_for_leaving(connection, [engine], LEAVE_SECONDS):
        connection.retired.discard(engine)
        raise EngineUnreachable(
            f"Engine {engine} of the profile {cluster.profile!r} did not stop. If it runs on "
            "another machine, stop its process there; 'Show information on the cluster' tells "
            "which."
        )


def interrupt_engine(cluster: Cluster, engine: int) -> None:
    """Send SIGINT to one engine."""
    connection = _cluster_with(cluster, engine)
    process = connection.processes.get(engine)
    if process is not None and (found := process.process()) is not None:
        with contextlib.suppress(Exception):
            found.send_signal(signal.SIGINT)
            return
    if not _signal(connection, [engine], "SIGINT"):
        raise EngineUnreachable(
            f"Engine {engine} of the profile {cluster.profile!r} cannot be interrupted: it has no "
            "nanny process that passes the interruption on (c.IPEngine.enable_nanny is off in its "
            "profile, or it is being stopped). Stop the engine instead."
        )


def can_be_replaced(cluster: Cluster, connection: ClusterConnection, engine: int) -> bool:
    """Return True if this session may start an engine in the place of one, which may have left.

    One that this session has started on this machine. Also one that was left running on it and
    hangs: it would serve nobody any more.
    """
    facts = connection.facts.get(engine) or connection.gone.get(engine)
    if facts is None or facts.host != socket.gethostname():
        return False
    tokens = cluster.tokens()
    for record in read_all(cluster.folder):
        if record.token != facts.token:
            continue
        origin = origin_of(record, tokens)
        left_running = origin is Origin.DETACHED and engine in connection.ids
        # Not a launcher's or a batch system's.
        return (record.token in tokens or left_running) and any(
            p.pid == facts.pid and p.kind == "engine" for p in record.processes
        )
    return False


def stop_own_engine(cluster: Cluster, connection: ClusterConnection, engine: int) -> bool:
    """Stop one engine if it can be replaced; return True if it could, and is gone.

    Also one that has left the cluster: it may be frozen, and go on one day.
    """
    if connection is not cluster.connection or not cluster.alive():
        return False
    connection.meet()
    if not can_be_replaced(cluster, connection, engine):
        return False
    process = connection.processes.get(engine) or connection.gone_processes.get(engine)
    return process is None or not stop_trees([process], nannies=False)


# -- the whole cluster ---------------------------------------------------------------------


def plan(cluster: Cluster) -> ShutdownPlan | None:
    """Return what a shutdown would end, None if there is no connection."""
    connection = cluster.connection
    if connection is None:
        return None
    facts = [connection.facts.get(engine) for engine in connection.ids]
    hosts = Counter(told.host if told else UNKNOWN for told in facts)
    tasks = _tasks(connection)
    origins = Origins(cluster.folder, cluster.tokens())
    found = [origins.of_engine(told.token) if told else None for told in facts]
    found.append(origins.of_controller(connection.controller, connection.file.cluster_id))
    elsewhere = any(origin is not Origin.THIS_SESSION for origin in found)
    foreign = any(origin in (Origin.OTHER_SESSION, Origin.EXTERNAL) for origin in found)
    return ShutdownPlan(cluster.profile, dict(sorted(hosts.items())), tasks, elsewhere, foreign)


def _tasks(connection: ClusterConnection) -> int | None:
    """Return how many tasks run or wait, also those that no engine has yet; ours do not count."""
    told = hub.ask(connection.client, "queue_request", QUEUE_SECONDS, targets=None, verbose=False)
    if told is None:
        return None
    queues = {int(key): queue for key, queue in told.items() if key.isdigit()}
    waiting = sum(queue["queue"] + queue["tasks"] for queue in queues.values())
    return max(waiting + told["unassigned"] - sum(map(connection.unanswered, queues)), 0)


def shutdown(cluster: Cluster) -> list[str]:
    """Stop a whole cluster by its hub, and what does not follow by signals."""
    connection = cluster.connection
    if connection is None and cluster.connect() is not None:
        connection = cluster.connection
    if connection is None:
        raise NoEngines(
            f"No cluster runs on the profile {cluster.profile!r}: nothing to shut down."
        )
    connection.end_watch()
    recorded = _recorded(cluster, connection)
    known = [*connection.processes.values(), *recorded]
    engines, here = connection.ids, set(connection.processes)
    with contextlib.suppress(Exception):
        connection.client.abort(block=False)
    _signal(connection, engines, "SIGINT")
    _ask_to_leave(connection, engines)
    for sign in ("SIGINT", "SIGTERM", "SIGKILL"):
        engines = _wait_for_leaving(connection, engines, LEAVE_SECONDS)
        if not engines:
            break
        _signal(connection, engines, sign)
    hub.ask(connection.client, "shutdown_request", HUB_SECONDS)
    controller = connection.controller
    if controller is not None:
        wait_until(lambda: not controller.alive(), HUB_SECONDS)
        known.append(controller)
    left = [f"process {pid} on this machine" for pid in stop_trees(known)]
    silent = [e for e in engines if e not in here]
    # Engines that are still starting have not told who they are: the records know some of them.
    if len(silent) > sum(p.kind == "engine" and not _known(connection, p) for p in recorded):
        left += [f"engine {e} ({_host(connection, e)})" for e in silent]
    _forget(cluster, connection)
    if controller is None and connection.file.answers():
        left.append(f"the controller at {connection.file.host}:{connection.file.port}")
    return left


def _known(connection: ClusterConnection, process: ProcessRecord) -> bool:
    """Whether it is known which engine a process is."""
    return any(process.is_same(one) for one in connection.processes.values())


def _records(cluster: Cluster, connection: ClusterConnection) -> list[SessionRecord]:
    """Return the records of all sessions that have started something of a cluster."""
    found = read_all(profiles.profile_folder(cluster.profile))
    return [record for record in found if record.cluster_id == connection.file.cluster_id]


def _recorded(cluster: Cluster, connection: ClusterConnection) -> list[ProcessRecord]:
    return [p for record in _records(cluster, connection) for p in record.alive()]


def _forget(cluster: Cluster, connection: ClusterConnection) -> None:
    """Take note that a cluster is gone: connection, records, files."""
    cluster.end_session()
    cluster.drop_connection()
    for record in _records(cluster, connection):
        if not record.alive():
            record.stop()
    file = connection.file
    if not file.answers():
        stem = file.path.name.removesuffix("-client.json")
        security = file.path.parent
        cluster_file = f"cluster-{file.cluster_id}.json"
        for name in (f"{stem}-client.json", f"{stem}-engine.json", cluster_file):
            with contextlib.suppress(OSError):
                (security / name).unlink()
    cluster.refresh()


# -- engines -------------------------------------------------------------------------------


def _cluster_with(cluster: Cluster, engine: int) -> ClusterConnection:
    connection = cluster.connection
    if connection is None or engine not in connection.ids:
        raise EngineUnreachable(
            f"There is no engine {engine} in the cluster of the profile {cluster.profile!r} (any "
            "more). 'Show information on the cluster' lists those there are."
        )
    return connection


def _ours(cluster: Cluster, connection: ClusterConnection, engine: int) -> bool:
    facts = connection.facts.get(engine)
    return (
        facts is not None
        and Origins(cluster.folder, cluster.tokens()).of_engine(facts.token).ours_to_stop
    )


def _host(connection: ClusterConnection, engine: int) -> str:
    facts = connection.facts.get(engine)
    return facts.host if facts else UNKNOWN


def _ask_to_leave(connection: ClusterConnection, engines: list[int]) -> None:
    with contextlib.suppress(Exception):
        if engines:
            connection.client.shutdown(targets=engines, hub=False, block=False)


def _signal(connection: ClusterConnection, engines: list[int], sign: str) -> bool:
    """Send a signal to engines through their nannies; whether it was taken."""
    if not engines:
        return True
    try:
        answers = connection.client.send_signal(sign, targets=engines, block=False)
        return bool(answers.wait(SIGNAL_SECONDS)) if hasattr(answers, "wait") else True
    except Exception:
        return False


def _wait_for_leaving(
    connection: ClusterConnection, engines: list[int], seconds: float
) -> list[int]:
    """Wait until engines have left the cluster; return those that have not."""

    def remaining() -> list[int]:
        return [e for e in engines if e in connection.ids and connection.is_open]

    wait_until(lambda: not remaining(), seconds)
    return remaining()
