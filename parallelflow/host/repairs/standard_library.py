"""Repairs: names that left Python's standard library since Python 3.7.

Whole modules that left it are in the folder ``standins``.
"""

from __future__ import annotations

import collections
import collections.abc
import platform
import string
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .repair import Repair, always, copy_with_names

#: The abstract classes that were in ``collections`` too until Python 3.10.
_ABSTRACT_CLASSES = (
    "Callable",
    "Container",
    "Hashable",
    "ItemsView",
    "Iterable",
    "Iterator",
    "KeysView",
    "Mapping",
    "MutableMapping",
    "MutableSequence",
    "MutableSet",
    "Sequence",
    "Set",
    "Sized",
    "ValuesView",
)


def _put_collections_back() -> None:
    for name in _ABSTRACT_CLASSES:
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))


def _distutils_is_setuptools() -> bool:
    if "distutils.version" in sys.modules:
        return False
    return any(type(finder).__name__ == "DistutilsMetaFinder" for finder in sys.meta_path)


@contextmanager
def _lend_light_distutils() -> Iterator[None]:
    from .standins import distutils
    from .standins.distutils import version

    lent = {"distutils": distutils, "distutils.version": version}
    own = {name: sys.modules.get(name) for name in lent}
    sys.modules.update(lent)
    try:
        yield
    finally:
        for name, module in own.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _has_no_escape() -> bool:
    return not hasattr(sys.modules["cgi"], "escape")


def _put_escape_back(cgi: Any) -> None:
    from .standins.cgi import escape

    cgi.escape = escape


def _put_lowercase_back(module: Any) -> None:
    module.string = copy_with_names(string, lowercase=string.ascii_lowercase)


#: What ``platform.linux_distribution`` said, by ID of /etc/os-release.
_OLD_DISTRIBUTION_NAMES = {"debian": "debian", "ubuntu": "Ubuntu", "linuxmint": "LinuxMint"}


def linux_distribution() -> tuple[str, str, str]:
    """Return what ``platform.linux_distribution`` returned until Python 3.7.

    Returns
    -------
    tuple of str
        Name, version and code name; empty where unknown.
    """
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ("", "", "")
    name = _OLD_DISTRIBUTION_NAMES.get(release["ID"], release["NAME"])
    return (name, release.get("VERSION_ID", ""), release.get("VERSION_CODENAME", ""))


def _put_linux_distribution_back(module: Any) -> None:
    module.platform = copy_with_names(platform, linux_distribution=linux_distribution)


def _ignore_escape_warnings() -> None:
    warnings.filterwarnings("ignore", category=SyntaxWarning, module=r".*[\\/]vistrails[\\/]")
    # To find a class' comment, `inspect` parses its file in Python 3.12, and names no file.
    warnings.filterwarnings("ignore", category=SyntaxWarning, module="<unknown>")


REPAIRS = (
    Repair(
        name="collections",
        symptom="AttributeError: module 'collections' has no attribute 'Callable'",
        cause="Python 3.10 removed the names that had moved to collections.abc in 3.3",
        affected="Python 3.10 and later",
        modules=("vistrails",),
        needed=lambda: not hasattr(collections, "Callable"),
        before=_put_collections_back,
    ),
    Repair(
        name="light-distutils",
        symptom="a third of a second lost at every start, on engines too",
        cause="setuptools puts its own distutils in the place of Python's, and all of setuptools "
        "is imported with it; VisTrails compares versions with its LooseVersion",
        affected="environments with setuptools",
        modules=(
            "vistrails.core.utils",
            "vistrails.core.packagemanager",
            "vistrails.packages.tabledata.convert.convert_dates",
        ),
        needed=_distutils_is_setuptools,
        around=_lend_light_distutils,
    ),
    Repair(
        name="cgi-escape",
        symptom="AttributeError: module 'cgi' has no attribute 'escape' in the message panel and "
        "in notebooks",
        cause="Python 3.8 removed cgi.escape",
        affected="Python 3.8 to 3.12",
        modules=("cgi",),
        needed=_has_no_escape,
        after=_put_escape_back,
    ),
    Repair(
        name="string-lowercase",
        symptom="AttributeError: module 'string' has no attribute 'lowercase' when parameters "
        "are shown on the modules",
        cause="Python 3.0 removed string.lowercase",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.pipeline_view",),
        needed=lambda: not hasattr(string, "lowercase"),
        after=_put_lowercase_back,
    ),
    Repair(
        name="linux-distribution",
        symptom="AttributeError: module 'platform' has no attribute 'linux_distribution' when a "
        "package needs a library that is not installed",
        cause="Python 3.8 removed platform.linux_distribution",
        affected="Python 3.8 and later",
        modules=("vistrails.gui.bundles.utils",),
        needed=lambda: not hasattr(platform, "linux_distribution"),
        after=_put_linux_distribution_back,
    ),
    Repair(
        name="xrange",
        symptom="NameError: name 'xrange' is not defined when the workspace is searched",
        cause="the name was left over from Python 2",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.collection.workspace",),
        needed=always,
        after=lambda module: vars(module).setdefault("xrange", range),
    ),
    Repair(
        name="escape-warnings",
        symptom="SyntaxWarning: invalid escape sequence, printed when VisTrails is first imported, "
        "and by the window whenever a module is selected",
        cause="Python 3.12 shows a warning that was hidden before",
        affected="Python 3.12 and later",
        modules=("vistrails",),
        needed=lambda: sys.version_info >= (3, 12),
        before=_ignore_escape_warnings,
    ),
)
