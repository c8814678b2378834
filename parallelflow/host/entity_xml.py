"""VisTrails' entities, such as pipelines, as XML: what travels to engines.

As ``serialize`` and ``unserialize`` of ``vistrails.core.db.io``, which look for the format's module
at each call, by an import that fails inside: that takes longer than a small pipeline does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

__all__ = ["from_xml", "to_xml"]


def to_xml(entity: Any) -> str:
    """Return a pipeline, or any other of VisTrails' entities, as XML of the current version."""
    text: str = _format().serialize(entity)
    return text


def from_xml(text: str, kind: Any) -> Any:
    """Return an entity of a class, such as ``Pipeline``, from XML of the current version."""
    entity = _format().unserialize(text, kind.vtType)
    if entity:
        kind.convert(entity)
    return entity


@lru_cache(1)
def _format() -> Any:
    from vistrails.db.versions import getVersionDAO

    return getVersionDAO()
