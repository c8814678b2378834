"""Repairs of VisTrails' core."""

from __future__ import annotations

import ast
import functools
import inspect
import logging
import sys
import textwrap
from types import ModuleType
from typing import Any

from .repair import Repair


def _loaded(name: str) -> Any:
    return sys.modules[name]


# -- XML ----------------------------------------------------------------------------


@functools.cache
def private_elementtree() -> ModuleType:
    """Return a copy of ElementTree whose elements have ``getchildren``.

    The C implementation's class takes no new method, so the copy is made of the
    library's own Python classes. Everyone else's ElementTree stays as it is.

    Returns
    -------
    module
        The same one at every call.
    """
    import importlib.util

    spec = importlib.util.find_spec("xml.etree.ElementTree")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    accelerator = sys.modules.get("_elementtree")
    sys.modules["_elementtree"] = None  # type: ignore[assignment]
    try:
        spec.loader.exec_module(module)
    finally:
        if accelerator is None:
            del sys.modules["_elementtree"]
        else:
            sys.modules["_elementtree"] = accelerator
    module.Element.getchildren = lambda element: list(element)  # type: ignore[attr-defined]
    return module


def _elementtree_needed() -> bool:
    from xml.etree import ElementTree

    return not hasattr(ElementTree.Element, "getchildren")


def _elementtree_apply() -> None:
    system = _loaded("vistrails.core.system")
    system.get_elementtree_library = private_elementtree
    system.common.get_elementtree_library = private_elementtree


# -- warnings -----------------------------------------------------------------------


def _restore_argument(record: logging.LogRecord) -> bool:
    if not record.args:
        record.msg, record.args = "%s", (str(record.msg),)
    return True


def _warnings_needed() -> bool:
    return sys.version_info >= (3, 11) and _restore_argument not in _warnings_logger().filters


def _warnings_apply() -> None:
    _warnings_logger().addFilter(_restore_argument)


def _warnings_logger() -> logging.Logger:
    return logging.getLogger("py.warnings")


# -- Group and SubWorkflow ----------------------------------------------------------


_WRONG_TEST = "if oport_name == 'self':"
_RIGHT_TEST = "if oport_name != 'self':"


def _group_source() -> str:
    return inspect.getsource(_loaded("vistrails.core.modules.sub_module").Group.compute)


def _group_needed() -> bool:
    return _WRONG_TEST in _group_source()


def _group_apply() -> None:
    module = _loaded("vistrails.core.modules.sub_module")
    first_line = module.Group.compute.__code__.co_firstlineno
    # The outputs must be set before the inner pipeline is finalized, in the middle of the
    # method; so its one wrong test is turned round, and line numbers in tracebacks stay true.
    tree = ast.parse(textwrap.dedent(_group_source()).replace(_WRONG_TEST, _RIGHT_TEST))
    ast.increment_lineno(tree, first_line - 1)
    names: dict[str, Any] = {}
    exec(compile(tree, module.__file__, "exec"), module.__dict__, names)
    names["compute"].__qualname__ = "Group.compute"
    module.Group.compute = names["compute"]


# -- imports ------------------------------------------------------------------------


def _import_hook_needed() -> bool:
    manager = _loaded("vistrails.core.packagemanager").PackageManager
    return not hasattr(manager._import_override, "__wrapped__")


def _import_hook_apply() -> None:
    manager = _loaded("vistrails.core.packagemanager").PackageManager
    override = manager._import_override

    @functools.wraps(override)
    def restoring(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self._currently_importing_package
        try:
            return override(self, *args, **kwargs)
        finally:
            self._currently_importing_package = before

    manager._import_override = restoring


# -- scipy --------------------------------------------------------------------------


def _scipy_needed() -> bool:
    import importlib.util

    return importlib.util.find_spec("scipy") is None


def _scipy_apply() -> None:
    application = _loaded("vistrails.core.application")
    application.VistrailsApplicationInterface.check_all_requirements = lambda self: None


REPAIRS = (
    Repair(
        name="elementtree",
        symptom="AttributeError: 'xml.etree.ElementTree.Element' object has no attribute "
        "'getchildren' when the configuration or a vistrail is read",
        cause="Python 3.9 removed Element.getchildren",
        affected="Python 3.9 and later",
        module="vistrails.core.system",
        needed=_elementtree_needed,
        apply=_elementtree_apply,
    ),
    Repair(
        name="warnings",
        symptom="IndexError in core/debug.py for any displayed warning",
        cause="from Python 3.11 a captured warning is logged as the message itself, without "
        "the argument that VisTrails' handler reads",
        affected="Python 3.11 and later",
        module="vistrails.core.debug",
        needed=_warnings_needed,
        apply=_warnings_apply,
    ),
    Repair(
        name="group-outputs",
        symptom="outputs of a Group or SubWorkflow are never set; Map over a Group says "
        "'Invalid output port'",
        cause="Group.compute sets only the output named 'self' instead of all others",
        affected="Debian's build of VisTrails 3.0 (bookworm)",
        module="vistrails.core.modules.sub_module",
        needed=_group_needed,
        apply=_group_apply,
    ),
    Repair(
        name="import-hook",
        symptom="every import in the process is several times slower after an import error "
        "inside a package, even a caught one",
        cause="PackageManager._import_override does not restore its state when the import raises",
        affected="VisTrails 3.0",
        module="vistrails.core.packagemanager",
        needed=_import_hook_needed,
        apply=_import_hook_apply,
    ),
    Repair(
        name="scipy",
        symptom="Missing Requirement: scipy at start",
        cause="the application requires scipy, which only its analogies use",
        affected="environments without scipy",
        module="vistrails.core.application",
        needed=_scipy_needed,
        apply=_scipy_apply,
    ),
)
