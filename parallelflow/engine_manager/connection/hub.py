"""Questions to the hub, each with a time limit.

The client's own methods wait for ever when the hub has gone. The one method of the client
used here that is not public, ``_send``, has had this form since ipyparallel 6.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["QueueQuestion", "ask", "queues", "send"]

logger = logging.getLogger(__name__)


def send(client: ipyparallel.Client, question: str, **content: Any) -> Any:
    """Send a question to the hub; returns its future at once.

    Raises
    ------
    OSError
        If the client is closed.
    """
    return client._send(client._query_stream, question, content=content)


def ask(
    client: ipyparallel.Client, question: str, seconds: float, **content: Any
) -> dict[str, Any] | None:
    """Ask the hub and return its answer.

    Parameters
    ----------
    client : ipyparallel.Client
        The connection.
    question : str
        The message's type, such as ``queue_request``.
    seconds : float
        How long to wait.
    **content
        The message's content.

    Returns
    -------
    dict or None
        The answer's content; None if none came in time or it was an error.
    """
    try:
        answer = _answer(send(client, question, **content), seconds)
    except Exception as e:  # closed meanwhile
        logger.debug("the hub cannot be asked: %r", e)
        return None
    return answer if answer is not None and answer.get("status") == "ok" else None


def queues(client: ipyparallel.Client, seconds: float) -> dict[int, dict[str, int]] | None:
    """Return what each engine has in its queues; engines are not touched.

    Returns
    -------
    dict of int to dict, or None
        By engine id: ``queue`` and ``tasks`` (sent and not finished), ``completed``; None if
        the hub does not answer in time.
    """
    return QueueQuestion().ask(client, seconds)


class QueueQuestion:
    """The question for the queues, asked again and again, but never twice at once.

    A hub that hangs would find hundreds of them when it goes on.
    """

    def __init__(self) -> None:
        self._pending: tuple[ipyparallel.Client, Any] | None = None

    def ask(self, client: ipyparallel.Client, seconds: float) -> dict[int, dict[str, int]] | None:
        """Return what `queues` does."""
        if self._pending is None or self._pending[0] is not client:
            try:
                question = send(client, "queue_request", targets=None, verbose=False)
            except Exception as e:  # closed meanwhile
                logger.debug("the hub cannot be asked: %r", e)
                return None
            self._pending = (client, question)
        content = _answer(self._pending[1], seconds)
        if content is None:
            return None
        self._pending = None
        return {int(key): value for key, value in content.items() if str(key).isdigit()}


def _answer(future: Any, seconds: float) -> dict[str, Any] | None:
    """Return the content of the answer to a question, None if none comes in time."""
    try:
        if not future.wait(seconds):
            return None
        content: dict[str, Any] = future.result()["content"]
    except Exception as e:  # closed meanwhile, or an answer that cannot be read
        logger.debug("the hub does not answer: %r", e)
        return None
    return content
