"""How the engine manager asks and tells, without knowing whom.

A window answers with dialogs, a terminal with its defaults; both are an
`Interaction`. The manager calls it from whichever thread does the work.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from parallelflow.wording import count

from .model import Stage

if TYPE_CHECKING:
    from .model import StartSnapshot

__all__ = ["ConsoleInteraction", "Interaction"]

logger = logging.getLogger(__name__)


class Interaction(Protocol):
    """Whoever stands between the manager and the user."""

    def engines_to_start(self, profile: str, suggested: int) -> int:
        """Answer how many engines to start for work that needs a cluster.

        Parameters
        ----------
        profile : str
            The IPython profile without a running cluster.
        suggested : int
            The number from the configuration, or the number of cores.

        Returns
        -------
        int
            How many; 0 for none.
        """

    def adds_engines(self) -> bool:
        """Return True if engines may be started without a question, beside some that hang."""

    def starting(self, snapshot: StartSnapshot) -> None:
        """Show how far a start has come that was begun for work that needs engines."""

    def start_ended(self) -> None:
        """Take note that this start has ended, well or not."""

    def computing_here(self, profile: str) -> None:
        """Tell that work for engines is done in this process: none runs in the profile."""

    def tell(self, message: str) -> None:
        """Tell one line: what the user should know now."""

    def cancelled(self) -> bool:
        """Whether to give up what is being started: the user asked to, or leaves.

        Called several times a second, in the thread that waits; may run an event loop.
        """

    def leaving(self) -> bool:
        """Whether the session is being ended, so that a run is to be given up.

        Called several times a second, in the run's thread; may run an event loop.
        """


class ConsoleInteraction:
    """The answers of a script or a notebook: start what is suggested, and say so."""

    def engines_to_start(self, profile: str, suggested: int) -> int:
        """Answer the suggested number."""
        self.tell(
            f"Parallel Flow: no engine runs in the profile '{profile}': starting "
            f"{count(suggested, 'engine')}"
        )
        return suggested

    def adds_engines(self) -> bool:
        """Answer yes."""
        return True

    def starting(self, snapshot: StartSnapshot) -> None:
        """Log how far it has come."""
        registered, wanted = snapshot.count(Stage.REGISTERED), len(snapshot.engines)
        logger.debug("%d of %d engines have registered", registered, wanted)

    def start_ended(self) -> None:
        """Do nothing; what failed is raised."""

    def computing_here(self, profile: str) -> None:
        """Tell it, with what starts engines."""
        self.tell(
            f"Parallel Flow: no engine runs in the profile '{profile}': computing in this process, "
            "one element after the other (ask=True or 'parallelflow start' starts engines)"
        )

    def tell(self, message: str) -> None:
        """Log the line."""
        logger.warning("%s", message)

    def cancelled(self) -> bool:
        """Answer no; Ctrl-C arrives as KeyboardInterrupt."""
        return False

    def leaving(self) -> bool:
        """Answer no; signals arrive as exceptions."""
        return False
