"""What elements write reaches the client with its element, whoever writes it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from parallelflow.engine.capture import CUT, MAX_OUTPUT_BYTES, Capture

OnEngine = Callable[..., Any]


def capture(*elements: Callable[[], object]) -> dict[int, list[tuple[str, str]]]:
    """Return what was captured of elements that were run one after the other."""
    outputs: dict[int, list[tuple[str, str]]] = {}
    with Capture(outputs) as own:
        for own.position, element in enumerate(elements):
            element()
            own.collect()
    return outputs


def both() -> None:
    print("one")
    print("two", file=sys.stderr)
    print("three")


def test_streams_are_told_apart_and_stay_in_order(on_engine: OnEngine) -> None:
    assert on_engine(capture, both) == {
        0: [("stdout", "one\n"), ("stderr", "two\n"), ("stdout", "three\n")]
    }


def test_each_element_has_its_own_and_nothing_if_it_writes_nothing(on_engine: OnEngine) -> None:
    outputs = on_engine(capture, lambda: print("a"), lambda: None, lambda: print("c", end=""))
    assert outputs == {0: [("stdout", "a\n")], 2: [("stdout", "c")]}


def below() -> None:
    print("python")
    os.write(1, b"descriptor\n")
    subprocess.run(["sh", "-c", "echo child; echo error >&2"], check=True)
    print("python again")


def test_what_c_code_and_children_write_is_there_too(on_engine: OnEngine) -> None:
    [written] = on_engine(capture, below).values()
    out = "".join(text for stream, text in written if stream == "stdout")
    assert out == "python\ndescriptor\nchild\npython again\n"
    assert ("stderr", "error\n") in written


@pytest.mark.parametrize("how", ["python", "child"])
def test_very_much_is_cut_off_and_the_next_element_is_not(on_engine: OnEngine, how: str) -> None:
    def much() -> None:
        if how == "python":
            for _ in range(MAX_OUTPUT_BYTES // 10 + 100):
                print("123456789")
        else:
            subprocess.run(["sh", "-c", f"yes | head -c {3 * MAX_OUTPUT_BYTES}"], check=True)

    outputs = on_engine(capture, much, lambda: print("next"))
    text = "".join(text for _, text in outputs[0])
    assert text.endswith(CUT.decode()) and len(text) <= MAX_OUTPUT_BYTES + len(CUT)
    assert outputs[1] == [("stdout", "next\n")]


def test_a_child_that_writes_indefinitely_does_not_fill_the_disk(on_engine: OnEngine) -> None:
    def much() -> None:
        module = sys.modules[Capture.__module__]
        vars(module).update(MAX_SPOOL_BYTES=1_000_000, LOOK_SECONDS=0.01)
        written, seen = 0, 0
        with subprocess.Popen(["sh", "-c", "echo first; exec yes"]) as child:
            # Until it was emptied some times.
            while written < 5:
                size = os.fstat(1).st_size
                written += size < seen
                seen = size
            child.kill()

    def restore() -> None:
        vars(sys.modules[Capture.__module__]).update(MAX_SPOOL_BYTES=10_000_000, LOOK_SECONDS=0.3)
        print("next")

    outputs = on_engine(capture, much, restore)
    text = "".join(text for _, text in outputs[0])
    assert text.startswith("first\ny\ny\n") and text.endswith(CUT.decode())
    assert len(text) <= MAX_OUTPUT_BYTES + len(CUT)
    assert outputs[1] == [("stdout", "next\n")]


def test_warnings_and_bytes_that_are_no_text_are_shown(on_engine: OnEngine) -> None:
    def element() -> None:
        warnings.warn("take care", stacklevel=1)
        os.write(1, b"\xff\n")

    written = on_engine(capture, element)[0]
    assert any("UserWarning: take care" in text for stream, text in written if stream == "stderr")
    assert ("stdout", "\\xff\n") in written


def streams_are_restored() -> bool:
    before = sys.stdout, sys.stderr, os.fstat(1), warnings.showwarning
    capture(both)
    return before == (sys.stdout, sys.stderr, os.fstat(1), warnings.showwarning)


def test_afterwards_all_is_as_it_was(on_engine: OnEngine) -> None:
    assert on_engine(streams_are_restored)
