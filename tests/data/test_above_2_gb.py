"""Values larger than one frame of an encrypted connection can be, through a real cluster."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow.data import shared_values
from parallelflow.engine_manager import EngineManager
from parallelflow.system.memory import available_memory
from parallelflow.work.mapping import map_on_cluster
from parallelflow.work.sendable import with_constants

pytestmark = [pytest.mark.slow, pytest.mark.own_cluster, pytest.mark.timeout(1800)]

GIGABYTE = 10**9
# Beyond what 31 and what 32 bits count.
SIZES = [2_500_000_000, 5_000_000_000]
# How much of the value's size is needed: of the memory that is free a file in shared memory takes
# at most 60 %; in messages hub and controller have the value, and its engine frames and value.
NEEDED = {"shared memory": 1.8, "messages": 4.5}


@pytest.fixture
def client() -> Iterator[Any]:
    manager = EngineManager(profile="huge")
    manager.configure(engines=1, private=True)
    yield manager.ensure_engines()
    manager.stop()


def write(path: Path, size: int) -> None:
    """Write a file that needs little memory and is the same nowhere: a number in each megabyte."""
    with path.open("wb") as file:
        file.truncate(size)
        for number, begin in enumerate(range(0, size, 2**20), 1):
            file.seek(begin)
            file.write(struct.pack("<Q", number * 0x9E3779B97F4A7C15 % 2**64))


def value(path: str) -> Any:
    """Return a file's content as an array that may be written to."""
    import mmap

    import numpy

    with open(path, "rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return numpy.frombuffer(memory, dtype=numpy.uint64)


def checksum(array: Any) -> tuple[int, int]:
    return array.nbytes, zlib.crc32(array)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", NEEDED)
def test_above_2_gb_as_element_result_and_constant(
    way: str, size: int, request: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needed, available = NEEDED[way] * size, available_memory() or 0
    if available < needed:
        pytest.skip(
            f"{needed / GIGABYTE:.1f} GB of free memory are needed, "
            f"{available / GIGABYTE:.1f} GB are there"
        )
    if way == "messages":
        monkeypatch.setattr(shared_values.SharedFolder, "create", classmethod(lambda *_: None))
        monkeypatch.setattr(shared_values, "_folder", None)
    client = request.getfixturevalue("client")
    assert client.curve_serverkey, "the connection is not encrypted"
    path = tmp_path / "value"
    write(path, size)
    array = value(str(path))
    expected = checksum(array)
    assert expected[0] == size
    assert map_on_cluster(client, checksum, [(array,)]) == [expected]
    function, elements = with_constants(
        lambda i, constant: (i, checksum(constant)), ([1], itertools.repeat(array))
    )
    assert map_on_cluster(client, function, zip(*elements, strict=False)) == [(1, expected)]
    del array, function, elements
    [result] = map_on_cluster(client, value, [(str(path),)])
    assert checksum(result) == expected
    result[-1] = 0  # it may be written to
