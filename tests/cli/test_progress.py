"""Progress on standard error: lines for logs, a bar for terminals."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from parallelflow.cli import progress
from parallelflow.cli.progress import ProgressDisplay
from parallelflow.progress import Progress, RunState


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)


def work(run: Progress, elements: int) -> None:
    for _ in range(elements):
        run.done += 1
        run.engines.add(run.done % 2)
        run.announce()


def lines(display: ProgressDisplay) -> list[str]:
    assert isinstance(display.stream, io.StringIO)
    return display.stream.getvalue().splitlines()


@pytest.mark.usefixtures("soon")
def test_lines_are_one_per_tenth_of_the_elements() -> None:
    display = ProgressDisplay(io.StringIO())
    with display.shown():
        run = Progress("Map", 200)
        run.announce()
        run.enter(RunState.RUNNING)
        work(run, 200)
        run.enter(RunState.DONE)
    shown = lines(display)
    assert shown[0] == "parallelflow: Map: 200 elements, waiting for engines"
    assert shown[-1] == "parallelflow: Map: 200/200 elements (100 %), 2 engines"
    shares = [int(re.search(r"\((\d+) %\)", line)[1]) for line in shown[1:]]  # type: ignore[index]
    assert shares == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert all(re.search(r" \d\d:\d\d left, ", line) for line in shown[1:-1])


def test_lines_do_not_follow_one_another_at_once() -> None:
    display = ProgressDisplay(io.StringIO())
    with display.shown():
        run = Progress("Map", 200)
        run.announce()
        run.enter(RunState.RUNNING)
        work(run, 200)
        run.enter(RunState.DONE)
    assert len(lines(display)) == 2


@pytest.mark.usefixtures("soon")
def test_every_run_has_lines_of_its_own_and_its_last_state_is_kept() -> None:
    display = ProgressDisplay(io.StringIO())
    with display.shown():
        for label in ("first", "second"):
            run = Progress(label, 2)
            run.enter(RunState.RUNNING)
            work(run, 2)
            run.enter(RunState.DONE)
    assert [s.label for s in display.last.values()] == ["first", "second"]
    assert all(s.state is RunState.DONE for s in display.last.values())
    assert sum("second: 2/2" in line for line in lines(display)) == 1


def test_notes_are_told_once() -> None:
    display = ProgressDisplay(io.StringIO())
    with display.shown():
        run = Progress("Map", 4)
        run.enter(RunState.RUNNING)
        display.message("engine 1 was lost")  # as the log's line is shown
        run.announce("engine 1 was lost")
        run.announce("engine 1 was lost")
    assert lines(display).count("parallelflow: engine 1 was lost") == 1


def test_nothing_is_shown_outside_the_block() -> None:
    display = ProgressDisplay(io.StringIO())
    with display.shown():
        pass
    Progress("Map", 4).announce()
    assert lines(display) == []


@contextlib.contextmanager
def terminal(columns: int, lines: int = 24) -> Iterator[tuple[TextIO, list[bytes]]]:
    """Yield a text file that is a terminal, and what arrives at it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    arrived: list[bytes] = []

    def take() -> None:
        with contextlib.suppress(OSError):  # the other end was closed
            while data := os.read(master, 65536):
                arrived.append(data)

    reader = threading.Thread(target=take)
    reader.start()
    try:
        with os.fdopen(slave, "w") as stream:
            yield stream, arrived
    finally:
        reader.join()
        os.close(master)


def screen(arrived: list[bytes]) -> list[str]:
    """Return the lines that stay on the screen: a carriage return writes over a line."""
    text = b"".join(arrived).decode().replace("\r\n", "\n").replace("\x1b[A", "")
    shown = []
    for line in text.split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        shown.append("".join(cells).rstrip())
    return shown


@pytest.mark.parametrize(
    ("columns", "lines"),
    [(80, 24), (200, 24), (0, 24), (80, 0), (0, 0)],
    ids=["usual", "wide", "unknown width", "unknown height", "unknown"],
)
def test_a_terminal_shows_a_bar_that_goes_away(
    monkeypatch: pytest.MonkeyPatch, columns: int, lines: int
) -> None:
    with terminal(columns, lines) as (stream, arrived):
        display = ProgressDisplay(stream)
        monkeypatch.setattr(sys, "stdout", stream)
        with display.shown():
            run = Progress("Map", 8)
            run.announce()
            run.enter(RunState.RUNNING)
            work(run, 4)
            print("half", end="")
            print(" way")
            work(run, 4)
            run.enter(RunState.DONE)
            print("no newline", end="")
    everything = b"".join(arrived).decode()
    assert "waiting for engines" in everything
    bar = r"Map  50%\|[^|]+\| 4/8 elements, \d\d:\d\d, \d\d:\d\d left, 2 engines"
    assert re.search(bar, everything)
    assert "0 engines" not in everything
    assert [line for line in screen(arrived) if line] == ["half way", "no newline"]
