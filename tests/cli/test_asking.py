"""What Ctrl-C asks at a terminal, and what follows from the answer."""

from __future__ import annotations

import os
import pty
import signal
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from parallelflow.cli import signals
from parallelflow.cli.leave import ask
from parallelflow.cli.progress import ProgressDisplay
from parallelflow.cli.signals import Answer

# A guard against deadlocks: a thread wakes up.
SECONDS = 60.0


@pytest.fixture(autouse=True)
def no_signal_is_remembered() -> Iterator[None]:
    """Forget the last signal: a command that another test runs in this process would end by it."""
    yield
    with signals.handled(lambda: None):
        pass


def wait_for_the_end() -> None:
    """Wait for a signal, in pieces: one may come just before a wait begins."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.01)


def interrupted(*answers: Answer) -> tuple[bool, int]:
    """Press Ctrl-C until there is no answer left; return whether it stopped, and what was asked."""
    left = list(answers)

    def question(_: socket.socket) -> Answer:
        return left.pop(0)

    try:
        with signals.handled(lambda: None), signals.asking(question):
            while left:
                before = len(left)
                os.kill(os.getpid(), signal.SIGINT)
                end = time.monotonic() + SECONDS
                while len(left) == before and time.monotonic() < end:
                    time.sleep(0.01)
            if answers[-1] is not Answer.GO_ON:
                wait_for_the_end()
    except signals.Stopped:
        return True, len(answers) - len(left)
    return False, len(answers) - len(left)


def test_the_answer_decides() -> None:
    assert interrupted(Answer.GO_ON, Answer.GO_ON) == (False, 2)
    assert signals.exit_code() is None
    assert interrupted(Answer.GO_ON, Answer.STOP) == (True, 2)
    assert (signals.exit_code(), signals.is_leaving()) == (130, False)
    assert interrupted(Answer.LEAVE) == (True, 1)
    assert (signals.name(), signals.is_leaving()) == ("Ctrl-C", True)
    with signals.handled(lambda: None):
        assert not signals.is_leaving()


def test_a_second_ctrl_c_stops() -> None:
    def question(signalled: socket.socket) -> Answer:
        os.kill(os.getpid(), signal.SIGINT)
        signalled.recv(1, socket.MSG_PEEK)
        return Answer.INTERRUPTED

    with pytest.raises(signals.Stopped), signals.handled(lambda: None), signals.asking(question):
        os.kill(os.getpid(), signal.SIGINT)
        wait_for_the_end()
    assert (signals.exit_code(), signals.is_leaving()) == (130, False)


def test_without_a_question_ctrl_c_stops_at_once() -> None:
    with pytest.raises(signals.Stopped), signals.handled(lambda: None):
        with signals.asking(lambda _: Answer.GO_ON):
            pass
        os.kill(os.getpid(), signal.SIGINT)
        wait_for_the_end()
    assert signals.exit_code() == 130


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Make a terminal; yield the user's end, and the program's."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("l\n", Answer.LEAVE),
        ("Leave\n", Answer.LEAVE),
        ("s\n", Answer.STOP),
        ("\n?\ng\n", Answer.GO_ON),
        ("\x04", Answer.STOP),  # Ctrl-D
    ],
)
def test_an_answer_is_typed(
    terminal: tuple[int, int],
    typed: str,
    answer: Answer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # What was typed before the question is no answer: the test types at once.
    monkeypatch.setattr("termios.tcflush", lambda *_: None)
    user, program = terminal
    signalled, writer = socket.socketpair()
    with signalled, writer:
        os.write(user, typed.encode())
        assert ask(ProgressDisplay(sys.stderr), signalled, program) is answer
    told = capsys.readouterr().err
    assert "l  leaves it running without this terminal" in told
    assert told.count("s, l or g? ") == max(typed.count("\n"), 1)


def test_a_question_ends_with_a_signal_or_without_an_answer(
    terminal: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    user, program = terminal
    os.write(user, b"l\n")  # before the question
    signalled, writer = socket.socketpair()
    display = ProgressDisplay(sys.stderr)
    with signalled, writer:
        writer.send(b"2")
        assert ask(display, signalled, program) is Answer.INTERRUPTED
        signalled.recv(1)
        monkeypatch.setattr("parallelflow.cli.leave.ANSWER_SECONDS", 0.0)
        assert ask(display, signalled, program) is Answer.STOP
    assert "no answer for 0 s: the run is stopped" in capsys.readouterr().err
