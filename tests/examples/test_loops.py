"""The examples of loops: made anew they are the same files; engines give what VisTrails gives."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.host.run import ROOT, run_python
from tests.support.fork_server import ForkServer

EXAMPLE = ROOT / "docs" / "examples" / "loops.vt"

SAME = """
import sys
from pathlib import Path
from parallelflow.host import start_core
start_core(execution_log=False)
from parallelflow.cli.target import parse
from parallelflow.cli.workflow import Workflow
from parallelflow.engine_manager import get_manager
from parallelflow.loops import activation

get_manager().configure(engines=2, private=True)
for version in ("list", "filter", "for", "branches", "nested"):
    found = []
    for wrapped in (False, True):
        if wrapped:
            activation.activate()
        else:
            activation.deactivate()  # of the package itself
        workflow = Workflow(parse(f"{sys.argv[1]}:{version}"))
        [result], _ = workflow.controller.execute_current_workflow()
        assert not result.errors, result.errors
        ports = [result.objects[i].outputPorts for i in sorted(result.objects)]
        kept = {p: v for each in ports for p, v in each.items() if isinstance(v, (str, list))}
        found.append(kept)
        workflow.close()
        from vistrails.core.interpreter.cached import CachedInterpreter
        CachedInterpreter.get().flush()
    assert found[0] == found[1] and found[0], found
    print(version, sorted(found[0]))
get_manager().stop()
"""


def test_the_files_are_what_their_programs_make(tmp_path: Path, sessions: ForkServer) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from docs.examples.make_best_of import make_with_package\n"
        "from docs.examples.make_digits_sweep import make\n"
        "from docs.examples.make_loops import build_versions\n"
        "make_with_package(Path(sys.argv[1]) / 'best_of.vt')\n"
        "make(Path(sys.argv[1]) / 'loops.vt', build_versions)\n"
    )
    environment = {"PYTHONPATH": str(ROOT)}
    run_python(code, str(tmp_path), home=tmp_path, environment=environment, server=sessions)
    for example in (EXAMPLE, EXAMPLE.with_name("best_of.vt")):
        made = tmp_path / example.name
        with zipfile.ZipFile(made) as one, zipfile.ZipFile(example) as other:
            assert one.namelist() == other.namelist()
            assert all(one.read(name) == other.read(name) for name in one.namelist())


@pytest.mark.own_cluster
def test_engines_give_what_vistrails_gives(tmp_path: Path, sessions: ForkServer) -> None:
    environment = {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(ROOT)}
    text = run_python(SAME, str(EXAMPLE), home=tmp_path, environment=environment, server=sessions)
    assert [line.split()[0] for line in text.splitlines() if " ['" in line] == [
        "list",
        "filter",
        "for",
        "branches",
        "nested",
    ]
