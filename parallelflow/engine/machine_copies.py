"""Large functions kept in this machine's shared memory, for its other engines.

The session of a cluster with other machines sends a function with its constant inputs to one engine
of each, which keeps it here; the others map it. Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

from parallelflow.data.folder_owners import remove_abandoned
from parallelflow.data.parcel import Frame
from parallelflow.data.shared_values import SharedValues, machine_values

__all__ = ["drop", "keep"]

# By the runs' keys: where they are kept, and the frame from which others read them.
_kept: dict[str, tuple[SharedValues, bytes]] = {}


def keep(key: str, limit: int | None, frames: Sequence[Frame]) -> tuple[Sequence[Frame], bytes]:
    """Keep the frames of a run's function for the machine's other engines.

    Parameters
    ----------
    key : str
        The run's key.
    limit : int or None
        The largest value that the session puts into shared memory, bytes.
    frames : sequence of bytes-like
        As they have come in the message.

    Returns
    -------
    tuple of (sequence of bytes-like, bytes)
        From which frames it is read here: the memory is needed once. And from which others of the
        machine read it, empty where there is no room.
    """
    if key not in _kept:
        remove_abandoned()  # of engines that were killed; none of the session's folders is here
        values = machine_values(key, limit)
        shared = values.keep(frames)
        if shared is frames:
            return frames, b""
        _kept[key] = values, bytes(shared[0])
    frame = _kept[key][1]
    return [frame], frame


def drop(key: str) -> None:
    """Remove what is kept of a run; who has mapped it keeps it."""
    kept = _kept.pop(key, None)
    if kept is not None:
        kept[0].close()
