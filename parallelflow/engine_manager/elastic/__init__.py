"""Elastic clusters: engines are asked for when elements wait, and given back when they do not.

`policy` decides, from facts alone. `driver` asks a launcher for single engines and gives them back;
every launcher of ipyparallel is used by the same three calls. `scaler` brings the two together, in
a thread of the session that has work.
"""

from __future__ import annotations

from .scaler import Scaler

__all__ = ["Scaler"]
