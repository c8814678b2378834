"""The nanny of an engine of ours: ipyparallel's own, forked instead of started again.

A nanny relays signals to its engine and tells the hub when the engine ends. As a new
Python it would load ipyparallel once more: 0.35 s of computing for each engine, while the
others are starting. Forked right after the engine has loaded ipyparallel, it shares that.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

from ipyparallel.engine.app import IPEngine
from traitlets import Float, Integer, Type
from traitlets.config import Config

from parallelflow.data.folder_owners import remove_abandoned

from .quiet_kernel import QuietStream

__all__ = ["NAME", "LocalEngine", "QuietEngine", "engine_with", "fork"]

NAME = "ipengine-nanny"
"""What the system calls the process; at most 15 characters."""

# The engine leaves when the controller's heartbeat has failed this many times in a row, each
# 0.5 s longer than its period: 0.8 s x 25 = 20 s with our controllers. Counted in looks, so
# that a suspended laptop loses no engine. (ipyparallel's default of 50 would be 40 s.)
HEARTBEAT_MISSES = 25
# How long the engine waits for the hub's answer to its registration. A hub answers in a
# millisecond, but when a hundred engines load VisTrails beside it on two cores, it gets little
# of them. (ipyparallel's default of 5 s ends most of 64 engines on this account.)
REGISTRATION_SECONDS = 120.0

Pipes = tuple[int, int]


def fork() -> Pipes | None:
    """Fork the nanny, which waits for what it needs to know.

    Returns
    -------
    tuple of int, or None
        Where to write what it needs to know, and where to read its answer; None if this
        system cannot fork safely, or if threads run already.
    """
    if not sys.platform.startswith("linux") or threading.active_count() > 1:
        return None
    theirs, ours = os.pipe(), os.pipe()
    if os.fork():
        os.close(theirs[0])
        os.close(ours[1])
        return theirs[1], ours[0]
    code = 1
    try:
        os.close(theirs[1])
        os.close(ours[0])
        _run(theirs[0], ours[1])
        code = 0
    finally:
        os._exit(code)  # never back into the engine's code


def _run(read: int, write: int) -> None:
    """Be the nanny; as in ``ipyparallel.engine.nanny.main``."""
    # Signals for the engine's group are not for the nanny.
    os.setsid()
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(NAME)
    with os.fdopen(read, "rb") as stream:
        text = stream.read()
    if not text:
        return  # the engine has ended before it needed a nanny
    from ipyparallel.engine.nanny import KernelNanny

    KernelNanny.main(**pickle.loads(text), pipe=os.fdopen(write, "w", buffering=1))
    remove_abandoned()  # what a killed engine has kept in shared memory


class QuietEngine(IPEngine):
    """An engine that does less beside its work.

    Its standard output and error are waited for only if they have something, and the controller's
    pings are counted when they are looked for.
    """

    out_stream_factory = Type(QuietStream, config=True)

    def start_heartbeat(self, hb_ping: str, hb_pong: str, hb_period: int, identity: bytes) -> None:
        """Start to answer pings, as threads of ZeroMQ's do.

        ipyparallel wakes the event loop at each ping, too, three times a second with our
        controllers: half of what an idle engine computes. It looks once in 0.8 s whether there was
        any, and reads there what has come.
        """
        super().start_heartbeat(hb_ping, hb_pong, hb_period, identity)
        if self._hb_listener is not None:
            self._hb_listener.io_loop.remove_handler(self._hb_listener.socket)


class LocalEngine(QuietEngine):
    """An engine that leaves sooner when its controller has gone, and waits longer for it."""

    max_heartbeat_misses = Integer(HEARTBEAT_MISSES, config=True)
    timeout = Float(REGISTRATION_SECONDS, config=True)


def engine_with(pipes: Pipes | None, engine_class: type[IPEngine] = LocalEngine) -> type[IPEngine]:
    """Return the engine's class.

    Parameters
    ----------
    pipes : tuple of int, or None
        What `fork` returned: it uses that nanny; None for ipyparallel's own way.
    engine_class : type of IPEngine
        What it is beside that.
    """
    if pipes is None:
        return engine_class
    write, read = pipes

    class EngineWithNanny(engine_class):
        """An engine whose nanny is there already."""

        def start_nanny(self, control_url: str) -> tuple[str, Any]:
            """Tell the nanny what it needs to know; its URL, and what to keep open for it."""
            config = Config()
            config.Session = self.config.Session
            known = {
                "pid": os.getpid(),
                "engine_id": self.id,
                "identity": self.bident,
                "control_url": control_url,
                "curve_serverkey": self.curve_serverkey,
                "curve_secretkey": self.curve_secretkey,
                "curve_publickey": self.curve_publickey,
                "registration_url": self.registration_url,
                "config": config,
            }
            with os.fdopen(write, "wb") as stream:
                stream.write(pickle.dumps(known))
            answers = os.fdopen(read)
            url = answers.readline().strip()
            if not url:
                raise RuntimeError("the nanny has ended")
            return url, answers

    return EngineWithNanny
