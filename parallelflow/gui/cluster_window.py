"""Show information on the cluster: a window that may stay open beside the work.

It is one file, though a long one: the parts of one window, and what its buttons do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PyQt5.QtCore import QEvent, QSize, Qt, QTimer
from PyQt5.QtWidgets import (
    QAbstractItemView,
    QAction,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QMessageBox,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from parallelflow.engine_manager.model import Origin, State
from parallelflow.engine_manager.model.information import ClusterInfo, EngineInfo
from parallelflow.errors import EngineUnreachable, ParallelFlowError
from parallelflow.wording import count

from .cluster_manager import ClusterManager
from .engine_table import COLUMNS, EngineModel, EngineOrder
from .parts import Roomy, copy, label, sentence, text_of
from .runs_view import RunsView
from .scrolled_page import ScrolledPage, grow
from .tasks import Task
from .wording import controller_line, state_line

__all__ = ["ClusterWindow"]

REFRESH_MS = 1000
# A cluster that somebody else starts is found after this many refreshes.
CONNECT_EVERY = 5

# More engines do not fit a question on a small screen; the others are counted.
NAMED = 6

NO_ENGINES = "No engines."

FLAGS = (
    Qt.Dialog
    | Qt.CustomizeWindowHint
    | Qt.WindowTitleHint
    | Qt.WindowSystemMenuHint
    | Qt.WindowMinMaxButtonsHint
    | Qt.WindowCloseButtonHint
)

# Whose engines may be interrupted, and idle ones stopped, without a question.
OWN = (Origin.THIS_SESSION, Origin.DETACHED)


class ClusterWindow(QWidget):
    """Shows what is known of the cluster, each second anew while it can be seen.

    Parameters
    ----------
    manager : EngineManager
        Whose cluster.
    entries : sequence of QAction
        The menu's other entries, offered here too: VisTrails' own window takes no clicks
        while a workflow runs.

    Attributes
    ----------
    info : ClusterInfo or None
        What is shown.
    """

    def __init__(self, manager: ClusterManager, entries: Sequence[QAction] = ()) -> None:
        # Without a parent: VisTrails' progress dialog, modal to the main window, would
        # block this one as well. Of the type Dialog, as desktops keep those before the windows
        # of their program, also without a parent.
        super().__init__(None, FLAGS)
        self._manager = manager
        self._task: Task | None = None
        self._round = 0
        self._trouble = ""
        self._doing = ""
        self.info: ClusterInfo | None = None
        self.setWindowTitle("Cluster - Parallel Flow")
        self._build(entries)
        self.resize(QSize(900, 400))
        self.timer = QTimer(self)
        self.timer.setInterval(REFRESH_MS)
        self.timer.timeout.connect(self.refresh)

    # -- its parts ----------------------------------------------------------------------------

    def _build(self, entries: Sequence[QAction]) -> None:
        rows = QVBoxLayout(self)
        self._page = page = ScrolledPage()
        column = page.column
        self.state = label("Looking for the cluster ...", bold=True)
        self.controller = label()
        self.warnings = label()
        self.runs = RunsView()
        column.addWidget(self.state)
        column.addWidget(self.controller)
        column.addWidget(self.warnings)
        column.addWidget(self._table(), 1)
        column.addWidget(self.runs)
        self.said = label()
        self.said.hide()
        column.addWidget(self.said)
        rows.addWidget(page, 1)
        rows.addLayout(self._buttons(entries))
        page.changed.connect(self._grow)

    def _grow(self) -> None:
        grow(self, self._page)

    def _table(self) -> QTableView:
        self.model = EngineModel()
        self.order = EngineOrder()
        self.order.setSourceModel(self.model)
        table = self.table = QTableView()
        table.setModel(self.order)
        table.setSortingEnabled(True)
        table.sortByColumn(0, Qt.AscendingOrder)
        table.setSelectionBehavior(QAbstractItemView.SelectRows)
        table.setSelectionMode(QAbstractItemView.ExtendedSelection)
        table.setAlternatingRowColors(True)
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.setWordWrap(False)
        table.setItemDelegate(Roomy(table))
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().lineSpacing() + 6)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeToContents)
        table.horizontalHeader().setHighlightSections(False)
        table.setMinimumHeight(table.fontMetrics().lineSpacing() * 6)
        for number, about in enumerate(COLUMNS):
            table.setColumnHidden(number, bool(about.version))
        table.selectionModel().selectionChanged.connect(lambda *_: self._enable())
        self.empty = QLabel(NO_ENGINES, table)
        self.empty.setAlignment(Qt.AlignCenter)
        self.empty.setAttribute(Qt.WA_TransparentForMouseEvents)
        inside = QVBoxLayout(table.viewport())
        inside.addWidget(self.empty)
        return table

    def _buttons(self, entries: Sequence[QAction]) -> QHBoxLayout:
        row = QHBoxLayout()
        self.stop_button = QPushButton("&Stop this engine")
        self.interrupt_button = QPushButton("&Interrupt")
        self.copy_button = QPushButton("&Copy as text")
        self.more_button = QPushButton("&More")
        self.stop_button.setToolTip("End the selected engines, whatever they do")
        self.interrupt_button.setToolTip(
            "Interrupt what the selected engines work at, as Ctrl-C does; they live on"
        )
        self.copy_button.setToolTip("Copy all that is shown here, as text")
        self.more_button.setToolTip("The other entries of Packages / Parallel Flow")
        self.stop_button.clicked.connect(self._stop)
        self.interrupt_button.clicked.connect(self._interrupt)
        self.copy_button.clicked.connect(self._copy)
        menu = QMenu(self.more_button)
        menu.addActions(list(entries))
        self.addActions(list(entries))  # for their keys
        menu.setToolTipsVisible(True)
        self.more_button.setMenu(menu)
        self.more_button.setVisible(bool(entries))
        close = QPushButton("C&lose")
        close.clicked.connect(self.close)
        for button in (self.stop_button, self.interrupt_button):
            row.addWidget(button)
        row.addStretch()
        for last in (self.copy_button, self.more_button, close):
            row.addWidget(last)
        self._enable()
        return row

    # -- refreshing ---------------------------------------------------------------------------

    def refresh(self) -> None:
        """Ask anew, in a thread, unless the last answer is still awaited."""
        if self._task is not None:
            return
        look = self._round % CONNECT_EVERY == 0
        self._round += 1
        self._task = task = Task(lambda task: self._gather(task, look))
        task.told.connect(self._note_trouble)
        task.done.connect(self.show_info)
        task.failed.connect(self._fail)
        task.start()

    def _gather(self, task: Task, look: bool) -> ClusterInfo:
        """Gather what is known; in a thread."""
        if look and self._manager.state in (State.NO_CLUSTER, State.LOST):
            try:
                self._manager.connect()
                task.tell("")
            except ParallelFlowError as e:
                task.tell(sentence(str(e)))
        info: ClusterInfo = self._manager.info()
        return info

    def _note_trouble(self, trouble: str) -> None:
        self._trouble = trouble

    def _fail(self, error: Exception) -> None:
        self._task = None
        self.state.setText(f"What runs could not be found out: {error}")

    def show_info(self, info: ClusterInfo) -> None:
        """Show what is known."""
        self._task = None
        self.info = info
        _set(self.state, state_line(info))
        _set(self.controller, controller_line(info.controller) if info.controller else "")
        _set(self.warnings, "\n".join(filter(None, [self._trouble, *info.warnings])))
        if self.model.update(info):
            # By itself a table follows new rows only, not what is known of an engine later.
            self.table.resizeColumnsToContents()
        differing = info.differing()
        for number, about in enumerate(COLUMNS):
            if about.version:
                self.table.setColumnHidden(number, about.version not in differing)
        self.empty.setVisible(not info.engines)
        self.runs.show_runs(info.runs)
        self._enable()

    def showEvent(self, event: Any) -> None:
        """Begin to refresh."""
        super().showEvent(event)
        self._round = 0
        self.refresh()
        self.timer.start()

    def hideEvent(self, event: Any) -> None:
        """Stop refreshing: closed or hidden, it costs nothing."""
        super().hideEvent(event)
        self.timer.stop()

    def changeEvent(self, event: Any) -> None:
        """Stop refreshing while minimized."""
        super().changeEvent(event)
        if event.type() == QEvent.WindowStateChange:
            if self.isMinimized():
                self.timer.stop()
            elif self.isVisible():
                self.timer.start()

    def keyPressEvent(self, event: Any) -> None:
        """Close on Escape."""
        if event.key() == Qt.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    # -- doing --------------------------------------------------------------------------------

    def selected(self) -> list[EngineInfo]:
        """Return the selected engines."""
        rows = self.table.selectionModel().selectedRows()
        found = (self.order.engine_at(index) for index in rows)
        return [engine for engine in found if engine is not None]

    def _enable(self) -> None:
        chosen = self.selected() if self.table.selectionModel() is not None else []
        self.stop_button.setEnabled(bool(chosen) and not self._doing)
        self.interrupt_button.setEnabled(bool(chosen) and not self._doing)
        self.stop_button.setText("&Stop these engines" if len(chosen) > 1 else "&Stop this engine")
        self.copy_button.setEnabled(self.info is not None)

    def _copy(self) -> None:
        if self.info is not None:
            copy(self.info.to_text())

    def _stop(self) -> None:
        chosen = self.selected()
        why = _why_not(chosen)
        again = "Stop it all the same?" if len(chosen) == 1 else "Stop them?"
        self._do_if_agreed("&Stop", why, again, "Stopping", chosen, self._manager.stop_engine)

    def _interrupt(self) -> None:
        chosen = self.selected()
        # What this session's own engines work at is what the button is for.
        why = _why_not([e for e in chosen if e.origin not in OWN and e.busy])
        again = "Interrupt what may be somebody else's work?"
        action = self._manager.interrupt_engine
        self._do_if_agreed("&Interrupt", why, again, "Interrupting", chosen, action)

    def _do_if_agreed(
        self,
        word: str,
        why_not: str,
        question: str,
        doing: str,
        chosen: list[EngineInfo],
        action: Any,
    ) -> None:
        if not why_not:
            self._do(doing, chosen, action)
            return
        text = f"{why_not}\n\n{question}"
        title = f"{word.strip('&')} engines"
        box = QMessageBox(QMessageBox.Question, title, text, parent=self)
        agree = box.addButton(word, QMessageBox.DestructiveRole)
        box.setDefaultButton(box.addButton(QMessageBox.Cancel))
        box.setTextFormat(Qt.PlainText)  # hosts name themselves
        box.setAttribute(Qt.WA_DeleteOnClose)
        agree.clicked.connect(lambda: self._do(doing, chosen, action))
        box.open()

    def _do(self, doing: str, engines: list[EngineInfo], action: Any) -> None:
        manager = self._manager

        def work(task: Task) -> None:
            # The question may have stood for long: another cluster has engines of the same ids.
            now = {engine.id: (engine.pid, engine.host) for engine in manager.info().engines}
            troubles = []
            for engine in engines:
                try:
                    if now.get(engine.id) != (engine.pid, engine.host):
                        raise EngineUnreachable(
                            f"There is no engine {engine.id} in the cluster any more."
                        )
                    action(engine.id)
                except ParallelFlowError as e:
                    troubles.append(e)
            if len(troubles) == 1:
                raise troubles[0]
            if troubles:
                raise EngineUnreachable(" ".join(map(text_of, troubles)))

        self._doing = f"{doing} {', '.join(f'engine {engine.id}' for engine in engines)} ..."
        self._say(self._doing)
        task = Task(work)
        # Methods, which Qt disconnects when the window goes; it would call a lambda.
        task.done.connect(self._succeeded)
        task.failed.connect(self._failed)
        task.start()
        self._enable()

    def _succeeded(self, result: object) -> None:
        self._did("")

    def _failed(self, error: Exception) -> None:
        self._did(text_of(error))

    def _did(self, trouble: str) -> None:
        self._doing = ""
        self._say(trouble)
        self._enable()
        if self.isVisible():
            self.refresh()

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))
        if text:
            QTimer.singleShot(0, self._scroll_to_said)

    def _scroll_to_said(self) -> None:
        self._page.scroll_to(self.said)


def _why_not(engines: Sequence[EngineInfo]) -> str:
    """Return what speaks against ending the work of engines, empty if nothing does."""
    busy = [e for e in engines if e.busy]
    foreign = [e for e in engines if e.origin not in OWN]
    if not busy and not foreign:
        return ""
    lines = []
    for engine in engines[:NAMED]:
        about = ["it is working at a task"] if engine in busy else []
        if engine in foreign:
            about.append(engine.origin.value if engine.origin else "it is not known who started it")
        what = f": {', '.join(about)}" if about else ""
        lines.append(f"Engine {engine.id} on {engine.host or 'an unknown host'}{what}.")
    others = len(engines) - NAMED
    if others > 0:
        lines.append(f"And {count(others, 'other engine')}.")
    return "\n".join(lines)


def _set(widget: QLabel, text: str) -> None:
    """Set a text; a label without one takes no room."""
    if widget.text() != text:
        widget.setText(text)
    widget.setVisible(bool(text))
