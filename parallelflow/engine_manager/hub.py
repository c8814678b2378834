"""Questions to the hub, each with a time limit.

The client's own methods wait for ever when the hub has gone. The one method of the client
used here that is not public, ``_send``, has had this form since ipyparallel 6.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["ask", "queues", "send"]

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
        future = send(client, question, **content)
        if not future.wait(seconds):
            return None
        answer: dict[str, Any] = future.result()["content"]
    except Exception as e:  # closed meanwhile, or an answer that cannot be read
        logger.debug("the hub does not answer %s: %r", question, e)
        return None
    return answer if answer.get("status") == "ok" else None


def queues(client: ipyparallel.Client, seconds: float) -> dict[int, dict[str, int]] | None:
    """Return what each engine has in its queues; engines are not touched.

    Returns
    -------
    dict of int to dict, or None
        By engine id: ``queue`` and ``tasks`` (sent and not finished), ``completed``; None if
        the hub does not answer in time.
    """
    answer = ask(client, "queue_request", seconds, targets=None, verbose=False)
    if answer is None:
        return None
    is_id: Callable[[str], bool] = str.isdigit
    return {int(key): value for key, value in answer.items() if is_id(str(key))}
