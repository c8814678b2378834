"""Steps in VisTrails' real window in which parameters are explored; run as a program.

    python -m tests.gui.exploration_steps STEP [STEP ...] [-- VISTRAILS-ARGUMENTS]

See `tests.gui.window_steps`, whose steps can be taken here, too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from docs.examples.make_digits_sweep import Builder
from parallelflow.engine_manager import get_manager
from parallelflow.gui.loop_choice import all_loops, choose_all_loops
from tests.gui import window_steps
from tests.gui.map_steps import forget_changes, picture
from tests.gui.window_steps import KNOWN
from tests.host import window_steps as base
from tests.host.window_steps import controller, step, window

__all__ = ["forget_changes"]

SPREADSHEET = "org.vistrails.vistrails.spreadsheet"

NOTE = "import os\nopen({folder!r} + '/{name}', 'a').write('%d ' % os.getpid())\n"
MODEL = """\
if b == 'bad' and a == 2:
    raise ValueError('bad with %d' % a)
text = '<b>%s of %s is %s</b>' % (a, b, t + a)
"""
PAGE = """\
from vistrails.core.modules.basic_modules import PathObject
cache_this()
name = {folder!r} + '/%s.html' % abs(hash(text))
open(name, 'w').write(text)
file = PathObject(name)
"""
ENDLESS = "import time\nwhile b == 'endless' and a > 1:\n    time.sleep(0.05)\n"


def note(name: str) -> str:
    """Return code that notes the process in which it runs."""
    return NOTE.format(folder=KNOWN["folder"], name=name)


def noted(name: str) -> list[int]:
    """Return the processes in which a module has run, and forget them."""
    path = Path(KNOWN["folder"], name)
    text = path.read_text() if path.exists() else ""
    path.unlink(missing_ok=True)
    return [int(pid) for pid in text.split()]


@step
def make_the_workflow() -> Iterator[None]:
    """Something slow, a model with two parameters, and a cell that shows its text."""
    from parallelflow.host import enable_packages

    KNOWN["folder"] = str(Path.home() / "notes")
    Path(KNOWN["folder"]).mkdir(exist_ok=True)
    enable_packages([SPREADSHEET])
    base.trigger("newVistrail")
    yield
    base.trigger("pipeline")
    yield
    build = Builder(controller())
    town = build.source(
        "town", (0, 200), note("town") + "cache_this()\nt = 100", {}, {"t": "Integer"}
    )
    inputs = {"t": "Integer", "a": "Integer", "b": "String"}
    model = build.source(
        "model", (0, 100), note("model") + ENDLESS + MODEL, inputs, {"text": "String"},
        {"a": 1, "b": "x"},
    )  # fmt: skip
    file = build.module("WriteFile", (0, 0))
    cell = build.module("RichTextCell", (0, -100), package=SPREADSHEET)
    build.connect(town, "t", model, "t")
    build.connect(model, "text", file, "in_value")
    build.connect(file, "out_value", cell, "File")
    yield
    controller().updatePipelineScene()
    KNOWN["model"] = model.id
    yield


def explored(values: dict[str, tuple[list[str], int]]) -> tuple[list[Any], list[str]]:
    """Execute an exploration of the model as the view does; return errors and cells' texts."""
    from vistrails.core.paramexplore.function import PEFunction
    from vistrails.core.paramexplore.param import PEParam
    from vistrails.core.paramexplore.paramexplore import ParameterExploration

    dims = [1, 1, 1, 1]
    functions = []
    for number, (port, (texts, dimension)) in enumerate(values.items()):
        dims[dimension] = len(texts)
        parameter = PEParam(
            id=number, pos=0, interpolator="List", value=repr(texts), dimension=dimension
        )
        functions.append(
            PEFunction(
                id=number, module_id=KNOWN["model"], port_name=port, is_alias=0,
                parameters=[parameter],
            )
        )  # fmt: skip
    saved = ParameterExploration(
        id=1, action_id=controller().current_version, name="", dims=repr(dims),
        layout=repr({("RichTextCell", -1): (0, 0)}), functions=functions,
    )  # fmt: skip
    scene = window().get_current_view().get_current_tab().scene()
    errors = controller().executeParameterExploration(saved, scene)
    base.app().processEvents()
    return [(at, str(error), error.module.id) for at, error in errors or ()], cells()


def cells() -> list[str]:
    """Return what the cells of the newest sheet show, row by row; the sheet is closed."""
    from vistrails.packages.spreadsheet.spreadsheet_controller import spreadsheetController

    tabs = spreadsheetController.findSpreadsheetWindow(create=False).tabController
    sheet = tabs.tabWidgets[-1]
    rows, columns = sheet.getDimension()
    shown = []
    for row in range(rows):
        for column in range(columns):
            widget = sheet.getCell(row, column)
            browser = getattr(widget, "browser", None)
            shown.append("" if browser is None else browser.toPlainText())
    return shown


VALUES = {"a": (["1", "2", "3"], 0), "b": (["x", "bad"], 1)}


@step
def explore_serially() -> None:
    """VisTrails' own execution, as a reference."""
    errors, shown = explored(VALUES)
    assert set(noted("model")) == {os.getpid()}
    town = noted("town")
    assert town == [os.getpid()], town
    assert len(errors) == 1 and "bad with 2" in errors[0][1], errors
    KNOWN["errors"], KNOWN["shown"] = [e[:2] for e in errors], shown
    assert "3 of x is 103" in shown, shown


@step
def explore_on_engines() -> None:
    """The same cells and errors; the model has run on engines, the rest here and once."""
    get_manager().configure(engines=2, private=True)
    get_manager().start_engines(2)
    clear_the_cache()
    choose_all_loops(True)
    before = len(controller().log.workflow_execs)
    errors, shown = explored(VALUES)
    picture("exploration")
    model, town = noted("model"), noted("town")
    assert len(model) == 6 and os.getpid() not in model, model
    assert town == [os.getpid()], town
    assert [e[:2] for e in errors] == KNOWN["errors"], errors
    assert shown == KNOWN["shown"], shown
    executions = controller().log.workflow_execs[before:]
    assert len(executions) == 6
    places = [
        annotation.value
        for execution in executions
        for item in execution.item_execs
        for annotation in item.annotations
        if annotation.key == "parallelflow_host"
    ]
    assert len(places) >= 5, places


@step
def explore_again() -> Iterator[None]:
    """The same cells; only the point that has failed is computed again."""
    from parallelflow.checkpoints import folder

    keep_the_pages()
    yield
    clear_the_cache()
    explored(VALUES)
    assert len(noted("model")) == 6 and len(folder.list_kept()) == 1
    clear_the_cache()
    with noted_labels() as labels:
        errors, shown = explored(VALUES)
    assert any("5 of 6 points were computed in an earlier run" in each
               or "(5 of them in an earlier run)" in each for each in labels), labels  # fmt: skip
    model, town = noted("model"), noted("town")
    assert len(model) == 1 and os.getpid() not in model and os.getpid() in town, (model, town)
    assert [e[:2] for e in errors] == KNOWN["errors"] and shown == KNOWN["shown"]
    [kept] = folder.list_kept()
    folder.remove(kept)
    clear_the_cache()
    explored({"a": (["1", "2", "3"], 0)})
    assert len(noted("model")) == 3 and not folder.list_kept(), "it has ended well"


@contextlib.contextmanager
def noted_labels() -> Iterator[list[str]]:
    """Note what the progress dialog says within the block."""
    from vistrails.gui.vistrail_controller import PEProgressDialog

    texts: list[str] = []
    own = PEProgressDialog.setLabelText

    def note(dialog: Any, text: str) -> None:
        texts.append(text)
        own(dialog, text)

    with mock.patch.object(PEProgressDialog, "setLabelText", note):
        yield texts


def keep_the_pages() -> None:
    """Write the cells' files where they stay: those of `WriteFile` go when the session ends."""
    build = Builder(controller())
    pipeline = controller().current_pipeline
    [cell] = [m for m in pipeline.module_list if m.name == "RichTextCell"]
    [old] = [c.id for c in pipeline.connection_list if c.destinationId == cell.id]
    controller().delete_connection(old)
    page = build.source("page", (200, 0), PAGE.format(folder=KNOWN["folder"]),
                        {"text": "String"}, {"file": "File"})  # fmt: skip
    build.connect(controller().current_pipeline.modules[KNOWN["model"]], "text", page, "text")
    build.connect(page, "file", cell, "File")


@step
def what_engines_computed_is_not_kept_in_parts() -> None:
    """A normal execution afterwards computes, and shows what it should."""
    controller().execute_current_workflow()
    assert noted("model") == [os.getpid()] and noted("town") == []


@step
def cancel_an_exploration() -> None:
    """Cancel while points are computed: VisTrails ends, and nothing runs on."""
    from PyQt5.QtCore import QTimer

    def cancel() -> None:
        found = [w for w in base.app().topLevelWidgets() if type(w).__name__ == "PEProgressDialog"]
        # Points may have begun before the dialog has been told of them.
        told = bool(found) and "engine" in found[0].labelText()
        if told and len(noted_so_far("model")) >= 2:
            KNOWN["label"] = found[0].labelText()
            found[0].cancel()
            timer.stop()

    timer = QTimer()
    timer.timeout.connect(cancel)
    timer.start(50)
    errors, _ = explored({"a": (["2", "3", "4"], 0), "b": (["endless"], 1)})
    assert errors == [] and not timer.isActive()
    assert "engine" in KNOWN["label"], KNOWN["label"]
    assert not get_manager().runs()
    noted("model")


def noted_so_far(name: str) -> list[str]:
    """Return the processes in which a module has begun."""
    path = Path(KNOWN["folder"], name)
    return path.read_text().split() if path.exists() else []


@step
def nothing_is_changed_when_it_is_switched_off() -> None:
    """VisTrails executes explorations by itself again."""
    choose_all_loops(False)
    clear_the_cache()
    explored({"a": (["1", "2"], 0)})
    assert set(noted("model")) == {os.getpid()}


@step
def reload_the_package() -> Iterator[None]:
    """*Reload* in Preferences, with the exploration view in front: the engines go on."""
    before = get_manager().started()
    assert len(before) >= 3, before
    choose_all_loops(True)
    base.trigger("explore")
    yield
    packages = window().preferencesDialog._packages_tab
    packages.select_package_after_update("parallelflow")
    yield
    yield
    packages._reload_button.click()
    yield
    yield
    window().grab()
    assert base.manager().has_package(base.OURS) and window_steps.texts() == window_steps.ENTRIES
    assert get_manager().started() == before
    assert all(window_steps.alive(pid) for pid in before) and len(window_steps.engines()) == 2
    assert all_loops()
    choose_all_loops(False)
    base.trigger("pipeline")
    yield


@step
def open_run_fail_cancel_edit_and_save() -> Iterator[None]:
    """What else a session consists of; `walks.walk` sees what is printed meanwhile."""
    from vistrails.core.db.locator import FileLocator

    file = Path.home() / "maps.vt"
    window().open_vistrail_without_prompt(FileLocator(str(file)))
    yield
    base.trigger("pipeline")
    yield
    (result,) = window_steps.execute("quick")
    assert not result.errors
    (result,) = window_steps.execute("failing")
    assert result.errors
    yield
    yield from window_steps.cancel_in_the_progress_dialog()
    window_steps.select("quick")
    (made,) = (m for m in controller().current_pipeline.module_list if m.name == "Map")
    controller().update_function(made, "InputList", ["[1, 2, 3]"])
    yield
    (result,), _ = controller().execute_current_workflow()
    assert not result.errors and result.objects[made.id].get_output("Result") == [2, 4, 6]
    before = file.stat().st_mtime_ns
    base.trigger("saveFile")
    yield
    assert file.stat().st_mtime_ns != before and not controller().changed


def clear_the_cache() -> None:
    """Forget what VisTrails has computed."""
    from vistrails.core.interpreter.default import get_default_interpreter

    get_default_interpreter().flush()


def main() -> None:
    """Take the steps that the command line names."""
    window_steps.main()


if __name__ == "__main__":
    main()
