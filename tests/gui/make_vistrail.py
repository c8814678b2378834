"""Make the vistrail that the window's tests run: ``python -m tests.gui.make_vistrail FILE``.

Its tags are the names of the functions below; the first one is the latest version. Names of others
after the file are added.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from docs.examples.make_digits_sweep import CONTROL_FLOW, PARALLEL_FLOW, Builder
from parallelflow.host import start_core
from tests.cli.make_cases import mapped

# Work that computes and does not only sleep, so that it competes with the window.
COMPUTE = """\
import time
end = time.perf_counter() + {computes}
while time.perf_counter() < end:
    pass
time.sleep({sleeps})
o = 2 * i
"""


def quick(build: Builder) -> None:
    """200 elements of 40 ms, enough for a window to follow them on a busy machine."""
    mapped(build, COMPUTE.format(computes=0.004, sleeps=0.036), list(range(200)))


def endless(build: Builder) -> None:
    """What nobody waits for."""
    mapped(build, COMPUTE.format(computes=0.04, sleeps=0.16), list(range(10_000)))


def failing(build: Builder) -> None:
    """An element that fails after others."""
    mapped(build, "if i == 7: raise ValueError('seven')\no = i", list(range(60)))


def computing(build: Builder) -> None:
    """P3's work: 200 elements of 20 ms that only compute."""
    mapped(build, COMPUTE.format(computes=0.02, sleeps=0), list(range(200)))


def many(build: Builder) -> None:
    """Many short elements; they are made in the workflow, which would be long with them in it."""
    mapping = mapped(build, "o = 2 * i", [])
    values = build.source("values", (0, 100), "o = list(range(100_000))", {}, {"o": "List"})
    build.connect(values, "o", mapping, "InputList")


CASES = [quick, endless, failing]
OTHERS = {"computing": computing, "many": many}


def make(path: Path, others: Sequence[str] = ()) -> None:
    """Make the file."""
    start_core([CONTROL_FLOW, PARALLEL_FLOW])
    from vistrails.core.db.locator import ZIPFileLocator
    from vistrails.core.vistrail.controller import VistrailController
    from vistrails.core.vistrail.vistrail import Vistrail

    controller = VistrailController(Vistrail(), auto_save=False)
    for case in reversed([*CASES, *(OTHERS[name] for name in others)]):
        controller.change_selected_version(0)
        case(Builder(controller))
        controller.vistrail.set_tag(controller.current_version, case.__name__)
    locator = ZIPFileLocator(str(path))
    controller.write_vistrail(locator)
    controller.close_vistrail(locator)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2:])
