"""Draw the README's figure from two runs of its example: on one engine, and on two.

Usage: python docs/make_lanes.py [FIGURE]
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE / "examples" / "digits_sweep.vt"
COLOURS = ("#2b6ca3", "#7fb2da")

Lane = list[tuple[float, float]]


def lanes(engines: int, folder: Path) -> list[Lane]:
    """Run the example; return for each engine when its elements began and how long they took.

    Parameters
    ----------
    engines : int
        How many.
    folder : Path
        For the table of elements.
    """
    table = folder / f"{engines}.csv"
    command = [sys.executable, "-m", "parallelflow", "run", str(EXAMPLE), "--no-resume"]
    command += ["--engines", str(engines), "--trace", str(table)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Lane] = {}
    with table.open(newline="") as stream:
        for row in csv.DictReader(stream):
            lane = found.setdefault(row["engine"], [])
            lane.append((float(row["start"]), float(row["seconds"])))
    first = min(start for lane in found.values() for start, _ in lane)
    return [[(start - first, s) for start, s in found[e]] for e in sorted(found)]


def draw(runs: list[list[Lane]], path: Path) -> None:
    """Draw a lane for each engine of each run, with the run's wall time beside it."""
    end = max(start + s for run in runs for lane in run for start, s in lane)
    figure, axes = plt.subplots(figsize=(9, 2.4), layout="constrained")
    place = 0.0
    ticks, names = [], []
    for run in runs:
        top = place
        for number, lane in enumerate(run):
            colours = [COLOURS[i % 2] for i in range(len(lane))]
            axes.broken_barh(sorted(lane), (place - 0.4, 0.8), facecolors=colours)
            ticks.append(place)
            names.append("one engine" if len(run) == 1 else f"engine {number + 1} of {len(run)}")
            place += 1
        wall = max(start + s for lane in run for start, s in lane)
        axes.text(wall + end / 60, (top + place - 1) / 2, f"{wall:.1f} s", fontsize=22, va="center")
        place += 0.5
    axes.set_yticks(ticks, names)
    axes.invert_yaxis()
    axes.set_xlim(0, end * 1.17)
    axes.set_xlabel("seconds since the first element began; each bar is one of 28 elements")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.savefig(path)


def main() -> None:
    """Run the example twice and draw the figure."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "images" / "lanes.svg"
    with tempfile.TemporaryDirectory() as folder:
        draw([lanes(1, Path(folder)), lanes(2, Path(folder))], path)
    print(path)


if __name__ == "__main__":
    main()
