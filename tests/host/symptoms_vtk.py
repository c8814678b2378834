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
