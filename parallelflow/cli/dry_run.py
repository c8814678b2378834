"""``parallelflow run --dry-run``: what would be run, where, and what is there to resume."""

from __future__ import annotations

import ast
import contextlib
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from parallelflow.batch.table import read_table
from parallelflow.checkpoints import folder
from parallelflow.engine.workflow_results import title
from parallelflow.engine_manager import get_manager
from parallelflow.wording import count
from parallelflow.work.python_value import NO_LITERAL

from . import peek
from .engines import chosen_launcher, configure_engines
from .exits import Exit
from .json_output import print_document
from .opening import opened, read_targets
from .repeats import branch_facts, branches_of, facts, loops_of, named

__all__ = ["show_plan"]

COMMAND = "run --dry-run"


def show_plan(options: Namespace) -> int:
    """Say what ``parallelflow run`` would do with these options; run and start nothing.

    All that is checked before a run is checked: files, versions, packages, aliases, the table,
    the profile, the launcher, the number of engines.

    Parameters
    ----------
    options : Namespace
        As `parallelflow.cli.parser` makes it.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    ParallelFlowError
        Of the user's mistakes, as the run would raise them.
    """
    table = read_table(Path(options.table)) if options.table else None
    targets, _ = read_targets(options, options.files)
    configure_engines(options)
    with opened(targets) as workflows:
        from parallelflow.batch.rows import plan_rows

        if table or len(workflows) > 1:
            plan_rows(workflows, table, options.aliases)
            aliases = dict(options.aliases)
        else:
            aliases = workflows[0].check_aliases(options.aliases)
        content = {
            "workflows": [_workflow(workflow, aliases, options) for workflow in workflows],
            "rows": len(table.rows) if table else None,
            "runs": len(workflows) * (len(table.rows) if table else 1),
            "engines": _engines(options),
        }
    if options.json:
        print_document(COMMAND, content)
    else:
        print("\n".join(_lines(content, options)))
    return Exit.OK


def _workflow(workflow: Any, aliases: Mapping[str, str], options: Namespace) -> dict[str, Any]:
    wanted = str(workflow.target.path.absolute())
    return {
        "workflow": str(workflow.target),
        "version": workflow.version,
        "parameters": dict(aliases),
        "loops": list(_loops(workflow.pipeline, aliases, options)),
        "branches": [branch_facts(module) for module in branches_of(workflow.pipeline)],
        "checkpoints": [
            {
                "name": kept.name,
                "label": str(kept.header.get("label", "")),
                "begun": kept.begun,
                "done": kept.count(),
                "total": kept.header.get("total"),
                "resumed": not options.no_resume,
            }
            for kept in folder.list_kept()
            if kept.header.get("file") == wanted
        ],
    }


def _loops(
    pipeline: Any, aliases: Mapping[str, str], options: Namespace
) -> Iterator[dict[str, Any]]:
    """Yield what is known of the loops of a pipeline, and of the Groups in it."""
    for inner, module in loops_of(pipeline):
        loop = facts(module)
        serial_map = module.name == "Map" and module.package == peek.CONTROL_FLOW
        if not loop["on_engines"]:
            loop["on_engines"] = options.parallel_maps and serial_map
            loop["if_worth_it"] = options.parallel and not loop["on_engines"]
        else:
            loop["if_worth_it"] = False
        loop["elements"], loop["elements_from"] = _elements(inner, module, aliases)
        yield loop


def _elements(
    pipeline: Any, module: Any, aliases: Mapping[str, str]
) -> tuple[int | None, str | None]:
    """Return how many elements a Map has, or which module computes its list."""
    for connection in pipeline.connection_list:
        if (connection.destinationId, connection.destination.name) == (module.id, "InputList"):
            source = pipeline.modules[connection.sourceId]
            fed = any(c.destinationId == source.id for c in pipeline.connection_list)
            number = None if fed else _length(source, "value", aliases)
            return number, None if number is not None else title(source)
    return _length(module, "InputList", aliases), None


def _length(module: Any, port: str, aliases: Mapping[str, str]) -> int | None:
    for function in module.functions:
        if function.name == port and len(function.params) == 1:
            parameter = function.params[0]
            text = aliases.get(parameter.alias, parameter.strValue)
            with contextlib.suppress(*NO_LITERAL):
                return len(ast.literal_eval(text))
    return None


def _engines(options: Namespace) -> dict[str, Any]:
    manager = get_manager()
    client = manager.connect()
    running = 0 if client is None else len(client.ids)
    missing = max((options.engines or 0) - running, 0) if running else manager.suggested_engines()
    return {
        "profile": manager.profile,
        "running": running,
        "started": missing,
        "launcher": chosen_launcher(manager, options.launcher) if missing else None,
    }


def _lines(content: Mapping[str, Any], options: Namespace) -> Iterator[str]:
    for workflow in content["workflows"]:
        yield workflow["workflow"]
        yield from _part("version", [str(workflow["version"])])
        given = [f"{name} = {value}" for name, value in workflow["parameters"].items()]
        yield from _part("parameters", given or ["as they are saved"])
        yield from _part("loops", [_loop(each, content, options) for each in workflow["loops"]])
        if workflow["branches"]:
            yield from _part("branches", [_branch(each, content) for each in workflow["branches"]])
        yield from _part("checkpoints", [_kept(each) for each in workflow["checkpoints"]])
    if content["rows"] is not None or len(content["workflows"]) > 1:
        yield from _part("runs", [f"{content['runs']}, each one element on the engines"])
    yield from _part("engines", [_engine_words(content["engines"])])
    yield "Nothing was run."


def _part(word: str, entries: list[str]) -> Iterator[str]:
    for position, entry in enumerate(entries or ["none"]):
        yield f"  {word if position == 0 else '':<13} {entry}"


def _loop(loop: Mapping[str, Any], content: Mapping[str, Any], options: Namespace) -> str:
    if _are_whole_runs(content):
        where = "one after the other, on the engine of its run"
    elif loop["on_engines"]:
        where = "on engines"
    elif loop["if_worth_it"]:
        where = "on engines, if its elements are long enough"
    else:
        where = "serial"
    elements = ""
    if loop["elements"] is not None:
        elements = f", {count(loop['elements'], 'element')}"
    elif loop["elements_from"]:
        elements = f", its elements come from '{loop['elements_from']}'"
    return f"{named(loop)}, {where}{elements}"


def _branch(branch: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    whole = _are_whole_runs(content)
    where = "on the engine of its run" if whole else "on an engine, beside other modules"
    return f"{named(branch)}, {where}"


def _are_whole_runs(content: Mapping[str, Any]) -> bool:
    return content["runs"] > 1 or content["rows"] is not None


def _kept(kept: Mapping[str, Any]) -> str:
    what = f" of '{kept['label']}'" if kept["label"] else ""
    then = "resumed if nothing has changed" if kept["resumed"] else "not used (--no-resume)"
    return (
        f"{kept['name']}: {kept['done']} of {kept['total']} elements{what} are done since "
        f"{folder.when(kept['begun'])}; {then}"
    )


def _engine_words(engines: Mapping[str, Any]) -> str:
    running = f"{engines['running'] or 'none'} run on the profile {engines['profile']}"
    if not engines["started"]:
        return f"{running}, and are used"
    more = "more " * bool(engines["running"])
    return (
        f"{running}; {engines['started']} {more}would be started (launcher {engines['launcher']})"
    )
