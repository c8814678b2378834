"""Maps made and changed in VisTrails' real window, by mouse and by keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from parallelflow.loops.map_editing import MapChoice, PortName, names_in, suggested_choice
from tests.gui.walks import Walk, clusters
from tests.support import leaks

pytest.importorskip("PyQt5.QtWidgets")
pytestmark = [pytest.mark.gui, pytest.mark.own_cluster]


def test_a_map_is_made_configured_and_exchanged(
    user: Path, walk: Walk, others: set[leaks.Left]
) -> None:
    walk(
        user,
        "the_guides_example",
        "make_the_function",
        "nothing_to_map_over_is_told",
        "map_over_by_mouse",
        "map_over_by_keys",
        "configure_the_map",
        "make_it_serial_and_parallel",
        "the_menu_of_a_module",
        "map_over_a_group",
        "the_assistant_makes_a_parallel_map",
        "forget_changes",
        "quit_by_menu",
        program="map_steps",
    )
    assert not clusters(others)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("['x']", ("x",)),
        ("['x', 'y']", ("x", "y")),
        ("'x'", ("x",)),
        ("[x, y]", ("x", "y")),
        ("x", ("x",)),
        ("", ()),
    ],
)
def test_names_are_understood_without_quotes(text: str, names: tuple[str, ...]) -> None:
    assert names_in(text) == names


def test_what_is_no_list_of_names_is_told() -> None:
    with pytest.raises(ValueError, match=r"InputPort is \[1, 2\], which is no list of port names"):
        names_in("[1, 2]")


def test_what_is_suggested() -> None:
    x, y = PortName("x", "Float", given=True), PortName("y", "Float")
    hidden = PortName("source", "String", optional=True)
    out = [PortName("o", "Float"), PortName("p", "Float")]
    assert suggested_choice([x, y, hidden], out) == MapChoice(("y",), "o")
    assert suggested_choice([x, hidden], out) == MapChoice(("x",), "o")
    assert suggested_choice([hidden], [hidden]) == MapChoice(("source",), "source")
    assert suggested_choice([x, x, hidden], []) == MapChoice((), "")
