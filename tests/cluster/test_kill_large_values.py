"""kill -9 while large values are in shared memory: no result is wrong, and nothing stays there."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from parallelflow.data.folder_owners import folder_states

from .sessions import SessionProcess, running, session, wait_until, wait_until_gone

pytestmark = [pytest.mark.own_cluster, pytest.mark.slow, pytest.mark.timeout(1800)]

GONE_SECONDS = 30.0
KILLS = 10
# About how long a turn takes, seconds.
TURN_SECONDS = 0.6

# Turns without an end: elements of 4 MB, 16 MB for all of them and results of 4 MB, which differ
# from turn to turn, so that a value of another element, run or turn is a wrong one.
LARGE_VALUES = """
import itertools
import numpy as np
from parallelflow.api import parallel_map
from parallelflow.data import shared_values
from parallelflow.engine_manager import get_manager
get_manager().configure(profile=manager.profile, engines=2)

def add(element, constant):
    __import__("time").sleep(0.01)
    return element + constant[:500_000]

for turn in itertools.count(1):
    tell("turn", turn)
    constant = np.full(2_000_000, 1000.0 * turn)
    elements = [np.full(500_000, float(i)) for i in range(20)]
    values = parallel_map(add, elements, itertools.repeat(constant), ask=True)
    assert len(values) == 20
    assert all((value == i + 1000.0 * turn).all() for i, value in enumerate(values))
    tell("right", shared_values.session_folder().path)
"""


def right_turn(one: SessionProcess) -> Path:
    """Wait for the end of a turn whose values are right; return the session's folder.

    A wrong one ends the session, which fails the test.
    """
    return Path(one.wait_for("right")[0])


def in_a_turn(one: SessionProcess, chance: random.Random) -> Path:
    """Wait until a random moment of a turn after the next whole one; return the folder."""
    folder = right_turn(one)
    one.wait_for("turn")
    time.sleep(chance.uniform(0, TURN_SECONDS))
    return folder


def engines(profile: str) -> list[int]:
    """Return the engines of this session, without their nannies, which are their children."""
    found = {pid for pid, command in running(profile).items() if ".engine_main" in command}
    with contextlib.suppress(psutil.Error):
        return sorted(pid for pid in found if psutil.Process(pid).ppid() not in found)
    return []


def kill_guard(profile: str) -> None:
    guards = [pid for pid, command in running(profile).items() if "guard" in command]
    assert len(guards) == 1
    os.kill(guards[0], signal.SIGKILL)


def assert_all_gone(profile: str, folder: Path) -> None:
    wait_until(lambda: running(profile) == {} and not folder.exists(), GONE_SECONDS)


def test_engines_killed_while_they_have_large_values(profile: str) -> None:
    chance = random.Random(1)
    with session(profile, LARGE_VALUES) as one:
        for _ in range(KILLS):
            folder = in_a_turn(one, chance)
            os.kill(chance.choice(engines(profile)), signal.SIGKILL)
            right_turn(one)
            wait_until(lambda: len(engines(profile)) == 2)
        one.kill()
        assert_all_gone(profile, folder)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_session_killed_while_engines_have_large_values(profile: str, seed: int) -> None:
    with session(profile, LARGE_VALUES) as one:
        folder = in_a_turn(one, random.Random(seed))
        one.kill()
        assert_all_gone(profile, folder)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_guard_killed_before_its_session(profile: str, seed: int) -> None:
    """The session goes on; it clears up itself when it is stopped by a signal that it is told."""
    with session(profile, LARGE_VALUES) as one:
        in_a_turn(one, random.Random(seed))
        kill_guard(profile)
        folder = right_turn(one)
        one.process.send_signal(signal.SIGINT)
        one.end()
        assert_all_gone(profile, folder)


@pytest.mark.parametrize("seed", range(KILLS))
def test_all_killed_while_engines_have_large_values(profile: str, seed: int) -> None:
    """Nobody is left to remove the folder: the next session does, when it makes its own."""
    with session(profile, LARGE_VALUES) as one:
        folder = in_a_turn(one, random.Random(seed))
        for pid in [one.process.pid, *running(profile)]:
            with contextlib.suppress(ProcessLookupError):  # it has ended with one before it
                os.kill(pid, signal.SIGKILL)
        one.end()
        wait_until_gone(profile)
    with session(profile, LARGE_VALUES) as one:
        following = right_turn(one)
        wait_until(lambda: not folder.exists(), GONE_SECONDS)
        one.kill()
        assert_all_gone(profile, following)
    assert folder not in [state.path for state in folder_states()]
    assert not psutil.pid_exists(one.process.pid)
