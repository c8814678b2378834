"""What the windows and dialogs call of an engine manager."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from parallelflow.engine_manager.model import (
    Inventory,
    LauncherChoice,
    LaunchPreview,
    Limits,
    ProfileInfo,
    ShutdownPlan,
    StartSnapshot,
    State,
)
from parallelflow.engine_manager.model.information import ClusterInfo
from parallelflow.progress import Snapshot

__all__ = ["ClusterManager"]


class ClusterManager(Protocol):
    """An `EngineManager`, as far as it is called from here; see there."""

    @property
    def profile(self) -> str:
        """The IPython profile."""

    @property
    def launcher(self) -> str | None:
        """The configured launcher, None for the profile's own."""

    @property
    def state(self) -> State:
        """Where the manager stands with its cluster."""

    # Calls that return at once.

    def on_state(self, listener: Callable[[State], None]) -> Callable[[], None]:
        """Register a listener for changes of state."""

    def suggested_engines(self) -> int:
        """Return how many engines to start."""

    def free_cores(self) -> int:
        """Return how many cores have no engine on them."""

    def runs(self) -> tuple[Snapshot, ...]:
        """Return this session's runs under way."""

    # Calls that take time: from a worker thread only.

    def connect(self) -> object:
        """Connect to the profile's running cluster."""

    def launchers(self) -> list[LauncherChoice]:
        """Return the launchers that there are."""

    def launch_preview(self, launcher: str, n: int, /) -> LaunchPreview:
        """Return how a launcher would start n engines."""

    def start_engines(
        self,
        n: int,
        launcher: str | None,
        *,
        progress: Callable[[StartSnapshot], None],
        cancel: threading.Event,
        limits: Limits | None = None,
    ) -> object:
        """Start n engines, or as many as limits say."""

    def info(self) -> ClusterInfo:
        """Return what is known of the cluster."""

    def stop_engine(self, engine: int) -> None:
        """Stop one engine."""

    def interrupt_engine(self, engine: int) -> None:
        """Interrupt what an engine works at."""

    def profiles(self) -> list[ProfileInfo]:
        """Return the IPython profiles and what runs on each."""

    def create_profile(self, name: str) -> object:
        """Make a new profile."""

    def change_profile(self, name: str, leave: bool = False) -> None:
        """Use another profile."""

    def inventory(self) -> Inventory:
        """Return what runs that Parallel Flow has started."""

    def cleanup(self) -> list[int]:
        """Stop what was started; return the pids that run in spite of all."""

    def leave_running(self) -> object:
        """Leave what was started running when the session ends."""

    def shutdown_plan(self) -> ShutdownPlan | None:
        """Return what a shutdown would end."""

    def shutdown_cluster(self) -> list[str]:
        """Stop the whole cluster; return what did not stop."""
