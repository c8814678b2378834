"""What VTK 9 lacks of the VTK that workflows were made with, and what does it now.

Ports and classes come into the specification when it is built (`vtk_specification`); their methods
are put on the objects of VTK that a workflow makes (`vtk_upgrades`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FormerPort:
    """A port for a method that is gone, or is called otherwise now.

    Attributes
    ----------
    name : str
        The port's name.
    method : str
        The method that it calls: one of `FORMER_METHODS`, or VTK's own.
    type : str or tuple of str
        The type of its value, or of each.
    kind : str
        How the package calls the method: ``OnOff``, or as it is.
    """

    name: str
    method: str
    type: str | tuple[str, ...]
    kind: str = ""


#: Ports by the class that had them.
FORMER_PORTS: Mapping[str, tuple[FormerPort, ...]] = {
    "vtkMapper": (
        FormerPort("GlobalImmediateModeRendering", "Ignore", "basic:Boolean", "OnOff"),
        FormerPort("ImmediateModeRendering", "Ignore", "basic:Boolean", "OnOff"),
    ),
    "vtkThreshold": (
        FormerPort("ThresholdBetween", "ThresholdBetween", ("basic:Float", "basic:Float")),
        FormerPort("ThresholdByLower", "ThresholdByLower", "basic:Float"),
        FormerPort("ThresholdByUpper", "ThresholdByUpper", "basic:Float"),
    ),
    "vtkViewport": (FormerPort("AddActor2D", "AddViewProp", "vtkProp"),),
    "vtkVolumeRayCastMapper": (
        FormerPort("VolumeRayCastFunction", "SetVolumeRayCastFunction", "vtkVolumeRayCastFunction"),
    ),
}

#: Classes that are gone: the class that does it now, and the class whose module is their base.
FORMER_CLASSES: Mapping[str, tuple[str, str]] = {
    "vtkVolumeRayCastMapper": ("vtkFixedPointVolumeRayCastMapper", "vtkVolumeMapper"),
    # There are no functions by themselves any more: the mapper's blend mode is what they did.
    # The one for maximum intensities is left out, as the one for isosurfaces, which nothing does.
    "vtkVolumeRayCastFunction": ("vtkObject", "vtkObject"),
    "vtkVolumeRayCastCompositeFunction": ("vtkObject", "vtkVolumeRayCastFunction"),
}


def _ignore(_: Any) -> None:
    """Do nothing: the method had stopped to have an effect before it went."""


def _threshold_between(self: Any, lower: float, upper: float) -> None:
    self.vtkInstance.SetLowerThreshold(lower)
    self.vtkInstance.SetUpperThreshold(upper)
    self.vtkInstance.SetThresholdFunction(self.vtkInstance.THRESHOLD_BETWEEN)


def _threshold_by_lower(self: Any, lower: float) -> None:
    self.vtkInstance.SetLowerThreshold(lower)
    self.vtkInstance.SetThresholdFunction(self.vtkInstance.THRESHOLD_LOWER)


def _threshold_by_upper(self: Any, upper: float) -> None:
    self.vtkInstance.SetUpperThreshold(upper)
    self.vtkInstance.SetThresholdFunction(self.vtkInstance.THRESHOLD_UPPER)


def _set_ray_cast_function(self: Any, _function: Any) -> None:
    # The only one in `FORMER_CLASSES`.
    self.vtkInstance.SetBlendModeToComposite()


#: Methods by the class of VTK whose objects get them, if they have no such method.
FORMER_METHODS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "vtkFixedPointVolumeRayCastMapper": {"SetVolumeRayCastFunction": _set_ray_cast_function},
    "vtkMapper": {"IgnoreOn": _ignore, "IgnoreOff": _ignore},
    "vtkThreshold": {
        "ThresholdBetween": _threshold_between,
        "ThresholdByLower": _threshold_by_lower,
        "ThresholdByUpper": _threshold_by_upper,
    },
}
