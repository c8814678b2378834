"""What the packages that VisTrails bundles need, and whether it is here."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
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
    BundledPackage("persistence", "dulwich", "dulwich"),
    BundledPackage("sklearn", "sklearn", "scikit-learn"),
    BundledPackage("vtk", "vtk", "vtk"),
)

#: The packages that need these, and were not tried with them.
UNTRIED_PACKAGES = (
    BundledPackage("mongodb", "pymongo", "pymongo"),
    BundledPackage("persistent_archive", "file_archive", "file_archive"),
    BundledPackage("RemoteQ", "remoteq", "remoteq"),
    BundledPackage("rpy", "rpy2", "rpy2"),
    BundledPackage("sql", "sqlalchemy", "SQLAlchemy"),
    BundledPackage("tej", "tej", "tej"),
)

#: The packages that show something in VisTrails' window, and are refused where there is none.
WINDOW_PACKAGES = ("gmaps", "pipelineEdit", "pythonCalcQt", "spreadsheet")

#: The packages whose libraries have changed too much, and these libraries.
OUTDATED_PACKAGES = (BundledPackage("tensorflow", "tensorflow", "tensorflow"),)


def _with_libraries(packages: Iterable[BundledPackage]) -> str:
    return ", ".join(f"{package.codepath} ({package.distribution})" for package in packages)


def describe_others() -> tuple[str, ...]:
    """Return what the packages need that are not in `BUNDLED_PACKAGES`, a line for each kind."""
    here = [package for package in UNTRIED_PACKAGES if package.is_complete()]
    lacking = [package for package in UNTRIED_PACKAGES if not package.is_complete()]
    groups = {
        "not tried, with their libraries here": _with_libraries(here),
        "not tried, and their libraries are not here": _with_libraries(lacking),
        "in VisTrails' window alone": ", ".join(WINDOW_PACKAGES),
        "not with current libraries": _with_libraries(OUTDATED_PACKAGES),
    }
    return tuple(f"{what}: {names}" for what, names in groups.items() if names)
