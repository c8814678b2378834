"""Make what the tests of the command line run: ``python -m tests.cli.make_cases FOLDER``.

``cases.vt`` has one tag per case; the names say what a version does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from docs.examples.make_digits_sweep import BASIC, CONTROL_FLOW, PARALLEL_FLOW, Builder
from parallelflow.host import start_core

PYTHON_CALC = "org.vistrails.vistrails.pythoncalc"

TWICE = "o = 2 * i"
FAILS_AT_THREE = """\
if i == 3:
    raise ValueError('three is too much')
o = i
"""
BREAKPOINT = """\
breakpoint()
o = 2 * i
"""
SLOW = """\
import time
time.sleep(0.25)
o = i
"""
# Writes, and does not end: what it has written must be seen, and its reader's end noticed.
TALKS = """\
import time
for line in ('one', 'two', 'three'):
    print(line, flush=True)
time.sleep(600)
"""
POOL = """\
import multiprocessing
with multiprocessing.Pool(2) as pool:
    o = pool.map(abs, [-i, -1])
"""
# How children end by signals and on their own, and whether the session's files are still there.
CHILDREN = """\
import os
import signal
from tests.support.elements import be_signalled
from vistrails.core.configuration import get_vistrails_configuration
ends = [be_signalled(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
pid = os.fork()
if pid == 0:
    raise SystemExit(3)
ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
o = ends, os.path.isdir(get_vistrails_configuration().temporaryDir)
"""
# Swallows what a signal raises, as a bare except in somebody's code does.
STUBBORN = """\
import time
told = False
while True:
    try:
        if not told:
            print("at work", flush=True)
        told = True
        time.sleep(60)
    except BaseException:
        print("swallowed", flush=True)
"""


PAUSE = """\
import time
end = time.monotonic() + seconds
while time.monotonic() < end:
    time.sleep(0.05)
text = 'rested %s' % seconds
"""
ENDINGS = """\
if how == 'raise':
    raise ValueError('raised on purpose')
if how == 'exit':
    raise SystemExit(3)
if how == 'with garbage':
    import gc
    how = str(gc.get_threshold())
text = how
"""
# Notes each execution in the working folder; 3 fails until there is a file that cures it, and every
# second attempt at 4 fails.
COUNTED = """\
import os
with open(f'{n}.times', 'a') as times:
    times.write('x')
if n == 3 and not os.path.exists('cured'):
    raise ValueError('not yet')
if n == 4 and os.path.getsize('4.times') % 2:
    raise ValueError('once more')
text = f'did {n}'
"""


def mapped(build: Builder, code: str, values: list[Any], package: str = PARALLEL_FLOW) -> Any:
    """Add a Map over a PythonSource with the ports i and o; return the Map."""
    function = build.source("function", (0, 0), code, {"i": "Variant"}, {"o": "Variant"})
    mapping = build.module(
        "Map",
        (0, -100),
        "mapped",
        package,
        {"InputPort": ["i"], "OutputPort": "o", "InputList": values},
        {"InputList": "values"},
    )
    build.connect(function, "self", mapping, "FunctionPort")
    return mapping


def pool(build: Builder) -> None:
    printed(build, mapped(build, POOL, [2, 3], CONTROL_FLOW), "Result")


def children(build: Builder) -> None:
    printed(build, mapped(build, CHILDREN, [1], CONTROL_FLOW), "Result")


def printed(build: Builder, source: Any, port: str) -> None:
    """Print a port's value by a StandardOutput."""
    build.connect(source, port, build.module("StandardOutput", (0, -200)), "value")


def serial_map(build: Builder) -> None:
    printed(build, mapped(build, TWICE, [1, 2, 3], CONTROL_FLOW), "Result")


def parallel_map(build: Builder) -> None:
    printed(build, mapped(build, TWICE, [1, 2, 3]), "Result")


def map_in_group(build: Builder) -> None:
    mapping = mapped(build, TWICE, [1, 2, 3])
    output = build.module("OutputPort", (0, -200), values={"name": "doubled"})
    build.connect(mapping, "Result", output, "InternalPipe")
    pipeline = build.controller.current_pipeline
    group = build.controller.create_group(list(pipeline.modules), list(pipeline.connections))
    printed(build, group, "doubled")


def open_end(build: Builder) -> None:
    mapped(build, TWICE, [1, 2, 3])


def element_fails(build: Builder) -> None:
    mapped(build, FAILS_AT_THREE, [1, 2, 3, 4])


def breakpoint_in_element(build: Builder) -> None:
    mapped(build, BREAKPOINT, [1, 2, 3])


def slow(build: Builder) -> None:
    printed(build, mapped(build, SLOW, list(range(100))), "Result")


def talks(build: Builder) -> None:
    mapped(build, TALKS, [0])


def module_fails(build: Builder) -> None:
    build.source("refuses", (0, 0), "fail('not today')", {}, {"o": "Variant"})


def stubborn(build: Builder) -> None:
    build.source("stubborn", (0, 0), STUBBORN, {}, {"o": "Variant"})


def aliases(build: Builder) -> None:
    kinds = {
        "whole": ("Integer", 1),
        "real": ("Float", 0.5),
        "yes": ("Boolean", True),
        "word": ("String", "a b"),
        "many": ("List", [1, 2]),
    }
    code = f"text = repr(({', '.join(kinds)}))"
    inputs = {name: kind for name, (kind, _) in kinds.items()}
    values = {name: value for name, (_, value) in kinds.items()}
    source = build.source(
        "show", (0, 0), code, inputs, {"text": "String"}, values, {n: n for n in kinds}
    )
    printed(build, source, "text")


def pause(build: Builder) -> None:
    """Take as many seconds as an alias says."""
    settings = {"seconds": "Float"}, {"text": "String"}, {"seconds": 0}, {"seconds": "seconds"}
    printed(build, build.source("pause", (0, 0), PAUSE, *settings), "text")


def two_pauses(build: Builder) -> None:
    """Take as many seconds as an alias says, twice; neither needs the other."""
    for number, name in enumerate(("left", "right")):
        aliases = {} if number else {"seconds": "seconds"}
        settings = {"seconds": "Float"}, {"text": "String"}, {"seconds": 1.2}, aliases
        printed(build, build.source(name, (0, 0), PAUSE, *settings), "text")


def shared_pauses(build: Builder) -> None:
    """Pause twice, and tell it with a number."""
    inputs = {"a": "String", "b": "String", "n": "Integer"}
    code, values = "text = '%s, %s: %d' % (a, b, n)", {"n": 1}
    told = build.source("tell", (0, 0), code, inputs, {"text": "String"}, values, {"n": "n"})
    for place, port in enumerate("ab"):
        settings = {"seconds": "Float"}, {"text": "String"}, {"seconds": 0.1}, {"seconds": port}
        paused = build.source(port, (place, 100), f"cache_this()\n{PAUSE}", *settings)
        build.connect(paused, "text", told, port)
    printed(build, told, "text")


def endings(build: Builder) -> None:
    """End as an alias says."""
    settings = {"how": "String"}, {"text": "String"}, {"how": "well"}, {"how": "how"}
    printed(build, build.source("ending", (0, 0), ENDINGS, *settings), "text")


def counted(build: Builder) -> None:
    """Note each execution; fail for 3, and at the first attempt for 4."""
    settings = {"n": "Integer"}, {"text": "String"}, {"n": 1}, {"n": "n"}
    printed(build, build.source("counted", (0, 0), COUNTED, *settings), "text")


def reads(build: Builder) -> None:
    """Read a number from the file that an alias names."""
    file = build.module("File", (0, 100), values={"name": "none"}, aliases={"name": "name"})
    code = "text = 'read %d' % int(open(file.name).read())"
    source = build.source("reading", (0, 0), code, {"file": "File"}, {"text": "String"})
    build.connect(file, "value", source, "file")
    printed(build, source, "text")


def after(build: Builder, code: str) -> None:
    """Add a source, and after it one that adds an alias' value."""
    first = build.source("first", (0, 0), code, {}, {"o": "Integer"})
    inputs = {"i": "Integer", "a": "Integer"}
    second = build.source(
        "second", (0, -100), "o = i + a", inputs, {"o": "Integer"}, {"a": 1}, {"a": "a"}
    )
    build.connect(first, "o", second, "i")
    printed(build, second, "o")


def uncached(build: Builder) -> None:
    after(build, "o = 5")


def broken(build: Builder) -> None:
    after(build, "cache_this()\nfail('broken')")


def foreign(build: Builder, package: str, name: str) -> None:
    """Add a module that this machine does not have, as a file from elsewhere would."""
    module = build.controller.create_module(BASIC, "Null")
    module.package, module.name = package, name
    build.controller.add_module_action(module)


def unavailable(build: Builder) -> None:
    foreign(build, "org.example.first", "Nowhere")
    foreign(build, "org.example.second", "Nowhere")


def unavailable_in_group(build: Builder) -> None:
    foreign(build, "org.example.inner", "Nowhere")
    build.controller.create_group(list(build.controller.current_pipeline.modules), [])


def needs_window(build: Builder) -> None:
    """Add a module of a package that makes a widget while it is loaded."""
    foreign(build, "org.vistrails.vistrails.pythoncalcqt", "PythonCalc")


def subworkflow(build: Builder) -> None:
    """Map a SubWorkflow whose inside needs a package that nothing else names."""
    port = build.module("InputPort", (0, 100), values={"name": "number"})
    values = {"value2": 10, "op": "+"}
    calculator = build.module("PythonCalc", (0, 0), "", PYTHON_CALC, values)
    output = build.module("OutputPort", (0, -100), values={"name": "sum"})
    build.connect(port, "InternalPipe", calculator, "value1")
    build.connect(calculator, "value", output, "InternalPipe")
    pipeline = build.controller.current_pipeline
    inside = list(pipeline.modules), list(pipeline.connections)
    function = build.controller.create_abstraction(*inside, "add_ten")
    mapping = build.module(
        "Map",
        (0, -200),
        "mapped",
        PARALLEL_FLOW,
        {"InputPort": ["number"], "OutputPort": "sum", "InputList": [1.0, 2.0]},
    )
    build.connect(function, "self", mapping, "FunctionPort")
    printed(build, mapping, "Result")


def no_such_module(build: Builder) -> None:
    foreign(build, BASIC, "Unheard")


CASES = [
    serial_map,
    parallel_map,
    map_in_group,
    open_end,
    element_fails,
    breakpoint_in_element,
    slow,
    talks,
    module_fails,
    stubborn,
    pool,
    children,
    aliases,
    pause,
    two_pauses,
    shared_pauses,
    endings,
    counted,
    reads,
    uncached,
    broken,
    unavailable,
    unavailable_in_group,
    needs_window,
    subworkflow,
    no_such_module,
]


def make(path: Path) -> None:
    """Make a vistrail with a tagged version per case, the first one the latest."""
    start_core([CONTROL_FLOW, PARALLEL_FLOW, PYTHON_CALC])
    from vistrails.core.db.locator import ZIPFileLocator
    from vistrails.core.vistrail.controller import VistrailController
    from vistrails.core.vistrail.vistrail import Vistrail

    controller = VistrailController(Vistrail(), auto_save=False)
    for case in reversed(CASES):
        controller.change_selected_version(0)
        case(Builder(controller))
        controller.vistrail.set_tag(controller.current_version, case.__name__)
    locator = ZIPFileLocator(str(path))
    controller.write_vistrail(locator)
    controller.close_vistrail(locator)


if __name__ == "__main__":
    make(Path(sys.argv[1]) / "cases.vt")
