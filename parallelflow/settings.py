"""The package's settings: VisTrails' configuration of it, in its session or from its file."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from parallelflow.names import IDENTIFIER, PACKAGE
from parallelflow.system import safe_files

__all__ = [
    "CONTINUE",
    "FINISH_OTHERS",
    "POLICIES",
    "STOP",
    "Settings",
    "overridden",
    "override",
    "remember",
    "settings",
]

STOP = "stop"
FINISH_OTHERS = "finish others"
CONTINUE = "continue"
POLICIES = (STOP, FINISH_OTHERS, CONTINUE)
"""What a loop does when an element fails."""

MAX_BYTES = 16 * 2**20
"""The largest startup.xml that is read; one with the values of all packages has some kilobytes."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What a user can set in Preferences > Packages > Parallel Flow > Configure.

    Attributes
    ----------
    profile : str
        The IPython profile.
    engines : int
        Engines to start for work that finds none; 0 for one per core.
    askToStart : bool
        Whether the window asks before it starts engines for work that finds none; *Always*
        in that question turns it off.
    chunkSize : int
        Elements that travel together; 0 to have it follow from the time they take.
    onError : str
        ``stop``; ``finish others`` first and then fail naming every failed element; or
        ``continue`` without those that have failed.
    elementTimeout : float
        Seconds that an element may take; 0 for as long as it likes.
    retries : int
        How often an element that has raised is tried again.
    valueForFailed : str
        What ``continue`` puts in the place of a failed element, as Python writes it; empty for
        None.
    launcher : str
        ipyparallel's launcher for engines; empty for the profile's own.
    sharedMemory : bool
        Whether large values go to engines of this machine, and come back, through shared memory.
    checkpoints : bool
        Whether finished elements of a loop are kept on disk until it ends well.
    checkpointMegabytes : int
        How much all checkpoints may take together; 0 for any size.
    checkpointDays : int
        After how many days a checkpoint is removed; 0 for never.
    resume : bool
        Whether a loop goes on from the checkpoint of an earlier session.
    sharedMemoryMegabytes : int
        The largest value that does; 0 for whatever there is room for.
    desktopNotices : bool
        Whether the desktop tells of a run of more than 30 s that has ended while VisTrails is not
        in front.
    branchesFromLog : bool
        Whether modules without a mark are branches, too, if VisTrails' log of the vistrail has it
        that they took more than a second when they were last executed.
    """

    profile: str = "default"
    engines: int = 0
    askToStart: bool = True
    chunkSize: int = 0
    onError: str = STOP
    elementTimeout: float = 0.0
    retries: int = 0
    valueForFailed: str = ""
    launcher: str = ""
    sharedMemory: bool = True
    sharedMemoryMegabytes: int = 0
    checkpoints: bool = True
    checkpointMegabytes: int = 4096
    checkpointDays: int = 30
    resume: bool = True
    desktopNotices: bool = True
    branchesFromLog: bool = False


_overrides: dict[str, Any] = {}


def override(**values: Any) -> None:
    """Set settings for this process that go before the configuration and a Map's ports.

    Parameters
    ----------
    **values
        By the names of `Settings`; None takes an earlier one back.
    """
    for name, value in values.items():
        _overrides.pop(name, None)
        if value is not None:
            _overrides[name] = value


def overridden(name: str) -> Any:
    """Return what `override` has set a setting to, None if nothing."""
    return _overrides.get(name)


def settings() -> Settings:
    """Return the settings in force.

    Returns
    -------
    Settings
        Those of the user's VisTrails session where there is one. At a terminal, in a script or a
        notebook: those that the last such session has kept in ``~/.vistrails/startup.xml``.
    """
    return replace(_configured(), **_overrides)


def _configured() -> Settings:
    package = None if _is_headless() else _package()
    if package is None:
        return _kept()
    values: dict[str, Any] = {}
    for field in fields(Settings):
        value = getattr(package.configuration, field.name, field.default)
        values[field.name] = value if type(value) is type(field.default) else field.default
    return _sensible(Settings(**values))


def remember(**values: Any) -> bool:
    """Keep settings for this session and the next ones, in VisTrails' configuration.

    Parameters
    ----------
    **values
        By the names of `Settings`.

    Returns
    -------
    bool
        Whether they are kept: not where the package is not enabled, nor where VisTrails cannot
        write its file, which stands in the log. For this session they hold in that case, too.
    """
    package = _package()
    if package is None:
        return False
    for name, value in values.items():
        setattr(package.configuration, name, value)
    try:
        package.persist_configuration()
    except OSError as e:
        logger.warning("Parallel Flow's configuration could not be kept: %s", e)
        return False
    return True


def _kept() -> Settings:
    """Return what VisTrails' file says, the defaults where it says nothing that can be read."""
    try:
        file = Path.home() / ".vistrails" / "startup.xml"
        return _read(file, file.stat().st_mtime_ns)
    except safe_files.UnusableFile as e:
        _warn_once(f"{e}. The defaults are used.")
    # ElementTree's are syntax errors; an encoding that does not exist is looked up in vain.
    except (LookupError, OSError, RuntimeError, SyntaxError, ValueError):
        pass
    return Settings()


@functools.cache
def _warn_once(text: str) -> None:
    logger.warning("%s", text)


@functools.lru_cache(maxsize=1)
def _read(file: Path, changed: int) -> Settings:
    import xml.etree.ElementTree

    root = xml.etree.ElementTree.fromstring(safe_files.read_bytes(file, MAX_BYTES))
    found = root.iterfind(f"./packages/package[@name='{PACKAGE}']//key")
    texts = {key.get("name"): key[0].get("value", "") for key in found if len(key)}
    values: dict[str, Any] = {}
    for field in fields(Settings):
        text = texts.get(field.name)
        if text is None:
            continue
        if isinstance(field.default, bool):
            values[field.name] = text == "True"
        elif isinstance(field.default, (int, float)):
            with contextlib.suppress(ValueError):
                values[field.name] = type(field.default)(text)
        else:
            values[field.name] = text
    return _sensible(Settings(**values))


def _sensible(found: Settings) -> Settings:
    """Return settings as they can be used: nothing keeps a user from typing -2."""
    return replace(
        found,
        profile=found.profile.strip() or Settings.profile,
        engines=max(found.engines, 0),
        chunkSize=max(found.chunkSize, 0),
        elementTimeout=found.elementTimeout if found.elementTimeout > 0 else 0.0,
        retries=max(found.retries, 0),
        checkpointMegabytes=max(found.checkpointMegabytes, 0),
        checkpointDays=max(found.checkpointDays, 0),
        launcher=found.launcher.strip(),
        sharedMemoryMegabytes=max(found.sharedMemoryMegabytes, 0),
    )


def _is_headless() -> bool:
    """Whether this process runs our own headless core, which has not read the user's file."""
    core = sys.modules.get("parallelflow.host.core")
    return core is not None and core.is_running()


def _package() -> Any:
    """Return VisTrails' package, None where it is not enabled."""
    # Imported is not yet constructed; asked too early, VisTrails raises an internal error.
    manager = getattr(sys.modules.get("vistrails.core.packagemanager"), "_package_manager", None)
    if manager is None or not manager.has_package(IDENTIFIER):
        return None
    return manager.get_package(IDENTIFIER)
