"""The connection to a controller, and the watch over it.

ipyparallel's client never notices that its hub has gone: pending results and questions
to the hub wait indefinitely. So the controller's process is watched (on this machine), or its
hub is asked now and then (elsewhere), and every question has a time limit. The file is long
because what is known of the engines has one owner.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NoReturn

from parallelflow.errors import ConnectFailed
from parallelflow.system.waiting import wait_until

from ..system.core_waits import first_child
from ..system.ipyparallel_load import load_ipyparallel
from ..system.processes import ProcessRecord, record_of
from . import hub
from .client_cache import drop_unexpected
from .connection_files import ConnectionFile
from .controller_end import ControllerEnd
from .controller_processes import ControllerProcesses
from .engine_metadata import EngineMetadata, ask_ready, recorded_metadata, request_metadata
from .path_probe import PathProbe
from .resend_timer import ResendTimer

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["CONNECT_SECONDS", "ClusterConnection", "connect"]

# The handshake with a hub that accepts connections: milliseconds locally, seconds through
# a slow tunnel. A hub that accepts and then says nothing is hung.
CONNECT_SECONDS = 8.0
# A hub elsewhere is asked this often, in rounds of the watch, and is given up after this many
# rounds without an answer: 8.5 s, so that a run hears of it within 10 s. Rounds, not seconds: a
# suspended laptop must not lose it.
ASK_EVERY_ROUNDS = 4
GIVE_UP_ROUNDS = 17
# Engines that have left without a word to the client are looked for every so many rounds: a run
# would wait for them. It costs the hub one short message.
LEFT_EVERY_ROUNDS = 10
# Between two looks of the watch: short enough for a menu that tells the truth, long enough
# to cost nothing (0.2 ms each).
WATCH_SECONDS = 0.5
# A hub that was asked to shut down takes connections for 1.1 s more (ipyparallel's hub).
END_SECONDS = 4.0
# Closing a client waits for its thread, which may be in the middle of a large message.
CLOSE_SECONDS = 5.0

logger = logging.getLogger(__name__)


def connect(
    connection: ConnectionFile, profile: str, seconds: float = CONNECT_SECONDS
) -> ClusterConnection:
    """Connect to the controller of a connection file; it may take so many seconds to answer.

    Raises
    ------
    ConnectFailed
        If it accepts connections but does not complete the handshake.
    """
    load_ipyparallel()
    import ipyparallel
    from traitlets.log import get_logger

    from .canning import complete_tables

    # Said of encrypted connections as well, which need no signatures; in IPython by its own log.
    log: Any = get_logger()
    getattr(log, "logger", log).addFilter(_says_more_than_unsigned)
    processes = ControllerProcesses(connection)
    fault = processes.fault(at_once=True)
    if fault:
        _refuse(connection, profile, fault, processes.running())
    try:
        # IPython makes a temporary folder where its own cannot be written, and leaves it there.
        folder = str(connection.path.parents[2])
        client = ipyparallel.Client(str(connection.path), ipython_dir=folder, timeout=seconds)
    except Exception as e:
        _refuse(connection, profile, e, ())
    drop_unexpected(client)
    complete_tables()
    return ClusterConnection(client, connection, processes)


def _refuse(
    connection: ConnectionFile, profile: str, why: object, running: Collection[int]
) -> NoReturn:
    kill = f"; what is left of it: kill -9 {' '.join(map(str, running))}" if running else ""
    raise ConnectFailed(
        f"The controller of the profile {profile!r} at {connection.host}:{connection.port} does "
        f"not answer: {why}. Stop it (parallelflow cleanup, or ipcluster stop "
        f"--profile={profile}{kill}) or choose another profile."
    )


def _says_more_than_unsigned(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Message signing is disabled")


class ClusterConnection:
    """A client, what its engines told of themselves, and whether the controller lives.

    Parameters
    ----------
    client : ipyparallel.Client
        Connected.
    file : ConnectionFile
        The connection file it was made from.
    processes : ControllerProcesses
        The controller's, as far as they are on this machine.

    Attributes
    ----------
    facts : dict of int to EngineMetadata
        By engine id, of the engines that have told theirs.
    questions, answers : Counter of int
        By engine id, how many of its tasks were questions of ours about itself, and how many of
        those have ended. The hub awaits the end of one that was lost on its way indefinitely.
    processes : dict of int to ProcessRecord
        By engine id, of those on this machine.
    gone_processes : dict of int to ProcessRecord
        The same, of the engines that have left: one that was frozen may still be there.
    gone : dict of int to EngineMetadata or None
        Of the engines that have left.
    joined, gone_since : dict of int to float
        When engines were first seen and when they have left, on the monotonic clock.
    identities : dict of int to str
        By engine id, what the controller calls it; also of those that have left.
    retired : set of int
        Engines that this session stops, or has stopped.
    replaced : set of int
        Engines in whose place another one was started, or is being.
    controller : ProcessRecord or None
        The controller's process; None if it runs elsewhere or cannot be known.
    fault : str
        Which part of the controller has failed, empty if nothing is known.
    """

    def __init__(
        self, client: ipyparallel.Client, file: ConnectionFile, processes: ControllerProcesses
    ) -> None:
        self.client = client
        self.file = file
        self.facts: dict[int, EngineMetadata] = {}
        self.processes: dict[int, ProcessRecord] = {}
        self._controller_processes = processes
        self._end = ControllerEnd(file.path.parent.parent, processes)
        self.controller: ProcessRecord | None = processes.main
        self.lost = False
        self.fault = ""
        self.questions: Counter[int] = Counter()
        self.answers: Counter[int] = Counter()
        self.gone: dict[int, EngineMetadata | None] = {}
        self.gone_processes: dict[int, ProcessRecord] = {}
        self.joined: dict[int, float] = {}
        self.gone_since: dict[int, float] = {}
        self.identities: dict[int, str] = {}
        self.retired: set[int] = set()
        self.replaced: set[int] = set()
        self._asked: dict[int, ResendTimer] = {}
        self._meeting = threading.Lock()
        self._engine_list = hub.EngineList()
        self._question: Any = None
        self._rounds = 0
        self._closed = threading.Event()
        self._probe: PathProbe | None = None
        self._thread: threading.Thread | None = None
        # The client would close itself in the middle of its own work, with errors on the
        # terminal; the watch sees that the controller ends.
        client._notification_handlers["shutdown_notification"] = self._hub_ends

    @property
    def ids(self) -> list[int]:
        """Ids of the registered engines, ascending."""
        return sorted(self.client.ids)

    @property
    def is_open(self) -> bool:
        """Whether the client has not been closed."""
        return not self.client._closed

    @property
    def fit(self) -> list[int]:
        """Ids of the registered engines that are not being stopped, ascending."""
        return [engine for engine in self.ids if engine not in self.retired]

    def watch(self, look: Callable[[ClusterConnection], None]) -> None:
        """Begin to watch in a thread.

        Parameters
        ----------
        look : callable
            Called at every round, after `lost` and `facts` were brought up to date.
        """
        self._thread = threading.Thread(
            target=self._watch, args=(look,), name="parallelflow-watch", daemon=True
        )
        self._thread.start()

    def _hub_ends(self, message: Any) -> None:
        self._hub_has_ended = True

    _hub_has_ended = False

    def _watch(self, look: Callable[[ClusterConnection], None]) -> None:
        try:
            self._watch_until_closed(look)
        finally:
            if self._probe is not None:
                self._probe.close()

    def _watch_until_closed(self, look: Callable[[ClusterConnection], None]) -> None:
        for number in itertools.count(1):
            if self._closed.wait(WATCH_SECONDS):
                return
            try:
                self._find_faults()
                if number % LEFT_EVERY_ROUNDS == 0:
                    self._engine_list.look_for_left(self.client)
                self.lost = self.lost or not self.alive()
                self.meet()
                look(self)
            except Exception:
                logger.exception("the watch over the cluster failed")

    def _find_faults(self) -> None:
        """Take note of a part of the controller that has failed; in the watch's thread."""
        if self.fault or self._hub_has_ended:
            return
        if self.controller is not None:
            self.fault = self._controller_processes.fault()
            return
        if not self._hub_answers():
            self.fault = f"its hub has not answered for {GIVE_UP_ROUNDS * WATCH_SECONDS:.0f} s"
            return
        if self._probe is None:
            self._probe = PathProbe(self.client, self.file)
        self.fault = self._probe.fault()

    def alive(self) -> bool:
        """Return True if the controller lives, as far as is known without waiting."""
        if self._closed.is_set() or self.client._closed or self._hub_has_ended or self.fault:
            return False
        return self.controller is None or self.controller.alive()

    def why_ended(self) -> str:
        """Return why the controller does not live any more, empty if that is not known.

        It may take `controller_end.END_SECONDS` to find out.
        """
        if self._hub_has_ended:
            return "it was shut down"
        return self._end.reason(self.fault)

    def impairments(self) -> list[str]:
        """Return which parts of the controller have failed without which runs go on."""
        return self._controller_processes.impairments()

    def _hub_answers(self) -> bool:
        """Keep one question to the hub under way; False when none was answered for long."""
        self._rounds += 1
        if self._question is not None and self._question.done():
            self._question, self._rounds = None, 0
        if self._question is None and self._rounds >= ASK_EVERY_ROUNDS:
            with contextlib.suppress(Exception):
                self._question = hub.send(self.client, "queue_request", targets=None, verbose=False)
        return self._rounds < GIVE_UP_ROUNDS

    def meet(self) -> None:
        """Ask engines that have joined for their facts, and remove those that have left."""
        with self._meeting:
            present = set(self.client.ids)
            new = present - self._asked.keys()
            known = recorded_metadata(self.file.path.parent.parent) if new else {}
            for engine in new:
                self._asked[engine] = ResendTimer()
                self.joined[engine] = time.monotonic()
                self.identities[engine] = self.identity(engine)
                told = known.get(self.identity(engine))
                if told is not None:
                    self._take(engine, told)
                    continue
                self._ask_facts(engine)
            for engine in present - new - self.facts.keys():
                if self._asked[engine].is_due():
                    self._asked[engine].restart()
                    self._ask_facts(engine)
            for engine in self._asked.keys() - present:
                del self._asked[engine]
                self.gone[engine] = self.facts.pop(engine, None)
                self.gone_since[engine] = time.monotonic()
                process = self.processes.pop(engine, None)
                if process is not None:
                    self.gone_processes[engine] = process
                del self.questions[engine], self.answers[engine]

    def relays(self, engines: Collection[int]) -> dict[int, list[int]]:
        """Return the processes of this machine by which engines are interrupted and answer.

        Parameters
        ----------
        engines : collection of int
            Their ids.

        Returns
        -------
        dict of int to list of int
            By engine: itself, its nanny, which it has started before all else, and the
            controller's between. Without engines that are not known to run here.
        """
        controller = self._controller_processes.relays()
        known = {engine: self.processes.get(engine) for engine in engines}
        return {
            engine: [process.pid, *first_child(process.pid), *controller]
            for engine, process in known.items()
            if process is not None
        }

    def look_for_missed_engines(self) -> None:
        """Ask the hub now and then for its engines, and add those that the client has missed.

        For whoever waits for engines; returns at once. A client hears of engines that register
        by a socket whose subscription may reach a busy controller after the first of them have.
        """
        self._engine_list.look(self.client)

    def _ask_facts(self, engine: int) -> None:
        self.questions[engine] += 1
        ended = functools.partial(self._count_answer, engine)
        request_metadata(self.client, engine, functools.partial(self._take, engine), ended)

    def ask_ready(self, engine: int, tell: Callable[[str], None]) -> None:
        """Make an engine start VisTrails' core; see `engine_metadata.ask_ready`."""
        with self._meeting:
            self.questions[engine] += 1
        ask_ready(self.client, engine, tell, functools.partial(self._count_answer, engine))

    def _count_answer(self, engine: int) -> None:
        self.answers[engine] += 1

    def unanswered(self, engine: int) -> int:
        """Return how many of an engine's tasks are questions of ours: nobody's work."""
        return self.questions[engine] - self.answers[engine]

    def identity(self, engine: int) -> str:
        """Return an engine's identity in the cluster, empty if it has gone."""
        return str(self.client._engines.get(engine, ""))

    def _take(self, engine: int, told: EngineMetadata) -> None:
        if told.host == socket.gethostname():
            # Now, while it is certain whose pid it is.
            process = record_of(told.pid, "engine")
            if process is not None:
                self.processes[engine] = process
        self.facts[engine] = told

    def count_here(self) -> int:
        """Return how many engines are on this machine, with those that have not told it yet."""
        elsewhere = [e for e, told in list(self.facts.items()) if told.host != socket.gethostname()]
        return len(set(self.ids) - set(elsewhere))

    def wait_for_facts(self, seconds: float) -> None:
        """Wait until all engines have told their facts; busy ones cannot."""
        wait_until(lambda: not set(self.client.ids) - set(self.facts), seconds)

    def wait_for_end(self) -> None:
        """Wait for the end of a controller that has said it ends: it still takes connections."""
        controller = self.controller
        if self._hub_has_ended and controller is not None:
            wait_until(lambda: not controller.alive(), END_SECONDS)

    def end_watch(self) -> None:
        """End the watch: what happens from now on is our own doing."""
        self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_SECONDS)

    def close(self) -> None:
        """End watch and connection; bounded."""
        self.end_watch()
        # Closing waits for the client's thread; it must not keep us if that one hangs.
        closing = threading.Thread(target=self._close_client, daemon=True)
        try:
            closing.start()
        except RuntimeError:  # at the interpreter's end, from Python 3.12 on
            self._close_client()
            return
        closing.join(CLOSE_SECONDS)

    def _close_client(self) -> None:
        with contextlib.suppress(Exception):
            self.client.close(linger=0)
