"""How far elements are read before they are needed: bounded by bytes, not by number alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy
import psutil
import pytest

from parallelflow.engine.payload import Pickled
from parallelflow.work.chunks import ALL_SHARED_BYTES, MAX_BYTES
from parallelflow.work.element_source import ElementSource
from parallelflow.work.mapping import map_on_cluster
from tests.support.clusters import on_real, send_as_messages

MEGABYTE = 1_000_000


@pytest.mark.usefixtures("unhurried_reading")
def test_large_elements_of_a_generator_are_read_one_by_one() -> None:
    source = ElementSource(bytes(400_000) for _ in range(10))
    chunk = source.take(32, MEGABYTE)
    assert chunk is not None and len(chunk.elements) == 3
    assert source.taken == 3


def test_large_elements_of_a_sequence_are_read_one_by_one() -> None:
    source = ElementSource([(bytes(400_000), i) for i in range(10)])
    chunk = source.take(32, MEGABYTE)
    assert chunk is not None and [i for _, i in chunk.elements] == [0, 1, 2]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("finished", [(), {1}])
def test_a_chunk_as_large_as_can_be_asked_for(known: bool, finished: Any) -> None:
    source = ElementSource([10, 11, 12] if known else iter([10, 11, 12]), finished)
    found = []
    while (chunk := source.take(10**30)) is not None:
        found += [e.value if isinstance(e, Pickled) else e for e in chunk.elements]
    assert found == ([10, 12] if finished else [10, 11, 12])


class Made(Sequence[Any]):
    """Elements that are made as they are asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if index >= len(self):
            raise IndexError
        return (numpy.full(MAX_BYTES // 8, float(index)),)


@contextlib.contextmanager
def peak() -> Iterator[list[int]]:
    """Yield a list whose item is, after the block, the memory that this process took in it."""
    process, over, highest = psutil.Process(), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not over.wait(0.005):
            highest[0] = max(highest[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield highest
    finally:
        over.set()
        watcher.join()


@on_real
@pytest.mark.parametrize(("way", "count"), [("shared memory", 40), ("messages", 24)])
@pytest.mark.parametrize("kind", ["generator", "sequence"])
def test_memory_stays_bounded_while_large_elements_are_sent(
    client: Any, kind: str, way: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "messages":
        send_as_messages(monkeypatch)
    made = Made(count)
    elements = (element for element in made) if kind == "generator" else made
    with peak() as highest:
        values = map_on_cluster(client, lambda array: float(array[0]), elements)
    assert values == [float(i) for i in range(count)]
    # All of them are 680 MB, or 408 as messages, each of which is there four times on its way. In
    # shared memory may lie 272 MB, and they are kept until they are finished. As messages there are
    # two for each engine, 68 MB. In both cases, the next ones are being made.
    assert highest[0] < ALL_SHARED_BYTES + 4 * MAX_BYTES, f"{highest[0] / MEGABYTE:.0f} MB"
