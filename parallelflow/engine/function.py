"""A function of a workflow on an engine: set up once per run, evaluated per element."""

from __future__ import annotations

import contextlib
import copy
import re
import socket
import time
import traceback
from collections.abc import Iterator
from typing import Any

from parallelflow.errors import FailureDetail

from .element_ports import ElementPorts, all_outputs, refuse_module
from .files import pack
from .package_preload import PackagePreloader
from .packages import PackagesOfFunction
from .peak_memory import came_of_memory, with_memory
from .recorder import ITERATION, Record, Recorder
from .remote_failure import RemoteFailure, RemoteFailureError, RunOnClient, failure_of
from .spec import FunctionSpec, PortValue
from .vistrails_caching import without_import_hook

__all__ = ["VistrailsFunction", "prepare"]


def prepare(_: PackagePreloader, spec: FunctionSpec) -> VistrailsFunction:
    """Set a function up; the chunk runner calls what it returns.

    Parameters
    ----------
    _ : PackagePreloader
        Unpickled before the spec.
    spec : FunctionSpec
        What the client knows of it.

    Raises
    ------
    RemoteFailureError
        If this engine cannot run it: another version, a missing package, parameters
        that cannot be read. The text says which.
    """
    return VistrailsFunction(spec)


# How VisTrails words it, numpy's own class among them.
OF_MEMORY = re.compile(r"Uncaught exception: \w*MemoryError\b")


class _Source:
    """Stands for an upstream module whose output the client has computed."""

    def __init__(self, value: PortValue) -> None:
        self.list_depth = value.list_depth
        self._value = value.value

    def get_output(self, port: str) -> Any:
        return self._value

    def update(self) -> None:
        """Do nothing: there is nothing to compute."""

    update_upstream = update


class _JobMonitor:
    """Stands for the client's job monitor, which an engine does not have."""

    def __getattr__(self, name: str) -> Any:
        raise RunOnClient(f"the job monitor ({name})")


class VistrailsFunction:
    """The modules that a loop evaluates, ready to take elements.

    Parameters
    ----------
    spec : FunctionSpec
        What the client knows of them.

    Raises
    ------
    RemoteFailureError
        If a module cannot be made or a parameter cannot be read.
    """

    def __init__(self, spec: FunctionSpec) -> None:
        self._spec = spec
        self._is_elsewhere = spec.host != socket.gethostname()
        self._packages = PackagesOfFunction(spec)
        self._packages.put_in_force()
        from .interpreter import FunctionInterpreter

        self._interpreter = FunctionInterpreter()
        self._recorder = Recorder(Record(ITERATION, 0.0)) if spec.log else None
        self._objects: dict[int, Any] = {}
        self._executed: dict[int, bool] = {}
        self._ports = ElementPorts(spec)
        self._objects = self._set_up_pipeline()
        self._functions = [self._objects[i] for i in spec.functions]
        self._ids = {obj.id: i for i, obj in self._objects.items()}
        for function in self._functions if spec.list_depth is not None else ():
            function.list_depth = spec.list_depth

    # -- set-up ---------------------------------------------------------------------------

    def _set_up_pipeline(self) -> dict[int, Any]:
        """Return the function's modules by their ids, connected and with their inputs."""
        from vistrails.core.vistrail.pipeline import Pipeline

        from parallelflow.host.entity_xml import from_xml

        pipeline = from_xml(self._spec.pipeline, Pipeline)
        made = self._interpreter.setup_pipeline(pipeline, reason=self._spec.info.get("reason"))
        objects, persistent_to_id, _, _, _, errors = made
        if errors:
            first = next(iter(errors.values()))
            raise RemoteFailureError(
                RemoteFailure("setup", "ModuleError", first.msg, first.errorTrace or "")
            )
        for value in self._spec.values:
            self._connect(objects[value.module], value)
        for module, ports in self._spec.outputs.items():
            for port in ports:
                objects[module].enable_output_port(port)
        self._announce(pipeline, objects, persistent_to_id)
        return dict(objects)

    def _connect(self, obj: Any, value: PortValue) -> None:
        from vistrails.core.modules.vistrails_module import ModuleConnector
        from vistrails.core.vistrail.port_spec import PortSpec

        port_spec = None
        if value.sigstring is not None:
            port_spec = PortSpec(
                name="value", type="output", sigstring=value.sigstring, depth=value.depth
            )
        # The type was checked on the client, when the value was computed.
        obj.set_input_port(value.port, ModuleConnector(_Source(value), "value", port_spec))

    def _announce(self, pipeline: Any, objects: dict[int, Any], persistent_to_id: Any) -> None:
        """Give the modules what the interpreter gives them before they run."""
        from vistrails.core.interpreter.cached import ViewUpdatingLogController
        from vistrails.core.log.controller import DummyLogController
        from vistrails.core.utils import DummyView

        logging_ = ViewUpdatingLogController(
            logger=self._recorder if self._recorder is not None else DummyLogController,
            view=DummyView(),
            remap_id=lambda i: persistent_to_id[i],
            ids=list(objects),
        )
        self._executed = logging_.executed
        for module_id, obj in objects.items():
            obj.in_pipeline = True
            obj.logging = logging_
            obj.change_parameter = lambda *_: None
            obj.moduleInfo.update(
                self._spec.info,
                moduleId=module_id,
                pipeline=pipeline,
                controller=None,
                job_monitor=_JobMonitor(),
            )

    # -- evaluation -----------------------------------------------------------------------

    @contextlib.contextmanager
    def during_chunk(self) -> Iterator[None]:
        """Put the session's packages in force while elements run."""
        self._packages.put_in_force()
        with without_import_hook():
            yield

    @property
    def outdated(self) -> bool:
        """Whether it has to be set up again: another session needed its packages otherwise."""
        return self._packages.outdated

    def report(self) -> set[int]:
        """Return the ids of the modules that have run well, now or before."""
        return {self._ids[i] for i in self._executed if i in self._ids}

    def __call__(self, index: int, element: Any) -> tuple[Any, Any]:
        """Return the function's value for an element, and the record of its execution.

        Raises
        ------
        RemoteFailureError
            If the function fails; with the text that the serial Map would show.
        """
        records: list[Record] | None = None if self._recorder is None else []
        value = None
        number = index + self._spec.first
        for function in self._functions:
            module = copy.copy(function)
            module.upToDate = module.computed = False
            self._ports.put(module, element, number)
            if self._recorder is not None and records is not None:
                # The serial Map logs an iteration for each function, too.
                records.append(Record(ITERATION, time.time(), number))
                self._recorder.begin(records[-1])
            value = self._update(module, records)
        return value, records

    def _update(self, module: Any, records: list[Record] | None) -> Any:
        """Run one module and return its output."""
        from vistrails.core.modules.vistrails_module import (
            ModuleBreakpoint,
            ModuleError,
            ModuleErrors,
            ModuleSuspended,
        )

        ran, before = False, module.id in self._executed
        try:
            module.update()
            ran = True
            if records is not None:
                records[-1].end, records[-1].completed = time.time(), 1
            value = self.value_of(module)
        except ModuleSuspended as e:
            # What it waits for is the client's to watch.
            raise RunOnClient("suspended") from e
        except ModuleErrors as e:
            raise self._reported(e.module_errors[0], records, ran, e) from e
        except (ModuleError, ModuleBreakpoint) as e:
            # Where it iterates itself, copies of it may have run before the one that failed.
            ran = ran or (not before and module.id in self._executed)
            raise self._reported(e, records, ran, e) from e
        except Exception as e:
            if isinstance(e, RemoteFailureError):
                raise
            # VisTrails words every Exception of compute() itself: this comes from elsewhere.
            failure = failure_of(e, "run")
            failure.message = f"Uncaught exception: {failure.error_type}: {failure.message}"
            raise RemoteFailureError(failure) from e
        if self._is_elsewhere:
            value = pack(value, self._interpreter.filePool.directory)
        return value

    def value_of(self, module: Any) -> Any:
        """Return what a module that has run gives as the element's value."""
        from vistrails.core.modules.vistrails_module import ModuleError

        port = self._spec.output_port
        if port is None:
            return all_outputs(module, self._spec.outputs[self._ids[module.id]])
        if port not in module.outputPorts:
            raise ModuleError(
                module,
                f"Invalid output port: {port}\n{type(module).__name__} has run without giving it a "
                "value.",
            )
        value = module.get_output(port)
        refuse_module(port, value)
        return value

    def _reported(
        self, error: Any, records: list[Record] | None, ran: bool, raised: BaseException
    ) -> RemoteFailureError:
        """Return a module's error as the client reports it, and close its records."""
        trace = error.errorTrace or "".join(traceback.format_exception(raised))
        module = error.module
        with contextlib.suppress(Exception):
            module.logging.end_update(module, error, trace)
        culprit = self._ids.get(getattr(module, "id", None), self._spec.functions[-1])
        detail = FailureDetail(culprit, records, ran)
        # What fails inside a Group comes as text alone.
        lacked = came_of_memory(error) or OF_MEMORY.search(str(error.msg))
        message = with_memory(error.msg) if lacked else error.msg
        return RemoteFailureError(
            RemoteFailure("run", type(error).__name__, message, trace, detail)
        )

    def close(self) -> None:
        """Forget the modules and all they hold."""
        self._interpreter.clear()
        self._objects = {}
        self._functions = []
