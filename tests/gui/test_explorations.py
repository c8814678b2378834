"""The exploration view's Execute in VisTrails' real window: by VisTrails, and on engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gui.walks import Walk

pytest.importorskip("PyQt5.QtWidgets")
pytestmark = [pytest.mark.gui, pytest.mark.own_cluster]


def test_an_exploration_shows_the_same_cells(user: Path, walk: Walk) -> None:
    walk(
        user,
        "make_the_workflow",
        "explore_serially",
        "explore_on_engines",
        "what_engines_computed_is_not_kept_in_parts",
        "cancel_an_exploration",
        "explore_again",
        "nothing_is_changed_when_it_is_switched_off",
        "reload_the_package",
        "open_run_fail_cancel_edit_and_save",
        "forget_changes",
        "quit_by_menu",
        program="exploration_steps",
    )
