"""What the windows say, as plain functions of what is known."""

from __future__ import annotations

import time

from parallelflow.engine_manager.model import ShutdownPlan, Stage, StartSnapshot, State
from parallelflow.engine_manager.model.information import ClusterInfo, ControllerInfo
from parallelflow.progress import RunState, Snapshot
from parallelflow.wording import count

__all__ = [
    "controller_line",
    "duration",
    "machine_line",
    "memory",
    "plan_lines",
    "policy",
    "run_line",
    "start_line",
    "state_line",
    "too_many",
    "when",
]


def memory(size: float) -> str:
    """Return a size in bytes as the user reads it, in MB or GB."""
    if size < 2**30:
        return f"{size / 2**20:.0f} MB"
    return f"{size / 2**30:.1f} GB"


def duration(seconds: float) -> str:
    """Return a time span as the user reads it, in the unit that fits."""
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def when(moment: float) -> str:
    """Return a moment, seconds since the epoch: the time, before today with the day."""
    then = time.localtime(moment)
    today = time.strftime("%x", then) == time.strftime("%x")
    return time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", then)


def run_line(run: Snapshot) -> str:
    """Return how far a run has come: elements done, failed and the time left."""
    if run.state is RunState.PREPARING:
        return f"{run.label}: {count(run.total, 'element')}, engines are being set up"
    text = f"{run.label}: {run.done + run.failed} of {count(run.total, 'element')}"
    if run.failed:
        text += f", {run.failed} failed"
    if run.state.is_finished:
        told = run.failed and run.state is RunState.FAILED
        return text if told else f"{text}, {run.state.value}"
    left = run.remaining_seconds
    return text if left is None else f"{text}, about {duration(left)} left"


def state_line(info: ClusterInfo) -> str:
    """Return one line on where the session stands with its cluster."""
    profile = f"profile '{info.profile}'"
    if info.state is State.CONNECTING:
        return f"Connecting to the cluster of the {profile}, or starting it ..."
    if info.state is State.LOST:
        return (
            f"The cluster of the {profile} has gone: its controller ended by itself. "
            "'Start new engine processes' begins a new one."
        )
    if not info.connected:
        return f"Not connected: no cluster runs on the {profile}."
    busy = sum(engine.busy is True for engine in info.engines)
    text = f"Connected to the cluster of the {profile}: {count(len(info.engines), 'engine')}"
    text += f", {busy} busy." if info.engines else "."
    if not info.answered:
        text += " The hub does not answer at the moment, so tasks are not known."
    return text


def controller_line(controller: ControllerInfo) -> str:
    """Return one line on the controller: where it is, who started it, how safe it is."""
    where = f"Controller at {controller.address}"
    if controller.pid is not None:
        where += f" (pid {controller.pid})"
    reach = "reachable from other machines" if controller.beyond_this_machine else "this machine"
    if not controller.beyond_this_machine:
        reach += " only"
    safe = "encrypted" if controller.encrypted else "not encrypted"
    return f"{where}, {controller.origin.value}; {reach}, {safe}."


def start_line(snapshot: StartSnapshot) -> str:
    """Return one line on how far a start has come."""
    total = len(snapshot.engines)
    if snapshot.controller is Stage.WAITING:
        return "Starting the controller ..."
    if snapshot.controller is Stage.STARTED:
        return "Waiting for the controller ..."
    failed = snapshot.count(Stage.FAILED)
    if snapshot.jobs and not failed and snapshot.count(Stage.REGISTERED) < total:
        come = f"{snapshot.count(Stage.REGISTERED)} of {count(total, 'engine')} registered"
        return f"{'; '.join(snapshot.jobs)}; {come} ..."
    if failed:
        return f"{failed} of {count(total, 'engine')} failed."
    if not total:
        return "The controller is ready; engines are started when there is work for them."
    ready = snapshot.count(Stage.READY)
    if ready == total:
        return "The engine is ready." if total == 1 else f"All {total} engines are ready."
    if snapshot.count(Stage.REGISTERED) == total:
        return f"VisTrails is ready on {ready} of {count(total, 'engine')} ..."
    if snapshot.count(Stage.STARTED) == total:
        registered = snapshot.count(Stage.REGISTERED)
        return f"{registered} of {count(total, 'engine')} registered ..."
    return f"Starting {count(total, 'engine')} ..."


def plan_lines(plan: ShutdownPlan, runs: int) -> list[str]:
    """Return what a shutdown of the whole cluster would end, one sentence each.

    Parameters
    ----------
    plan : ShutdownPlan
        What the engine manager knows.
    runs : int
        Runs of this session that are under way.
    """
    lines = [f"The hub stops the controller and {_engines(plan)}."]
    if plan.tasks is None:
        lines.append("The hub does not tell how many tasks are running or waiting.")
    elif plan.tasks:
        lines.append(f"{count(plan.tasks, 'task')} running or waiting will be lost.")
    else:
        lines.append("No task is running or waiting.")
    if runs:
        verb = "is" if runs == 1 else "are"
        lines.append(f"{count(runs, 'Map run')} of this session {verb} under way and will fail.")
    if plan.elsewhere:
        lines.append(
            "Not all of it was started here: other sessions or people may be using it, too."
        )
    return lines


def _engines(plan: ShutdownPlan) -> str:
    engines = count(plan.total, "engine")
    if len(plan.engines) < 2:
        return " on ".join([engines, *plan.engines])
    hosts = ", ".join(f"{host} ({number})" for host, number in plan.engines.items())
    return f"{engines} on {len(plan.engines)} hosts: {hosts}"


def machine_line(cores: int, unused: int, free: int) -> str:
    """Return what this machine has for engines: cores, those without one, and bytes of memory."""
    return (
        f"{count(cores, 'core')}, {unused} not yet used by engines; {memory(free)} of memory free"
    )


def too_many(n: int, free: int, cores: int) -> str:
    """Return what is questionable about n new engines on this machine, empty if nothing is."""
    if n > cores:
        return (
            f"{n} engines share {count(cores, 'core')}: they compute no faster than "
            f"{count(cores, 'engine')}, and take memory {n} times."
        )
    if n > max(free, 1):
        return f"Only {count(free, 'core')} {'has' if free == 1 else 'have'} no engine yet."
    return ""


def policy(word: str) -> str:
    """Return what a Map does when an element fails, after the word for it of port and command."""
    return {
        "stop": "stop: at the first failed element",
        "finish others": "finish others: compute the other elements, then fail",
        "continue": "continue: go on without the failed elements",
    }.get(word, word)
