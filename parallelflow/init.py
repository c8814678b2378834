"""What VisTrails calls when it enables and disables the package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from vistrails.core import debug
from vistrails.core.application import get_vistrails_application
from vistrails.core.modules.basic_modules import List
from vistrails.core.modules.module_registry import get_module_registry
from vistrails.core.upgradeworkflow import UpgradeWorkflowHandler

from parallelflow.engine import module_snapshot
from parallelflow.errors import ProfileError
from parallelflow.loops.activation import activate, deactivate
from parallelflow.loops.map import Map
from parallelflow.settings import Settings, settings

__all__ = ["finalize", "handle_module_upgrade_request", "initialize", "menu_items"]

DEFAULTS = Settings()


def initialize() -> None:
    """Register the Map module; its input ports are those of Control Flow's Map."""
    registry = get_module_registry()
    registry.add_module(
        Map,
        moduleRightFringe=[(0.0, 0.0), (0.25, 0.5), (0.0, 1.0)],
        moduleLeftFringe=[(0.0, 0.0), (0.0, 1.0)],
        # Named, not imported: the terminal and the engines have no window.
        configureWidgetType="parallelflow.gui.map_configuration:MapConfiguration",
    )
    registry.add_output_port(Map, "Result", (List, ""))
    _configure()
    activate()
    module_snapshot.look()  # files may be edited between their import and the first Map


def finalize() -> None:
    """Stop what this session started and forget everything about it, unless it is reloaded."""
    from parallelflow.engine_manager import get_manager

    deactivate()
    manager = get_manager()
    gui = sys.modules.get("parallelflow.gui.session")
    if gui is None:
        manager.stop()
    elif not gui.close(manager.stop):
        return  # enabled again in a moment, with the cluster as it is
    manager.profile, manager.launcher = DEFAULTS.profile, None


def menu_items() -> tuple[tuple[str, Callable[..., Any]], ...]:
    """Return the entries of Packages / Parallel Flow; none without a window.

    VisTrails calls it when it enables and when it disables the package.
    """
    application: Any = get_vistrails_application()
    if application is None or not application.is_running_gui():
        return ()
    from parallelflow.gui import session

    return session.entries() if session.is_shown() else ()


def _configure() -> None:
    """Configure the engine manager by the package's settings, unless it is configured already.

    Without a session of the user's it has the settings that the last one kept, from its start.
    """
    from parallelflow.engine_manager import get_manager
    from parallelflow.host import core

    if core.is_running():
        return
    manager, wanted = get_manager(), settings()
    if manager.profile == DEFAULTS.profile:
        try:
            manager.configure(profile=wanted.profile or DEFAULTS.profile)
        except ProfileError as e:
            debug.warning(f"Parallel Flow's configuration: {e}")
    if manager.launcher is None:
        manager.launcher = wanted.launcher or None


def handle_module_upgrade_request(controller: Any, module_id: int, pipeline: Any) -> Any:
    """Upgrade a Map of an earlier version; its ports have kept their names."""
    return UpgradeWorkflowHandler.attempt_automatic_upgrade(controller, pipeline, module_id)
