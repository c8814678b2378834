"""A first look into a file: whether the workflow will want engines.

Starting engines takes longer than loading VisTrails, so both are begun at once when
the version tree's XML says that there is something to run in parallel. It is a
hint: VisTrails itself decides later. Schema: VisTrails' ``vistrail`` 1.0.x.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

__all__ = ["CONTROL_FLOW", "PARALLEL_FLOW", "aliases", "tags", "wants_engines"]

PARALLEL_FLOW = "edu.poly.vistrails.parallel_flow"
CONTROL_FLOW = "org.vistrails.vistrails.control_flow"

_TAG = "__tag__"
_MODULES = ("module", "group", "abstraction")


def tags(root: Element) -> list[str]:
    """Return the tags of a vistrail's versions, in the order in which they stand in the file.

    Parameters
    ----------
    root : Element
        The version tree, as `parallelflow.cli.target.read` returns it.
    """
    notes = root.iter("actionAnnotation")
    return [tag for note in notes if note.get("key") == _TAG and (tag := note.get("value"))]


def aliases(root: Element) -> list[str]:
    """Return the aliases that a vistrail's versions have, each once, the oldest first.

    Parameters
    ----------
    root : Element
        The version tree, as `parallelflow.cli.target.read` returns it.
    """
    named = (parameter.get("alias") for parameter in root.iter("parameter"))
    return list(dict.fromkeys(filter(None, named)))


def wants_engines(root: Element, version: str | None, all_maps: bool) -> bool:
    """Say whether a version seems to have a Map that runs in parallel.

    Parameters
    ----------
    root : Element
        The version tree, as `parallelflow.cli.target.read` returns it.
    version : str or None
        Tag or number; None for the latest.
    all_maps : bool
        Whether Control Flow's Map counts too.

    Returns
    -------
    bool
        False also where it cannot be told: an unknown version, a schema of old.
    """
    packages = {PARALLEL_FLOW, CONTROL_FLOW} if all_maps else {PARALLEL_FLOW}
    return any(
        module.get("name") == "Map" and module.get("package") in packages
        for added in _modules_of(root, version)
        for module in added.iter("module")
    )


def _modules_of(root: Element, version: str | None) -> list[Element]:
    """Return the operations that added the modules a version has."""
    actions = {action.get("id", ""): action for action in root.iter("action")}
    current = _number(root, version, actions)
    added: dict[str, Element] = {}
    gone: set[str] = set()
    # From the version back to the root: what is deleted later is not added again earlier.
    while (action := actions.pop(current, None)) is not None:
        for operation in reversed(action):
            if operation.get("what") not in _MODULES:
                continue
            module = operation.get("objectId") or operation.get("newObjId") or ""
            if operation.tag == "delete":
                gone.add(module)
            elif module not in gone:
                added.setdefault(module, operation)
        current = action.get("prevId", "")
    return list(added.values())


def _number(root: Element, version: str | None, actions: dict[str, Element]) -> str:
    """Return the number of a version, as it stands in the file; empty if unknown."""
    if version is None:
        return max(actions, key=lambda text: int(text) if text.isdigit() else -1, default="")
    for note in root.iter("actionAnnotation"):
        if note.get("key") == _TAG and note.get("value") == version:
            return note.get("actionId", "")
    return version if version in actions else ""
