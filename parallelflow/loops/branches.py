"""Independent branches of a pipeline: marked modules without a loop, at the same time on engines.

VisTrails executes a pipeline from its last modules: each has what is upstream of it executed,
one after the other. That order stays. But as soon as what is upstream of a marked module has been
computed, the module is sent to an engine, and VisTrails waits for the answer only where it needs
it. To have its inputs sooner, modules upstream of it are executed early, each by VisTrails' own
``update``; an error of one is kept, and raised where VisTrails would have come to it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from vistrails.core.interpreter.base import AbortExecution
from vistrails.core.modules.vistrails_module import (
    ModuleBreakpoint,
    ModuleError,
    ModuleErrors,
    ModuleHadError,
    ModuleSuspended,
    ModuleWasSuspended,
)

from parallelflow.engine_manager import get_manager
from parallelflow.errors import ParallelFlowError

from .branch import Branch
from .branch_candidates import (
    certain_modules,
    classes_inside,
    is_ordinary,
    may_be_branch,
    sources,
    streams,
)
from .branch_run import POLL_SECONDS, BranchRun
from .describe import modules_to_send
from .failures import is_stop
from .messages import show_once
from .stays import belongs_here, classes_belong_here

__all__ = ["Branches"]

NOT_RUN = (
    ModuleBreakpoint,
    ModuleError,
    ModuleErrors,
    ModuleHadError,
    ModuleSuspended,
    ModuleWasSuspended,
)
"""What VisTrails raises out of a module that gives no values."""

INTERRUPTED = "Interrupted by user"
"""What VisTrails says of a module during which Ctrl-C was pressed."""


class Branches:
    """The branches of one execution of a pipeline.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The pipeline.
    objects : mapping of int to Module
        Its modules, ready to run, by their ids.
    sinks : sequence of int
        The modules that VisTrails is going to update, in order.
    wanted : set of int
        The modules that are to be branches, where they can be.
    stop_on_error : bool
        Whether the first module that fails ends the execution.
    """

    def __init__(
        self,
        pipeline: Any,
        objects: Any,
        sinks: list[int],
        wanted: set[int],
        stop_on_error: bool,
    ) -> None:
        self._pipeline = pipeline
        self._stop_on_error = stop_on_error
        self._first = objects[sinks[0]] if sinks else None
        #: Modules that VisTrails executes in any case, those upstream first.
        certain = certain_modules(pipeline, objects, sinks)
        order = pipeline.graph.vertices_topological_sort()
        self._certain = [objects[n] for n in order if n in certain]
        self._candidates = [
            objects[number]
            for number in order
            if number in wanted
            and number in objects
            and may_be_branch(pipeline, number, objects[number])
        ]
        self._waiting = {id(module) for module in self._candidates}
        self._sent: dict[int, Branch] = {}
        self._errors: dict[int, Exception] = {}
        self._early = False
        self._run = BranchRun(len(self._candidates))

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """Have branches sent and waited for while VisTrails executes the pipeline."""
        if not self._candidates or self._first is None:
            yield
            return
        for module in self._candidates:
            module.update_upstream = self._hook(module)
        first = self._first
        first.update = self._begin
        try:
            yield
        finally:
            first.__dict__.pop("update", None)
            for module in self._candidates:
                module.__dict__.pop("update_upstream", None)
            self._run.close()
            for branch in self._sent.values():
                branch.withdraw()
            self._forget_errors()

    # -- where VisTrails comes by ---------------------------------------------------------

    def _begin(self) -> None:
        """Send what can be sent, before VisTrails executes the first module."""
        first = self._first
        assert first is not None
        first.__dict__.pop("update", None)
        try:
            self._send_ready()
        except KeyboardInterrupt as e:
            raise ModuleError(first, INTERRUPTED) from e
        first.update()

    def _hook(self, module: Any) -> Callable[[], None]:
        """Return a branch's own ``update_upstream``: it ends when the answer is there."""

        def update_upstream() -> None:
            type(module).update_upstream(module)
            if module.upToDate:
                return
            if id(module) in self._waiting:
                self._send(module)
                self._send_ready()
            branch = self._sent.get(id(module))
            if branch is not None:
                self._wait(branch)

        return update_upstream

    def _wait(self, branch: Branch) -> None:
        """Wait for the answer of a branch; do meanwhile what can be done."""
        module = branch.module
        try:
            while not branch.is_settled:
                if not self._advance(module):
                    self._run.poll(POLL_SECONDS)
                    module.logging.update_progress(module, 0.0)
                    if get_manager().interaction.leaving():
                        raise AbortExecution("Execution aborted")
        except KeyboardInterrupt as e:
            raise ModuleError(module, INTERRUPTED) from e
        if not self._early:
            branch.show_output()
        if branch.why_here:
            _tell_stays(branch.label, branch.why_here)

    # -- what is done early ---------------------------------------------------------------

    def _advance(self, awaited: Any) -> bool:
        """Take a step beside a branch that is waited for; return False if there is none."""
        if self._errors and self._stop_on_error:
            return False
        sent = len(self._sent)
        for branch in list(self._sent.values()):
            if branch.is_settled and branch.module is not awaited:
                self._make(branch.module)
        self._send_ready()
        return len(self._sent) > sent or any(self._may_be_next(m) for m in self._certain)

    def _may_be_next(self, module: Any) -> bool:
        """Execute a module if that needs nothing more; return False if it was not executed."""
        if self._is_done(module) or module is self._first or not self._has_successors(module):
            return False
        if id(module) in self._waiting or id(module) in self._sent or not self._is_plain(module):
            return False
        if any(not source.computed for source in sources(module)):
            return False
        self._update_early(module)
        return True

    def _has_successors(self, module: Any) -> bool:
        # What comes last, shows or writes something: it keeps its place.
        return bool(self._pipeline.graph.edges_from(module.moduleInfo["moduleId"]))

    def _send_ready(self) -> None:
        """Send every branch whose upstream has been computed, or can be now."""
        if self._errors and self._stop_on_error:
            return
        certain = {id(module) for module in self._certain}
        for module in self._candidates:
            key = id(module)
            if key in self._waiting and key in certain and self._make_upstream(module):
                with contextlib.suppress(*NOT_RUN):
                    with self._being_early():
                        type(module).update_upstream(module)  # all of it has been computed
                    self._send(module)
        self._run.send()

    def _make_upstream(self, module: Any) -> bool:
        """Compute what is upstream of a module; return False if that cannot be done now."""
        made = [self._make(source) for source in sources(module)]
        return all(made)

    def _make(self, module: Any) -> bool:
        """Compute a module, and what is upstream of it; return False if that cannot be done now."""
        if module.computed:
            return True
        branch = self._sent.get(id(module))
        if self._is_done(module) or (branch is None and id(module) in self._waiting):
            return False
        if branch is not None and not branch.is_settled:
            return False
        if not (module.upToDate or self._is_plain(module)) or not self._make_upstream(module):
            return False
        return self._update_early(module)

    def _is_done(self, module: Any) -> bool:
        failed = module.had_error or module.was_suspended
        return bool(module.computed or failed or id(module) in self._errors)

    def _is_plain(self, module: Any) -> bool:
        """Return True if VisTrails does nothing with a module but execute it once."""
        return is_ordinary(module) and not classes_belong_here(classes_inside(module))

    def _update_early(self, module: Any) -> bool:
        """Execute a module whose upstream was computed; keep what it raises for its time."""
        try:
            with self._being_early():
                module.update()
        except NOT_RUN as e:
            if isinstance(e, ModuleError) and is_stop(e):
                raise
            self._errors[id(module)] = e
        self._finish_later(module)
        return bool(module.computed)

    @contextlib.contextmanager
    def _being_early(self) -> Iterator[None]:
        before, self._early = self._early, True
        try:
            yield
        finally:
            self._early = before

    def _finish_later(self, module: Any) -> None:
        """Show what a module has written, and raise its error, when VisTrails comes to it.

        What is upstream of it comes first.
        """

        def update() -> None:
            if self._early:  # for one that is executed early, too: not yet
                if id(module) in self._errors:
                    raise self._errors[id(module)]
                return
            del module.update
            for source in sources(module):  # those that were executed early as well
                if "update" in source.__dict__:
                    source.update()
            branch = self._sent.get(id(module))
            if branch is not None:
                branch.show_output()
            error = self._errors.pop(id(module), None)
            if error is not None:
                raise error
            module.update()

        module.update = update

    def _forget_errors(self) -> None:
        """Leave modules that have failed early, and were not come to, as if they had not run."""
        for module in self._certain:
            module.__dict__.pop("update", None)
            error = self._errors.pop(id(module), None)
            if error is not None:
                module.had_error = module.was_suspended = False
                module.logging.log.finish_execution(module, str(error))

    # -- to the engines -------------------------------------------------------------------

    def _send(self, module: Any) -> None:
        """Give a module whose inputs are there to the engines, if it is one for them."""
        self._waiting.discard(id(module))
        if streams(module):
            return
        try:
            if belongs_here(modules_to_send([module], ())):
                return
            branch = Branch(module)
        except ModuleError:  # of an input: VisTrails comes to it, too
            return
        try:
            self._run.submit(branch)
        except ParallelFlowError as e:
            _tell_stays(branch.label, str(e))
            return
        self._sent[id(module)] = branch
        module.logging.set_computing(module)


def _tell_stays(label: str, why: str) -> None:
    show_once(f"branch {label} {why}", f"Parallel Flow: {label} stays in this process: {why}")
