"""VisTrails' real window, used as a person would: every entry clicked, every process counted."""

from __future__ import annotations

import os
import random
import signal
import time
import xml.etree.ElementTree
from pathlib import Path

import pytest

from parallelflow.engine_manager.system.records import read_all
from tests.gui.walks import LIMIT, Walk, clusters, start
from tests.host.run import run_python
from tests.support import leaks

pytest.importorskip("PyQt5.QtWidgets")
pytestmark = [pytest.mark.gui, pytest.mark.own_cluster]


def recorded(home: Path, profile: str) -> list[str]:
    """Return the kinds of the processes that run by the records of a profile's sessions."""
    records = read_all(home / "ipython" / f"profile_{profile}")
    return sorted(process.kind for record in records for process in record.alive())


def configuration(home: Path) -> dict[str, str]:
    """Return what VisTrails keeps of the package's configuration."""
    root = xml.etree.ElementTree.parse(home / ".vistrails" / "startup.xml").getroot()
    (package,) = root.findall("./packages/package[@name='parallelflow']")
    return {key.get("name", ""): key[0].get("value", "") for key in package.iter("key")}


def test_every_entry_does_what_it_says(user: Path, walk: Walk, others: set[leaks.Left]) -> None:
    walk(
        user,
        "the_entries_are_there",
        "the_start_is_left_out_of_the_search_for_garbage",
        "the_shortcut_works",
        "start_two_engines",
        "show_information",
        "copy_and_stop_one_engine",
        "close_information",
        "cancel_a_start",
        "request_shutdown",
        "start_two_engines",
        "make_a_profile_and_change_to_it",
        "quit_by_menu",
    )
    # Left running on the profile that was changed from, they survive the window.
    assert recorded(user, "default") == ["controller", "engine", "engine"]
    assert configuration(user)["profile"] == "other"
    walk(
        user,
        "change_back_to_the_profile_default",
        "information_tells_what_was_left_running",
        "stop_them",
        "start_two_engines_in_the_background",
        "leave_them_running",
        "stop_them",
        "start_two_engines",
        "disable_and_enable",
        "quit_by_menu",
    )
    assert configuration(user)["profile"] == "default"
    assert not clusters(others)


def test_a_map_asks_shows_its_progress_and_is_cancelled(
    user: Path, walk: Walk, others: set[leaks.Left]
) -> None:
    walk(
        user,
        "a_wrong_output_is_told_before_engines_start",
        "not_now",
        "cancel_while_engines_start",
        "always_start_two",
        "provenance_shows_each_element",
        "cancel_in_the_progress_dialog",
        "information_beside_a_running_map",
        "start_two_engines",
        "the_other_entries_beside_a_running_map",
        "quit_by_menu_unsaved",
        vistrail=True,
    )
    assert configuration(user)["askToStart"] == "False"
    assert configuration(user)["engines"] in ("0", "2")
    assert not clusters(others)
    walk(user, "starts_without_a_question", "quit_while_a_map_runs", vistrail=True)
    assert not clusters(others)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_a_signal_in_the_middle_of_a_map_leaves_nothing(
    user: Path, others: set[leaks.Left], number: signal.Signals
) -> None:
    process = start(user, "start_two_engines", "run_until_a_signal", vistrail=True)
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line == "running\n" for line in lines)
        process.send_signal(number)
        process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert process.returncode == (128 + number if number == signal.SIGTERM else -number)
    # A guard process stops what a killed session has started, within 30 s.
    run = os.environ[leaks.VARIABLE]
    seconds = 30 if number == signal.SIGKILL else 5
    assert not leaks.wait_until_gone(run, known=others, seconds=seconds)


# The window opens, starts engines, stops them, starts others and runs a Map.
LIFE = ("start_two_engines", "stop_them", "start_two_engines", "run_until_a_signal")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_window_killed_at_any_moment_leaves_nothing(
    user: Path, walk: Walk, others: set[leaks.Left], seed: int
) -> None:
    chance = random.Random(seed)
    run = os.environ[leaks.VARIABLE]
    life_seconds = 0.0
    for number in range(5):
        begun = time.monotonic()
        process = start(user, *LIFE, vistrail=True)
        if number == 0:  # the whole of it, which takes two or three times as long on a busy machine
            assert process.stdout is not None
            assert any(line == "running\n" for line in iter(process.stdout.readline, ""))
            life_seconds = time.monotonic() - begun
        else:
            time.sleep(chance.uniform(0.15, 1.0) * life_seconds)
        process.kill()
        out, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == -signal.SIGKILL, out
        assert not leaks.wait_until_gone(run, known=others, seconds=30), out
    walk(user, "start_two_engines", "quit_by_menu")
    assert not clusters(others)


def test_without_a_window_there_is_no_menu_and_no_qt() -> None:
    said = run_python(
        """
        import sys
        from parallelflow import host
        host.start_core()
        from parallelflow import init
        init.finalize()
        assert init.menu_items() == ()
        print([name for name in sys.modules if name.startswith(("PyQt", "parallelflow.gui"))])
        """
    )
    assert said.strip().splitlines()[-1] == "[]"
