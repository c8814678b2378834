"""What VisTrails calls when it enables and disables the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vistrails.core.modules.basic_modules import List
from vistrails.core.modules.module_registry import get_module_registry
from vistrails.core.upgradeworkflow import UpgradeWorkflowHandler

from parallelflow.map import Map

__all__ = ["finalize", "handle_module_upgrade_request", "initialize", "menu_items"]


def initialize() -> None:
    """Register the Map module; its input ports are those of Control Flow's Map."""
    registry = get_module_registry()
    registry.add_module(
        Map,
        moduleRightFringe=[(0.0, 0.0), (0.25, 0.5), (0.0, 1.0)],
        moduleLeftFringe=[(0.0, 0.0), (0.0, 1.0)],
    )
    registry.add_output_port(Map, "Result", (List, ""))


def finalize() -> None:
    """Stop what this session started and forget everything about it."""
    from parallelflow.engine_manager import get_manager

    get_manager().stop()


def menu_items() -> tuple[tuple[str, Callable[..., Any]], ...]:
    """Return the entries of Packages / Parallel Flow."""
    return ()


def handle_module_upgrade_request(controller: Any, module_id: int, pipeline: Any) -> Any:
    """Upgrade a Map of an earlier version; its ports have kept their names."""
    return UpgradeWorkflowHandler.attempt_automatic_upgrade(controller, pipeline, module_id)
