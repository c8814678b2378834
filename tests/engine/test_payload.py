"""Values as frames and back, within one process."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy
import pytest

from parallelflow.engine import payload
from parallelflow.engine.payload import Pickled

LARGE = 1_000_000


class Local:
    """An object of the test's own class."""

    def __init__(self, value: Any) -> None:
        self.value = value


@pytest.mark.parametrize("value", [None, 0, "text", b"bytes", [1, (2, {3: {4}})], 1e300, range(5)])
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    frames = payload.dump(value)
    assert len(frames) == 1 and payload.load(frames) == value


def test_large_buffers_travel_beside_the_pickle_without_a_copy() -> None:
    array = numpy.arange(LARGE)
    frames = payload.dump({"array": array, "small": numpy.arange(3)})
    assert len(frames) == 2 and len(frames[0]) < 10_000
    assert numpy.shares_memory(numpy.frombuffer(frames[1], array.dtype), array)


def test_what_is_read_is_writable_and_nobody_elses() -> None:
    array = numpy.arange(LARGE)
    frames = [bytes(frame) for frame in payload.dump(array)]
    one, two = payload.load(frames), payload.load(frames)
    one[0] = -1
    assert array[0] == two[0] == 0 and one.flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        numpy.arange(LARGE)[::2],
        numpy.asfortranarray(numpy.ones((1000, 1000))),
        numpy.arange(LARGE).reshape(1000, 1000).T,
        numpy.zeros((0, 5)),
        numpy.array(3.0),
    ],
    ids=["strided", "fortran", "transposed", "empty", "scalar"],
)
def test_arrays_of_any_layout_arrive(array: Any) -> None:
    came = payload.load([bytes(frame) for frame in payload.dump(array)])
    assert came.dtype == array.dtype and came.shape == array.shape
    assert numpy.array_equal(came, array)


def test_very_many_buffers_arrive() -> None:
    arrays = [numpy.full(20_000, i) for i in range(200)]
    came = payload.load([bytes(frame) for frame in payload.dump(arrays)])
    assert [int(array[-1]) for array in came] == list(range(200))


def test_an_object_that_is_there_twice_stays_one() -> None:
    shared = Local(1)
    one, two = payload.load(payload.dump([shared, shared]))
    assert one is two


def test_functions_that_pickle_cannot_take_go_by_value() -> None:
    offset = 3
    assert payload.load(payload.dump(lambda i: i + offset))(4) == 7


def test_what_cannot_be_pickled_says_so() -> None:
    with pytest.raises(TypeError, match="lock"):
        payload.dump([1, threading.Lock()])


def test_the_search_for_garbage_goes_on_afterwards() -> None:
    assert gc.isenabled()
    payload.load(payload.dump([1]))
    with pytest.raises(TypeError):
        payload.dump(threading.Lock())
    with pytest.raises(Exception, match=r"pickle|stack|load key|truncated"):
        payload.load([b"no pickle"])
    assert gc.isenabled()
    gc.disable()
    try:
        payload.load(payload.dump([1]))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_frozen_value_is_that_of_its_moment() -> None:
    array = numpy.zeros(LARGE)
    value = {"list": [1], "array": array}
    frozen = Pickled(value)
    value["list"].append(2)  # type: ignore[attr-defined]
    array[:] = 1
    assert frozen.value["list"] == [1] and frozen.value["array"].sum() == 0
    assert frozen.nbytes > array.nbytes
    # On its way it is not wrapped any more, and its large buffers are frames.
    frames = payload.dump([frozen])
    [came] = payload.load(frames)
    assert type(came) is dict and came["list"] == [1] and came["array"].flags.writeable
    assert len(frames[0]) < 10_000
