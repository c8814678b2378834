"""Lists that iterate by themselves, on engines against VisTrails' own loop in the same process."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.bench_map import PAUSE
from tests.benchmarks.measure import Row, alternate, say
from tests.support.workflows import BASIC, CONTROL_FLOW, Part, Workflow, constant, run, source

INTEGER = f"{BASIC}:Integer"


def iterated(code: str, elements: list[int], marked: bool) -> Workflow:
    """Return a workflow with a list (1) on a port that takes one value (0)."""
    function, values = source(code), constant(elements)
    loop = Part(
        function.name,
        functions=function.functions,
        inputs={"i": INTEGER},
        outputs={"o": INTEGER},
        control={"run_on_engines": "true"} if marked else {},
    )
    given = Part(values.name, functions=values.functions, outputs={"o": INTEGER}, depth=1)
    return Workflow([loop, given], [(1, "o", 0, "i")])


def p18() -> list[Row]:
    """2 000 trivial elements, and 200 of 20 ms."""
    return [
        _row("2 000 trivial elements of a list", "o = i * i", 2_000, 0.2),
        _row("200 elements of a list, 20 ms each", PAUSE, 200, 0.53),
    ]


def _row(work: str, code: str, count: int, bar: float) -> Row:
    say(f"P18 {work}")
    values: list[Any] = []

    def one(marked: bool) -> float:
        result = run(iterated(code, list(range(count)), marked), CONTROL_FLOW, "o")
        assert not result.errors, result.errors
        values.append(result.values[0])
        assert values[-1] == values[0]
        return result.seconds

    ours, serial = alternate(lambda: one(True), lambda: one(False))
    return Row("P18", work, ours, serial, "s", "VisTrails' own loop", bar)
