"""What an engine of ours does with a request of ours: what is asked for, and nothing beside it.

Of what a trivial request costs an engine of ipyparallel, a quarter are messages that nobody reads
(busy, idle), which client and controller have to take off the wire, too, and waiting for the output
thread, although nothing has been written. What elements write travels in the reply
(`parallelflow.engine.capture`). Requests of others are handled as ever.
"""

from __future__ import annotations

import signal
from typing import Any

from ipykernel.iostream import OutStream
from ipyparallel.engine import app
from ipyparallel.engine.kernel import IPythonParallelKernel

from parallelflow.engine.interrupts import ignore
from parallelflow.names import QUIET_REQUEST

__all__ = ["QuietKernel", "QuietStream", "install"]


class QuietKernel(IPythonParallelKernel):
    """ipyparallel's kernel, which publishes nothing about requests that say so."""

    _next_is_quiet = False

    def should_handle(self, stream: Any, msg: Any, idents: Any) -> Any:
        """Return whether a request is to be handled, which follows at once."""
        self._next_is_quiet = _is_quiet(msg)
        return super().should_handle(stream, msg, idents)

    def pre_handler_hook(self) -> None:
        """Prepare for SIGINT while a request is handled.

        The kernel's own raises KeyboardInterrupt from here on. Until the function of ours that was
        sent looks to it (`parallelflow.engine.interrupts`), that would end the request without a
        reply. Whoever interrupts an engine does it again if that has had no effect.
        """
        super().pre_handler_hook()
        if self._next_is_quiet:
            signal.signal(signal.SIGINT, ignore)

    def _publish_status(self, status: str, channel: str, parent: Any = None) -> None:
        if not _is_quiet(parent or self.get_parent(channel)):
            super()._publish_status(status, channel, parent)

    def apply_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Call the function that was sent, and reply; as the kernel's own, without a flush."""
        if not _is_quiet(parent):
            super().apply_request(stream, ident, parent)
            return
        metadata = self.init_metadata(parent)
        self.shell_is_blocking = True
        try:
            request = parent["header"]["msg_id"]
            content, buffers = self.do_apply(
                parent["content"], parent["buffers"], request, metadata
            )
        finally:
            self.shell_is_blocking = False
        metadata = self.finish_metadata(parent, metadata, content)
        self.session.send(
            stream, "apply_reply", content,
            parent=parent, ident=ident, buffers=buffers, metadata=metadata,
        )  # fmt: skip


class QuietStream(OutStream):
    """An engine's standard output or error, which is waited for only where it has something.

    ipykernel flushes both after each message, and each time waits until the thread that sends
    what was written has had its turn.
    """

    _written = False

    def write(self, string: str) -> Any:
        """Write text, which is sent a moment later, or by `flush`."""
        try:
            return super().write(string)
        finally:  # not before: another thread may flush meanwhile
            self._written = True

    def flush(self) -> None:
        """Send what was written, and wait until that has been done."""
        if self._written:
            self._written = False
            super().flush()


def _is_quiet(request: Any) -> bool:
    return bool(request) and request.get("metadata", {}).get("label") == QUIET_REQUEST


def install() -> None:
    """Make the engine of this process use it."""
    app.Kernel = QuietKernel
