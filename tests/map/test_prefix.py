"""Packages enabled from elsewhere than VisTrails' own place and the user's folder."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host.run import ROOT, run_python
from tests.support.fork_server import ForkServer

MODULES = """
from vistrails.core.modules.config import IPort, OPort
from vistrails.core.modules.vistrails_module import Module
from {beside} import SCALE


class Probe(Module):
    _input_ports = [IPort("i", "basic:Variant")]
    _output_ports = [OPort("o", "basic:Variant")]

    def compute(self):
        from {beside} import SCALE as again

        self.set_output("o", self.get_input("i") * SCALE * again)


_modules = [Probe]
"""
INIT = 'identifier = "org.example.{name}"\nname = "{name}"\nversion = "1.0"\n'

BEGIN = """
import sys
from pathlib import Path
from parallelflow import host

app = host.start_core()
from parallelflow.engine_manager import get_manager
from tests.support.workflows import CONTROL_FLOW, PARALLEL_FLOW, Part, mapped, run

def same(package):
    workflow = mapped(Part("Probe", "org.example." + package), [1, 2, 3])
    serial, ours = run(workflow, CONTROL_FLOW), run(workflow, PARALLEL_FLOW)
    assert serial.errors == ours.errors == {}, (serial.errors, ours.errors)
    assert serial.values[1] == ours.values[1], (serial.values, ours.values)
    return ours.values[1]

manager = get_manager()
manager.configure(engines=1)
manager.ensure_engines()
"""


def write(folder: Path, scale: int) -> Path:
    """Write Python packages that hold VisTrails packages, a folder and a single file."""
    init = INIT.format(name="foldered")
    single = INIT.format(name="single") + MODULES.format(beside="lab.constants")
    files = {
        "lab/__init__.py": "",
        "lab/constants.py": f"SCALE = {scale}\n",
        "lab/tools/__init__.py": "",
        "lab/tools/foldered/__init__.py": init,
        "lab/tools/foldered/init.py": MODULES.format(beside="lab.tools.foldered.inner"),
        "lab/tools/foldered/inner.py": f"SCALE = {scale}\n",
        "lab/single.py": single,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


Session = Callable[..., str]


@pytest.fixture
def session(sessions: ForkServer) -> Session:
    """Return what runs a session, see `run_session`."""
    return functools.partial(run_session, sessions)


def run_session(sessions: ForkServer, code: str, home: Path, *arguments: str) -> str:
    """Run a session with a cluster of its own."""
    environment = {"IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": str(ROOT)}
    return run_python(
        BEGIN + textwrap.dedent(code),
        *arguments,
        home=home,
        environment=environment,
        server=sessions,
    )


@pytest.mark.own_cluster
def test_engines_find_packages_where_the_session_has_them(tmp_path: Path, session: Session) -> None:
    session(
        """
        # VisTrails' own, as its tests of the job monitor enable one.
        pm = app.package_manager
        pm.late_enable_package("myjob", {"myjob": "vistrails.tests.resources."})
        import vistrails.tests.resources
        from parallelflow.cli.target import Target
        from parallelflow.cli.workflow import Workflow
        from parallelflow.loops.activation import running
        from parallelflow.loops.choice import Scope
        file = Path(vistrails.tests.resources.__file__).with_name("jobs.vt")
        jobs = Workflow(Target(file, "SuspendMap"))
        from vistrails.core.configuration import get_vistrails_configuration
        get_vistrails_configuration().jobAutorun = True
        with running(Scope.MAPS):
            for suspended in (True, False):
                (result,), _ = jobs.controller.execute_current_workflow()
                assert result.errors == {}, [e.msg for e in result.errors.values()]
                assert bool(result.suspended) == suspended, result.suspended
        jobs.close()
        # A library that only this session's path leads to, after the engines were started.
        sys.path.insert(0, sys.argv[1])
        pm.late_enable_package("foldered", {"foldered": "lab.tools."})
        pm.late_enable_package("single", {"single": "lab."})
        assert same("foldered") == same("single") == [4, 8, 12]
        """,
        tmp_path,
        str(write(tmp_path / "here", 2)),
    )
