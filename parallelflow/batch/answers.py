"""An exploration of VisTrails' window whose points are computed on engines.

VisTrails executes each point as always: it places the cells, logs, and shows what fails. The
modules that engines have executed for the point give the engines' answers instead of computing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from vistrails.core.interpreter.default import get_default_interpreter
from vistrails.core.modules.basic_modules import Constant, Generator, Variant
from vistrails.core.modules.vistrails_module import ModuleError, NotCacheable

from parallelflow.engine.remote_failure import RunOnClient
from parallelflow.engine.workflow_parameters import parameters_of
from parallelflow.loops.describe import classes_of
from parallelflow.loops.messages import show_line
from parallelflow.loops.stays import classes_belong_here
from parallelflow.work.output import Written

from .constants import take_constants
from .evaluation import Batch
from .exploration import Exploration
from .outcome import Outcome
from .reach import divide, downstream, may_be_cached

__all__ = ["Answers", "CollectOutputs", "answers_for"]


@dataclass(frozen=True)
class CollectOutputs:
    """Collects the outputs of some modules: what travels back of a point.

    Attributes
    ----------
    ports : dict of int to tuple of str
        By module, its output ports.
    """

    ports: dict[int, tuple[str, ...]]

    def __call__(
        self, workflow: int, pipeline: Any, objects: dict[int, Any]
    ) -> dict[int, dict[str, Any]]:
        """Return the values by module and port.

        Raises
        ------
        RunOnClient
            If a value is a module, or can be read only once.
        """
        from vistrails.core.modules.vistrails_module import InvalidOutput, Module

        found: dict[int, dict[str, Any]] = {}
        for number, ports in self.ports.items():
            outputs = {port: objects[number].outputPorts.get(port) for port in ports}
            for port, value in outputs.items():
                if isinstance(value, (Module, Generator)):
                    raise RunOnClient(f"the output {port} is a module")
            found[number] = {
                port: value
                for port, value in outputs.items()
                if value is not None and value is not InvalidOutput
            }
        return found


class Answers:
    """What engines compute of an exploration's points, given to VisTrails point by point.

    Parameters
    ----------
    exploration : Exploration
        The points; its workflow says what travels.
    modules : set of int
        The modules that engines execute.
    collect : CollectOutputs
        What of them is needed here.
    """

    def __init__(
        self, exploration: Exploration, modules: set[int], collect: CollectOutputs
    ) -> None:
        self._modules = modules
        self.total = len(exploration.points)
        # Of what stays here, such as the place of a file, engines have no module.
        known = parameters_of(exploration.workflow.pipeline)
        sent = {parameter.db_id for module, parameter in known if module.id in modules}
        points = [
            replace(point, parameters=tuple(p for p in point.parameters if p[0] in sent))
            for point in exploration.points
        ]
        self.batch = Batch(
            "exploration", [exploration.workflow], points, collect, self._show,
            kept=True,
        )  # fmt: skip

    def _show(self, position: int, written: Written) -> None:
        for stream, text in written:
            for line in text.splitlines():
                show_line(f"[point {position + 1} of {self.total}] {line}", stream)

    def wait_for(self, position: int, look: Callable[[], object]) -> None:
        """Wait until a point was computed; see `Batch.wait`."""
        if not self.batch.is_settled(position):
            self.batch.wait(lambda: self.batch.is_settled(position), look)

    def give(self, position: int, pipeline: Any) -> list[int]:
        """Let the modules of a point give the engines' answers.

        Called when VisTrails has made the point's modules, before it executes them.

        Parameters
        ----------
        position : int
            The point's position.
        pipeline : vistrails Pipeline
            The point's pipeline.

        Returns
        -------
        list of int
            Ids of the modules in VisTrails' cache that hold parts of their outputs only; they
            are to be taken out of it afterwards; none if VisTrails has to compute all itself.
        """
        outcome = self.batch.outcomes[position]
        failed = {}
        if outcome.failure is not None:
            failed = {number: (text, trace) for number, text, trace in outcome.failure.modules}
            if not failed:  # not a module's: VisTrails tries it itself, and reports as it does
                return []
        elif outcome.collected is None:
            return []
        objects = get_default_interpreter().find_persistent_entities(pipeline)[0]
        changed = []
        for number in sorted(self._modules):
            module = objects[number]
            if not module.upToDate:
                _answer(module, outcome, number, failed.get(number))
                changed.append(module.id)
        return changed


def _answer(module: Any, outcome: Outcome, number: int, failed: tuple[str, str] | None) -> None:
    """Replace a module's computation by what came from an engine."""

    def compute() -> None:
        if failed is not None:
            raise ModuleError(module, failed[0], errorTrace=failed[1])
        for port, value in (outcome.collected or {}).get(number, {}).items():
            module.set_output(port, value)
        if outcome.place:
            module.annotate(outcome.place)

    module.compute = module.compute_all = compute
    module.control_params = {}


def answers_for(exploration: Exploration) -> Answers | None:
    """Divide an exploration's workflow, and compute here what no parameter reaches.

    Parameters
    ----------
    exploration : Exploration
        The points. What travels is set on its workflow.

    Returns
    -------
    Answers or None
        None if there is nothing that engines could do, or if what no parameter reaches fails:
        VisTrails reports that.
    """
    pipeline = exploration.workflow.pipeline
    varied = {m.id for m, p in parameters_of(pipeline) if p.db_id in exploration.varied}
    start = varied | {m.id for m in pipeline.module_list if not may_be_cached(m)}
    stay = _staying(pipeline)
    travels, feeders = divide(pipeline, start - stay, stay)
    if not travels & downstream(pipeline, varied):
        return None
    info = exploration.workflow.info
    controller = exploration.workflow.controller
    result = get_default_interpreter().execute(
        pipeline, sinks=sorted(feeders), job_monitor=controller.jobMonitor, extra_info={}, **info
    )
    if result.errors or result.suspended:
        return None
    wanted = {n: o for n, o in result.objects.items() if n not in travels and n not in stay}
    given, travels = take_constants(pipeline, start, wanted, stay)
    exploration.workflow.given = given
    exploration.workflow.travels = travels | set(given)
    return Answers(exploration, travels, CollectOutputs(_boundary(pipeline, travels)))


def _staying(pipeline: Any) -> set[int]:
    """Return the modules that stay here.

    What is downstream of one stays, and what gives one a module instead of a value: a plot for a
    cell, say.
    """
    stay = {
        m.id
        for m in pipeline.module_list
        if classes_belong_here(classes_of(m)) or _writes(pipeline, m)
    }
    while True:
        stay = downstream(pipeline, stay)
        more = {
            connection.sourceId
            for connection in pipeline.connection_list
            if connection.destinationId in stay and not _gives_values(connection)
        }
        if more <= stay:
            return stay
        stay |= more


def _writes(pipeline: Any, module: Any) -> bool:
    """Return True for what shows or writes what it is given: a last module without outputs."""
    if pipeline.graph.edges_from(module.id) or module.is_group() or module.is_abstraction():
        return False
    ports = {spec.name for spec in module.sourcePorts()} - {"self"}
    return (
        not ports
        and issubclass(module.module_descriptor.module, NotCacheable)
        and (module.name != "PythonSource")
    )


def _gives_values(connection: Any) -> bool:
    """Return True if values go through a connection, not modules."""
    if connection.source.name == "self":
        return False
    try:
        kinds = [descriptor.module for descriptor in connection.source.spec.descriptors()]
    except Exception:  # of a package that is not there: VisTrails reports it
        return False
    return all(issubclass(kind, (Constant, Variant)) for kind in kinds)


def _boundary(pipeline: Any, travels: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Return the ports of modules that engines execute to which others here are connected."""
    found: dict[int, set[str]] = {}
    for connection in pipeline.connection_list:
        if connection.sourceId in travels and connection.destinationId not in travels:
            found.setdefault(connection.sourceId, set()).add(connection.source.name)
    return {number: tuple(sorted(ports)) for number, ports in sorted(found.items())}
