"""Steps in VisTrails' real window in which Maps are made and changed; run as a program.

    python -m tests.gui.map_steps STEP [STEP ...] [-- VISTRAILS-ARGUMENTS]

See `tests.gui.window_steps`, whose steps can be taken here, too.
"""

from __future__ import annotations

import contextlib
import io
import os
import urllib.parse
from collections.abc import Iterator
from typing import Any

from tests.gui import window_steps
from tests.gui.window_steps import (
    ENTRIES,
    KNOWN,
    MAP_OVER,
    answer,
    click_entry,
    dialog,
    dialogs,
    entry,
    gone,
    key,
    menu,
    opened,
    press,
    until,
)
from tests.host import window_steps as base
from tests.host.window_steps import BASIC, CONTROL_FLOW, OURS, controller, drop, step, window

CODE = "pi = 3 + 1 / trials"


def picture(name: str) -> None:
    """Paint the whole window with what is before it, if somebody wants to look at it."""
    folder = os.environ.get("PICTURES")
    if folder:
        found = [w for w in base.app().topLevelWidgets() if w.isVisible() and w.width() > 60]
        for number, widget in enumerate(found):
            widget.grab().save(f"{folder}/{name}-{number}-{type(widget).__name__}.png")


def modules(name: str) -> list[Any]:
    """Return the modules of a name in the workflow."""
    return [m for m in controller().current_pipeline.module_list if m.name == name]


def parameters(module: Any) -> dict[str, str]:
    """Return the parameters of a module."""
    module = controller().current_pipeline.modules[module.id]
    return {f.name: f.params[0].strValue for f in module.functions}


def wires() -> set[tuple[str, str, str, str]]:
    """Return the connections of the workflow by names."""
    pipeline = controller().current_pipeline
    return {
        (
            pipeline.modules[c.source.moduleId].name,
            c.source.name,
            pipeline.modules[c.destination.moduleId].name,
            c.destination.name,
        )
        for c in pipeline.connections.values()
    }


def click_module(name: str) -> Iterator[None]:
    """Select a module by a click in the workflow."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    view = window().get_current_view().get_current_tab()
    item = base.item_of(name)
    view.centerOn(item)
    yield
    at = view.mapFromScene(item.sceneBoundingRect().center())
    QTest.mouseClick(view.viewport(), Qt.LeftButton, Qt.NoModifier, at)
    yield
    assert item.isSelected()


@step
def make_the_function() -> Iterator[None]:
    """A PythonSource with ports, and nothing else."""
    base.trigger("newVistrail")
    yield
    base.trigger("pipeline")
    yield
    made = drop(BASIC, "PythonSource", 0, 0)
    yield
    kinds = {"Integer": f"({BASIC}:Integer)", "Float": f"({BASIC}:Float)"}
    ports = [("input", "trials", kinds["Integer"], -1), ("input", "seed", kinds["Integer"], -1)]
    ports += [("output", "pi", kinds["Float"], -1)]
    source = [("source", [urllib.parse.quote(CODE)])]
    controller().update_ports_and_functions(made.id, [], ports, source)
    controller().updatePipelineScene()
    yield


@step
def forget_changes() -> None:
    """Answer beforehand that nothing is to be saved."""
    for view in window().getAllViews():
        view.controller.set_changed(False)


@step
def nothing_to_map_over_is_told() -> Iterator[None]:
    """Grey in the menu; by its key it says what is missing."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest
    from PyQt5.QtWidgets import QMessageBox

    base.scene().clearSelection()
    menu().aboutToShow.emit()
    assert [entry(text).isEnabled() for text in ENTRIES[6:9]] == [False, False, False]
    menu().aboutToHide.emit()
    window().activateWindow()
    yield from until(window().isActiveWindow, "the window")
    QTest.keyClick(window(), Qt.Key_M, Qt.ControlModifier | Qt.ShiftModifier)
    boxes = [w for w in base.app().topLevelWidgets() if isinstance(w, QMessageBox)]
    (box,) = (box for box in boxes if box.isVisible())
    assert box.text() == "Select one module in the workflow first; none is selected."
    box.accept()
    yield


@step
def map_over_by_mouse() -> Iterator[None]:
    from PyQt5.QtCore import QPoint, Qt
    from PyQt5.QtTest import QTest

    yield from click_module("PythonSource")
    KNOWN["version"] = controller().current_version
    yield from click_entry(MAP_OVER)
    yield from opened("MapDialog")
    asked = dialog("MapDialog")
    form = asked.form
    texts = [form.inputs.item(n).text() for n in range(form.inputs.count())]
    assert {"trials   (Integer)", "seed   (Integer)", "source   (String)"} <= set(texts), texts
    assert form.output.currentText() == "pi   (Float)"
    assert not asked.make_button.isEnabled() and form.hint.text() == "Tick at least one input."
    for name in ("seed", "trials"):
        (item,) = (
            form.inputs.item(n) for n in range(form.inputs.count()) if texts[n].startswith(name)
        )
        form.inputs.scrollToItem(item)
        box = form.inputs.visualItemRect(item)
        QTest.mouseClick(
            form.inputs.viewport(), Qt.LeftButton, Qt.NoModifier, box.topLeft() + QPoint(10, 8)
        )
    assert form.hint.text() == "Each element is a list or tuple: (seed, trials)", form.hint.text()
    QTest.keyClicks(form.elements, "[(1, 1), (1, 2)")
    assert not asked.make_button.isEnabled() and "not one that Python reads" in form.hint.text()
    QTest.keyClicks(form.elements, "]")
    picture("map_dialog")
    press(asked.make_button)
    yield from gone("MapDialog")
    (made,) = modules("Map")
    assert made.package == OURS and base.item_of("Map").isSelected()
    assert wires() == {("PythonSource", "self", "Map", "FunctionPort")}
    assert parameters(made) == {
        "InputPort": "['seed', 'trials']",
        "OutputPort": "pi",
        "InputList": "[(1, 1), (1, 2)]",
    }
    vistrail = controller().vistrail
    here = controller().current_version
    assert vistrail.get_description(here) == "Map over PythonSource"
    assert vistrail.actionMap[here].prevId == KNOWN["version"]
    picture("map_made")
    base.trigger("undo")
    yield
    assert not modules("Map") and controller().current_version == KNOWN["version"]
    base.trigger("redo")
    yield
    assert len(modules("Map")) == 1


@step
def map_over_by_keys() -> Iterator[None]:
    """Ctrl+Shift+M, space for the input, Return: and Escape first, which leaves all as it was."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    base.trigger("undo")
    yield
    for code in (Qt.Key_Escape, Qt.Key_Return):
        yield from click_module("PythonSource")
        window().activateWindow()
        yield from until(window().isActiveWindow, "the window")
        QTest.keyClick(window(), Qt.Key_M, Qt.ControlModifier | Qt.ShiftModifier)
        yield from opened("MapDialog")
        asked = dialog("MapDialog")
        yield from until(asked.form.inputs.hasFocus, "the focus")
        key(asked.form.inputs, Qt.Key_Space)
        key(asked.form.inputs, code)
        yield from gone("MapDialog")
        assert bool(modules("Map")) is (code == Qt.Key_Return)
    assert parameters(modules("Map")[0]) == {"InputPort": "['trials']", "OutputPort": "pi"}


@step
def configure_the_map() -> Iterator[None]:
    """Ctrl+E: chosen from the function's ports; what was typed without quotes is understood."""
    from PyQt5.QtCore import Qt

    (made,) = modules("Map")
    (function,) = modules("PythonSource")
    controller().add_annotation(("__desc__", "estimate"), function.id)
    controller().updatePipelineScene()
    yield
    controller().update_function(made, "InputPort", ["[trials, seeds]"])
    controller().update_function(controller().current_pipeline.modules[made.id], "OnError", ["x"])
    yield from click_module("Map")
    base.trigger("configureModule")
    yield
    from vistrails.gui.module_configuration import QModuleConfiguration

    palette = QModuleConfiguration.instance()
    palette.updateModule(controller().current_pipeline.modules[made.id])
    widget = palette.confWidget.widget
    assert type(widget).__name__ == "MapConfiguration" and not widget.state_changed
    form = widget.form
    texts = {form.inputs.item(n).text(): form.inputs.item(n) for n in range(form.inputs.count())}
    assert texts["seeds   (the module has no such port)"].checkState() == Qt.Checked
    assert texts["trials   (Integer)"].checkState() == Qt.Checked
    assert widget.line.text() == "Runs 'estimate' once for each element of the list."
    assert form.errors.currentText() == "'x' (not known)"
    assert form.errors.itemText(0) == "As configured (stop)"
    picture("configuration")
    texts["seeds   (the module has no such port)"].setCheckState(Qt.Unchecked)
    form.errors.setCurrentIndex(form.errors.findData("finish others"))
    form.errors.activated.emit(form.errors.currentIndex())
    assert widget.state_changed
    before = controller().current_version
    press(widget.save_button)
    yield
    assert parameters(made) == {
        "InputPort": "['trials']",
        "OutputPort": "pi",
        "OnError": "finish others",
    }
    assert controller().vistrail.actionMap[controller().current_version].prevId == before


@step
def make_it_serial_and_parallel() -> Iterator[None]:
    """Connections, parameters, label and place stay; what the serial Map lacks comes back."""
    (made,) = modules("Map")
    elements = drop(BASIC, "List", -100, 200)
    sink = drop(BASIC, "StandardOutput", 0, -200)
    controller().add_connection(elements.id, "value", made.id, "InputList")
    controller().add_connection(made.id, "Result", sink.id, "value")
    controller().add_annotation(("__desc__", "the loop"), made.id)
    controller().updatePipelineScene()
    yield
    (made,) = modules("Map")
    place, wired, told = (made.location.x, made.location.y), wires(), parameters(made)
    for text, package in (
        ("Make this Map serial", CONTROL_FLOW),
        ("Make this Map parallel", OURS),
        ("Make all Maps serial", CONTROL_FLOW),
        ("Make all Maps parallel", OURS),
    ):
        before = controller().current_version
        base.select("Map")
        menu().aboutToShow.emit()
        menu().aboutToHide.emit()
        yield from click_entry(text)
        (made,) = modules("Map")
        assert made.package == package and wires() == wired, (made.package, wires())
        assert (made.location.x, made.location.y) == place
        assert made.get_annotation_by_key("__desc__").value == "the loop"
        lost = {"OnError"} if package == CONTROL_FLOW else set()
        assert parameters(made) == {k: v for k, v in told.items() if k not in lost}
        assert controller().vistrail.actionMap[controller().current_version].prevId == before


@step
def the_menu_of_a_module() -> Iterator[None]:
    """The triangle of a module opens VisTrails' menu, with ours below."""
    seen: list[str] = []

    def look() -> bool:
        popup = base.app().activePopupWidget()
        if popup is None:
            return False
        seen.extend(action.text() for action in popup.actions())
        picture("module_menu")
        (ours,) = (a for a in popup.actions() if a.text() == MAP_OVER)
        popup.close()
        ours.trigger()
        return True

    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest
    from vistrails.gui.pipeline_view import QGraphicsConfigureItem

    view = window().get_current_view().get_current_tab()
    item = base.item_of("PythonSource")
    view.centerOn(item)
    yield
    (triangle,) = (i for i in item.childItems() if isinstance(i, QGraphicsConfigureItem))
    window_steps.later(look)
    at = view.mapFromScene(triangle.sceneBoundingRect().center())
    QTest.mouseClick(view.viewport(), Qt.LeftButton, Qt.NoModifier, at)
    yield from opened("MapDialog")
    assert seen[0].startswith("Edit &Configuration") and seen[-2:] == ["", MAP_OVER], seen
    assert dialog("MapDialog").windowTitle() == "Map 'estimate' over a list"
    dialog("MapDialog").reject()
    yield from gone("MapDialog")


@step
def map_over_a_group() -> Iterator[None]:
    """A Group, whose label nobody expects, is mapped over as a module is."""
    yield from make_the_function()
    (source,) = modules("PythonSource")
    taking, giving = drop(BASIC, "InputPort", 0, 100), drop(BASIC, "OutputPort", 0, -100)
    yield
    for port, name in ((taking, "trials"), (giving, "pi")):
        controller().update_function(port, "name", [name])
    controller().add_connection(taking.id, "InternalPipe", source.id, "trials")
    controller().add_connection(source.id, "pi", giving.id, "InternalPipe")
    controller().updatePipelineScene()
    yield
    pipeline = controller().current_pipeline
    group = controller().create_group(list(pipeline.modules), list(pipeline.connections))
    base.scene().setupScene(controller().current_pipeline)
    yield
    label = "[*] <b>&x</b> '\"$HOME \u4e2d"
    controller().add_annotation(("__desc__", label), group.id)
    controller().updatePipelineScene()
    yield
    yield from click_module("Group")
    yield from click_entry(MAP_OVER)
    yield from opened("MapDialog")
    asked = dialog("MapDialog")
    assert asked.windowTitle() == f"Map '{label}' over a list"
    assert asked.form.inputs.item(0).text() == "trials   (Integer)"
    assert asked.form.output.currentText() == "pi   (Float)"
    picture("map_over_a_group")
    press(asked.make_button)
    yield from gone("MapDialog")
    assert wires() == {("Group", "self", "Map", "FunctionPort")}
    assert parameters(modules("Map")[0]) == {"InputPort": "['trials']", "OutputPort": "pi"}


@step
def the_assistant_makes_a_parallel_map() -> Iterator[None]:
    """Ports are clicked in VisTrails' dialog; the Map in the Group that it makes is ours."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    for parallel, package in ((True, OURS), (False, CONTROL_FLOW)):
        yield from make_the_function()
        yield from click_module("PythonSource")

        def answer(parallel: bool = parallel) -> bool:
            found = dialogs("QControlFlowAssistDialog")
            if not found:
                return False
            (asked,) = found
            view = asked.pipelineView
            (item,) = view.scene().modules.values()
            for ports, name in ((item.inputPorts, "trials"), (item.outputPorts, "pi")):
                (port,) = (port for spec, port in ports.items() if spec.name == name)
                at = view.mapFromScene(port.sceneBoundingRect().center())
                QTest.mouseClick(view.viewport(), Qt.LeftButton, Qt.NoModifier, at)
            picture("assistant")
            asked.parallel.setChecked(parallel)
            press(asked.okButton)
            return True

        window_steps.later(answer)
        base.trigger("controlFlowAssist")
        yield
        (outer,) = controller().current_pipeline.module_list
        inner = {m.name: m for m in outer.pipeline.module_list}
        assert inner["Map"].package == package
        ports = {
            c.destination.name
            for c in outer.pipeline.connections.values()
            if c.destination.moduleId == inner["Map"].id
        }
        assert ports == {"FunctionPort", "InputList", "InputPort", "OutputPort"}, ports


@step
def the_guides_example() -> Iterator[None]:
    """From the window as it opens to a Map's result, as the guide has it, in at most 15 actions."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest
    from vistrails.gui.module_configuration import QModuleConfiguration

    assert not controller().current_pipeline.module_list
    assert base.scene() is controller().current_pipeline_scene  # the canvas is what is shown
    made = drop(BASIC, "PythonSource", 0, 0)
    actions = ["drag PythonSource"]
    yield
    assert base.item_of("PythonSource").isSelected()  # as what was dragged last
    base.trigger("configureModule")
    actions.append("Ctrl+E")
    palette = QModuleConfiguration.instance()
    palette.updateModule(controller().current_pipeline.modules[made.id])
    widget = palette.confWidget.widget
    for table, name, kind in (
        (widget.inputPortTable, "trials", "Integer"),
        (widget.outputPortTable, "pi", "Float"),
    ):
        row = table.rowCount() - 1
        model = table.model()
        model.setData(model.index(row, 0), name, Qt.EditRole)
        actions.append(f"type {name}")
        delegate = table.itemDelegate()
        editor = delegate.createEditor(table, None, model.index(row, 1))
        editor.setCurrentIndex(editor.findText(f"{kind} ({BASIC})"))
        delegate.setModelData(editor, model, model.index(row, 1))
        editor.deleteLater()
        actions.append(f"choose {kind}")
        yield
    widget.codeEditor.insertPlainText(CODE)  # as typing: it makes the text a changed one
    actions.append("type the code")
    widget.saveTriggered()
    actions.append("Save")
    yield
    assert base.item_of("PythonSource").isSelected()  # still
    yield from click_entry(MAP_OVER)
    actions.append("Map over a list...")
    yield from opened("MapDialog")
    asked = dialog("MapDialog")
    QTest.keyClicks(asked.form.elements, "[1, 2, 4, 8]")
    actions.append("type the list")
    press(asked.make_button)
    actions.append("Make the Map")
    yield from gone("MapDialog")
    sink = drop(BASIC, "StandardOutput", 0, -200)
    actions.append("drag StandardOutput")
    (found,) = modules("Map")
    controller().add_connection(found.id, "Result", sink.id, "value")
    actions.append("connect Result")

    def start(asked: Any) -> None:
        asked.number.setValue(2)  # what it suggests may be a hundred
        press(asked.start_button)
        actions.append("Start the engines")

    answer("AskDialog", start)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        base.trigger("execute")
        actions.append("Execute")
        yield
    assert said.getvalue() == "[4.0, 3.5, 3.25, 3.125]\n", said.getvalue()
    assert len(set(actions)) == len(actions) <= 15, actions
    assert parameters(found) == {
        "InputPort": "['trials']",
        "OutputPort": "pi",
        "InputList": "[1, 2, 4, 8]",
    }, parameters(found)
    (source,) = modules("PythonSource")
    assert {p.name for p in source.input_port_specs} == {"trials"}
    assert urllib.parse.unquote(parameters(source)["source"]) == CODE


def main() -> None:
    """Take the steps that the command line names."""
    window_steps.main()


if __name__ == "__main__":
    main()
