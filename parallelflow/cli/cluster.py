"""``parallelflow start | info | profiles | cleanup | shutdown``: the menu's actions."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from parallelflow.engine_manager import EngineManager, get_manager
from parallelflow.engine_manager.interaction import ConsoleInteraction
from parallelflow.engine_manager.model import (
    Inventory,
    LaunchPreview,
    Limits,
    Origin,
    ProfileInfo,
    ShutdownPlan,
)
from parallelflow.engine_manager.model.information import ClusterInfo, aligned
from parallelflow.engine_manager.model.limits import IDLE_SECONDS
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import ClusterError, UserMistake
from parallelflow.wording import count

from .engines import check_profile, chosen_launcher
from .exits import Exit
from .json_output import print_document
from .messages import tell
from .start_display import StartDisplay
from .streams import is_terminal

__all__ = ["TellingTerminal", "run_command"]

# A share of CPU is one between two looks; engines that are idle tell of themselves meanwhile.
FIRST_LOOK_SECONDS = 0.4
WATCH_SECONDS = 1.0

HOME, CLEAR_LINE, CLEAR_REST = "\x1b[H", "\x1b[K", "\x1b[J"


class TellingTerminal(ConsoleInteraction):
    """Tells on standard error."""

    def tell(self, message: str) -> None:
        """Write the line."""
        tell(message)


def run_command(options: Namespace) -> int:
    """Run one of the commands on clusters.

    Parameters
    ----------
    options : Namespace
        As `parallelflow.cli.cluster_parser` makes it.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    ParallelFlowError
        If it cannot be done.
    """
    manager = get_manager()
    manager.interaction = TellingTerminal()
    profile = getattr(options, "profile", None)
    if profile is not None:
        check_profile(profile)
        manager.configure(profile)
    commands: dict[str, Callable[[EngineManager, Namespace], int]] = {
        "start": _start,
        "info": _info,
        "profiles": _profiles,
        "cleanup": _cleanup,
        "shutdown": _shutdown,
    }
    return commands[options.command](manager, options)


# -- start ---------------------------------------------------------------------------------


def _start(manager: EngineManager, options: Namespace) -> int:
    if hasattr(options, "renamed"):
        tell(options.renamed)
    manager.connect()
    limits = _limits(manager, options)
    if options.dry_run:
        number = 1 if limits is not None else options.number or manager.suggested_engines()
        chosen = chosen_launcher(manager, options.launcher)
        with profiles.left_as_it_is(profiles.profile_folder(manager.profile)):
            preview = manager.launch_preview(chosen, number)
        if options.json:
            print_document("start --dry-run", _preview_content(manager.profile, number, preview))
        else:
            _show_preview(preview)
        return Exit.OK
    with StartDisplay(sys.stderr, options) as display:
        number = manager.start_engines(
            options.number, options.launcher, progress=display.show, limits=limits
        )
    manager.leave_running()
    info = manager.info()
    assert info.controller is not None
    if options.json:
        print_document("start", _start_content(info, number))
        return Exit.OK
    if not options.quiet:
        print(_started(info, number))
        if limits is not None:
            print(f"{limits.text} as the work needs them, until 'parallelflow cleanup'")
    for warning in info.warnings:
        tell(warning)
    return Exit.OK


def _started(info: ClusterInfo, number: int) -> str:
    assert info.controller is not None
    return (
        f"{count(len(info.engines), 'engine')} on the profile {info.profile} "
        f"({number} new; controller at {info.controller.address})"
    )


def _limits(manager: EngineManager, options: Namespace) -> Limits | None:
    """Return between how many engines the cluster is to adapt itself, None if it is not."""
    if options.max is None:
        if options.min is not None or options.idle is not None:
            raise UserMistake("--min and --idle need --max: how many engines at the most.")
        return None
    if options.number is not None:
        raise UserMistake("-n is a fixed number of engines; leave it out beside --max.")
    least = options.min or 0
    if least > options.max:
        raise UserMistake(f"--min {least} is more than --max {options.max}.")
    launcher = chosen_launcher(manager, options.launcher)
    return Limits(least, options.max, launcher, options.idle or IDLE_SECONDS)


def _start_content(info: ClusterInfo, number: int) -> dict[str, Any]:
    assert info.controller is not None
    engines = [{"id": e.id, "host": e.host, "pid": e.pid} for e in info.engines]
    return {
        "profile": info.profile,
        "started": number,
        "controller": {
            "address": info.controller.address,
            "host": info.controller.host,
            "pid": info.controller.pid,
            "encrypted": info.controller.encrypted,
        },
        "engines": engines,
        "warnings": list(info.warnings),
    }


def _preview_content(profile: str, number: int, preview: LaunchPreview) -> dict[str, Any]:
    return {
        "profile": profile,
        "number": number,
        "launcher": preview.launcher,
        "controller": preview.controller or None,
        "command": preview.command,
        "script": preview.script or None,
        "notes": list(preview.notes),
    }


def _show_preview(preview: LaunchPreview) -> None:
    if preview.controller:
        print(f"first the controller:\n  {preview.controller}")
    print("the engines:")
    for line in preview.command.splitlines():
        print(f"  {line}")
    if preview.script:
        print("the job script:")
        for line in preview.script.rstrip().splitlines():
            print(f"  {line}")
    for note in preview.notes:
        tell(note)


# -- info ----------------------------------------------------------------------------------


def _info(manager: EngineManager, options: Namespace) -> int:
    if manager.connect() is not None:
        manager.info()
        time.sleep(FIRST_LOOK_SECONDS)
    if options.watch:
        return _watch(manager)
    info = manager.info()
    if options.json:
        print_document("info", info.to_dict())
    else:
        print(info.to_text())
    return Exit.OK if info.connected else Exit.FAILED


def _watch(manager: EngineManager) -> int:
    terminal = is_terminal(sys.stdout)
    while True:
        trouble = ""
        try:
            manager.connect()  # the cluster may have gone, and another one come
        except ClusterError as e:
            trouble = f"{e}\n"
        text = f"{manager.info().to_text()}\n{trouble}"
        if terminal:
            # Overwritten, not cleared: nothing flickers.
            lines = text.replace("\n", f"{CLEAR_LINE}\n")
            text = f"{HOME}{lines}{CLEAR_REST}"
        print(text, flush=True)
        time.sleep(WATCH_SECONDS)


# -- profiles ------------------------------------------------------------------------------


def _profiles(manager: EngineManager, options: Namespace) -> int:
    if options.json:
        print_document("profiles", {"profiles": [_profile(p) for p in manager.profiles()]})
        return Exit.OK
    rows = [["profile", "cluster", "controller", "folder"]]
    for profile in manager.profiles():
        for cluster in profile.clusters:
            where = f"{cluster.host}{f', pid {cluster.pid}' if cluster.pid else ''}"
            name = f" ({cluster.cluster_id})" if cluster.cluster_id else ""
            rows.append([profile.name, f"{cluster.origin.value}{name}", where, profile.folder])
        if not profile.clusters:
            rows.append([profile.name, "-", "-", profile.folder])
    print("\n".join(aligned(rows)))
    return Exit.OK


def _profile(profile: ProfileInfo) -> dict[str, Any]:
    return {
        "name": profile.name,
        "folder": profile.folder,
        "current": profile.current,
        "configured": profile.configured,
        "clusters": [
            {
                "cluster_id": cluster.cluster_id,
                "origin": cluster.origin.value,
                "host": cluster.host,
                "pid": cluster.pid,
            }
            for cluster in profile.clusters
        ],
    }


# -- cleanup -------------------------------------------------------------------------------


def _cleanup(manager: EngineManager, options: Namespace) -> int:
    inventory = manager.inventory()
    found = inventory.of(Origin.THIS_SESSION, Origin.DETACHED)
    if not options.quiet or (found and not options.yes):
        print("\n".join(_inventory_lines(inventory)))
    if not found:
        return Exit.OK
    if not _confirmed(options, "Stop what was left running?"):
        return Exit.FAILED
    left = manager.cleanup()
    if left:
        tell(f"did not stop: processes {', '.join(map(str, left))}")
    if left or manager.inventory().of(Origin.THIS_SESSION, Origin.DETACHED):
        return Exit.FAILED  # of jobs it has been told why
    if not options.quiet:
        print("stopped.")
    return Exit.OK


def _inventory_lines(inventory: Inventory) -> list[str]:
    if not inventory.processes:
        return [
            f"Parallel Flow has nothing running on the profile {inventory.profile}. What other "
            "programs have started, 'parallelflow profiles' shows."
        ]
    lines = [f"profile {inventory.profile}:"]
    for origin in Origin:
        found = inventory.of(origin)
        if found:
            lines.append(f"  {inventory.sentence(origin)}")
            lines += [f"    {p.text}, since {_clock(p.since)}" for p in found]
    return lines


def _clock(seconds: float) -> str:
    then = time.localtime(seconds)
    today = time.strftime("%x", then) == time.strftime("%x")
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", then)


# -- shutdown ------------------------------------------------------------------------------


def _shutdown(manager: EngineManager, options: Namespace) -> int:
    manager.connect()
    plan = manager.shutdown_plan()
    if plan is None:
        if not options.quiet:
            print(f"no cluster runs on the profile {manager.profile}.")
        return Exit.OK
    if not (options.quiet and options.yes):
        print(_plan_line(plan))
    if not _confirmed(options, "Shut it down?"):
        return Exit.FAILED
    left = manager.shutdown_cluster()
    for one in left:
        tell(f"did not stop: {one}")
    if not left and not options.quiet:
        print("stopped.")
    return Exit.FAILED if left else Exit.OK


def _plan_line(plan: ShutdownPlan) -> str:
    hosts = ", ".join(f"{number} on {host}" for host, number in plan.engines.items())
    tasks = "an unknown number of tasks" if plan.tasks is None else count(plan.tasks, "task")
    engines = f"{count(plan.total, 'engine')}{f' ({hosts})' if hosts else ''}"
    line = (
        f"This ends the cluster of the profile {plan.profile}: its controller, {engines}, and "
        f"{tasks} running or waiting."
    )
    if plan.foreign:
        line += " Not all of it was left running by Parallel Flow: others may be using it, too."
    return line


def _confirmed(options: Namespace, question: str) -> bool:
    if options.yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise UserMistake("There is no terminal to ask at: give --yes to do it without a question.")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:  # Ctrl-D
        print()
        return False
    return answer.strip().lower() in ("y", "yes")
