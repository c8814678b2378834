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


def lines(text: str) -> Written:
    return [("stdout", text)]


def test_what_a_running_element_has_written_is_shown_early_and_only_once(
    order: OutputOrder, shown: list[tuple[int, str]]
) -> None:
    order.add_early(0, 0, lines("one\n"), False)
    order.add_early(0, 4, lines("two\n"), False)
    assert shown == [(0, "one\n"), (0, "two\n")]
    order.add(0, 1, {0: [("stdout", "one\ntwo\nth"), ("stderr", "ree")]})
    assert shown[2:] == [(0, "three")]


def test_early_output_waits_for_the_elements_before_it(
    order: OutputOrder, shown: list[tuple[int, str]]
) -> None:
    order.add_early(3, 0, lines("3\n"), False)
    order.add(1, 1, {0: lines("1\n")})
    order.add_early(2, 0, lines("2\n"), True)  # of the same chunk as 3, which has not come back
    assert shown == []
    order.add(0, 1, {})
    assert shown == [(1, "1\n"), (2, "2\n"), (3, "3\n")]
    order.add_early(3, 2, lines("3 again\n"), False)
    order.add(2, 2, {0: lines("2\n"), 1: lines("3\n3 again\nend\n")})
    assert shown[3:] == [(3, "3 again\n"), (3, "end\n")]


def test_early_output_of_which_a_part_was_lost_waits_for_the_whole(
    order: OutputOrder, shown: list[tuple[int, str]]
) -> None:
    order.add_early(0, 0, lines("one\n"), False)
    order.add_early(0, 8, lines("three\n"), False)
    order.add(0, 1, {0: lines("one\ntwo\nthree\n")})
    order.add_early(0, 14, lines("late\n"), False)
    order.add(1, 1, {0: lines("next\n")})
    assert shown == [(0, "one\n"), (0, "two\nthree\n"), (1, "next\n")]


def test_an_element_that_runs_again_elsewhere_is_not_shown_twice(
    order: OutputOrder, shown: list[tuple[int, str]]
) -> None:
    """Its engine was lost after it had told something."""
    order.add_early(0, 0, lines("one\n"), False)
    order.add_early(0, 0, lines("one\n"), False)
    order.add(0, 1, {0: lines("one\ntwo\n")})
    assert shown == [(0, "one\n"), (0, "two\n")]


def test_characters_that_a_stream_cannot_take_are_written_by_their_numbers() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    write(stream, "5 \N{MICRO SIGN}m\n")
    stream.flush()
    assert raw.getvalue() == b"5 \\xb5m\n"
    write(None, "where there is no stream")
