"""The window's answers to the engine manager: one question, and how far a start has come."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from PyQt5.QtCore import QObject, pyqtSignal

from parallelflow.engine_manager.model import StartSnapshot
from parallelflow.settings import remember, settings

from . import main_window
from .ask_dialog import AskDialog, StartingDialog
from .cluster_manager import ClusterManager
from .parts import sentence

__all__ = ["WindowInteraction"]

# How often a thread that waits for an answer looks whether there is still a window.
LOOK_SECONDS = 0.2
# How long the status bar has a line; it is among the messages, too.
SAID_MS = 20_000

logger = logging.getLogger(__name__)


@dataclass
class _Question:
    """A question from another thread, and its answer."""

    profile: str
    suggested: int
    answer: int = 0
    answered: threading.Event = field(default_factory=threading.Event)


class WindowInteraction(QObject):
    """Asks and tells by dialogs, from whichever thread; implements `Interaction`.

    On the window's own thread (inside a running Map, say) dialogs run an event loop of
    their own; questions of other threads are handed over to that thread.

    Parameters
    ----------
    manager : EngineManager
        Who asks.
    """

    _asked = pyqtSignal(object)
    _snapshot = pyqtSignal(object)
    _ended = pyqtSignal()
    _told = pyqtSignal(str)

    def __init__(self, manager: ClusterManager) -> None:
        super().__init__()
        self._manager = manager
        self._cancel = threading.Event()
        self._closed = threading.Event()
        self._asking: AskDialog | None = None
        self._starting: StartingDialog | None = None
        self._asked.connect(self._answer)
        self._snapshot.connect(self._show_start)
        self._ended.connect(self._end_start)
        self._told.connect(self._show_message)

    # -- what the manager calls ---------------------------------------------------------------

    def engines_to_start(self, profile: str, suggested: int) -> int:
        """Ask how many engines to start, unless the user has answered *always* before."""
        known = settings()
        self._cancel.clear()
        if not known.askToStart:
            logger.info("starting %d engines on the profile %s", suggested, profile)
            return suggested
        question = _Question(profile, suggested)
        if main_window.on_window_thread():
            self._answer(question)
            return question.answer
        self._asked.emit(question)
        while not question.answered.wait(LOOK_SECONDS):
            if self._closed.is_set():
                return 0
        return question.answer

    def adds_engines(self) -> bool:
        """Return True if the user has answered *always* before."""
        return not settings().askToStart

    def starting(self, snapshot: StartSnapshot) -> None:
        """Show how far a start has come."""
        self._snapshot.emit(snapshot)

    def start_ended(self) -> None:
        """Take the dialog on the start away."""
        self._ended.emit()

    def computing_here(self, profile: str) -> None:
        """Say nothing: the module that asks decides, and the window shows the cluster's state."""

    def tell(self, message: str) -> None:
        """Tell a line in the status bar and in VisTrails' messages."""
        self._told.emit(message)

    def cancelled(self) -> bool:
        """Whether the user has pressed Cancel or VisTrails is quitting; turns the event loop."""
        if not main_window.on_window_thread():
            return self._cancel.is_set() or self._closed.is_set()
        leaving = self.leaving()
        return self._cancel.is_set() or leaving or main_window.give_up()

    def leaving(self) -> bool:
        """Whether VisTrails is quitting or the package being disabled; turns the event loop."""
        if self._closed.is_set():
            return True
        return main_window.on_window_thread() and not main_window.turn_event_loop()

    # -- on the window's thread ---------------------------------------------------------------

    def _answer(self, question: _Question) -> None:
        try:
            if self._asking is not None or self._closed.is_set():
                return  # one question is enough; whoever asks another time gets none
            self._asking = AskDialog(
                question.profile,
                question.suggested,
                self._manager.state,
                main_window.parent_for_dialogs(),
            )
            self._asking.exec_()
            question.answer = self._asking.engines
            if self._asking.always:
                changed = {} if question.answer == question.suggested else {
                    "engines": question.answer
                }  # fmt: skip
                remember(askToStart=False, **changed)
        finally:
            self._asking = None
            question.answered.set()

    def _show_start(self, snapshot: StartSnapshot) -> None:
        if self._closed.is_set():
            return
        if self._starting is None:
            self._starting = StartingDialog(main_window.parent_for_dialogs())
            self._starting.cancelled.connect(self._cancel.set)
            self._starting.open()
        self._starting.view.show_snapshot(snapshot)

    def _end_start(self) -> None:
        dialog, self._starting = self._starting, None
        if dialog is not None:
            dialog.end()

    def _show_message(self, message: str) -> None:
        from vistrails.core import debug

        # Not as a warning, which VisTrails prints on the terminal, too: it is no fault.
        debug.log(sentence(message))
        window = main_window.main_window()
        if window is not None:
            window.statusBar().showMessage(sentence(message), SAID_MS)

    def close(self) -> None:
        """Answer what is still asked with no, and take the dialogs away."""
        self._closed.set()
        self._cancel.set()
        if self._asking is not None:
            self._asking.reject()
        self._end_start()
        self.blockSignals(True)
