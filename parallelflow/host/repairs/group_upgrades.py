"""Repair: old Groups that are upgraded for ever, or by chance."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

from .repair import Repair, always

# Parameters of VisTrails' method, and what its error keeps.
LEVEL, NESTED = "level", "pipeline_only"
PIPELINE, MODULE_ID = "_pipeline", "_module_id"


def _upgrade_groups_by_their_own_ids(controller: Any) -> None:
    handle = controller.VistrailController.handle_invalid_pipeline
    signature = inspect.signature(handle)

    @functools.wraps(handle)
    def handle_with_own_ids(self: Any, e: Any, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(self, e, *args, **kwargs)
        given.apply_defaults()
        if given.arguments[NESTED] and not given.arguments[LEVEL]:
            pipeline = getattr(e, PIPELINE)
            _restore_ids(e, pipeline, controller)
            _leave_used_ids_out(self.id_scope, pipeline)
        return handle(self, e, *args, **kwargs)

    controller.VistrailController.handle_invalid_pipeline = handle_with_own_ids


def _restore_ids(e: Any, pipeline: Any, controller: Any) -> None:
    """Let a Group's errors name its modules again.

    VisTrails copies the Group's workflow, lets the errors name the modules of the copy, and then
    handles them in the workflow that it has copied. A second copy tells which modules they were.
    """
    module = controller.Module.vtType
    types = {controller.Group.vtType: module, controller.Abstraction.vtType: module}
    copies: dict[tuple[str, int], int] = {}
    pipeline.do_copy(True, controller.IdScope(1, types), copies)
    own = {new: old for (vt_type, old), new in copies.items() if vt_type == module}
    for error in e.get_exception_set():
        number = getattr(error, MODULE_ID, None)
        if number in own:
            setattr(error, MODULE_ID, own[number])


def _leave_used_ids_out(scope: Any, pipeline: Any) -> None:
    """Let new objects have other ids than those that a workflow has."""
    for vt_type, number in _ids(pipeline):
        scope.updateBeginId(vt_type, number + 1)


def _ids(pipeline: Any) -> Iterator[tuple[str, int]]:
    for item, _, _ in pipeline.db_children():
        number = getattr(item, "db_id", None)
        if isinstance(number, int):
            yield item.vtType, number


REPAIRS = (
    Repair(
        name="group-upgrades",
        symptom="'Pipeline-fixing loop doesn't seem to be finishing' on opening a file with Groups "
        "of an earlier VisTrails, such as gcd.vt, at some times and not at others",
        cause="errors of a Group's workflow are handled with the ids of a copy of it, and new "
        "modules may get ids that others have; which ones fail depends on the order in a set",
        affected="VisTrails 3.0",
        modules=("vistrails.core.vistrail.controller",),
        needed=always,
        after=_upgrade_groups_by_their_own_ids,
    ),
)
