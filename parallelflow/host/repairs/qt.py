"""Repairs of Qt as VisTrails' window uses it."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

from parallelflow.system.collection import no_collection

from .repair import Repair, always

_WINDOW = ("vistrails.gui",)

#: The methods that VisTrails calls with floats where Qt wants integers, by class: those met in
#: a walk through the window on Python 3.13, and those found by reading its source.
_TAKE_INTEGERS = {
    "QtCore.QPoint": ("__init__",),
    "QtCore.QRect": ("__init__", "moveTo", "translate"),
    "QtGui.QColor": ("__init__",),
    "QtGui.QPixmap": ("scaledToWidth",),
    "QtGui.QPolygon": ("setPoint",),
    "QtWidgets.QGraphicsView": ("mapToScene",),
    "QtWidgets.QHeaderView": ("resizeSection",),
    "QtWidgets.QProgressDialog": ("setValue",),
    "QtWidgets.QWidget": ("setMaximumSize",),
}


#: Modules of PyQt5 that VisTrails does not load at its start: whoever uses one imports it later.
_LATER = (
    *(
        "QAxContainer",
        "QtBluetooth",
        "QtDBus",
        "QtDesigner",
        "QtHelp",
        "QtLocation",
        "QtMultimedia",
    ),
    *("QtMultimediaWidgets", "QtNetwork", "QtNfc", "QtOpenGL", "QtPositioning", "QtPrintSupport"),
    *("QtQml", "QtQuick", "QtQuick3D", "QtQuickWidgets", "QtRemoteObjects", "QtSensors"),
    *("QtSerialPort", "QtSql", "QtSvg", "QtTest", "QtTextToSpeech", "QtWebChannel", "QtWebEngine"),
    *("QtWebEngineCore", "QtWebEngineWidgets", "QtWebKit", "QtWebKitWidgets", "QtWebSockets"),
    *("QtX11Extras", "QtXml", "QtXmlPatterns", "Qsci"),
)


def _has_qt() -> bool:
    return importlib.util.find_spec("PyQt5") is not None


def _qt_class(name: str) -> Any:
    module, class_name = name.split(".")
    return getattr(importlib.import_module(f"PyQt5.{module}"), class_name)


def accepting_floats(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that rounds floats towards zero if the given one refuses them.

    Parameters
    ----------
    method : callable
        A method of a Qt class.

    Returns
    -------
    callable
        The method, called a second time with integers when it raises TypeError.
    """

    @functools.wraps(method)
    def with_integers(self: Any, *args: Any) -> Any:
        try:
            return method(self, *args)
        except TypeError:
            if not any(isinstance(arg, float) for arg in args):
                raise
        return method(self, *(int(arg) if isinstance(arg, float) else arg for arg in args))

    return with_integers


def _refuses_floats() -> bool:
    if not _has_qt():
        return False
    try:
        _qt_class("QtCore.QPoint")(1.5, 1.5)
    except TypeError:
        return True
    return False


def _let_take_floats() -> None:
    for name, methods in _TAKE_INTEGERS.items():
        for method in methods:
            owner = _qt_class(name)
            setattr(owner, method, accepting_floats(getattr(owner, method)))


def _alias_sip() -> None:
    sys.modules["sip"] = importlib.import_module("PyQt5.sip")


def _button_lacks_none() -> bool:
    return _has_qt() and not hasattr(_qt_class("QtWidgets.QStyleOptionButton"), "None")


def _give_button_none() -> None:
    button = _qt_class("QtWidgets.QStyleOptionButton")
    # 'None' is no attribute name in Python 3; VisTrails asks for it by getattr.
    setattr(button, "None", button.ButtonFeatures(0))


def _make_widgets_once(constant_configuration: Any) -> None:
    from PyQt5 import sip

    owner = constant_configuration.ConstantWidgetMixin
    make = owner.__init__

    @functools.wraps(make)
    def make_once(self: Any, contents: Any = None, **kwargs: Any) -> None:
        after = type(self).__mro__[type(self).__mro__.index(owner) + 1 :]
        if not any(issubclass(kind, sip.simplewrapper) for kind in after) or not _is_made(self):
            make(self, contents, **kwargs)
            return
        # All else that it does.
        self._last_contents = contents
        self.psi = None

    owner.__init__ = make_once


def _is_made(widget: Any) -> bool:
    """Return True if Qt's object of a wrapper is there."""
    from PyQt5 import sip

    try:
        sip.unwrapinstance(widget)
    except RuntimeError:
        return False
    return True


REPAIRS = (
    Repair(
        name="widgets-made-twice",
        symptom="a mashup has each number twice, the second one in a corner, and sliders upright; "
        "after it was closed, the window ends with a segmentation fault, now and then",
        cause="the class makes Qt's widget, and its base makes it once more; the first one keeps "
        "the address of a Python object that is deleted before it",
        affected="VisTrails 3.0 with PyQt5",
        modules=("vistrails.gui.modules.constant_configuration",),
        needed=always,
        after=_make_widgets_once,
    ),
    Repair(
        name="qt-imports",
        symptom="the window ends with a segmentation fault, now and then",
        cause="a module of PyQt5 that is half imported is asked for the class of each object that "
        "Qt tells VisTrails' event filter of; a search for garbage at that moment destroys views, "
        "which Qt tells it of",
        affected="PyQt5 5.15",
        modules=tuple(f"PyQt5.{name}" for name in _LATER),
        needed=always,
        around=no_collection,
    ),
    Repair(
        name="qt-floats",
        symptom="TypeError: arguments did not match any overloaded call ... 'float'",
        cause="from Python 3.10 PyQt5 takes no float for a C++ int; VisTrails halves widths with /",
        affected="Python 3.10 and later",
        modules=_WINDOW,
        needed=_refuses_floats,
        before=_let_take_floats,
    ),
    Repair(
        name="sip",
        symptom="MissingRequirement: PyQt5, and an offer to install it, though it is installed",
        cause="VisTrails imports sip by itself; PyPI's PyQt5 has it as PyQt5.sip only",
        affected="PyQt5 5.11 and later from PyPI",
        modules=_WINDOW,
        needed=lambda: _has_qt() and importlib.util.find_spec("sip") is None,
        before=_alias_sip,
    ),
    Repair(
        name="qt-none",
        symptom="the module palette paints nothing",
        cause="PyQt5 5.11 and later have no QStyleOptionButton attribute named 'None'",
        affected="PyQt5 5.11 and later",
        modules=_WINDOW,
        needed=_button_lacks_none,
        before=_give_button_none,
    ),
)
