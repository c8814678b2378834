"""Symptoms in VisTrails' package matplotlib."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

from tests.host.symptoms import qt_application, symptom
from tests.host.symptoms_core import add_source, execute, start

MATPLOTLIB = "org.vistrails.vistrails.matplotlib"

Functions = dict[str, "str | list[str]"]


def _is_here() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


mpl_symptom = functools.partial(symptom, here=_is_here)


def _pyplot_lacks(name: str) -> bool:
    return _is_here() and not hasattr(importlib.import_module("matplotlib.pyplot"), name)


def start_with_matplotlib() -> Any:
    """Start the core with the package and return a controller of an empty vistrail."""
    from parallelflow import host

    controller = start()
    host.enable_packages([MATPLOTLIB])
    return controller


def add(controller: Any, name: str, functions: Functions) -> Any:
    """Add a module of the package, with parameters by port."""
    module = controller.add_module(MATPLOTLIB, name)
    for port, value in functions.items():
        controller.update_function(module, port, [value] if isinstance(value, str) else value)
        module = controller.current_pipeline.modules[module.id]
    return module


def plot(
    name: str, ports: Functions, properties: dict[str, tuple[str, Functions]] | None = None
) -> Any:
    """Draw one plot in a figure and return the figure.

    `properties` are modules of properties by the port of the figure that takes them.
    """
    controller = start_with_matplotlib()
    figure = add(controller, "MplFigure", {})
    module = add(controller, name, ports)
    controller.add_connection(module.id, "value", figure.id, "addPlot")
    for port, (kind, functions) in (properties or {}).items():
        setting = add(controller, kind, functions)
        controller.add_connection(setting.id, "value", figure.id, port)
    return execute(controller).objects[figure.id].get_output("figure")


@mpl_symptom("matplotlib-backend", r"unexpected keyword argument 'warn'|Cannot load backend")
def the_package_loads_without_a_window() -> None:
    start_with_matplotlib()
    import matplotlib

    assert matplotlib.get_backend().lower() == "agg"


@mpl_symptom("matplotlib-hold", r"no attribute 'hold'")
def a_figure_is_made() -> None:
    (axes,) = plot("MplLinePlot", {"x": "[1, 2, 3]", "y": "[1, 4, 9]"}).axes
    assert len(axes.lines) == 1


#: Modules, with the ports that are arguments of other names now.
PLOTS: dict[str, Functions] = {
    "MplAnnotate": {"s": "here", "xy": ["1", "2"]},
    "MplBar": {"left": "[1, 2]", "height": "[3, 4]"},
    "MplBarh": {"bottom": "[1, 2]", "width": "[3, 4]"},
    "MplHist": {"x": "[1, 2, 2, 3]", "normed": "True"},
    "MplHist2d": {"x": "[1, 2, 2, 3]", "y": "[1, 2, 2, 3]", "normed": "True"},
    "MplLoglog": {"x": "[1, 2, 3]", "y": "[1, 2, 3]", "basex": "2", "nonposy": "clip"},
    "MplSemilogx": {"x": "[1, 2, 3]", "y": "[1, 2, 3]", "basex": "2", "nonposx": "clip"},
    "MplSemilogy": {"x": "[1, 2, 3]", "y": "[1, 2, 3]", "basey": "2", "nonposy": "clip"},
    "MplPlotDate": {"x": "[1, 2]", "y": "[3, 4]"},
    "MplScatter": {"x": "[1, 2]", "y": "[3, 4]", "faceted": "True"},
    "MplStem": {"x": "[1, 2]", "y": "[3, 4]"},
    "MplContour": {"Z": "[[1, 2], [3, 4]]"},
    "MplContourf": {"Z": "[[1, 2], [3, 4]]"},
    "MplPie": {"x": "[1, 2]"},
    "MplAxhline": {"y": "1", "hold": "True"},
}


@mpl_symptom("matplotlib-arguments", r"TypeError: annotate\(\) missing")
def every_plot_is_drawn() -> None:
    for name, ports in PLOTS.items():
        (axes,) = plot(name, ports).axes
        assert axes.get_children(), name
    (axes,) = plot("MplBar", {"left": "[5, 7]", "height": "[3, 4]"}).axes
    assert [bar.get_height() for bar in axes.patches] == [3, 4]
    assert [bar.get_x() + bar.get_width() / 2 for bar in axes.patches] == [5, 7]
    (axes,) = plot("MplHist", {"x": "[1, 1, 2]", "bins": "2", "normed": "True"}).axes
    assert sum(bar.get_height() * bar.get_width() for bar in axes.patches) == 1
    (axes,) = plot("MplLoglog", {"x": "[1, 2]", "y": "[1, 2]", "basex": "2", "basey": "3"}).axes
    assert [axis.get_transform().base for axis in (axes.xaxis, axes.yaxis)] == [2, 3]


@mpl_symptom("matplotlib-properties", r"no attribute 'iterable'|keyword argument 'lod'")
def properties_are_set() -> None:
    settings: Functions = {"title": "A title", "axis_bgcolor": "1.0,0.0,0.0", "lod": "True"}
    figure = plot(
        "MplLinePlot",
        {"x": "[1, 2]", "y": "[1, 2]"},
        {"axesProperties": ("MplAxesProperties", settings)},
    )
    (axes,) = figure.axes
    assert axes.get_title() == "A title"
    assert axes.get_facecolor()[:3] == (1.0, 0.0, 0.0)


@symptom(
    "matplotlib-mlab",
    r"no attribute 'bivariate_normal'",
    here=lambda: (
        _is_here() and not hasattr(importlib.import_module("matplotlib.mlab"), "bivariate_normal")
    ),
)
def code_of_a_workflow_finds_what_left_mlab() -> None:
    controller = start_with_matplotlib()
    source = add_source(
        controller,
        "import numpy\n"
        "from matplotlib import mlab\n"
        "x, y = numpy.meshgrid(numpy.linspace(-9, 9, 200), numpy.linspace(-9, 9, 200))\n"
        "o = float(mlab.bivariate_normal(x, y, 1.5, 0.5, 1, 1, 0.3).sum() * (18 / 199) ** 2)",
        outputs="o",
    )
    volume = execute(controller).objects[source.id].get_output("o")
    assert abs(volume - 1) < 1e-3, volume


@symptom("matplotlib-sources", r"normed|hold", here=lambda: _pyplot_lacks("hold"))
def code_of_its_time_is_drawn() -> None:
    import sys
    import urllib.parse

    code = (
        "hold(True)\nhist([1, 1, 2], bins=2, normed=True)\nbar(left=[5], height=normpdf([1], 1, 2))"
    )
    (axes,) = plot("MplSource", {"source": urllib.parse.quote(code)}).axes
    assert len(axes.patches) == 3
    assert not hasattr(sys.modules["pylab"], "hold")


@mpl_symptom("matplotlib-figures", r"AssertionError")
def figures_do_not_pile_up() -> None:
    figure = plot("MplLinePlot", {"x": "[1, 2]", "y": "[1, 2]"})
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []
    # A figure that is closed can be drawn all the same.
    figure.canvas.draw()


@symptom(
    "matplotlib-cells",
    r"super-class __init__\(\) of type MplNavigationToolbar|'datapath'",
    here=lambda: _is_here() and importlib.util.find_spec("PyQt5") is not None,
)
def a_figure_is_shown_in_a_cell() -> None:
    qt_application()
    start_with_matplotlib()
    from matplotlib import pyplot

    cells = importlib.import_module("vistrails.packages.matplotlib.figure_cell")
    figure = pyplot.figure()
    figure.gca().plot([1, 2])
    widget = cells.MplFigureCellWidget()
    widget.updateContents((figure,))
    widget.canvas.draw()
    assert not widget.grabWindowPixmap().isNull()
    widget.mplToolbar.pan()
    widget.mplToolbar.home()
    bar = cells.MplFigureCellToolBar(None)
    assert not any(action.icon().isNull() for action in bar.actions() if action.text())
    pyplot.close(figure)
