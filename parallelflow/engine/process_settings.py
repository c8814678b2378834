"""The settings of a process that decide what Python code computes, one entry for each.

Standard library only. `SETTINGS` is what a session sends to engines beside a run's function; the
table in docs/explanation.md has a row for each name in it, and for what is left to each process.
"""

from __future__ import annotations

import csv
import gc
import locale
import os
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import process_logging
from .library_settings import (
    read_decimal,
    read_file_types,
    read_numpy_errors,
    read_numpy_print,
    write_decimal,
    write_file_types,
    write_numpy_errors,
    write_numpy_print,
)
from .payload import Frame, dump, load
from .stream_text import StreamText, read_stream_text, write_stream_text

__all__ = [
    "ENVIRONMENT",
    "FILTERS",
    "PATH",
    "SETTINGS",
    "FolderUnusable",
    "Setting",
    "SettingUnavailable",
    "encode",
    "read_environment",
]

# What is adapted to the engine.
ENVIRONMENT = "environment variables"
PATH = "`sys.path`"
FILTERS = "warning filters"


class FolderUnusable(Exception):
    """The session's working directory cannot be entered in this process."""


class SettingUnavailable(Exception):
    """A setting's value does not exist on this machine; its own is left as it is."""


@dataclass(frozen=True)
class Setting:
    """A property of a process that a run takes from its session.

    Attributes
    ----------
    name : str
        Its row in the table of docs/explanation.md.
    read : callable
        Returns the value in this process. It takes some microseconds at most, since it is called
        twice for each chunk.
    write : callable
        Gives this process another value.
    send : callable
        Returns a value that was read as one that plain pickle takes.
    receive : callable
        Returns what was sent as a value that `write` takes.
    any_machine : bool
        Whether the value means the same on another machine.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    send: Callable[[Any], Any] = lambda value: value
    receive: Callable[[Any], Any] = lambda value: value
    any_machine: bool = True


# -- files --------------------------------------------------------------------------------


def _enter_folder(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as e:
        raise FolderUnusable(e.strerror or type(e).__name__) from e


_umask_lock = threading.Lock()


def _read_umask() -> int:
    # It can be read only by setting it; meanwhile files of other threads are private.
    with _umask_lock:
        mask = os.umask(0o077)
        os.umask(mask)
    return mask


def _read_stack_size() -> int:
    size = threading.stack_size()  # which has set it to the system's own
    threading.stack_size(size)
    return size


def _write_tempdir(folder: str | None) -> None:
    tempfile.tempdir = folder


# -- the environment ----------------------------------------------------------------------


def read_environment() -> dict[Any, Any]:
    """Return the environment variables, encoded as the system has them.

    The dictionary behind ``os.environ`` is copied in 0.2 us, `os.environ` itself in 80 us.
    """
    data = getattr(os.environ, "_data", None)
    return dict(data) if data is not None else {encode(k): encode(v) for k, v in os.environ.items()}


def encode(text: str) -> Any:
    """Return a variable's name or value as `read_environment` has it."""
    return os.fsencode(text) if os.name == "posix" else text


def _decode(data: Any) -> str:
    return os.fsdecode(data)


def _write_environment(wanted: dict[Any, Any]) -> None:
    current = read_environment()
    for name in current.keys() - wanted.keys():
        del os.environ[_decode(name)]
    for name, value in wanted.items():
        if current.get(name) != value:
            os.environ[_decode(name)] = _decode(value)


# -- the language -------------------------------------------------------------------------

_CATEGORIES = [
    getattr(locale, name)
    for name in ("LC_CTYPE", "LC_COLLATE", "LC_TIME", "LC_MONETARY", "LC_NUMERIC", "LC_MESSAGES")
    if hasattr(locale, name)
]


def _read_locale() -> tuple[str, ...]:
    return tuple([locale.setlocale(category) for category in _CATEGORIES])


def _write_locale(names: tuple[str, ...]) -> None:
    missing = set()
    for category, name in zip(_CATEGORIES, names, strict=False):
        try:
            locale.setlocale(category, name)
        except locale.Error:
            missing.add(name)
    if missing:
        raise SettingUnavailable(f"the locale {', '.join(sorted(missing))} is not installed")


def _read_zone() -> Any:
    return time.tzname, time.timezone, time.altzone


def _write_zone(_: Any) -> None:
    if hasattr(time, "tzset"):
        time.tzset()  # from the variable TZ, which has been set before


# -- Python -------------------------------------------------------------------------------


def _write_recursion_limit(limit: int) -> None:
    try:
        sys.setrecursionlimit(limit)
    except RecursionError as e:  # an engine's own calls are deeper already
        raise SettingUnavailable(f"the recursion limit {limit} is too low") from e


def _read_max_digits() -> int:
    return sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else 0


def _write_max_digits(digits: int) -> None:
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(digits)


def _read_gc() -> tuple[bool, tuple[int, int, int]]:
    return gc.isenabled(), gc.get_threshold()


def _write_gc(value: tuple[bool, tuple[int, int, int]]) -> None:
    (gc.enable if value[0] else gc.disable)()
    gc.set_threshold(*value[1])


def _read_bytecode() -> tuple[bool, str | None]:
    return sys.dont_write_bytecode, sys.pycache_prefix


def _write_bytecode(value: tuple[bool, str | None]) -> None:
    sys.dont_write_bytecode, sys.pycache_prefix = value


def _write_argv(arguments: list[str]) -> None:
    sys.argv[:] = arguments


def _write_path(folders: list[str]) -> None:
    sys.path[:] = folders


def _read_start_method() -> Any:
    module = sys.modules.get("multiprocessing")
    return module.get_start_method(allow_none=True) if module is not None else None


def _write_start_method(method: str | None) -> None:
    import multiprocessing

    try:
        multiprocessing.set_start_method(method, force=True)
    except ValueError as e:
        raise SettingUnavailable(f"the start method {method} of multiprocessing is missing") from e


# -- warnings -----------------------------------------------------------------------------

Filter = tuple[Any, ...]
_last_filters: list[Filter] = []


def _read_filters() -> list[Filter]:
    return list(warnings.filters)


def _write_filters(filters: list[Filter]) -> None:
    global _last_filters
    if filters != _last_filters:
        # What was shown once under other filters may be shown again, or raised.
        with warnings.catch_warnings():
            pass
        _last_filters = list(filters)
    warnings.filters[:] = filters  # type: ignore[index]


def _send_filters(filters: list[Filter]) -> list[list[Frame]]:
    sent = []
    for each in filters:
        try:
            sent.append(dump(each))
        except Exception:  # a category that pickle cannot take: no engine can warn of it
            continue
    return sent


def _receive_filters(sent: list[list[Frame]]) -> list[Filter]:
    filters = []
    for frames in sent:
        try:
            filters.append(load(frames))
        except Exception:  # a category of a module that is missing here
            continue
    return filters


def _write_stream_text(value: StreamText) -> None:
    try:
        write_stream_text(value)
    except LookupError as e:
        raise SettingUnavailable(f"sys.stdout and sys.stderr cannot be encoded here: {e}") from e


# The environment comes before the time zone, which is read from it; the filters last, since
# their categories are found by the path.
SETTINGS = (
    Setting(ENVIRONMENT, read_environment, _write_environment),
    Setting("working directory", os.getcwd, _enter_folder),
    Setting(PATH, lambda: list(sys.path), _write_path),
    Setting("`sys.argv`", lambda: list(sys.argv), _write_argv),
    Setting("umask", _read_umask, os.umask),
    Setting("folder of `tempfile`", lambda: tempfile.tempdir, _write_tempdir, any_machine=False),
    Setting("locale", _read_locale, _write_locale),
    Setting("time zone", _read_zone, _write_zone),
    Setting(
        "logging",
        process_logging.read,
        process_logging.write,
        process_logging.send,
        process_logging.receive,
    ),
    Setting("recursion limit", sys.getrecursionlimit, _write_recursion_limit),
    Setting("longest integer as text", _read_max_digits, _write_max_digits),
    Setting("switch interval", sys.getswitchinterval, sys.setswitchinterval),
    Setting("stack size of threads", _read_stack_size, threading.stack_size),
    Setting("garbage collection", _read_gc, _write_gc),
    Setting("bytecode files", _read_bytecode, _write_bytecode),
    Setting("time limit of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Setting("field size of `csv`", csv.field_size_limit, csv.field_size_limit),
    Setting("start method of `multiprocessing`", _read_start_method, _write_start_method),
    Setting("types of files (`mimetypes`)", read_file_types, write_file_types),
    Setting("decimal context", read_decimal, write_decimal),
    Setting(
        "NumPy's error handling",
        read_numpy_errors,
        write_numpy_errors,
    ),
    Setting(
        "NumPy's print options",
        read_numpy_print,
        write_numpy_print,
    ),
    Setting("text of `sys.stdout` and `sys.stderr`", read_stream_text, _write_stream_text),
    Setting(FILTERS, _read_filters, _write_filters, _send_filters, _receive_filters),
)
