"""kill -9 of a session at any moment of start, run and cleanup leaves nothing running."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.system import profiles

from .sessions import running, session, wait_until

pytestmark = pytest.mark.own_cluster
SLOW = pytest.mark.slow

GONE_SECONDS = 30.0

# A session from its first moment to its last, telling when each part of it begins.
LIFE = """
from parallelflow.work.run import Run
tell("start")
manager.start_engines(2)
tell("run")
client = manager.connect()
run = Run(client, eval, ("lambda index, element: (__import__('time').sleep(0.02), None)",),
          list(range(60)), "run", pool=manager.engine_pool())
while not run.is_finished:
    run.poll(0.05)
tell("cleanup")
manager.stop()
tell("end")
"""
# How long each part takes about, seconds; a moment after its end falls into the next one.
PARTS = {"start": 3.0, "run": 1.2, "cleanup": 0.8}


def moments(count: int, seed: int) -> list[tuple[str, float]]:
    """Return random moments of the parts in turn."""
    chance = random.Random(seed)
    parts = itertools.islice(itertools.cycle(PARTS), count)
    return [(part, chance.uniform(0, PARTS[part])) for part in parts]


def kill_at(profile: str, part: str, seconds: float) -> None:
    with session(profile, LIFE) as one:
        one.wait_for(part)
        time.sleep(seconds)
        one.kill()
    wait_until(lambda: running(profile) == {}, GONE_SECONDS)


@pytest.mark.parametrize(("part", "seconds"), moments(4, seed=3))
def test_nothing_outlives_a_killed_session(profile: str, part: str, seconds: float) -> None:
    kill_at(profile, part, seconds)
    folder = profiles.profile_folder(profile)
    assert list(folder.glob("pid/*.json")) == []
    left = list(folder.glob("security/*.json"))
    # A controller's files stay if the session is killed after they were written and before it has
    # noted whose they are: they could be another one's. They are taken for what they are, stale.
    assert left == [] or (part == "start" and EngineManager(profile).connect() is None)


@SLOW
@pytest.mark.parametrize("seed", range(10, 14))
def test_nothing_outlives_many_killed_sessions_and_the_next_starts_clean(
    manager: EngineManager, profile: str, seed: int
) -> None:
    for part, seconds in moments(8, seed):
        kill_at(profile, part, seconds)
    manager.start_engines(2)
    assert len(manager.info().engines) == 2


@pytest.mark.parametrize(
    "seconds", [0.3, pytest.param(0.0, marks=SLOW), pytest.param(1.0, marks=SLOW)]
)
def test_the_next_session_need_not_wait_for_the_guard(
    manager: EngineManager, profile: str, seconds: float
) -> None:
    with session(profile, LIFE) as one:
        one.wait_for("run")
        time.sleep(seconds)
        one.kill()
    manager.start_engines(1)
    info = manager.info()
    assert [e.origin.value for e in info.engines if e.origin] == ["started here"]
    manager.stop()
    wait_until(lambda: running(profile) == {}, GONE_SECONDS)
