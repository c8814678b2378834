"""Generated lists, depths and orders: whatever VisTrails gives for them, engines give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.loops.test_lists import given as a_list
from tests.loops.test_lists import iterated, same, typed
from tests.support.workflows import group

pytestmark = pytest.mark.usefixtures("cluster")

GENERATED = settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

numbers = st.integers(-3, 9)


def nested(depth: int) -> Any:
    values: Any = numbers
    for _ in range(depth):
        values = st.lists(values, min_size=0, max_size=3)
    return values


@st.composite
def orders(draw: Any, ports: list[str]) -> str:
    """Return a combine order: of VisTrails' two, or one of a user's."""
    kind = draw(st.sampled_from(["pairwise", "cartesian", "custom"]))
    if kind != "custom":
        return str(kind)
    ports = draw(st.permutations(ports))
    inner = [draw(st.sampled_from(["pairwise", "cartesian"])), *ports[1:]]
    rest = [inner] if draw(st.booleans()) and len(ports) > 1 else ports[1:]
    return json.dumps([draw(st.sampled_from(["pairwise", "cartesian"])), ports[0], *rest])


@st.composite
def cases(draw: Any) -> tuple[list[tuple[int, Any]], str, str]:
    """Return the lists with their depths, the combine order, and what the module does."""
    count = draw(st.integers(1, 3))
    ports = list("ijk"[:count])
    lists = []
    for _ in range(count):
        depth = draw(st.integers(1, 2))
        lists.append((depth, draw(nested(depth))))
    names = ", ".join(ports)
    code = draw(st.sampled_from(["o = (%s,)", "o = [12 // n for n in (%s,)]"])) % names
    return lists, draw(orders(ports)), code


@GENERATED
@given(cases())
def test_lists_of_any_depth_in_any_order(case: Any) -> None:
    lists, order, code = case
    function = typed(code, tuple("ijk"[: len(lists)]), control={"loop_type": order})
    same(iterated(function, *(a_list(value, depth) for depth, value in lists)), loops=None)


@settings(GENERATED, max_examples=8)
@given(nested(3), st.sampled_from(["o = (i, self.signature)", "o = 12 // i"]), st.booleans())
def test_lists_of_lists_of_lists(core: Any, value: Any, code: str, checked: bool) -> None:
    if checked and value and value[-1]:
        value[-1][-1] = [1, "x"]  # VisTrails evaluates what is before this list
    core.temp_configuration.showConnectionErrors = checked
    try:
        same(iterated(typed(code), a_list(value, 3)), loops=None)
    finally:
        core.temp_configuration.showConnectionErrors = False


@settings(GENERATED, max_examples=5)
@given(st.lists(numbers, max_size=12))
def test_groups_that_sometimes_fail(values: list[int]) -> None:
    inner = typed("o = 12 // i")
    function = group([inner], [], {"i": (0, "i")}, {"o": (0, "o")})
    same(iterated(function, a_list(values)), loops=None)
