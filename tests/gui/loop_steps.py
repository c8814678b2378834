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
from tests.host.window_steps import CONTROL_FLOW, OURS, controller, drop, step


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


# How much of the place of two filled arrowheads is drawn, at least, and of an empty place at most.
FILLED, EMPTY = 0.4, 0.05


def inked(item: Any) -> float:
    """Return how much of the place of the mark is drawn in the color of the module's name."""
    from PyQt5.QtCore import QRectF
    from PyQt5.QtGui import QColor, QImage, QPainter
    from PyQt5.QtWidgets import QStyleOptionGraphicsItem

    from parallelflow.gui.canvas_mark import mark_place

    bounds, place, scale = item.boundingRect(), mark_place(item), 4
    image = QImage(int(bounds.width() * scale), int(bounds.height() * scale), QImage.Format_ARGB32)
    painter = QPainter(image)
    painter.scale(scale, scale)
    painter.translate(-bounds.topLeft())
    item.paint(painter, QStyleOptionGraphicsItem(), None)
    painter.end()
    part = QRectF(place.translated(-bounds.topLeft()))
    points = [
        (x, y)
        for x in range(int(part.left() * scale), int(part.right() * scale))
        for y in range(int(part.top() * scale), int(part.bottom() * scale))
    ]
    ink = item.labelPen.color().lightness()
    near = sum(abs(QColor(image.pixel(x, y)).lightness() - ink) < 40 for x, y in points)
    return near / len(points)


@step
def the_canvas_shows_what_runs_on_engines() -> Iterator[None]:
    """Filled for a marked module and our Map, in outline for loops of the session."""
    from PyQt5.QtGui import QColor, QPalette

    from tests.host import window_steps as base

    before = controller().current_version  # the function has been marked
    drop(OURS, "Map", 200, 0)
    yield
    (ours,) = (i for i in base.scene().modules.values() if i.module.package == OURS)
    assert inked(ours) > FILLED
    yield from back_to(before)
    drop(CONTROL_FLOW, "Filter", -200, 0)
    yield
    serial = base.item_of("Filter")
    assert inked(base.item_of("PythonSource")) > FILLED > EMPTY > inked(serial)
    yield from click_module("PythonSource")
    dialog = options()
    yield
    assert box(dialog).isChecked()
    box(dialog).click()
    dialog.saveButton.click()
    yield
    item = base.item_of("PythonSource")
    assert "run_on_engines" not in control_parameters()
    assert item.isSelected() and inked(item) < EMPTY
    box(dialog).click()
    dialog.saveButton.click()
    yield
    item = base.item_of("PythonSource")
    assert item.isSelected() and inked(item) > FILLED > EMPTY > inked(serial)
    yield from click_entry(RUN_ALL)
    assert EMPTY < inked(serial) < FILLED < inked(item)
    palette, own = QPalette(base.app().palette()), base.app().palette()
    for role in (QPalette.Window, QPalette.Base, QPalette.Button):
        palette.setColor(role, QColor(40, 40, 40))
    for role in (QPalette.WindowText, QPalette.Text, QPalette.ButtonText):
        palette.setColor(role, QColor(230, 230, 230))
    base.app().setPalette(palette)
    yield
    assert inked(item) > FILLED
    picture("canvas")
    base.app().setPalette(own)
    yield from click_entry(RUN_ALL)
    assert inked(serial) < EMPTY
    base.scene().clearSelection()
    yield
    assert not item.isSelected() and inked(item) > FILLED
    picture("canvas-plain")
    yield from back_to(before)


MEET = """\
import pathlib, time
folder, end = pathlib.Path({folder!r}), time.monotonic() + 60
(folder / {mine!r}).touch()
while not (folder / {other!r}).exists():
    assert time.monotonic() < end
    time.sleep(0.01)
o = 1
"""


@step
def two_branches_run_at_the_same_time() -> Iterator[None]:
    """Each waits for the other; the canvas shows that both have run."""
    import tempfile
    import threading
    from pathlib import Path

    from docs.examples.make_digits_sweep import Builder
    from parallelflow.engine_manager import get_manager
    from parallelflow.loops.choice import KEY
    from tests.gui.window_steps import until
    from tests.host import window_steps as base

    start = threading.Thread(target=lambda: get_manager().start_engines(2))
    start.start()
    yield from until(lambda: not start.is_alive(), "the engines")
    base.trigger("newVistrail")
    yield
    with tempfile.TemporaryDirectory() as name:
        folder, build = Path(name), Builder(controller())
        last = build.source(
            "last", (0, -100), "o = i + j", {"i": "Integer", "j": "Integer"}, {"o": "Integer"}
        )
        for mine, other, port in (("a", "b", "i"), ("b", "a", "j")):
            code = MEET.format(folder=name, mine=mine, other=other)
            branch = build.source(mine, (0, 0), code, {}, {"o": "Integer"})
            controller().add_control_parameter((KEY, "true"), branch.id)
            build.connect(branch, "o", last, port)
        base.scene().setupScene(controller().current_pipeline)
        yield
        controller().execute_current_workflow()
        yield
        assert len(base.scene().modules) == 3
        colors = {item.statusBrush.color().name() for item in base.scene().modules.values()}
        assert len(colors) == 1, colors
        assert {path.name for path in folder.iterdir()} == {"a", "b"}
        picture("branches")
    controller().set_changed(False)
    start = threading.Thread(target=lambda: get_manager().stop())
    start.start()
    yield from until(lambda: not start.is_alive(), "the engines")


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
