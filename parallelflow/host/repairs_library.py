"""Repairs: what left Python's standard library since VisTrails was written for 3.4 to 3.7."""

from __future__ import annotations

import collections
import collections.abc
import html
import importlib.util
import sys

from .repair import Repair

#: The names VisTrails and its packages still look up in ``collections``.
_ABSTRACT_CLASSES = (
    "Callable",
    "Hashable",
    "Iterable",
    "Iterator",
    "Mapping",
    "MutableMapping",
    "MutableSequence",
    "MutableSet",
    "Sequence",
    "Set",
    "Sized",
)


def _collections_needed() -> bool:
    return not all(hasattr(collections, name) for name in _ABSTRACT_CLASSES)


def _collections_apply() -> None:
    for name in _ABSTRACT_CLASSES:
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))


def _distutils_needed() -> bool:
    try:
        return importlib.util.find_spec("distutils.version") is None
    except ModuleNotFoundError:
        return True


def _distutils_apply() -> None:
    from .standins import distutils, distutils_version

    sys.modules.setdefault("distutils", distutils)
    sys.modules["distutils.version"] = distutils_version
    sys.modules["distutils"].version = distutils_version  # type: ignore[attr-defined]


def _escape(s: str, quote: bool = False) -> str:
    return html.escape(s, quote)


def _cgi_needed() -> bool:
    if importlib.util.find_spec("cgi") is None:
        return True
    import cgi

    return not hasattr(cgi, "escape")


def _cgi_apply() -> None:
    if importlib.util.find_spec("cgi") is None:
        import types

        sys.modules["cgi"] = types.ModuleType("cgi")
    sys.modules["cgi"].escape = _escape  # type: ignore[attr-defined]


REPAIRS = (
    Repair(
        name="collections",
        symptom="AttributeError: module 'collections' has no attribute 'Callable'",
        cause="Python 3.10 removed the names that had moved to collections.abc in 3.3",
        affected="Python 3.10 and later",
        module="vistrails",
        needed=_collections_needed,
        apply=_collections_apply,
        before=True,
    ),
    Repair(
        name="distutils",
        symptom="ModuleNotFoundError: No module named 'distutils'",
        cause="Python 3.12 removed distutils; VisTrails compares versions with its LooseVersion",
        affected="Python 3.12 and later without setuptools",
        module="vistrails",
        needed=_distutils_needed,
        apply=_distutils_apply,
        before=True,
    ),
    Repair(
        name="cgi",
        symptom="AttributeError: module 'cgi' has no attribute 'escape', or no module 'cgi'",
        cause="Python 3.8 removed cgi.escape, 3.13 the module",
        affected="Python 3.8 and later",
        module="vistrails",
        needed=_cgi_needed,
        apply=_cgi_apply,
        before=True,
    ),
)
