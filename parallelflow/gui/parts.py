"""Parts that several dialogs have: texts, an error with its log, a plain dialog."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtGui import (
    QFont,
    QFontDatabase,
    QFontInfo,
    QGuiApplication,
    QShowEvent,
    QTextCursor,
    QTextOption,
)
from PyQt5.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from parallelflow.errors import ClusterError

from .scrolled_page import LARGEST, Column, ScrolledPage, grow

__all__ = [
    "Busy",
    "ErrorPanel",
    "LogDialog",
    "PlainDialog",
    "Roomy",
    "code",
    "copy",
    "icon_label",
    "label",
    "numbers",
    "plain",
    "sentence",
    "table",
    "text_of",
    "tip",
]

# Lines of an error's text or a log that are shown without scrolling.
FEW_LINES = 6
# What a tool tip holds, in characters, and a line of it: Qt wraps HTML only.
MOST_IN_TIP, WIDTH = 2500, 100
# Between a "<" and a tag's name, so that it is none.
NO_SPACE = "\u200b"


def label(text: str = "", bold: bool = False) -> QLabel:
    """Return a text that wraps and can be selected and copied."""
    made = QLabel(text)
    made.setTextFormat(Qt.PlainText)
    made.setWordWrap(True)
    made.setTextInteractionFlags(Qt.TextSelectableByMouse)
    made.setAlignment(Qt.AlignLeft | Qt.AlignTop)
    made.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Minimum)
    font = made.font()
    font.setBold(bold)
    made.setFont(font)
    return made


def icon_label(kind: QStyle.StandardPixmap, widget: QWidget) -> QLabel:
    """Return one of the style's own pictures (which fit a light and a dark palette)."""
    made = QLabel()
    size = widget.style().pixelMetric(QStyle.PM_LargeIconSize)
    made.setPixmap(widget.style().standardIcon(kind).pixmap(size, size))
    made.setAlignment(Qt.AlignTop)
    return made


def code(text: str = "", lines: int = FEW_LINES) -> QPlainTextEdit:
    """Return commands or a log: in a font of fixed width, to be copied from as they are.

    Long lines go on in the next one: of a log they end in what matters most.
    """
    made = QPlainTextEdit(text)
    made.setReadOnly(True)
    made.setWordWrapMode(QTextOption.WrapAtWordBoundaryOrAnywhere)
    made.setTabChangesFocus(True)
    font = QFontDatabase.systemFont(QFontDatabase.FixedFont)
    if not QFontInfo(font).fixedPitch():  # where there is no desktop that names one
        font = QFont("monospace", made.font().pointSize())
        font.setStyleHint(QFont.TypeWriter)
    made.setFont(font)
    height = made.fontMetrics().lineSpacing() * (lines + 1) + 16
    made.setMinimumHeight(height)
    made.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
    return made


def show_end(shown: QPlainTextEdit) -> None:
    """Scroll to the beginning of the last line."""
    shown.moveCursor(QTextCursor.End)
    shown.moveCursor(QTextCursor.StartOfBlock)


def plain(text: str) -> str:
    """Return a text that Qt takes for a plain one, also where somebody's value looks like HTML."""
    if not Qt.mightBeRichText(text):
        return text
    return text.replace("<", f"<{NO_SPACE}").replace("&lt;", f"&{NO_SPACE}lt;")


def tip(text: str) -> str:
    """Return what somebody's value or error is in a tool tip: wrapped, and no longer than one."""
    lines = [part for line in text[:MOST_IN_TIP].splitlines() for part in wrap(line, WIDTH) or [""]]
    if len(text) > MOST_IN_TIP:
        lines.append("...")
    return plain("\n".join(lines))


def copy(text: str) -> None:
    """Put a text into the clipboard."""
    clipboard = QGuiApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)


class Roomy(QStyledItemDelegate):
    """Leaves some room beside the texts of a table, which a right-aligned number needs."""

    def displayText(self, value: object, locale: object) -> str:
        """Return the text with an en space on both sides."""
        text: str = super().displayText(value, locale)
        return f"\u2002{text}\u2002"


def table(titles: Sequence[str], lines: int = 6) -> QTreeWidget:
    """Return a table of texts, its columns as wide as they have to be."""
    made = QTreeWidget()
    made.setHeaderLabels(titles)
    made.setRootIsDecorated(False)
    made.setUniformRowHeights(True)
    made.setAllColumnsShowFocus(True)
    made.setItemDelegate(Roomy(made))
    made.header().setSectionResizeMode(QHeaderView.ResizeToContents)
    made.header().setStretchLastSection(False)  # else the last one is cut where it is not stretched
    made.setMinimumHeight(made.fontMetrics().lineSpacing() * (lines + 1))
    return made


def numbers(item: QTreeWidgetItem, *columns: int) -> None:
    """Align numbers to the right."""
    for column in columns:
        item.setTextAlignment(column, int(Qt.AlignRight | Qt.AlignVCenter))


class Busy(QProgressBar):
    """A bar that moves while something is waited for; its text says what."""

    def __init__(self) -> None:
        super().__init__()
        self.setRange(0, 0)
        self.setTextVisible(False)
        self.setMaximumHeight(6)
        # The place stays, so that nothing jumps.
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)
        self.hide()


class PlainDialog(QDialog):
    """A dialog of ours: it goes when it is closed and fits a small screen, whatever it shows.

    Parameters
    ----------
    title : str
        Its window's title.
    parent : QWidget, optional
        The window that it belongs to.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WA_DeleteOnClose)
        self.setWindowFlag(Qt.WindowContextHelpButtonHint, False)
        self.setWindowTitle(title)
        self.page = ScrolledPage()
        self.column = self.page.column
        self._rows = QVBoxLayout(self)
        self._rows.addWidget(self.page, 1)
        self.page.changed.connect(self._grow)

    def add_buttons(self, box: QDialogButtonBox) -> None:
        """Put the buttons below the page, where they stay in sight."""
        self._rows.addWidget(box)

    def showEvent(self, event: QShowEvent) -> None:
        """Let Tab reach each button: Qt does not go past a box whose first one is not there."""
        super().showEvent(event)
        self._grow()
        for box in self.findChildren(QDialogButtonBox):
            box.setFocusProxy(None)

    def _grow(self) -> None:
        grow(self, self.page)

    def refit(self) -> None:
        """Grow to what the parts would like, within bounds, once it is known."""
        QTimer.singleShot(0, self._refit)

    def _refit(self) -> None:
        grow(self, self.page, roomy=True)


class LogDialog(PlainDialog):
    """A whole log, to be read and copied.

    Parameters
    ----------
    text : str
        The log.
    parent : QWidget
        The dialog that it is opened from.
    """

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__("The whole log", parent)
        self.text = code(text, lines=20)
        self.column.addWidget(self.text)
        buttons = QDialogButtonBox(QDialogButtonBox.Close)
        buttons.rejected.connect(self.reject)
        self.copy_button = buttons.addButton("&Copy", QDialogButtonBox.ActionRole)
        self.copy_button.clicked.connect(lambda: copy(text))
        self.add_buttons(buttons)
        self.resize(LARGEST)
        show_end(self.text)


class ErrorPanel(QWidget):
    """An error: what happened, the last lines of the log, and buttons to have it whole."""

    def __init__(self) -> None:
        super().__init__()
        self.message = label()
        self.tail = code(lines=3)
        self.read_button = QPushButton("&Read the whole log...")
        self.copy_button = QPushButton("C&opy it")
        for button in (self.read_button, self.copy_button):
            button.setAutoDefault(False)
        self._log = ""
        row = QHBoxLayout()
        row.addWidget(icon_label(QStyle.SP_MessageBoxWarning, self))
        row.addWidget(self.message, 1)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self.read_button)
        buttons.addWidget(self.copy_button)
        column = Column(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.tail, 1)
        column.addLayout(buttons)
        self.read_button.clicked.connect(self._read)
        self.copy_button.clicked.connect(lambda: copy(self._log))
        self.hide()

    def show_error(self, error: Exception) -> None:
        """Show an error; its log only if it has one."""
        self._log = error.log if isinstance(error, ClusterError) else ""
        self.message.setText(text_of(error))
        self.tail.setPlainText(error.log_excerpt if isinstance(error, ClusterError) else "")
        show_end(self.tail)
        for part in (self.tail, self.read_button, self.copy_button):
            part.setVisible(bool(self._log))
        self.show()
        # Once the parts have their places: of a long page the error is what is to be read.
        QTimer.singleShot(0, self._come_into_sight)

    def _come_into_sight(self) -> None:
        parent = self.parentWidget()
        while parent is not None and not isinstance(parent, ScrolledPage):
            parent = parent.parentWidget()
        if parent is not None and self.isVisible():
            parent.scroll_to(self)

    def _read(self) -> None:
        LogDialog(self._log, self.window()).open()


def sentence(text: str) -> str:
    """Return a text with a capital at its beginning: at the terminal a name goes before it."""
    return text[:1].upper() + text[1:]


def text_of(error: Exception) -> str:
    """Return an error's text without its log, and where to read more.

    Of one that was not foreseen its type is told as well. It begins as a sentence does.
    """
    from parallelflow.errors import ParallelFlowError

    if isinstance(error, ParallelFlowError):
        text = error.message if isinstance(error, ClusterError) else str(error)
        return sentence(f"{text}\n{error.more}".strip())
    return f"{type(error).__name__}: {error}"
