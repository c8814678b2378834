"""A walk through VisTrails' real window, as a user takes it; run as a program.

    python -m tests.host.window_scenario STEP [STEP ...] [-- VISTRAILS-ARGUMENTS]

The steps are the functions of `tests.host.window_steps`. After each, no exception may have
reached a slot or the message panel, and no box may stand on the screen. A line is printed for
each step that passed.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from parallelflow import host
from tests.host.window_steps import STEPS, app

#: Milliseconds between steps, for events that VisTrails posts to itself.
PAUSE = 50

#: Seconds after which a walk that hangs ends, and shows all stacks.
DEADLINE = 90


class Faults(logging.Handler):
    """Collects what went wrong without anybody noticing."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note a critical message of VisTrails."""
        self.seen.append(record.getMessage())

    def hook(self, kind: type[BaseException], value: BaseException, trace: Any) -> None:
        """Note an exception in a slot."""
        self.seen.append("".join(traceback.format_exception(kind, value, trace)))

    def check(self) -> None:
        """Fail if anything was noted, or a box stands on the screen."""
        from PyQt5.QtWidgets import QMessageBox

        boxes = [w for w in app().topLevelWidgets() if isinstance(w, QMessageBox) and w.isVisible()]
        self.seen += [f"a box says: {box.text()}" for box in boxes]
        if self.seen:
            raise AssertionError("\n".join(self.seen))


def walk(names: list[str], faults: Faults) -> None:
    """Take the steps one after the other in the event loop; end the process at a failure."""
    from PyQt5 import QtCore

    def steps() -> Iterator[None]:
        for name in names:
            pauses = STEPS[name]()
            if pauses is not None:
                for _ in pauses:
                    faults.check()
                    yield
            if name not in ("quit_by_menu", "wait"):
                yield
                faults.check()
                print("passed", name, flush=True)

    todo = steps()

    def take() -> None:
        try:
            next(todo)
        except StopIteration:
            return
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        QtCore.QTimer.singleShot(PAUSE, take)

    QtCore.QTimer.singleShot(PAUSE, take)


def main(arguments: list[str]) -> None:
    """Open the window by `host.run_window` and walk through it."""
    faulthandler.dump_traceback_later(DEADLINE, exit=True)
    split = arguments.index("--") if "--" in arguments else len(arguments)
    names, others = arguments[:split], arguments[split + 1 :]
    host.activate()
    import vistrails.gui.application as application

    faults = Faults()
    logging.getLogger("vistrails.logger").addHandler(faults)
    sys.excepthook = faults.hook
    singleton = application.VistrailsApplicationSingleton
    interactive = singleton.interactiveMode

    def interactive_and_walk(self: Any) -> None:
        interactive(self)
        walk(names, faults)

    singleton.interactiveMode = interactive_and_walk
    host.run_window(others)


if __name__ == "__main__":
    main(sys.argv[1:])
