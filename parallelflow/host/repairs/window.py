"""Repairs of VisTrails' window where optional parts of a desktop are missing."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

from .repair import Repair, always


def _without_console(shell: Any) -> None:
    shell.get_shell_dialog = lambda: None


def _has_no_qscintilla() -> bool:
    try:
        return importlib.util.find_spec("PyQt5.Qsci") is None
    except ModuleNotFoundError:
        return True


def _use_plain_editor(name: str, module: Any) -> None:
    plain = getattr(module, f"Old{name}")
    # The window's own fallback gives the parent by position, which the plain editor refuses.
    setattr(module, name, lambda parent=None: plain(parent=parent))


def _without_desktop_question(application: Any) -> None:
    application.linux_default_application_set = lambda: True


def _forget_killed_instance(application: Any) -> None:
    singleton = application.VistrailsApplicationSingleton
    run_single_instance = singleton.run_single_instance

    @functools.wraps(run_single_instance)
    def forget_and_run(self: Any, args: Any) -> Any:
        name = Path(application.system.home_directory())
        name /= f"vistrails-single-instance-check-{application.getpass.getuser()}"
        memory = application.QtCore.QSharedMemory(str(name))
        # Whoever detaches last removes the memory; a living instance stays attached to it.
        if memory.attach():
            memory.detach()
        return run_single_instance(self, args)

    singleton.run_single_instance = forget_and_run


def _refuse_to_install(installbundle: Any) -> None:
    from vistrails.core import debug

    def install(dependency_dictionary: dict[str, Any]) -> bool:
        wanted = dependency_dictionary.get("pip") or next(iter(dependency_dictionary.values()))
        debug.warning(
            f"A library is missing: {wanted}. Install it into this Python environment "
            f"({sys.prefix}), e.g. with pip."
        )
        return False

    installbundle.install = install


def _let_the_window_be_narrow(view: Any) -> None:
    owner = view.QVistrailView
    make = owner.__init__

    @functools.wraps(make)
    def make_narrow(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        # The largest of its pages, shown or not, would decide: they are 1000 pixels wide.
        self.stack.setMinimumSize(320, 200)

    owner.__init__ = make_narrow


REPAIRS = (
    Repair(
        name="narrow-window",
        symptom="the window cannot be made narrower than 1242 pixels: on a screen of 1024 x 600 "
        "Module Info is outside",
        cause="all pages of a vistrail are in one stack, which is as wide as the widest of them",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.vistrail_view",),
        needed=always,
        after=_let_the_window_be_narrow,
    ),
    Repair(
        name="console",
        symptom="the window does not start: No module named 'qtconsole'",
        cause="its console is built on qtconsole, which is optional but not treated so",
        affected="environments without qtconsole",
        modules=("vistrails.gui.shell",),
        needed=lambda: importlib.util.find_spec("qtconsole") is None,
        after=_without_console,
    ),
    Repair(
        name="python-editor",
        symptom="TypeError when the source of a PythonSource is edited, or an offer to install "
        "Python 2's QScintilla",
        cause="the plain editor that stands in for QScintilla refuses a positional parent",
        affected="environments without QScintilla",
        modules=("vistrails.gui.modules.python_source_configure",),
        needed=_has_no_qscintilla,
        after=functools.partial(_use_plain_editor, "PythonEditor"),
    ),
    Repair(
        name="text-editor",
        symptom="TypeError when a String is edited in its own window",
        cause="the plain editor that stands in for QScintilla refuses a positional parent",
        affected="environments without QScintilla",
        modules=("vistrails.gui.modules.string_configure",),
        needed=_has_no_qscintilla,
        after=functools.partial(_use_plain_editor, "TextEditor"),
    ),
    Repair(
        name="desktop-question",
        symptom="the window ends at once with exit code 255, or asks to register .vt files with "
        "a desktop that is not there",
        cause="the missing xdg-mime is reported through an attribute exceptions lost in Python 3",
        affected="machines without xdg-utils",
        modules=("vistrails.gui.application",),
        needed=lambda: shutil.which("xdg-mime") is None,
        after=_without_desktop_question,
    ),
    Repair(
        name="killed-instance",
        symptom="critical messages at the start after VisTrails was killed, and a second window "
        "no longer joins the first",
        cause="the shared memory by which an instance is known outlives a killed process",
        affected="VisTrails 3.0 on Unix",
        modules=("vistrails.gui.application",),
        needed=always,
        after=_forget_killed_instance,
    ),
    Repair(
        name="install-offer",
        symptom="a dialog offers to install a missing library with the system's package manager, "
        "and the library is still missing afterwards",
        cause="the system's packages do not reach a virtual environment",
        affected="virtual environments",
        modules=("vistrails.gui.bundles.installbundle",),
        needed=lambda: sys.prefix != sys.base_prefix,
        after=_refuse_to_install,
    ),
)
