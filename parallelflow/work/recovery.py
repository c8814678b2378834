"""A run whose cluster goes away: it goes on with another one, or in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from parallelflow.errors import ClusterError, ClusterLost, StartCancelled

if TYPE_CHECKING:
    import ipyparallel

    from .run import Run

__all__ = ["drive"]

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
    moves, finished = 0, -1
    while not run.over:
        try:
            poll()
        except ClusterLost as e:
            if find_client is None or run.workers.were_stopped():
                raise
            moves = 0 if run.progress.done > finished else moves + 1
            finished = run.progress.done
            if not _move(run, e, find_client if moves < MAX_MOVES else lambda: None):
                return False
        look()
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
        n = len(client.ids)
        where = f"on {n} engine{'s' * (n != 1)} of the cluster that there is now"
    elif run.may_end_engines:
        raise lost
    else:
        where = f"in this process, one after the other{why}"
    reason = lost.message.removesuffix("Start new engine processes and run it again.").strip()
    run.progress.warn(f"{reason} The work goes on {where}.")
    return client is not None
