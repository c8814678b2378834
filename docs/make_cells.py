"""Makes the picture of an exploration's cells: run it as ``python docs/make_cells.py``.

VisTrails' real window, in a home of its own and on no screen, opens ``epidemic.vt``, draws the
epidemic's curve in a cell, and executes the exploration that is saved in the file with its points
on engines. What VisTrails' spreadsheet shows then is painted into ``docs/images/cells.png``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE / "examples")]

from make_screenshots import in_child, take_steps, write  # noqa: E402

EXAMPLE = f"{HERE / 'examples' / 'epidemic.vt'}:town"
MATPLOTLIB = "org.vistrails.vistrails.matplotlib"
SPREADSHEET = "org.vistrails.vistrails.spreadsheet"

#: The spreadsheet's size in pixels: three cells beside each other, two below.
SIZE = (1260, 680)


def main() -> None:
    """Make the picture; the example's own file of curves is thrown away with the folder."""
    in_child(Path(__file__))


def child() -> None:
    """Open the window and take the picture."""
    take_steps(take_picture, EXAMPLE)


def take_picture(window: Any) -> Iterator[None]:
    """Draw the curve in a cell, execute the exploration, paint the sheet."""
    from parallelflow.engine_manager import get_manager
    from parallelflow.gui.loop_choice import choose_all_loops
    from parallelflow.host import enable_packages

    enable_packages([MATPLOTLIB, SPREADSHEET])
    get_manager().configure(engines=2, private=True)
    get_manager().start_engines(2)
    window.qactions["pipeline"].trigger()
    yield
    controller = window.get_current_controller()
    exploration = with_cells(controller)
    controller.updatePipelineScene()
    yield
    choose_all_loops(True)
    scene = window.get_current_view().get_current_tab().scene()
    errors = controller.executeParameterExploration(exploration, scene)
    assert not errors, errors
    places = [
        note.value
        for execution in controller.log.workflow_execs
        for item in execution.item_execs
        for note in item.annotations
        if note.key == "parallelflow_engine"
    ]
    assert len(places) >= 6, f"the points were not computed on engines: {places}"
    yield from paint_sheet()
    controller.set_changed(False)


def with_cells(controller: Any) -> Any:
    """Draw what the module `epidemic` computes; return the file's exploration for the cells."""
    from make_digits_sweep import Builder
    from make_epidemic import add_exploration
    from vistrails.core.paramexplore.paramexplore import ParameterExploration

    build = Builder(controller)
    (epidemic,) = (
        module
        for module in controller.current_pipeline.module_list
        if module.name == "PythonSource" and any(p.name == "day" for p in module.port_spec_list)
    )
    plot = build.module("MplLinePlot", (300, 0), package=MATPLOTLIB)
    figure = build.module("MplFigure", (300, -100), package=MATPLOTLIB)
    cell = build.module("MplFigureCell", (300, -200), package=MATPLOTLIB)
    build.connect(epidemic, "curve", plot, "y")
    build.connect(plot, "value", figure, "addPlot")
    build.connect(figure, "figure", cell, "figure")
    add_exploration(controller, epidemic)
    saved = controller.vistrail.get_paramexps(controller.current_version)[0]
    return ParameterExploration(
        id=saved.id,
        action_id=saved.action_id,
        name=saved.name,
        dims=repr(saved.dims),
        layout=repr({("MplFigureCell", -1): (0, 0)}),
        functions=[function.do_copy() for function in saved.functions],
    )


def paint_sheet() -> Iterator[None]:
    """Paint the spreadsheet's newest sheet."""
    from vistrails.packages.spreadsheet.spreadsheet_controller import spreadsheetController

    spreadsheet = spreadsheetController.findSpreadsheetWindow(create=False)
    spreadsheet.resize(*SIZE)
    for _ in range(4):
        yield
    sheet = spreadsheet.tabController.tabWidgets[-1]
    write(sheet.grab().toImage(), "cells")


if __name__ == "__main__":
    child() if "--child" in sys.argv else main()
