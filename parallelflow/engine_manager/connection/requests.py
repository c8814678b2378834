"""Requests to single engines, with no more around them than a run needs.

ipyparallel's views make an AsyncResult for each request, which keeps what it has printed, may be
waited for in several ways, and refers to itself. That is 0.4 ms of computing a request.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from parallelflow.names import QUIET_REQUEST

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["Answer", "send_request"]


class Answer:
    """What an engine will answer to a request.

    Parameters
    ----------
    future : ipyparallel.client.futures.MessageFuture
        The client's own.
    metadata : dict
        The client's, by the requests' ids.

    Attributes
    ----------
    msg_ids : list of str
        The request's id, as ipyparallel's functions take it.
    """

    def __init__(self, future: Any, metadata: dict[str, Any]) -> None:
        self._future = future
        self._metadata = metadata
        self.msg_ids: list[str] = [future.msg_id]

    def done(self) -> bool:
        """Return True if the answer is there, or will never come."""
        return bool(self._future.done())

    def get(self, timeout: float | None = None) -> Any:
        """Return what the engine has returned.

        Parameters
        ----------
        timeout : float or None
            How long to wait, seconds; None waits indefinitely.

        Raises
        ------
        TimeoutError
            If it is not there in time.
        Exception
            What the function has raised, as ipyparallel's ``RemoteError``; ``EngineError`` if the
            engine has ended.
        """
        if not self._future.wait(timeout):
            raise TimeoutError
        result = self._future.result()
        if isinstance(result, Exception):  # ipyparallel gives errors as results
            raise result
        return result

    def take_published(self) -> list[dict[str, Any]]:
        """Return what the engine has published for the request since the last call."""
        known = self._metadata.get(self.msg_ids[0])
        if known is None or not known["outputs"]:
            return []
        found = list(known["outputs"])
        del known["outputs"][: len(found)]  # the client's thread adds to its end
        return found

    def add_done_callback(self, callback: Callable[[Answer], object]) -> None:
        """Call a function with this answer when it is there, in the client's thread."""
        self._future.add_done_callback(lambda _: callback(self))

    def let_go(self) -> None:
        """Let go of the functions that were to be called when the answer is there.

        They refer to the answer, which would be freed, with whatever an engine has returned, only
        when Python looks for garbage (ipyparallel 9.2, `multi_future`).
        """
        for future in (self._future, self._future.output):
            future._done_callbacks = []


def send_request(
    client: ipyparallel.Client, engine: int, function: Callable[..., Any], arguments: Sequence[Any]
) -> Answer:
    """Send a function to an engine, which calls it with the arguments.

    Raises
    ------
    KeyError
        If there is no engine of that id any more.
    Exception
        If the client has been closed.
    """
    future = client.send_apply_request(
        client._mux_stream,
        _pickled(function),
        tuple(arguments),
        ident=client._engines[engine].encode(),
        metadata={"label": QUIET_REQUEST},
    )
    future.add_done_callback(_end_output)
    return Answer(future, client.metadata)


@functools.lru_cache(16)
def _pickled(function: Callable[..., Any]) -> Any:
    from ipyparallel.serialize import PrePickled

    return PrePickled(function)


def _end_output(future: Any) -> None:
    """Wait for no output: the client keeps what it knows of a request until its output has come."""
    if not future.output.done():
        future.output.set_result(None)
