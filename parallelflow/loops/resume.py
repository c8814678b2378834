"""The values that a failed or cancelled loop leaves for its next execution in this session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

from parallelflow.checkpoints.content import FileContent, content_digest, files_in, new_digest
from parallelflow.engine import payload
from parallelflow.settings import overridden, override
from parallelflow.work.resume import PartialResults

from .describe import module_classes
from .loop import Loop

__all__ = ["KnownValues", "computing_all", "unfinished"]

unfinished = PartialResults()
"""What the loops of this session have left."""


_all = False


@contextlib.contextmanager
def computing_all() -> Iterator[None]:
    """Use nothing within the block that earlier runs have left, in the session or on disk."""
    global _all
    before = overridden("resume")
    override(resume=False)
    _all = True
    try:
        yield
    finally:
        _all = False
        override(resume=before)


class KnownValues:
    """What an earlier execution of a loop has computed of its values.

    Parameters
    ----------
    loop : Loop
        The loop.

    Attributes
    ----------
    can_be_pickled : bool
        Whether the function and its constant inputs can be pickled. If not, the run is going to
        fail, and nothing is kept.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._identity: list[payload.Frame] = []
        with contextlib.suppress(Exception):  # of any kind: pickling runs the classes' own code
            loop.value_digests  # noqa: B018 - it raises if one cannot be pickled
            self._identity = payload.dump(_identity(loop))
        self.can_be_pickled = bool(self._identity)

    @cached_property
    def _key(self) -> bytes:
        digest = new_digest()
        for frame in self._identity:
            digest.update(frame)
        for each in self._loop.value_digests:
            digest.update(each.get())
        return bytes(digest.digest())

    def take(self) -> dict[int, Any]:
        """Return the values by index, and forget them."""
        if not self.can_be_pickled or not unfinished:
            return {}
        known = unfinished.take(self._key, self._loop.elements)
        return {} if _all else known

    def keep(self, values: dict[int, Any]) -> None:
        """Keep values, by index, for the next execution."""
        if self.can_be_pickled and values:
            unfinished.keep(self._key, self._loop.elements, values)


def _identity(loop: Loop) -> Any:
    """Return what decides a function's values beside its constant inputs.

    The classes' identities are part of it: a package that was reloaded has new ones. So is what
    elements find in their process, such as the folder of their files.
    """
    spec = loop.spec
    return (
        spec.pipeline, spec.functions, [replace(value, value=None) for value in spec.values],
        spec.outputs, spec.packages,
        spec.configuration, spec.input_ports, spec.output_port, spec.list_depth, spec.first,
        [content_digest(FileContent(n)) for value in spec.values for n in files_in(value.value)],
        [id(one) for one in module_classes(loop.copied_modules)], loop.session,
    )  # fmt: skip
