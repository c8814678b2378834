"""`parallelflow show`: what is in a file, also where this machine lacks its packages."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support import json_tables
from tests.support.command import RunHere

from .conftest import Run

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def test_a_workflow_is_shown_for_reading(parallelflow: Run) -> None:
    done = parallelflow("show", EXAMPLES / "digits_sweep.vt")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == str(EXAMPLES / "digits_sweep.vt")
    assert lines[1].split() == ["version", "64,", "tagged", "'parallel',", "the", "latest"]
    assert "                folds = 3 (Integer)" in lines
    assert "  loops         Map 'over all pairs', on engines" in lines
    assert "  explorations  none" in lines


def test_a_version_is_shown_as_json(here: RunHere) -> None:
    done = here("show", f"{EXAMPLES / 'loops.vt'}:filter", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    json_tables.check("show", told)
    assert {"name": "rates", "type": "List"}.items() <= told["aliases"][0].items()
    assert told["version"]["tag"] == "filter" and not told["version"]["latest"]
    names = [tag["name"] for tag in told["tags"]]
    assert names == ["list", "filter", "for", "branches", "nested", "stations"]
    [loop] = [loop for loop in told["loops"] if loop["module"] == "Filter"]
    assert loop["on_engines"] and loop["package"] == "org.vistrails.vistrails.control_flow"


def test_branches_are_no_loops(here: RunHere) -> None:
    """A marked module that gets a list is a loop; one that gets what it takes is not."""
    lines = here("show", f"{EXAMPLES / 'loops.vt'}:list").stdout.splitlines()
    assert "  loops         PythonSource 'Lyapunov exponent', on engines" in lines
    assert not any(line.startswith("  branches") for line in lines)
    done = here("show", f"{EXAMPLES / 'loops.vt'}:branches")
    lines = done.stdout.splitlines()
    found = lines.index("  loops         none")
    assert lines[found + 1] == "  branches      PythonSource 'pi by throws'"
    assert lines[found + 2].strip() == "PythonSource 'pi by series'"


def test_packages_that_are_missing_do_not_matter(here: RunHere, cases: Path) -> None:
    """Nothing is run, so what a workflow needs is named and not loaded."""
    import zipfile

    missing = cases.parent / "missing.vt"
    with zipfile.ZipFile(cases) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    tree = members["vistrail"].decode()
    changed = tree.replace("org.vistrails.vistrails.control_flow", "org.example.nowhere")
    assert changed != tree
    with zipfile.ZipFile(missing, "w") as archive:
        for name, data in {**members, "vistrail": changed.encode()}.items():
            archive.writestr(name, data)
    done = here("show", f"{missing}:serial_map")
    assert done.returncode == 0 and "org.example.nowhere" in done.stdout
    missing.unlink()
    done = here("show", f"{cases}:no such version")
    assert done.returncode == 2 and "has no version 'no such version'" in done.stderr
