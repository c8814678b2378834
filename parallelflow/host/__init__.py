"""The host: find VisTrails 3.0, repair it for a current Python, and start it.

The names below are loaded when they are first asked for: importing this package
costs nothing, because the distribution's ``.pth`` file imports it in every Python.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .alias import activate as activate
    from .core import enable_packages as enable_packages
    from .core import load_engine_core as load_engine_core
    from .core import start_core as start_core
    from .core import start_engine_core as start_engine_core
    from .core import stop_core as stop_core
    from .installation import VistrailsInstallation as VistrailsInstallation
    from .installation import find_vistrails as find_vistrails
    from .window import run_window as run_window

_HOME = {
    "activate": "alias",
    "find_vistrails": "installation",
    "VistrailsInstallation": "installation",
    "start_core": "core",
    "load_engine_core": "core",
    "start_engine_core": "core",
    "stop_core": "core",
    "enable_packages": "core",
    "run_window": "window",
}

__all__ = [
    "VistrailsInstallation",
    "activate",
    "enable_packages",
    "find_vistrails",
    "load_engine_core",
    "run_window",
    "start_core",
    "start_engine_core",
    "stop_core",
]


def __getattr__(name: str) -> object:
    """Load the file that holds a public name when the name is first asked for."""
    try:
        home = f"{__name__}.{_HOME[name]}"
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    __import__(home)
    value = getattr(sys.modules[home], name)
    globals()[name] = value
    return value
