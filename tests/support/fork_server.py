"""Python programs as forks of a process that has imported libraries: none of them does it again.

For programs of which only counts what they do, what they leave and their code. What a program
tests must not be imported before the fork; how a process starts, and how Python takes itself apart
at its end, is for a real one.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from tests.support.forking import ForkingProcess, serve

ROOT = Path(__file__).resolve().parents[2]

#: What VisTrails imports and no repair of Parallel Flow's is for.
LIBRARIES = (
    "IPython",
    "asyncio",
    "numpy",
    "sqlite3",
    "unittest",
    "urllib.request",
    "xml.dom.minidom",
)
#: What sessions that have a cluster import beside.
SESSION_LIBRARIES = (*LIBRARIES, "ipyparallel")
#: Parts of Parallel Flow's package, which VisTrails enables, that neither import VisTrails nor look
#: at their process. For programs that are about VisTrails or its window.
PARTS = (
    "parallelflow.api",
    "parallelflow.checkpoints.checkpoint",
    "parallelflow.engine_manager",
    "parallelflow.work.recovery",
)
#: What VisTrails' window imports beside, and its packages, which it enables when it first opens.
WINDOW_LIBRARIES = (
    *LIBRARIES,
    *PARTS,
    "PyQt5.QtNetwork",
    "PyQt5.QtPrintSupport",
    "PyQt5.QtSvg",
    "PyQt5.QtWidgets",
    "ipyparallel",
    "matplotlib.backends.backend_qt5agg",
    "mpl_toolkits.mplot3d",
    "pylab",
    "scipy.stats",
    "sklearn.utils._testing",
)


class Program:
    """A program that was forked, as far as tests need it like `subprocess.Popen`.

    Attributes
    ----------
    pid : int
        Its process.
    stdout : text stream
        What it writes.
    returncode : int or None
        None until its end was seen; negative for the signal that has ended it.
    """

    def __init__(self, answers: socket.socket, out: int) -> None:
        self._answers = answers
        self._read = answers.makefile()
        self.pid = int(self._read.readline())
        self.stdout = open(out, encoding="utf-8")  # noqa: SIM115 - its reader closes it
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its code.

        Raises
        ------
        subprocess.TimeoutExpired
            If it has not ended in time.
        """
        if self.returncode is None:
            if timeout is not None and not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            self.returncode = int(self._read.readline())
            self._read.close()
            self._answers.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return its code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal if it runs."""
        if self.poll() is None:
            _kill(self.pid, number)

    def kill(self) -> None:
        """Kill it if it runs."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that programs are forked from.

    Parameters
    ----------
    *libraries : str
        The modules that it imports, those that there are.
    """

    def __init__(self, *libraries: str) -> None:
        command = [sys.executable, "-m", "tests.support.fork_server"]
        self._process = ForkingProcess(command, *libraries, cwd=ROOT)

    def run(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        seconds: float,
        folder: Path = ROOT,
        together: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a module as ``python -m`` does; return its code and output.

        Parameters
        ----------
        module, arguments
            What is run.
        environment : mapping
            Its variables; PYTHONPATH has the repository where it runs in another folder.
        seconds : float
            How long it may take.
        folder : Path
            Where it runs.
        together : bool
            Whether its errors are among its output, as on a terminal.

        Raises
        ------
        subprocess.TimeoutExpired
            If it has not ended in time; it is killed.
        """
        command = ("module", module, *arguments)
        return self._run(command, environment, seconds, folder, together)

    def run_script(
        self,
        path: Path,
        folder: Path,
        environment: Mapping[str, str],
        seconds: float,
        arguments: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a script in a folder as ``python PATH`` does, if the repository is in PYTHONPATH."""
        return self._run(("script", str(path), *arguments), environment, seconds, folder)

    def run_code(
        self,
        code: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        seconds: float,
        folder: Path = ROOT,
    ) -> subprocess.CompletedProcess[str]:
        """Run code in a folder as ``python -c`` does, if the repository is in PYTHONPATH."""
        return self._run(("code", code, *arguments), environment, seconds, folder)

    def start_code(self, code: str, errors: int | None = None) -> Program:
        """Start code in the repository as ``python -c`` does, in this process' environment.

        Parameters
        ----------
        code : str
            The code; the repository is in PYTHONPATH.
        errors : int, optional
            The descriptor that it writes errors to; where this process writes them if not given.
        """
        return self._start(("code", code), os.environ, ROOT, 2 if errors is None else errors)

    def _start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        errors: int | None,
    ) -> Program:
        """Start a program; without a descriptor for errors they go where its output goes."""
        mine, its = socket.socketpair()
        out, its_out = os.pipe()
        its_err = its_out if errors is None else errors
        with its:
            request = (command, dict(environment), str(folder))
            self._process.fork(request, [its.fileno(), its_out, its_err])
        os.close(its_out)
        return Program(mine, out)

    def _run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        seconds: float,
        folder: Path,
        together: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        err, its_err = os.pipe()
        program = self._start(command, environment, folder, None if together else its_err)
        os.close(its_err)
        late = threading.Timer(seconds, _kill, [program.pid])
        errors: list[str] = []
        with program.stdout, open(err, encoding="utf-8") as err_file:
            late.start()
            reader = threading.Thread(target=lambda: errors.append(err_file.read()))
            reader.start()
            output = program.stdout.read()
            reader.join()
            status = program.wait()
            late.cancel()
        if status == -signal.SIGKILL:
            raise subprocess.TimeoutExpired(command[1:], seconds, output, errors[0])
        return subprocess.CompletedProcess(command[1:], status, output, errors[0])

    def stop(self) -> None:
        """End the server."""
        self._process.stop()


def _kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _fork_program(
    request: tuple[Sequence[str], dict[str, str], str], descriptors: Sequence[int]
) -> NoReturn:
    """Fork the program; tell its pid, and how it has ended."""
    answers, out, err = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(answers)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        command, environment, folder = request
        _be_program(*command, environment=environment, folder=folder)
    os.close(out)
    os.close(err)
    os.write(answers, f"{pid}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(answers, f"{code}\n".encode())
    os._exit(0)


def _be_program(
    kind: str, what: str, *arguments: str, environment: dict[str, str], folder: str
) -> NoReturn:
    """Run a module, script or code; end as Python does, but for taking itself apart."""
    try:
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        os.chdir(folder)
        if kind == "module":
            if folder != str(ROOT):
                sys.path.insert(0, folder)
            sys.argv[1:] = arguments
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        elif kind == "script":
            sys.path.insert(0, os.path.dirname(what))  # noqa: PTH120
            sys.argv[:] = [what, *arguments]
            _execute(Path(what).read_text(), what)
        else:
            sys.path.insert(0, "")
            sys.argv[:] = ["-c", *arguments]
            _execute(what)
        _end(0)
    except SystemExit as e:
        if e.code is not None and not isinstance(e.code, int):
            print(e.code, file=sys.stderr)
            _end(1)
        _end(e.code or 0)
    except BaseException:
        traceback.print_exc()
        _end(1)  # with the objects that it holds, such as a widget that was being painted


def _execute(code: str, path: str | None = None) -> None:
    """Execute code in a new module `__main__`."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if path is not None:
        main.__file__ = path
    exec(compile(code, path or "<string>", "exec"), main.__dict__)


def _end(code: int) -> NoReturn:
    vars(threading)["_shutdown"]()  # waits for those that are no daemons, as Python does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # What a program's own search for garbage looked at would be copied for each of them.
    gc.collect()
    gc.freeze()
    serve(int(sys.argv[1]), 3, _fork_program)
