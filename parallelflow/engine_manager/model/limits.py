"""Between how many engines a cluster adapts itself to its work."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["IDLE_SECONDS", "Limits"]

IDLE_SECONDS = 60.0
"""An engine without work is given back after so long, unless another time is asked for."""


@dataclass(frozen=True)
class Limits:
    """How an elastic cluster grows and shrinks.

    Attributes
    ----------
    minimum, maximum : int
        Engines that are there in any case, and at the most.
    launcher : str
        ipyparallel's short name of the launcher that starts further ones.
    idle_seconds : float
        After so long without work an engine is given back.
    """

    minimum: int
    maximum: int
    launcher: str
    idle_seconds: float = IDLE_SECONDS

    @property
    def text(self) -> str:
        """What the user reads, such as ``0 to 64 engines by slurm``."""
        return f"{self.minimum} to {self.maximum} engines by {self.launcher}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Limits | None:
        """Return the limits of some fields, None if there are none."""
        if not fields:
            return None
        low, high = int(fields["minimum"]), int(fields["maximum"])
        return cls(low, high, str(fields["launcher"]), float(fields["idle_seconds"]))
