"""SIGINT on an engine: it ends an element, and nothing of what the engine does around it."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from parallelflow.engine.interrupts import Interrupts
from parallelflow.engine.time_limit import TimeLimit
from tests.support.waiting import BUSY_SECONDS

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


class Interrupted:
    """Has an interrupt hit where Python lets no exception out."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


class Collected:
    """Has its objects found by the search for garbage alone."""

    def __init__(self) -> None:
        self.itself = self


def hit_in_del() -> None:
    Interrupted()


def hit_in_weak_reference() -> None:
    kept = Collected()
    found = weakref.ref(kept, lambda _: signal.raise_signal(signal.SIGINT))
    del kept
    gc.collect()
    assert found() is None


def hit_in_search_for_garbage() -> None:
    def once(phase: str, _: object) -> None:
        gc.callbacks.remove(once)
        signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(once)
    gc.collect()


def goes_on(hit: Callable[[], None], others: bool = False) -> dict[str, Any]:
    """Return what becomes of an element that is hit there, and what Python prints of it."""
    found: dict[str, Any] = {"ended": False}
    before, printed = sys.unraisablehook, io.StringIO()
    with contextlib.redirect_stderr(printed), Interrupts() as interrupts:
        with contextlib.suppress(KeyboardInterrupt), interrupts.allowed():
            try:
                hit()
                limit = time.monotonic() + (0.0 if others else BUSY_SECONDS)
                while time.monotonic() < limit:
                    pass
            except KeyboardInterrupt:
                found["ended"] = True
        found["pending"] = interrupts.pending
    found["hook"] = sys.unraisablehook is before
    found["printed"] = printed.getvalue()
    return found


@pytest.mark.parametrize("hit", [hit_in_del, hit_in_weak_reference, hit_in_search_for_garbage])
def test_one_that_python_swallows_ends_the_element_without_a_word(
    on_engine: OnEngine, hit: Callable[[], None]
) -> None:
    assert on_engine(goes_on, hit) == {
        "ended": True,
        "pending": True,  # the chunk's other elements are not begun
        "hook": True,
        "printed": "",
    }


class Raises:
    """Raises in its `__del__` what no signal has raised."""

    def __del__(self) -> None:
        raise KeyboardInterrupt


def hit_by_its_own() -> None:
    Raises()


def test_an_elements_own_exception_is_printed_as_in_any_process(on_engine: OnEngine) -> None:
    found = on_engine(goes_on, hit_by_its_own, True)
    assert not found["ended"] and not found["pending"] and found["hook"]
    assert found["printed"].startswith("Exception ignored")
    assert "raise KeyboardInterrupt" in found["printed"]


def hooks_of_elements() -> list[Any]:
    """Return what an element's own hook is told, and whether it stays, as in any process."""
    told: list[Any] = []
    before = sys.unraisablehook

    def own(unraisable: Any) -> None:
        told.append(unraisable.exc_type.__name__)

    with Interrupts():
        sys.unraisablehook = own
        Raises()
    kept = sys.unraisablehook is own
    with Interrupts():
        Raises()
    sys.unraisablehook, after = before, sys.unraisablehook
    return [told, kept, after is own]


def test_an_elements_own_hook_has_what_is_not_ours(on_engine: OnEngine) -> None:
    assert on_engine(hooks_of_elements) == [["KeyboardInterrupt"] * 2, True, True]


def one_that_comes_too_late() -> list[bool]:
    """Return whether what is interrupted once more is interrupted after its end."""
    with Interrupts() as first, contextlib.suppress(KeyboardInterrupt), first.allowed():
        Interrupted()
    ended = first.pending
    with Interrupts() as second, second.allowed():
        time.sleep(0.05)
    return [ended, second.hit, second.pending]


def test_one_that_python_swallows_does_not_hit_what_runs_next(on_engine: OnEngine) -> None:
    assert on_engine(one_that_comes_too_late) == [True, False, False]


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
