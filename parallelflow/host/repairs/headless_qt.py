"""Repairs of Qt in a process that has no window: what would end the process raises instead."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from .repair import Repair, in_headless_core

_QT_GUI = "PyQt5.QtGui"
_QT_WIDGETS = "PyQt5.QtWidgets"

#: What calls abort() without a QGuiApplication, by class: found by calling every constructor and
#: every static method of PyQt5's QtGui. Subclasses, as QBitmap, have their constructors from
#: these. (Of QtWidgets it is QWidget alone.)
_NEED_GUI_APPLICATION = {
    "QPixmap": ("__init__", "fromImage", "fromImageReader"),
    "QBitmap": ("fromImage",),
    "QFontDatabase": (
        "__init__",
        "addApplicationFont",
        "addApplicationFontFromData",
        "standardSizes",
    ),
    "QMovie": ("__init__",),
    "QPixmapCache": ("find", "insert"),
}

#: Seconds for a child process to import Qt and to connect to the display; as `display.check`.
_PROBE_LIMIT = 60.0

_PROBE = "import sys; from PyQt5.QtGui import QGuiApplication; QGuiApplication(sys.argv)"


def _has_application(module: str, name: str) -> bool:
    qt_core = importlib.import_module("PyQt5.QtCore")
    instance = qt_core.QCoreApplication.instance()
    return isinstance(instance, getattr(importlib.import_module(module), name))


def _refuse(what: str) -> None:
    raise RuntimeError(
        f"Qt's {what} needs VisTrails' window, and this process has none (Qt would end the process)"
    )


def _with_application(
    method: Callable[..., Any], module: str, application: str, what: str | None = None
) -> Callable[..., Any]:
    """Return a constructor (``what`` is None: named by its object) that may raise before Qt aborts.

    A Qt application can come later, made by an element for itself: it is looked for each time.
    """

    @functools.wraps(method)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if not _has_application(module, application):
            _refuse(what or type(args[0]).__name__)
        return method(*args, **kwargs)

    return checked


def _refuse_widgets(widgets: Any) -> None:
    widgets.QWidget.__init__ = _with_application(
        widgets.QWidget.__init__, _QT_WIDGETS, "QApplication"
    )


def _refuse_pictures(gui: Any) -> None:
    for name, methods in _NEED_GUI_APPLICATION.items():
        owner = getattr(gui, name)
        for method in methods:
            what = None if method == "__init__" else f"{name}.{method}"
            checked = _with_application(getattr(owner, method), _QT_GUI, "QGuiApplication", what)
            setattr(owner, method, checked if what is None else staticmethod(checked))
    _refuse_applications_without_display(gui.QGuiApplication)


def _refuse_applications_without_display(application: Any) -> None:
    init = application.__init__

    @functools.wraps(init)
    def init_if_possible(self: Any, *args: Any, **kwargs: Any) -> None:
        # Whether Qt can connect, only Qt knows: `-platform`, variables, plug-ins decide it.
        # Without arguments, PyQt makes a Python object for an application that is there or none.
        if args and not _can_make_application(args[0]):
            raise RuntimeError(
                f"Qt's {type(self).__name__} cannot connect to a display here (Qt would end the "
                "process); with QT_QPA_PLATFORM=offscreen it needs none"
            )
        init(self, *args, **kwargs)

    application.__init__ = init_if_possible


def _can_make_application(argv: object) -> bool:
    arguments = [str(argument) for argument in argv[1:]] if isinstance(argv, list) else []
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_LIMIT,
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


_SYMPTOM = "'parallelflow run' or an engine ends without a word"

REPAIRS = (
    Repair(
        name="widgets-without-window",
        symptom=f"{_SYMPTOM} where a package makes a widget while it is loaded "
        "(VisTrails' pythonCalcQt and pipelineEdit)",
        cause="without a QApplication, QWidget's constructor calls abort()",
        affected="processes with VisTrails' headless core",
        modules=(_QT_WIDGETS,),
        needed=in_headless_core,
        after=_refuse_widgets,
    ),
    Repair(
        name="pictures-without-window",
        symptom=f"{_SYMPTOM} where a package makes a QPixmap, or a QApplication without a display",
        cause="what needs the display calls abort() if there is none",
        affected="processes with VisTrails' headless core",
        modules=(_QT_GUI,),
        needed=in_headless_core,
        after=_refuse_pictures,
    ),
)
