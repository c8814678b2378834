"""Modules of VisTrails' bundled packages in a Map: on engines they do what they do serially.

Each case is a session of its own, so that nothing of these packages is loaded in the others.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.host.run import ROOT, run_python
from tests.support.fork_server import ForkServer

#: A guard against deadlocks: three processes make the 3000 modules of VTK.
SECONDS = 600.0

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


get_manager().configure(engines=1)
serial_values, serial_files = run_and_take_files(CONTROL_FLOW)
values, files = run_and_take_files(PARALLEL_FLOW)
assert len(set(values)) == len(files) == len(tables)
assert all(picture.startswith(b"\\x89PNG") for picture in (*values, *files.values()))
assert values == serial_values
assert files == serial_files
"""


# The isosurface of a volume at a value becomes a picture: a file, and what a camera sees as bytes.
ISOSURFACES = """
import sys
from pathlib import Path
from parallelflow import host

VTK = "org.vistrails.vistrails.vtk"
host.start_core([VTK])
from parallelflow.engine_manager import get_manager
from tests.support.workflows import (
    BASIC, CONTROL_FLOW, PARALLEL_FLOW, VARIANT, Part, group, mapped, run, source
)
import urllib.parse

folder = Path(sys.argv[1])
size = range(-12, 13)
head = [
    "# vtk DataFile Version 3.0", "a head", "ASCII", "DATASET STRUCTURED_POINTS",
    "DIMENSIONS 25 25 25", "ORIGIN -12 -12 -12", "SPACING 1 1 1", "POINT_DATA 15625",
    "SCALARS density float 1", "LOOKUP_TABLE default",
]
density = [
    f"{x * x + 2 * y * y + z * z + 40 * (x * y > 9)}" for z in size for y in size for x in size
]
(folder / "head.vtk").write_text("\\n".join(head + density) + "\\n")

PLACE = '''
value = (0, float(i))
configuration = {"file": {"file": f"FOLDER/surface{i}.png", "width": 160, "height": 120}}
'''.replace("FOLDER", str(folder))
RENDER = '''
import vtk
window = vtk.vtkRenderWindow()
window.OffScreenRenderingOn()
window.SetSize(160, 120)
window.AddRenderer(renderer.vtkInstance)
window.Render()
picture = vtk.vtkWindowToImageFilter()
picture.SetInput(window)
picture.Update()
o = bytes(memoryview(picture.GetOutput().GetPointData().GetScalars()))
window.Finalize()
'''
place = Part(
    "PythonSource",
    functions={"source": urllib.parse.quote(PLACE)},
    inputs={"i": VARIANT},
    outputs={"value": f"{BASIC}:Integer,{BASIC}:Float", "configuration": f"{BASIC}:Dictionary"},
)
function = group(
    [
        place,
        Part("vtkStructuredPointsReader", VTK, functions={"File": str(folder / "head.vtk")}),
        Part("vtkContourFilter", VTK),
        Part("vtkPolyDataMapper", VTK),
        Part("vtkActor", VTK),
        Part("vtkRenderer", VTK),
        Part("vtkRendererOutput", VTK, functions={"mode_type": "file"}),
        source(RENDER, inputs=("renderer",)),
    ],
    [
        (0, "value", 2, "Value"), (1, "GetOutputPort0", 2, "SetInputConnection0"),
        (2, "GetOutputPort0", 3, "SetInputConnection0"), (3, "Instance", 4, "Mapper"),
        (4, "Instance", 5, "AddActor"), (5, "Instance", 6, "value"),
        (0, "configuration", 6, "configuration"), (5, "Instance", 7, "renderer"),
    ],
    {"i": (0, "i")},
    {"o": (7, "o")},
)
workflow = mapped(function, list(range(20, 260, 20)))


def run_and_take_files(package):
    result = run(workflow, package)
    assert result.errors == {}, result.errors
    files = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    for name in files:
        (folder / name).unlink()
    return result.values[1], files


get_manager().configure(engines=1)
serial_values, serial_files = run_and_take_files(CONTROL_FLOW)
values, files = run_and_take_files(PARALLEL_FLOW)
assert len(set(values)) == len(files) == 12, (len(set(values)), len(files))
assert values == serial_values
assert files == serial_files
"""


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.own_cluster
@pytest.mark.parametrize(
    ("library", "code"), [("matplotlib", FIGURES), ("vtk", ISOSURFACES)], ids=["matplotlib", "vtk"]
)
def test_pictures_of_a_bundled_package_are_the_same_on_engines(
    library: str, code: str, tmp_path: Path, sessions: ForkServer
) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"VisTrails' package {library} needs it: make PACKAGES={library} run")
    folder = tmp_path / "data"
    folder.mkdir()
    environment = {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(ROOT)}
    said = run_python(
        code,
        str(folder),
        home=tmp_path,
        environment=environment,
        limit=SECONDS,
        server=sessions,
    )
    assert said == ""
