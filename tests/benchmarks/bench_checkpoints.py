"""What it costs to keep finished elements on disk."""

from __future__ import annotations

from tests.benchmarks.measure import Row, alternate, say
from tests.support.workflows import PARALLEL_FLOW, mapped, run, source

ELEMENTS = 4000
MILLISECOND = """
import time
end = time.perf_counter() + 0.001
while time.perf_counter() < end:
    pass
o = i * 2
"""


def p19() -> list[Row]:
    """4 000 elements of 1 ms with small results, with checkpoints and without."""
    from parallelflow.settings import override

    work = f"{ELEMENTS} x 1 ms, finished elements on disk"
    say(f"P19 {work}")
    workflow = mapped(source(MILLISECOND), list(range(ELEMENTS)))

    def one(checkpoints: bool) -> float:
        override(checkpoints=checkpoints)
        try:
            result = run(workflow, PARALLEL_FLOW, log=False)
        finally:
            override(checkpoints=None)
        assert result.values[1] == [i * 2 for i in range(ELEMENTS)]
        return float(result.seconds)

    kept, plain = alternate(lambda: one(True), lambda: one(False))
    return [Row("P19", work, kept, plain, "s", "the same without", 1.03)]
