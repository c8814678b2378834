"""What engines cut short of VisTrails comes to the same as VisTrails' own."""

from __future__ import annotations

import builtins
import itertools
from typing import Any

import pytest

from parallelflow.engine import vistrails_caching
from parallelflow.loops import evaluation
from parallelflow.work.run import Run
from tests.map.test_table import same
from tests.support.workflows import BASIC, PARALLEL_FLOW, Part, group, mapped, run, source

TYPES = ["List", "Variant", "Integer", "Module", ("Integer", "Float"), ("List", "List")]


def _taken() -> tuple[str, ...]:
    from vistrails.core.modules import basic_modules
    from vistrails.core.modules.vistrails_module import Module, ModuleConnector
    from vistrails.core.vistrail.port_spec import PortSpec

    functions: list[Any] = [
        basic_modules.exec, PortSpec.descriptors, Module.set_iterated_ports, Module.useJobCache,
        Module.get_input, ModuleConnector.__call__,
    ]  # fmt: skip
    return tuple(f.__module__ for f in functions)


def test_engines_take_them_and_this_process_does_not(cluster: Any) -> None:
    assert run(mapped(source("o = i"), [1, 2]), PARALLEL_FLOW).values[1] == [1, 2]
    client = cluster.ensure_engines()
    assert set(client[:].apply_sync(_taken)) == {("parallelflow.engine.vistrails_caching",) * 6}
    from vistrails.core.modules.vistrails_module import Module

    assert "vistrails" in Module.set_iterated_ports.__module__


def test_imports_are_quick_while_a_map_runs_only(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = []

    def noting(*arguments: Any, **options: Any) -> Run:
        hooks.append(builtins.__import__)
        return Run(*arguments, **options)

    monkeypatch.setattr(evaluation, "Run", noting)
    hook = builtins.__import__
    assert run(mapped(source("o = i"), [1, 2]), PARALLEL_FLOW).values[1] == [1, 2]
    assert hooks and hooks[0] is not hook and builtins.__import__ == hook


def _spec(kind: str | tuple[str, ...], depth: int) -> Any:
    from vistrails.core.vistrail.port_spec import PortSpec

    names = [kind] if isinstance(kind, str) else kind
    sigstring = "(" + ",".join(f"{BASIC}:{name}" for name in names) + ")"
    return PortSpec(name="p", type="input", sigstring=sigstring, depth=depth)


@pytest.mark.parametrize("destination", TYPES)
@pytest.mark.parametrize("source_type", TYPES)
def test_the_ports_to_iterate_over(core: Any, source_type: Any, destination: Any) -> None:
    from vistrails.core.modules.basic_modules import List, NewConstant, Variant
    from vistrails.core.modules.vistrails_module import Module, ModuleConnector

    ours = vistrails_caching.iterated_ports(List, Variant)
    found = set()
    for here, there, looped in itertools.product((0, 1, 2), (0, 1, 2), (0, 1)):
        module = Module()
        module.input_specs = {"p": _spec(destination, here), "q": _spec("Variant", 0)}
        module.input_specs_order = ["q", "p"]
        for port, kind, depth in (("p", source_type, there), ("p", "Variant", 0), ("q", "List", 1)):
            constant = NewConstant()
            constant.setValue([[1]])
            constant.list_depth = looped
            connector = ModuleConnector(constant, "value", _spec(kind, depth))
            module.inputPorts.setdefault(port, []).append(connector)
        Module.set_iterated_ports(module)
        theirs = module.iterated_ports
        for _ in range(2):  # looked up, then remembered
            ours(module)
            assert module.iterated_ports == theirs
        found.add(len(theirs))
        module.input_specs = {}
        ours(module)
        assert module.iterated_ports == []
    assert found <= {1, 2}


def _told(function: Any, *arguments: Any) -> Any:
    """Return what a function returns, or the kind and text of what it raises."""
    try:
        return function(*arguments)
    except Exception as e:
        return type(e), str(e)


@pytest.mark.parametrize("kind", TYPES)
def test_the_value_of_a_port(core: Any, kind: Any) -> None:
    from vistrails.core.modules.basic_modules import Generator, List, NewConstant
    from vistrails.core.modules.module_registry import get_module_registry
    from vistrails.core.modules.vistrails_module import Module, ModuleConnector

    get_input = vistrails_caching.first_connector(Module.get_input, List)
    call = vistrails_caching.plain_value(ModuleConnector.__call__, (Module, Generator))
    values = [[1], 7, None, Generator(size=1), [[2], [3]]]
    cases = itertools.product((0, 1), (0, 1), (0, 1), (1, 2), (None, [True]), values)
    for here, looped, there, count, checked, value in cases:
        module = Module()
        module.registry = get_module_registry()
        module.list_depth = looped
        module.input_specs = {"p": _spec(kind, here)}
        for _ in range(count):
            constant = NewConstant()
            constant.setValue(value)
            connector = ModuleConnector(constant, "value", _spec(kind, there), checked)
            module.inputPorts.setdefault("p", []).append(connector)
            assert _told(call, connector) == _told(ModuleConnector.__call__, connector)
        for has_specs in (True, False):
            if not has_specs:
                module.input_specs = {}
            for port in ("p", "q"):
                theirs = _told(Module.get_input, module, port)
                for _ in range(2):  # looked up, then remembered
                    assert _told(get_input, module, port) == theirs


def test_sources_are_unquoted_as_ever(core: Any) -> None:
    import urllib.parse

    ours = vistrails_caching.urllib_remembering()
    for text in ("o%20%3D%20i", "plain", "%E4%B8%AD", ""):
        for _ in range(2):
            assert ours.parse.unquote(text) == urllib.parse.unquote(text)
    assert ours.parse.quote is urllib.parse.quote
    assert urllib.parse.unquote.__module__ == "urllib.parse", "for others nothing changes"


def test_a_loop_inside_a_group(cluster: Any) -> None:
    inner = Part(
        "PythonSource",
        functions=source("o = i * 10").functions,
        inputs={"i": f"{BASIC}:Integer"},
        outputs={"o": f"{BASIC}:Integer"},
    )
    make = Part(
        "PythonSource",
        functions=source("o = list(range(i))").functions,
        inputs={"i": f"{BASIC}:Integer"},
        outputs={"o": f"{BASIC}:List"},
    )
    part = group([make, inner], [(0, "o", 1, "i")], {"i": (0, "i")}, {"o": (1, "o")})
    ours = same(mapped(part, [1, 2, 3]))
    assert ours.values[1] == [[0], [0, 10], [0, 10, 20]]


def test_a_module_with_a_constructor_of_its_own_is_made_by_it(core: Any) -> None:
    from vistrails.core.modules.basic_modules import PythonSource
    from vistrails.core.modules.sub_module import Group, InputPort
    from vistrails.core.modules.vistrails_module import Module

    from parallelflow.engine.interpreter import is_plain

    class Mixin:
        def __init__(self) -> None:
            super().__init__()
            self.connection = object()

    class OwnInit(Module):
        def __init__(self) -> None:
            Module.__init__(self)

    class Mixed(PythonSource, Mixin):
        """Python's order of bases calls the mixin's constructor, too."""

    class OwnNew(Module):
        def __new__(cls) -> Any:
            return super().__new__(cls)

    assert [is_plain(c) for c in (Module, PythonSource, Group, InputPort)] == [True] * 4
    assert [is_plain(c) for c in (OwnInit, Mixed, OwnNew)] == [False] * 3
