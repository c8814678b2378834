"""Repairs: whole modules that left Python's standard library.

What stands in for one is given only to a process that has imported VisTrails, only
when asked for, and only if this Python (or setuptools, for distutils) has none.
"""

from __future__ import annotations

from pathlib import Path

from .repair import Repair, always

_FOLDER = Path(__file__).with_name("standins")

REPAIRS = (
    Repair(
        name="no-cgi",
        symptom="ModuleNotFoundError: No module named 'cgi' when the window starts",
        cause="Python 3.13 removed cgi; VisTrails uses cgi.escape",
        affected="Python 3.13 and later",
        modules=("cgi",),
        needed=always,
        instead=_FOLDER / "cgi.py",
    ),
    Repair(
        name="no-distutils",
        symptom="ModuleNotFoundError: No module named 'distutils' at start",
        cause="Python 3.12 removed distutils; VisTrails compares versions with its LooseVersion",
        affected="Python 3.12 and later without setuptools",
        modules=("distutils",),
        needed=always,
        instead=_FOLDER / "distutils" / "__init__.py",
    ),
    Repair(
        name="no-imp",
        symptom="ModuleNotFoundError: No module named 'imp' when SubWorkflows are exported",
        cause="Python 3.12 removed imp",
        affected="Python 3.12 and later",
        modules=("imp",),
        needed=always,
        instead=_FOLDER / "imp.py",
    ),
    Repair(
        name="no-lib2to3",
        symptom="an old PythonSource keeps the method names of VisTrails 2, or its Python 2 code, "
        "without a word, and fails when it runs",
        cause="Python 3.13 removed lib2to3, and VisTrails passes over the error",
        affected="Python 3.13 and later, and Ubuntu's 3.12, which has it in another package",
        modules=("lib2to3",),
        needed=always,
        instead=_FOLDER / "lib2to3" / "__init__.py",
    ),
)
