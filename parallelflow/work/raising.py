"""What `parallel_map` raises, or returns instead, where elements have failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from parallelflow.engine.exceptions import add_cause, load_exception
from parallelflow.errors import ElementError, ElementFailure
from parallelflow.progress import Progress
from parallelflow.trace import Sent

__all__ = [
    "CONTINUE",
    "FINISH",
    "POLICIES",
    "RAISE",
    "RETURN",
    "exception_of",
    "late",
    "raise_first",
]

RAISE, FINISH, RETURN, CONTINUE = "raise", "finish", "return", "continue"
POLICIES = (RAISE, FINISH, RETURN, CONTINUE)
"""What becomes of an exception: raised at once, raised when the others have finished, returned in
its element's place, or replaced there by another value."""

# So many engines are named that work when the time is up.
MOST_TOLD = 4


def exception_of(failure: ElementFailure) -> BaseException:
    """Return the exception of a failed element, as it was raised if that could travel."""
    own = ElementError([failure])
    if failure.exception is not None:
        try:
            exception = load_exception(failure.exception)
        except BaseException:  # its class is not known here, or does something else when it is made
            return own
        add_cause(exception, own)
        return exception
    return own


def raise_first(
    exceptions: dict[int, BaseException], failures: dict[int, ElementFailure], on_error: str
) -> None:
    """Raise the exception of the lowest failed index, with all the failures as its cause."""
    if not failures or on_error in (RETURN, CONTINUE):
        return
    first = exceptions[min(failures)]
    every = ElementError([replace(failures[i], exception=None) for i in sorted(failures)])
    if isinstance(first, ElementError) and first.failures[0] is failures[min(failures)]:
        raise every  # what the function raised could not travel
    add_cause(first, every)
    raise first


def late(
    progress: Progress,
    timeout: float | None,
    silent: Sequence[int] = (),
    sent: Sequence[Sent] = (),
) -> TimeoutError:
    """Return the error of work that has taken too long.

    Parameters
    ----------
    progress : Progress
        How far it has come.
    timeout : float or None
        The time that it had, seconds.
    silent : sequence of int
        Ids of its engines, if none has answered.
    sent : sequence of Sent
        What the engines have and have not answered.
    """
    under_way = _under_way([each for each in sent if each.running])
    advice = "Give it more time, or more engines."
    if silent:
        several = len(silent) > 1
        them = "them" if several else "it"
        advice = (
            f"{'Engines' if several else 'Engine'} {', '.join(map(str, silent))} "
            f"{'have' if several else 'has'} not answered: "
            f"{'they work' if several else 'it works'} for somebody else, or "
            f"{'hang' if several else 'hangs'}. Start others beside {them} (parallelflow start), "
            f"or stop {them} (parallelflow cleanup)."
        )
    return TimeoutError(
        f"{progress.label}: {progress.done} of {progress.total} elements had finished after "
        f"{timeout or 0:g} s. {under_way}{advice}"
    )


def _under_way(sent: Sequence[Sent]) -> str:
    """Return the sentence that tells which elements engines are at; empty if they are at none."""
    if not sent:
        return ""
    told = [
        f"{each.start if each.count == 1 else f'{each.start} to {each.start + each.count - 1}'} "
        f"on engine {each.engine}"
        for each in sent[:MOST_TOLD]
    ]
    more = len(sent) - MOST_TOLD
    return f"Under way: {', '.join(told)}{f' and on {more} more' if more > 0 else ''}. "
