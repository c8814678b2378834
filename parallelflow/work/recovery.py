"""A run whose cluster goes away: it goes on with another one, or in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from parallelflow.errors import ClusterError, ClusterLost, StartCancelled
from parallelflow.wording import count

if TYPE_CHECKING:
    import ipyparallel

    from .run import Run

__all__ = ["Driver", "drive", "drive_or_defer"]

# Clusters that go away one after the other, without an element having finished on them.
MAX_MOVES = 3


def drive(
    run: Run,
    poll: Callable[[], object],
    look: Callable[[], object],
    find_client: Callable[[], ipyparallel.Client | None] | None,
) -> bool:
    """Poll a run to its end, over the loss of its cluster.

    Parameters
    ----------
    run : Run
        The run.
    poll : callable
        Polls it once.
    look : callable
        Called after each poll.
    find_client : callable, optional
        Returns the client of another cluster, None if there is none; may start one. Without it
        the loss is raised.

    Returns
    -------
    bool
        Whether the run is over. If not, the caller has to evaluate the rest, which it gets by
        `Run.take_rest`.

    Raises
    ------
    ClusterLost
        If this session has ended the cluster on purpose; or if elements that are left may have
        ended engines, and no engines are left or come.
    StartCancelled
        If the user gave up the start of others.
    """
    driver = Driver(run, poll, find_client)
    while not run.is_finished:
        if not driver.step():
            return False
        look()
    return True


def drive_or_defer(
    run: Run,
    poll: Callable[[], object],
    look: Callable[[], object],
    find_client: Callable[[], ipyparallel.Client | None] | None,
) -> None:
    """Drive a run as `drive` does; what no cluster is left for is added to its `deferred`."""
    if not drive(run, poll, look, find_client):
        run.deferred.update(index for index, _ in run.take_rest())
        run.finish_here()


class Driver:
    """Polls a run step by step, and moves it when its cluster goes away; see `drive`."""

    def __init__(
        self,
        run: Run,
        poll: Callable[[], object],
        find_client: Callable[[], ipyparallel.Client | None] | None,
    ) -> None:
        self._run = run
        self._poll = poll
        self._find_client = find_client
        self._moves = 0
        self._finished = -1

    def step(self) -> bool:
        """Poll once; return False if the caller has to evaluate the rest."""
        run = self._run
        try:
            self._poll()
        except ClusterLost as e:
            if self._find_client is None or run.workers.were_stopped():
                raise
            self._moves = 0 if run.progress.done > self._finished else self._moves + 1
            self._finished = run.progress.done
            return _move(run, e, self._find_client if self._moves < MAX_MOVES else lambda: None)
        return True


def _move(
    run: Run, lost: ClusterLost, find_client: Callable[[], ipyparallel.Client | None]
) -> bool:
    """Move a run to another cluster; return False if it has to go on in this process."""
    why = ""
    client = None
    try:
        client = find_client()
    except StartCancelled:
        raise
    except ClusterError as e:
        why = f" ({e.message})"
    if client is not None:
        run.move_to(client)
        where = f"on {count(len(client.ids), 'engine')} of the cluster that there is now"
    elif run.may_end_engines:
        raise lost
    else:
        where = f"in this process, one after the other{why}"
    reason = lost.message.removesuffix("Start new engine processes and run it again.").strip()
    run.progress.warn(f"{reason} The work goes on {where}.")
    return client is not None
