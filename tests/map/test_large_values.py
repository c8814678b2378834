"""Values of VisTrails' own types, and of users' classes, whose arrays travel in shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parallelflow.data import parcel, shared_values
from tests.support.workflows import (
    CONTROL_FLOW,
    PARALLEL_FLOW,
    Workflow,
    constant,
    map_part,
    run,
    source,
)

pytestmark = pytest.mark.usefixtures("cluster")

NUMBERS = 400_000  # 3.2 MB


@dataclass
class Measurement:
    """A user's class with arrays inside."""

    name: str
    samples: Any
    parts: dict[str, Any]


def measurement(first: float) -> Measurement:
    samples = np.arange(first, first + NUMBERS)
    return Measurement(f"from {first}", samples, {"reversed": samples[::-1], "itself": samples})


def table(first: float) -> Any:
    """Return what VisTrails' tabledata modules give on their ports."""
    from vistrails.packages.tabledata.common import TableObject

    columns = [np.arange(first, first + NUMBERS), np.ones(NUMBERS)]
    return TableObject(columns, NUMBERS, ["number", "one"])


def path_object(first: float) -> Any:
    """Return a File's value that carries an array beside its name."""
    from vistrails.core.modules.basic_modules import PathObject

    path = PathObject(f"measured-{first}.txt")
    path.content = np.arange(first, first + NUMBERS)
    return path


def module(first: float) -> Any:
    """Return an instance of a module that has run, as its port *self* gives it."""
    from vistrails.core.modules.basic_modules import List

    made = List()
    made.set_output("value", [np.arange(first, first + NUMBERS)])
    return made


KINDS: dict[str, Any] = {
    "a user's class": measurement,
    "a table": table,
    "a File": path_object,
    "a module": module,
    "a list of arrays": lambda first: [np.arange(first, first + NUMBERS), "text", [np.ones(9)]],
}


class Traffic:
    """What has gone through shared memory: bytes written here, and read here."""

    def __init__(self) -> None:
        self.written = self.read = 0


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traffic]:
    """Count what goes through shared memory; look afterwards that nothing is left there."""
    found = Traffic()
    write, read = shared_values.SharedFolder.write, parcel.read_buffers

    def counted_write(self: Any, *arguments: Any) -> Any:
        reference = write(self, *arguments)
        found.written += reference.nbytes if reference is not None else 0
        return reference

    def counted_read(reference: Any) -> Any:
        found.read += reference.nbytes
        return read(reference)

    monkeypatch.setattr(shared_values.SharedFolder, "write", counted_write)
    monkeypatch.setattr(parcel, "read_buffers", counted_read)
    yield found
    folder = shared_values.session_folder()
    assert folder is not None
    assert [path.name for path in Path(folder.path).iterdir()] == ["owner"]


def arrays(value: Any, within: tuple[int, ...] = ()) -> list[Any]:
    """Return the arrays in a value, in the order of its attributes and items."""
    if isinstance(value, np.ndarray):
        return [value]
    if id(value) in within:  # a module is on one of its own ports
        return []
    parts: Any = getattr(value, "__dict__", {}).values()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, (list, tuple)):
        parts = value
    return [array for part in parts for array in arrays(part, (*within, id(value)))]


def same(ours: Any, serial: Any) -> bool:
    mine, theirs = arrays(ours), arrays(serial)
    return len(mine) == len(theirs) > 0 and all(map(np.array_equal, mine, theirs))


@pytest.mark.filterwarnings("ignore:A Module instance was used as data")
@pytest.mark.parametrize("kind", KINDS)
def test_values_that_hold_arrays_travel_in_shared_memory_there_and_back(
    kind: str, traffic: Traffic
) -> None:
    """As elements, as the value of another port, and as results."""
    elements = [KINDS[kind](float(i)) for i in range(2)]
    workflow = Workflow(
        [source("o = [i, j, type(i).__name__]", ("i", "j")), map_part(), constant(elements),
         constant(KINDS[kind](7.0))],
        [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 0, "j")],
    )  # fmt: skip
    serial = run(workflow, CONTROL_FLOW)
    assert traffic.written == 0
    ours = run(workflow, PARALLEL_FLOW)
    assert ours.errors == serial.errors == {}
    values, expected = ours.values[1], serial.values[1]
    assert [value[2] for value in values] == [type(element).__name__ for element in elements]
    for value, other, element in zip(values, expected, elements, strict=True):
        assert type(value[0]) is type(element)
        assert same(value[0], element) and same(value[1], other[1])
        if kind == "a user's class":  # an array that appears twice in it stays one
            assert value[0].samples is value[0].parts["itself"]
        for array in arrays(value):
            array[...] = 0  # the caller's own
        assert not same(value[0], element), "it shares the element's memory"
    size = sum({id(array): array.nbytes for array in arrays(elements[0])}.values())
    assert traffic.written > 3 * 0.9 * size  # two elements and the constant
    assert traffic.read > 4 * 0.9 * size  # each result has an element and the constant
