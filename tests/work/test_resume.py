"""What a run that did not finish leaves to the next one."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from parallelflow.work.resume import MAX_KEPT, PartialResults


@pytest.fixture
def kept() -> PartialResults:
    """Return a store with the values of two of three elements."""
    store = PartialResults()
    store.keep(b"function", ["a", "b", "c"], {0: "A", 2: "C"})
    return store


def test_the_same_function_over_the_same_list_goes_on(kept: PartialResults) -> None:
    assert kept.take(b"function", ["a", "b", "c"]) == {0: "A", 2: "C"}
    assert kept.take(b"function", ["a", "b", "c"]) == {}  # taken


@pytest.mark.parametrize(
    ("key", "elements"),
    [
        (b"another", ["a", "b", "c"]),
        (b"function", ["a", "b"]),
        (b"function", ["a", "b", "d"]),
        (b"function", ["a", "b", b"c"]),
    ],
)
def test_another_function_or_list_begins_anew(
    kept: PartialResults, key: bytes, elements: list[Any]
) -> None:
    assert kept.take(key, elements) == {}


def test_elements_that_cannot_be_pickled_keep_nothing() -> None:
    store = PartialResults()
    store.keep(b"function", [threading.Lock()], {0: 1})
    assert store.take(b"function", [threading.Lock()]) == {}


def test_only_the_latest_runs_are_kept_and_nothing_for_none(kept: PartialResults) -> None:
    kept.keep(b"nothing", ["x"], {})
    for number in range(MAX_KEPT - 1):
        kept.keep(b"%d" % number, ["x"], {0: number})
    assert kept.take(b"function", ["a", "b", "c"]) == {0: "A", 2: "C"}
    for number in range(MAX_KEPT + 1):
        kept.keep(b"%d" % number, ["x"], {0: number})
    assert kept.take(b"0", ["x"]) == {} and kept.take(b"1", ["x"]) == {0: 1}
    kept.clear()
    assert kept.take(b"2", ["x"]) == {}
