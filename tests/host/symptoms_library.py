"""Symptoms of what left Python's standard library."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from tests.host.symptoms import qt_application, symptom


def _setuptools_gives_distutils() -> bool:
    return any(type(finder).__name__ == "DistutilsMetaFinder" for finder in sys.meta_path)


def _library(name: str) -> Any:
    # By name: what this Python lacks, a type checker does not find either.
    return importlib.import_module(name)


def _missing(module: str) -> bool:
    return importlib.util.find_spec(module) is None


@symptom("collections", r"module 'collections' has no attribute 'Callable'")
def deprecated_functions_can_be_marked() -> None:
    from vistrails.core.utils import deprecated

    assert deprecated(lambda: 5)() == 5


@symptom("light-distutils", r"AssertionError", here=_setuptools_gives_distutils)
def importing_vistrails_does_not_import_setuptools() -> None:
    import vistrails.core.packagemanager

    assert vistrails.core.packagemanager.LooseVersion("1.10") > "1.9"
    assert "setuptools" not in sys.modules


@symptom("no-distutils", r"No module named 'distutils'", here=lambda: _missing("distutils"))
def versions_are_compared_without_distutils() -> None:
    import vistrails  # noqa: F401

    loose = _library("distutils.version").LooseVersion
    assert loose("2.10b1") < loose("2.10.1") < "2.11"
    assert Path(_library("distutils.sysconfig").get_python_lib()).is_dir()


@symptom("cgi-escape", r"module 'cgi' has no attribute 'escape'", here=lambda: not _missing("cgi"))
@symptom("no-cgi", r"No module named 'cgi'", here=lambda: _missing("cgi"))
def a_vistrail_shows_itself_in_a_notebook() -> None:
    from parallelflow import host

    controller = host.start_core().new_vistrail()
    import vistrails

    assert "&lt;Vistrail" in vistrails.Vistrail(controller)._repr_html_()


@symptom("no-imp", r"No module named 'imp'", here=lambda: _missing("imp"))
def packages_are_read_with_imp() -> None:
    import vistrails  # noqa: F401

    imp = _library("imp")
    here = Path(__file__).parent
    found = imp.find_module("support", [str(here.parent)])
    assert imp.load_module("support", *found).__doc__
    found = imp.find_module("symptoms_core", [str(here)])
    with found[0]:
        assert imp.load_module("again", *found).start


@symptom("no-lib2to3", r"AssertionError", here=lambda: _missing("lib2to3"))
def an_old_python_source_is_translated_or_reported() -> None:
    from parallelflow import host

    host.start_core()
    from vistrails.core.modules.basic_modules import src2to3

    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("vistrails").addHandler(handler)
    assert "self.get_input('i')" in _upgraded(src2to3, "o = self.getInputFromPort('i')")
    assert not said
    if not _missing("fissix"):
        assert "print('Python 2')" in _upgraded(src2to3, "print 'Python 2'")
        assert not said
    _upgraded(src2to3, "print 'neither of' them")
    assert any("print 'neither of' them" in text for text in said)


def _upgraded(src2to3: object, source: str) -> str:
    class Value:
        strValue = source
        params: list[Value] = []

    Value.params = [Value()]

    class Controller:
        @staticmethod
        def create_function(module: object, name: str, values: list[str]) -> str:
            return values[0]

    class Module:
        id = 1

    (_, code, _, _), *_ = src2to3(Controller, "source")(Value, Module)  # type: ignore[operator]
    return str(code)


@symptom("string-lowercase", r"module 'string' has no attribute 'lowercase'")
def widget_names_are_shortened() -> None:
    qt_application()
    import vistrails.gui.pipeline_view as view

    assert "abcFloat".lstrip(view.string.lowercase) == "Float"


@symptom("linux-distribution", r"module 'platform' has no attribute 'linux_distribution'")
def the_distribution_is_told() -> None:
    from vistrails.gui.bundles.utils import guess_system

    assert guess_system()


@symptom("xrange", r"name 'xrange' is not defined")
def the_workspace_can_be_searched() -> None:
    qt_application()
    from PyQt5.QtWidgets import QTreeWidgetItem
    from vistrails.gui.collection.workspace import QCollectionWidget

    class Collection:
        def add_listener(self, listener: object) -> None:
            pass

    class Everything:
        def match(self, entity: object) -> bool:
            return True

    tree = QCollectionWidget(Collection())
    item = QTreeWidgetItem(tree, ["a vistrail"])
    setattr(item, "entity", None)  # noqa: B010 - VisTrails gives its items this attribute
    item.setHidden(True)
    tree.run_search(Everything())
    assert not item.isHidden()


@symptom("escape-warnings", r"invalid escape sequence", here=lambda: sys.version_info >= (3, 12))
def compiling_vistrails_warns_of_nothing() -> None:
    import vistrails.db.services.locator as locator

    said: list[object] = []
    warnings.showwarning = lambda message, *args, **kwargs: said.append(message)
    text = Path(locator.__file__).read_text(encoding="utf-8")
    compile(text, locator.__file__, "exec")
    ast.parse(text)  # as `inspect` does, when the window shows a module's documentation
    assert not said, said
