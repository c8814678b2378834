"""*Reload* in VisTrails' Preferences: a package is disabled only to be enabled again."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["PackageReload", "under_way"]

_reloads = 0


def under_way() -> bool:
    """Return True while VisTrails reloads packages: what they have started stays."""
    return _reloads > 0


class PackageReload:
    """Knows when VisTrails reloads packages, which it tells nobody in time."""

    def __init__(self) -> None:
        from vistrails.core.packagemanager import PackageManager

        self._owner: Any = PackageManager
        self._reload = reload = PackageManager.reload_package_disable

        @functools.wraps(reload)
        def reload_and_count(manager: Any, *arguments: Any) -> Any:
            global _reloads
            _reloads += 1
            try:
                return reload(manager, *arguments)
            finally:
                _reloads -= 1

        self._owner.reload_package_disable = reload_and_count

    def close(self) -> None:
        """Leave it to VisTrails; a reload under way is known until its end."""
        self._owner.reload_package_disable = self._reload
