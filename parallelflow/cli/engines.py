"""The engines of a command that runs workflows: as its options say."""

from __future__ import annotations

import time
from argparse import Namespace

from parallelflow.engine.place import on_engine
from parallelflow.engine_manager import EngineManager, get_manager
from parallelflow.engine_manager.interaction import ConsoleInteraction
from parallelflow.engine_manager.model import StartSnapshot
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import UserMistake

from . import signals
from .detached import engines_left

__all__ = ["Terminal", "check_profile", "chosen_launcher", "configure_engines"]


class Terminal(ConsoleInteraction):
    """The terminal's answers, its way of giving up, and how long a start took.

    Attributes
    ----------
    start_seconds : float or None
        How long the last start of engines took; None if there was none.
    """

    def __init__(self) -> None:
        self.start_seconds: float | None = None
        self._start_began: float | None = None

    def engines_to_start(self, profile: str, suggested: int) -> int:
        """Answer the suggested number; the progress says that engines are waited for."""
        return suggested

    def computing_here(self, profile: str) -> None:
        """Say nothing: a workflow whose module calls the api decides for itself."""

    def starting(self, snapshot: StartSnapshot) -> None:
        """Take note of when a start began."""
        if self._start_began is None:
            self._start_began = time.monotonic()
        super().starting(snapshot)

    def start_ended(self) -> None:
        """Take note of how long the start took."""
        if self._start_began is not None:
            self.start_seconds = time.monotonic() - self._start_began
            self._start_began = None

    def cancelled(self) -> bool:
        """Whether a signal has asked the command to end."""
        return signals.exit_code() is not None


def check_profile(profile: str) -> None:
    """Raise unless there is an IPython profile of a name.

    Raises
    ------
    ProfileError
        If the name is not valid.
    UserMistake
        If there is no such profile.
    """
    profiles.check_name(profile)
    if not profiles.profile_exists(profile):
        raise UserMistake(
            f"There is no IPython profile {profile!r}; make it with "
            f"'ipython profile create --parallel {profile}'."
        )


def chosen_launcher(manager: EngineManager, wanted: str | None) -> str:
    """Return the name of the launcher that starts engines.

    Parameters
    ----------
    manager : EngineManager
        The session's.
    wanted : str or None
        The one that the command names; None for the configured one, else the profile's own.
    """
    if wanted or manager.launcher:
        return str(wanted or manager.launcher)
    with profiles.left_as_it_is(profiles.profile_folder(manager.profile)):
        return next((c.name for c in manager.launchers() if c.default), "local")


def configure_engines(options: Namespace) -> None:
    """Configure the session's engine manager, and connect to a cluster that runs.

    Parameters
    ----------
    options : Namespace
        With ``profile`` and ``engines``, perhaps ``launcher``.

    Raises
    ------
    UserMistake
        If there is no such profile or launcher.
    """
    if options.profile is not None:
        check_profile(options.profile)
    manager = get_manager()
    manager.interaction = Terminal()
    launcher = getattr(options, "launcher", None)
    if launcher is not None:
        # It imports ipyparallel, which a mistake in the command does not wait for.
        from parallelflow.engine_manager.launch.launchers import find_choice

        find_choice(manager.launchers(), launcher)
    manager.configure(options.profile, options.engines, launcher=launcher)
    if on_engine():
        return  # in a program that an element has started: everything is computed here
    left = engines_left()
    taken_over = left is not None and manager.take_over(left)
    client = manager.connect()
    manager.check_wanted()
    if client is None or taken_over:
        # What is started for this run ends with it: nobody else should connect to it.
        manager.configure(private=True)
