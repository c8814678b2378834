"""A Map whose elements have a time limit, are tried again, or are left out when they fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from parallelflow import settings
from tests.support.workflows import (
    PARALLEL_FLOW,
    Part,
    Result,
    Workflow,
    constant,
    map_part,
    run,
    source,
)

pytestmark = pytest.mark.usefixtures("cluster")

LATE = source("import time\nwhile i == 3:\n    time.sleep(1)\no = i * 2")
HALF = source("o = 1 / (i % 2)")


def limited(function: Part, elements: Any, *, instead: Any = None, **ports: Any) -> Workflow:
    """Return a Map with ports of this name and value, and a value for failed elements."""
    parts = [function, map_part(functions=ports), constant(elements)]
    connections = [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")]
    if instead is not None:
        parts.append(constant(instead))
        connections.append((3, "o", 1, "ValueForFailed"))
    return Workflow(parts, connections)


def failures(result: Result) -> Any:
    return result.raw.objects[1].get_output("Failures")


@pytest.fixture
def overrides() -> Iterator[Any]:
    """Set settings as the command's options do; they are taken back at the end."""
    yield settings.override
    settings.override(onError=None, elementTimeout=None, retries=None, valueForFailed=None)


def test_a_map_goes_on_without_those_that_fail(caplog: pytest.LogCaptureFixture) -> None:
    workflow = limited(HALF, [1, 2, 3, 4], instead=-1, OnError="continue")
    ours = run(workflow, PARALLEL_FLOW)
    assert not ours.errors and ours.values[1] == [1.0, -1, 1.0, -1]
    found = failures(ours)
    assert [each[:2] for each in found] == [(1, "2"), (3, "4")]
    assert "ZeroDivisionError" in found[0][2]
    told = r"the value -1: Element 1 of 4, 2, failed on engine \d+ \(.*\): ZeroDivisionError: "
    assert re.search(told, caplog.text), "without VisTrails' name for any exception"
    assert not ours.raw.objects[1].is_cacheable(), "executing again has to try them again"


def test_nothing_is_left_out_where_nothing_fails() -> None:
    ours = run(limited(HALF, [1, 3], OnError="continue"), PARALLEL_FLOW)
    assert ours.values[1] == [1.0, 1.0] and failures(ours) == []
    assert ours.raw.objects[1].is_cacheable()


def test_the_value_is_none_if_none_is_given() -> None:
    ours = run(limited(HALF, [2, 1], OnError="continue"), PARALLEL_FLOW)
    assert ours.values[1] == [None, 1.0]
    assert ours.raw.executed[0], "the canvas shows a function as run that ran for an element"


def test_an_element_over_its_limit_fails_alone() -> None:
    ports = {"OnError": "finish others", "ElementTimeout": "1.0"}
    ours = run(limited(LATE, list(range(6)), **ports), PARALLEL_FLOW)
    kind, text = ours.errors[0]
    assert kind == "PythonSource"
    assert "Element 3 of 6, 3, failed on engine" in text
    assert "it reached its time limit, TimeoutError: it took longer than 1 s" in text
    assert "Also" not in text and [f.index for f in ours.raw.errors[0].elements] == [3]


def test_an_element_is_tried_again(tmp_path: Any) -> None:
    code = (
        f"import os\nfile = {str(tmp_path)!r} + '/' + str(i)\n"
        "known = os.path.exists(file)\nopen(file, 'w').close()\n"
        "print('attempt', 1 + known)\n"
        "assert known or i != 2, 'not yet'\no = i * 10"
    )
    ours = run(limited(source(code), [1, 2, 3], Retries="1"), PARALLEL_FLOW)
    assert not ours.errors and ours.values[1] == [10, 20, 30]


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ({"ElementTimeout": "-1.0"}, "ElementTimeout must be a number of seconds, or 0 for none"),
        ({"Retries": "-1"}, "Retries must be 0 or more, not -1"),
    ],
)
def test_values_that_make_no_sense(ports: Any, text: str) -> None:
    kind, message = run(limited(HALF, [1], **ports), PARALLEL_FLOW).errors[1]
    assert kind == "Map" and text in message


def test_options_go_before_the_ports(overrides: Any) -> None:
    overrides(onError="continue", valueForFailed="nan", elementTimeout=0.5)
    ours = run(limited(LATE, [1, 3], OnError="stop", ElementTimeout="500.0"), PARALLEL_FLOW)
    assert not ours.errors and repr(ours.values[1]) == "[2, nan]"
    overrides(valueForFailed="nobody")
    _, message = run(limited(HALF, [1]), PARALLEL_FLOW).errors[1]
    assert message.startswith("valueForFailed: 'nobody' is not a value as Python writes it")
