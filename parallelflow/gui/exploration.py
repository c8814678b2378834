"""*Execute* of the exploration view: its points computed on engines, where the user wants it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from PyQt5.QtCore import QCoreApplication
from tqdm import tqdm
from vistrails.core import debug
from vistrails.core.interpreter.cached import CachedInterpreter
from vistrails.core.utils import InstanceObject

from parallelflow.batch.answers import Answers, answers_for
from parallelflow.batch.exploration import explore_saved
from parallelflow.errors import ParallelFlowError
from parallelflow.loops.patches import replaced_method
from parallelflow.wording import count

__all__ = ["Explorations"]

REASON = "Parameter Exploration "
"""How VisTrails begins the reason of a point's execution."""


class Explorations:
    """Wraps the window's parameter exploration.

    Parameters
    ----------
    wanted : callable
        Returns True if explorations are to be computed on engines.
    """

    def __init__(self, wanted: Callable[[], bool]) -> None:
        from vistrails.gui.vistrail_controller import VistrailController

        self._wanted = wanted
        self._stack = contextlib.ExitStack()
        execute = VistrailController.executeParameterExploration

        def execute_exploration(controller: Any, pe: Any, *arguments: Any, **keywords: Any) -> Any:
            with _on_engines(controller, pe) if wanted() else contextlib.nullcontext():
                return execute(controller, pe, *arguments, **keywords)

        self._stack.enter_context(
            replaced_method(VistrailController, "executeParameterExploration", execute_exploration)
        )

    def close(self) -> None:
        """Leave explorations to VisTrails."""
        self._stack.close()


class _Cancelled(Exception):
    """The user has cancelled the exploration."""


def _on_engines(controller: Any, saved: Any) -> contextlib.AbstractContextManager[Any]:
    """Begin an exploration's points on the engines; return a context that gives VisTrails answers.

    Where that cannot be, VisTrails computes them as always, and says itself what is wrong.
    """
    try:
        if saved.action_id != controller.current_version:
            controller.change_selected_version(saved.action_id)
        opened = SimpleNamespace(
            target=controller.name, controller=controller, pipeline=controller.current_pipeline
        )
        answers = answers_for(explore_saved(opened, saved))
        if answers is None:
            return contextlib.nullcontext()
        answers.batch.start()
    except ParallelFlowError as e:
        debug.warning(f"The exploration is not computed on engines: {e}")
        return contextlib.nullcontext()
    return _Execution(controller, answers)


class _Execution(contextlib.AbstractContextManager["_Execution"]):
    """One execution of an exploration: VisTrails' calls of its interpreter, point by point."""

    def __init__(self, controller: Any, answers: Answers) -> None:
        self._controller = controller
        self._answers = answers
        self._stack = contextlib.ExitStack()
        self._position = 0
        self._has_failed = False

    def __enter__(self) -> _Execution:
        execute = CachedInterpreter.execute

        def execute_point(interpreter: Any, pipeline: Any, **keywords: Any) -> Any:
            if not str(keywords.get("reason", "")).startswith(REASON):
                return execute(interpreter, pipeline, **keywords)
            position, self._position = self._position, self._position + 1
            try:
                self._answers.wait_for(position, self._look)
            except _Cancelled:
                # VisTrails asks its dialog before the next point, and ends there.
                return InstanceObject(objects={}, errors={}, executed={}, suspended={})
            except ParallelFlowError as e:
                debug.warning(f"The exploration goes on in this process: {e}")
            changed: list[int] = []
            cache: dict[int, Any] = {}

            def give(_: Any, objects: dict[int, Any]) -> None:
                nonlocal cache
                cache = objects
                changed.extend(self._answers.give(position, pipeline))

            hooks = [*keywords.pop("done_summon_hooks", ()), give]
            try:
                result = execute(interpreter, pipeline, done_summon_hooks=hooks, **keywords)
                self._has_failed = self._has_failed or bool(result.errors or result.suspended)
                return result
            finally:
                # A module that has failed is out already; of none, VisTrails would take all out.
                interpreter.clean_modules([number for number in changed if number in cache])

        self._stack.enter_context(replaced_method(CachedInterpreter, "execute", execute_point))
        return self

    def __exit__(self, raised: Any, *_: Any) -> None:
        self._stack.close()
        # Points that VisTrails has executed by itself are done, too.
        whole = self._position >= self._answers.total and not (self._has_failed or raised)
        self._answers.batch.cancel(whole)

    def _look(self) -> None:
        """Show how far the engines have come; raise if the user has cancelled."""
        QCoreApplication.processEvents()
        dialog = getattr(self._controller, "progress", None)
        if dialog is None:
            return
        if dialog.wasCanceled():
            raise _Cancelled
        dialog.setLabelText(self._text())

    def _text(self) -> str:
        now = self._answers.batch.progress
        if now is None or not now.engines:
            text = "Waiting for engines..."
            if now is not None and now.known:
                text += f" {now.known} of {now.total} points were computed in an earlier run."
            return text
        finished = now.done + now.failed
        text = f"{finished} of {now.total} points computed on {count(now.engines, 'engine')}"
        text += f" ({now.known} of them in an earlier run)" if now.known else ""
        left = now.remaining_seconds
        return f"{text}, {tqdm.format_interval(left)} left" if left is not None else text
