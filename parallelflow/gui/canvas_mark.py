"""The mark of modules that run on engines: two arrowheads, one above the other, on the canvas."""

from __future__ import annotations

import contextlib
from typing import Any

from PyQt5 import sip
from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QPainter, QPen, QPolygonF

from parallelflow.loops.expected_place import OnEngines, expected_on_engines
from parallelflow.loops.patches import replaced_method

__all__ = ["CanvasMark", "mark_of", "mark_place", "repaint"]

WIDTH, HEIGHT = 7.0, 5.0
"""Of one arrowhead; a port is 10 wide and high."""

GAP = 1.0
"""Between the arrowheads."""

LEFT, BOTTOM = 6.0, 3.0
"""The mark's distance from the module's corner. VisTrails draws output ports from the right."""

OLD_VERSION = 10.0
"""What VisTrails' own sign takes there, of a SubWorkflow that has a newer version."""

TIPS = {
    OnEngines.ALWAYS: "Runs on engines",
    OnEngines.IF_WORTH_IT: "Its loop runs on engines if that is worth it",
}


class CanvasMark:
    """Draws the mark, and tells it in the module's tool tip, until it is closed."""

    def __init__(self) -> None:
        # What it imports makes pictures, which the window has to be there for.
        from vistrails.gui.pipeline_view import QGraphicsModuleItem

        self._stack = contextlib.ExitStack()
        paint, enter = QGraphicsModuleItem.paint, QGraphicsModuleItem.hoverEnterEvent

        def paint_with_mark(item: Any, painter: Any, option: Any, widget: Any = None) -> None:
            paint(item, painter, option, widget)
            _draw(item, painter)

        def enter_with_tip(item: Any, event: Any) -> None:
            _tell(item)
            enter(item, event)

        for name, method in (("paint", paint_with_mark), ("hoverEnterEvent", enter_with_tip)):
            self._stack.enter_context(replaced_method(QGraphicsModuleItem, name, method))
        repaint()

    def close(self) -> None:
        """Leave the canvas as VisTrails paints it."""
        self._stack.close()
        repaint()


def repaint() -> None:
    """Have every canvas painted anew, after something has changed that VisTrails does not know."""
    from PyQt5.QtWidgets import QApplication
    from vistrails.gui.pipeline_view import QPipelineView

    for widget in QApplication.allWidgets():
        if isinstance(widget, QPipelineView) and not sip.isdeleted(widget):
            widget.viewport().update()


def mark_of(item: Any) -> OnEngines | None:
    """Return whether a module on the canvas runs on engines.

    Parameters
    ----------
    item : QGraphicsModuleItem
        The module's picture.
    """
    module = item.module
    pipeline = getattr(item.scene(), "current_pipeline", None)
    if pipeline is not None:  # the picture is kept when other things of the module change
        module = pipeline.modules.get(item.id, module)
    return None if module is None else expected_on_engines(module)


def mark_place(item: Any) -> QRectF:
    """Return where a module's mark is, in the coordinates of its picture."""
    outline = item.paddedRect
    left = outline.left() + LEFT
    module = item.module
    if module.is_abstraction() and not module.is_latest_version():
        left += OLD_VERSION
    height = 2 * HEIGHT + GAP
    return QRectF(left, outline.bottom() - BOTTOM - height, WIDTH, height)


def _draw(item: Any, painter: QPainter) -> None:
    mark = mark_of(item)
    if mark is None:
        return
    place = mark_place(item)
    color = item.labelPen.color()  # readable wherever the module's name is
    painter.save()
    painter.setPen(QPen(color, 0.7))
    painter.setBrush(color if mark is OnEngines.ALWAYS else Qt.NoBrush)
    for top in (place.top(), place.top() + HEIGHT + GAP):
        corners = ((0.0, 0.0), (WIDTH, HEIGHT / 2), (0.0, HEIGHT))
        painter.drawPolygon(QPolygonF([QPointF(place.left() + x, top + y) for x, y in corners]))
    painter.restore()


def _tell(item: Any) -> None:
    """Put the mark's meaning into the tool tip, below what VisTrails says there."""
    mark = mark_of(item)
    lines = [line for line in item.toolTip().split("\n") if line not in TIPS.values()]
    wanted = "\n".join([*filter(None, lines), *([TIPS[mark]] if mark else [])])
    if wanted != item.toolTip():
        item.setToolTip(wanted)
