"""VisTrails' interpreter for whole workflows on an engine: it keeps what the last point used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vistrails.core.interpreter.cached import CachedInterpreter
from vistrails.core.vistrail.pipeline import Pipeline

__all__ = ["WorkflowInterpreter"]


class WorkflowInterpreter(CachedInterpreter):
    """An interpreter for one workflow; forget it, and nothing of the workflow is left.

    It shares the process' file pool and leaves it alone: a result may name one of the files.
    """

    def create(self) -> None:
        """Begin with nothing."""
        self._file_pool = self.filePool = CachedInterpreter.get().filePool
        self._persistent_pipeline = Pipeline()
        self._objects: dict[int, Any] = {}
        self._streams: list[Any] = []
        self._replace: Callable[[dict[int, Any]], None] | None = None

    def clear(self) -> None:
        """Forget every module."""
        self._persistent_pipeline.clear()
        for obj in self._objects.values():
            obj.clear()
        self._objects = {}

    def prepare(self, replace: Callable[[dict[int, Any]], None]) -> None:
        """Set what is called with the next workflow's module objects, by id, before they run."""
        self._replace = replace

    def setup_pipeline(self, pipeline: Any, **kwargs: Any) -> Any:
        """Return the modules of a pipeline, ready to run."""
        result = super().setup_pipeline(pipeline, **kwargs)
        # The inside of a Group is set up while the workflow runs.
        replace, self._replace = self._replace, None
        if replace is not None and not result[5]:
            replace(result[0])
        return result

    def keep(self, used: Iterable[Any]) -> None:
        """Forget all modules but those that the last point used.

        What the next point has in common with it is there; memory does not grow with the points.
        """
        kept = {module.id for module in _with_inner(used)}
        self.clean_modules([number for number in self._objects if number not in kept])


def _with_inner(modules: Iterable[Any]) -> Iterator[Any]:
    """Yield modules and what is in their Groups."""
    for module in modules:
        yield module
        yield from _with_inner(getattr(module, "persistent_modules", ()))
