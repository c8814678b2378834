"""Make ``digits_sweep.vt``, the example of Parallel Flow, with VisTrails itself.

The workflow looks for the support-vector classifier that reads scikit-learn's
handwritten digits best: every pair of C and gamma is cross-validated by a Group
of ordinary modules, and a Map runs that Group over all pairs.

The file has two tagged versions: ``serial`` uses Control Flow's Map, and
``parallel``, the latest, is the same workflow after one change: Parallel Flow's
Map in its place. Its aliases (``C``, ``gamma``, ``folds``, ``samples``) can be
set from the command line.

Run it as ``python make_digits_sweep.py [FILE]``; the file comes out the same, byte
for byte, wherever and whenever it is made.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from parallelflow.host import start_core

if TYPE_CHECKING:
    from vistrails.core.vistrail.controller import VistrailController

BASIC = "org.vistrails.vistrails.basic"
CONTROL_FLOW = "org.vistrails.vistrails.control_flow"
PARALLEL_FLOW = "edu.poly.vistrails.parallel_flow"

AUTHOR = "Parallel Flow"
# The date of every action in the file: when the example was designed.
DATE = datetime(2025, 1, 1)

C_VALUES = [0.1, 1.0, 10.0, 100.0]
GAMMA_VALUES = [0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01]
FOLDS = 3
SAMPLES = 1797  # all images of the data set

DIGITS = """\
from sklearn.datasets import load_digits

images, labels = load_digits(return_X_y=True)
images, labels = images[:samples], labels[:samples]
cache_this()
"""

CLASSIFIER = """\
from sklearn.svm import SVC

model = SVC(C=C, gamma=gamma)
"""

CROSS_VALIDATION = """\
from sklearn.model_selection import cross_val_score

scores = cross_val_score(model, images, labels, cv=folds, n_jobs=1).tolist()
"""

REPORT = """\
from statistics import fmean, pstdev

mean = {pair: fmean(of_folds) for pair, of_folds in zip(pairs, scores)}
best = max(mean, key=mean.get)
spread = pstdev(scores[pairs.index(best)])
rows = sorted({C for C, gamma in pairs})
columns = sorted({gamma for C, gamma in pairs})

lines = ['Accuracy, mean of %d folds' % len(scores[0]), '']
lines.append('%8s' % 'C \\\\ gamma' + ''.join('%9g' % gamma for gamma in columns))
for C in rows:
    cells = ['%8.4f%s' % (mean[C, gamma], '*' if (C, gamma) == best else ' ')
             for gamma in columns]
    lines.append('%-9g' % C + ' ' + ''.join(cells).rstrip())
lines += ['', 'Best pair: C = %g, gamma = %g' % best,
          'Accuracy:  %.4f (standard deviation %.4f)' % (mean[best], spread)]
text = '\\n'.join(lines)
"""


class Builder:
    """Adds modules to a version of a vistrail the way the window does.

    Parameters
    ----------
    controller : VistrailController
        The controller of the vistrail that is made.
    """

    def __init__(self, controller: VistrailController) -> None:
        self.controller = controller

    def module(
        self,
        name: str,
        position: tuple[int, int],
        label: str = "",
        package: str = BASIC,
        values: Mapping[str, object] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> Any:
        """Add a module with its label and the values of its ports.

        Parameters
        ----------
        name, package : str
            The module's name, and the identifier of its package.
        position : tuple of int
            Where it stands: x to the right, y upwards, in the canvas' units.
        label : str
            What is written under its name.
        values, aliases : mapping
            Value per port, and alias per port.
        """
        module = self.controller.add_module(package, name, "", *position)
        if label:
            self.controller.add_annotation(("__desc__", label), module.id)
        self.set(module, values or {}, aliases or {})
        return module

    def set(self, module: Any, values: Mapping[str, object], aliases: Mapping[str, str]) -> None:
        """Set the values of a module's ports, and name them by aliases."""
        # function, values, id of the function it replaces (none), replace it, aliases
        functions = [
            (port, [str(value)], -1, True, [aliases.get(port, "")])
            for port, value in values.items()
        ]
        if functions:
            self.controller.update_functions(module, functions)

    def source(
        self,
        label: str,
        position: tuple[int, int],
        code: str,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        values: Mapping[str, object] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> Any:
        """Add a PythonSource with its ports (name: type of the basic package) and code."""
        module = self.module("PythonSource", position, label)
        ports = [("input", name, kind) for name, kind in inputs.items()]
        ports += [("output", name, kind) for name, kind in outputs.items()]
        added = [
            (side, name, f"({BASIC}:{kind})", order)
            for order, (side, name, kind) in enumerate(ports)
        ]
        functions = [("source", [quote(code)])]
        self.controller.update_ports_and_functions(module.id, [], added, functions)
        self.set(self.controller.current_pipeline.modules[module.id], values or {}, aliases or {})
        return module

    def connect(self, source: Any, output: str, target: Any, input_port: str) -> None:
        """Connect an output port of one module to an input port of another."""
        self.controller.add_connection(source.id, output, target.id, input_port)


def add_group(build: Builder) -> Any:
    """Add the Group that cross-validates the classifier of one pair."""
    position = {"C": -320, "gamma": -160, "images": 0, "labels": 160, "folds": 320}
    ports = {
        name: build.module("InputPort", (x, 200), values={"name": name})
        for name, x in position.items()
    }
    classifier = build.source(
        "classifier",
        (-240, 60),
        CLASSIFIER,
        inputs={"C": "Float", "gamma": "Float"},
        outputs={"model": "Variant"},
    )
    validation = build.source(
        "cross-validation",
        (0, -80),
        CROSS_VALIDATION,
        inputs={"model": "Variant", "images": "Variant", "labels": "Variant", "folds": "Integer"},
        outputs={"scores": "List"},
    )
    scores = build.module("OutputPort", (0, -200), values={"name": "scores"})
    for name in ("C", "gamma"):
        build.connect(ports[name], "InternalPipe", classifier, name)
    for name in ("images", "labels", "folds"):
        build.connect(ports[name], "InternalPipe", validation, name)
    build.connect(classifier, "model", validation, "model")
    build.connect(validation, "scores", scores, "InternalPipe")

    controller = build.controller
    inside = [*(port.id for port in ports.values()), classifier.id, validation.id, scores.id]
    group = controller.create_group(inside, list(controller.current_pipeline.connections))
    controller.add_annotation(("__desc__", "score of a pair"), group.id)
    controller.move_module_list([(group.id, 150, 100)])
    build.set(controller.current_pipeline.modules[group.id], {"folds": FOLDS}, {"folds": "folds"})
    return group


def add_map(build: Builder, package: str, group: Any, pairs: Any, report: Any) -> Any:
    """Add the Map of one of the two packages between the Group and the report."""
    values = {"InputPort": ["C", "gamma"], "OutputPort": "scores"}
    mapping = build.module("Map", (50, -40), "over all pairs", package, values)
    build.connect(group, "self", mapping, "FunctionPort")
    build.connect(pairs, "Result", mapping, "InputList")
    build.connect(mapping, "Result", report, "scores")
    return mapping


def build_workflows(controller: VistrailController) -> None:
    """Make both versions: ``serial`` first, then ``parallel`` out of it."""
    build = Builder(controller)
    group = add_group(build)
    digits = build.source(
        "handwritten digits",
        (190, 240),
        DIGITS,
        inputs={"samples": "Integer"},
        outputs={"images": "Variant", "labels": "Variant"},
        values={"samples": SAMPLES},
        aliases={"samples": "samples"},
    )
    for port in ("images", "labels"):
        build.connect(digits, port, group, port)
    costs = build.module(
        "List", (-250, 240), "C", values={"value": C_VALUES}, aliases={"value": "C"}
    )
    gammas = build.module(
        "List", (-70, 240), "gamma", values={"value": GAMMA_VALUES}, aliases={"value": "gamma"}
    )
    pairs = build.module("CartesianProduct", (-160, 100), "all pairs", CONTROL_FLOW)
    build.connect(costs, "value", pairs, "List1")
    build.connect(gammas, "value", pairs, "List2")
    report = build.source(
        "table and best pair",
        (-60, -180),
        REPORT,
        inputs={"pairs": "List", "scores": "List"},
        outputs={"text": "String"},
    )
    build.connect(pairs, "Result", report, "pairs")
    output = build.module("StandardOutput", (-60, -300))
    build.connect(report, "text", output, "value")

    serial = add_map(build, CONTROL_FLOW, group, pairs, report)
    name_version(controller, "serial", "The Map is Control Flow's: one pair after the other.")
    controller.delete_module(serial.id)
    add_map(build, PARALLEL_FLOW, group, pairs, report)
    name_version(controller, "parallel", "The Map is Parallel Flow's: the pairs run on engines.")


def name_version(controller: VistrailController, tag: str, notes: str) -> None:
    """Tag the current version, and write its notes."""
    controller.vistrail.set_tag(controller.current_version, tag)
    controller.vistrail.set_notes(controller.current_version, notes)


def without_traces(controller: VistrailController) -> None:
    """Take who, when and in which session out of the file: it is nobody's own."""
    for action in controller.vistrail.actions:
        action.user = AUTHOR
        action.date = DATE
        action.session = None
    for note in controller.vistrail.db_actionAnnotations:
        note.db_user = AUTHOR
        note.db_date = DATE


def same_everywhere(path: Path) -> None:
    """Write the archive again with fixed dates, so that equal content is an equal file."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in sorted(archive.namelist())}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, DATE.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)


def make(path: Path, build: Callable[[VistrailController], None] = build_workflows) -> None:
    """Make an example's file.

    Parameters
    ----------
    path : Path
        The ``.vt`` file to write; an existing one is replaced.
    build : callable
        Makes its versions.
    """
    start_core([CONTROL_FLOW, PARALLEL_FLOW])
    from vistrails.core.db.locator import ZIPFileLocator
    from vistrails.core.vistrail.controller import VistrailController
    from vistrails.core.vistrail.vistrail import Vistrail

    controller = VistrailController(Vistrail(), auto_save=False)
    controller.change_selected_version(0)
    build(controller)
    without_traces(controller)
    locator = ZIPFileLocator(str(path))
    controller.write_vistrail(locator)
    controller.close_vistrail(locator)
    same_everywhere(path)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("digits_sweep.vt"))
