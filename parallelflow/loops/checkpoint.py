"""What makes two executions of a loop the same for its checkpoint, in whatever session."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parallelflow.checkpoints.checkpoint import Checkpoint
from parallelflow.checkpoints.content import ContentDigest, content_digest
from parallelflow.checkpoints.identity import Parts, RunIdentity, digest_text, environment_parts
from parallelflow.engine import session_state
from parallelflow.engine.files import unpack
from parallelflow.engine.runner import ChunkResult
from parallelflow.engine.spec import PackageNeed
from parallelflow.progress import Progress
from parallelflow.settings import settings
from parallelflow.system import safe_files
from parallelflow.work.results import Results
from parallelflow.work.run import Run

from .loop import Loop

__all__ = ["LoopCheckpoint", "RunCheckpoint", "parts_of", "session_parts"]

# Where packages live whose files the user writes; others are told by their versions.
USER_PACKAGES = "userpackages."
SOURCE = "*.py"

logger = logging.getLogger(__name__)


class RunCheckpoint:
    """The checkpoint of one run of a workflow's elements; of none where none is kept.

    Parameters
    ----------
    identity : callable
        Returns what the run is, once it begins.
    elements : sequence
        The elements.
    at_once : bool
        Whether values may be changed once they have come; see `Checkpoint`.
    """

    def __init__(
        self, identity: Callable[[], RunIdentity], elements: Sequence[Any], at_once: bool = False
    ) -> None:
        self._identity = identity
        self._elements = elements
        self._at_once = at_once
        self._checkpoint: Checkpoint | None = None
        self._lines: list[str] = []

    def take(self) -> dict[int, Any]:
        """Begin it, and return the values that an earlier session has left, by index."""
        if not settings().checkpoints:
            return {}
        try:
            identity = self._identity()
        except Exception as e:
            # It is the run's own error if the function cannot be pickled.
            logger.info("no checkpoint is kept: %s", e)
            return {}
        self._checkpoint = Checkpoint(identity, self._elements, self._lines.append, self._at_once)
        return self._checkpoint.take()

    def tell(self, progress: Progress) -> None:
        """Show the lines about it that have come."""
        while self._lines:
            progress.warn(self._lines.pop(0))

    def tick(self, progress: Progress) -> None:
        """Write what waits, if it is time to; to be called often."""
        if self._checkpoint is not None:
            self._checkpoint.tick()
            self.tell(progress)

    def add(self, start: int, result: ChunkResult, values: Sequence[Any] | None = None) -> None:
        """Keep the values of a chunk; others in their place, if they are given."""
        if self._checkpoint is not None:
            kept = result.values if values is None else values
            self._checkpoint.add(start, kept, result.failures, result.seconds)

    def close(self, outcome: Run | Results, here: Iterable[int], finished: bool) -> None:
        """End it.

        Parameters
        ----------
        outcome : Run or Results
            What has come of the elements.
        here : iterable of int
            Those that were evaluated in this process.
        finished : bool
            Whether all have values; nothing is left on disk then.
        """
        if self._checkpoint is not None:
            if not finished:
                for index in here:
                    self._checkpoint.add(index, [outcome.values[index]])
            self._checkpoint.close(finished)
            self.tell(outcome.progress)


class LoopCheckpoint(RunCheckpoint):
    """The checkpoint of one execution of a loop.

    Parameters
    ----------
    loop : Loop
        The loop.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        # An operation() of a user's follows the values.
        super().__init__(self._of_loop, loop.elements, at_once=loop.on_value is not None)

    def _of_loop(self) -> RunIdentity:
        loop = self._loop
        file = str(getattr(loop.module.moduleInfo.get("locator"), "name", None) or "")
        return RunIdentity(_place(loop), loop.label, Parts(dict(parts_of(loop))), file)

    def take(self) -> dict[int, Any]:
        """Begin it, and return the values that an earlier session has left, by index."""
        pool = self._loop.module.interpreter.filePool
        return {index: unpack(value, pool) for index, value in super().take().items()}


def _place(loop: Loop) -> str:
    """Return which module of which file loops."""
    info = loop.module.moduleInfo
    locator = info.get("locator")
    name = getattr(locator, "name", None) or info.get("vistrailName") or "a workflow"
    return f"{name}, {loop.label} (module {info.get('moduleId')})"


def parts_of(loop: Loop) -> Iterator[tuple[str, str | ContentDigest]]:
    """Yield what decides the elements' values, with what the user calls it."""
    spec = loop.spec
    shape = (spec.pipeline, spec.functions, sorted(spec.outputs.items()), spec.input_ports)
    how = (spec.output_port, spec.list_depth, spec.first)
    yield "the function", digest_text(content_digest((*shape, *how)))
    for value, digest in zip(spec.values, loop.value_digests, strict=True):
        yield f"the value on port {value.port} of module {value.module}", digest
    yield from session_parts(spec.packages, spec.versions, loop.session)


def session_parts(
    packages: Sequence[PackageNeed],
    versions: Mapping[str, str],
    session: tuple[Any, ...] | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield what else decides values: packages, and what elements find in the session's process.

    Parameters
    ----------
    packages : sequence of PackageNeed
        Those that the modules need.
    versions : mapping of str to str
        Of Parallel Flow, of Python and of VisTrails.
    session : tuple, optional
        What `session_state.identity` has returned; it is called if not given.
    """
    for need in packages:
        yield f"package {need.identifier}", str(need.version)
        values = (need.initial, need.configuration)
        yield f"the configuration of package {need.identifier}", digest_text(content_digest(values))
        if need.module.startswith(USER_PACKAGES):
            yield f"the code of package {need.identifier}", digest_text(_source(need))
    folder, _, environment, modules = session or session_state.identity()
    yield from environment_parts(environment).items()
    yield "the working directory", folder
    for name, digest in modules.items():
        yield f"module {name}", digest_text(content_digest(digest))
    for name, version in versions.items():
        yield f"the version of {name}", version


def _source(need: PackageNeed) -> bytes:
    """Return the digest of a package's files."""
    file = Path(need.file)
    found = sorted(file.parent.rglob(SOURCE)) if file.name == "__init__.py" else [file]
    contents = []
    for each in found:
        with contextlib.suppress(OSError, safe_files.UnusableFile):
            contents.append((os.path.relpath(each, file.parent), safe_files.read_bytes(each)))
    return content_digest(contents)
