"""Repairs of VisTrails' package vtk, written for VTK 5 to 8.

The package makes its modules from a specification of VTK's classes. It is built once for a
version of VTK, in a process of its own, and kept in the user's cache. VTK is imported by the
package, not by this file.
"""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from parallelflow.system import safe_files
from parallelflow.system.file_lock import try_to_lock

from ..elementtree import private_elementtree
from ..repair import Repair, always, imported_module
from . import vtk_upgrades

_PACKAGE = "vistrails.packages.vtk"

_BUILDER = "parallelflow.host.repairs.packages.vtk_specification"

#: Raised when another specification is built of the same VTK.
_EDITION = 2

#: Classes that end the process when an object's methods are called, in VTK 9.
_END_THE_PROCESS = ("vtkIOSSReader", "vtkIOSSCellGridReader")

#: How many more such classes are left out before it is given up.
_MOST_UNKNOWN = 20

#: Seconds to look at all classes once: ten on an idle machine; a guard against a deadlock.
_BUILD_LIMIT = 900.0

#: Seconds between two attempts to lock the cache while another process builds.
_POLL_INTERVAL = 0.1


def _cache_folder() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "parallelflow"


def specification(package_version: str) -> Path:
    """Return the specification of the VTK that is installed; build it if there is none yet.

    Parameters
    ----------
    package_version : str
        The version of VisTrails' package.

    Returns
    -------
    Path
        The file, in the user's cache.

    Raises
    ------
    RuntimeError
        It could not be built; the text says at which class.
    """
    # As the package calls it.
    name = f"vtk-{version('vtk')}-spec-{package_version}".replace(".", "_") + ".xml"
    file = _cache_folder() / f"vtk-{_EDITION}" / name
    if file.is_file():
        return file
    safe_files.make_folder(file.parent)
    with safe_files.open_lock(file.with_suffix(".lock")) as lock:
        # The engines of a machine start together. Whoever holds the lock ends within the limit.
        while not file.is_file():
            if _locked(lock):
                if not file.is_file():
                    _build(file)
                break
            time.sleep(_POLL_INTERVAL)
    return file


def _locked(lock: IO[bytes]) -> bool:
    try:
        return try_to_lock(lock)
    except OSError:  # a network drive without locks: each builds, and the last file stays
        return True


def _build(file: Path) -> None:
    skip = [*_END_THE_PROCESS]
    for _ in range(_MOST_UNKNOWN):
        result = subprocess.run(
            [sys.executable, "-m", _BUILDER, str(file), *skip],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_BUILD_LIMIT,
        )
        if result.returncode == 0:
            return
        mark = importlib.import_module(_BUILDER).MARK
        seen = [
            line.removeprefix(mark) for line in result.stderr.splitlines() if line.startswith(mark)
        ]
        if not seen or seen[-1] in skip:
            last = (result.stderr.strip() or "it said nothing").splitlines()[-1]
            raise RuntimeError(f"the modules of VTK {version('vtk')} could not be made: {last}")
        skip.append(seen[-1])
    raise RuntimeError(
        f"the modules of VTK {version('vtk')} could not be made: too many of its classes end the "
        f"process that looks at them, among them {', '.join(skip[-3:])}"
    )


def _use_kept_specification(init: Any) -> None:
    initialize = init.initialize

    @functools.wraps(initialize)
    def initialize_from_kept() -> None:
        # The package builds nothing where it finds the file.
        folder = specification(init.package_version).parent
        init.current_dot_vistrails = lambda: str(folder)
        initialize()

    init.initialize = initialize_from_kept


def _read_with_children(specs: Any) -> None:
    specs.ET = private_elementtree()


def _has_no_cells() -> bool:
    return vtk_upgrades.has_no_cells(imported_module(f"{_PACKAGE}.init"))


REPAIRS = (
    Repair(
        name="vtk-specification",
        symptom="the session or the engine ends with SIGABRT when the package is loaded, or loads "
        "for half a minute at each start",
        cause="the package calls methods of every class of VTK in its own process, those that end "
        "it too, and cannot read the signatures of VTK 9",
        affected="VTK 9 and later",
        modules=(f"{_PACKAGE}.init",),
        needed=always,
        after=_use_kept_specification,
    ),
    Repair(
        name="vtk-xml",
        symptom="AttributeError: 'xml.etree.ElementTree.Element' object has no attribute "
        "'getchildren' when the package is loaded",
        cause="Python 3.9 removed Element.getchildren",
        affected="Python 3.9 and later",
        modules=(f"{_PACKAGE}.vtk_wrapper.specs",),
        needed=lambda: sys.version_info >= (3, 9),
        after=_read_with_children,
    ),
    Repair(
        name="vtk-methods",
        symptom="Missing input port GlobalImmediateModeRenderingOn, ThresholdBetween, "
        "Missing module vtkVolumeRayCastMapper, and others, when an old workflow is opened",
        cause="VTK 7 to 9.1 removed the methods and classes",
        affected="VTK 7 and later",
        modules=(f"{_PACKAGE}.vtk_wrapper.vtk_classes",),
        needed=always,
        after=vtk_upgrades.call_former_methods,
    ),
    Repair(
        name="vtk-cells",
        symptom="Missing module VTKCell in package edu.utah.sci.vistrails.vtk, without a window",
        cause="cells are shown by the spreadsheet; the package makes outputs only of those that "
        "have a renderer and nothing else",
        affected="processes without VisTrails' window",
        modules=(f"{_PACKAGE}.init",),
        needed=_has_no_cells,
        after=vtk_upgrades.upgrade_cells_to_outputs,
    ),
    Repair(
        name="vtk-handlers",
        symptom="Missing module vtkInteractionHandler in package edu.utah.sci.vistrails.vtk, "
        "without a window",
        cause="the package has the module only beside the spreadsheet",
        affected="processes without VisTrails' window",
        modules=(f"{_PACKAGE}.init",),
        needed=_has_no_cells,
        after=vtk_upgrades.add_handler_without_window,
    ),
    Repair(
        name="vtk-versions",
        symptom="Missing version 1.0.0 of package edu.utah.sci.vistrails.vtk, when a workflow "
        "with vtkPLOT3DReader is opened",
        cause="a step of the upgrade connects a module that is between two versions",
        affected="VisTrails 3.0",
        modules=(f"{_PACKAGE}.init",),
        needed=always,
        after=vtk_upgrades.connect_modules_between_versions,
    ),
    Repair(
        name="vtk-overloads",
        symptom="AttributeError: 'bool' object has no attribute 'sigstring', when an old workflow "
        "is opened",
        cause="the upgrade takes the numbers of overloaded ports for complete",
        affected="VTK 9 and later",
        modules=(f"{_PACKAGE}.init",),
        needed=always,
        after=vtk_upgrades.look_for_overloads_that_are_there,
    ),
)
