"""Each dialog and view by keys and by mouse, on a usual, a small and a doubled screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gui.walks import Walk, clusters
from tests.support import leaks

pytest.importorskip("PyQt5.QtWidgets")
pytestmark = [pytest.mark.gui, pytest.mark.own_cluster]


# The smallest finds most; the others are for `make test-slow`.
@pytest.mark.parametrize(
    ("screen", "scale"),
    [
        ("1024x600", "1"),
        pytest.param("1280x800", "1", marks=pytest.mark.slow),
        pytest.param("1280x800", "2", marks=pytest.mark.slow),
    ],
)
def test_all_can_be_seen_and_reached(
    user: Path,
    walk: Walk,
    others: set[leaks.Left],
    monkeypatch: pytest.MonkeyPatch,
    screen: str,
    scale: str,
) -> None:
    monkeypatch.setenv("SCREEN", screen)
    monkeypatch.setenv("QT_SCALE_FACTOR", scale)
    walk(
        user,
        "the_window_has_the_screens_size",
        "every_view_is_inside",
        "the_question_for_engines",
        "the_start_and_its_error",
        "the_cluster_window",
        "the_questions_about_the_cluster",
        "the_form_of_a_map",
        "the_runs",
        "the_page_in_preferences",
        "forget_changes",
        "quit_by_menu",
        vistrail=True,
        program="size_steps",
    )
    assert not clusters(others)
