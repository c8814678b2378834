"""One module that runs beside others: what goes to an engine, and where the answer is put."""

from __future__ import annotations

from typing import Any

from vistrails.core.log.controller import LogController
from vistrails.core.modules.vistrails_module import ModuleError

from parallelflow.engine.branches import BranchValue
from parallelflow.engine.files import unpack
from parallelflow.engine.recorder import Record
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine.spec import NOT_SENT, FunctionSpec
from parallelflow.errors import ElementFailure
from parallelflow.work.output import Written
from parallelflow.work.worker import Worker

from .describe import describe, modules_to_send
from .failures import is_unable
from .log_objects import LogObjects, annotations_of, log_time
from .loop import label_of
from .messages import show_line

__all__ = ["Branch"]

ERROR_TRACE = "errorTrace"
"""The annotation in which VisTrails keeps an error's traceback; it makes it itself."""


class Branch:
    """A module whose inputs have been computed, and that an engine executes.

    Parameters
    ----------
    module : Module
        The module. Until `withdraw`, it gives the engine's answer in the place of its own
        ``compute``, once that has come.

    Attributes
    ----------
    module : Module
        The module.
    label : str
        What the user calls it.
    spec : FunctionSpec
        What the engine gets.
    is_settled : bool
        Whether there is no more to wait for.
    why_here : str or None
        Why this process has to execute it; empty if the module itself needs the session. None if
        it need not.

    Raises
    ------
    ModuleError
        Of VisTrails, for an input that the module would not get.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.label = label_of(module, type(module).__name__)
        log = module.logging.log
        self._log = log if isinstance(log, LogController) else None
        self._sent = modules_to_send([module], ())
        self.spec: FunctionSpec = describe(
            module, [module], (), None, log=self._log is not None, list_depth=0
        )
        self.is_settled = False
        self.why_here: str | None = None
        self._value: BranchValue | None = None
        self._failure: ElementFailure | None = None
        self._record: Record | None = None
        self._written: Written = []
        self._worker: Worker | None = None
        self._control: dict[str, str] | None = None
        self._execution: Any = None

    # -- what comes back ------------------------------------------------------------------

    def take(self, result: ChunkResult, worker: Worker) -> None:
        """Take what an engine has returned for the module; that may be its failure."""
        self._worker = worker
        self._written += result.outputs.get(0, [])
        records = result.records.read().get(0)
        if 0 in result.failures:
            records = result.failures[0].detail.records
        else:
            self._value = result.values[0]
            self._settle()
        if records and records[0].children:
            self._record = records[0].children[0]

    def fail(self, failure: ElementFailure) -> None:
        """Take note that the module has failed, or cannot run on an engine."""
        if self.is_settled:
            return
        if is_unable(failure):
            self.execute_here(f"{failure.error_type}: {failure.message}")
        else:
            self._failure = failure
            self._settle()

    def execute_here(self, why: str = "") -> None:
        """Leave the module to this process."""
        if not self.is_settled:
            self.why_here = why
            self.is_settled = True

    def _settle(self) -> None:
        self.is_settled = True
        module = self.module
        # A loop in its options has run on the engine.
        self._control, module.control_params = module.control_params, {}
        module.compute = self._answer

    # -- in the module's place ------------------------------------------------------------

    def _answer(self) -> None:
        """Do what the module's ``compute`` would, with the engine's answer."""
        module = self.module
        self._log_execution()
        if self._failure is not None:
            raise self._error(self._failure)
        assert self._value is not None
        outputs, cacheable = self._value
        if self._worker is not None and self._worker.host != self.spec.host:
            outputs = unpack(outputs, module.interpreter.filePool)
        whole = True
        for port, value in outputs.items():
            if value is NOT_SENT:  # whoever connects the port later must not find it empty
                whole = False
            else:
                module.set_output(port, value)
        keep = bool(cacheable and whole)
        module.is_cacheable = lambda: keep

    def _error(self, failure: ElementFailure) -> ModuleError:
        """Return the error that VisTrails would raise, on the module that failed."""
        wanted = failure.detail.module
        [culprit, *_] = (
            *(m for m in self._sent if m.moduleInfo.get("moduleId") == wanted), self.module,
        )  # fmt: skip
        message, place = failure.message, ""
        if failure.engine is not None:
            place = f"on engine {failure.engine} of {failure.host}"
        if failure.stage != "run":
            message = failure.reason
        trace = "\n".join(line for line in (place, "", failure.traceback) if line or place)
        error = ModuleError(culprit, message, errorTrace=trace)
        error.branch = failure  # no element of a loop
        return error

    def _log_execution(self) -> None:
        """Put what the engine has recorded into VisTrails' log of the module's execution."""
        if self._log is None or self._worker is None:
            return
        module = self.module
        notes = dict(annotations_of(self._worker))
        execution = self._log.module_execs.get(id(module))
        if self._record is not None and execution is not None:
            notes = {k: v for k, v in self._record.annotations if k != ERROR_TRACE} | notes
            objects = LogObjects(self._log)
            self._record.shift(self._worker.clock_difference)
            execution.machine_id = machine = objects.machine(self._worker)
            objects.add_children(execution, self._record, machine)
            execution.ts_start = log_time(self._record.start)
            self._execution = execution
        module.annotate(notes)

    def show_output(self) -> None:
        """Show what the module has written, once."""
        written, self._written = self._written, []
        for stream, text in written:
            for line in text.splitlines():
                show_line(line, stream)

    def withdraw(self) -> None:
        """Leave the module as VisTrails has made it; the log gets the engine's times.

        What it has written, and VisTrails has not come to, is not shown: by itself VisTrails would
        not have executed it.
        """
        module = self.module
        if self._control is not None:
            module.control_params = self._control
        module.__dict__.pop("compute", None)
        if self._execution is not None and self._record is not None and self._record.end:
            self._execution.ts_end = log_time(self._record.end)
