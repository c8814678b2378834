"""What engines report of elements' executions, on its way to the session."""

from __future__ import annotations

import pickle

from parallelflow.engine.chunk_result import ChunkResult, Records
from parallelflow.engine.recorder import ITERATION, Record


def test_records_travel_unread_and_are_read_whole() -> None:
    result = ChunkResult()
    assert not pickle.loads(pickle.dumps(result)).records
    for position in (0, 2):
        result.records[position] = [Record(ITERATION, 1.5, position)]
    got = pickle.loads(pickle.dumps(result)).records
    assert got and got.read() == got.read() == result.records.read()
    assert list(got.read()) == [0, 2]


def test_records_that_were_read_travel_again() -> None:
    records = pickle.loads(pickle.dumps(_records("first")))
    records[1] = "second"
    assert pickle.loads(pickle.dumps(records)).read() == {0: "first", 1: "second"}


def _records(first: object) -> Records:
    records = Records()
    records[0] = first
    return records
