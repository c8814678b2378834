"""The exploration view's Execute in VisTrails' real window: by VisTrails, and on engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gui.test_window import opened_once, walk

pytest.importorskip("PyQt5.QtWidgets")
pytestmark = [pytest.mark.gui, pytest.mark.own_cluster]

__all__ = ["opened_once"]


def test_an_exploration_shows_the_same_cells(opened_once: Path) -> None:
    walk(
        opened_once,
        "make_the_workflow",
        "explore_serially",
        "explore_on_engines",
        "what_engines_computed_is_not_kept_in_parts",
        "cancel_an_exploration",
        "nothing_is_changed_when_it_is_switched_off",
        "forget_changes",
        "quit_by_menu",
        program="exploration_steps",
    )
