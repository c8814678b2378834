"""Sessions one after the other on engines that none of them has started."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.system import profiles
from tests.host.run import ROOT
from tests.support.fork_server import ForkServer

PROFILE = "others"
# A guard against hangs; a start on a loaded machine takes ten seconds.
LIMIT_SECONDS = 120


@pytest.fixture(
    scope="module", params=["parallelflow", pytest.param("ipcluster", marks=pytest.mark.slow)]
)
def engines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Start an engine in a folder of its own by another program; return the home that it has."""
    monday = tmp_path_factory.mktemp("monday")
    (monday / "input.txt").write_text("1")
    folder = profiles.ensure_folder(PROFILE)
    if request.param == "parallelflow":
        command = [sys.executable, "-m", "parallelflow", "start", "-n", "1", "--profile", PROFILE]
        subprocess.run(command, cwd=monday, check=True, timeout=LIMIT_SECONDS, capture_output=True)
        yield monday
        EngineManager(PROFILE).cleanup()
        return
    command = [sys.executable, "-m", "ipyparallel.cluster", "start", "-n", "1"]
    command += [f"--profile-dir={folder}", "--log-level=ERROR"]
    process = subprocess.Popen(command, cwd=monday, stderr=subprocess.DEVNULL)
    try:
        yield monday
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)


# What each session begins with: it waits until the engine is there.
BEGIN = f"""
import os, sys, time
from parallelflow.engine_manager import get_manager

get_manager().configure(profile={PROFILE!r})
end = time.monotonic() + {LIMIT_SECONDS}
while not getattr(get_manager().ensure_engines(ask=False), "ids", ()):
    assert time.monotonic() < end
    time.sleep(0.1)
"""

SCRIPT = """
from parallelflow.api import parallel_map
"""

WORKFLOW = """
from pathlib import Path
from parallelflow import host
host.start_core({packages!r}, user_packages=Path({folder!r}))
from tests.support.workflows import PARALLEL_FLOW, Part, mapped, run, source

def results(function, elements, output="o"):
    result = run(mapped(function, elements, output=output), PARALLEL_FLOW)
    assert not result.errors, result.errors
    return result.values[1]
"""


Session = Callable[..., str]


@pytest.fixture
def session(sessions: ForkServer) -> Session:
    """Return what runs a script of a folder in it, with the engines, and returns its output."""
    return functools.partial(run_session, sessions)


@pytest.fixture
def workflow(session: Session) -> Session:
    """Return what runs code in VisTrails, in a folder, with the engines."""
    return functools.partial(run_workflow, session)


def run_session(sessions: ForkServer, folder: Path, code: str, begin: str = SCRIPT) -> str:
    """Run a script of a folder in it, with the engines; return what it prints."""
    folder.mkdir(exist_ok=True)
    path = folder / "script.py"
    path.write_text(BEGIN + begin + textwrap.dedent(code))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = sessions.run_script(path, folder, environment, LIMIT_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run_workflow(
    session: Session, folder: Path, code: str, packages: Path = Path(), *names: str
) -> str:
    """Run code in VisTrails, in a folder, with the engines; return what it prints."""
    return session(folder, code, WORKFLOW.format(packages=list(names), folder=str(packages)))


def test_relative_files_are_the_sessions(
    engines: Path, tmp_path: Path, session: Session, workflow: Session
) -> None:
    (tmp_path / "input.txt").write_text("2")
    code = "o = int(open('input.txt').read()) * i\nopen(f'{i}.txt', 'w').close()"
    assert workflow(tmp_path, f"print(results(source({code!r}), [10, 100]))") == "[20, 200]"
    assert {"10.txt", "100.txt"} <= {path.name for path in tmp_path.iterdir()}
    assert [path.name for path in engines.glob("*.txt")] == ["input.txt"]
    for path in tmp_path.glob("10*.txt"):
        path.unlink()
    code = """
        def work(i):
            open(f"{i}.txt", "w").close()
            return int(open("input.txt").read()) * i
        print(parallel_map(work, [10, 100]))
    """
    assert session(tmp_path, code) == "[20, 200]"
    assert (tmp_path / "100.txt").exists() and not (engines / "100.txt").exists()


def test_a_module_beside_a_script(
    engines: Path, tmp_path: Path, session: Session, workflow: Session
) -> None:
    code = "import helpers\nprint(parallel_map(helpers.work, [1]))"
    inside = "import helpers\no = helpers.work(i)"
    for _ in range(2):
        for name, text, expected in (
            ("a", "def work(x):\n    return 'A', x + 1\n", "[('A', 2)]"),
            ("b", "def work(x):\n    return 'B', x * 100\n", "[('B', 100)]"),
        ):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "helpers.py").write_text(text)
            assert session(tmp_path / name, code) == expected
            assert workflow(tmp_path / name, f"print(results(source({inside!r}), [1]))") == expected


INIT = """
from vistrails.core.modules.config import IPort, OPort
from vistrails.core.modules.vistrails_module import Module
from .numbers import Scaled

class Scale(Module):
    _input_ports = [IPort("i", "basic:Variant")]
    _output_ports = [OPort("o", "basic:Variant"), OPort("object", "basic:Variant")]

    def compute(self):
        from userpackages.scale import lazy

        self.set_output("o", (Scaled.factor * self.get_input("i"), lazy.text))
        self.set_output("object", Scaled(self.get_input("i")))

_modules = [Scale]
"""
NUMBERS = """
class Scaled:
    factor = {factor}

    def __init__(self, number):
        self.number = number * self.factor
"""


def write_package(folder: Path, factor: int, text: str) -> Path:
    package = folder / "scale"
    package.mkdir(parents=True, exist_ok=True)
    head = 'identifier = "org.example.scale"\nname = "Scale"\nversion = "1"\n'
    (package / "__init__.py").write_text(head)
    (package / "init.py").write_text(INIT)
    (package / "numbers.py").write_text(NUMBERS.format(factor=factor))
    (package / "lazy.py").write_text(f"text = {text!r}\n")
    return folder


def test_a_users_package_was_edited(engines: Path, tmp_path: Path, workflow: Session) -> None:
    code = """
        scale = Part("Scale", "org.example.scale")
        print(results(scale, [1, 2]), [s.number for s in results(scale, [1, 2], "object")])
    """
    for factor, text in ((10, "a"), (99, "a"), (99, "b"), (10, "b")):
        packages = write_package(tmp_path / "packages", factor, text)
        expected = f"[({factor}, {text!r}), ({2 * factor}, {text!r})] [{factor}, {2 * factor}]"
        assert workflow(tmp_path, code, packages, "org.example.scale") == expected


def test_two_users_packages_of_one_name(engines: Path, tmp_path: Path, workflow: Session) -> None:
    code = 'print(results(Part("Scale", "org.example.scale"), [1]))'
    for _ in range(2):
        for factor in (3, 4):
            packages = write_package(tmp_path / f"packages{factor}", factor, "c")
            told = workflow(tmp_path, code, packages, "org.example.scale")
            assert told == f"[({factor}, 'c')]"
