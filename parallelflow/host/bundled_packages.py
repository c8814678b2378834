"""What the packages that VisTrails bundles need, and whether it is here."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class BundledPackage:
    """A package of VisTrails that needs a library.

    Attributes
    ----------
    codepath : str
        Its folder in ``vistrails.packages``.
    module : str
        The library, as it is imported.
    distribution : str
        The library, as pip knows it.
    """

    codepath: str
    module: str
    distribution: str

    def is_complete(self) -> bool:
        """Return True if the library can be found; it is not imported."""
        return importlib.util.find_spec(self.module) is not None


#: The packages that run with current libraries, given these.
BUNDLED_PACKAGES = (
    BundledPackage("matplotlib", "matplotlib", "matplotlib"),
    BundledPackage("sklearn", "sklearn", "scikit-learn"),
    BundledPackage("vtk", "vtk", "vtk"),
)
