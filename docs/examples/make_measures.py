"""Make ``measures.vt``, the second example of Parallel Flow, with VisTrails itself.

The workflow asks which of 30 measures of cells tells malignant tumours from benign ones, in
the breast cancer data that scikit-learn ships. A Group of VisTrails' own matplotlib modules
draws the histograms of one measure, a Map runs it for all, and the figures come together on
one sheet, the best measure first.

The file has two tagged versions: ``serial`` uses Control Flow's Map, and ``parallel``, the
latest, Parallel Flow's. Its aliases are ``count``, how many measures are looked at, ``bins``,
and ``sheet``, the file of the sheet.

Run it as ``python make_measures.py [FILE]``; the file comes out the same wherever it is made.
With ``--sheet PICTURE`` it also runs the workflow and writes its sheet.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parallelflow.host import start_core

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from make_digits_sweep import (  # noqa: E402
    CONTROL_FLOW,
    PARALLEL_FLOW,
    Builder,
    name_version,
    same_everywhere,
    without_traces,
)

if TYPE_CHECKING:
    from vistrails.core.vistrail.controller import VistrailController

MATPLOTLIB = "org.vistrails.vistrails.matplotlib"

MEASURES = """\
from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
measures = [
    [str(name), data.data[data.target == 1, i].tolist(), data.data[data.target == 0, i].tolist()]
    for i, name in enumerate(data.feature_names[:count])
]
"""

COMPARE = """\
from sklearn.metrics import roc_auc_score

name, benign, malignant = measure
area = roc_auc_score([0] * len(benign) + [1] * len(malignant), benign + malignant)
area = max(area, 1 - area)
values = [benign, malignant]
title = '%s: %.3f' % (name, area)
"""

PICTURE = """\
import io

figure.set_size_inches(3, 2)
figure.tight_layout()
file = io.BytesIO()
figure.savefig(file, format='png', dpi=100)
picture = [title, file.getvalue()]
"""

SHEET = """\
import io
import numpy
from matplotlib import image

COLUMNS = 5
best = sorted(pictures, key=lambda picture: picture[0].rpartition(' ')[2], reverse=True)
tiles = [image.imread(io.BytesIO(png)) for title, png in best]
height, width, depth = tiles[0].shape
rows = -(-len(tiles) // COLUMNS)
all_of_them = numpy.ones((rows * height, COLUMNS * width, depth), tiles[0].dtype)
for n, tile in enumerate(tiles):
    y, x = n // COLUMNS * height, n % COLUMNS * width
    all_of_them[y:y + height, x:x + width] = tile
image.imsave(sheet, all_of_them)

lines = ['How well each measure tells malignant from benign (area under the ROC curve):', '']
lines += ['  ' + title for title, png in best[:5]]
lines += ['', '%d figures in %s, the best first' % (len(best), sheet)]
text = '\\n'.join(lines)
"""

COUNT = 30  # all measures of the data set

#: Told apart with each kind of colour blindness, too.
COLORS = ["#0072b2", "#d55e00"]


def add_group(build: Builder) -> Any:
    """Add the Group that draws the figure of a measure."""
    measure = build.module("InputPort", (0, 320), values={"name": "measure"})
    bins = build.module("InputPort", (-220, 320), values={"name": "bins"})
    compare = build.source(
        "compare",
        (0, 220),
        COMPARE,
        inputs={"measure": "List"},
        outputs={"values": "List", "title": "String"},
    )
    histogram = build.module(
        "MplHist",
        (-110, 100),
        "benign and malignant",
        MATPLOTLIB,
        {
            "labelSequence": ["benign", "malignant"],
            "colorSequence": COLORS,
            "histtype": "stepfilled",
            "normed": True,
        },
    )
    look = build.module("MplRectangleProperties", (-260, 200), "", MATPLOTLIB, {"alpha": 0.6})
    axes = build.module("MplAxesProperties", (120, 100), "", MATPLOTLIB)
    legend = build.module("MplLegend", (260, 100), "", MATPLOTLIB)
    figure = build.module("MplFigure", (0, -20), "", MATPLOTLIB)
    picture = build.source(
        "picture",
        (0, -140),
        PICTURE,
        inputs={"figure": "Variant", "title": "String"},
        outputs={"picture": "List"},
    )
    result = build.module("OutputPort", (0, -240), values={"name": "picture"})
    build.connect(measure, "InternalPipe", compare, "measure")
    build.connect(bins, "InternalPipe", histogram, "bins")
    build.connect(compare, "values", histogram, "x")
    build.connect(look, "value", histogram, "rectangleProperties")
    build.connect(histogram, "value", figure, "addPlot")
    build.connect(compare, "title", axes, "title")
    build.connect(axes, "value", figure, "axesProperties")
    build.connect(legend, "value", figure, "setLegend")
    build.connect(figure, "figure", picture, "figure")
    build.connect(compare, "title", picture, "title")
    build.connect(picture, "picture", result, "InternalPipe")

    controller = build.controller
    parts = [measure, bins, compare, histogram, look, axes, legend, figure, picture, result]
    inside = [part.id for part in parts]
    group = controller.create_group(inside, list(controller.current_pipeline.connections))
    controller.add_annotation(("__desc__", "figure of a measure"), group.id)
    controller.move_module_list([(group.id, 150, 100)])
    build.set(controller.current_pipeline.modules[group.id], {"bins": 30}, {"bins": "bins"})
    return group


def add_map(build: Builder, package: str, group: Any, measures: Any, sheet: Any) -> Any:
    """Add the Map of one of the two packages between the Group and the sheet."""
    values = {"InputPort": ["measure"], "OutputPort": "picture"}
    mapping = build.module("Map", (50, -40), "over all measures", package, values)
    build.connect(group, "self", mapping, "FunctionPort")
    build.connect(measures, "measures", mapping, "InputList")
    build.connect(mapping, "Result", sheet, "pictures")
    return mapping


def build_workflows(controller: VistrailController) -> None:
    """Make both versions: ``serial`` first, then ``parallel`` out of it."""
    build = Builder(controller)
    group = add_group(build)
    measures = build.source(
        "measures of cells",
        (-60, 240),
        MEASURES,
        inputs={"count": "Integer"},
        outputs={"measures": "List"},
        values={"count": COUNT},
        aliases={"count": "count"},
    )
    sheet = build.source(
        "sheet of all figures",
        (-60, -180),
        SHEET,
        inputs={"pictures": "List", "sheet": "String"},
        outputs={"text": "String"},
        values={"sheet": "measures.png"},
        aliases={"sheet": "sheet"},
    )
    output = build.module("StandardOutput", (-60, -300))
    build.connect(sheet, "text", output, "value")

    serial = add_map(build, CONTROL_FLOW, group, measures, sheet)
    name_version(controller, "serial", "The Map is Control Flow's: one figure after the other.")
    controller.delete_module(serial.id)
    add_map(build, PARALLEL_FLOW, group, measures, sheet)
    name_version(controller, "parallel", "The Map is Parallel Flow's: engines draw the figures.")


def make(path: Path) -> None:
    """Make the example's file.

    Parameters
    ----------
    path : Path
        The ``.vt`` file to write; an existing one is replaced.
    """
    start_core([CONTROL_FLOW, PARALLEL_FLOW, MATPLOTLIB])
    from vistrails.core.db.locator import ZIPFileLocator
    from vistrails.core.vistrail.controller import VistrailController
    from vistrails.core.vistrail.vistrail import Vistrail

    controller = VistrailController(Vistrail(), auto_save=False)
    controller.change_selected_version(0)
    build_workflows(controller)
    without_traces(controller)
    locator = ZIPFileLocator(str(path))
    controller.write_vistrail(locator)
    controller.close_vistrail(locator)
    same_everywhere(path)


def main() -> int:
    """Write the file that the command line names, and its sheet if asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("file", nargs="?", type=Path, default=HERE / "measures.vt")
    parser.add_argument("--sheet", type=Path, help="run the workflow, and write its sheet here")
    options = parser.parse_args()
    make(options.file)
    if options.sheet is not None:
        from parallelflow.cli import main as parallelflow

        sheet = f"sheet={options.sheet.resolve()}"
        return parallelflow(["run", str(options.file), "--set", sheet, "--engines", "2"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
