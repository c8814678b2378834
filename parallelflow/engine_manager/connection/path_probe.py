"""Whether the parts of a controller on another machine live: asked by ZeroMQ's own heartbeats.

A probe is a connection to a part's port that never sends a message. ZeroMQ's background thread
in the process at the other end answers its heartbeats (ZMTP 3.1, PING and PONG), whatever that
process and the engines are busy with. One that was killed ends the connection, one that was
stopped leaves the heartbeats unanswered. The client's own connections have no heartbeats: if
this process were stopped for a while they would be made again, and answers on their way be lost.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import zmq

from .connection_files import ConnectionFile
from .controller_processes import ROLES, engine_ports

if TYPE_CHECKING:
    import ipyparallel

__all__ = ["PathProbe"]

# An idle connection costs two small messages this often.
BEAT_MS = 1_000
# A background thread that does not answer for so long does not run: it needs microseconds.
SILENCE_MS = 4_000
RECONNECT_MS = 500
# After so many looks in a row (0.5 s each) without a connection, its end is certain: whoever
# still lives takes the new connection at once, however far away. With `SILENCE_MS` 6.5 s.
GONE_LOOKS = 5
# Before the first connection: through a slow network it takes seconds.
FIRST_LOOKS = 14


class PathProbe:
    """Connections to the parts of a controller that every run needs.

    Parameters
    ----------
    client : ipyparallel.Client
        Connected; its keys and addresses are used. One that goes through ssh tunnels is not
        probed: they were made for it alone.
    connection : ConnectionFile
        Its connection file.
    """

    def __init__(self, client: ipyparallel.Client, connection: ConnectionFile) -> None:
        self._context = zmq.Context()
        self._probes: list[_Probe] = []
        if client._ssh:
            return
        keys = (client.curve_serverkey, client.curve_publickey, client.curve_secretkey)
        addresses = {"mux": (zmq.DEALER, str(client._config["mux"]))}
        fields = engine_ports(connection)
        if "hb_ping" in fields:
            # It publishes; whoever has subscribed to nothing gets nothing.
            addresses["hb_ping"] = (zmq.SUB, f"tcp://{connection.host}:{fields['hb_ping']}")
        for role, (kind, address) in addresses.items():
            with contextlib.suppress(zmq.ZMQError):
                self._probes.append(_Probe(self._context, role, kind, address, keys))

    def fault(self) -> str:
        """Return which part has failed, empty if none; to be called every 0.5 s."""
        for probe in self._probes:
            if probe.is_gone():
                return f"its {ROLES[probe.role]}, at {probe.address}, does not answer any more"
        return ""

    def close(self) -> None:
        """Close the connections."""
        for probe in self._probes:
            probe.close()
        self._context.term()


class _Probe:
    """One connection, and how many looks ago it was last there."""

    def __init__(
        self, context: zmq.Context[Any], role: str, kind: int, address: str, keys: tuple[Any, ...]
    ) -> None:
        self.role = role
        self.address = address
        self._looks = -FIRST_LOOKS + GONE_LOOKS
        self._connected = False
        self._socket = context.socket(kind)
        self._socket.linger = 0
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, BEAT_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        if keys[0]:
            server, public, secret = keys
            self._socket.curve_serverkey = server
            self._socket.curve_publickey = public
            self._socket.curve_secretkey = secret
        self._events = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self._socket.connect(address)

    def is_gone(self) -> bool:
        """Take note of what has happened; return True if nothing has been there for long."""
        from zmq.utils.monitor import recv_monitor_message  # it loads asyncio: not for all commands

        while self._events.poll(0):
            event = recv_monitor_message(self._events)["event"]
            self._connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        self._looks = 0 if self._connected else self._looks + 1
        return self._looks >= GONE_LOOKS

    def close(self) -> None:
        self._socket.disable_monitor()
        self._socket.close(0)
