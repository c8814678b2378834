"""What waits, in what order it goes, and where elements come from; no cluster."""

from __future__ import annotations

from typing import Any

import pytest

from parallelflow.engine.payload import Pickled
from parallelflow.work.backlog import Backlog
from parallelflow.work.chunks import Chunk
from parallelflow.work.element_source import ElementSource

pytestmark = pytest.mark.usefixtures("unhurried_reading")


def backlog(count: int, size: int | None = 2, **settings: Any) -> Backlog:
    return Backlog(range(count), settings.get("known", ()), size, settings.get("limit"))


def starts(own: Backlog) -> list[int]:
    """Take out all that waits; return the chunks' first indices."""
    return [chunk.start for chunk in own.drain()]


def test_elements_go_in_order_and_each_once() -> None:
    own = backlog(5)
    taken = [own.next(2, 0, False) for _ in range(4)]
    assert [chunk.elements if chunk else None for chunk in taken] == [[0, 1], [2, 3], [4], None]
    assert not own


def test_what_goes_again_goes_first_and_in_its_order() -> None:
    own = backlog(10)
    chunks = [own.next(2, 0, False) for _ in range(3)]
    own.requeue_all([chunk for chunk in chunks[::-1] if chunk])
    order = [own.next(2, 0, False) for _ in range(4)]
    assert [chunk.start for chunk in order if chunk] == [0, 2, 4, 6]


def test_a_suspect_waits_until_nothing_else_is_under_way() -> None:
    own = backlog(2)
    own.quarantine(Chunk(7, ["x"], [(0, 1.0)]))
    first = own.next(2, 0, True)
    assert first is not None and first.start == 0
    assert own.next(2, 0, False) is None and own
    last = own.next(2, 0, True)
    assert last is not None and last.start == 7 and last.alone
    # What is sent again together with others is not alone any more.
    own.requeue(last)
    again = own.next(2, 0, False)
    assert again is last and not again.alone


def test_no_chunk_waits_behind_another_before_anything_is_measured_or_near_a_suspect() -> None:
    own = backlog(1000, None)
    assert not own.may_prefetch(2)
    own.sizer.observe([0.1] * 5, 0)
    assert own.may_prefetch(2)
    own.quarantine(Chunk(7, ["x"]))
    assert not own.may_prefetch(2)


def test_only_so_many_elements_are_under_way() -> None:
    own = backlog(100, 10, limit=4)
    first = own.next(2, 0, True)
    assert first is not None and first.elements == [0, 1, 2, 3]
    assert own.next(2, 0, False) is None
    second = own.next(2, 3, False)
    assert second is not None and second.elements == [4, 5, 6]


def test_after_a_failure_only_what_comes_before_it_goes() -> None:
    own = backlog(20)
    own.requeue(Chunk(2, [2]))
    own.requeue(Chunk(8, [8]))
    own.quarantine(Chunk(1, [1]))
    own.quarantine(Chunk(9, [9]))
    own.truncate_at(5)
    own.requeue(Chunk(6, [6]))
    own.quarantine(Chunk(5, [5]))
    assert starts(own) == [2, 1] and not own
    own.truncate_at(0)
    own.requeue(Chunk(0, [0]))
    assert starts(own) == []


def test_all_that_waits_can_be_taken_out() -> None:
    own = backlog(5, 2, known={3})
    own.requeue(Chunk(10, ["again"]))
    own.quarantine(Chunk(11, ["suspect"]))
    assert starts(own) == [10, 11, 0, 4] and not own
    endless = Backlog(iter(range(3)), (), 2, None)
    chunk = endless.pop()
    assert chunk is not None and len(chunk.elements) == 1  # making them may take its time


# -- where elements come from -----------------------------------------------------------------


def values(source: ElementSource, count: int) -> list[tuple[int, list[Any]]]:
    """Take all in chunks of a size; return their first indices and elements."""
    found = []
    while (chunk := source.take(count)) is not None:
        elements = [e.value if isinstance(e, Pickled) else e for e in chunk.elements]
        found.append((chunk.start, elements))
    return found


@pytest.mark.parametrize("known", [True, False])
def test_elements_with_a_value_are_passed_over(known: bool) -> None:
    source = ElementSource("abcdefg" if known else iter("abcdefg"), {0, 1, 4, 6})
    assert values(source, 3) == [(2, ["c", "d"]), (5, ["f"])]
    assert source.left == 0 and source.total == (7 if known else None)


def test_nothing_is_taken_from_an_empty_or_a_closed_source() -> None:
    assert values(ElementSource([]), 3) == [] and values(ElementSource(iter([])), 3) == []
    source = ElementSource("abc")
    source.close()
    assert source.left == 0 and values(source, 3) == []


def test_an_error_in_making_an_element_ends_the_source_after_those_before_it() -> None:
    def make() -> Any:
        yield 1
        yield 2
        raise ValueError("the third")

    source = ElementSource(make())
    assert values(source, 10) == [(0, [1, 2])]
    assert str(source.error) == "the third" and source.closed


def test_an_iterator_that_uses_one_object_for_all_gives_each_as_it_was() -> None:
    def make() -> Any:
        one = [0]
        for number in range(3):
            one[0] = number
            yield one

    assert values(ElementSource(make()), 10) == [(0, [[0], [1], [2]])]


def test_an_element_that_cannot_be_pickled_is_left_to_the_run() -> None:
    import threading

    lock = threading.Lock()
    assert values(ElementSource(iter([lock])), 1) == [(0, [lock])]
