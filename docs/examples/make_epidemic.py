"""Make ``epidemic.vt``, the example of tables of runs and explorations, with VisTrails itself.

An epidemic in a town: every day the infected meet others and infect some of them
(``rate`` of infection), and some of them recover (``recovery``). The workflow gives
the day and the height of the peak, and writes the curve to ``curve.csv``.

The aliases ``rate``, ``recovery`` and ``people`` can be set from the command line; the
exploration *rate by recovery* is saved in the file.

Run it as ``python make_epidemic.py [FILE]``; the file comes out the same, byte for byte,
wherever and whenever it is made.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from make_digits_sweep import AUTHOR, DATE, Builder, make, name_version  # noqa: E402

if TYPE_CHECKING:
    from vistrails.core.vistrail.controller import VistrailController

TOWN = """\
infected = max(1, people // 1000)
state = (people - infected, infected)
cache_this()
"""

EPIDEMIC = """\
healthy, infected = state
people = healthy + infected
if rate < 0:
    fail('an infection has no negative rate: %g' % rate)
curve = []
while infected >= 1:
    curve.append(infected)
    new = min(healthy, rate * infected * healthy / people)
    healthy, infected = healthy - new, infected + new - recovery * infected
highest = round(max(curve))
day = curve.index(max(curve))
"""

TEXT = """\
text = 'day,infected\\n' + ''.join('%d,%d\\n' % day for day in enumerate(curve))
"""

RATES = [0.2, 0.3, 0.4]
RECOVERIES = (0.05, 0.15)


def build_workflow(controller: VistrailController) -> None:
    """Make the one version and its exploration."""
    build = Builder(controller)
    town = build.source(
        "town", (0, 200), TOWN, {"people": "Integer"}, {"state": "Variant"},
        {"people": 10000}, {"people": "people"},
    )  # fmt: skip
    epidemic = build.source(
        "epidemic",
        (0, 100),
        EPIDEMIC,
        {"state": "Variant", "rate": "Float", "recovery": "Float"},
        {"curve": "List", "highest": "Integer", "day": "Integer"},
        {"rate": 0.3, "recovery": 0.1},
        {"rate": "rate", "recovery": "recovery"},
    )
    build.connect(town, "state", epidemic, "state")
    for x, name in ((-200, "highest"), (-60, "day")):
        peak = build.module("Integer", (x, 0), f"{name} of the peak")
        build.connect(epidemic, name, peak, "value")
    text = build.source("curve", (120, 0), TEXT, {"curve": "List"}, {"text": "String"})
    build.connect(epidemic, "curve", text, "curve")
    file = build.module("WriteFile", (120, -100))
    build.connect(text, "text", file, "in_value")
    sink = build.module("FileSink", (120, -200), "file", values={"outputPath": "curve.csv"})
    build.connect(file, "out_value", sink, "file")
    name_version(controller, "town", "Vary rate and recovery.")
    add_exploration(controller, epidemic)


def add_exploration(controller: VistrailController, epidemic: Any) -> None:
    """Save an exploration: the rate in columns, by a list; the recovery in rows, by a range."""
    from vistrails.core.paramexplore.function import PEFunction
    from vistrails.core.paramexplore.param import PEParam
    from vistrails.core.paramexplore.paramexplore import ParameterExploration

    values = {
        "rate": ("List", repr([str(rate) for rate in RATES]), 0),
        "recovery": ("Linear Interpolation", repr(list(RECOVERIES)), 1),
    }
    functions = [
        PEFunction(
            id=number,
            module_id=epidemic.id,
            port_name=port,
            is_alias=0,
            parameters=[
                PEParam(id=number, pos=0, interpolator=kind, value=value, dimension=dimension)
            ],
        )
        for number, (port, (kind, value, dimension)) in enumerate(values.items())
    ]
    controller.vistrail.add_paramexp(
        ParameterExploration(
            id=0,
            action_id=controller.current_version,
            name="rate by recovery",
            user=AUTHOR,
            date=DATE,
            dims=repr([len(RATES), 2, 1, 1]),
            layout="{}",
            functions=functions,
        )
    )


if __name__ == "__main__":
    make(
        Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "epidemic.vt",
        build_workflow,
    )
