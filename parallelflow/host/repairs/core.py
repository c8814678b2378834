"""Repairs of VisTrails' core that have no file of their own."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from .repair import Repair, always

# -- warnings -----------------------------------------------------------------------


def _restore_argument(record: logging.LogRecord) -> bool:
    if not record.args:
        record.msg, record.args = "%s", (str(record.msg),)
    return True


def _restore_arguments_of_warnings(debug: Any) -> None:
    logging.getLogger("py.warnings").addFilter(_restore_argument)


# -- scipy --------------------------------------------------------------------------


def _require_nothing(application: Any) -> None:
    application.VistrailsApplicationInterface.check_all_requirements = lambda self: None


def _scipy_is_gone_or_new() -> bool:
    if importlib.util.find_spec("scipy") is None:
        return True
    return not hasattr(importlib.import_module("scipy"), "zeros")


class _NumpyAsScipy(ModuleType):
    """The array functions that scipy passed on from NumPy until 1.12."""

    def __getattr__(self, name: str) -> object:
        return getattr(importlib.import_module("numpy"), name)


@contextmanager
def _lend_numpy_as_scipy() -> Iterator[None]:
    own = sys.modules.get("scipy")
    sys.modules["scipy"] = _NumpyAsScipy("scipy")
    try:
        yield
    finally:
        if own is None:
            del sys.modules["scipy"]
        else:
            sys.modules["scipy"] = own


# -- files written by output modules --------------------------------------------------


class _UnsetAsNone:
    """A configuration whose keys without a value read as None instead of ``(None, type)``."""

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._configuration, name)
        return None if isinstance(value, tuple) else value


def _read_unset_as_none(output_modules: Any) -> None:
    get = output_modules.get_vistrails_temp_configuration
    output_modules.get_vistrails_temp_configuration = lambda: _UnsetAsNone(get())


# -- layout -------------------------------------------------------------------------


class _SortedByComparison(list[Any]):
    """A list whose ``sort`` takes a comparing function, as in Python 2."""

    def sort(  # type: ignore[override]
        self, cmp: Callable[[Any, Any], int] | None = None, key: Any = None
    ) -> None:
        super().sort(key=functools.cmp_to_key(cmp) if cmp else key)


def _let_layers_sort(layout: Any) -> None:
    init = layout.Layer.__init__

    @functools.wraps(init)
    def init_with_sortable_modules(self: Any, index: int) -> None:
        init(self, index)
        self.modules = _SortedByComparison(self.modules)

    layout.Layer.__init__ = init_with_sortable_modules


# -- lists --------------------------------------------------------------------------


def _quoted(text: str) -> str:
    """Return a list as it was probably meant, with quotes around its words; empty if unknown."""
    words = [word.strip(" '\"") for word in text.strip(" []()").split(",")]
    if not all(re.fullmatch(r"\w+", word) for word in words):
        return ""
    return f", such as [{', '.join(map(repr, words))}]"


def _say_that_texts_need_quotes(basic_modules: Any) -> None:
    read = basic_modules.List.translate_to_python

    @functools.wraps(read)
    def read_or_say(text: str) -> Any:
        try:
            return read(text)
        except (SyntaxError, ValueError) as e:
            raise ValueError(
                f"not a list that Python reads: its texts need quotes{_quoted(text)}"
            ) from e

    basic_modules.List.translate_to_python = staticmethod(read_or_say)


REPAIRS = (
    Repair(
        name="list-quotes",
        symptom="'malformed node or string on line 1: <ast.Name object ...>' where the quotes of "
        "a List's texts were forgotten",
        cause="Python's own message for what it cannot read is shown",
        affected="VisTrails 3.0",
        modules=("vistrails.core.modules.basic_modules",),
        needed=always,
        after=_say_that_texts_need_quotes,
    ),
    Repair(
        name="warnings",
        symptom="IndexError in core/debug.py for any displayed warning",
        cause="from Python 3.11 a captured warning is logged as the message itself, without "
        "the argument that VisTrails' handler reads",
        affected="Python 3.11 and later",
        modules=("vistrails.core.debug",),
        needed=lambda: sys.version_info >= (3, 11),
        after=_restore_arguments_of_warnings,
    ),
    Repair(
        name="scipy-required",
        symptom="MissingRequirement: scipy at start, or a tenth of a second lost importing it",
        cause="the application requires scipy, which nothing but its analogies uses",
        affected="VisTrails 3.0",
        modules=("vistrails.core.application",),
        needed=always,
        after=_require_nothing,
    ),
    Repair(
        name="scipy-arrays",
        symptom="the window does not start without scipy, and analogies fail with a current one",
        cause="analogies take array functions from scipy, which passes them on no longer",
        affected="environments without scipy, or with scipy 1.12 or later",
        modules=("vistrails.core.analogy.eigen",),
        needed=_scipy_is_gone_or_new,
        around=_lend_numpy_as_scipy,
    ),
    Repair(
        name="output-directory",
        symptom="TypeError: join() argument must be str ... not 'tuple' when a module such as "
        "GenericOutput, ImageOutput or MplFigureOutput writes a file",
        cause="where no output directory is configured, its value is read as the pair (None, type)",
        affected="VisTrails 3.0",
        modules=("vistrails.core.modules.output_modules",),
        needed=always,
        after=_read_unset_as_none,
    ),
    Repair(
        name="layout-sort",
        symptom="TypeError: sort() takes no positional arguments on Workflow > Re-Layout",
        cause="list.sort takes no comparing function in Python 3",
        affected="VisTrails 3.0",
        modules=("vistrails.core.layout.workflow_layout",),
        needed=always,
        after=_let_layers_sort,
    ),
)
