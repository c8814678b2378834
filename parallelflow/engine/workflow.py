"""Whole workflows on an engine: set up once per run, executed once per point by VisTrails."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from parallelflow.errors import FailureDetail

from .file_names import numbered_files
from .package_preload import PackagePreloader
from .packages import PackagesOfFunction
from .recorder import Record, WorkflowRecorder
from .remote_failure import RemoteFailure, RemoteFailureError, RunOnClient
from .vistrails_caching import without_import_hook
from .workflow_parameters import set_parameters
from .workflow_results import failure_text
from .workflow_spec import Given, Point, WorkflowSpec, WorkflowsSpec

__all__ = ["Collect", "prepare_workflows"]

Collect = Callable[[int, Any, dict[int, Any]], Any]
"""Makes what travels back of an execution: of the workflow's position, its pipeline and its module
objects by id."""


def prepare_workflows(
    _: PackagePreloader, spec: WorkflowsSpec, collect: Collect
) -> WorkflowsFunction:
    """Set workflows up; the chunk runner calls what it returns.

    Parameters
    ----------
    _ : PackagePreloader
        Unpickled before the spec.
    spec : WorkflowsSpec
        What the client knows of them.
    collect : Collect
        Importable.

    Raises
    ------
    RemoteFailureError
        If a package is missing or has another version.
    """
    return WorkflowsFunction(spec, collect)


class WorkflowsFunction:
    """Workflows, ready to be executed for points.

    Parameters
    ----------
    spec : WorkflowsSpec
        What the client knows of them.
    collect : Collect
        Makes what travels back.
    """

    def __init__(self, spec: WorkflowsSpec, collect: Collect) -> None:
        self._spec = spec
        self._collect = collect
        self._packages = PackagesOfFunction(spec)
        self._packages.put_in_force()
        self._executions: dict[int, _Execution] = {}

    @contextlib.contextmanager
    def during_chunk(self) -> Iterator[None]:
        """Put the session's packages in force while points are executed."""
        self._packages.put_in_force()
        with without_import_hook():
            yield

    @property
    def outdated(self) -> bool:
        """Whether it has to be set up again: another session needed its packages otherwise."""
        return self._packages.outdated

    def __call__(self, index: int, point: Point) -> tuple[Any, Any]:
        """Return what is collected of a workflow's execution for a point, and its record.

        The record is None where none is wanted.

        Raises
        ------
        RemoteFailureError
            If a module fails; ``where`` holds the ids of the modules that failed, with their
            messages and traces, and the record.
        """
        execution = self._executions.get(point.workflow)
        if execution is None:
            execution = _Execution(self._spec.workflows[point.workflow])
            self._executions[point.workflow] = execution
        recorder = WorkflowRecorder() if self._spec.log else None
        try:
            pipeline, objects = execution.run(point, self._spec.stop_on_error, recorder)
        except BaseException as e:
            if not isinstance(e, RemoteFailureError):  # VisTrails was left in the middle of it
                del self._executions[point.workflow]
            raise
        record = None if recorder is None else recorder.parent
        return self._collect(point.workflow, pipeline, objects), record

    def close(self) -> None:
        """Forget the modules and all they hold."""
        for execution in self._executions.values():
            execution.close()
        self._executions = {}


class _Execution:
    """One workflow, executed again and again with other parameters."""

    def __init__(self, spec: WorkflowSpec) -> None:
        from vistrails.core.vistrail.pipeline import Pipeline

        from parallelflow.host.entity_xml import from_xml

        from .workflow_interpreter import WorkflowInterpreter

        self._spec = spec
        self._pipeline = from_xml(spec.pipeline, Pipeline)
        self._interpreter = WorkflowInterpreter()

    def run(
        self, point: Point, stop_on_error: bool, recorder: WorkflowRecorder | None
    ) -> tuple[Any, dict[int, Any]]:
        """Execute the workflow; return its pipeline and the module objects by id."""
        set_parameters(self._pipeline, point.parameters)
        self._interpreter.prepare(self._replace)
        log = {} if recorder is None else {"logger": recorder}
        with numbered_files(point.number):
            result = self._interpreter.execute(
                self._pipeline,
                job_monitor=_JobMonitor(),
                stop_on_error=stop_on_error,
                extra_info={},
                **self._spec.info,
                **log,
            )
        if result.suspended:
            raise RunOnClient("suspended")  # what it waits for is the client's to watch
        if result.errors:
            record = None if recorder is None else recorder.parent
            raise _failed(self._pipeline, result.errors, record)
        self._interpreter.keep(result.objects.values())
        return self._pipeline, result.objects

    def _replace(self, objects: dict[int, Any]) -> None:
        """Give modules what the client has computed."""
        for number, depth in self._spec.depths.items():
            objects[number].list_depth = depth
        for number, given in self._spec.given.items():
            _give(objects[number], given)

    def close(self) -> None:
        self._interpreter.clear()


def _give(module: Any, given: Given) -> None:
    """Replace a module's computation by its outputs."""

    def compute() -> None:
        for port, value in given.outputs.items():
            module.set_output(port, value)

    module.inputPorts = {}
    module.control_params = {}
    module.is_cacheable = lambda: True
    # Its outputs are whole, however deep its inputs were looped.
    module.compute = module.compute_all = compute


def _failed(pipeline: Any, errors: dict[int, Any], record: Record | None) -> RemoteFailureError:
    first = errors[min(errors)]
    trace = first.errorTrace or "".join(traceback.format_exception(first))
    failed = tuple((n, str(e.msg), str(e.errorTrace or "")) for n, e in sorted(errors.items()))
    detail = FailureDetail(failed, record)
    return RemoteFailureError(
        RemoteFailure("run", type(first).__name__, failure_text(pipeline, errors), trace, detail)
    )


class _JobMonitor:
    """Stands for the client's job monitor, which an engine does not have."""

    def __getattr__(self, name: str) -> Any:
        raise RunOnClient(f"the job monitor ({name})")
