"""VisTrails' interpreter on an engine: the inside of a Group is set up once, not per element.

Setting up a Group's pipeline (validation, signatures, port specs) takes twenty times
what running a small one does. Here it is done once; each execution then gets fresh
instances of the modules, made and connected as the first ones were.
"""

from __future__ import annotations

import copy
from typing import Any

from vistrails.core.data_structures.bijectivedict import Bidict
from vistrails.core.interpreter.cached import CachedInterpreter
from vistrails.core.modules.vistrails_module import Module, ModuleConnector
from vistrails.core.vistrail.pipeline import Pipeline

__all__ = ["FunctionInterpreter", "is_plain"]

# Parameters of these types may be shared between executions: nothing can change them.
UNCHANGING = (str, bytes, int, float, complex, bool, type(None))

# What each instance gets of its own; everything else that set-up has put on a module is shared,
# as copies of one module share it.
OWN = frozenset({"inputPorts", "outputPorts", "is_method", "moduleInfo", "logging"})


class FunctionInterpreter(CachedInterpreter):
    """An interpreter for one function; forget it, and nothing of the function is left.

    It shares the engine's file pool and leaves it alone: a result may name one of the
    files, which then must outlive the function.
    """

    def create(self) -> None:
        """Begin with nothing."""
        self._file_pool = self.filePool = CachedInterpreter.get().filePool
        self._persistent_pipeline = Pipeline()
        self._objects: dict[int, Any] = {}
        self._streams: list[Any] = []
        self._plans: dict[int, _Plan] = {}

    def clear(self) -> None:
        """Forget every module."""
        self._plans = {}
        self._persistent_pipeline.clear()
        for obj in self._objects.values():
            obj.clear()
        self._objects = {}

    def setup_pipeline(self, pipeline: Any, **kwargs: Any) -> Any:
        """Return the modules of a pipeline, ready to run; they are made the first time only.

        Parameters
        ----------
        pipeline : Pipeline
            The function's own pipeline (with arguments) or a Group's (without).
        """
        plan = self._plans.get(id(pipeline))
        if plan is None:
            result = super().setup_pipeline(pipeline, **kwargs)
            if not result[5]:
                self._plans[id(pipeline)] = plan = _Plan(pipeline, result[0], result[1])
            if plan is None or kwargs:
                return result
        return plan.instances(), plan.ids, set(), set(), [], {}

    def finalize_pipeline(self, pipeline: Any, *args: Any, **kwargs: Any) -> None:
        """Keep what was set up; the instances that have run are the Group's to forget."""
        if id(pipeline) not in self._plans:
            super().finalize_pipeline(pipeline, *args, **kwargs)


class _Plan:
    """How to make the modules of a pipeline again.

    Parameters
    ----------
    pipeline : Pipeline
        The pipeline; kept, so that its identity stays its own.
    modules : dict of int to Module
        What set-up has made, by the ids of the pipeline.
    ids : Bidict
        Those ids by the interpreter's own.
    """

    def __init__(self, pipeline: Any, modules: dict[int, Any], ids: Any) -> None:
        self._pipeline = pipeline
        self.ids = ids
        positions = {id(module): module_id for module_id, module in modules.items()}
        self._prototypes = {i: _Prototype(m, positions) for i, m in modules.items()}

    def instances(self) -> dict[int, Any]:
        """Return fresh, connected modules by the pipeline's ids."""
        made = {i: prototype.make() for i, prototype in self._prototypes.items()}
        for i, prototype in self._prototypes.items():
            prototype.connect(made[i], made)
        return made


class _Prototype:
    """How to make one module again: by its class, then what set-up has added.

    Parameters
    ----------
    module : Module
        What set-up has made; it never runs.
    positions : dict of int to int
        Ids of the pipeline's modules by their identity.
    """

    def __init__(self, module: Any, positions: dict[int, int]) -> None:
        self._class = type(module)
        pristine = self._class().__dict__
        self._added = {
            name: value
            for name, value in module.__dict__.items()
            if name not in OWN and not _same(value, pristine.get(name, OWN))
        }
        self._plain = is_plain(self._class)
        if self._plain:
            kept = {name: value for name, value in pristine.items() if name not in OWN}
            self._added = {**kept, **self._added}
            self._info = pristine["moduleInfo"]
            self._logging = pristine["logging"]
        self._containers = [
            (name, value) for name, value in self._added.items() if type(value) in (list, dict, set)
        ]
        self._outputs = [port for port in module.outputPorts if port != "self"]
        # (port, connector, id of the module it comes from; None for a parameter)
        self._inputs = [
            (port, connector, positions.get(id(connector.obj)))
            for port, connectors in module.inputPorts.items()
            for connector in connectors
        ]
        self._unchanging = {
            id(connector)
            for _, connector, source in self._inputs
            if source is None and _is_unchanging(connector.get_raw())
        }
        self._methods = {id(connector): order for connector, order in module.is_method.items()}

    def make(self) -> Any:
        """Return a new instance, not yet connected."""
        if self._plain:
            module = object.__new__(self._class)
            own = module.__dict__
            own["inputPorts"] = {}
            own["outputPorts"] = {"self": module}
            own["is_method"] = Bidict()
            own["moduleInfo"] = self._info.copy()
            own["logging"] = self._logging
        else:
            module = self._class()
            own = module.__dict__
        own.update(self._added)
        for name, value in self._containers:
            own[name] = value.copy()
        for port in self._outputs:
            module.enable_output_port(port)
        return module

    def connect(self, module: Any, made: dict[int, Any]) -> None:
        """Connect an instance to the others and to its parameters."""
        for port, connector, source in self._inputs:
            if source is not None:
                own = ModuleConnector(
                    made[source], connector.port, connector.spec, connector.typecheck
                )
            else:
                own = connector if id(connector) in self._unchanging else _parameter(connector)
            module.inputPorts.setdefault(port, []).append(own)
            order = self._methods.get(id(connector))
            if order is not None:
                module.is_method[own] = order


def is_plain(module_class: type) -> bool:
    """Return True if making an instance does nothing but set attributes, as in VisTrails' own.

    Such instances are made from the attributes alone, in a fifth of the time.
    """
    from vistrails.core.modules.basic_modules import CodeRunnerMixin
    from vistrails.core.modules.sub_module import Group

    plain = (Module.__init__, Group.__init__, CodeRunnerMixin.__init__, object.__init__)
    makers = [c.__dict__["__init__"] for c in module_class.__mro__ if "__init__" in c.__dict__]
    return all(maker in plain for maker in makers) and module_class.__new__ is object.__new__


def _same(value: Any, other: Any) -> bool:
    """Whether set-up has left an attribute as the class's own ``__init__`` made it."""
    if value is other:
        return True
    try:
        return type(value) is type(other) and bool(value == other)
    except Exception:  # e.g. arrays, whose comparison is no single truth
        return False


def _is_unchanging(value: Any) -> bool:
    """Whether nothing can change a parameter's value, so that executions may share it."""
    parts = value if isinstance(value, tuple) else (value,)
    return all(isinstance(part, UNCHANGING) for part in parts)


def _parameter(connector: Any) -> Any:
    """Return a connector to a copy of a parameter, which a module could change."""
    value = connector.get_raw()
    source = copy.copy(connector.obj)
    if hasattr(source, "set_output"):
        source.set_output(connector.port, copy.deepcopy(value))
    else:  # the interpreter's tuple of several parameters
        source = copy.deepcopy(connector.obj)
    return ModuleConnector(source, connector.port, connector.spec, connector.typecheck)
