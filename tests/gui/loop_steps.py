"""Steps in VisTrails' real window in which loops are chosen to run on engines; run as a program.

    python -m tests.gui.loop_steps STEP [STEP ...] [-- VISTRAILS-ARGUMENTS]

See `tests.gui.window_steps` and `tests.gui.map_steps`, whose steps can be taken here, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parallelflow.loops.choice import is_marked
from tests.gui import window_steps
from tests.gui.map_steps import click_module, modules, picture
from tests.gui.window_steps import RUN_ALL, click_entry, entry, menu
from tests.host.window_steps import OURS, controller, drop, step


def options() -> Any:
    """Return VisTrails' dialog on how a module is executed, with what is selected."""
    from vistrails.gui.module_options import QModuleOptions

    dialog = QModuleOptions.instance()
    dialog.set_visible(True)
    dialog.set_controller(controller())
    return dialog


def box(dialog: Any) -> Any:
    """Return our check box in it."""
    from PyQt5.QtWidgets import QCheckBox

    (found,) = (b for b in dialog.findChildren(QCheckBox) if b.text() == "Run on engines")
    return found


def control_parameters() -> dict[str, str]:
    """Return what the workflow has of the function."""
    (module,) = modules("PythonSource")
    return {c.name: c.value for c in module.control_parameters}


def back_to(version: int) -> Iterator[None]:
    """Go back to a version of the workflow."""
    from tests.host.window_steps import scene

    scene().clearSelection()
    controller().change_selected_version(version)
    yield


@step
def mark_a_module() -> Iterator[None]:
    """By the check box and Save; the choice is in the workflow, and can be undone."""
    yield from click_module("PythonSource")
    dialog = options()
    yield
    ours = box(dialog)
    assert ours.isEnabled() and not ours.isChecked() and not dialog.saveButton.isEnabled()
    before = controller().current_version
    ours.click()
    assert dialog.saveButton.isEnabled()
    yield
    picture("options")
    dialog.saveButton.click()
    yield
    assert control_parameters()["run_on_engines"] == "true"
    assert box(options()).isChecked() and not options().saveButton.isEnabled()
    yield from back_to(before)
    yield from click_module("PythonSource")
    assert "run_on_engines" not in control_parameters()
    assert not box(options()).isChecked()


@step
def copy_a_marked_module() -> Iterator[None]:
    """The choice goes with a copy, and can be taken back."""
    yield from click_module("PythonSource")
    dialog = options()
    box(dialog).click()
    dialog.saveButton.click()
    yield
    assert control_parameters()["run_on_engines"] == "true"
    (module,) = modules("PythonSource")
    before = controller().current_version
    text = controller().copy_modules_and_connections([module.id], [])
    controller().paste_modules_and_connections(text, (0.0, 0.0))
    yield
    marked = [m for m in modules("PythonSource") if is_marked(m)]
    assert len(marked) == 2
    yield from back_to(before)


@step
def a_map_of_ours_is_always_there() -> Iterator[None]:
    before = controller().current_version
    drop(OURS, "Map", 200, 0)
    yield
    yield from click_module("Map")
    ours = box(options())
    assert ours.isChecked() and not ours.isEnabled()
    yield from back_to(before)


@step
def switch_all_loops() -> Iterator[None]:
    """By the menu; every window's entry shows it."""
    from parallelflow.loops.choice import Scope, session_scope

    assert entry(RUN_ALL).isCheckable() and not entry(RUN_ALL).isChecked()
    yield from click_entry(RUN_ALL)
    assert session_scope() is Scope.WORTH_IT and entry(RUN_ALL).isChecked()
    picture("menu")
    yield from click_entry(RUN_ALL)
    assert session_scope() is Scope.MARKED and not entry(RUN_ALL).isChecked()
    separators = [a.isSeparator() for a in menu().actions()]
    assert separators[-2:] == [True, False]


if __name__ == "__main__":
    window_steps.main()
