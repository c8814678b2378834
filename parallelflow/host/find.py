"""Where VisTrails is."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ..errors import VistrailsNotFound

HOW_TO_GET_IT = (
    "Install VisTrails 3.0 into this Python's environment: on Debian, 'make vistrails' in a "
    "checkout of Parallel Flow unpacks Debian's package there; elsewhere, "
    "'pip install git+https://github.com/VisTrails/VisTrails@python3-pyqt5'."
)


@dataclass(frozen=True)
class VistrailsInstallation:
    """An installation of VisTrails.

    Attributes
    ----------
    path : Path
        Folder of the ``vistrails`` package.
    version : str
        The version its distribution states, or ``"unknown"``.
    """

    path: Path
    version: str


def find_vistrails() -> VistrailsInstallation:
    """Find the VisTrails that ``import vistrails`` would give, without importing it.

    Returns
    -------
    VistrailsInstallation
        Its folder and version.

    Raises
    ------
    VistrailsNotFound
        There is none, or it is one for Python 2 (VisTrails 2.x).
    """
    spec = importlib.util.find_spec("vistrails")
    if spec is None or spec.origin is None:
        raise VistrailsNotFound(f"This Python finds no VisTrails. {HOW_TO_GET_IT}")
    path = Path(spec.origin).parent
    if "print " in _first_python_2_print(path):
        raise VistrailsNotFound(f"The VisTrails at {path} is made for Python 2. {HOW_TO_GET_IT}")
    try:
        version = importlib.metadata.version("vistrails")
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    return VistrailsInstallation(path, version)


def _first_python_2_print(path: Path) -> str:
    return ""
