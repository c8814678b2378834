"""Repair: XML elements without ``getchildren``."""

from __future__ import annotations

import functools
import importlib.util
import sys
from types import ModuleType
from typing import Any

from .repair import Repair


@functools.cache
def private_elementtree() -> ModuleType:
    """Return a copy of ElementTree whose elements have ``getchildren``.

    The C implementation's class takes no new method, so the copy is made of the
    library's own Python classes. Everyone else's ElementTree stays as it is. It costs
    about 20 ms per megabyte of XML.

    Returns
    -------
    module
        The same one at every call.
    """
    spec = importlib.util.find_spec("xml.etree.ElementTree")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    accelerator = sys.modules.get("_elementtree")
    sys.modules["_elementtree"] = None  # type: ignore[assignment]
    try:
        spec.loader.exec_module(module)
    finally:
        if accelerator is None:
            del sys.modules["_elementtree"]
        else:
            sys.modules["_elementtree"] = accelerator
    module.Element.getchildren = lambda element: list(element)
    return module


def _has_no_getchildren() -> bool:
    from xml.etree import ElementTree

    return not hasattr(ElementTree.Element, "getchildren")


def _give_private_copy(system: Any) -> None:
    system.get_elementtree_library = private_elementtree
    system.common.get_elementtree_library = private_elementtree


REPAIRS = (
    Repair(
        name="elementtree",
        symptom="AttributeError: 'xml.etree.ElementTree.Element' object has no attribute "
        "'getchildren' when the configuration or a vistrail is read",
        cause="Python 3.9 removed Element.getchildren",
        affected="Python 3.9 and later",
        modules=("vistrails.core.system",),
        needed=_has_no_getchildren,
        after=_give_private_copy,
    ),
)
