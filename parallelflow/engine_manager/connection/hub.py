"""Questions to the hub, each with a time limit.

The client's own methods wait indefinitely when the hub has gone. The methods of the client
used here that are not public, ``_send``, ``_update_engines`` and ``_unregister_engine``, have had
this form since ipyparallel 6.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["EngineList", "QueueQuestion", "ask", "send"]

# Between two questions for the engines, while some are waited for.
ENGINES_AGAIN_SECONDS = 1.0

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


class QueueQuestion:
    """The question for the queues, asked again and again, but never twice at once.

    A hub that hangs would find hundreds of them when it goes on.
    """

    def __init__(self) -> None:
        self._pending: tuple[ipyparallel.Client, Any] | None = None

    def ask(self, client: ipyparallel.Client, seconds: float) -> dict[int, dict[str, int]] | None:
        """Return what each engine has in its queues; engines are not touched.

        Returns
        -------
        dict of int to dict, or None
            By engine id: ``queue`` and ``tasks`` (sent and not finished), ``completed``; None if
            the hub does not answer in time.
        """
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


class EngineList:
    """The hub's list of engines, to find what a client was not told: who has joined, who has left.

    Two answers in a row have to say the same. Of one engine that has just joined or left, the
    client may be told before an older answer arrives.

    Parameters
    ----------
    pause : float
        Between two questions, seconds.
    """

    def __init__(self, pause: float = ENGINES_AGAIN_SECONDS) -> None:
        self._pause = pause
        self._question: Any = None
        self._asked_at = time.monotonic()
        # By engine id, the identities of those that the last answer had and the client had not, and
        # the other way round.
        self._missed: dict[int, str] = {}
        self._left: dict[int, str] = {}
        self._left_question: Any = None

    def look(self, client: ipyparallel.Client) -> None:
        """Ask for the list if that was not done for a while; return at once.

        Engines that two answers in a row have listed, each time unknown to the client, are made
        known to it.
        """
        now = time.monotonic()
        waiting = self._question is not None and not self._question.done()
        if waiting or now - self._asked_at < self._pause:
            return
        self._asked_at = now
        self._question = _ask(client, self._add_missed, "connection_request")

    def _add_missed(self, client: ipyparallel.Client, answer: Any) -> None:
        content = _answer(answer, 0)
        if content is None:
            return
        listed = {int(engine): identity for engine, identity in content.get("engines", {}).items()}
        unknown = {e: identity for e, identity in listed.items() if e not in client.ids}
        missed = dict(unknown.items() & self._missed.items())
        self._missed = unknown
        if missed:
            logger.debug("engines of whose registration nothing was heard: %s", list(missed))
            client._update_engines(missed)

    def look_for_left(self, client: ipyparallel.Client) -> None:
        """Ask which engines there are, if no answer is waited for; return at once.

        Engines that the client has and two answers in a row have not are removed from the client,
        which ends what it waits for from them.
        """
        if self._left_question is not None and not self._left_question.done():
            return
        # Not the list of connections: the controller would write a line of it into its log.
        self._left_question = _ask(
            client, self._remove_left, "queue_request", targets=None, verbose=False
        )

    def _remove_left(self, client: ipyparallel.Client, answer: Any) -> None:
        content = _answer(answer, 0)
        if content is None or content.get("status") != "ok":
            return
        listed = {int(engine) for engine in content if engine.isdigit()}
        absent = {e: str(uuid) for e, uuid in list(client._engines.items()) if e not in listed}
        left = dict(absent.items() & self._left.items())
        self._left = absent
        for engine, identity in left.items():
            logger.debug("engine %d has left, and nothing was heard of it", engine)
            client._unregister_engine({"content": {"id": engine, "uuid": identity}})


def _ask(
    client: ipyparallel.Client, take: Callable[[Any, Any], object], kind: str, **content: Any
) -> Any:
    """Ask the hub, and return the question; None if it cannot be asked.

    The client and the answer are handed to `take` in the client's own thread, where it adds and
    removes the engines that it is told of.
    """
    try:
        question = send(client, kind, **content)
    except Exception as e:  # closed meanwhile
        logger.debug("the hub cannot be asked: %r", e)
        return None
    question.add_done_callback(lambda answer: take(client, answer))
    return question


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
