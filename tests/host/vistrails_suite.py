"""Runs VisTrails' own test suite on the mended VisTrails; run as a program.

Arguments are names of modules whose tests are to be run. `PARALLEL`, first, runs Control Flow's
Map as ours, `EVERYTHING` all loops, whatever they cost; the output then has the line
`RAN_IN_PARALLEL` for each loop that ran on engines.

What is put back here is what the suite's tests themselves use and Python no longer has.
"""

from __future__ import annotations

import array
import contextlib
import os
import runpy
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path

from parallelflow import host
from parallelflow.host import session_folder

PARALLEL = "--parallel-maps"
EVERYTHING = "--parallel"
RAN_IN_PARALLEL = "a loop ran in parallel"

#: Names of `unittest.TestCase` that left Python in 3.12, and what they were.
_OLD_NAMES = {
    "assertEquals": "assertEqual",
    "assertNotEquals": "assertNotEqual",
    "assertAlmostEquals": "assertAlmostEqual",
    "assertNotAlmostEquals": "assertNotAlmostEqual",
    "failUnlessRaises": "assertRaises",
    "assertRaisesRegexp": "assertRaisesRegex",
    "assertRegexpMatches": "assertRegex",
    "assert_": "assertTrue",
}


class _Array(array.array):
    """An array with the method that left Python in 3.9."""

    tostring = array.array.tobytes


def main() -> None:
    """Run the suite with VisTrails' own program; the arguments are its."""
    for old, new in _OLD_NAMES.items():
        if not hasattr(unittest.TestCase, old):
            setattr(unittest.TestCase, old, getattr(unittest.TestCase, new))
    setattr(array, "array", _Array)  # noqa: B010 - a type checker forbids the assignment
    host.activate()
    import vistrails

    program = Path(vistrails.__file__).parent / "tests" / "runtestsuite.py"
    code = 0
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    with _parallel(first) if first in (PARALLEL, EVERYTHING) else contextlib.nullcontext():
        sys.argv = [str(program), *(name for name in sys.argv[1:] if not name.startswith("--par"))]
        try:
            runpy.run_path(str(program), run_name="__main__")
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
    # PyQt5's clean-up at the interpreter's end (`cleanup_on_exit`, an exit function of QtCore) goes
    # through wrappers of objects that Qt has deleted with the window, and crashes in most runs,
    # whatever has run before. Parallel Flow leaves its window in the same way (`host/window.py`).
    session_folder.remove_private_folders()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def _parallel(which: str) -> Iterator[None]:
    from parallelflow import progress
    from parallelflow.engine_manager import get_manager
    from parallelflow.loops import activation, choice, trial

    told: set[int] = set()

    def tell(snapshot: progress.Snapshot) -> None:
        if snapshot.run not in told:
            told.add(snapshot.run)
            print(RAN_IN_PARALLEL, flush=True)

    scope = choice.Scope.MAPS
    if which == EVERYTHING:
        scope |= choice.Scope.WORTH_IT
        trial.Trial.says_send = True  # type: ignore[assignment, method-assign]
    manager = get_manager()
    manager.configure(engines=1, private=True)
    stop = progress.listen(tell)
    try:
        with activation.running(scope):
            yield
    finally:
        stop()
        manager.stop()


if __name__ == "__main__":
    main()
