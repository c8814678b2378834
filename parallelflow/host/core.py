"""VisTrails' core without its window, for the command line, for tests and for engines."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import PackageMissing
from .alias import activate
from .find import find_vistrails

CONTROL_FLOW = "org.vistrails.vistrails.control_flow"
PARALLEL_FLOW = "edu.poly.vistrails.parallel_flow"


def start_core(
    packages: Iterable[str] = (),
    *,
    folder: Path | None = None,
    execution_log: bool = True,
    user_packages: Path | None = None,
) -> Any:
    """Start VisTrails' headless core, or enable more packages in the one that runs.

    Basic modules, abstractions (SubWorkflows), Control Flow and Parallel Flow are
    always enabled. It is not the user's own session: it neither reads nor writes the
    user's configuration, and nothing is printed.

    Parameters
    ----------
    packages : iterable of str
        Identifiers of further packages to enable, their dependencies included.
    folder : Path or None
        Folder of the session's configuration. None: a new one, removed at exit.
    execution_log : bool
        Whether executions are recorded in the vistrail (VisTrails' provenance).
    user_packages : Path or None
        Folder of the user's own packages; it is only read. None: the user's usual one.

    Returns
    -------
    VistrailsCoreApplication
        The application of this process.

    Raises
    ------
    VistrailsNotFound
        This Python has no VisTrails 3.0.
    PackageMissing
        A package is not available or cannot run here.
    """
    activate()
    find_vistrails()
    import vistrails.core.application as application

    app = application.get_vistrails_application()
    if app is None:
        app = _start(application, folder, execution_log)
    enable_packages([CONTROL_FLOW, PARALLEL_FLOW, *packages])
    return app


def start_engine_core(packages: Iterable[str] = (), *, user_packages: Path | None = None) -> Any:
    """Start VisTrails' core on an engine."""
    return start_core(packages, execution_log=False, user_packages=user_packages)


def _start(application: Any, folder: Path | None, execution_log: bool) -> Any:
    import vistrails.core.api as api

    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="parallelflow_"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in ("logs", "userpackages", "subworkflows", "thumbs"):
        # VisTrails would warn about each one it has to make.
        (folder / name).mkdir(parents=True, exist_ok=True)
    app = application.init(
        options_dict={
            "dotVistrails": str(folder),
            "loadPackages": False,
            "installBundles": False,
            "enablePackagesSilently": True,
            "errorLog": False,
            "executionLog": execution_log,
            "handlerDontAsk": True,
        },
        args=[],
    )
    api.is_initialized, api._application = True, app
    return app


def enable_packages(identifiers: Iterable[str]) -> None:
    """Enable packages that are not enabled yet, their dependencies first.

    Parameters
    ----------
    identifiers : iterable of str
        Identifiers, e.g. ``org.vistrails.vistrails.pythoncalc``.

    Raises
    ------
    PackageMissing
        A package is not available or cannot run here.
    """
    from vistrails.core.packagemanager import get_package_manager

    manager = get_package_manager()
    for wanted in identifiers:
        if manager.has_package(wanted):
            continue
        graph = manager.build_dependency_graph([wanted])
        for identifier in manager.get_ordered_dependencies(graph):
            if not manager.has_package(identifier):
                _enable(manager, identifier)


def _enable(manager: Any, identifier: str) -> None:
    package = manager.identifier_is_available(identifier)
    if package is None:
        raise PackageMissing(identifier)
    try:
        manager.late_enable_package(package.codepath)
    except Exception as error:
        raise PackageMissing(identifier, reason=str(error)) from error
