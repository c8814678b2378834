"""ipyparallel's tables of the types that it takes apart before it sends them.

The names of other libraries' types in them are exchanged for the types when something is sent for
the first time, without a lock: of two threads that send at that moment one raises
``KeyError: 'numpy.ndarray'`` (ipyparallel 9.2). A session asks its engines in a thread of its own
while the user's code sends.
"""

from __future__ import annotations

import threading

from ipyparallel.serialize import canning

__all__ = ["complete_tables"]

_lock = threading.Lock()


def complete_tables() -> None:
    """Exchange the names for the types now, before threads send."""
    tables = (
        (canning.can_map, canning._original_can_map),
        (canning.uncan_map, canning._original_uncan_map),
    )
    with _lock:
        for table, original in tables:
            if any(isinstance(key, str) for key in table):
                canning._import_mapping(table, original)
