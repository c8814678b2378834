"""What elements find in their process: taken from the session, and held while its chunks run.

Standard library only. A session calls `capture` for each run. An engine makes a `ProcessState` of
what it gets and enters it around the run's set-up and around each of its chunks, as an operating
system switches between processes: what a run changes there stays for its later chunks, and other
runs on the engine see nothing of it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parallelflow.system.working_directory import working_directory

from .compiled_modules import check_loaded
from .module_sets import ModuleSet, find_set, shadowed_by
from .module_snapshot import ModuleRecord, look, snapshot
from .process_settings import (
    ENVIRONMENT,
    FILTERS,
    PATH,
    SETTINGS,
    FolderUnusable,
    Setting,
    SettingUnavailable,
    encode,
    read_environment,
)
from .python_path import is_installed, path_here

__all__ = ["FolderMissing", "ProcessState", "SessionState", "capture", "identity"]

# Variables that say which engine a process is, or whose: never taken from a session.
OWN_VARIABLES = ("JPY_PARENT_PID", "PYDEVD_DISABLE_FILE_VALIDATION", "VISTRAILS_USERPACKAGES_DIR")
OWN_PREFIXES = (
    "PARALLELFLOW_", "IPP_", "SLURM", "PBS_", "SGE_", "LSB_", "LSF_", "_CONDOR_", "OMPI_", "PMI",
    "MPI_",
)  # fmt: skip
# Variables by which whoever starts engines gives each its device: taken over only where the
# session itself has set them since its start.
DEVICE_PREFIXES = ("CUDA_VISIBLE_", "HIP_VISIBLE_", "ROCR_VISIBLE_", "GPU_DEVICE_")
# Variables that engines have from their start on, unless the session has them, too.
DEFAULT_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "MPLBACKEND",
)  # fmt: skip
# Variables of the session that hold on other machines, too: of the language (`LANG`, `LANGUAGE`,
# `LC_*`) and the time zone.
LANGUAGE = ("LANG", "LANGUAGE", "TZ")
LAUNCHER_VARIABLES = "PARALLELFLOW_LAUNCHER_VARIABLES"
"""Names of the variables that the profile gives its engines, separated by commas."""


# ipykernel has Matplotlib draw for a notebook. An engine has none, and other Pythons whose programs
# an element starts do not know how. Where the session says nothing, it draws into files: no engine
# opens a window, and none needs a display.
DRAWING, DRAWING_INTO_FILES, OF_NOTEBOOKS = "MPLBACKEND", "agg", b"module://matplotlib_inline"


class FolderMissing(Exception):
    """An engine's machine lacks the folder in which the session works."""


@dataclass(frozen=True)
class SessionState:
    """The state of a session's process as a run takes it along.

    Attributes
    ----------
    host : str
        The session's machine.
    values : dict of str to object
        What was sent for each of `SETTINGS`, by name.
    changes : dict of str to str or None
        Environment variables that the session has set, changed or (None) deleted since it
        started: all that is taken over on another machine.
    modules : dict of str to ModuleRecord
        The session's own modules that it has loaded.
    notes : list of str
        What the user is to be told of them.
    """

    host: str
    values: dict[str, Any]
    changes: dict[str, str | None] = field(default_factory=dict)
    modules: dict[str, ModuleRecord] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def dump(self) -> bytes:
        """Return the state as an engine gets it."""
        return pickle.dumps(self, protocol=5)


def capture() -> SessionState:
    """Return the state of this process.

    Raises
    ------
    WorkingDirectoryGone
        If its working directory has been deleted.
    """
    working_directory()
    values = {setting.name: setting.send(setting.read()) for setting in SETTINGS}
    values[PATH] = [(folder, is_installed(folder)) for folder in values[PATH]]
    return SessionState(socket.gethostname(), values, _changes(), *snapshot())


def identity() -> tuple[Any, ...]:
    """Return what of this process decides results, to be compared with what it was before."""
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:
        folder = ""
    modules = {name: record.digest for name, record in look().items()}
    return folder, list(sys.path), read_environment(), modules


_initial: dict[str, str] | None = None


def _changes() -> dict[str, str | None]:
    """Return the environment variables that are not as they were when this process started."""
    before, now = _initial_environment(), dict(os.environ)
    gone: dict[str, str | None] = dict.fromkeys(before.keys() - now.keys())
    return {**gone, **{name: now[name] for name in now if before.get(name) != now[name]}}


def _initial_environment() -> dict[str, str]:
    """Return the environment that this process was started with."""
    global _initial
    if _initial is None:
        try:
            entries = Path("/proc/self/environ").read_bytes().split(b"\0")
            pairs = [os.fsdecode(entry).partition("=") for entry in entries if b"=" in entry]
            _initial = {name: value for name, _, value in pairs}
        except OSError:  # not Linux: as it was when this was first asked
            _initial = dict(os.environ)
    return _initial


class ProcessState:
    """The state of one run on this engine; enter it around whatever is done for the run.

    Parameters
    ----------
    state : SessionState
        The session's.

    Attributes
    ----------
    notes : list of str
        What this machine does not have, for the user.

    Raises
    ------
    FolderMissing
        When it is entered, if this machine lacks the session's working directory.
    ModuleUnusable
        When it is entered, if a compiled module is here in another state than in the session.
    """

    def __init__(self, state: SessionState) -> None:
        self.notes: list[str] = []
        self._state = state
        self._here = state.host == socket.gethostname()
        self._values: dict[str, Any] = {}
        self._outer: dict[str, Any] = {}
        self._modules: ModuleSet | None = None
        self._shadowed: list[str] = []

    def __enter__(self) -> ProcessState:
        self._outer = {}
        try:
            for setting in SETTINGS:
                if setting.name == FILTERS:  # whose categories may be classes of the session
                    self._enter_modules()
                before = self._outer[setting.name] = _read(setting)
                if setting.name not in self._values:
                    self._values[setting.name] = self._adapted(setting, before)
                wanted = self._values[setting.name]
                if before != wanted:
                    self._write(setting, wanted)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def _enter_modules(self) -> None:
        first = self._modules is None
        if self._modules is None:
            self._modules = find_set(self._values[PATH], self._state.modules)
            self._shadowed = shadowed_by(self._state.modules)
        self._modules.enter(self._state.modules, self._shadowed)
        if first:  # what elements import is as it was when the run began
            check_loaded(self._values[PATH], self._state.modules, disk=True)

    def _write(self, setting: Setting, wanted: Any) -> None:
        try:
            setting.write(wanted)
        except FolderUnusable as e:
            raise FolderMissing(
                f"the working directory of this session, {wanted}, cannot be entered on "
                f"{socket.gethostname()}: {e}. Change to a folder that this machine has, too, or "
                "make it there."
            ) from e
        except SettingUnavailable as e:
            self.notes.append(str(e))
            self._values[setting.name] = _read(setting)

    def _leave(self) -> None:
        """Keep the run's settings and give the process back what it had before."""
        if self._modules is not None:
            self._modules.leave()
        for setting in SETTINGS:
            if setting.name in self._outer:
                before = self._outer[setting.name]
                now = _read(setting)
                self._values[setting.name] = now
                if now != before:
                    with contextlib.suppress(SettingUnavailable, FolderUnusable):
                        setting.write(before)

    def _adapted(self, setting: Setting, before: Any) -> Any:
        """Return the session's value of a setting as it is to be here.

        Parameters
        ----------
        setting : Setting
            Which one.
        before : object
            This engine's own value.
        """
        if not self._here and not setting.any_machine:
            return before
        value = setting.receive(self._state.values[setting.name])
        if setting.name == ENVIRONMENT:
            return self._environment(value, before)
        if setting.name == PATH:
            return path_here(value, before, self._here)
        return value

    def _environment(self, session: dict[Any, Any], own: dict[Any, Any]) -> dict[Any, Any]:
        """Return the environment that elements find on this engine.

        The session's where it runs on this machine, but for what tells engines apart; on another
        machine the engine's own, with the session's changes.
        """
        if own.get(encode(DRAWING), b"").startswith(OF_NOTEBOOKS):
            own = {**own, encode(DRAWING): encode(DRAWING_INTO_FILES)}
        if not self._here:
            wanted = dict(own)
            for name, value in {**self._language(own), **self._state.changes}.items():
                if self._is_own(name, own):
                    continue
                wanted.pop(encode(name), None)
                if value is not None:
                    wanted[encode(name)] = encode(value)
            return wanted
        kept = {n: v for n, v in own.items() if self._is_own(os.fsdecode(n), own)}
        defaults = {n: v for n, v in own.items() if os.fsdecode(n) in DEFAULT_VARIABLES}
        taken = {n: v for n, v in session.items() if not self._is_own(os.fsdecode(n), own)}
        return {**defaults, **taken, **kept}

    def _language(self, own: dict[Any, Any]) -> dict[str, str | None]:
        """Return the variables of language and time zone, which mean the same on any machine."""
        session = self._state.values[ENVIRONMENT]
        names = {os.fsdecode(name) for name in (*session, *own)}
        wanted: dict[str, str | None] = {}
        for name in names:
            if name in LANGUAGE or name.startswith("LC_"):
                value = session.get(encode(name))
                wanted[name] = None if value is None else os.fsdecode(value)
        return wanted

    def _is_own(self, name: str, environment: dict[Any, Any]) -> bool:
        """Return True if a variable says which engine a process is, or whose."""
        if name.startswith(DEVICE_PREFIXES):
            return encode(name) in environment and name not in self._state.changes
        configured = os.fsdecode(environment.get(encode(LAUNCHER_VARIABLES), b"")).split(",")
        return name in OWN_VARIABLES or name.startswith(OWN_PREFIXES) or name in configured


def _read(setting: Setting) -> Any:
    try:
        return setting.read()
    except FileNotFoundError:  # the working directory was removed
        return os.sep
