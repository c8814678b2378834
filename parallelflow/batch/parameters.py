"""The parameters of a workflow that can be set from outside: by alias, or by module and port."""

from __future__ import annotations

import re
from typing import Any

from parallelflow.errors import ParameterError, shortened
from parallelflow.wording import count

__all__ = ["Parameters", "check_value"]

_PORT = re.compile(r"(?P<module>.+)\.(?P<port>[^.\[\]]+)(\[(?P<position>\d{1,3})\])?")


class Parameters:
    """The parameters of a copy of a workflow's pipeline, found by their names.

    Parameters
    ----------
    workflow : str
        What the user calls the workflow.
    pipeline : vistrails Pipeline
        The pipeline; it is not changed.

    Attributes
    ----------
    pipeline : vistrails Pipeline
        The copy. It has the parameters that were found, also those of ports without a value.
    """

    def __init__(self, workflow: str, pipeline: Any) -> None:
        self._workflow = workflow
        self.pipeline = pipeline.do_copy()
        self._next_id = -1

    def find(self, name: str) -> Any:
        """Return the parameter of a name.

        Parameters
        ----------
        name : str
            An alias; or ``MODULE.PORT``, the module by its label or its name. Of a port with
            several parts, ``MODULE.PORT[0]`` is the first.

        Returns
        -------
        vistrails ModuleParam
            Of `pipeline`.

        Raises
        ------
        ParameterError
            If there is none of this name, or several.
        """
        if name in self.pipeline.aliases:
            kind, number = self.pipeline.aliases[name][:2]
            return self.pipeline.db_get_object(kind, number)
        match = _PORT.fullmatch(name)
        modules = self._modules(match["module"]) if match else []
        if match is None or not modules:
            known = sorted(self.pipeline.aliases)
            has = f"its aliases: {', '.join(known)}" if known else "it has no alias"
            raise ParameterError(
                name, f"{self._workflow} has no such alias and no such module; {has}."
            )
        if len(modules) > 1:
            raise ParameterError(
                name, f"{self._workflow} has {len(modules)} modules of this name: label them."
            )
        return self._of_port(name, modules[0], match["port"], match["position"])

    def _modules(self, title: str) -> list[Any]:
        from parallelflow.engine.workflow_results import label

        modules = self.pipeline.module_list
        return [m for m in modules if label(m) == title] or [m for m in modules if m.name == title]

    def _of_port(self, name: str, module: Any, port: str, position: str | None) -> Any:
        spec = module.get_port_spec(port, "input") if module.has_port_spec(port, "input") else None
        if spec is None:
            known = sorted({s.name for s in module.destinationPorts()})
            raise ParameterError(
                name, f"{module.name} has no such port; its input ports: {', '.join(known)}."
            )
        for connection in self.pipeline.connection_list:
            if (connection.destinationId, connection.destination.name) == (module.id, port):
                raise ParameterError(name, "the port has a connection, which gives its value.")
        if not spec.port_spec_items or not spec.is_valid or not _are_constants(spec):
            raise ParameterError(name, "the port takes no value, only a connection.")
        parts = len(spec.port_spec_items)
        if position is None and parts > 1:
            raise ParameterError(name, f"the port has {parts} parts: {name}[0] is the first.")
        if int(position or 0) >= parts:
            raise ParameterError(name, f"the port has {count(parts, 'part')}.")
        return self._function(module, spec).params[int(position or 0)]

    def _function(self, module: Any, spec: Any) -> Any:
        """Return what sets a port of a module; it is added if there is nothing."""
        from vistrails.core.vistrail.module_function import ModuleFunction
        from vistrails.core.vistrail.module_param import ModuleParam

        for function in module.functions:
            if function.name == spec.name:
                return function
        parameters = [
            ModuleParam(
                id=self._new_id(),
                pos=item.pos,
                name="<no description>",
                val=item.default,
                type=item.descriptor.sigstring,
            )
            for item in spec.port_spec_items
        ]
        function = ModuleFunction(
            id=self._new_id(),
            pos=module.getNumFunctions(),
            name=spec.name,
            parameters=parameters,
        )
        self.pipeline.db_add_object(function, module.vtType, module.id)
        added: Any = next(
            f for f in self.pipeline.modules[module.id].functions if f.name == spec.name
        )
        return added

    def _new_id(self) -> int:
        self._next_id -= 1
        return self._next_id


def _are_constants(spec: Any) -> bool:
    from vistrails.core.modules.basic_modules import Constant

    return all(issubclass(item.descriptor.module, Constant) for item in spec.port_spec_items)


def check_value(value: str, parameter: Any) -> str:
    """Return what is wrong with a parameter's value as VisTrails writes it; empty if nothing.

    Parameters
    ----------
    value : str
        The value.
    parameter : vistrails ModuleParam
        The parameter.
    """
    from vistrails.core.modules.module_registry import get_module_registry

    descriptor = get_module_registry().get_descriptor_by_name(
        parameter.identifier, parameter.type, parameter.namespace
    )
    try:
        value.encode()  # as VisTrails does; bytes that are no text in UTF-8 have become surrogates
        fits = descriptor.module.validate(descriptor.module.translate_to_python(value))
    except Exception:
        fits = False
    return "" if fits else f"{shortened(value)} is not a value of type {parameter.type}."
