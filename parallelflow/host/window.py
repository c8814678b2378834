"""VisTrails with its window, in the user's own session."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

from parallelflow.names import PACKAGE

from . import display, session_folder, temporary_files
from .alias import activate
from .installation import find_vistrails

_log = logging.getLogger(__name__)

#: File in the user's configuration folder that says we were enabled there once. From then on
#: the user's own choice in Preferences holds.
ENABLED_ONCE = "parallelflow-enabled"

#: Our codepath, and that of the package we depend on.
_ENABLED_AT_FIRST = ("controlflow", PACKAGE)


def run_window(argv: list[str]) -> int:
    """Open VisTrails' window with Parallel Flow in it, and end the process when it is closed.

    It is the user's own session, with their configuration. Parallel Flow is enabled in
    it the first time; if the user disables it, it stays so.

    Parameters
    ----------
    argv : list of str
        VisTrails' own command-line arguments, e.g. the file to open; without the
        program's name.

    Returns
    -------
    int
        Never: the process ends with VisTrails' exit code (0 after File > Quit, 128 + n
        after signal n).

    Raises
    ------
    VistrailsNotFound
        This Python has no VisTrails 3.0.
    WindowUnavailable
        PyQt5 or a display is missing.
    """
    activate()
    find_vistrails()
    display.check()
    # VisTrails' own main program wants to be the one that imports Qt first.
    run = importlib.import_module("vistrails.run")
    application = importlib.import_module("vistrails.gui.application")
    startup = importlib.import_module("vistrails.core.startup")
    # VisTrails shows this one, which is for authors of packages, to everybody.
    utils = importlib.import_module("vistrails.core.utils")
    warnings.filterwarnings("ignore", category=utils.VistrailsDeprecation)
    _enable_ours_once(startup.VistrailsStartup)
    session_folder.sweep_abandoned()
    temporary_files.keep_in(session_folder.make_private_folder() / session_folder.TEMPORARY)
    signals = display.SignalWatch(_leave)
    _start_quietly(application.VistrailsApplicationSingleton, signals)
    sys.argv = ["vistrails", *argv]
    code = _run_to_the_end(run.main)
    _leave(signals.exit_code or code)


def _run_to_the_end(main: Any) -> int:
    try:
        main()
    except SystemExit as end:
        code: object = end
        while isinstance(code, SystemExit):
            # VisTrails passes on a SystemExit as the code of another.
            code = code.code
        return code if isinstance(code, int) else int(code is not None)
    except Exception:
        _log.exception("VisTrails' window ended unexpectedly")
        return 1
    return 0


def _enable_ours_once(startup: Any) -> None:
    update_packages = startup.update_packages

    @functools.wraps(update_packages)
    def update_and_enable(self: Any) -> None:
        update_packages(self)
        mark = Path(self._dot_vistrails) / ENABLED_ONCE
        if not mark.exists():
            for codepath in _ENABLED_AT_FIRST:
                self.set_package_to_enabled(codepath)
            mark.touch()

    startup.update_packages = update_and_enable


def _start_quietly(singleton: Any, signals: display.SignalWatch) -> None:
    init = singleton.init

    @functools.wraps(init)
    def init_without_questions(self: Any, optionsDict: Any = None, args: Any = ()) -> Any:
        quiet = {"handlerDontAsk": True, "installBundles": False}
        result = init(self, {**quiet, **(optionsDict or {})}, list(args))
        # Later on, when the user enables a package, VisTrails may ask as it always does.
        self.temp_configuration.installBundles = self.configuration.installBundles
        signals.join_event_loop()
        return result

    singleton.init = init_without_questions


def _leave(code: int) -> NoReturn:
    # PyQt5's clean-up at the interpreter's end crashes in most runs once this window has been
    # open, after everything is saved. So nothing is left to it.
    manager = sys.modules.get(f"{PACKAGE}.engine_manager")
    if manager is not None:
        manager.get_manager().stop()
    session_folder.remove_private_folders()
    with contextlib.suppress(Exception):
        remove_shared_memory()
    with contextlib.suppress(Exception):  # a signal may come in the middle of writing
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def remove_shared_memory() -> None:
    """Remove the shared memory by which windows find each other, and its semaphore.

    The system keeps both otherwise: a process that ends with ``os._exit`` runs no destructor.
    """
    from PyQt5 import sip
    from PyQt5.QtCore import QCoreApplication

    memory = getattr(QCoreApplication.instance(), "shared_memory", None)
    if memory is not None:
        memory.detach()
        sip.delete(memory)
