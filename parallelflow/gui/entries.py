"""The entries of Packages / Parallel Flow: their words, and when each can be used."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from parallelflow.engine_manager.model import State

__all__ = ["SHORTCUTS", "TIPS", "Entry", "LoopEntry", "MapEntry", "Situation", "enabled"]


class Entry(enum.Enum):
    """An entry about the cluster, in the menu's order; the value is its text."""

    START = "Start new engine processes..."
    INFORMATION = "Show information on the cluster"
    RUNS = "Show runs"
    PROFILE = "Change profile..."
    CLEANUP = "Cleanup started processes..."
    SHUTDOWN = "Request cluster shutdown..."


class MapEntry(enum.Enum):
    """An entry about the workflow's Maps, below the others; the value is its first text."""

    MAP_OVER = "Map over a list..."
    SWITCH = "Make this Map parallel"
    SWITCH_ALL = "Make all Maps parallel"


class LoopEntry(enum.Enum):
    """An entry that is switched on and off, below the others; the value is its text."""

    RUN_ALL = "Run all loops on engines"


TIPS: dict[Entry | MapEntry | LoopEntry, str] = {
    Entry.START: "Start engines, on this machine or by a launcher, and a controller if none runs",
    Entry.INFORMATION: "Show controller, engines and running Maps, each second anew",
    Entry.RUNS: "Show the elements of Maps: state, input, engine, time, error; and past runs",
    Entry.PROFILE: "Use the cluster of another IPython profile, or make a new profile",
    Entry.CLEANUP: "See what Parallel Flow has started, and stop it or leave it running",
    Entry.SHUTDOWN: "Have the hub stop the whole cluster, also what was started elsewhere",
    MapEntry.MAP_OVER: "Put a Map beside the selected module, which then runs for each element of "
    "a list",
    MapEntry.SWITCH: "Exchange the selected Map for Parallel Flow's, or for Control Flow's; it "
    "keeps its connections and parameters",
    LoopEntry.RUN_ALL: "Lists that iterate by themselves, Map, Filter and For, in this session: "
    "those whose elements take longer than sending them",
    MapEntry.SWITCH_ALL: "Exchange all Maps of the workflow for Parallel Flow's, or for Control "
    "Flow's",
}

# VisTrails itself uses none of these.
SHORTCUTS: dict[Entry | MapEntry | LoopEntry, str] = {
    Entry.START: "Ctrl+Shift+E",
    Entry.INFORMATION: "Ctrl+Shift+I",
    Entry.RUNS: "Ctrl+Shift+R",
    Entry.PROFILE: "Ctrl+Shift+P",
    Entry.CLEANUP: "Ctrl+Shift+K",
    Entry.SHUTDOWN: "Ctrl+Shift+D",
    MapEntry.MAP_OVER: "Ctrl+Shift+M",
}


@dataclass(frozen=True)
class Situation:
    """What decides which entries can be used.

    Attributes
    ----------
    state : State
        Where the engine manager stands.
    starting : bool
        Whether a start that has a dialog is under way; the entry shows that dialog.
    to_clean : bool
        Whether a process runs that a cleanup may stop.
    running : bool
        Whether a cluster of the profile answers, connected or not.
    """

    state: State = State.NO_CLUSTER
    starting: bool = False
    to_clean: bool = False
    running: bool = False


def enabled(entry: Entry, now: Situation) -> bool:
    """Whether an entry can be used.

    Parameters
    ----------
    entry : Entry
        The entry.
    now : Situation
        How things stand.
    """
    connecting = now.state is State.CONNECTING
    connected = now.state in (State.CONTROLLER, State.ENGINES)
    if entry is Entry.START:
        # A start for a Map has a window of its own.
        return now.starting or not connecting
    if entry is Entry.PROFILE:
        return not connecting
    if entry is Entry.CLEANUP:
        return now.to_clean
    if entry is Entry.SHUTDOWN:
        return connected or now.running
    return True
