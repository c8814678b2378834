"""A page that grows with what it shows, and is scrolled where a small screen has no room for it.

Texts that others write (a path, what a program said, the names of hosts) have no bound, and a
window that is higher than the screen has its buttons where nobody can press them.
"""

from __future__ import annotations

from PyQt5.QtCore import QEvent, QObject, QPoint, QSize, Qt, pyqtSignal
from PyQt5.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

__all__ = ["LARGEST", "Column", "ScrolledPage", "grow"]

# A dialog fits a screen of 1024 x 600, with room for the window's frame and a panel.
LARGEST = QSize(960, 520)


class Column(QVBoxLayout):
    """A column in a page, in a widget of its own, that is content with the least height.

    Qt asks a widget inside of a layout only how high it would like to be.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._asked = False

    def heightForWidth(self, width: int) -> int:
        """Return the least height."""
        if self._asked:  # by Qt, on the way to the least height
            return super().heightForWidth(width)
        self._asked = True
        try:
            return self.minimumHeightForWidth(width)
        finally:
            self._asked = False


class _Page(QWidget):
    def minimumSizeHint(self) -> QSize:
        """Return no height if Qt asks for the one for its width as well, which holds."""
        size = super().minimumSizeHint()
        return QSize(size.width(), 0) if self.hasHeightForWidth() else size


class ScrolledPage(QScrollArea):
    """The parts of a window above its buttons.

    Attributes
    ----------
    column : QVBoxLayout
        The parts.
    changed : signal
        A part wants another size, is shown or hidden.
    """

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._telling = False
        self.setFrameShape(QFrame.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.NoFocus)
        # Only where there is something to scroll it is one more stop of the Tab key.
        self.verticalScrollBar().rangeChanged.connect(self._set_focus_policy)
        page = _Page()
        self.column = Column(page)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.setWidget(page)

    def _set_focus_policy(self, least: int, most: int) -> None:
        self.setFocusPolicy(Qt.TabFocus if most > least else Qt.NoFocus)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notice that a part has changed; Qt installs the filter for its own needs."""
        requested = watched is self.widget() and event.type() == QEvent.LayoutRequest
        if requested and not self._telling:  # who is told resizes the window, and with it the page
            self._telling = True
            try:
                self.changed.emit()
            finally:
                self._telling = False
        return super().eventFilter(watched, event)

    def scroll_to(self, part: QWidget) -> None:
        """Scroll to the begin of a part."""
        grow(self.window(), self)
        self.verticalScrollBar().setValue(part.mapTo(self.widget(), QPoint(0, 0)).y())

    def wanted(self, width: int, roomy: bool) -> QSize:
        """Return the size that the parts want.

        Parameters
        ----------
        width : int
            The width that there is, pixels.
        roomy : bool
            Whether tables and logs are to have the room that they would like.
        """
        self.column.activate()
        least = self.column.minimumSize()
        width, height = max(width, least.width()), least.height()
        if self.column.hasHeightForWidth():
            # Qt takes a scroll bar away only where all fits beside it.
            beside = width - self.verticalScrollBar().sizeHint().width()
            height = self.column.minimumHeightForWidth(max(beside, least.width()))
        if roomy:
            height = max(height, self.column.sizeHint().height())
            width = max(width, self.column.sizeHint().width())
        return QSize(width, height)


def grow(window: QWidget, page: ScrolledPage, roomy: bool = False) -> None:
    """Let a window grow to what its page wants; it stays as it is where that is less.

    What would be too high is made as wide as may be first, and scrolled if that is not enough.
    """
    layout = window.layout()
    layout.activate()
    beside = window.size() - page.size()
    width, room = page.width(), LARGEST - beside
    if page.wanted(width, roomy=False).height() > room.height():
        width = max(width, room.width())
    size = page.wanted(width, roomy)
    window.resize((size + beside).boundedTo(LARGEST).expandedTo(window.size()))
