"""Make ``outbreak.vt``, the workflow of the tutorial, with VisTrails itself.

Influenza in a boarding school, 1978: 763 boys, of whom so many were in bed on each of 14
days (British Medical Journal, 4 March 1978, page 587; in ``outbreak.csv``). A Map fits a
model of an epidemic to them: for each pair of a rate of infection and a rate of recovery
it simulates the outbreak, and tells how far it is from what was observed.

The aliases ``data``, ``rates``, ``recoveries`` and ``figure`` can be set from the command line.

Run it as ``python make_outbreak.py [FILE]``; the file comes out the same, byte for byte,
wherever and whenever it is made.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from make_digits_sweep import PARALLEL_FLOW, Builder, make, name_version  # noqa: E402

if TYPE_CHECKING:
    from vistrails.core.vistrail.controller import VistrailController

OBSERVED = """\
import csv
with open(data.name, newline='', encoding='utf-8') as stream:
    sick = [int(row['in bed']) for row in csv.DictReader(stream)]
cache_this()
"""

PAIRS = """\
import itertools
pairs = list(itertools.product(rates, recoveries))
"""

# 4000 steps for a day; the outbreak begins with what was seen on the first day.
MODEL = """\
boys, steps = 763, 4000
contagious = 1 / recovery
healthy, infected = boys - sick[0], sick[0]
curve = []
for step in range(steps * len(sick)):
    if step % steps == 0:
        curve.append(round(infected, 1))
    new = rate * infected * healthy / boys / steps
    healthy -= new
    infected += new - recovery * infected / steps
distance = sum((c - s) ** 2 for c, s in zip(curve, sick)) ** 0.5
fit = {'distance': round(distance, 1), 'rate': rate, 'recovery': recovery,
       'days': round(contagious, 2), 'curve': curve}
"""

BEST = """\
found = [fit for fit in fits if fit is not None]
best = min(found, key=lambda fit: fit['distance'])
lines = ['rate  recovery  distance']
for fit in sorted(found, key=lambda fit: fit['distance'])[:3]:
    lines.append('%4g  %8g  %8.1f' % (fit['rate'], fit['recovery'], fit['distance']))
lines.append('')
lines.append('%d fits. Best: a boy infects %.1f others in %.1f days.'
             % (len(found), best['rate'] / best['recovery'], best['days']))
text = '\\n'.join(lines)
"""

FIGURE = """\
if name:
    from matplotlib.figure import Figure
    figure = Figure(figsize=(6, 3.5), layout='constrained')
    axes = figure.subplots()
    axes.plot(sick, 'o', color='black', label='in bed')
    axes.plot(best['curve'], color='tab:red',
              label='model: rate %g, recovery %g' % (best['rate'], best['recovery']))
    axes.set(xlabel='day', ylabel='boys')
    axes.legend()
    figure.savefig(name, dpi=100)
"""

RATES = [1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]
RECOVERIES = [0.3, 0.4, 0.5, 0.6]


def build_workflow(controller: VistrailController) -> None:
    """Make the one version."""
    build = Builder(controller)
    file = build.module("File", (-160, 360), "observed", values={"value": "outbreak.csv"},
                        aliases={"value": "data"})  # fmt: skip
    observed = build.source("read", (-160, 280), OBSERVED, {"data": "File"}, {"sick": "List"})
    build.connect(file, "value", observed, "data")
    model = build.source(
        "model",
        (-160, 180),
        MODEL,
        {"sick": "List", "rate": "Float", "recovery": "Float"},
        {"fit": "Dictionary"},
    )
    build.connect(observed, "sick", model, "sick")
    pairs = build.source(
        "pairs",
        (160, 180),
        PAIRS,
        {"rates": "List", "recoveries": "List"},
        {"pairs": "List"},
        {"rates": RATES, "recoveries": RECOVERIES},
        {"rates": "rates", "recoveries": "recoveries"},
    )
    values = {"InputPort": ["rate", "recovery"], "OutputPort": "fit"}
    mapping = build.module("Map", (0, 80), "each pair", PARALLEL_FLOW, values)
    build.connect(model, "self", mapping, "FunctionPort")
    build.connect(pairs, "pairs", mapping, "InputList")
    best = build.source(
        "best", (0, 0), BEST, {"fits": "List"}, {"text": "String", "best": "Dictionary"}
    )
    build.connect(mapping, "Result", best, "fits")
    build.connect(best, "text", build.module("StandardOutput", (160, -100)), "value")
    figure = build.source(
        "figure",
        (-160, -100),
        FIGURE,
        {"best": "Dictionary", "sick": "List", "name": "String"},
        {},
        {"name": ""},
        {"name": "figure"},
    )
    build.connect(best, "best", figure, "best")
    build.connect(observed, "sick", figure, "sick")
    name_version(controller, "fit", "Fit the rates of infection and recovery.")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "outbreak.vt", build_workflow)
