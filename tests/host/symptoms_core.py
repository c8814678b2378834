"""Symptoms in VisTrails' core."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from tests.host.symptoms import symptom

BASIC = "org.vistrails.vistrails.basic"


def start() -> Any:
    """Start the headless core and return a controller of an empty vistrail."""
    from parallelflow import host

    app = host.start_core()
    return app.new_vistrail()


def add_source(controller: Any, source: str, inputs: str = "", outputs: str = "") -> Any:
    """Add a PythonSource with Float ports of the given one-letter names."""
    import urllib.parse

    module = controller.add_module(BASIC, "PythonSource")
    ports = [("input", name, f"({BASIC}:Float)", -1) for name in inputs]
    ports += [("output", name, f"({BASIC}:Float)", -1) for name in outputs]
    controller.update_ports(module.id, [], ports)
    module = controller.current_pipeline.modules[module.id]
    controller.update_function(module, "source", [urllib.parse.quote(source)])
    return controller.current_pipeline.modules[module.id]


def execute(controller: Any) -> Any:
    """Execute the current workflow and return VisTrails' results."""
    (results,), _ = controller.execute_current_workflow()
    assert not results.errors, {k: e.msg for k, e in results.errors.items()}
    return results


@symptom("elementtree", r"has no attribute 'getchildren'")
def elements_have_children_for_vistrails_and_for_nobody_else() -> None:
    import xml.etree.ElementTree as public

    from vistrails.core.system import get_elementtree_library

    library = get_elementtree_library()
    (child,) = library.fromstring("<a><b/></a>").getchildren()
    assert child.tag == "b"
    assert library is get_elementtree_library()
    assert library is not public
    assert not hasattr(public.Element, "getchildren")
    assert public.Element is sys.modules["_elementtree"].Element


@symptom("warnings", r"IndexError", here=lambda: sys.version_info >= (3, 11))
def warnings_can_be_shown() -> None:
    import vistrails.core.debug  # noqa: F401

    warnings.simplefilter("always")
    warnings.warn("a harmless one", UserWarning, stacklevel=1)


@symptom("list-quotes", r"malformed node or string")
def a_list_without_quotes_is_told() -> None:
    controller = start()
    from vistrails.core.modules.basic_modules import List

    assert List.translate_to_python("['x', 2]") == ["x", 2]
    texts = {}
    for text in ("[x, 'y']", "x", "[x=1]", "["):
        try:
            List.translate_to_python(text)
        except (SyntaxError, ValueError) as e:
            texts[text] = str(e)
    told = "not a list that Python reads: its texts need quotes"
    assert texts == {
        "[x, 'y']": f"{told}, such as ['x', 'y']",
        "x": f"{told}, such as ['x']",
        "[x=1]": told,
        "[": told,
    }, texts
    module = controller.add_module(BASIC, "List")
    controller.update_function(module, "value", ["[x]"])
    (results,), _ = controller.execute_current_workflow()
    (error,) = results.errors.values()
    assert "such as ['x']" in error.msg, error.msg


@symptom("scipy-required", r"MissingRequirement: .*scipy")
def the_core_starts_without_scipy() -> None:
    class NoScipy:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == "scipy":
                raise ModuleNotFoundError("No module named 'scipy'", name=name)

    sys.meta_path.insert(0, NoScipy)
    try:
        start()
    finally:
        sys.meta_path.remove(NoScipy)


def _scipy_has_no_zeros() -> bool:
    if importlib.util.find_spec("scipy") is None:
        return True
    return not hasattr(importlib.import_module("scipy"), "zeros")


@symptom("scipy-arrays", r"scipy", here=_scipy_has_no_zeros)
def analogies_can_make_arrays() -> None:
    from vistrails.core.analogy import eigen

    assert eigen.mones((2, 2)).sum() == 4
    assert eigen.mzeros((2, 2)).sum() == 0


@symptom("output-directory", r"TypeError: .*not (tuple|'tuple')")
def an_output_module_writes_a_file() -> None:
    import tempfile

    folder = Path(tempfile.mkdtemp(dir=Path.home()))
    controller = start()
    output = controller.add_module(BASIC, "GenericOutput")
    controller.update_function(output, "mode_type", ["file"])
    value = add_source(controller, "o = 1.5", outputs="o")
    controller.add_connection(value.id, "o", output.id, "value")
    before = Path.cwd()
    os.chdir(folder)
    try:
        execute(controller)
    finally:
        os.chdir(before)
    (file,) = folder.iterdir()
    assert file.read_text() == "1.5\n"


@symptom("layout-sort", r"sort\(\) takes")
def a_workflow_is_laid_out() -> None:
    controller = start()
    one = add_source(controller, "o = 1.0", outputs="o")
    two = add_source(controller, "o = i", inputs="i", outputs="o")
    controller.add_connection(one.id, "o", two.id, "i")
    controller.layout_modules(module_size_func=lambda module: (100, 50))
    modules = controller.current_pipeline.modules
    assert modules[one.id].location.y > modules[two.id].location.y


@symptom("group-outputs", r"AssertionError: .*")
def a_group_gives_its_output() -> None:
    controller = start()
    two = add_source(controller, "o = 2.0", outputs="o")
    double = add_source(controller, "o = 2 * i", inputs="i", outputs="o")
    inner_in = controller.add_module(BASIC, "InputPort")
    inner_out = controller.add_module(BASIC, "OutputPort")
    outer = add_source(controller, "o = i + 1", inputs="i", outputs="o")
    connect = controller.add_connection
    inner = [
        connect(inner_in.id, "InternalPipe", double.id, "i"),
        connect(double.id, "o", inner_out.id, "InternalPipe"),
    ]
    group = controller.create_group(
        [double.id, inner_in.id, inner_out.id], [connection.id for connection in inner]
    )
    connect(two.id, "o", group.id, "i")
    connect(group.id, "o", outer.id, "i")
    assert execute(controller).objects[outer.id].get_output("o") == 5.0


@symptom("for-input", r"Strings must be encoded before hashing")
def a_for_passes_its_number() -> None:
    controller = start()
    double = add_source(controller, "o = 2 * i", inputs="i", outputs="o")
    loop = controller.add_module("org.vistrails.vistrails.control_flow", "For")
    controller.add_connection(double.id, "self", loop.id, "FunctionPort")
    for port, value in [
        ("InputPort", "i"), ("OutputPort", "o"), ("LowerBound", "-300"), ("HigherBound", "3"),
    ]:  # fmt: skip
        controller.update_function(controller.current_pipeline.modules[loop.id], port, [value])
    result = execute(controller).objects[loop.id].get_output("Result")
    assert result == [2 * i for i in range(-300, 3)], result


@symptom("group-upgrades", r"AssertionError.*")
def an_old_group_is_upgraded_in_whatever_order_its_errors_come() -> None:
    from tests.support import examples

    folder = examples.find_examples()
    assert folder is not None
    start()
    from vistrails.core import debug
    from vistrails.core.db.io import load_vistrail
    from vistrails.core.db.locator import FileLocator
    from vistrails.core.utils import InvalidPipeline
    from vistrails.core.vistrail.controller import VistrailController

    errors = InvalidPipeline.get_exception_set

    def in_order(self: Any) -> list[Any]:
        return sorted(errors(self), key=place, reverse=latest_first)

    def place(error: Any) -> tuple[bool, int]:
        return isinstance(error, InvalidPipeline), getattr(error, "_module_id", None) or 0

    said: list[str] = []
    debug.critical = lambda message, *details: said.append(message)
    # They come in a set: in the order of their places in memory.
    InvalidPipeline.get_exception_set = in_order
    for latest_first in (False, True):  # noqa: B007
        locator = FileLocator(str(folder / "gcd.vt"))
        vistrail, abstractions, thumbnails, mashups = load_vistrail(locator)
        controller = VistrailController(vistrail, locator, abstractions, thumbnails, mashups)
        controller.select_latest_version()
        assert not said, said
        assert controller.current_pipeline.is_valid
