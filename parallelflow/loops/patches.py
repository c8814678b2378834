"""The only place that wraps VisTrails' own classes for the loops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["replaced_method"]


@contextlib.contextmanager
def replaced_method(owner: type, name: str, method: Callable[..., Any]) -> Iterator[None]:
    """Replace a method of a class of VisTrails while the context is entered.

    Parameters
    ----------
    owner : type
        The class. Its subclasses get the method, too, unless they define their own.
    name : str
        The method's name. It may be inherited: it is inherited again afterwards.
    method : callable
        What is called in its place, with the same arguments.
    """
    own = owner.__dict__.get(name)
    setattr(owner, name, method)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
