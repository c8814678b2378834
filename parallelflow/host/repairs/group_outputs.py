"""Repair: Groups and SubWorkflows that give no output."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from .repair import Repair, imported_module

_MODULE = "vistrails.core.modules.sub_module"
_WRONG_TEST = "if oport_name == 'self':"
_RIGHT_TEST = "if oport_name != 'self':"


def _source() -> str:
    return inspect.getsource(imported_module(_MODULE).Group.compute)


def _turn_test_round(sub_module: Any) -> None:
    first_line = sub_module.Group.compute.__code__.co_firstlineno
    # The outputs must be set before the inner pipeline is finalized, in the middle of the
    # method; so its one wrong test is turned round, and line numbers in tracebacks stay true.
    tree = ast.parse(textwrap.dedent(_source()).replace(_WRONG_TEST, _RIGHT_TEST))
    ast.increment_lineno(tree, first_line - 1)
    names: dict[str, Any] = {}
    exec(compile(tree, sub_module.__file__, "exec"), vars(sub_module), names)
    names["compute"].__qualname__ = "Group.compute"
    sub_module.Group.compute = names["compute"]


REPAIRS = (
    Repair(
        name="group-outputs",
        symptom="outputs of a Group or SubWorkflow are never set: what is connected gets None, "
        "Map over a Group says 'Invalid output port'",
        cause="Group.compute sets only the output named 'self' instead of all others",
        affected="Debian's build of VisTrails 3.0 (bookworm)",
        modules=(_MODULE,),
        needed=lambda: _WRONG_TEST in _source(),
        after=_turn_test_round,
    ),
)
