"""SIGINT on an engine: it ends an element, and nothing of what the engine does around it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from parallelflow.engine.interrupts import Interrupts
from parallelflow.engine.time_limit import TimeLimit

OnEngine = Callable[..., Any]


def interrupt() -> bool:
    """Send this process SIGINT; return whether it raises."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        return True
    return False


def raised_where() -> dict[str, Any]:
    found: dict[str, Any] = {}
    with Interrupts() as interrupts:
        found["before"] = interrupt(), interrupts.pending, interrupts.hit
        interrupts.pending = False
        with interrupts.allowed():
            found["inside"] = interrupt(), interrupts.pending, interrupts.hit
        interrupts.hit = False
        found["after"] = interrupt(), interrupts.pending, interrupts.hit
    found["reply"] = interrupt()
    return found


def test_it_raises_inside_an_element_only(on_engine: OnEngine) -> None:
    assert on_engine(raised_where) == {
        "before": (False, True, False),
        "inside": (True, False, True),
        "after": (False, True, False),
        "reply": False,  # a reply that is being sent is not lost
    }


def swallowed() -> list[bool]:
    """Return whether an interrupt is known that the element has made something else of."""
    with Interrupts() as interrupts:
        with contextlib.suppress(ValueError), interrupts.allowed():
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt as e:
                raise ValueError("the module's own") from e
        return [interrupts.hit, interrupts.inside]


def test_an_interrupt_is_known_whatever_the_element_makes_of_it(on_engine: OnEngine) -> None:
    assert on_engine(swallowed) == [True, False]


def handlers_of_children() -> list[bool]:
    """Return whether children that are forked, or start a program, end by SIGINT."""
    found = []
    with Interrupts() as interrupts, interrupts.allowed():
        child = os.fork()
        if child == 0:
            default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
            os._exit(0 if default else 1)
        found.append(os.waitpid(child, 0)[1] == 0)
        code = "import signal; print(signal.getsignal(signal.SIGINT).__name__)"
        program = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        found.append(program.stdout.strip() == "default_int_handler")
    return found


def test_children_have_pythons_own_handler(on_engine: OnEngine) -> None:
    assert on_engine(handlers_of_children) == [True, True]


def test_in_another_process_than_an_engine_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        assert signal.getsignal(signal.SIGINT) is before
        with interrupts.allowed():
            assert interrupts.inside
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("limit", [9e9, 1e10, 1e300])
def test_a_limit_may_be_longer_than_the_system_can_wait(limit: float) -> None:
    with Interrupts() as interrupts, TimeLimit(limit, interrupts) as watch:
        watch.begin()
        assert not interrupts.timed_out
