"""Find the installation of VisTrails."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ..errors import VistrailsNotFound

HOW_TO_GET_IT = (
    "Install VisTrails 3.0 for this Python: in a checkout of Parallel Flow on Debian, 'make run' "
    "brings it into the checkout's environment; elsewhere, 'pip install --no-deps "
    '"vistrails @ git+https://github.com/VisTrails/VisTrails@python3-pyqt5"\'.'
)

UNKNOWN_VERSION = "unknown"


@dataclass(frozen=True)
class VistrailsInstallation:
    """An installation of VisTrails.

    Attributes
    ----------
    path : Path
        Folder of the ``vistrails`` package.
    version : str
        The version its distribution states, or `UNKNOWN_VERSION`: Debian's package states none.
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
        There is none.
    """
    spec = importlib.util.find_spec("vistrails")
    if spec is None or spec.origin is None:
        raise VistrailsNotFound(f"This Python finds no VisTrails. {HOW_TO_GET_IT}")
    path = Path(spec.origin).parent
    if not (path / "core" / "application.py").is_file():
        raise VistrailsNotFound(f"The 'vistrails' at {path} is not VisTrails. {HOW_TO_GET_IT}")
    try:
        version = importlib.metadata.version("vistrails")
    except importlib.metadata.PackageNotFoundError:
        version = UNKNOWN_VERSION
    return VistrailsInstallation(path, version)
