"""VisTrails' core without its window, for the command line, for tests and for engines."""

from __future__ import annotations

import atexit
import functools
import gc
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import VistrailsNotFound
from ..names import IDENTIFIER
from ..system.safe_files import make_folder
from . import quick_imports, repairs, session_folder, temporary_files, user_modules
from .alias import activate
from .installation import HOW_TO_GET_IT, find_vistrails
from .packages import enable_packages
from .saved_configuration import private_startup, saved_folder, saved_startup

CONTROL_FLOW = "org.vistrails.vistrails.control_flow"

#: Set by VisTrails for its own child processes; it would name our throw-away folder.
_USER_PACKAGES_VARIABLE = "VISTRAILS_USERPACKAGES_DIR"


def start_core(
    packages: Iterable[str] = (),
    *,
    folder: Path | None = None,
    execution_log: bool = True,
    user_packages: Path | None = None,
) -> Any:
    """Start VisTrails' headless core, or enable more packages in the one that runs.

    Basic modules, abstractions (SubWorkflows), Control Flow and Parallel Flow are
    always enabled. It is not the user's own session: it writes nothing into the user's
    configuration. It begins with the values that the user has saved there, VisTrails' own and
    each package's, and finds the user's own modules. It prints nothing.

    Parameters
    ----------
    packages : iterable of str
        Identifiers of further packages to enable, their dependencies included.
    folder : Path or None
        Folder of the session's configuration and temporary files; it is created. None:
        a new one, removed when the process ends.
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
    ConfigurationUnreadable
        The user has a configuration that cannot be read.
    PackageMissing
        A package is not available or cannot run here.
    """
    app = _running_application()
    if app is None:
        app = _start(folder, execution_log, user_packages, saved_startup())
    enable_packages([CONTROL_FLOW, IDENTIFIER, *packages])
    return app


def start_engine_core(packages: Iterable[str] = (), *, user_packages: Path | None = None) -> Any:
    """Start VisTrails' core on an engine: the headless core that records no executions.

    Only the basic modules and the given packages are enabled; Parallel Flow itself is
    not, unless given, since its Map runs on the client. It reads nothing of a user's
    configuration on its machine: the client sends its own with the work.

    Parameters
    ----------
    packages : iterable of str
        Identifiers of the packages the work needs, their dependencies included.
    user_packages : Path or None
        Folder of the user's own packages on the client; it is only read. None, or a
        folder this machine lacks: the usual one of the user here.

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
    app = _running_application()
    if app is not None:
        _restore_folders()
    if app is None:
        app = _start(None, False, user_packages, None)
        quick_imports.keep_quick_imports()
        # Elements make garbage all the time. A full search for it went through the 50 000 objects
        # that there are now, for 25 ms; they stay to the process' end.
        gc.freeze()
    elif user_packages is not None and user_packages.is_dir():
        # An engine starts its core before it knows its clients.
        user_modules.offer_more_packages(app.package_manager, user_packages)
    enable_packages(packages)
    return app


def load_engine_core() -> None:
    """Load what `start_engine_core` needs, and start nothing: for a process that forks engines.

    Raises
    ------
    VistrailsNotFound
        This Python has no VisTrails 3.0.
    """
    _running_application()


_started = False


def is_running() -> bool:
    """Whether the VisTrails of this process is this headless core, not a session of the user's."""
    return _started


def _running_application() -> Any:
    loaded = sys.modules.get("vistrails.core.application")
    if loaded is not None and (app := loaded.get_vistrails_application()) is not None:
        return app
    activate()
    installation = find_vistrails()
    try:
        from vistrails.core.application import get_vistrails_application
    except (ImportError, SyntaxError) as error:
        # A VisTrails 2 is Python 2 code.
        raise VistrailsNotFound(
            f"The VisTrails at {installation.path} cannot be imported ({error}). "
            f"It may not be version 3.0. {HOW_TO_GET_IT}"
        ) from error
    return get_vistrails_application()


def _start(folder: Path | None, execution_log: bool, user_packages: Path | None, saved: Any) -> Any:
    from vistrails.core import api, application

    if folder is None:
        # Where the user wants temporary files: the usual place may be too small for them.
        parent = saved_folder(saved, "temporaryDir")
        session_folder.sweep_abandoned(parent)
        folder = session_folder.make_private_folder(parent)
    else:
        session_folder.prepare(folder)
    _offer_user_modules(folder, user_packages)
    temporary_files.keep_in(folder / session_folder.TEMPORARY)
    global _started
    startup = application.VistrailsStartup
    _started = True
    repairs.repair_for_headless_core()
    application.VistrailsStartup = private_startup(startup, saved)
    environment = os.environ.get(_USER_PACKAGES_VARIABLE)
    # Before it starts: of a start that is interrupted there is an application, too.
    atexit.register(stop_core)
    try:
        app = application.init(options_dict=_options(folder, execution_log), args=[])
    finally:
        application.VistrailsStartup = startup
        os.environ.pop(_USER_PACKAGES_VARIABLE, None)
        if environment is not None:
            os.environ[_USER_PACKAGES_VARIABLE] = environment
    # Scripts that use VisTrails' own API get this application instead of a second one.
    api.is_initialized, api._application = True, app
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(_disown, app))
    return app


def _disown(app: Any) -> None:
    """Have a forked child leave packages and files to the process that they belong to.

    It would finalize them at its end: by `stop_core`, and by the application's own ``__del__``.
    """
    app.destroy = _do_nothing


def _restore_folders() -> None:
    """Make again what the system has cleaned away of this process' folders."""
    for folder in session_folder.restore_private_folders():
        user_modules.copy_modules(user_modules.user_folder(), folder)
    from vistrails.core.interpreter.cached import CachedInterpreter

    # The folder of the files that modules make (`self.interpreter.filePool`). The system may have
    # removed it alone: while nothing is in it, nobody uses it.
    pool = Path(CachedInterpreter.get().filePool.directory)
    if is_running() and not pool.is_dir():
        make_folder(pool)


def stop_core() -> None:
    """Finalize all packages and remove the session's files.

    It happens by itself when the process ends; programs that end without atexit
    functions call it. No workflow can be run afterwards.
    """
    application = sys.modules.get("vistrails.core.application")
    app = application.get_vistrails_application() if application else None
    if application is not None and app is not None and "destroy" not in vars(app):
        application.finalize_vistrails(app)
        app.destroy()
        # The application's own __del__ would do it again while the interpreter is taken down.
        app.destroy = _do_nothing
    session_folder.remove_private_folders()


def _do_nothing() -> None:
    pass


def _offer_user_modules(folder: Path, user_packages: Path | None) -> None:
    user_modules.copy_modules(user_modules.user_folder(), folder)
    if user_packages is None or not user_packages.is_dir():
        user_packages = user_modules.user_packages_folder()
    user_modules.offer_packages(user_packages or folder / user_modules.PACKAGES)


def _options(folder: Path, execution_log: bool) -> dict[str, Any]:
    return {
        "dotVistrails": str(folder),
        "temporaryDir": str(folder / session_folder.TEMPORARY),
        "loadPackages": False,
        "installBundles": False,
        "enablePackagesSilently": True,
        "errorLog": False,
        "executionLog": execution_log,
        "handlerDontAsk": True,
    }
