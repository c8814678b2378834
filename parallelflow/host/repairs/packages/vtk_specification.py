"""Build the specification of VisTrails' package vtk: which classes of VTK become modules, and how.

The package looks at every class of VTK, makes an object of each and calls its methods. Some end
the whole process, so it is done by this program, in a process of its own::

    python -m parallelflow.host.repairs.packages.vtk_specification FILE [CLASS TO SKIP ...]

It prints the name of each class before it looks at it: the last name is the one that ended it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from parallelflow.host.repairs.packages.vtk_former import (
    FORMER_CLASSES,
    FORMER_PORTS,
    FormerPort,
)

_WRAPPER = "vistrails.packages.vtk.vtk_wrapper"

#: Marks the lines that name a class.
MARK = "class "

# -- signatures ---------------------------------------------------------------------

#: How the names of methods begin that are called for their answer.
_QUESTIONS = ("Get", "Is", "Has", "Can", "Needs", "Supports")

_TYPES = {"str": "string", "bytes": "string", "typing.Any": "void", "Any": "void"}


def _split(text: str) -> list[str]:
    """Return the parts of a text that commas outside brackets separate."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def _former_type(text: str) -> str:
    text = text.partition("=")[0].strip()
    return re.sub(r"[\w.]+", lambda word: _TYPES.get(word[0], word[0]), text)


def signature_as_before(line: str, name: str) -> str | None:
    """Return a signature of VTK 9 as VTK 8 wrote it.

    Parameters
    ----------
    line : str
        E.g. ``SetColor(self, r:float, g:float, b:float) -> None``.
    name : str
        The method's name.

    Returns
    -------
    str or None
        E.g. ``V.SetColor(float, float, float)``; None for a line of another kind.
    """
    match = re.match(rf"{re.escape(name)}\((.*?)\)\s*(?:->\s*(.*))?$", line)
    if match is None:
        return None
    arguments = [
        _former_type(argument.partition(":")[2] or argument)
        for argument in _split(match[1])
        if argument != "self"
    ]
    result = _former_type(match[2] or "None")
    if result == "bool" and not name.startswith(_QUESTIONS):
        result = "None"  # commands such as ResetCamera tell whether they worked
    return f"V.{name}({', '.join(arguments)})" + ("" if result == "None" else f" -> {result}")


def documentation_as_before(documentation: str, name: str) -> str:
    """Return the documentation of a method with its signatures as VTK 8 wrote them."""
    head, _, rest = documentation.partition("\n\n")
    # A signature may go on in the next lines, which are indented.
    lines = re.sub(r"\n\s+", " ", head).split("\n")
    signatures = [signature_as_before(line, name) or line for line in lines]
    return "\n".join(signatures) + "\n\n" + rest


def _read_new_signatures(parser: Any) -> None:
    read = parser.VTKMethodParser.get_method_signature

    @functools.wraps(read)
    def read_as_before(self: Any, method: Any) -> Any:
        documentation = method.__doc__
        if not documentation or documentation.startswith("V."):
            return read(self, method)
        name = method.__name__
        old = documentation_as_before(documentation, name)
        return read(self, SimpleNamespace(__name__=name, __doc__=old))

    parser.VTKMethodParser.get_method_signature = read_as_before


# -- classes ------------------------------------------------------------------------


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _look_at_each_class(parse: Any, skip: frozenset[str]) -> None:
    create = parse.create_module

    def create_or_skip(base: str, node: Any) -> Any:
        if node.name in skip:
            return []
        _say(f"{MARK}{node.name}")
        try:
            return create(base, node)
        except Exception as error:
            _say(f"left out {node.name}: {error!r}")
            return []

    parse.create_module = create_or_skip


def _types(port: Any) -> Iterator[str]:
    waiting = [port.port_type]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, (list, tuple)):
            waiting.extend(kind)
        else:
            yield str(kind)


def _add_what_is_gone(parse: Any, specs: list[Any]) -> None:
    by_name = {spec.module_name: spec for spec in specs}
    for name, (now, base) in FORMER_CLASSES.items():
        if name not in by_name and now in by_name:
            by_name[name] = parse.ClassSpec(
                name,
                base,
                now,
                f"{name}, which VTK has no more: {now} does it",
                callback=by_name[now].callback,
                cacheable=False,
                input_port_specs=list(by_name[now].input_port_specs),
                output_port_specs=list(by_name[now].output_port_specs),
                compute=by_name[now].compute,
                cleanup=by_name[now].cleanup,
            )
            specs.append(by_name[name])
    for name, ports in FORMER_PORTS.items():
        spec = by_name.get(name)
        there = {port.name for port in spec.input_port_specs} if spec else set()
        for port in ports:
            if spec and port.name not in there:
                spec.input_port_specs.append(_former_port(parse, port))


def _former_port(parse: Any, port: FormerPort) -> Any:
    # As the package makes these.
    if port.kind == "OnOff":
        attributes: dict[str, Any] = {"method_type": port.kind, "defaults": [True]}
    else:
        attributes = {"depth": 1, "show_port": str(port.type).startswith("vtk")}
    return parse.InputPortSpec(
        name=port.name,
        method_name=port.method,
        port_type=port.type if isinstance(port.type, str) else list(port.type),
        **attributes,
    )


def _make_ports_that_can_be_used(parse: Any) -> None:
    make: Callable[[Any], Any] = parse.SpecList

    def make_without_unknown(specs: list[Any]) -> Any:
        for spec in specs:
            spec.input_port_specs = list(spec.input_port_specs)
        _add_what_is_gone(parse, specs)
        known = {spec.module_name for spec in specs} | {"TransferFunction"}

        def is_known(port: Any) -> bool:
            return all(kind in known or kind.startswith("basic:") for kind in _types(port))

        for spec in specs:
            spec.input_port_specs = [port for port in spec.input_port_specs if is_known(port)]
            spec.output_port_specs = [port for port in spec.output_port_specs if is_known(port)]
        return make(specs)

    parse.SpecList = make_without_unknown


def build(file: Path, skip: frozenset[str]) -> None:
    """Write the specification of the VTK of this Python.

    Parameters
    ----------
    file : Path
        It is written whole or not at all.
    skip : frozenset of str
        Classes that end the process when they are looked at.
    """
    from parallelflow.host import activate

    activate()
    _read_new_signatures(importlib.import_module(f"{_WRAPPER}.vtk_parser"))
    parse = importlib.import_module(f"{_WRAPPER}.parse")
    _look_at_each_class(parse, skip)
    _make_ports_that_can_be_used(parse)
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        parse.parse(str(part))
        part.replace(file)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


if __name__ == "__main__":
    build(Path(sys.argv[1]), frozenset(sys.argv[2:]))
    # Objects of all of VTK's classes are not worth taking down one by one, and some crash.
    os._exit(0)
