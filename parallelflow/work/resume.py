"""What a failed or cancelled run has finished, so that the next one need not do it again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from parallelflow.checkpoints.content import FileContent, content_digest, files_in, new_digest
from parallelflow.engine import payload

__all__ = ["PartialResults"]

# Runs whose results are kept, the latest ones: the values may be large.
MAX_KEPT = 4


@dataclass
class _Kept:
    elements: bytes | None
    values: dict[int, Any]


def _digest(items: Iterable[Any]) -> bytes:
    digest = new_digest()
    for item in items:
        for frame in payload.dump(item):
            digest.update(frame)
        for name in files_in(item):
            digest.update(content_digest(FileContent(name)))
    return bytes(digest.digest())


class PartialResults:
    """Values of runs that did not finish, kept for the session.

    The elements are compared by their pickles, and only when there is something to
    compare with: a run that finishes pays nothing for this.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, int], _Kept] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._kept)

    def take(self, key: bytes, elements: Sequence[Any]) -> dict[int, Any]:
        """Return what an earlier run of the same function over the same list has finished.

        Parameters
        ----------
        key : bytes
            A digest of the function and its constant inputs.
        elements : sequence
            The list.

        Returns
        -------
        dict of int to object
            Values by index; empty if there is nothing to go on with.
        """
        kept = self._kept.pop((key, len(elements)), None)
        if kept is None or kept.elements != self._elements_key(elements):
            return {}
        return kept.values

    def keep(self, key: bytes, elements: Sequence[Any], values: dict[int, Any]) -> None:
        """Keep what a run has finished."""
        digest = self._elements_key(elements)
        if values and digest is not None:
            self._kept[key, len(elements)] = _Kept(digest, values)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    @staticmethod
    def _elements_key(elements: Sequence[Any]) -> bytes | None:
        try:
            return _digest(elements)
        except Exception:  # an element that cannot be pickled is the run's to report
            return None
