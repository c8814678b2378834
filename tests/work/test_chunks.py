"""How large chunks are, and what goes first; no cluster."""

from __future__ import annotations

import pytest

from parallelflow.work.backlog import Backlog
from parallelflow.work.chunks import (
    ALL_SHARED_BYTES,
    BETWEEN_SECONDS,
    CHUNK_SECONDS,
    FEW_ENGINES,
    FIRST_BYTES,
    FIRST_ELEMENTS,
    FIRST_SECONDS,
    GROWTH,
    LAST_SECONDS,
    MAX_BYTES,
    MAX_ELEMENTS,
    PATIENCE,
    SHARED_BYTES,
    ChunkSizer,
)


def sizer(*seconds: float, nbytes: float = 0) -> ChunkSizer:
    own = ChunkSizer()
    own.observe(seconds, nbytes)
    return own


def test_the_first_chunk_is_small_and_ends_early() -> None:
    own = ChunkSizer()
    assert own.size(1_000, 2) == own.size(None, 2) == FIRST_ELEMENTS
    assert own.size(100, 2) == 6 and own.size(9, 2) == own.size(1, 2) == 1
    assert own.patience(FIRST_ELEMENTS) == FIRST_SECONDS
    assert own.most_bytes(2) == own.most_bytes(2, shared=True) == FIRST_BYTES


def test_then_the_time_of_the_elements_decides() -> None:
    own = sizer(*[0.01] * 10)
    assert own.size(10_000, 2) == own.size(None, 2) == CHUNK_SECONDS / 0.01
    assert own.patience(50) == pytest.approx(PATIENCE * 0.5)
    assert sizer(1e-7).size(10**6, 2) == MAX_ELEMENTS
    assert sizer(10.0).size(100, 2) == 1


def test_chunks_grow_with_the_engines_so_that_one_client_serves_them() -> None:
    own = sizer(0.01, 0.01)
    few, many = own.size(None, FEW_ENGINES), own.size(None, 128)
    assert few == own.size(None, 2) and many == few * 128 / FEW_ENGINES
    # What is left is shared all the same.
    assert own.size(200 * 128, 128) == 0.85 * 200


def test_many_engines_do_not_end_their_first_chunks_all_at_once() -> None:
    backlog = Backlog(range(100_000), (), None, None)
    first = [backlog.next(128, 0, False) for _ in range(128)]
    seconds = [chunk.seconds for chunk in first if chunk is not None and chunk.seconds is not None]
    assert len(seconds) == 128 and seconds[:FEW_ENGINES] == [FIRST_SECONDS] * FEW_ENGINES
    later = seconds[FEW_ENGINES - 1 :]
    assert later == pytest.approx([FIRST_SECONDS + BETWEEN_SECONDS * n for n in range(113)])
    # Once it is known how long elements take, that alone counts.
    backlog.sizer.observe([0.1], 0)
    known = backlog.next(128, 1, False)
    assert known is not None and known.seconds == pytest.approx(PATIENCE * len(known.elements) / 10)


def test_the_last_chunks_of_many_engines_are_longer() -> None:
    own = sizer(*[0.01] * 10)
    assert [own.size(engines * 20, engines) for engines in (2, FEW_ENGINES, 128)] == [17, 17, 20]
    assert [own.size(engines * 10, engines) for engines in (2, FEW_ENGINES, 128)] == [8, 8, 10]
    # No engine takes another's share for it.
    assert own.size(128, 128) == own.size(2, 2) == LAST_SECONDS / 0.01
    assert sizer(0.1).size(128, 128) == 1


def test_towards_the_end_engines_share_what_is_left() -> None:
    regular, irregular = sizer(*[0.01] * 10), sizer(*[0.001] * 9, 0.091)
    assert regular.size(40, 2) == 17  # 0.85 of 20
    assert irregular.size(40, 2) == 10  # half of 20
    # No messages for what takes less time than they do.
    assert regular.size(14, 2) == 7 and regular.size(3, 2) == 3


@pytest.mark.parametrize("engines", [1, 2, 3, 7])
@pytest.mark.parametrize("seconds", [1e-6, 0.001, 0.02, 1.0])
def test_every_element_goes(engines: int, seconds: float) -> None:
    own = sizer(*[seconds] * 5)
    left = 1_000
    while left:
        size = own.size(left, engines)
        assert 1 <= size <= left or seconds < 0.02  # a chunk may ask for more than there is
        left -= min(size, left)


def test_large_elements_travel_a_few_at_a_time() -> None:
    own = sizer(*[0.001] * 4, nbytes=4 * MAX_BYTES / 2)
    assert own.size(100, 2) == 2
    assert sizer(0.001, nbytes=5 * MAX_BYTES).size(100, 2) == 1


def test_more_of_them_travel_through_shared_memory_while_engines_are_few() -> None:
    own = sizer(*[0.001] * 4, nbytes=4 * MAX_BYTES / 2)
    assert own.size(100, 2, shared=True) == SHARED_BYTES * 2 // MAX_BYTES == 8
    assert own.size(1_000, 4, shared=True) == 4 and own.size(1_000, 16, shared=True) == 2
    for engines in (1, 2, 3, 8):
        assert own.most_bytes(engines, shared=True) * 2 * engines <= ALL_SHARED_BYTES


def test_a_size_that_the_user_has_set_is_kept() -> None:
    own = ChunkSizer(7)
    own.observe([5.0], 10**9)
    assert own.size(3, 2) == own.size(1_000, 2) == 7
    assert own.patience(7) is None
    with pytest.raises(ValueError, match="at least 1"):
        ChunkSizer(0)


def test_of_an_unknown_number_the_first_engine_does_not_take_all() -> None:
    assert ChunkSizer().size(None, 2, finished=0) == 1
    fast = sizer(*[1e-6] * 10)
    sizes = [fast.size(None, 2, finished=number) for number in (0, 1, 2, 10, 10**6)]
    assert sizes == [1, GROWTH, 2 * GROWTH, 10 * GROWTH, MAX_ELEMENTS]
    # Of a known number, and with a size set by the user, it is not asked.
    assert fast.size(10**6, 2, finished=1) == MAX_ELEMENTS
    assert ChunkSizer(7).size(None, 2, finished=0) == 7


def test_what_a_chunk_has_left_goes_first_and_may_be_divided() -> None:
    backlog = Backlog(range(1_000), (), None, None)
    first = backlog.next(2, 0, True)
    assert first is not None and (first.start, len(first.elements)) == (0, FIRST_ELEMENTS)
    assert first.seconds == FIRST_SECONDS
    backlog.sizer.observe([0.1], 0)
    backlog.requeue(first.rest(1))
    second = backlog.next(2, 1, True)
    assert second is not None and second.elements == [1, 2, 3, 4, 5]
    third = backlog.next(2, 1, False)
    assert third is not None and third.elements == [6, 7, 8, 9, 10]
