"""``parallelflow check``: what there is on this machine, and what to do about what is not.

The file is long, since it has a short function for each finding, in the order of the output.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import os
import platform
import re
import site
import sys
import sysconfig
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import parallelflow
from parallelflow.errors import VistrailsNotFound, WindowUnavailable
from parallelflow.findings import FINE, NOTE, TO_DO, Finding
from parallelflow.system.safe_files import is_folder, is_there
from parallelflow.wording import count

from .exits import Exit
from .finding_lines import finding_lines, terminal_columns
from .json_output import print_document

__all__ = ["OLDEST_IPYPARALLEL", "check"]

PYTHONS = ((3, 10), (3, 15))
"""The oldest and the newest Python that the tests run on."""

OLDEST_IPYPARALLEL = "8.4.1"
"""As setup.py has it: the oldest one that passes the tests (8.4.0 fails on Python 3.11)."""

OUTSIDE_LINUX = "A process is told from a later one of the same number by its start time alone."
ON_WINDOWS = (
    "Engines can be ended but not interrupted, and the permissions of a cluster's connection file "
    "are those of its folder: keep other users out of it."
)

PTH = "parallelflow_activate.pth"


def check(options: Namespace) -> int:
    """Report on each part, from Python to the clusters that run, and try an engine.

    Parameters
    ----------
    options : Namespace
        As `parallelflow.cli.parser` makes it.

    Returns
    -------
    int
        0 if workflows can run in parallel here, 1 if there is something to do first.
    """
    # What the engine manager logs comes back as a finding.
    logging.getLogger("parallelflow").addHandler(logging.NullHandler())
    logging.getLogger("parallelflow").propagate = False
    columns = terminal_columns()
    missing = 0
    found: list[dict[str, object]] = []
    parts = (_python, _system, _ourselves, _vistrails, _bundled_packages, _window, _ipyparallel)
    for look in (*parts, _zmq, _shared_memory, _profiles, _engine):
        for finding in _safely(look):
            missing += finding.state == TO_DO
            if options.json:
                found.append({**asdict(finding), "more": list(finding.more)})
                continue
            if options.quiet and finding.state != TO_DO:
                continue
            # For a person at once; another program, such as head, gets it as from other commands.
            print(*finding_lines(finding, columns), sep="\n", flush=sys.stdout.isatty())
    if options.json:
        print_document("check", {"ready": not missing, "findings": found})
        return Exit.FAILED if missing else Exit.OK
    if not options.quiet:
        print()
        if missing:
            print(f"{count(missing, 'thing')} to do before workflows run in parallel here.")
        else:
            print("Workflows can run in parallel here.")
    return Exit.FAILED if missing else Exit.OK


def _safely(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as e:  # one broken part must not hide the others
        yield Finding(TO_DO, " ".join(f"{type(e).__name__}: {e}".split()))


def _python() -> Iterator[Finding]:
    text = f"Python {platform.python_version()}"
    oldest, newest = PYTHONS
    if not oldest <= sys.version_info[:2] <= newest:
        text += f": the tests run on {_dotted(oldest)} to {_dotted(newest)}; take one of these"
    elif sysconfig.get_config_var("Py_GIL_DISABLED"):
        text += " without the global lock: the tests run on Pythons with it; take one of these"
    yield Finding(NOTE if ";" in text else FINE, text)


def _system() -> Iterator[Finding]:
    system = platform.system()
    if system == "Linux":
        try:
            name = platform.freedesktop_os_release()["PRETTY_NAME"]
        except (OSError, KeyError):
            name = "an unknown distribution"
        yield Finding(FINE, f"{name}, Linux {platform.release()} on {platform.machine()}")
        return
    name = {"Darwin": "macOS"}.get(system, system)
    known = ON_WINDOWS if system == "Windows" else OUTSIDE_LINUX
    yield Finding(NOTE, f"{name} {platform.release()}: the tests run on Linux alone. {known}")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _ourselves() -> Iterator[Finding]:
    folders = {sysconfig.get_path("purelib"), site.getusersitepackages(), *site.getsitepackages()}
    text = f"Parallel Flow {parallelflow.version}"
    if any((Path(folder) / PTH).is_file() for folder in folders):
        yield Finding(FINE, f"{text}, found by VisTrails in any program of this Python")
    else:
        yield Finding(
            NOTE,
            f"{text}, found by VisTrails only when this command starts it: {PTH} is not in "
            f"{_short(sysconfig.get_path('purelib'))}. Copy it there, or install with pip.",
        )


def _vistrails() -> Iterator[Finding]:
    from parallelflow.host import find_vistrails, repairs, start_core
    from parallelflow.host.installation import UNKNOWN_VERSION

    try:
        installation = find_vistrails()
        needed = {repair.name: _is_needed(repair) for repair in repairs.REPAIRS}
        start_core(execution_log=False)
    except VistrailsNotFound as e:
        yield Finding(TO_DO, str(e))
        return
    version = "" if installation.version == UNKNOWN_VERSION else f" {installation.version}"
    yield Finding(FINE, f"VisTrails{version} in {_short(installation.path)}; its core starts")
    for repair in repairs.REPAIRS:
        if repair.instead is not None:  # it stands in only for what cannot be found
            needed[repair.name] = False
            for module in repair.modules:
                importlib.util.find_spec(module)
    applied = set(repairs.applied)
    groups: dict[str, list[str]] = {"applied": [], "for later": [], "not needed": []}
    for repair in repairs.REPAIRS:
        later = needed[repair.name] and any(m not in sys.modules for m in repair.modules)
        kind = "applied" if repair.name in applied else "for later" if later else "not needed"
        groups[kind].append(repair.name)
    titles = {
        "applied": "applied: ",
        "for later": "applied when VisTrails loads what they mend: ",
        "not needed": "not needed here: ",
    }
    yield Finding(
        FINE,
        f"{len(repairs.REPAIRS)} repairs of VisTrails, made at run time",
        tuple(titles[kind] + ", ".join(names) for kind, names in groups.items() if names),
    )
    if sys.version_info >= (3, 13) and importlib.util.find_spec("fissix") is None:
        yield Finding(
            NOTE,
            "no fissix: a PythonSource of VisTrails 2 cannot be translated. If you have such "
            "workflows: pip install fissix",
        )


def _bundled_packages() -> Iterator[Finding]:
    from parallelflow.host.bundled_packages import BUNDLED_PACKAGES, describe_others

    complete = [package.codepath for package in BUNDLED_PACKAGES if package.is_complete()]
    lacking = [package for package in BUNDLED_PACKAGES if not package.is_complete()]
    text = f"VisTrails' packages with their libraries: {', '.join(complete) or 'none'}"
    yield Finding(FINE, text, describe_others())
    if lacking:
        libraries = " ".join(package.distribution for package in lacking)
        yield Finding(
            NOTE,
            "VisTrails' packages without their libraries: "
            f"{', '.join(package.codepath for package in lacking)}. If you have workflows that "
            f"use them: pip install {libraries}",
        )


def _is_needed(repair: object) -> bool:
    try:
        return bool(repair.needed())  # type: ignore[attr-defined]
    except Exception:
        return False


def _window() -> Iterator[Finding]:
    from parallelflow.host import display

    try:
        display.check()
    except WindowUnavailable as e:
        yield Finding(NOTE, f"no window: {' '.join(str(e).split())}")
        return
    yield Finding(FINE, f"PyQt5 with Qt {display.qt_version()}; a window can be opened")


def _ipyparallel() -> Iterator[Finding]:
    try:
        version = importlib.metadata.version("ipyparallel")
        import ipyparallel  # noqa: F401 - to see whether it can be
    except ImportError as e:
        yield Finding(TO_DO, f"ipyparallel cannot be used: {e}. pip install ipyparallel")
        return
    if _numbers(version) < _numbers(OLDEST_IPYPARALLEL):
        yield Finding(
            TO_DO,
            f"ipyparallel {version} is too old: pip install 'ipyparallel>={OLDEST_IPYPARALLEL}'",
        )
    else:
        yield Finding(FINE, f"ipyparallel {version}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _shared_memory() -> Iterator[Finding]:
    from parallelflow.data.folder_owners import BASE, folder_states
    from parallelflow.data.shared_folder import SharedFolder
    from parallelflow.settings import settings

    if not settings().sharedMemory:
        yield Finding(NOTE, "large values go through messages: sharedMemory is off.")
        return
    folder = SharedFolder.create()
    if folder is None:
        yield Finding(
            NOTE,
            "large values go through messages, which is slower: there is no shared memory that can "
            f"be written ({BASE}).",
        )
        return
    room = folder.room()
    folder.remove()
    states = folder_states()
    held = sum(state.nbytes for state in states)
    yield Finding(
        FINE,
        f"large values go through shared memory: {BASE}, {_size(room)} free; {_size(held)} of "
        f"{len([state for state in states if state.owned])} sessions lie there now.",
    )
    abandoned = [state for state in states if not state.owned]
    if abandoned:
        yield Finding(
            NOTE,
            f"{_size(sum(state.nbytes for state in abandoned))} in {BASE} were left by killed "
            "sessions: the next session that runs anything on engines removes them.",
        )


def _size(nbytes: int) -> str:
    """Return a number of bytes for a person."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if nbytes >= size:
            return f"{nbytes / size:.1f} {unit}"
    return f"{nbytes / 1000:.0f} kB"


def _zmq() -> Iterator[Finding]:
    import zmq

    text = f"pyzmq {zmq.__version__} with ZeroMQ {zmq.zmq_version()}"
    if zmq.has("curve"):
        yield Finding(FINE, f"{text}; connections are encrypted (CurveZMQ)")
    else:
        yield Finding(
            NOTE,
            f"{text}, made without CurveZMQ: connections are signed but not encrypted. "
            "pip install --force-reinstall pyzmq brings one with it.",
        )


def _profiles() -> Iterator[Finding]:
    from parallelflow.engine_manager import get_manager
    from parallelflow.engine_manager.connection.connection_files import connections
    from parallelflow.engine_manager.system.profiles import open_to_change

    for profile in get_manager().profiles():
        folder = Path(profile.folder)
        if not _can_be_written(folder):
            yield Finding(
                NOTE,
                f"profile {profile.name}: {_short(folder)} cannot be written, so no engines can "
                "be started on it. Correct its permissions.",
            )
            continue
        for line in open_to_change(profile.name):
            yield Finding(TO_DO, f"profile {profile.name}: {line}")
        running = [f"{c.host}, {c.origin.value}" for c in profile.clusters]
        if running:
            text = f"a cluster runs ({'; '.join(running)})"
        else:
            text = "no cluster runs; one is started when it is needed"
        yield Finding(FINE, f"profile {profile.name}: {text}")
        ids = {cluster.cluster_id for cluster in profile.clusters}
        for connection in connections(profile.name):
            if connection.cluster_id in ids and connection.readable_by_others():
                yield Finding(
                    TO_DO,
                    f"profile {profile.name}: other users can read {_short(connection.path)}, and "
                    "with it run programs as you: chmod 600 it, and shut the cluster down",
                )


def _engine() -> Iterator[Finding]:
    try:
        import ipyparallel  # noqa: F401 - to see whether it can be
    except ImportError:
        return  # which has been told
    from parallelflow.engine_manager import get_manager

    from .trial import run_one_element

    profile = get_manager().profile
    trial = run_one_element(profile)
    if trial.failed:
        first, *more = trial.failed.splitlines()
        yield Finding(TO_DO, f"no element can be computed on an engine: {first}", tuple(more))
        return
    text = f"an engine of the profile {profile}, started to try it, computed an element"
    if trial.vistrails:
        yield Finding(
            TO_DO,
            f"{text}, but VisTrails does not start there, so that no Map can: {trial.vistrails}",
        )
    else:
        yield Finding(FINE, f"{text} ({trial.seconds:.1f} s in all)")


def _can_be_written(folder: Path) -> bool:
    """Return True if a folder, or what is missing of it, can be written."""
    while not is_there(folder) and folder != folder.parent:
        folder = folder.parent
    return is_folder(folder) and os.access(folder, os.W_OK)


def _short(path: Path | str) -> str:
    """Return a path as a person at this terminal would write it."""
    path = Path(path)
    for folder, shown in ((Path.cwd(), ""), (Path.home(), "~/")):
        try:
            return shown + str(path.relative_to(folder))
        except ValueError:
            continue
    return str(path)
