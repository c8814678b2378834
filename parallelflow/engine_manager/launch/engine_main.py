"""An engine of ours, as a process: ipyparallel's own engine, with its waiting made use of.

It is started together with the controller and loads ipyparallel and VisTrails while the
controller comes up; then it registers as any engine does. Only local engines start this
way, several of them as forks (`host_engines`), as those by ssh are; other launchers start
``python -m ipyparallel.engine``.

Run as ``python -m parallelflow.engine_manager.launch.engine_main FILE [ARGUMENTS]``: the
connection file, then arguments of ipengine.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from parallelflow.engine import place, start_environment
from parallelflow.system import collection
from parallelflow.system.process_end import leave
from parallelflow.system.safe_files import UnusableFile, parse_json, read_text

from ..system.ipyparallel_load import load_ipyparallel

__all__ = ["main", "run", "run_local"]

# Longer than a session waits for its controller, with many engines: the session stops what it has
# started when it gives up.
CONNECTION_SECONDS = 300.0
LOOK_SECONDS = 0.02


def main(arguments: list[str]) -> None:
    """Load what engines need, wait for the connection file and run an engine.

    Parameters
    ----------
    arguments : list of str
        The connection file's path, then what ``ipengine`` takes.
    """
    collection.spare_start()
    path, rest = Path(arguments[0]), arguments[1:]
    place.mark()
    load_ipyparallel()
    from . import nanny, quiet_kernel

    pipes = nanny.fork()
    quiet_kernel.install()
    leave(run_local(pipes, path, rest))


def run_local(pipes: tuple[int, int] | None, path: Path, arguments: list[str]) -> int:
    """Wait for the connection file and run an engine to its end; return its exit code.

    Parameters
    ----------
    pipes : tuple of int, or None
        Its nanny, as `nanny.fork` returns it.
    path : Path
        The connection file.
    arguments : list of str
        What ``ipengine`` takes.
    """
    from . import nanny

    engine_class = nanny.engine_with(pipes)
    if not path.exists():
        _warm_up()
    collection.end_start()  # before it waits: what it loads afterwards is the smaller part
    os.environ["IPP_CONNECTION_INFO"] = _connection_info(path)
    if pipes is not None:  # else ipyparallel starts a nanny, which needs them too
        start_environment.restore()
    return run(engine_class, arguments)


def run(engine_class: Any, arguments: list[str]) -> int:
    """Run an engine to its end; return its exit code.

    Parameters
    ----------
    engine_class : type of IPEngine
        ipyparallel's, or one that derives from it.
    arguments : list of str
        What ``ipengine`` takes.
    """
    try:
        engine_class.launch_instance(arguments)
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
        if code:
            _tell_of_exit(e, code)
        return code
    except RuntimeError as e:
        # How ipyparallel 9.2 ends when it is told to, with current tornado; elsewhere quietly.
        if "Event loop stopped" not in str(e):
            raise
    return 0


def _tell_of_exit(error: SystemExit, code: int) -> None:
    """Write into the log what has ended the engine: a configuration file may call sys.exit."""
    lines = [] if isinstance(error.code, int) else [str(error.code)]
    for last in traceback.extract_tb(error.__traceback__)[-1:]:
        if "ipyparallel" in Path(last.filename).parts:
            continue  # it has written why
        lines.append(
            f"{last.filename}, line {last.lineno} has ended the engine (exit code {code})."
        )
    sys.stderr.write("".join(f"{line}\n" for line in lines))


def _warm_up() -> None:
    """Start VisTrails' core; an engine without it is good for plain functions."""
    with contextlib.suppress(Exception):
        from parallelflow.host import start_engine_core

        start_engine_core()


def _connection_info(path: Path) -> str:
    """Return the connection file's content, once it is whole."""
    deadline = time.monotonic() + CONNECTION_SECONDS
    while time.monotonic() < deadline:
        try:
            text = read_text(path)
            parse_json(text)
            return text
        except UnusableFile as e:
            raise SystemExit(f"{e}. Remove it.") from e
        except (OSError, ValueError):
            time.sleep(LOOK_SECONDS)  # it is not there yet, or not whole
    raise SystemExit(f"no connection file came in {CONNECTION_SECONDS:.0f} s: {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
