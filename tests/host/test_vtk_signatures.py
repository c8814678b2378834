"""Signatures in the documentation of VTK 9 are read as those of VTK 8, which the package knows."""

from __future__ import annotations

import pytest

from parallelflow.host.repairs.packages.vtk_specification import (
    documentation_as_before,
    signature_as_before,
)


@pytest.mark.parametrize(
    ("line", "before"),
    [
        ("GetOpacity(self) -> float", "V.GetOpacity() -> float"),
        ("GetOpacity()", "V.GetOpacity()"),
        ("GetOpacity(self, r:float, g:float=1.0) -> None", "V.GetOpacity(float, float)"),
        ("GetOpacity(self, a:[float, float]) -> None", "V.GetOpacity([float, float])"),
        ("GetOpacity(self, n:int, p:(int, ...)) -> int", "V.GetOpacity(int, (int, ...)) -> int"),
        ("GetOpacity(self) -> (float, float)", "V.GetOpacity() -> (float, float)"),
        ("GetOpacity(self, name:str) -> str", "V.GetOpacity(string) -> string"),
        ("GetOpacity(self, a:vtkMapper) -> None", "V.GetOpacity(vtkMapper)"),
        ("GetOpacity(type:str) -> int", "V.GetOpacity(string) -> int"),
        ("GetOpacity(self) -> bool", "V.GetOpacity() -> bool"),
        ("C++: virtual double GetOpacity()", None),
        ("GetOpacityMinValue(self) -> float", None),
    ],
)
def test_a_signature_is_written_as_before(line: str, before: str | None) -> None:
    assert signature_as_before(line, "GetOpacity") == before


def test_a_command_that_tells_whether_it_worked_is_still_a_command() -> None:
    assert signature_as_before("ResetCamera(self) -> bool", "ResetCamera") == "V.ResetCamera()"


def test_only_the_signatures_of_a_documentation_are_changed() -> None:
    now = (
        "SetColor(self, r:float, g:float, b:float)\n    -> None\n"
        "C++: virtual void SetColor(double r, double g,\n    double b)\n\n"
        "SetColor(self) sets the color.\n"
    )
    before = (
        "V.SetColor(float, float, float)\n"
        "C++: virtual void SetColor(double r, double g, double b)\n\n"
        "SetColor(self) sets the color.\n"
    )
    assert documentation_as_before(now, "SetColor") == before
