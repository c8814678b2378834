"""Make ``best_of.vt``, the example of a fold of one's own, with VisTrails itself.

The fold *BestOf* of the package in the folder ``best_of`` finds the most chaotic of the rates of
``loops.vt``. It is marked to run on engines; the alias ``rates`` sets the list.

Run it as ``python make_best_of.py [FILE]``; the file comes out the same, byte for byte,
wherever and whenever it is made.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from docs.examples.make_digits_sweep import Builder, make, name_version
from docs.examples.make_loops import add_exponent, add_output, mark
from parallelflow.host import start_core

if TYPE_CHECKING:
    from vistrails.core.vistrail.controller import VistrailController

HERE = Path(__file__).resolve().parent
BEST_OF = "org.example.best_of"


def build_workflow(controller: VistrailController) -> None:
    """Make the one version."""
    build = Builder(controller)
    rates, exponent = add_exponent(build)
    values = {"InputPort": ["rate"], "OutputPort": "exponent"}
    best = build.module("BestOf", (0, -40), "the most chaotic", BEST_OF, values)
    build.connect(exponent, "self", best, "FunctionPort")
    build.connect(rates, "value", best, "InputList")
    mark(build, best)
    add_output(build, best, "Result")
    name_version(controller, "best of", "A fold of one's own.")


def make_with_package(path: Path) -> None:
    """Make the file, with the package among the user packages of this process."""
    with TemporaryDirectory() as folder:
        packages = Path(folder) / "userpackages"
        shutil.copytree(HERE / "best_of", packages / "best_of")
        (packages / "__init__.py").touch()
        start_core([BEST_OF], user_packages=packages)
        make(path, build_workflow)


if __name__ == "__main__":
    make_with_package(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "best_of.vt")
