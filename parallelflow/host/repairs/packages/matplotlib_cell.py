"""Figures in cells of the spreadsheet, with current Matplotlib and PyQt5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..repair import copy_with_names


def show_figures_in_cells(cell: Any) -> None:
    """Mend the cell's toolbars and its picture; called with the package's ``figure_cell``."""
    toolbar = cell.MplNavigationToolbar
    matplotlib, gui, widgets = cell.matplotlib, cell.QtGui, cell.QtWidgets

    def init(self: Any, canvas: Any, parent: Any) -> None:
        widgets.QToolBar.__init__(self, parent)
        # It has no buttons of its own: those of the spreadsheet's toolbar call its methods.
        self._actions = {}
        self.canvas = canvas
        cell.NavigationToolbar2.__init__(self, canvas)

    def make_icon(file: str) -> Any:
        # Matplotlib has them as PNG only since 3.0.
        png = Path(file).with_suffix(".png")
        return gui.QIcon(str(png) if png.exists() else file)

    def grab(self: Any) -> Any:
        return self.canvas.grab()

    toolbar.__init__ = init
    cell.MplFigureCellWidget.grabWindowPixmap = grab
    cell.QtGui = copy_with_names(gui, QIcon=make_icon)
    cell.matplotlib = copy_with_names(
        matplotlib, rcParams={**matplotlib.rcParams, "datapath": matplotlib.get_data_path()}
    )
