"""Elements that have raised and are tried again: facts in, decisions out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from parallelflow.engine.remote_failure import RemoteFailure

from .attempt import Attempt
from .chunks import Chunk
from .outcomes import Decision, Fail, Retry

__all__ = ["attempts_text", "with_retries"]


def with_retries(
    decisions: Iterable[Decision], chunk: Chunk, retries: int, engine: int, host: str | None
) -> list[Decision]:
    """Return decisions in which elements that have raised are tried again.

    Parameters
    ----------
    decisions : iterable of Decision
        About a chunk that an engine has answered.
    chunk : Chunk
        The chunk.
    retries : int
        How often an element is tried again.
    engine, host
        Where it was evaluated.
    """
    return [_retried(each, chunk, retries, engine, host) for each in decisions]


def _retried(
    decision: Decision, chunk: Chunk, retries: int, engine: int, host: str | None
) -> Decision:
    if not isinstance(decision, Fail) or decision.failure.stage != "run":
        return decision
    before = chunk.attempts
    if len(before) < retries:
        attempt = Attempt(engine, host, _error(decision.failure))
        again = Chunk(decision.index, [decision.element], [*chunk.losses])
        again.attempts = (*before, attempt)
        return Retry(again)
    if not before:
        return decision
    message = f"{decision.failure.message}\n{attempts_text(before)}"
    return replace(decision, failure=replace(decision.failure, message=message))


def attempts_text(attempts: Iterable[Attempt]) -> str:
    """Return a line for each attempt before the last one."""
    return "\n".join(
        f"attempt {number}, on engine {each.engine} ({each.host or 'unknown host'}): {each.error}"
        for number, each in enumerate(attempts, 1)
    )


def _error(failure: RemoteFailure) -> str:
    return " ".join(f"{failure.error_type}: {failure.message}".split())
