"""One element through a real function on a real engine, for ``parallelflow check``."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.model import StartSnapshot
from parallelflow.errors import ParallelFlowError, StartCancelled
from parallelflow.work.mapping import map_on_cluster

__all__ = ["Trial", "run_one_element"]

# A controller and an engine are ready in 2 s; ten times that on a busy machine, or from a cold
# or slow disk.
START_SECONDS = 60.0
# Far longer than a message takes: who waits as long has an engine that does not answer.
ELEMENT_SECONDS = 20.0

# Any number whose double is not itself.
ELEMENT = 21


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes
    ----------
    failed : str
        Why no engine can be used and what to do, empty if all is well.
    vistrails : str
        Why VisTrails does not start on the engine, empty if it does.
    seconds : float
        How long it all took, the start of the cluster included.
    """

    failed: str = ""
    vistrails: str = ""
    seconds: float = 0.0


def run_one_element(profile: str) -> Trial:
    """Start a cluster of one engine for this process alone, compute one element, and stop it.

    Takes at most `START_SECONDS` and `ELEMENT_SECONDS`, and the time that stopping takes.

    Parameters
    ----------
    profile : str
        The IPython profile whose configuration is tried.
    """
    began = time.monotonic()
    notes: list[str] = []
    cancel = threading.Event()
    too_late = threading.Timer(START_SECONDS, cancel.set)
    too_late.daemon = True

    def keep(snapshot: StartSnapshot) -> None:
        notes[:] = [engine.note for engine in snapshot.engines]

    manager = EngineManager(profile)
    manager.configure(private=True)
    try:
        too_late.start()
        manager.start_engines(1, "local", progress=keep, cancel=cancel)
        client = manager.ensure_engines()
        values = map_on_cluster(client, _double, [(ELEMENT,)], timeout=ELEMENT_SECONDS)
    except StartCancelled:
        return Trial(
            f"no engine was ready after {START_SECONDS:.0f} s. See what keeps this machine busy, "
            "and whether connections to 127.0.0.1 are let through"
        )
    except ParallelFlowError as e:
        return Trial("\n".join(filter(None, [str(e), e.more])))
    except (TimeoutError, OSError) as e:
        return Trial(str(e))
    finally:
        too_late.cancel()
        manager.stop()
    (value, pid), *_ = values
    if value != 2 * ELEMENT or pid == os.getpid():
        return Trial(f"an engine returned {value!r} for {ELEMENT!r}")
    missing = "".join(notes).removeprefix("without VisTrails: ")
    return Trial(vistrails=missing, seconds=time.monotonic() - began)


def _double(number: int) -> tuple[int, int]:
    """Return twice the number, and which process it was."""
    return 2 * number, os.getpid()
