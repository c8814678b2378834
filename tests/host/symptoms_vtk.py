"""Symptoms in VisTrails' package vtk."""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.host.symptoms import symptom
from tests.host.symptoms_core import execute, start

VTK = "org.vistrails.vistrails.vtk"

vtk_symptom = functools.partial(symptom, here=lambda: importlib.util.find_spec("vtk") is not None)


def start_with_vtk() -> Any:
    from parallelflow import host

    controller = start()
    host.enable_packages([VTK])
    return controller


def add(controller: Any, name: str, **functions: str | list[str]) -> Any:
    module = controller.add_module(VTK, name)
    for port, value in functions.items():
        controller.update_function(module, port, [value] if isinstance(value, str) else value)
        module = controller.current_pipeline.modules[module.id]
    return module


@vtk_symptom("vtk-specification", r"assert process.returncode == 0|SIGABRT")
def the_package_is_loaded_and_the_process_lives_on() -> None:
    code = "from tests.host.symptoms_vtk import start_with_vtk; start_with_vtk()"
    process = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL)
    assert process.returncode == 0


@vtk_symptom("vtk-xml", r"has no attribute 'getchildren'")
def a_picture_is_rendered_without_a_window() -> None:
    controller = start_with_vtk()
    cone = add(controller, "vtkConeSource", Resolution="8")
    mapper = add(controller, "vtkPolyDataMapper")
    actor = add(controller, "vtkActor")
    renderer = add(controller, "vtkRenderer")
    output = add(controller, "vtkRendererOutput")
    file = Path(tempfile.mkdtemp(dir=Path.home())) / "cone.png"
    controller.update_function(output, "mode_type", ["file"])
    output = controller.current_pipeline.modules[output.id]
    controller.update_function(output, "configuration", [repr({"file": {"file": str(file)}})])
    connect = controller.add_connection
    connect(cone.id, "GetOutputPort0", mapper.id, "SetInputConnection0")
    connect(mapper.id, "Instance", actor.id, "Mapper")
    connect(actor.id, "Instance", renderer.id, "AddActor")
    connect(renderer.id, "Instance", output.id, "value")
    execute(controller)
    assert file.read_bytes().startswith(b"\x89PNG")


FORMER_IDENTIFIER = "edu.utah.sci.vistrails.vtk"


def add_former(controller: Any, name: str, version: str, **functions: list[str]) -> Any:
    """Add a module as a workflow of an older version of the package has it."""
    from vistrails.core.modules.module_descriptor import ModuleDescriptor
    from vistrails.core.vistrail.port_spec import PortSpec
    from vistrails.core.vistrail.port_spec_item import PortSpecItem

    descriptor = ModuleDescriptor(
        package=FORMER_IDENTIFIER, name=name, namespace="", package_version=version
    )
    module = controller.create_module_from_descriptor(descriptor, use_desc_pkg_version=True)
    module.is_valid = False
    controller.add_module_action(module)
    for port, values in functions.items():
        items = [
            PortSpecItem(module="Float", package="org.vistrails.vistrails.basic", pos=position)
            for position in range(len(values))
        ]
        spec = PortSpec(name=port, type="input", items=items)
        controller.add_function_action(module, controller.create_function(module, spec, values))
    return module


def connect_former(controller: Any, source: Any, output: str, target: Any, port: str) -> None:
    from vistrails.core.upgradeworkflow import UpgradeWorkflowHandler
    from vistrails.core.vistrail.port import Port

    signature = "(org.vistrails.vistrails.basic:Module)"
    connection = UpgradeWorkflowHandler.create_new_connection(
        controller,
        source,
        Port(name=output, type="source", signature=signature),
        target,
        Port(name=port, type="destination", signature=signature),
    )
    controller.add_connection_action(connection)


def upgrade(controller: Any, module: Any) -> list[str]:
    """Upgrade a module and return the names of what the upgrade adds."""
    from vistrails.core.upgradeworkflow import UpgradeWorkflowHandler

    pipeline = controller.current_pipeline
    actions = UpgradeWorkflowHandler.dispatch_request(controller, module.id, pipeline)
    assert actions
    operations = [each for action in actions for each in action.operations]
    added = [each.data for each in operations if each.vtType == "add"]
    return [each.name for each in added if each.vtType in ("module", "function")]


@vtk_symptom("vtk-methods", r"AttributeError: .*ThresholdBetween")
def methods_that_are_gone_do_what_they_did() -> None:
    controller = start_with_vtk()
    threshold = add(controller, "vtkThreshold", ThresholdBetween=["1", "2"])
    sphere = add(controller, "vtkSphereSource")
    controller.add_connection(sphere.id, "GetOutputPort0", threshold.id, "SetInputConnection0")
    mapper = add(controller, "vtkPolyDataMapper", GlobalImmediateModeRendering="True")
    rays = add(controller, "vtkVolumeRayCastMapper")
    cube = add(controller, "vtkRTAnalyticSource")
    controller.add_connection(cube.id, "GetOutputPort0", rays.id, "SetInputConnection0")
    function = add(controller, "vtkVolumeRayCastCompositeFunction")
    controller.add_connection(function.id, "Instance", rays.id, "VolumeRayCastFunction")
    objects = execute(controller).objects
    vtk_object = objects[threshold.id].get_output("Instance").vtkInstance
    assert (vtk_object.GetLowerThreshold(), vtk_object.GetUpperThreshold()) == (1, 2)
    assert objects[mapper.id].get_output("Instance")
    assert objects[rays.id].get_output("Instance").vtkInstance.IsA("vtkVolumeMapper")


@vtk_symptom("vtk-cells", r"Missing module VTKCell")
def a_cell_of_the_spreadsheet_becomes_an_output() -> None:
    controller = start_with_vtk()
    cell = add_former(controller, "VTKCell", "0.9.3", Location=["1"])
    assert upgrade(controller, cell) == ["vtkRendererOutput"]


@vtk_symptom("vtk-handlers", r"Missing module vtkInteractionHandler|MissingModule")
def handlers_of_interaction_do_no_harm() -> None:
    controller = start_with_vtk()
    handler = add(controller, "vtkInteractionHandler", Handler="raise%20SystemExit")
    assert execute(controller).objects[handler.id].get_output("Instance")


@vtk_symptom("vtk-versions", r"Missing version 1.0.0 of package")
def readers_of_plot3d_are_upgraded() -> None:
    controller = start_with_vtk()
    reader = add_former(controller, "vtkPLOT3DReader", "0.9.5")
    contour = add_former(controller, "vtkContourFilter", "0.9.5")
    connect_former(controller, reader, "GetOutputPort0", contour, "SetInputConnection0")
    assert "vtkMultiBlockPLOT3DReader" in upgrade(controller, reader)


@vtk_symptom("vtk-overloads", r"'bool' object has no attribute 'sigstring'")
def overloads_without_a_number_are_upgraded() -> None:
    controller = start_with_vtk()
    mask = add_former(controller, "vtkImageMask", "0", MaskedOutputValue=["1", "2"])
    assert "MaskedOutputValue_3" in upgrade(controller, mask)
