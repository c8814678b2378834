"""Values as parcels: in messages and through shared memory, the same comes out."""

from __future__ import annotations

import array
import pickle
from collections.abc import Iterator
from typing import Any, SupportsIndex

import numpy as np
import pytest

from parallelflow.data import parcel
from parallelflow.data.parcel import Frame, layout_of
from parallelflow.data.shared_file import NotShared
from parallelflow.data.shared_folder import SharedFolder
from parallelflow.engine.payload import load, pack


@pytest.fixture
def folder() -> Iterator[SharedFolder]:
    made = SharedFolder.create()
    assert made is not None, "this machine has no shared memory"
    yield made
    made.remove()


def through_message(value: Any) -> Any:
    """Send as a message does: what arrives is read-only and belongs to nobody."""
    frames = pack(value).frames()
    assert len(frames) <= parcel.MAX_FRAMES + 1
    return load([memoryview(bytes(frame)) for frame in frames])


def shared(value: Any, folder: SharedFolder, last_reader: bool = True) -> list[Frame]:
    frames = pack(value).shared_frames(lambda parts: folder.write(parts, last_reader))
    assert frames is not None and len(frames) == 1 and len(frames[0]) < 10_000
    return frames


def through_file(value: Any, folder: SharedFolder) -> Any:
    return load([memoryview(bytes(frame)) for frame in shared(value, folder)])


STRUCTURED = np.zeros(5000, dtype=[("a", "i4"), ("b", "f8"), ("c", "S10")])
VALUES = {
    "small": [1, "two", 3.0, None],
    "float array": np.arange(100_000.0),
    "two dimensions": np.arange(1_000_000).reshape(1000, 1000),
    "Fortran order": np.asfortranarray(np.arange(1_000_000.0).reshape(1000, 1000)),
    "strides": np.arange(1_000_000.0).reshape(1000, 1000)[::2, ::3],
    "negative strides": np.arange(100_000.0)[::-1],
    "broadcast": np.broadcast_to(np.arange(1000.0), (1000, 1000)),
    "zero size": np.empty((0, 5)),
    "no dimensions": np.array(3.5),
    "structured": STRUCTURED,
    "objects": np.array([{"a": 1}, "text", None] * 10_000, dtype=object),
    "complex": np.arange(50_000) * 1j,
    "bool": np.ones(100_000, dtype=bool),
    "big-endian": np.arange(100_000, dtype=">i8"),
    "dates": np.arange("2000-01-01", "2100-01-01", dtype="datetime64[D]"),
    "texts": np.array(["a", "bc", "def"] * 20_000),
    "masked": np.ma.masked_greater(np.arange(100_000.0), 50_000),
    "bytes": b"x" * 3_000_000,
    "bytearray": bytearray(b"y" * 3_000_000),
    "text": "z" * 3_000_000,
    "array.array": array.array("d", range(100_000)),
    "many arrays": [np.full(20_000, float(i)) for i in range(200)],
    "nested": {"a": (np.arange(50_000), [b"q" * 100_000]), "b": {"c": bytearray(80_000)}},
    "many numbers": list(range(300_000)),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_the_same_comes_out_of_a_message_and_of_a_file(name: str, folder: SharedFolder) -> None:
    value = VALUES[name]
    for received in (through_message(value), through_file(value, folder)):
        assert_same(received, value)


def assert_same(received: Any, value: Any) -> None:
    assert type(received) is type(value)
    if isinstance(value, np.ndarray):
        assert received.dtype == value.dtype and received.shape == value.shape
        np.testing.assert_array_equal(received, value)
        if value.flags.f_contiguous and not value.flags.c_contiguous:
            assert received.flags.f_contiguous
        if value.flags.writeable and value.size:
            assert received.flags.writeable
            received[...] = received
    elif isinstance(value, list | tuple):
        assert len(received) == len(value)
        for one, other in zip(received, value, strict=True):
            assert_same(one, other)
    elif isinstance(value, dict):
        assert received.keys() == value.keys()
        for key, item in value.items():
            assert_same(received[key], item)
    else:
        assert received == value


def test_a_read_only_array_stays_read_only(folder: SharedFolder) -> None:
    value = np.arange(100_000.0)
    value.flags.writeable = False
    assert not through_message(value).flags.writeable
    assert not through_file(value, folder).flags.writeable


def test_an_object_that_appears_twice_stays_one(folder: SharedFolder) -> None:
    one = np.arange(100_000.0)
    text = b"x" * 200_000
    for received in (
        through_message([one, one, text, text]),
        through_file([one, one, text, text], folder),
    ):
        assert received[0] is received[1] and received[2] is received[3]


class Picture:
    """A class of any package that gives pickle 5 its memory out of band."""

    def __init__(self, pixels: Any, name: str) -> None:
        self.pixels = memoryview(pixels)
        self.name = name

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return Picture, (pickle.PickleBuffer(self.pixels), self.name)


def test_the_memory_of_any_class_is_beside_its_pickle(folder: SharedFolder) -> None:
    value = Picture(bytearray(b"pixel" * 200_000), "one")
    frames = pack(value).frames()
    assert len(frames) == 2 and len(frames[0]) < 1000
    for received in (through_message(value), through_file(value, folder)):
        assert (received.pixels, received.name) == (value.pixels, "one")
        received.pixels[0] = 0  # it may be written to, and is nobody else's
    assert value.pixels[0] == ord("p")


def test_blocks_of_a_pandas_frame_are_beside_its_pickle(folder: SharedFolder) -> None:
    pandas = pytest.importorskip("pandas")
    columns = {"a": np.arange(50_000.0), "b": np.arange(50_000), "c": ["text", None] * 25_000}
    value = pandas.DataFrame(columns, index=pandas.date_range("2020", periods=50_000, freq="min"))
    sizes = [memoryview(frame).nbytes for frame in pack(value).frames()]
    assert sizes.count(400_000) >= 2
    for received in (through_message(value), through_file(value, folder)):
        pandas.testing.assert_frame_equal(received, value)
        received.loc[received.index[0], "a"] = -1.0
        received["b"] += 1
        assert value["a"].iloc[0] == 0 and received["a"].iloc[0] == -1


def test_what_was_received_is_shared_with_others_of_the_machine(
    folder: SharedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an engine of another machine keeps it for its neighbours; cut into frames or not."""
    value = [np.arange(100_000.0), b"x" * 300_000, bytearray(b"y" * 70_000)]
    for frame_bytes in (parcel.FRAME_BYTES, 50_001):
        monkeypatch.setattr(parcel, "FRAME_BYTES", frame_bytes)
        received = [memoryview(bytes(frame)) for frame in pack(value).frames()]
        frame = parcel.share_received(received, lambda parts: folder.write(parts, False))
        assert frame is not None and len(frame) < 1000
        assert_same(load([frame]), value)
        assert_same(load([frame]), value)
        # What lies in a file is not written once more.
        assert parcel.share_received([frame], lambda parts: folder.write(parts, False)) is None
    assert parcel.share_received(received, lambda parts: None) is None


def test_writing_into_what_came_out_of_a_file_changes_nobody_elses(folder: SharedFolder) -> None:
    value = np.arange(500_000.0)
    frames = shared(value, folder, last_reader=False)
    first, second = load(frames), load(frames)
    first[:] = -1
    assert value[5] == 5 and second[5] == 5 and load(frames)[5] == 5


def test_what_came_out_of_a_file_outlives_file_and_folder(folder: SharedFolder) -> None:
    received = through_file(np.arange(500_000.0), folder)
    folder.remove()
    np.testing.assert_array_equal(received, np.arange(500_000.0))


def test_without_its_file_a_value_is_not_there(folder: SharedFolder) -> None:
    frames = shared(np.arange(500_000.0), folder)
    load(frames)
    with pytest.raises(NotShared):
        load(frames)


def test_where_there_is_no_room_nothing_is_shared() -> None:
    assert pack(np.arange(500_000.0)).shared_frames(lambda parts: None) is None


def test_large_bytes_are_not_copied_on_their_way_into_the_file(folder: SharedFolder) -> None:
    """A pickler that copies needs the memory once more."""
    value = [b"x" * 50_000_000]
    seen: list[Any] = []

    def store(parts: Any) -> None:
        seen.extend(piece for pieces in parts for piece in pieces)

    pack(value).shared_frames(store)
    assert any(piece is value[0] for piece in seen)


@pytest.mark.parametrize("frame_bytes", [1, 7, 1000, 16_384, 70_000])
def test_large_buffers_are_cut_and_joined_again(
    frame_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel, "FRAME_BYTES", frame_bytes)
    value = [np.arange(10_000.0), b"x" * 70_000, np.arange(5000), list(range(1000))]
    layout = layout_of(pack(value).frames())
    assert layout is not None and layout.sizes
    for one, other in zip(through_message(value), value, strict=True):
        assert_same(one, other)


def test_the_usual_message_is_a_pickle_and_its_buffers() -> None:
    frames = pack([np.arange(50_000.0), np.arange(10)]).frames()
    assert len(frames) == 2 and layout_of(frames) is None


def test_what_only_cloudpickle_takes_has_its_buffers_beside_it(folder: SharedFolder) -> None:
    data = np.arange(200_000.0)
    received = through_file(lambda: data, folder)
    np.testing.assert_array_equal(received(), data)
    assert len(pack(lambda: data).frames()) == 2


def test_a_files_name_in_large_bytes_is_no_name_of_a_module(folder: SharedFolder) -> None:
    """It would have the value pickled once more, by a slower pickler."""
    made = pack([b"tempfile" * 100_000, 1])
    assert made.nbytes < 900_000
    assert through_file([b"tempfile" * 100_000, 1], folder) == [b"tempfile" * 100_000, 1]
