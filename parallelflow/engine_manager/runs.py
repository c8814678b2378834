"""The runs of this session that are under way."""

from __future__ import annotations

import weakref

from parallelflow import progress

__all__ = ["RunsUnderWay"]


class RunsUnderWay:
    """The last snapshot of each run (a Map, a `parallel_map`) that has not ended."""

    def __init__(self) -> None:
        self._runs: dict[int, progress.Snapshot] = {}
        known = weakref.ref(self)

        def take(snapshot: progress.Snapshot) -> None:
            runs = known()
            if runs is not None:
                runs.take(snapshot)

        # The listener lives no longer than this object.
        weakref.finalize(self, progress.listen(take))

    def take(self, snapshot: progress.Snapshot) -> None:
        """Keep a run's snapshot, or remove the run that has ended."""
        if snapshot.state.is_finished:
            self._runs.pop(snapshot.run, None)
        else:
            self._runs[snapshot.run] = snapshot

    def snapshots(self) -> tuple[progress.Snapshot, ...]:
        """Return the snapshots, the oldest run first."""
        return tuple(self._runs[number] for number in sorted(self._runs))

    def __len__(self) -> int:
        return len(self._runs)
