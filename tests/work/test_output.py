"""What elements write, shown in their order whatever the order in which they finish."""

from __future__ import annotations

import io

import pytest

from parallelflow.work.output import OutputOrder, Written, write


@pytest.fixture
def shown() -> list[tuple[int, str]]:
    """Return what was shown: elements' indices and texts."""
    return []


@pytest.fixture
def order(shown: list[tuple[int, str]]) -> OutputOrder:
    """Return an order that shows into `shown`."""
    return OutputOrder(
        lambda index, written: shown.append((index, "".join(text for _, text in written)))
    )


def said(*positions: int) -> dict[int, Written]:
    return {position: [("stdout", f"text {position}")] for position in positions}


def test_what_comes_early_waits_for_those_before_it(
    order: OutputOrder, shown: list[tuple[int, str]]
) -> None:
    order.add(2, 2, said(0, 1))
    assert shown == []
    order.add(0, 2, said(1))
    assert shown == [(1, "text 1"), (2, "text 0"), (3, "text 1")]
    order.add(4, 1, said(0))
    assert shown[3:] == [(4, "text 0")]


def test_elements_that_write_nothing_hold_nothing_up(
    order: OutputOrder, shown: list[tuple[int, str]]
) -> None:
    order.add(0, 5, {})
    order.add(10, 1, said(0))
    order.add(5, 5, {})
    assert shown == [(10, "text 0")]


def test_a_chunk_whose_beginning_came_before_is_not_shown_twice(
    order: OutputOrder, shown: list[tuple[int, str]]
) -> None:
    order.add(3, 1, said(0))
    order.add(3, 0, {})  # interrupted before its first element had finished
    order.add(0, 3, {})
    order.add(4, 1, said(0))
    assert shown == [(3, "text 0"), (4, "text 0")]


def test_after_a_failure_all_is_shown_that_is_there(
    order: OutputOrder, shown: list[tuple[int, str]]
) -> None:
    order.add(7, 1, said(0))
    order.add(3, 2, said(0, 1))
    order.flush()
    assert [index for index, _ in shown] == [3, 4, 7]
    order.flush()
    assert len(shown) == 3


def test_characters_that_a_stream_cannot_take_are_written_by_their_numbers() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    write(stream, "5 \N{MICRO SIGN}m\n")
    stream.flush()
    assert raw.getvalue() == b"5 \\xb5m\n"
    write(None, "where there is no stream")
