"""``parallelflow show``: what is in a file, without running anything."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from . import target
from .exits import Exit
from .json_output import print_document
from .repeats import branch_facts, branches_of, facts, loops_of, named
from .workflow import modules_of, version_read

__all__ = ["show"]


def show(options: Namespace) -> int:
    """Say what is in a file.

    Parameters
    ----------
    options : Namespace
        With ``file`` and ``json``.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    NoVistrail, NoVersion, VistrailsNotFound
        If there is no such file or version, or no VisTrails to read it.
    """
    wanted = target.parse(options.file)
    target.read(wanted.path)

    from parallelflow.host import start_core

    start_core(execution_log=False)
    with version_read(wanted) as (vistrail, number, pipeline):
        content = _content(str(wanted.path), vistrail, number, pipeline)
    if options.json:
        print_document("show", content)
    else:
        print("\n".join(_lines(content)))
    return Exit.OK


def _content(path: str, vistrail: Any, number: int, pipeline: Any) -> dict[str, Any]:
    tags: dict[int, str] = dict(vistrail.get_tagMap())
    modules = list(modules_of(pipeline))
    return {
        "file": path,
        "version": {
            "number": number,
            "tag": tags.get(number),
            "latest": number == max(vistrail.actionMap, default=0),
        },
        "tags": [{"name": tags[n], "number": n} for n in sorted(tags)],
        "aliases": [_alias(name, pipeline) for name in sorted(pipeline.aliases)],
        "loops": [facts(module) for _, module in loops_of(pipeline)],
        "branches": [branch_facts(module) for module in branches_of(pipeline)],
        "explorations": [e.name or f"id {e.id}" for e in vistrail.get_paramexps(number)],
        "packages": sorted({module.package for module in modules}),
        "modules": len(modules),
    }


def _alias(name: str, pipeline: Any) -> dict[str, Any]:
    kind, number = pipeline.aliases[name][:2]
    parameter = pipeline.db_get_object(kind, number)
    return {"name": name, "type": parameter.type, "value": parameter.strValue}


def _lines(content: dict[str, Any]) -> list[str]:
    """Return the content for reading: a word for each part, then what there is."""
    version = content["version"]
    number = f"{version['number']}{', tagged ' + repr(version['tag']) if version['tag'] else ''}"
    parts = {
        "version": [f"{number}{', the latest' if version['latest'] else ''}"],
        "tags": [f"{tag['name']} ({tag['number']})" for tag in content["tags"]],
        "aliases": [f"{a['name']} = {a['value']} ({a['type']})" for a in content["aliases"]],
        "loops": [
            f"{named(loop)}, {'on engines' if loop['on_engines'] else 'serial'}"
            for loop in content["loops"]
        ],
        "branches": [named(branch) for branch in content["branches"]],
        "explorations": content["explorations"],
        "packages": content["packages"],
    }
    if not content["branches"]:
        del parts["branches"]
    lines = [content["file"]]
    for word, entries in parts.items():
        for position, entry in enumerate(entries or ["none"]):
            lines.append(f"  {word if position == 0 else '':<13} {entry}")
    return lines
