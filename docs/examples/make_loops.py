"""Make ``loops.vt``, the example of loops other than Map, with VisTrails itself.

The logistic map x -> rate * x * (1 - x) is regular for some rates and chaotic for others; its
Lyapunov exponent, which is above zero where it is chaotic, tells which. Three versions:

``list``    a list of rates goes into the module of one rate, which VisTrails runs for each
``filter``  a Filter keeps the rates that are chaotic
``for``     a For runs a Monte Carlo estimate of pi with the seeds 1 to 8

In each the module that loops is marked to run on engines. The alias ``rates`` sets the list.

Run it as ``python make_loops.py [FILE]``; the file comes out the same, byte for byte,
wherever and whenever it is made.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.examples.make_digits_sweep import CONTROL_FLOW, Builder, make, name_version

if TYPE_CHECKING:
    from vistrails.core.vistrail.controller import VistrailController

RATES = [2.8, 3.2, 3.5, 3.57, 3.7, 3.83, 3.9, 4.0]

EXPONENT = """\
from math import log
x, total = 0.4, 0.0
for step in range(20000):
    x = rate * x * (1 - x)
    if step >= 100:
        total += log(max(abs(rate * (1 - 2 * x)), 1e-300))
exponent = total / 19900
chaotic = exponent > 0
"""

TABLE = """\
text = '\\n'.join('rate %4.2f  exponent %6.3f' % pair for pair in zip(rates, exponents))
"""

ESTIMATE = """\
import random
throws = random.Random(seed)
hits = sum(throws.random() ** 2 + throws.random() ** 2 < 1 for _ in range(100000))
pi = 4 * hits / 100000
"""

MEAN = """\
text = 'pi is about %.4f' % (sum(estimates) / len(estimates))
"""

MARK = ("run_on_engines", "true")


def build_versions(controller: VistrailController) -> None:
    """Make the three versions, each from an empty workflow."""
    add_list(Builder(controller))
    name_version(controller, "list", "A list that iterates by itself.")
    controller.change_selected_version(0)
    add_filter(Builder(controller))
    name_version(controller, "filter", "A Filter.")
    controller.change_selected_version(0)
    add_for(Builder(controller))
    name_version(controller, "for", "A For over a range.")


def mark(build: Builder, module: Any) -> None:
    """Mark a module as *Run on engines* in the module options does."""
    build.controller.add_control_parameter(MARK, module.id)


def add_exponent(build: Builder) -> tuple[Any, Any]:
    """Add the list of rates, and the module that takes one of them."""
    rates = build.module(
        "List", (-120, 200), "rates", values={"value": RATES}, aliases={"value": "rates"}
    )
    exponent = build.source(
        "Lyapunov exponent",
        (60, 80),
        EXPONENT,
        {"rate": "Float"},
        {"exponent": "Float", "chaotic": "Boolean"},
    )
    return rates, exponent


def add_list(build: Builder) -> None:
    """Connect the list to the port that takes one rate."""
    rates, exponent = add_exponent(build)
    build.connect(rates, "value", exponent, "rate")
    mark(build, exponent)
    kinds = {"rates": "List", "exponents": "List"}
    table = build.source("table", (-60, -40), TABLE, kinds, {"text": "String"})
    build.connect(rates, "value", table, "rates")
    build.connect(exponent, "exponent", table, "exponents")
    add_output(build, table, "text")


def add_filter(build: Builder) -> None:
    """Let a Filter ask the module about each rate."""
    rates, exponent = add_exponent(build)
    values = {"InputPort": ["rate"], "OutputPort": "chaotic"}
    kept = build.module("Filter", (0, -40), "chaotic rates", CONTROL_FLOW, values)
    build.connect(exponent, "self", kept, "FunctionPort")
    build.connect(rates, "value", kept, "InputList")
    mark(build, kept)
    add_output(build, kept, "Result")


def add_for(build: Builder) -> None:
    """Run an estimate with seeds."""
    estimate = build.source("estimate", (0, 200), ESTIMATE, {"seed": "Integer"}, {"pi": "Float"})
    values = {"LowerBound": 1, "HigherBound": 9, "InputPort": "seed", "OutputPort": "pi"}
    loop = build.module("For", (0, 80), "for each seed", CONTROL_FLOW, values)
    build.connect(estimate, "self", loop, "FunctionPort")
    mark(build, loop)
    mean = build.source("mean", (0, -40), MEAN, {"estimates": "List"}, {"text": "String"})
    build.connect(loop, "Result", mean, "estimates")
    add_output(build, mean, "text")


def add_output(build: Builder, module: Any, port: str) -> None:
    """Print what a port gives."""
    output = build.module("StandardOutput", (0, -160))
    build.connect(module, port, output, "value")


if __name__ == "__main__":
    make(
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("loops.vt"),
        build_versions,
    )
