"""The engines of one machine: a process that loads their libraries once, forks them and ends.

An engine by itself computes for a second until it can work, most of it to load ipyparallel and
VisTrails. Engines that are forked share that. Only what a fork leaves whole is loaded before: no
thread, no socket, no event loop, no context of zmq.

Run as ``python -m parallelflow.engine_manager.launch.host_engines MODULE [ARGUMENTS]``: the module
that each engine is as a program of its own, by which it is known in a list of processes, and what
that takes. It is ``ipyparallel.engine`` on another host and `engine_main` on the session's own.
Standard input is a list in JSON: the file to which each of the engines writes. It prints their
process ids. An exit code other than 0 says that it has started none.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from parallelflow.engine import place, start_environment
from parallelflow.system import collection
from parallelflow.system.process_end import leave

from ..system.ipyparallel_load import load_ipyparallel
from . import engine_main

__all__ = ["LOCAL_ENGINE", "STARTED", "can_fork", "load", "main"]

LOCAL_ENGINE = engine_main.__name__
"""The module that an engine of the session's own machine is."""

STARTED = re.compile(r"__started (\d+) (\d+)__")
"""The number and the process id of an engine, as they are printed."""

# What ipyparallel and IPython load when an engine registers: half of what it then computes.
LOADED_LATER = (
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "traitlets.config.argcomplete_config",
)


def main(arguments: list[str]) -> None:
    """Load what engines need and fork them; end the process.

    Parameters
    ----------
    arguments : list of str
        The engines' module, and what it takes.
    """
    collection.spare_start()
    outputs = json.load(sys.stdin)
    place.mark()
    load()
    if not can_fork():
        raise SystemExit("there are threads, which forked engines would lack")
    sys.stdout.flush()  # or each of them would write it
    # They begin when all of them have been told: nobody would stop those of a cancelled start.
    gate, opener = os.pipe()
    told = []
    for number, output in enumerate(outputs):
        pid = os.fork()
        if not pid:
            os.close(opener)
            _be_engine(gate, output, *arguments)
        told.append(f"__started {number} {pid}__\n")  # see `STARTED`
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(sys.stdout.fileno(), "".join(told).encode())
        os.write(opener, bytes(len(told)))
    os._exit(0)


def load() -> None:
    """Load what the engines have in common."""
    load_ipyparallel()
    from . import nanny, quiet_kernel  # noqa: F401 - the nanny is each engine's

    quiet_kernel.install()
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # as ipengine, before a debugger
    for module in LOADED_LATER:
        with contextlib.suppress(Exception):  # only some versions have it
            import_module(module)
    with contextlib.suppress(Exception):  # without VisTrails they are good for plain functions
        from parallelflow.host import load_engine_core

        load_engine_core()
    collection.leave_start_out()  # a search there would write to the memory that they share


def can_fork() -> bool:
    """Whether a fork of this process has all that this one has: not its threads."""
    if not sys.platform.startswith("linux") or threading.active_count() > 1:
        return False
    return len(list(Path("/proc/self/task").iterdir())) == 1  # also those of libraries


def _be_engine(gate: int, output: str, module: str, *arguments: str) -> NoReturn:
    """Be an engine, as a program that a shell has started with ``nohup`` and ``&``."""
    code = 1
    try:
        os.setsid()
        if os.read(gate, 1):
            os.close(gate)
            _open_streams(output)
            _renew_random_state()
            code = _run(module, list(arguments))
    except BaseException:
        traceback.print_exc()
    finally:
        leave(code)  # never back into what has forked it


def _open_streams(output: str) -> None:
    """Read nothing, and write to a file."""
    for path, flags, streams in (
        (os.devnull, os.O_RDONLY, (0,)),
        (output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, (1, 2)),
    ):
        opened = os.open(path, flags, 0o666)
        for stream in streams:
            os.dup2(opened, stream)
        os.close(opened)


def _renew_random_state() -> None:
    """Give this engine what others must not have, too; Python does so for `random` itself."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "multiprocessing" in sys.modules:
        sys.modules["multiprocessing"].current_process().authkey = os.urandom(32)


def _run(module: str, arguments: list[str]) -> int:
    """Run the engine to its end; return its exit code."""
    from . import nanny

    pipes = nanny.fork()
    if module == LOCAL_ENGINE:
        sys.argv = [str(engine_main.__file__), *arguments]
        return engine_main.run_local(pipes, Path(arguments[0]), arguments[1:])
    import ipyparallel.engine

    sys.argv = [str(Path(ipyparallel.engine.__file__).with_name("__main__.py")), *arguments]
    start_environment.restore()
    return engine_main.run(nanny.engine_with(pipes, nanny.QuietEngine), arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
