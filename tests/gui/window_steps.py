"""Steps in VisTrails' real window that a user of Parallel Flow takes; run as a program.

    python -m tests.gui.window_steps STEP [STEP ...] [-- VISTRAILS-ARGUMENTS]

See `tests.host.window_scenario`, whose steps can be taken here, too. Entries are chosen by
mouse clicks in the menu bar, dialogs answered by their buttons or keys.
"""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import psutil

from parallelflow.engine_manager import State, get_manager
from parallelflow.engine_manager.model import Origin
from tests.host import window_scenario
from tests.host import window_steps as base
from tests.host.window_steps import step, window

# A guard against deadlocks, for one wait; the machine may be busy.
WAIT_SECONDS = 60.0
# And a guard for all steps of a walk.
DEADLINE_SECONDS = 570

ENTRIES = [
    "Start new engine processes...",
    "Show information on the cluster",
    "Show runs",
    "Change profile...",
    "Cleanup started processes...",
    "Request cluster shutdown...",
    "Map over a list...",
    "Make this Map parallel",
    "Make all Maps parallel",
    "Run all loops on engines",
]
START, INFORMATION, RUNS, PROFILE, CLEANUP, SHUTDOWN, MAP_OVER, SWITCH, SWITCH_ALL, RUN_ALL = (
    ENTRIES
)

#: Objects that the search for garbage left out before VisTrails was there.
FROZEN = gc.get_freeze_count()

KNOWN: dict[str, Any] = {}
"""What one step leaves for another."""


def until(condition: Callable[[], Any], what: str) -> Iterator[None]:
    """Wait, with the event loop turning, until a condition holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        yield


def menu() -> Any:
    """Return the menu Packages / Parallel Flow."""
    packages = window().qmenus["packages"]
    (ours,) = (a.menu() for a in packages.actions() if a.text() == "Parallel Flow")
    return ours


def texts() -> list[str]:
    """Return the texts of the entries."""
    return [action.text() for action in menu().actions() if not action.isSeparator()]


def entry(text: str) -> Any:
    """Return the action of an entry."""
    (action,) = (a for a in menu().actions() if a.text() == text)
    return action


def click_entry(text: str) -> Iterator[None]:
    """Open the menu bar's Packages, its Parallel Flow, and click an entry."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    bar, packages, ours = window().menuBar(), window().qmenus["packages"], menu()
    yield from until(lambda: entry(text).isEnabled(), f"{text} not to be grey")
    for holder, action in (
        (bar, packages.menuAction()),
        (packages, ours.menuAction()),
        (ours, entry(text)),
    ):
        assert holder.isVisible(), text
        QTest.mouseMove(holder, holder.actionGeometry(action).center())
        QTest.mouseClick(
            holder, Qt.LeftButton, Qt.NoModifier, holder.actionGeometry(action).center()
        )
        yield


def dialogs(kind: str) -> list[Any]:
    """Return the visible windows of a class."""
    found = [w for w in base.app().topLevelWidgets() if type(w).__name__ == kind]
    return [w for w in found if w.isVisible()]


def opened(kind: str) -> Iterator[None]:
    """Wait for a dialog; it is then `dialog(kind)`."""
    yield from until(lambda: dialogs(kind), f"a {kind}")


def dialog(kind: str) -> Any:
    """Return the only visible window of a class."""
    (found,) = dialogs(kind)
    return found


def gone(kind: str) -> Iterator[None]:
    """Wait until no such dialog is there."""
    yield from until(lambda: not dialogs(kind), f"the end of {kind}")


def press(button: Any) -> None:
    """Click a button that can be clicked."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    assert button.isVisible() and button.isEnabled(), button.text()
    QTest.mouseClick(button, Qt.LeftButton)


def key(widget: Any, code: int) -> None:
    """Press a key."""
    from PyQt5.QtTest import QTest

    QTest.keyClick(widget, code)


def alive(pid: int | None) -> bool:
    """Whether a process runs; one that waits for its parent to notice its end does not."""
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def engines() -> list[int]:
    """Return the ids of the registered engines."""
    link = get_manager().cluster.connection
    return [] if link is None else link.ids


# -- the menu -----------------------------------------------------------------------------


@step
def the_entries_are_there() -> Iterator[None]:
    from parallelflow.gui.entries import SHORTCUTS, TIPS
    from parallelflow.gui.menu import TEXTS

    assert texts() == ENTRIES
    assert [a.isSeparator() for a in menu().actions()].index(True) == ENTRIES.index(MAP_OVER)
    yield from until(lambda: not entry(CLEANUP).isEnabled(), "Cleanup to be greyed")
    about_maps = [MAP_OVER, SWITCH, SWITCH_ALL, RUN_ALL]
    usable = [a.text() for a in menu().actions() if a.isEnabled() and not a.isSeparator()]
    assert usable == [START, INFORMATION, RUNS, PROFILE, *about_maps], usable
    for action in menu().actions():
        if not action.isSeparator():
            known = TEXTS[action.text()]
            assert action.toolTip() == action.statusTip() == TIPS[known]
            assert action.shortcut().toString() == SHORTCUTS.get(known, "")
    keys = [a.shortcut().toString() for a in window().findChildren(type(entry(START)))]
    assert all(keys.count(shortcut) == 1 for shortcut in SHORTCUTS.values())


@step
def the_start_is_left_out_of_the_search_for_garbage() -> Iterator[None]:
    yield from until(lambda: gc.get_freeze_count() > FROZEN + 25_000, "the objects to be left out")


@step
def the_shortcut_works() -> Iterator[None]:
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    window().activateWindow()
    yield
    QTest.keyClick(window(), Qt.Key_E, Qt.ControlModifier | Qt.ShiftModifier)
    yield from opened("StartDialog")
    key(dialog("StartDialog"), Qt.Key_Escape)
    yield from gone("StartDialog")
    assert get_manager().state is State.NO_CLUSTER


# -- Start new engine processes ------------------------------------------------------------


@step
def start_two_engines() -> Iterator[None]:
    from PyQt5.QtCore import Qt

    yield from click_entry(START)
    yield from opened("StartDialog")
    asked = dialog("StartDialog")
    yield from until(asked.start_button.isEnabled, "the launchers")
    assert asked.number.value() == get_manager().suggested_engines()
    assert "core" in asked.machine.text() and "memory free" in asked.machine.text()
    yield from until(asked.preview.toPlainText, "the commands")
    asked.number.setFocus()
    asked.number.setValue(2)
    key(asked, Qt.Key_Return)
    yield from until(lambda: asked.under_way or asked.view.snapshot, "the start")
    yield from until(lambda: not asked.under_way, "the engines")
    assert asked.error.isHidden(), asked.error.message.text()
    states = [asked.view.table.topLevelItem(n).text(1) for n in range(2)]
    assert states == ["VisTrails ready"] * 2
    assert asked.view.line.text() == "All 2 engines are ready."
    key(asked, Qt.Key_Return)
    yield from gone("StartDialog")
    assert len(engines()) == 2
    yield from until(lambda: entry(SHUTDOWN).isEnabled(), "Shutdown")
    KNOWN["pids"] = get_manager().started()


@step
def start_two_engines_in_the_background() -> Iterator[None]:
    """The dialog is hidden; the status bar says when all of them are there."""
    yield from click_entry(START)
    yield from opened("StartDialog")
    asked = dialog("StartDialog")
    yield from until(asked.start_button.isEnabled, "the launchers")
    asked.number.setValue(2)
    press(asked.start_button)
    press(asked.hide_button)
    yield from gone("StartDialog")
    said = window().statusBar().currentMessage
    yield from until(lambda: said() == "Parallel Flow: All 2 engines are ready.", "the message")
    assert len(engines()) == 2


@step
def cancel_a_start() -> Iterator[None]:
    before = set(get_manager().started())
    yield from click_entry(START)
    yield from opened("StartDialog")
    asked = dialog("StartDialog")
    yield from until(asked.start_button.isEnabled, "the launchers")
    press(asked.start_button)
    yield from until(lambda: set(get_manager().started()) - before, "a process")
    new = [psutil.Process(pid) for pid in set(get_manager().started()) - before]
    press(asked.hide_button)
    yield from gone("StartDialog")
    yield from click_entry(START)
    yield from opened("StartDialog")
    assert dialog("StartDialog") is asked
    if asked.under_way:  # else it was quicker than the clicks
        press(asked.cancel_button)
    else:
        KNOWN["too late to cancel"] = True
        press(asked.cancel_button)
        yield from gone("StartDialog")
        return
    yield from gone("StartDialog")
    yield from until(lambda: not any(alive(p.pid) for p in new), "the processes' end")
    assert set(get_manager().started()) == before


# -- Show information on the cluster -------------------------------------------------------


@step
def show_information() -> Iterator[None]:
    yield from click_entry(INFORMATION)
    yield from opened("ClusterWindow")
    shown = dialog("ClusterWindow")
    yield from until(lambda: len(shown.model.engines) == len(engines()), "the engines")
    yield from until(lambda: shown.model.engines[0].cpu_percent is not None, "the CPU")
    assert shown.state.text().startswith("Connected to the cluster of the profile 'default'")


@step
def copy_and_stop_one_engine() -> Iterator[None]:
    from PyQt5.QtGui import QGuiApplication

    shown = dialog("ClusterWindow")
    press(shown.copy_button)
    text = QGuiApplication.clipboard().text()
    assert "profile      default" in text and str(shown.model.engines[0].pid) in text
    assert not shown.stop_button.isEnabled()
    shown.table.selectRow(0)
    (chosen,) = shown.selected()
    press(shown.interrupt_button)
    yield from until(lambda: shown.stop_button.isEnabled(), "the interrupt")
    assert len(engines()) == 2
    press(shown.stop_button)
    yield from until(lambda: len(shown.model.engines) == 1, "the engine's end")
    assert not alive(chosen.pid)
    assert engines() == [shown.model.engines[0].id]


@step
def close_information() -> Iterator[None]:
    from PyQt5.QtCore import Qt

    shown = dialog("ClusterWindow")
    key(shown, Qt.Key_Escape)
    yield from gone("ClusterWindow")
    assert not shown.timer.isActive()


@step
def information_tells_what_was_left_running() -> Iterator[None]:
    yield from click_entry(INFORMATION)
    yield from opened("ClusterWindow")
    shown = dialog("ClusterWindow")
    yield from until(lambda: len(shown.model.engines) == 2, "the engines")
    yield from until(lambda: shown.model.engines[0].origin is not None, "who started them")
    assert {engine.origin for engine in shown.model.engines} == {Origin.DETACHED}
    assert "left running" in shown.controller.text()
    shown.close()
    yield from gone("ClusterWindow")


# -- Change profile ------------------------------------------------------------------------


def choose(asked: Any, name: str) -> None:
    """Choose a profile in the list."""
    from PyQt5.QtCore import Qt

    items = [asked.table.topLevelItem(n) for n in range(asked.table.topLevelItemCount())]
    (item,) = (item for item in items if item.data(0, Qt.UserRole) == name)
    asked.table.setCurrentItem(item)


@step
def make_a_profile_and_change_to_it() -> Iterator[None]:
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    yield from click_entry(PROFILE)
    yield from opened("ProfileDialog")
    asked = dialog("ProfileDialog")
    yield from until(lambda: asked.profiles, "the profiles")
    (here,) = (p for p in asked.profiles if p.name == "default")
    assert here.current and here.clusters[0].origin is Origin.THIS_SESSION
    QTest.keyClicks(asked.name, "../away")
    assert not asked.create_button.isEnabled() and "not a valid" in asked.hint.text()
    asked.name.clear()
    asked.name.setFocus()
    QTest.keyClicks(asked.name, "other")
    key(asked.name, Qt.Key_Return)
    yield from until(lambda: len(asked.profiles) == 2, "the new profile")
    yield from until(lambda: asked.chosen() == "other", "it to be chosen")
    press(asked.use_button)
    yield from opened("CleanupDialog")
    question = dialog("CleanupDialog")
    yield from until(lambda: question.stop_button.isEnabled(), "the processes")
    key(question, Qt.Key_Escape)
    yield from gone("CleanupDialog")
    assert get_manager().profile == "default" and len(engines()) == 2
    press(asked.use_button)
    yield from opened("CleanupDialog")
    question = dialog("CleanupDialog")
    yield from until(lambda: question.leave_button.isEnabled(), "the processes")
    press(question.leave_button)
    yield from gone("ProfileDialog")
    assert get_manager().profile == "other"
    assert base.manager().get_package(base.OURS).configuration.profile == "other"
    assert all(alive(pid) for pid in KNOWN["pids"])


@step
def change_back_to_the_profile_default() -> Iterator[None]:
    assert get_manager().profile == "other"
    yield from click_entry(PROFILE)
    yield from opened("ProfileDialog")
    asked = dialog("ProfileDialog")
    yield from until(lambda: asked.profiles, "the profiles")
    (there,) = (p for p in asked.profiles if p.name == "default")
    assert there.running and there.clusters[0].origin is Origin.DETACHED
    choose(asked, "default")
    press(asked.use_button)
    yield from gone("ProfileDialog")
    assert get_manager().profile == "default"


# -- Cleanup started processes, Request cluster shutdown ------------------------------------


@step
def leave_them_running() -> Iterator[None]:
    yield from click_entry(CLEANUP)
    yield from opened("CleanupDialog")
    asked = dialog("CleanupDialog")
    yield from until(lambda: asked.leave_button.isEnabled(), "the processes")
    listed = [asked.table.topLevelItem(n).text(1) for n in range(asked.table.topLevelItemCount())]
    assert sorted(map(int, listed)) == sorted(get_manager().started())
    assert asked.text.text().endswith("started here.")
    press(asked.leave_button)
    yield from gone("CleanupDialog")
    assert not get_manager().started()


@step
def stop_them() -> Iterator[None]:
    manager = get_manager()
    pids = [p.pid for p in manager.inventory().processes]
    assert pids
    yield from click_entry(CLEANUP)
    yield from opened("CleanupDialog")
    asked = dialog("CleanupDialog")
    yield from until(lambda: asked.stop_button.isEnabled(), "the processes")
    press(asked.stop_button)
    yield from gone("CleanupDialog")
    assert not any(alive(pid) for pid in pids)
    assert not manager.inventory().processes and manager.state is not State.ENGINES
    yield from until(lambda: not entry(CLEANUP).isEnabled(), "Cleanup to be grey")


@step
def request_shutdown() -> Iterator[None]:
    from PyQt5.QtCore import Qt

    pids = get_manager().started()
    yield from click_entry(SHUTDOWN)
    yield from opened("ShutdownDialog")
    asked = dialog("ShutdownDialog")
    yield from until(lambda: asked.shutdown_button.isEnabled(), "the plan")
    assert f"{len(engines())} engine" in asked.text.text()
    key(asked, Qt.Key_Return)  # the default is to cancel
    yield from gone("ShutdownDialog")
    assert engines()
    yield from click_entry(SHUTDOWN)
    yield from opened("ShutdownDialog")
    asked = dialog("ShutdownDialog")
    yield from until(lambda: asked.shutdown_button.isEnabled(), "the plan")
    press(asked.shutdown_button)
    yield from gone("ShutdownDialog")
    assert pids and not any(alive(pid) for pid in pids)
    assert get_manager().state is State.NO_CLUSTER
    yield from until(lambda: not entry(SHUTDOWN).isEnabled(), "Shutdown to be grey")


# -- a Map -----------------------------------------------------------------------------------


def select(tag: str) -> None:
    """Go to a version of the vistrail."""
    controller = base.controller()
    number = controller.vistrail.get_version_number(tag)
    controller.change_selected_version(number)


def later(action: Callable[[], Any]) -> None:
    """Do something in the event loop, as soon as it returns True."""
    from PyQt5.QtCore import QTimer

    def attempt() -> None:
        if not action():
            QTimer.singleShot(20, attempt)

    QTimer.singleShot(20, attempt)


def execute(tag: str) -> list[Any]:
    """Execute a version; returns what VisTrails' execution returns."""
    select(tag)
    KNOWN["began"] = time.monotonic()
    results, _ = base.controller().execute_user_workflow()
    KNOWN["ended"] = time.monotonic()
    return list(results)


def answer(kind: str, respond: Callable[[Any], None]) -> None:
    """Answer a dialog that comes up while a workflow executes."""

    def attempt() -> bool:
        found = dialogs(kind)
        if found:
            respond(found[0])
        return bool(found)

    later(attempt)


@step
def a_wrong_output_is_told_before_engines_start() -> Iterator[None]:
    """With the ports that there are, and without the question for engines."""
    select("quick")
    (made,) = (m for m in base.controller().current_pipeline.module_list if m.name == "Map")
    base.controller().update_function(made, "OutputPort", ["nope"])
    yield
    (result,), _ = base.controller().execute_current_workflow()
    (error,) = result.errors.values()
    assert error.msg.endswith("Its output ports: o, self."), error.msg
    assert get_manager().state is State.NO_CLUSTER
    yield


@step
def not_now() -> Iterator[None]:
    answer("AskDialog", lambda asked: press(asked.not_now_button))
    (result,) = execute("quick")
    (error,) = result.errors.values()
    assert "There is no cluster with an engine" in error.msg
    assert get_manager().state is State.NO_CLUSTER
    yield


@step
def cancel_while_engines_start() -> Iterator[None]:
    answer("AskDialog", lambda asked: press(asked.start_button))
    answer("StartingDialog", lambda shown: press(shown.cancel_button))
    (result,) = execute("quick")
    (error,) = result.errors.values()
    assert "cancelled" in error.msg, error.msg
    assert not get_manager().started()
    yield from gone("StartingDialog")


@step
def always_start_two() -> Iterator[None]:
    def respond(asked: Any) -> None:
        asked.number.setValue(2)
        press(asked.always_button)

    answer("AskDialog", respond)
    texts: list[str] = []

    def listen() -> bool:
        progress = base.controller().progress
        if progress is not None:
            texts.append(progress.labelText())
        return "ended" in KNOWN

    KNOWN.pop("ended", None)
    later(listen)
    (result,) = execute("quick")
    assert not result.errors, [e.msg for e in result.errors.values()]
    assert any("of 200 elements" in text and "left" in text for text in texts), set(texts)
    manager = get_manager()
    assert len(engines()) == 2, (engines(), manager.inventory(), manager.info())
    assert base.manager().get_package(base.OURS).configuration.askToStart is False
    assert not base.app().topLevelWidgets() or not dialogs("StartingDialog")
    yield


@step
def provenance_shows_each_element() -> Iterator[None]:
    """The view Provenance lists the elements of the last run, and tells where each one ran."""
    from vistrails.gui.collection.vis_log import QLogDetails

    base.trigger("provenance")
    window().notify("execution_updated")  # as VisTrails' own button Execute does
    yield
    details = QLogDetails.instance()
    tree = details.executionList
    run = [i for i in map(tree.topLevelItem, range(tree.topLevelItemCount())) if loops(i)][-1]
    ((loop,),) = loops(run)
    # The view sorts them by the time at which they began.
    iterations = {item.text(0): item for item in map(loop.child, range(loop.childCount()))}
    assert set(iterations) == {f"Iteration #{n}" for n in range(200)}, sorted(iterations)
    seventh = iterations["Iteration #7"]
    for item in (run, loop, seventh, seventh.child(0)):
        tree.setCurrentItem(item)
        yield
    text = details.detailsWidget.toPlainText()
    assert "PythonSource" in text and "Completed: Yes" in text, text
    told = dict(line.strip().split(": ") for line in text.split("Annotations:")[1].splitlines()[1:])
    pids = {str(e.pid) for e in get_manager().info().engines}
    assert told["parallelflow_pid"] in pids and told["parallelflow_engine"] in ("0", "1"), told
    base.trigger("pipeline")
    yield


def loops(run: Any) -> list[list[Any]]:
    """Return the loops of each Map of an execution, as the view Provenance lists them."""
    modules = [run.child(n) for n in range(run.childCount())]
    maps = [m for m in modules if m.text(0) == "Map" and m.childCount()]
    return [[m.child(n) for n in range(m.childCount())] for m in maps]


@step
def starts_without_a_question() -> Iterator[None]:
    assert get_manager().state is State.NO_CLUSTER
    (result,) = execute("quick")
    assert not result.errors, [e.msg for e in result.errors.values()]
    assert engines()
    yield


@step
def cancel_in_the_progress_dialog() -> Iterator[None]:
    from PyQt5.QtWidgets import QMessageBox

    def cancel() -> bool:
        progress = base.controller().progress
        if progress is None or "left" not in progress.labelText():
            return False
        progress.cancel()
        return True

    def confirm(box: Any) -> None:
        KNOWN["confirmed"] = time.monotonic()
        press(box.button(QMessageBox.Yes))

    later(cancel)
    answer("QMessageBox", confirm)
    execute("endless")
    seconds = KNOWN["ended"] - KNOWN["confirmed"]
    print(f"stopped {seconds:.2f} s after the answer", flush=True)
    # Engines give up in 0.2 s, and what they have would take half an hour; no measurement.
    assert seconds < WAIT_SECONDS
    manager = get_manager()

    def idle() -> bool:
        # On a busy machine one that was too slow to give up is replaced.
        return len(engines()) == 2 and all(e.busy is False for e in manager.info().engines)

    yield from until(idle, "two idle engines")
    assert not manager.runs()


@step
def information_beside_a_running_map() -> Iterator[None]:
    """The information window lives while a Map runs, shows it, and can stop everything."""
    seen: list[str] = []

    def look() -> bool:
        shown = dialogs("ClusterWindow")
        if not shown:
            entry(INFORMATION).trigger()
            return False
        line = shown[0].runs.rows[0].line.text()
        if shown[0].runs.isVisible() and "of 10000 elements" in line:
            seen.append(line)
            shown[0].close()
            entry(CLEANUP).trigger()
            return True
        return False

    def clean(asked: Any) -> None:
        def attempt() -> bool:
            if asked.stop_button.isEnabled():
                seen.append(asked.text.text())
                press(asked.stop_button)
                return True
            return False

        later(attempt)

    later(look)
    answer("CleanupDialog", clean)
    (result,) = execute("endless")
    assert result.errors
    assert len(seen) == 2 and "1 Map run is under way" in seen[1], seen
    yield from gone("CleanupDialog")
    assert not get_manager().started()


def beside(steps: Iterator[None]) -> None:
    """Take steps while a workflow executes; `KNOWN["beside"]` is then what ended them."""
    KNOWN["beside"] = "unfinished"

    def advance() -> bool:
        try:
            next(steps)
        except StopIteration:
            KNOWN["beside"] = "all taken"
        except BaseException as e:
            KNOWN["beside"] = "".join(traceback.format_exception(e))
            get_manager().stop()  # which ends the workflow
            raise
        else:
            return False
        return True

    later(advance)


@step
def the_other_entries_beside_a_running_map() -> Iterator[None]:
    """While a Map runs, *More* in the information window offers all the other entries."""
    before = len(engines())
    beside(more_beside_a_running_map(before))
    (result,) = execute("endless")
    assert KNOWN["beside"] == "all taken", KNOWN["beside"]
    (error,) = result.errors.values()
    assert "went away" in error.msg and "of 10000 elements unfinished" in error.msg, error.msg
    yield from gone("ShutdownDialog")
    assert get_manager().state is State.NO_CLUSTER and not get_manager().started()
    dialog("ClusterWindow").close()
    yield from gone("ClusterWindow")


def more_beside_a_running_map(before: int) -> Iterator[None]:
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    manager = get_manager()
    yield from until(lambda: any(run.done for run in manager.runs()), "the Map")
    entry(INFORMATION).trigger()
    yield from opened("ClusterWindow")
    shown = dialog("ClusterWindow")
    more = {action.text(): action for action in shown.more_button.menu().actions()}
    assert list(more) == [START, RUNS, PROFILE, CLEANUP, SHUTDOWN]

    more[START].trigger()
    yield from opened("StartDialog")
    asked = dialog("StartDialog")
    yield from until(asked.start_button.isEnabled, "the launchers")
    asked.number.setValue(1)
    press(asked.start_button)
    yield from until(lambda: asked.under_way or asked.view.snapshot, "the start")
    yield from until(lambda: not asked.under_way, "the engine")
    assert asked.error.isHidden(), asked.error.message.text()
    key(asked, Qt.Key_Return)
    yield from gone("StartDialog")
    assert len(engines()) == before + 1
    yield from until(lambda: manager.runs()[0].engines == before + 1, "the new engine at work")

    more[PROFILE].trigger()
    yield from opened("ProfileDialog")
    asked = dialog("ProfileDialog")
    yield from until(lambda: asked.profiles, "the profiles")
    QTest.keyClicks(asked.name, "aside")
    press(asked.create_button)
    yield from until(lambda: asked.chosen() == "aside", "the new profile")
    press(asked.use_button)
    yield from opened("CleanupDialog")
    question = dialog("CleanupDialog")
    yield from until(lambda: question.stop_button.isEnabled(), "the processes")
    text = question.text.text()
    assert "1 Map run is under way: to change the profile ends it with an error." in text, text
    key(question, Qt.Key_Escape)
    yield from gone("CleanupDialog")
    key(asked, Qt.Key_Escape)
    yield from gone("ProfileDialog")
    assert manager.profile == "default" and manager.runs()

    more[SHUTDOWN].trigger()
    yield from opened("ShutdownDialog")
    asked = dialog("ShutdownDialog")
    yield from until(lambda: asked.shutdown_button.isEnabled(), "the plan")
    text = asked.text.text()
    assert "1 Map run of this session is under way and will fail." in text, text
    assert f"{before + 1} engines" in text and "running or waiting will be lost" in text, text
    press(asked.shutdown_button)


def leave() -> None:
    """Quit without the question whether to save: an execution is a change."""
    base.controller().set_changed(False)
    window().quit()


@step
def quit_by_menu_unsaved() -> None:
    print("passed quit_by_menu_unsaved", flush=True)
    leave()


@step
def quit_while_a_map_runs() -> Iterator[None]:
    def attempt() -> bool:
        if not any(run.done for run in get_manager().runs()):
            return False
        KNOWN["left"] = time.monotonic()
        leave()
        return True

    later(attempt)
    execute("endless")
    print(f"ended {KNOWN['ended'] - KNOWN['left']:.2f} s after quitting", flush=True)
    print("passed quit_while_a_map_runs", flush=True)
    yield


@step
def run_until_a_signal() -> None:
    def tell() -> bool:
        if not any(run.done for run in get_manager().runs()):
            return False
        print("running", flush=True)
        return True

    later(tell)
    execute("endless")


def timers_of_ours() -> list[Any]:
    """Return the timers whose parents are objects of Parallel Flow, active or not."""
    import gc

    from PyQt5 import sip
    from PyQt5.QtCore import QTimer

    timers = [t for t in gc.get_objects() if isinstance(t, QTimer) and not sip.isdeleted(t)]
    return [t for t in timers if type(t.parent()).__module__.startswith("parallelflow")]


@step
def disable_and_enable() -> Iterator[None]:
    """Disabled, the package leaves no thread, timer, key or process; enabled, it is back."""
    import threading

    dead = [entry(text) for text in ENTRIES]
    own = get_manager().started()
    assert timers_of_ours(), "the menu has one"
    base.manager().late_disable_package("parallelflow")
    yield
    assert not any(t.name.startswith("parallelflow") for t in threading.enumerate())
    yield
    assert not timers_of_ours()
    assert not any(action.shortcut().toString() for action in dead)
    from parallelflow.gui import session, tasks

    assert session._session is None and not tasks._running
    assert not any(alive(pid) for pid in own)
    base.manager().late_enable_package("parallelflow")
    yield
    assert texts() == ENTRIES


def main() -> None:
    """Take the steps that the command line names."""
    window_scenario.DEADLINE = DEADLINE_SECONDS
    window_scenario.main(sys.argv[1:])


if __name__ == "__main__":
    main()
