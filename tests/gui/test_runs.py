"""Runs are looked at in VisTrails' real window."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gui.walks import Walk, clusters
from tests.support import leaks

pytest.importorskip("PyQt5.QtWidgets")
pytestmark = [pytest.mark.gui, pytest.mark.own_cluster]


def test_a_run_is_looked_at(user: Path, walk: Walk, others: set[leaks.Left]) -> None:
    walk(
        user,
        "the_window_around_it",
        "the_configuration_is_checked",
        "open_the_runs",
        "start_two_engines",
        "the_rows_of_a_run",
        "sort_find_and_open_an_element",
        "the_timeline_and_the_report",
        "a_failed_map_says_so",
        "run_again",
        "cancel_in_the_panel",
        "a_run_that_goes_on_is_no_failure",
        "past_runs_are_listed",
        "forget_changes",
        "quit_by_menu",
        vistrail=True,
        program="runs_steps",
    )
    assert not clusters(others)
