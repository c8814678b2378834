"""Modules of VisTrails' bundled packages in a Map: on engines they do what they do serially.

Each case is a session of its own, so that nothing of these packages is loaded in the others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.run import ROOT, run_python

# A file with two columns becomes a figure: written by the package's own output module, and as
# a value.
FIGURES = """
import sys
from pathlib import Path
from parallelflow import host

MATPLOTLIB = "org.vistrails.vistrails.matplotlib"
host.start_core([MATPLOTLIB])
from parallelflow.engine_manager import get_manager
from tests.support.workflows import (
    BASIC, CONTROL_FLOW, PARALLEL_FLOW, VARIANT, Part, group, mapped, run, source
)
import urllib.parse

folder = Path(sys.argv[1])
tables = []
for n in range(1, 9):
    tables.append(folder / f"table{n}.csv")
    tables[-1].write_text("".join(f"{x},{x ** n}\\n" for x in range(10)))

READ = '''
import csv, pathlib
with open(i) as file:
    rows = [[float(cell) for cell in row] for row in csv.reader(file)]
x, y = ([row[column] for row in rows] for column in (0, 1))
configuration = {"file": {"file": str(pathlib.Path(i).with_suffix(".png")), "format": "png"}}
'''
DRAW = '''
import io
picture = io.BytesIO()
figure.savefig(picture, format="png")
o = picture.getvalue()
'''
read = Part(
    "PythonSource",
    functions={"source": urllib.parse.quote(READ)},
    inputs={"i": VARIANT},
    outputs={"x": f"{BASIC}:List", "y": f"{BASIC}:List", "configuration": f"{BASIC}:Dictionary"},
)
function = group(
    [
        read,
        Part("MplLinePlot", MATPLOTLIB),
        Part("MplFigure", MATPLOTLIB),
        Part("MplFigureOutput", MATPLOTLIB, functions={"mode_type": "file"}),
        source(DRAW, inputs=("figure",)),
    ],
    [
        (0, "x", 1, "x"), (0, "y", 1, "y"), (1, "value", 2, "addPlot"),
        (2, "figure", 3, "value"), (0, "configuration", 3, "configuration"),
        (2, "figure", 4, "figure"),
    ],
    {"i": (0, "i")},
    {"o": (4, "o")},
)
workflow = mapped(function, [str(table) for table in tables])


def run_and_take_files(package):
    result = run(workflow, package)
    assert result.errors == {}, result.errors
    files = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    for name in files:
        (folder / name).unlink()
    return result.values[1], files


get_manager().configure(engines=2)
serial_values, serial_files = run_and_take_files(CONTROL_FLOW)
values, files = run_and_take_files(PARALLEL_FLOW)
assert len(set(values)) == len(files) == len(tables)
assert all(picture.startswith(b"\\x89PNG") for picture in (*values, *files.values()))
assert values == serial_values
assert files == serial_files
"""


@pytest.mark.own_cluster
def test_figures_of_the_matplotlib_package_are_the_same_on_engines(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="VisTrails' package matplotlib needs it")
    folder = tmp_path / "tables"
    folder.mkdir()
    environment = {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(ROOT)}
    said = run_python(FIGURES, str(folder), home=tmp_path, environment=environment)
    assert said == ""
