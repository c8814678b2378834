"""What a user does in VisTrails' window, for `tests.host.window_scenario`.

A step is a function without arguments; one that is a generator lets Qt's events be handled
wherever it yields.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STEPS: dict[str, Callable[[], Any]] = {}


def step(function: Callable[[], Any]) -> Callable[[], Any]:
    """Make a function a step by its name."""
    STEPS[function.__name__] = function
    return function


def app() -> Any:
    """Return VisTrails' application."""
    from vistrails.gui.application import get_vistrails_application

    return get_vistrails_application()


def window() -> Any:
    """Return VisTrails' main window."""
    return app().builderWindow


def controller() -> Any:
    """Return the controller of the vistrail in front."""
    return window().get_current_controller()


def trigger(action: str) -> None:
    """Trigger an action of the menus by VisTrails' name for it."""
    window().qactions[action].trigger()


def manager() -> Any:
    """Return the package manager."""
    from vistrails.core.packagemanager import get_package_manager

    return get_package_manager()


def drop(package: str, name: str, x: float, y: float) -> Any:
    """Drag a module from the palette onto the workflow; return the new module."""
    from PyQt5 import QtCore
    from vistrails.core.modules.module_registry import get_module_registry
    from vistrails.gui.module_palette import QModulePalette

    class Event:
        @staticmethod
        def scenePos() -> Any:
            return QtCore.QPointF(x, y)

    class Data:
        items = [
            QModulePalette.instance().findModule(
                get_module_registry().get_descriptor_by_name(package, name)
            )
        ]

    before = set(controller().current_pipeline.modules)
    window().get_current_view().get_current_tab().scene().add_module_event(Event(), Data())
    (new,) = set(controller().current_pipeline.modules) - before
    return controller().current_pipeline.modules[new]


BASIC = "org.vistrails.vistrails.basic"
OURS = "edu.poly.vistrails.parallel_flow"
CONTROL_FLOW = "org.vistrails.vistrails.control_flow"


@step
def ours_is_enabled() -> None:
    assert manager().get_package(OURS).codepath == "parallelflow"
    entries = [action.text() for action in window().qmenus["packages"].actions()]
    if manager().get_package(OURS).menu_items():
        assert "Parallel Flow" in entries, entries


@step
def ours_is_disabled() -> None:
    assert not manager().has_package(OURS)


@step
def build_a_workflow() -> Iterator[None]:
    integer = drop(BASIC, "Integer", -100, -100)
    yield
    output = drop(BASIC, "StandardOutput", -100, 100)
    yield
    wire = controller().add_connection(integer.id, "value", output.id, "value")
    scene().addConnection(wire)
    controller().update_function(integer, "value", ["42"])
    drop(OURS, "Map", 100, 0)
    yield
    drop(BASIC, "PythonSource", 200, 0)


def scene() -> Any:
    """Return the scene of the workflow in front."""
    return window().get_current_view().get_current_tab().scene()


def item_of(name: str) -> Any:
    """Return the picture of the only module of a name."""
    (item,) = (item for item in scene().modules.values() if item.module.name == name)
    return item


def select(name: str) -> None:
    """Select the only module of a name."""
    scene().unselect_all()
    item_of(name).setSelected(True)


@step
def relayout() -> Iterator[None]:
    trigger("layout")
    yield
    y = {m.name: m.location.y for m in controller().current_pipeline.module_list}
    assert y["Integer"] > y["StandardOutput"]


@step
def execute() -> Iterator[None]:
    # Not the Map: this is about the window, and nothing is connected to it.
    select("Map")
    scene().delete_selected_items()
    yield
    trigger("execute")
    yield
    assert item_of("StandardOutput").statusBrush is not None


@step
def look_at_all_views() -> Iterator[None]:
    for view in ("history", "search", "explore", "provenance", "mashup", "pipeline"):
        trigger(view)
        window().grab()
        yield


@step
def edit_a_source() -> Iterator[None]:
    select("PythonSource")
    yield
    trigger("configureModule")
    yield
    window().grab()


@step
def show_parameters_on_the_modules() -> Iterator[None]:
    from vistrails.core.configuration import get_vistrails_configuration

    get_vistrails_configuration().showInlineParameterWidgets = True
    constants = {"Integer", "Boolean", "Color", "File", "Float", "String"}
    for number, name in enumerate(sorted(constants - {"Integer"})):
        drop(BASIC, name, 300, 60 * number)
    scene().setupScene(controller().current_pipeline)
    yield
    window().grab()
    for name in constants:
        assert item_of(name).edit_rect.height() > 0, name


@step
def read_a_message() -> Iterator[None]:
    from vistrails.core import debug
    from vistrails.gui.debug import DebugView

    debug.warning("a <message> to be read")
    yield
    view = DebugView.instance()
    view.list.setCurrentRow(view.list.count() - 1)
    yield
    assert "a <message> to be read" in view.text.toPlainText()


@step
def disable_and_enable_in_preferences() -> Iterator[None]:
    packages = window().preferencesDialog._packages_tab
    packages._enabled_packages_list.setCurrentItem(None)
    yield
    for enabled in (False, True):
        packages.select_package_after_update("parallelflow")
        yield
        yield
        button = packages._enable_button if enabled else packages._disable_button
        assert button.isEnabled(), enabled
        button.click()
        yield
        assert manager().has_package(OURS) == enabled
    window().preferencesDialog.grab()


@step
def disable_in_preferences() -> Iterator[None]:
    packages = window().preferencesDialog._packages_tab
    packages.select_package_after_update("parallelflow")
    yield
    yield
    packages._disable_button.click()
    yield
    assert not manager().has_package(OURS)


@step
def show_a_figure_in_the_spreadsheet() -> Iterator[None]:
    from PyQt5.QtGui import QPixmap

    for codepath in ("spreadsheet", "matplotlib"):
        if not manager().has_package(f"org.vistrails.vistrails.{codepath}"):
            manager().late_enable_package(codepath)
        yield
    package = "org.vistrails.vistrails.matplotlib"
    plot, figure, cell = (
        controller().add_module(package, name)
        for name in ("MplLinePlot", "MplFigure", "MplFigureCell")
    )
    for port, value in {"x": "[1, 2, 3]", "y": "[1, 4, 9]"}.items():
        controller().update_function(plot, port, [value])
        plot = controller().current_pipeline.modules[plot.id]
    controller().add_connection(plot.id, "value", figure.id, "addPlot")
    controller().add_connection(figure.id, "figure", cell.id, "figure")
    yield
    (result,), _ = controller().execute_current_workflow()
    assert not result.errors, result.errors
    yield
    (shown,) = [each for each in app().allWidgets() if type(each).__name__ == "MplFigureCellWidget"]
    assert shown.canvas.figure.axes[0].lines
    picture = shown.grabWindowPixmap()
    assert isinstance(picture, QPixmap) and not picture.isNull()
    colors = {picture.toImage().pixel(x, y) for x in range(0, 60, 3) for y in range(0, 60, 3)}
    assert len(colors) > 1, "the canvas is empty"
    for suffix in ("png", "pdf"):
        file = Path.home() / f"figure.{suffix}"
        shown.dumpToFile(str(file))
        assert file.stat().st_size
    # Executed again, the figure stands in the place of the one that was there.
    (result,), _ = controller().execute_current_workflow()
    assert not result.errors, result.errors
    yield


@step
def a_vistrail_is_open() -> None:
    assert controller().current_pipeline.module_list
    assert controller().locator.name.endswith(".vt")


@step
def save() -> None:
    from vistrails.core.db.locator import FileLocator

    controller().write_vistrail(FileLocator(str(Path.home() / "saved.vt")))


@step
def screenshot() -> None:
    window().grab().save(os.environ["SCREENSHOT"])


@step
def quit_by_menu() -> None:
    trigger("quitVistrails")


@step
def wait_a_moment() -> Iterator[None]:
    yield


@step
def wait() -> None:
    """Leave the window open: the test ends it."""
    print("waiting", flush=True)
