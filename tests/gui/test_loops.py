"""Loops chosen to run on engines, in VisTrails' real window: by module and for the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gui.walks import Walk

pytest.importorskip("PyQt5.QtWidgets")
pytestmark = [pytest.mark.gui]


def test_a_module_is_marked_and_all_loops_are_switched(user: Path, walk: Walk) -> None:
    walk(
        user,
        "make_the_function",
        "mark_a_module",
        "copy_a_marked_module",
        "a_map_of_ours_is_always_there",
        "the_canvas_shows_what_runs_on_engines",
        "switch_all_loops",
        "two_branches_run_at_the_same_time",
        "forget_changes",
        "quit_by_menu",
        program="loop_steps",
    )
