"""Runs VisTrails' own test suite on the mended VisTrails; run as a program.

What is put back here is what the suite's tests themselves use and Python no longer has.
"""

from __future__ import annotations

import array
import runpy
import sys
import unittest
from pathlib import Path

from parallelflow import host

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
    sys.argv[0] = str(program)
    runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    main()
