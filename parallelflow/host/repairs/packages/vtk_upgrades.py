"""How VisTrails' package vtk upgrades old workflows, mended, and without a window.

Without a window there is no spreadsheet: a cell becomes the output that writes a picture, and
nothing handles the interaction with it. All functions are given the package's module ``init``.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import CellType, MethodType, SimpleNamespace
from typing import Any

from .vtk_former import FORMER_METHODS

_SPREADSHEET = ("org.vistrails.vistrails.spreadsheet", "SpreadsheetCell")

#: The version of the package that has the output in the place of the cell.
_VERSION_WITH_OUTPUT = "1.0.1"

#: Ports of a cell by what they are of the output. Where it stands, and how it answers the mouse
#: are about the window alone.
_PORTS_OF_OUTPUT = {
    "AddRenderer": "value",
    "AddPicker": "picker",
    "InteractorStyle": "interactorStyle",
    "InteractionHandler": None,
    "Location": None,
}

# -- methods that are gone ----------------------------------------------------------


def call_former_methods(classes: Any) -> None:
    """Give the objects of VTK the methods that workflows call and VTK has no more."""
    patch_methods = classes.patch_methods

    @functools.wraps(patch_methods)
    def patch_and_add(patcher: Any, cls: Any) -> None:
        patch_methods(patcher, cls)
        for base in cls.__mro__:
            for name, method in FORMER_METHODS.get(base.__name__, {}).items():
                if not hasattr(cls, name):
                    setattr(patcher, name, MethodType(method, patcher))

    classes.patch_methods = patch_and_add


# -- without a window ---------------------------------------------------------------


def has_no_cells(init: Any) -> bool:
    """Return whether the package was loaded without the spreadsheet."""
    return not init.registry.has_module(*_SPREADSHEET)


def upgrade_cells_to_outputs(init: Any) -> None:
    """Make outputs of all cells, not only of those without a place in the spreadsheet."""
    upgrade = init.handle_module_upgrade_request

    @functools.wraps(upgrade)
    def upgrade_or_replace(controller: Any, module_id: int, pipeline: Any) -> Any:
        module = pipeline.modules[module_id]
        ports = {*module.connected_input_ports, *(each.name for each in module.functions)}
        if module.name != "VTKCell" or not ports <= _PORTS_OF_OUTPUT.keys():
            return upgrade(controller, module_id, pipeline)
        remaps = importlib.import_module("vistrails.core.upgradeworkflow")
        package = remaps.UpgradePackageRemap()
        package.add_module_remap(
            remaps.UpgradeModuleRemap(
                None,
                _VERSION_WITH_OUTPUT,
                _VERSION_WITH_OUTPUT,
                new_module="vtkRendererOutput",
                module_name="VTKCell",
                dst_port_remap=dict(_PORTS_OF_OUTPUT),
            )
        )
        return remaps.UpgradeWorkflowHandler.remap_module(controller, module_id, pipeline, package)

    init.handle_module_upgrade_request = upgrade_or_replace


def add_handler_without_window(init: Any) -> None:
    """Add the module that handles interaction in the window; here it has nothing to do."""
    module: Any = importlib.import_module("vistrails.core.modules.vistrails_module")

    def compute(self: Any) -> None:
        self.set_output("Instance", self)

    namespace = {
        "__doc__": "Code for the interaction with a cell; without a window it does nothing.",
        "_input_ports": [
            ("Observer", "vtkInteractorObserver"),
            ("Handler", "basic:String", True),
            ("SharedData", "basic:Variant"),
        ],
        "_output_ports": [("Instance", "vtkInteractionHandler")],
        "compute": compute,
    }
    bases = (module.NotCacheable, module.Module)
    init._modules.append(type("vtkInteractionHandler", bases, namespace))


# -- steps of an upgrade ------------------------------------------------------------


@contextmanager
def _as_of_now(init: Any, module: Any) -> Iterator[None]:
    """Give a module of an older version the ports of the version that is there."""
    try:
        now = init.registry.get_descriptor_by_name(module.package, module.name, module.namespace)
    except Exception:
        yield  # it is gone; whoever needs its ports says so
        return
    before = module._module_descriptor
    module.module_descriptor = now
    try:
        yield
    finally:
        module._module_descriptor = before


def connect_modules_between_versions(init: Any) -> None:
    """Let steps of an upgrade connect modules that have reached a version in the middle."""
    handler = init.UpgradeWorkflowHandler
    connect = handler.create_new_connection

    def create_new_connection(
        controller: Any, source: Any, output: Any, target: Any, input_port: Any
    ) -> Any:
        with ExitStack() as stack:
            for module, port in ((source, output), (target, input_port)):
                if isinstance(port, str):  # looked up among the module's ports
                    stack.enter_context(_as_of_now(init, module))
            return connect(controller, source, output, target, input_port)

    init.UpgradeWorkflowHandler = type(
        handler.__name__, (handler,), {"create_new_connection": staticmethod(create_new_connection)}
    )


#: In the place of a port that is not there: it fits nothing.
_NO_PORT = SimpleNamespace(sigstring=None)

#: The functions that the package looks ports up with, as its upgrades name them.
_LOOK_UPS = ("get_port_spec", "get_input_port_spec")


def look_for_overloads_that_are_there(init: Any) -> None:
    """Let an upgrade look for the port that fits though some of the numbers are not used."""
    remap_class = init.UpgradeModuleRemap

    class Remap(remap_class):  # type: ignore[misc, valid-type]
        def add_remap(self, kind: str, name: str, change: Any) -> None:
            closure = getattr(change, "__closure__", None) or ()
            for variable, cell in zip(_free_variables(change), closure, strict=True):
                if variable in _LOOK_UPS:
                    _tell_missing_ports(cell)
            super().add_remap(kind, name, change)

    init.UpgradeModuleRemap = Remap


def _free_variables(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    names: tuple[str, ...] = code.co_freevars if code else ()
    return names


def _tell_missing_ports(cell: CellType) -> None:
    look_up: Callable[..., Any] = cell.cell_contents
    if getattr(look_up, "tells_missing_ports", False):
        return

    @functools.wraps(look_up)
    def look_up_or_none(module: Any, port: str) -> Any:
        return look_up(module, port) or _NO_PORT

    look_up_or_none.tells_missing_ports = True  # type: ignore[attr-defined]
    cell.cell_contents = look_up_or_none
