"""What the command says after a run: results, the summary, and what has failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from parallelflow.progress import Snapshot

__all__ = ["failure", "results", "summary", "suspension", "title", "traces"]

# A result on the screen is for reading; 2000 characters are 25 lines of 80.
RESULT_CHARACTERS = 2000

# How VisTrails begins the message of an exception that a module did not mean to raise,
# and how the traceback of one that it meant to raise ends.
_UNCAUGHT = "Uncaught exception: "
_ON_PURPOSE = "vistrails_module.ModuleError"

# Less work than this in a second of wall time is less than this process would have done.
WORTHWHILE = 0.95


def results(pipeline: Any, objects: Mapping[int, Any], whole: bool = True) -> Iterator[str]:
    """Yield a line per value that comes out at the end of the workflow.

    These are the output ports of the modules that nothing is connected to.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow that was run.
    objects : mapping
        Module object by module id, as VisTrails' interpreter returns them.
    whole : bool
        Whether values are given whole, however long they are; else for reading on a screen.

    Yields
    ------
    str
        Such as ``Map.Result = [1, 4, 9]``, in the order of the modules' ids.
    """
    for number in sorted(pipeline.graph.sinks()):
        module, computed = pipeline.modules[number], objects.get(number)
        if computed is None:
            continue
        if module.name == "OutputPort":
            name, ports = _function_value(module, "name"), ["ExternalPipe"]
        else:
            name, ports = None, sorted(computed.outputPorts)
        for port in ports:
            value = computed.outputPorts.get(port)
            # `self` is the module; None stands for a port that was not set.
            if port != "self" and value is not None and not _is_invalid(value):
                yield f"{name or f'{title(module)}.{port}'} = {_shown(value, whole)}"


def title(module: Any) -> str:
    """Return what the user calls a module: its label, or its name."""
    label = _label(module)
    return label or str(module.name)


def _label(module: Any) -> str:
    if module.has_annotation_with_key("__desc__"):
        return str(module.get_annotation_by_key("__desc__").value).strip()
    return ""


def _function_value(module: Any, port: str) -> str | None:
    for function in module.functions:
        if function.name == port and function.params:
            return str(function.params[0].strValue)
    return None


def _is_invalid(value: object) -> bool:
    from vistrails.core.modules.vistrails_module import InvalidOutput, Module

    return value is InvalidOutput or isinstance(value, Module)


def _shown(value: object, whole: bool) -> str:
    try:
        text = repr(value)
    except Exception as e:
        return f"<{type(value).__name__} that cannot be shown: {e}>"
    if len(text) > RESULT_CHARACTERS and not whole:
        return f"{text[:RESULT_CHARACTERS]}... ({len(text)} characters in all)"
    return text


def summary(
    snapshots: list[Snapshot], seconds: float, serial_maps: int, start_seconds: float | None = None
) -> str:
    """Say in one line what was run, how long it took, and how much work it was.

    Parameters
    ----------
    snapshots : list of Snapshot
        The last one of every Map that was run in parallel.
    seconds : float
        How long the whole command took.
    serial_maps : int
        Number of Maps of Control Flow that were run one element after the other.
    start_seconds : float, optional
        How long the start of engines took; None if none were started.

    Returns
    -------
    str
        Such as ``28 elements, 2 engines: 10.4 s for 20.1 s of work (1.9 x). In all 13.2 s,
        engines started in 2.0 s.`` The work is the sum of the elements' own times on engines
        that were busy side by side: what one engine would have needed.
    """
    elements = sum(s.total for s in snapshots)
    if not elements:
        hint = " (--parallel-maps runs its Map modules in parallel)" if serial_maps else ""
        return f"done in {seconds:.1f} s; nothing was run in parallel{hint}"
    work = sum(s.element_seconds for s in snapshots)
    wall = sum(s.wall_seconds for s in snapshots)
    engines = max(s.engines for s in snapshots)
    ratio = work / max(wall, 1e-9)
    short = "" if ratio >= WORTHWHILE else "; elements so short gain nothing on engines"
    started = "" if start_seconds is None else f", engines started in {start_seconds:.1f} s"
    return (
        f"{elements} element{'s' * (elements != 1)}, {engines} engine{'s' * (engines != 1)}: "
        f"{wall:.1f} s for {work:.1f} s of work ({ratio:.1f} x{short}). "
        f"In all {seconds:.1f} s{started}."
    )


def traces(errors: Mapping[int, Any]) -> Iterator[str]:
    """Yield the tracebacks of what has failed by itself, not those of ``fail('...')``.

    Parameters
    ----------
    errors : mapping
        VisTrails' ModuleError by module id.

    Yields
    ------
    str
        Many lines each, from the engine where an element of a Map has failed.
    """
    for _, error in sorted(errors.items()):
        element = getattr(error, "element", None)
        trace = str((element.traceback if element is not None else "") or error.errorTrace or "")
        lines = trace.strip().splitlines()
        if lines and _ON_PURPOSE not in _raised(lines):
            yield "\n".join(lines)


def _raised(lines: list[str]) -> str:
    """Return the line of a traceback that names the exception; its text may go on below."""
    raised = ""
    for line in lines:
        if line.startswith("Traceback "):
            raised = ""
        elif not raised and not line.startswith(" "):
            raised = line
    return raised


def failure(pipeline: Any, errors: Mapping[int, Any]) -> Iterator[str]:
    """Yield the lines that say which module and element failed, and why.

    Parameters
    ----------
    pipeline : vistrails Pipeline
        The workflow that was run.
    errors : mapping
        VisTrails' ModuleError by module id.
    """
    for number, error in sorted(errors.items()):
        message = str(error.msg).strip().removeprefix(_UNCAUGHT)
        yield f"{_which(pipeline.modules.get(number), number)} failed: {message}"
        element = getattr(error, "element", None)
        if element is not None:
            yield f"  element  {element.index} of {element.total} (the first is 0)"
            yield f"  input    {element.input}"
            if element.engine is not None:
                on = f" on {element.host}" if element.host else ""
                yield f"  engine   {element.engine}{on}"


def _which(module: Any, number: int) -> str:
    if module is None:
        return f"module {number}"
    label = _label(module)
    named = f' "{label}"' if label else ""
    return f"module {module.name}{named} (id {number})"


def suspension(pipeline: Any, suspended: Mapping[int, Any]) -> Iterator[str]:
    """Yield a line per module that waits for a job that has not ended yet."""
    for number, error in sorted(suspended.items()):
        yield f"{_which(pipeline.modules.get(number), number)} waits for a job: {error.msg}"
    yield "run the workflow again when the jobs have ended"
