"""Repairs of VisTrails' package matplotlib, written for Matplotlib 1 and 2.

The package gets a view of the library with the names and arguments that it was written for;
the library itself stays as it is for everybody else. Matplotlib is imported by the package, not
by this file.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..repair import Repair, always, copy_with_names
from .matplotlib_cell import show_figures_in_cells
from .matplotlib_pyplot import pyplot_as_before

_PACKAGE = "vistrails.packages.matplotlib"


def _version() -> tuple[int, ...]:
    from importlib.metadata import version

    return tuple(int(part) for part in version("matplotlib").split(".")[:2])


# -- the backend --------------------------------------------------------------------

#: Draws into memory; needs neither Qt nor a display.
_WITHOUT_WINDOW = "Agg"


def _a_window_is_open() -> bool:
    widgets = sys.modules.get("PyQt5.QtWidgets")
    return widgets is not None and widgets.QApplication.instance() is not None


@contextmanager
def _choose_backend_that_works() -> Iterator[None]:
    matplotlib: Any = importlib.import_module("matplotlib")
    use = matplotlib.use

    def choose(backend: str, **options: Any) -> None:
        use(backend if _a_window_is_open() else _WITHOUT_WINDOW)

    matplotlib.use = choose
    try:
        yield
    finally:
        matplotlib.use = use


# -- functions of pyplot ------------------------------------------------------------


def _let_plots_use_old_arguments(plots: Any) -> None:
    matplotlib = plots.matplotlib
    plots.matplotlib = copy_with_names(matplotlib, pyplot=pyplot_as_before(matplotlib.pyplot))


# -- properties of artists ----------------------------------------------------------


def _set_scale(artist: Any, scale: Any) -> None:
    set_scale = getattr(artist.axes, f"set_{artist.axis_name}scale")
    set_scale(scale)


def _set_color_cycle(axes: Any, colors: Any) -> None:
    axes.set_prop_cycle(color=[colors] if isinstance(colors, (str, tuple)) else list(colors))


#: How to set the properties that are set otherwise now.
_SET_OTHERWISE: Mapping[str, Callable[[Any, Any], None]] = {
    "axis_bgcolor": lambda axes, color: axes.set_facecolor(color),
    "color_cycle": _set_color_cycle,
    "scale": _set_scale,
}

#: Properties that are gone; they had stopped to have an effect before.
_GONE = frozenset(
    {"axes", "contains", "cursor_props", "dpi_cor", "lod", "offset_position", "smart_bounds"}
)


def _each(objects: Any) -> Iterator[Any]:
    if isinstance(objects, Iterable):
        for inner in objects:
            yield from _each(inner)
    else:
        yield objects


def _let_artists_take_old_properties(artists: Any) -> None:
    matplotlib = artists.matplotlib

    def setp(objects: Any, **properties: Any) -> None:
        for artist in _each(objects):
            for name, value in properties.items():
                if hasattr(artist, f"set_{name}"):
                    matplotlib.artist.setp(artist, **{name: value})
                elif name in _SET_OTHERWISE:
                    _SET_OTHERWISE[name](artist, value)
                elif name not in _GONE:
                    matplotlib.artist.setp(artist, **{name: value})  # raises its own error

    artists.matplotlib = copy_with_names(
        matplotlib,
        artist=copy_with_names(matplotlib.artist, setp=setp),
        cbook=copy_with_names(
            matplotlib.cbook, iterable=lambda objects: isinstance(objects, Iterable)
        ),
    )


# -- figures ------------------------------------------------------------------------


def _hold(*_: Any) -> None:
    """Do nothing: plots are always added to those that are there."""


def _let_figures_hold(bases: Any) -> None:
    bases.pylab = copy_with_names(bases.pylab, hold=_hold)


def _close_figures(bases: Any) -> None:
    compute = bases.MplFigure.compute

    @functools.wraps(compute)
    def compute_and_close(self: Any) -> None:
        pylab = bases.pylab
        before = set(pylab.get_fignums())
        try:
            compute(self)
        finally:
            # The window's cells know a figure by its number, which would be given anew.
            if not _a_window_is_open():
                for number in set(pylab.get_fignums()) - before:
                    pylab.close(number)

    bases.MplFigure.compute = compute_and_close


# -- the code of MplSource ----------------------------------------------------------


def _bivariate_normal(
    X: Any,
    Y: Any,
    sigmax: float = 1.0,
    sigmay: float = 1.0,
    mux: float = 0.0,
    muy: float = 0.0,
    sigmaxy: float = 0.0,
) -> Any:
    """Return the density of a normal distribution of two variables, as Matplotlib 2 had it."""
    import numpy

    x, y = numpy.asarray(X) - mux, numpy.asarray(Y) - muy
    rho = sigmaxy / (sigmax * sigmay)
    z = x**2 / sigmax**2 + y**2 / sigmay**2 - 2 * rho * x * y / (sigmax * sigmay)
    scale = 2 * numpy.pi * sigmax * sigmay * numpy.sqrt(1 - rho**2)
    return numpy.exp(-z / (2 * (1 - rho**2))) / scale


def _normpdf(x: Any, mu: float, sigma: float) -> Any:
    """Return the density of a normal distribution, as Matplotlib 2 had it."""
    import numpy

    scaled = (numpy.asarray(x) - mu) / sigma
    return numpy.exp(-(scaled**2) / 2) / (numpy.sqrt(2 * numpy.pi) * sigma)


#: Functions that left mlab, and so pylab.
_LEFT_MLAB: Mapping[str, Callable[..., Any]] = {
    "bivariate_normal": _bivariate_normal,
    "normpdf": _normpdf,
}


def _put_mlab_back() -> None:
    mlab = importlib.import_module("matplotlib.mlab")
    for name, function in _LEFT_MLAB.items():
        vars(mlab).setdefault(name, function)


def _run_sources_as_before(bases: Any) -> None:
    plot_figure = bases.MplSource.plot_figure

    @functools.wraps(plot_figure)
    def plot_with_old_names(self: Any, figure: Any, source: str) -> None:
        # The code begins with `from pylab import *`.
        pylab = sys.modules["pylab"]
        sys.modules["pylab"] = _pylab_as_before()
        try:
            plot_figure(self, figure, source)
        finally:
            sys.modules["pylab"] = pylab

    bases.MplSource.plot_figure = plot_with_old_names


@functools.cache
def _pylab_as_before() -> Any:
    pylab = importlib.import_module("pylab")
    pyplot = pyplot_as_before(importlib.import_module("matplotlib.pyplot"))
    names = {
        name: function
        for name, function in vars(pyplot).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }
    return copy_with_names(pylab, **{**_LEFT_MLAB, **names, "plt": pyplot, "hold": _hold})


REPAIRS = (
    Repair(
        name="matplotlib-backend",
        symptom="TypeError: use() got an unexpected keyword argument 'warn', or ImportError: "
        "Cannot load backend 'Qt5Agg' where there is no window",
        cause="Matplotlib 3.3 removed the argument; Qt's backend needs a display",
        affected="Matplotlib 3.3 and later, and all without a window",
        modules=(f"{_PACKAGE}.init",),
        needed=always,
        around=_choose_backend_that_works,
    ),
    Repair(
        name="matplotlib-hold",
        symptom="AttributeError: module 'pylab' has no attribute 'hold' in MplFigure",
        cause="Matplotlib 3.0 removed hold; plots are always added to those that are there",
        affected="Matplotlib 3.0 and later",
        modules=(f"{_PACKAGE}.bases",),
        needed=lambda: not hasattr(importlib.import_module("matplotlib.pyplot"), "hold"),
        after=_let_figures_hold,
    ),
    Repair(
        name="matplotlib-arguments",
        symptom="TypeError, AttributeError: annotate() missing 'text', unexpected keyword argument "
        "'left', 'normed', 'hold' and others, no attribute 'collections' or 'plot_date', in "
        "modules that plot",
        cause="arguments and functions of pyplot that were renamed or removed",
        affected="Matplotlib 3.0 and later",
        modules=(f"{_PACKAGE}.plots",),
        needed=lambda: _version() >= (3, 0),
        after=_let_plots_use_old_arguments,
    ),
    Repair(
        name="matplotlib-properties",
        symptom="AttributeError: no attribute 'iterable', or unexpected 'axis_bgcolor', in "
        "modules that set properties",
        cause="properties of artists that were renamed or removed, and cbook.iterable",
        affected="Matplotlib 2.2 and later",
        modules=(f"{_PACKAGE}.artists",),
        needed=lambda: _version() >= (2, 2),
        after=_let_artists_take_old_properties,
    ),
    Repair(
        name="matplotlib-mlab",
        symptom="AttributeError: module 'matplotlib.mlab' has no attribute 'bivariate_normal' in "
        "the code of a workflow",
        cause="Matplotlib 3.1 removed the function, which examples of its time draw",
        affected="Matplotlib 3.1 and later",
        modules=(f"{_PACKAGE}.bases",),
        needed=lambda: not hasattr(importlib.import_module("matplotlib.mlab"), "bivariate_normal"),
        before=_put_mlab_back,
    ),
    Repair(
        name="matplotlib-sources",
        symptom="TypeError, NameError in the code of an MplSource: unexpected keyword argument "
        "'normed', name 'hold' is not defined, and others",
        cause="code in workflows was written for the Matplotlib of its time",
        affected="Matplotlib 3.0 and later",
        modules=(f"{_PACKAGE}.bases",),
        needed=lambda: _version() >= (3, 0),
        after=_run_sources_as_before,
    ),
    Repair(
        name="matplotlib-figures",
        symptom="RuntimeWarning: More than 20 figures have been opened, and memory that grows with "
        "each element of a loop",
        cause="pyplot keeps every figure that is not closed, and the package closes none",
        affected="VisTrails 3.0 without a window, engines above all",
        modules=(f"{_PACKAGE}.bases",),
        needed=always,
        after=_close_figures,
    ),
    Repair(
        name="matplotlib-cells",
        symptom="RuntimeError: super-class __init__() of type MplNavigationToolbar was never "
        "called, KeyError: 'datapath', or no picture of a cell, in the spreadsheet",
        cause="Matplotlib's toolbar is a widget now, and Qt 5 has no QPixmap.grab",
        affected="Matplotlib 3.2 and later",
        modules=(f"{_PACKAGE}.figure_cell",),
        needed=lambda: _version() >= (3, 2),
        after=show_figures_in_cells,
    ),
)
