"""The panel Runs: a run's elements, when each engine worked, its results, what happened.

It is one file, though a long one: the parts of one panel, and what its buttons do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QModelIndex, Qt, QTimer
from PyQt5.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTableView,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from parallelflow.progress import Progress, RunState, recent
from parallelflow.runs.report import About, write_report
from parallelflow.runs.table import ElementState
from parallelflow.runs.trace_file import write_trace
from parallelflow.trace import Place

from . import past_runs
from .element_dialog import ElementDialog
from .parts import Roomy, code, copy, label, table, tip
from .run_model import MOST_SEARCHED, RunModel
from .run_texts import events_of, numbers_of, results_of, without_middle
from .timeline import Timeline
from .wording import run_line

__all__ = ["RunsPanel"]

#: Often enough to see a run move, seldom enough to cost it nothing.
REFRESH_MS = 400


class RunsPanel(QWidget):
    """Shows the latest runs of this session, one at a time.

    Parameters
    ----------
    cancel : callable
        Cancels the workflow that is being executed.
    run_failed : callable
        Executes the workflow again: what has failed, and what was not reached.
    run_all : callable
        Called with a `Place`: executes the workflow again with all elements of the loop there.
    go_to : callable
        Called with a `Place`: shows the module there; returns whether it could be found.
    about : callable
        Called with a run: returns what its report tells of the workflow.
    """

    def __init__(
        self,
        cancel: Callable[[], object],
        run_failed: Callable[[], object],
        run_all: Callable[[Place], object],
        go_to: Callable[[Place], bool],
        about: Callable[[Progress], About] = lambda run: About(run.label),
    ) -> None:
        super().__init__()
        self._about = about
        self._go_to = go_to
        self._run_all = run_all
        self.run: Progress | None = None
        self._shown_text = ""
        self._past_stamp: object = ""
        self.setWindowTitle("Runs - Parallel Flow")
        self.model = RunModel()
        self.timer = QTimer(self)
        self.timer.setInterval(REFRESH_MS)
        self.timer.timeout.connect(self.refresh)
        self._build(cancel, run_failed)
        self.choose_latest()

    # -- its parts --------------------------------------------------------------------------

    def _build(self, cancel: Callable[[], object], run_failed: Callable[[], object]) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(4)
        self.runs = QComboBox()
        self.runs.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self.runs.setMinimumContentsLength(18)
        self.runs.setToolTip("The runs of this session, the latest first")
        self.runs.activated.connect(lambda number: self.show_run(self.runs.itemData(number)))
        self.bar = QProgressBar()
        self.bar.setMaximumHeight(12)
        self.bar.setTextVisible(False)
        self.line = label()
        self.cancel_button = QPushButton("&Cancel")
        self.cancel_button.setToolTip("Cancel the workflow that is being executed")
        self.cancel_button.clicked.connect(cancel)
        self.again_button = QPushButton("Run a&gain")
        self.again_button.setToolTip("Execute the workflow of this run again")
        again = QMenu(self)
        again.setToolTipsVisible(True)
        self.failed_action = again.addAction("Run &failed elements again")
        self.failed_action.setToolTip("Compute what has failed, and what was not reached")
        self.failed_action.triggered.connect(lambda: run_failed())
        self.all_action = again.addAction("Run &all elements again")
        self.all_action.setToolTip("Compute all elements, also those whose values are known")
        self.all_action.triggered.connect(self._run_all_again)
        self.again_button.setMenu(again)
        top = QHBoxLayout()
        top.addWidget(self.runs)
        top.addWidget(self.line, 1)
        top.addWidget(self.cancel_button)
        top.addWidget(self.again_button)
        column.addLayout(top)
        column.addWidget(self.bar)
        self.tabs = QTabWidget()
        self.tabs.addTab(self._elements(), "E&lements")
        self.tabs.addTab(self._timeline(), "&Timeline")
        self.results = code(lines=3)
        self.tabs.addTab(self.results, "&Results")
        self.events = code(lines=3)
        self.tabs.addTab(self.events, "E&vents")
        self.past = table(past_runs.TITLES, lines=3)
        self.tabs.addTab(self.past, "&History")
        self.tabs.currentChanged.connect(lambda _: self._turn_page())
        column.addWidget(self.tabs, 1)

    def _elements(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 4, 0, 0)
        self.states = QComboBox()
        self.states.addItem("All elements", None)
        for state in ElementState:
            self.states.addItem(state.value.capitalize(), state)
        self.text = QLineEdit()
        self.text.setPlaceholderText("Find: index or words")
        self.text.setToolTip("An index, or words of the input or the error; then Return")
        self.text.setClearButtonEnabled(True)
        self.states.activated.connect(lambda _: self._filter())
        self.text.returnPressed.connect(self._filter)
        self.text.textChanged.connect(self._clear)
        self.copy_button = QPushButton("C&opy")
        self.copy_button.setToolTip("Copy the rows that are shown")
        self.copy_button.clicked.connect(self._copy)
        self.module_button = QPushButton("&Go to module")
        self.module_button.clicked.connect(self.go_to_module)
        self.report_button = QPushButton("&Save report...")
        self.report_button.clicked.connect(lambda: self._save("report"))
        self.table_button = QPushButton("Save ta&ble...")
        self.table_button.clicked.connect(lambda: self._save("table"))
        row = QHBoxLayout()
        buttons = (self.copy_button, self.module_button, self.report_button, self.table_button)
        for part in (self.states, self.text, *buttons):
            row.addWidget(part)
        self.view = view = QTableView()
        view.setModel(self.model)
        view.setSortingEnabled(True)
        view.sortByColumn(0, Qt.AscendingOrder)
        view.setSelectionBehavior(QAbstractItemView.SelectRows)
        view.setAlternatingRowColors(True)
        view.setShowGrid(False)
        view.setTabKeyNavigation(False)
        view.setWordWrap(False)
        view.setItemDelegate(Roomy(view))
        view.verticalHeader().hide()
        view.verticalHeader().setSectionResizeMode(QHeaderView.Fixed)
        view.verticalHeader().setDefaultSectionSize(view.fontMetrics().lineSpacing() + 6)
        # Not to the contents: that would ask for many rows each time.
        widths = (7, 18, 16, 8, 10, 10, 12, 14, 9)
        for number, width in enumerate(widths):
            view.setColumnWidth(number, width * view.fontMetrics().averageCharWidth())
        view.horizontalHeader().setStretchLastSection(True)
        view.horizontalHeader().setHighlightSections(False)
        view.setMinimumHeight(view.fontMetrics().lineSpacing() * 3)
        view.activated.connect(self.show_element)
        view.doubleClicked.connect(self.show_element)
        column.addLayout(row)
        column.addWidget(view, 1)
        return page

    def _timeline(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 4, 0, 0)
        self.numbers = label()
        self.timeline = Timeline()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(self.timeline)
        column.addWidget(self.numbers)
        column.addWidget(area, 1)
        return page

    # -- what is shown ------------------------------------------------------------------------

    def choose_latest(self) -> None:
        """Show the latest run."""
        runs = recent()
        self.show_run(runs[-1] if runs else None)

    def show_run(self, run: Progress | None) -> None:
        """Show a run, None for none."""
        self.run = run
        self._shown_text = ""
        self.model.show_run(run)
        self._list_runs()
        self.refresh()

    def show_failure(self) -> None:
        """Show the first failed element of the run that is shown."""
        if self.run is None or not self.run.trace.failures:
            return
        self.tabs.setCurrentIndex(0)
        place = self.model.place(min(self.run.trace.failures))
        if place is not None:
            self.view.selectRow(place)
            self.view.scrollTo(self.model.index(place, 0), QAbstractItemView.PositionAtCenter)

    def _list_runs(self) -> None:
        self.runs.clear()
        for run in reversed(recent()):
            began = time.strftime("%H:%M:%S", time.localtime(run.trace.began))
            self.runs.addItem(f"{run.label}, {began}", run)
            if run is self.run:
                self.runs.setCurrentIndex(self.runs.count() - 1)
        self.runs.setEnabled(self.runs.count() > 0)

    def refresh(self) -> None:
        """Show what has come back since."""
        run, runs = self.run, recent()
        if runs and self.runs.itemData(0) is not runs[-1]:
            follow = run is None or run.state.is_finished
            self.show_run(runs[-1] if follow else run)
            return
        over = run is None or run.state.is_finished
        self.cancel_button.setEnabled(not over)
        again = run is not None and over and run.trace.place is not None
        unfinished = (RunState.FAILED, RunState.CANCELLED)
        failed = run is not None and (run.state in unfinished or bool(run.trace.failures))
        self.again_button.setEnabled(again)
        self.failed_action.setEnabled(again and failed)
        for button in (self.report_button, self.table_button, self.copy_button):
            button.setEnabled(run is not None)
        self.module_button.setEnabled(run is not None and run.trace.place is not None)
        if run is None:
            self.line.setText("No run yet: execute a workflow with a Map.")
        else:
            snapshot = run.snapshot()
            text = run_line(snapshot)
            if snapshot.state is RunState.CANCELLED:
                text += "; executing the workflow again goes on"
            text += self.model.first_failure()
            if self.model.searched_failed:
                text += "; of so many elements, words are looked for in failed ones only"
            if text != self._shown_text:  # what has been said since stays until there is news
                self._shown_text = text
                self._say(text)
            self.bar.setRange(0, max(snapshot.total, 1))
            self.bar.setValue(snapshot.done + snapshot.failed)
        self.model.refresh()
        self._show_tab(run)
        if over and not any(not other.state.is_finished for other in runs):
            self.timer.setInterval(3 * REFRESH_MS)
        else:
            self.timer.setInterval(REFRESH_MS)

    def _turn_page(self) -> None:
        self._past_stamp = ""  # runs without a terminal are no part of the file
        self.refresh()

    def _show_tab(self, run: Progress | None) -> None:
        tab = self.tabs.currentIndex()
        if tab == 1:
            self.timeline.show_run(run)
            self.numbers.setText("" if run is None else numbers_of(run))
        elif tab == 2:
            self._show_text(self.results, results_of(self.model.table))
        elif tab == 3:
            self._show_text(self.events, events_of(run))
        elif tab == 4 and self._past_stamp != (stamp := past_runs.stamp()):
            self._past_stamp = stamp
            past_runs.fill(self.past)

    @staticmethod
    def _show_text(place: QPlainTextEdit, text: str) -> None:
        if place.toPlainText() != text:  # it would be scrolled to its begin, and forget a selection
            place.setPlainText(text)

    def _clear(self, text: str) -> None:
        if not text:
            self._filter()

    def _filter(self) -> None:
        self.model.filter(self.states.currentData(), self.text.text())
        self.refresh()

    # -- what is done -------------------------------------------------------------------------

    def show_element(self, index: QModelIndex) -> None:
        """Show an element whole."""
        run = self.run
        if run is None or self.model.table is None or self.window().findChild(ElementDialog):
            return  # activated and double-clicked are both told of one click
        go = self.go_to_module if run.trace.place is not None else None
        ElementDialog(self.model.table, self.model.element(index.row()), go, self.window()).open()

    def go_to_module(self) -> None:
        """Show the module that runs for each element, in the workflow."""
        place = self.run.trace.place if self.run is not None else None
        if place is not None and not self._go_to(place):
            self._say("The workflow of this run is not open any more.")

    def _run_all_again(self) -> None:
        place = self.run.trace.place if self.run is not None else None
        if place is not None:
            self._run_all(place)

    def _copy(self) -> None:
        copy(self.model.as_text())
        if self.model.rowCount() > MOST_SEARCHED:
            self._say(f"The first {MOST_SEARCHED} rows were copied; 'Save table' writes all.")

    def _save(self, kind: str) -> None:
        if self.run is None:
            return
        suffix, files = {"report": ("html", "Web pages"), "table": ("csv", "Tables")}[kind]
        asked = QFileDialog(self, f"Save {kind}", "", f"{files} (*.{suffix})")
        asked.setAcceptMode(QFileDialog.AcceptSave)
        asked.setDefaultSuffix(suffix)  # of a name that is typed without one
        asked.selectFile(f"run.{suffix}")
        if asked.exec_() and self.run is not None:
            self.save(kind, Path(asked.selectedFiles()[0]))
        asked.deleteLater()

    def save(self, kind: str, path: Path) -> None:
        """Write the report or the table of the run that is shown; say what came of it."""
        assert self.run is not None
        QApplication.setOverrideCursor(Qt.WaitCursor)  # the table of a million rows takes seconds
        try:
            if kind == "report":
                write_report(path, self._about(self.run), [self.run])
            else:
                write_trace(path, [self.run])
        except OSError as e:
            self._say(f"'{path}' could not be written: {e.strerror or e}.")
        else:
            self._say(f"'{path}' was written.")
        finally:
            QApplication.restoreOverrideCursor()

    def _say(self, text: str) -> None:
        """Show a text in the line beside the buttons."""
        self.line.setText(without_middle(text))
        self.line.setToolTip("" if self.line.text() == text else tip(text))

    def showEvent(self, event: object) -> None:
        """Refresh while it can be seen."""
        self.refresh()
        self.timer.start()

    def hideEvent(self, event: object) -> None:
        """Cost nothing while it cannot."""
        self.timer.stop()
