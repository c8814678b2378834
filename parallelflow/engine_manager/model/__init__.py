"""Values that the manager gives to whoever asks: states, starts, what runs, plans.

Plain immutable values, safe to keep and to hand to another thread. Standard library only.
"""

from .clusters import ProfileInfo, RunningCluster, RunningProcess
from .limits import Limits
from .plans import Inventory, ShutdownPlan
from .starts import EngineStart, LauncherChoice, LaunchPreview, Stage, StartSnapshot
from .states import Origin, State

__all__ = [
    "EngineStart",
    "Inventory",
    "LaunchPreview",
    "LauncherChoice",
    "Limits",
    "Origin",
    "ProfileInfo",
    "RunningCluster",
    "RunningProcess",
    "ShutdownPlan",
    "Stage",
    "StartSnapshot",
    "State",
]
