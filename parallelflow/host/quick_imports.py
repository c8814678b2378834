"""VisTrails' import hook with a memory of who imports.

The hook compares the name of whoever imports with that of each package, at every import of the
process: also at those that ipykernel, zmq and pickle make for each message. Nearly always it finds
none, and calls Python's own import. Whoever belongs to no package is remembered here.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["keep_quick_imports", "quick_imports"]

Import = Callable[..., Any]

# Ours are in no package, whatever is called like it: VisTrails' package of this name is another
# name for them (see `alias`).
_OURS = "parallelflow."

_made: tuple[Any, Import] | None = None


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Let imports cost less within the block.

    Nothing is changed where something else than VisTrails' hook is in place, such as a hook that a
    program has put before it.
    """
    before = builtins.__import__
    keep_quick_imports()
    try:
        yield
    finally:
        builtins.__import__ = before


def keep_quick_imports() -> None:
    """Let imports cost less from now on, as `quick_imports` does."""
    global _made
    from vistrails.core.packagemanager import get_package_manager

    manager = get_package_manager()
    if getattr(builtins.__import__, "__self__", None) is manager:
        if _made is None or _made[0] is not manager:
            _made = (manager, _quick_import(manager, builtins.__import__))
        builtins.__import__ = _made[1]


def _quick_import(manager: Any, hook: Import) -> Import:
    """Return what does the same as the import hook, without it where that would do nothing."""
    plain = manager._orig_import
    outside: set[str] = set()
    sizes = (-1, -1)

    def quick(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        nonlocal outside, sizes
        caller = globals.get("__name__") if type(globals) is dict else None
        if type(caller) is not str or manager._currently_importing_package is not None:
            return hook(name, globals, locals, fromlist, level)
        now = (len(manager._package_list), len(manager._available_packages))
        if sizes != now:
            outside, sizes = set(), now
        if caller not in outside:
            if not _is_outside(manager, caller):
                return hook(name, globals, locals, fromlist, level)
            outside.add(caller)
        return plain(name, globals, locals, fromlist, level)

    return quick


def _is_outside(manager: Any, caller: str) -> bool:
    """Return True if a module is in no package, wherever packages may be found."""
    if caller.startswith(_OURS):
        return True
    path = f".{caller}"
    packages = [*manager._package_list.values(), *manager._available_packages.values()]
    return not any(f".{package.codepath}" in path for package in packages)
