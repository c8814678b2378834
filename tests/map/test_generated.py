"""Generated lists: whatever Control Flow's Map gives for them, ours gives."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.map.test_table import both, doubling, same_values, without_hints
from tests.support.workflows import mapped, source

pytestmark = pytest.mark.usefixtures("cluster")

GENERATED = settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def vistrails_values(number: int) -> Any:
    from vistrails.core.modules.basic_modules import PathObject
    from vistrails.core.utils import InstanceObject

    return [PathObject(f"file{number}.txt"), InstanceObject(tuple=(0.1, 0.5, number / 100))][
        number % 2
    ]


scalars = (
    st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.none()
    | st.booleans()
    | st.binary(max_size=20)
    | st.complex_numbers(allow_nan=False)
    | st.dates()
    | st.datetimes()
    | st.fractions()
    | st.integers(-1000, 1000).map(numpy.int64)
    | st.floats(width=32).map(numpy.float32)
    | st.lists(st.integers(-9, 9), max_size=4).map(numpy.array)
    | st.integers(0, 99).map(vistrails_values)
)
elements = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


def comparable(value: Any) -> Any:
    """Return a value that can be compared: VisTrails' Color has no equality of its own."""
    return vars(value) if type(value).__name__ == "InstanceObject" else value


def agree(workflow: Any) -> None:
    serial, ours = both(workflow)
    assert without_hints(ours.errors, serial.errors) == serial.errors
    assert ours.executed == serial.executed
    assert same_values(deep(ours.values), deep(serial.values))


def deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: deep(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(deep(v) for v in value)
    return str(comparable(value)) if type(value).__name__ == "InstanceObject" else value


@GENERATED
@given(st.lists(elements, max_size=50))
def test_one_port(values: list[Any]) -> None:
    agree(mapped(source("o = (i, type(i).__name__)"), values))


@GENERATED
@given(st.integers(2, 3).flatmap(lambda n: st.lists(st.tuples(*[elements] * n), max_size=20)))
def test_two_and_three_ports(values: list[Any]) -> None:
    names = "ijk"[: len(values[0]) if values else 2]
    workflow = mapped(source(f"o = [{', '.join(names)}]", tuple(names)), values, str(list(names)))
    agree(workflow)


@GENERATED
@given(st.lists(st.integers(-3, 10), max_size=50))
def test_functions_that_sometimes_raise(values: list[int]) -> None:
    agree(mapped(source("if i < 0: fail('negative: %d' % i)\no = 10 / i"), values))


@GENERATED
@given(st.lists(st.integers(-3, 10) | st.text(max_size=3) | st.none(), max_size=20))
def test_groups_that_sometimes_raise(values: list[Any]) -> None:
    agree(mapped(doubling(), values))


@GENERATED
@given(st.lists(st.tuples(elements, elements) | st.tuples(elements), max_size=6))
def test_lists_whose_elements_differ_in_length(values: list[Any]) -> None:
    agree(mapped(source("o = i", ("i", "j")), values, "['i', 'j']"))
