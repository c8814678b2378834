"""Exceptions that Python prints and does not raise: those in a `__del__` and in some callbacks."""

from __future__ import annotations

import sys
from collections.abc import Callable

__all__ = ["SwallowedExceptions"]


class SwallowedExceptions:
    """While it is entered, those that are wanted are told, and not printed.

    Callbacks of weak references, such as those of the import system, and of Python's search for
    garbage have theirs swallowed as well.

    Parameters
    ----------
    wanted : callable
        Called with each, a ``sys.UnraisableHookArgs``; returns whether it is one.
    tell : callable
        Called without arguments for each that is wanted.
    """

    def __init__(
        self, wanted: Callable[[sys.UnraisableHookArgs], bool], tell: Callable[[], object]
    ) -> None:
        self._wanted = wanted
        self._tell = tell

    def __enter__(self) -> SwallowedExceptions:
        self._before = sys.unraisablehook
        sys.unraisablehook = self._take
        return self

    def __exit__(self, *_: object) -> None:
        if sys.unraisablehook == self._take:  # what runs meanwhile may have set its own
            sys.unraisablehook = self._before

    def _take(self, unraisable: sys.UnraisableHookArgs, /) -> None:
        if self._wanted(unraisable):
            self._tell()
        else:
            self._before(unraisable)
