"""Matplotlib's pyplot with the functions and arguments that it had when the package was written."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..repair import copy_with_names

#: Arguments that have another name now, by function.
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "annotate": {"s": "text"},
    "bar": {"left": "x"},
    "barh": {"bottom": "y"},
    "hist": {"normed": "density"},
    "hist2d": {"normed": "density"},
}

#: Arguments of a logarithmic axis, which have no axis in their name now.
_LOGARITHMIC = {"base": "base", "subs": "subs", "nonpos": "nonpositive"}

#: Arguments that are gone, by function; they had stopped to have an effect before.
_REMOVED: Mapping[str, frozenset[str]] = {
    "imshow": frozenset({"imlim", "shape"}),
    "scatter": frozenset({"faceted", "verts"}),
}

#: Arguments that are taken by position only now, by function.
_POSITIONAL: Mapping[str, tuple[str, ...]] = {"stem": ("x", "y")}


def _with_old_arguments(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    renamed = _RENAMED.get(name, {})
    removed = _REMOVED.get(name, frozenset()) | {"hold"}
    # A Matplotlib that still has an argument is called with it.
    known = frozenset(inspect.signature(function).parameters)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for old in removed & kwargs.keys() - known:
            del kwargs[old]
        for old in renamed.keys() & kwargs.keys() - known:
            kwargs[renamed[old]] = kwargs.pop(old)
        scales = {axis: _logarithmic_scale(kwargs, axis) for axis in "xy"}
        first = [kwargs.pop(each) for each in _POSITIONAL.get(name, ()) if each in kwargs]
        result = function(*first, *args, **kwargs)
        for axis, scale in scales.items():
            if scale:
                axes = importlib.import_module("matplotlib.pyplot").gca()
                getattr(axes, f"set_{axis}scale")("log", **scale)
        return _as_before(result)

    return call


def _logarithmic_scale(kwargs: dict[str, Any], axis: str) -> dict[str, Any]:
    """Take the arguments of an axis's scale out of a function's."""
    return {
        new: kwargs.pop(f"{old}{axis}")
        for old, new in _LOGARITHMIC.items()
        if f"{old}{axis}" in kwargs
    }


def _as_before(result: Any) -> Any:
    """Return a plot as its function returned it when the package was written."""
    kind = type(result).__name__
    if kind == "PieContainer":  # from Matplotlib 3.11 on
        texts = [list(group) for group in result.texts]
        return (list(result.wedges), *texts)
    if kind in ("QuadContourSet", "TriContourSet") and not hasattr(result, "collections"):
        # From Matplotlib 3.8 on a contour set is one collection instead of having many.
        result.collections = [result]
    return result


def _plot_date(pyplot: Any) -> Callable[..., Any]:
    """Return a ``plot_date``, removed in Matplotlib 3.11."""

    def plot_date(
        x: Any,
        y: Any,
        fmt: str = "o",
        tz: Any = None,
        xdate: bool = True,
        ydate: bool = False,
        **kwargs: Any,
    ) -> Any:
        axes = pyplot.gca()
        if xdate:
            axes.xaxis_date(tz)
        if ydate:
            axes.yaxis_date(tz)
        return axes.plot(x, y, fmt, **kwargs)

    return plot_date


def pyplot_as_before(pyplot: Any) -> Any:
    """Return a view of pyplot whose functions take what they took."""
    names: dict[str, Any] = {}
    if not hasattr(pyplot, "plot_date"):
        names["plot_date"] = _plot_date(pyplot)
    for name, function in inspect.getmembers(pyplot, inspect.isfunction):
        if not name.startswith("_") and function.__module__ == pyplot.__name__:
            names[name] = _with_old_arguments(function, name)
    return copy_with_names(pyplot, **names)
