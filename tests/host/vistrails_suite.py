"""Runs VisTrails' own test suite on the mended VisTrails; run as a program.

Arguments are names of modules whose tests are to be run. `PARALLEL`, first, runs Control Flow's
Map as ours; the output then has the line `RAN_IN_PARALLEL` for each Map that was ours.

What is put back here is what the suite's tests themselves use and Python no longer has.
"""

from __future__ import annotations

import array
import contextlib
import runpy
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parallelflow import host

PARALLEL = "--parallel-maps"
RAN_IN_PARALLEL = "a Map ran in parallel"

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
    with _parallel() if sys.argv[1:2] == [PARALLEL] else contextlib.nullcontext():
        sys.argv = [str(program), *(name for name in sys.argv[1:] if name != PARALLEL)]
        runpy.run_path(str(program), run_name="__main__")


@contextlib.contextmanager
def _parallel() -> Iterator[None]:
    from parallelflow.engine_manager import get_manager
    from parallelflow.loops import activation, choice, folds

    evaluate = folds.evaluate

    def told(loop: Any) -> Any:
        print(RAN_IN_PARALLEL, flush=True)
        return evaluate(loop)

    folds.evaluate = told
    manager = get_manager()
    manager.configure(engines=1, private=True)
    try:
        with activation.running(choice.Scope.MAPS):
            yield
    finally:
        manager.stop()


if __name__ == "__main__":
    main()
