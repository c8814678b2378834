"""Controllers and engines of the tests' clusters, forked from processes with their libraries.

A start of a controller and two engines computes for a second, two thirds of it to load libraries,
which are the same for all tests. Here they are loaded once for each process of the tests. What is
forked runs the product's own module from its beginning, with the arguments, environment, streams
and working directory that it was to be started with, and the system shows it as that program. A
test for which it counts how, or how long, they load uses `programs_load_their_libraries`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from parallelflow.engine import place
from parallelflow.engine_manager.launch import host_engines
from parallelflow.engine_manager.system.ipyparallel_load import load_ipyparallel
from parallelflow.engine_manager.system.module_command import module_command
from parallelflow.system import collection
from tests.support.forking import ForkingProcess, serve

CONTROLLER = "parallelflow.engine_manager.launch.controller_main"
ENGINE = "parallelflow.engine_manager.launch.engine_main"
ENGINES = "parallelflow.engine_manager.launch.host_engines"

# Room for the command and the environment of what is forked, bytes each: see `_show`.
ROOM = 16_000
ROOM_VARIABLE = "PARALLELFLOW_TESTS_ROOM"
#: The variables in which starts differ, and which nothing reads while it is loaded.
DIFFER = (
    "IPP_CLUSTER_ID",
    "IPP_PROFILE_DIR",
    "IPP_SESSION_KEY",
    "IPYTHONDIR",
    "PARALLELFLOW_BEFORE_START",
    "PARALLELFLOW_ENGINE_SET",
    "PARALLELFLOW_SESSION",
    "PYTEST_CURRENT_TEST",
)

Request = tuple[str, list[str], dict[str, str], str, int]
"""Module, command, environment, working directory and umask of a program."""


class ForkedProgram:
    """A forked program, as far as launchers need it as a ``subprocess.Popen``.

    Its exit code is its parent's to know.
    """

    def __init__(self, pid: int, stdin: int | None, stdout: int | None) -> None:
        self.pid = pid
        self._ended: int | None = None  # it has ended at once
        with contextlib.suppress(ProcessLookupError):
            self._ended = os.pidfd_open(pid)
        self.stdin = None if stdin is None else open(stdin, "wb")  # noqa: SIM115 - as Popen
        self.stdout = None if stdout is None else open(stdout, "rb")  # noqa: SIM115

    def __enter__(self) -> ForkedProgram:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.stdout, self.stdin):
            if pipe is not None:
                pipe.close()
        self.wait()

    def __del__(self) -> None:
        if self._ended is not None:
            os.close(self._ended)

    def poll(self) -> int | None:
        """Return None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, for some seconds at most."""
        if self._ended is not None and not select.select([self._ended], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return 0

    def kill(self) -> None:
        """Kill it, if it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class LoadedPrograms:
    """The processes that programs are forked from, each started when it is needed."""

    def __init__(self) -> None:
        engines = _LoadedProgram("load_engines")
        controllers = _LoadedProgram("load_controller")
        self._all = (engines, controllers)
        self._of = {CONTROLLER: controllers, ENGINE: engines, ENGINES: engines}

    def popen(self, command: Sequence[str], **options: Any) -> Any:
        """Fork a program that can be, and start another one with ``subprocess.Popen``."""
        module = next((word for word in command if word in self._of), "")
        if module and list(command[: len(module_command(module))]) == module_command(module):
            forked = self._of[module].fork(module, command, options)
            if forked is not None:
                return forked
        return subprocess.Popen(command, **options)

    def stop(self) -> None:
        """End the processes."""
        for loaded in self._all:
            loaded.stop()


class _LoadedProgram:
    """The processes that have loaded what programs need, each in other circumstances.

    Parameters
    ----------
    load : str
        The function of this module that they load it by.
    """

    def __init__(self, load: str) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._processes: dict[object, _Server] = {}
        self._asked: set[object] = set()

    def fork(
        self, module: str, command: Sequence[str], options: Mapping[str, Any]
    ) -> ForkedProgram | None:
        """Fork a program; None if it may load its libraries otherwise."""
        circumstances = _circumstances(options["env"])
        with self._lock:
            server = self._processes.get(circumstances)
            if server is None:
                # Those in which a single test starts one are not worth a process.
                if self._processes and circumstances not in self._asked:
                    self._asked.add(circumstances)
                    return None
                server = self._processes[circumstances] = _Server(self._load, options["env"])
            return server.fork(module, command, options)

    def stop(self) -> None:
        """End the processes."""
        for server in self._processes.values():
            server.stop()


class _Server:
    """A process that has loaded what programs need.

    Parameters
    ----------
    load : str
        The function of this module that it loads it by.
    environment : mapping of str to str
        That of one of the programs.
    """

    def __init__(self, load: str, environment: Mapping[str, str]) -> None:
        own = {name: value for name, value in environment.items() if name not in DIFFER}
        self._process = ForkingProcess(
            module_command(__name__),
            load,
            "x" * ROOM,
            env={**own, ROOM_VARIABLE: "x" * ROOM},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def fork(
        self, module: str, command: Sequence[str], options: Mapping[str, Any]
    ) -> ForkedProgram:
        """Fork a program; the arguments are those of ``subprocess.Popen``."""
        streams, pipes = _streams(options)
        mask = os.umask(0)
        os.umask(mask)
        request: Request = (module, list(command), dict(options["env"]), str(options["cwd"]), mask)
        try:
            pid = self._process.fork(request, streams)
        finally:
            for descriptor in streams:
                os.close(descriptor)
        return ForkedProgram(pid, *pipes)

    def stop(self) -> None:
        """End the process."""
        self._process.stop()


def _circumstances(environment: Mapping[str, str]) -> object:
    """Return what a process takes from the one that starts it, and may read while it loads."""
    limits = (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)
    return (
        frozenset((name, value) for name, value in environment.items() if name not in DIFFER),
        frozenset(os.sched_getaffinity(0)),
        tuple(resource.getrlimit(limit) for limit in limits),
        tuple(n for n in signal.Signals if signal.getsignal(n) == signal.SIG_IGN),
    )


def _streams(
    options: Mapping[str, Any],
) -> tuple[list[int], tuple[int | None, int | None]]:
    """Return descriptors for the three streams of a program, and this end of the first two."""
    streams: list[int] = []
    pipes: list[int | None] = []
    for stream, name in enumerate(("stdin", "stdout", "stderr")):
        given, ours = options[name], None
        if given == subprocess.PIPE:
            ends = os.pipe() if stream else os.pipe()[::-1]
            ours, its = ends
        elif given == subprocess.STDOUT:
            its = os.dup(streams[1])
        elif given == subprocess.DEVNULL:
            its = os.open(os.devnull, os.O_RDWR)
        else:
            its = os.dup(given if isinstance(given, int) else given.fileno())
        streams.append(its)
        pipes.append(ours)
    return streams, (pipes[0], pipes[1])


def load_engines() -> None:
    """Load what engines have in common."""
    place.mark()
    host_engines.load()


def load_controller() -> None:
    """Load what a controller needs."""
    load_ipyparallel()
    importlib.import_module("ipyparallel.controller.app")
    collection.leave_start_out()


def _be_program(
    set_while_loading: Mapping[str, str], request: Request, streams: Sequence[int]
) -> NoReturn:
    """Be the program that is asked for, as ``python -m`` runs it; end without what atexit has."""
    code = 1
    try:
        os.setsid()
        module, command, environment, folder, mask = request
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.umask(mask)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        _show(command)
        os.environ.update(set_while_loading)
        sys.orig_argv[:] = command
        sys.argv[1:] = command[len(module_command(module)) :]
        sys.modules.pop(module, None)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
        if e.code is not None and not isinstance(e.code, int):
            os.write(2, f"{e.code}\n".encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _show(command: Sequence[str]) -> None:
    """Have the system show this process as a program started by a command, in its environment.

    It shows the memory where these were when this program began (proc(5)). Sessions find by them
    what they have started.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    words = [os.fsencode(word) for word in command]
    variables = [name + b"=" + value for name, value in os.environb.items()]
    # `arg_start` and `env_start` are fields 48 and 50; the list here begins with the third.
    for begin, end, texts in (
        (int(fields[45]), int(fields[46]), words),
        (int(fields[47]), int(fields[48]), variables),
    ):
        shown = b"".join(text + b"\0" for text in texts)
        assert len(shown) <= end - begin
        ctypes.memmove(begin, shown.ljust(end - begin, b"\0"), end - begin)


def _main(load: Callable[[], None]) -> None:
    """Load, and serve."""
    before = set(os.environ)
    collection.spare_start()
    load()
    # What this program has for itself; elements may have modules of the first two names.
    ours = ("tests", "tests.support", serve.__module__)
    for name in (*ours, ENGINES, module_command.__module__):
        sys.modules.pop(name, None)
    set_while_loading = {k: v for k, v in os.environ.items() if k not in before}
    serve(int(sys.argv[1]), 3, functools.partial(_be_program, set_while_loading))


if __name__ == "__main__":
    _main(globals()[sys.argv[2]])
