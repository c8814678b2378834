"""Controllers and engines of the tests' clusters are what the product's are, but load less."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

import psutil
import pytest

from parallelflow.engine_manager import EngineManager

pytestmark = [
    pytest.mark.own_cluster,
    pytest.mark.skipif(sys.platform != "linux", reason="engines are forked on Linux"),
]

#: What an element can see of its process, but for what differs from one engine to the next.
SEEN = """
def seen():
    import gc, os, resource, signal, sys, threading
    from parallelflow.engine import place
    shown = dict(v.split("=", 1) for v in open("/proc/self/environ").read().split("\\0") if v)
    same = {k for k, v in shown.items() if os.environ.get(k) == v}
    own = ("IPP_", "PARALLELFLOW_ENGINE_SET", "PARALLELFLOW_SESSION", "PYTEST_CURRENT_TEST")
    return {
        **{f"variable {k}": v for k, v in os.environ.items() if not k.startswith(own)},
        "shown": str(sorted(shown)),
        "same": str(sorted(same)),
        "path": str(sys.path),
        "arguments": len(sys.argv),
        "folder": os.getcwd(),
        "mask": os.umask(0o22),
        **{f"signal {n}": str(signal.getsignal(n)).split(" at ")[0] for n in signal.Signals},
        "threads": threading.active_count(),
        "open": len(os.listdir("/proc/self/fd")),
        **{f"module {name}": True for name in sys.modules},
        "garbage": gc.get_threshold(),
        "engine": place.is_engine() and place.on_engine(),
    }
"""


@pytest.fixture
def manager() -> Iterator[EngineManager]:
    manager = EngineManager(f"loaded{os.getpid()}")
    yield manager
    manager.cleanup()


def seen(manager: EngineManager) -> list[dict[str, object]]:
    client = manager.connect()
    assert client is not None
    view = client[:]
    view.execute(SEEN, block=True)
    return list(view.apply_sync(eval, "seen()"))


def is_forked(pid: int) -> bool:
    """Whether a process was forked here: its command does not fill the room that it has."""
    return psutil.Process(pid).cmdline()[-1] == ""


def commands(manager: EngineManager) -> list[str]:
    """Return the commands of controller and engines, without what differs."""
    found = [" ".join(psutil.Process(pid).cmdline()).strip() for pid in manager.started()]
    return sorted(re.sub(r"\d{10}-\d+-\d+", "", command) for command in found)


@pytest.mark.parametrize("engines", [1, 2])
def test_they_are_as_those_that_the_product_starts(
    engines: int, manager: EngineManager, request: pytest.FixtureRequest
) -> None:
    manager.start_engines(engines)
    if not all(map(is_forked, manager.started())):  # the first one in these circumstances
        manager.stop()
        manager.start_engines(engines)
    assert len(manager.started()) == 1 + engines and all(map(is_forked, manager.started()))
    forked, shown = seen(manager), commands(manager)
    manager.stop()
    request.getfixturevalue("programs_load_their_libraries")
    manager.start_engines(engines)
    assert not any(map(is_forked, manager.started()))
    assert shown == commands(manager)
    for own, real in zip(forked, seen(manager), strict=True):
        assert dict(own.items() ^ real.items()) == {}


def test_with_another_environment_they_load_their_libraries(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.start_engines(1)  # the first of all may be forked
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    before = set(manager.started())
    manager.start_engines(2)
    assert not any(map(is_forked, set(manager.started()) - before))
