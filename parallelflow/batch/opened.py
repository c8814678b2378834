"""A workflow that was opened, as whoever runs it for many points needs it."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Opened"]


class Opened(Protocol):
    """One version of a vistrail.

    Attributes
    ----------
    target : object
        Whose text is what the user calls the workflow.
    controller : VistrailController
        Its controller.
    pipeline : vistrails Pipeline
        Its pipeline, ready to run.
    """

    @property
    def target(self) -> Any:
        """What the user calls it, as text."""

    @property
    def controller(self) -> Any:
        """Its controller."""

    @property
    def pipeline(self) -> Any:
        """Its pipeline, ready to run."""
