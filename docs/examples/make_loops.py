"""Make ``loops.vt``, the example of loops other than Map and of branches, with VisTrails itself.

The logistic map x -> rate * x * (1 - x) is regular for some rates and chaotic for others; its
Lyapunov exponent, which is above zero where it is chaotic, tells which. Six versions:

``list``      a list of rates goes into the module of one rate, which VisTrails runs for each
``filter``    a Filter keeps the rates that are chaotic
``for``       a For runs a Monte Carlo estimate of pi with the seeds 1 to 8
``branches``  two modules without a loop, which need nothing of each other, estimate pi
``nested``    as ``list``, but for each rate there is a list of rates near it: lists of lists
``stations``  the temperatures of two weather stations are read, and the days above a limit counted

In each but the last the module that loops, or is a branch, is marked to run on engines. The alias
``rates`` sets the list, ``terms`` what the branches have to do, and ``limit`` which days count.

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

NEAR = """\
steps = 1 if rate < 3.5 else 4
near = [rate - 0.001 * step for step in range(steps)]
"""

ROW = """\
text = '  '.join('%6.3f' % exponent for exponent in exponents)
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

THROWS = """\
import random, time
began = time.time()
throws = random.Random(1)
hits = sum(throws.random() ** 2 + throws.random() ** 2 < 1 for _ in range(terms))
pi, times = 4 * hits / terms, (began, time.time())
"""

SERIES = """\
import time
began = time.time()
pi = 4 * sum((-1) ** n / (2 * n + 1) for n in range(terms))
times = began, time.time()
"""

COMPARISON = """\
both = min(throws_times[1], series_times[1]) - max(throws_times[0], series_times[0])
print('at the same time' if both > 0 else 'one after the other')
text = 'by throws %.3f, by a series %.3f' % (throws, series)
"""

# Reading waits, and computes nothing: it takes a second on every machine.
STATION = """\
import math, time
time.sleep(1.2)  # until the archive of the station answers
temperatures = [mean - 10 * math.cos(2 * math.pi * day / 365) for day in range(365)]
cache_this()
"""

WARM = """\
days = [sum(each > limit for each in station) for station in (north, south)]
text = 'north %d, south %d' % tuple(days)
"""

MARK = ("run_on_engines", "true")


def build_versions(controller: VistrailController) -> None:
    """Make the six versions, each from an empty workflow."""
    add_list(Builder(controller))
    name_version(controller, "list", "A list that iterates by itself.")
    controller.change_selected_version(0)
    add_filter(Builder(controller))
    name_version(controller, "filter", "A Filter.")
    controller.change_selected_version(0)
    add_for(Builder(controller))
    name_version(controller, "for", "A For over a range.")
    controller.change_selected_version(0)
    add_branches(Builder(controller))
    name_version(controller, "branches", "Two modules at the same time.")
    controller.change_selected_version(0)
    add_nested(Builder(controller))
    name_version(controller, "nested", "Lists of lists that iterate by themselves.")
    controller.change_selected_version(0)
    add_stations(Builder(controller))
    name_version(controller, "stations", "Two slow modules that are not marked.")


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


def add_branches(build: Builder) -> None:
    """Estimate pi in two ways, and compare."""
    terms = build.module(
        "Integer", (0, 200), "terms", values={"value": 1000000}, aliases={"value": "terms"}
    )
    given = {"throws": "Float", "series": "Float"}
    given |= {"throws_times": "Variant", "series_times": "Variant"}
    comparison = build.source("comparison", (0, -40), COMPARISON, given, {"text": "String"})
    for name, x, code in (("throws", -160, THROWS), ("series", 160, SERIES)):
        kinds = {"pi": "Float", "times": "Variant"}
        branch = build.source(f"pi by {name}", (x, 80), code, {"terms": "Integer"}, kinds)
        build.connect(terms, "value", branch, "terms")
        build.connect(branch, "pi", comparison, name)
        build.connect(branch, "times", comparison, f"{name}_times")
        mark(build, branch)
    add_output(build, comparison, "text")


def add_nested(build: Builder) -> None:
    """Connect a module that gives a list for each rate to the port that takes one rate."""
    rates, exponent = add_exponent(build)
    near = build.source("rates near it", (60, 140), NEAR, {"rate": "Float"}, {"near": "List"})
    build.connect(rates, "value", near, "rate")
    build.connect(near, "near", exponent, "rate")
    mark(build, exponent)
    row = build.source("row", (-60, -40), ROW, {"exponents": "List"}, {"text": "String"})
    build.connect(exponent, "exponent", row, "exponents")
    add_output(build, row, "text")


def add_stations(build: Builder) -> None:
    """Read two stations, and count the days above a limit."""
    given = {"north": "List", "south": "List", "limit": "Float"}
    count = build.source(
        "warm days", (0, 0), WARM, given, {"text": "String"}, {"limit": 20}, {"limit": "limit"}
    )
    for name, x, mean in (("north", -120, 9), ("south", 120, 14)):
        station = build.source(
            name, (x, 120), STATION, {"mean": "Float"}, {"temperatures": "List"}, {"mean": mean}
        )
        build.connect(station, "temperatures", count, name)
    add_output(build, count, "text")


def add_output(build: Builder, module: Any, port: str) -> None:
    """Print what a port gives."""
    output = build.module("StandardOutput", (0, -160))
    build.connect(module, port, output, "value")


if __name__ == "__main__":
    make(
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("loops.vt"),
        build_versions,
    )
