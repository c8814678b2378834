"""Where elements are in lists of lists."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import pytest

from parallelflow.engine.nesting import Nesting, size


def lengths_of(value: Any, depth: int) -> Any:
    return len(value) if depth == 1 else tuple(lengths_of(each, depth - 1) for each in value)


def paths_of(value: Any, depth: int) -> list[tuple[int, ...]]:
    if depth == 0:
        return [()]
    inner = (paths_of(each, depth - 1) for each in value)
    return [(i, *path) for i, paths in enumerate(inner) for path in paths]


@pytest.mark.parametrize("empty", list(itertools.product([0, 2], repeat=4)))
def test_each_element_is_where_its_lists_have_it(empty: tuple[int, ...]) -> None:
    a, b, c, d = ([7] * n for n in empty)
    cases: list[Any] = [([a, b, c, d], 2), ([[a, b], [], [c], [d]], 3), ([[[a], [b, c]], [[d]]], 4)]
    for value, depth in cases:
        nesting = Nesting(lengths_of(value, depth), ("i",) * (depth - 1))
        nesting = pickle.loads(pickle.dumps(nesting))
        paths = [nesting.path_of(index) for index in range(size(nesting.lengths))]
        assert paths == paths_of(value, depth)
