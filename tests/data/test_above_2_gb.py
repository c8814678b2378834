"""Values larger than one frame of an encrypted connection can be, through a real cluster."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from parallelflow.data import shared_values
from parallelflow.engine_manager import EngineManager
from parallelflow.system.memory import available_memory
from parallelflow.work.mapping import map_on_cluster
from parallelflow.work.sendable import with_constants

pytestmark = [pytest.mark.slow, pytest.mark.own_cluster, pytest.mark.timeout(1800)]

GIGABYTE = 10**9
SIZE = 2_500_000_000
# In messages: the value, what the controller has of it, and at the other end frames and value.
COPIES = 5


@pytest.fixture
def client() -> Iterator[Any]:
    needed = COPIES * SIZE
    available = available_memory() or 0
    if available < needed:
        pytest.skip(
            f"{needed / GIGABYTE:.0f} GB of free memory are needed, {available / GIGABYTE:.0f} GB "
            "are there"
        )
    manager = EngineManager(profile="huge")
    manager.configure(engines=1, private=True)
    yield manager.ensure_engines()
    manager.stop()


def value(size: int) -> Any:
    """Return an array that is the same nowhere within 2 GB."""
    whole = np.empty(size // 8, dtype=np.uint64)
    for begin in range(0, len(whole), 10_000_000):
        part = whole[begin : begin + 10_000_000]
        part[:] = np.arange(begin, begin + len(part), dtype=np.uint64)
        part *= np.uint64(0x9E3779B97F4A7C15)
    return whole


def checksum(array: Any) -> tuple[int, int]:
    return array.nbytes, zlib.crc32(array)


@pytest.mark.parametrize("way", ["shared memory", "messages"])
def test_above_2_gb_as_element_result_and_constant(
    client: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "messages":
        monkeypatch.setattr(shared_values.SharedFolder, "create", classmethod(lambda *_: None))
        monkeypatch.setattr(shared_values, "_folder", None)
    array = value(SIZE)
    expected = checksum(array)
    assert map_on_cluster(client, checksum, [(array,)]) == [expected]
    function, elements = with_constants(
        lambda i, constant: (i, checksum(constant)), ([1], itertools.repeat(array))
    )
    assert map_on_cluster(client, function, zip(*elements, strict=False)) == [(1, expected)]
    del array, function, elements
    [result] = map_on_cluster(client, value, [(SIZE,)])
    assert checksum(result) == expected
    result[-1] = 0  # it may be written to
