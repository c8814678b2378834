"""A report of runs: one page of HTML that opens anywhere, without a network."""

from __future__ import annotations

import html
import math
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parallelflow import version
from parallelflow.progress import Progress
from parallelflow.system import safe_files
from parallelflow.system.memory import shown_bytes

from .charts import histogram, timeline_chart
from .figures import Figures, figures
from .table import RunTable

__all__ = ["About", "report", "write_report"]

#: Failed elements whose errors are shown whole; the others are counted.
MOST_FAILURES = 200

STYLE = """
:root { color-scheme: light dark; --line: #8885; --bar: #2a78b8; --bad: #c33; --dim: #777; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; }
h1, h2, h3 { overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin-bottom: .3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
pre { overflow-x: auto; background: #8881; padding: .7rem; font-size: .85rem; }
summary { cursor: pointer; overflow-wrap: anywhere; } .bad { color: var(--bad); }
svg { width: 100%; min-width: 42rem; height: auto; }
svg text { font-size: 12px; fill: currentColor; }
svg .busy { fill: var(--bar); } svg .failed { fill: var(--bad); }
svg .axis { stroke: currentColor; stroke-opacity: .35; }
"""


@dataclass(frozen=True)
class About:
    """What was run, as the report's head tells it.

    Attributes
    ----------
    title : str
        The workflow's file and version, or what else was run.
    facts : sequence of (str, str)
        Further lines: parameters, the profile, versions of libraries.
    """

    title: str
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple)


def write_report(path: Path, about: About, runs: Sequence[Progress]) -> None:
    """Write the report of runs.

    Parameters
    ----------
    path : Path
        The file; what is there is replaced.
    about : About
        What was run.
    runs : sequence of Progress
        The runs, each a section.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    # A link stays one; what is no character is shown as "\udcff".
    safe_files.replace_text(path.resolve(), report(about, runs), errors="backslashreplace")


def report(about: About, runs: Sequence[Progress]) -> str:
    """Return the report as one page of HTML, with nothing in it that comes from elsewhere."""
    facts = [
        *about.facts,
        ("Written", time.strftime("%Y-%m-%d %H:%M:%S %Z")),
        ("Machine", f"{platform.node()}, {platform.system()} {platform.release()}"),
        ("Versions", f"Parallel Flow {version}, Python {platform.python_version()}"),
    ]
    sections = "\n".join(_section(run) for run in runs)
    if not runs:
        sections = "<p>No element was evaluated on an engine.</p>"
    title = html.escape(f"Report of {about.title}")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
{_list(facts)}
{sections}
</body>
</html>
"""


def _section(run: Progress) -> str:
    table = RunTable(run)
    table.refresh()
    seconds = [value for value in table.seconds() if not math.isnan(value)]
    numbers = figures(run, seconds)
    parts = [
        f"<h2>{html.escape(run.label)}</h2>",
        _list(_summary(run, numbers)),
        "<h3>When each engine worked</h3>",
        timeline_chart(run),
        "<h3>How long elements took</h3>",
        histogram(seconds),
        "<h3>Engines</h3>",
        _engines(numbers),
        _events(run),
        _failures(run, table),
    ]
    return "\n".join(part for part in parts if part)


def _summary(run: Progress, numbers: Figures) -> Iterable[tuple[str, str]]:
    snapshot = run.snapshot()
    elements = f"{snapshot.total}: {snapshot.done} done, {snapshot.failed} failed"
    if snapshot.known:
        elements += f"; {snapshot.known} of those done were known from an earlier execution"
    yield "State", snapshot.state.value
    yield "Elements", elements
    yield "Began", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.trace.began))
    yield (
        "Time",
        f"{snapshot.wall_seconds:.1f} s, of it {numbers.wall:.1f} s with the engines ready",
    )
    yield (
        "Work",
        f"{numbers.work:.1f} s of elements, {numbers.speed_up:.1f} times as much as the time",
    )
    if numbers.slowest:
        yield (
            "One element",
            f"{numbers.quickest:.3g} s to {numbers.slowest:.3g} s, median {numbers.median:.3g} s",
        )
    if highest := run.trace.highest_memory():
        yield "Peak memory", f"{shown_bytes(highest)} in the process of an engine"


def _engines(numbers: Figures) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(use.host)}</td><td class=n>{use.engine}</td>"
        f"<td class=n>{use.elements}</td><td class=n>{use.failed}</td>"
        f"<td class=n>{use.seconds:.1f} s</td><td class=n>{use.idle:.0%}</td>"
        f"<td class=n>{shown_bytes(use.memory) or '-'}</td></tr>"
        for use in numbers.engines
    )
    return (
        "<div class=wide><table><tr><th>Host<th class=n>Engine<th class=n>Elements"
        "<th class=n>Failed<th class=n>Busy<th class=n>Idle<th class=n>Peak memory</tr>"
        f"{rows}</table></div>"
    )


def _events(run: Progress) -> str:
    if not run.trace.events:
        return ""
    lines = "".join(
        f"<tr><td class=n>{moment - run.trace.began:.1f} s</td><td>{html.escape(line)}</td></tr>"
        for moment, line in run.trace.events
    )
    return f"<h3>What happened to engines</h3><div class=wide><table>{lines}</table></div>"


def _failures(run: Progress, table: RunTable) -> str:
    failures = run.trace.failures
    if not failures:
        return ""
    shown = []
    for index in sorted(failures)[:MOST_FAILURES]:
        failure = failures[index]
        shown.append(
            f"<details><summary>{html.escape(str(failure))}</summary>"
            f"<pre>{html.escape(failure.traceback or failure.message)}</pre></details>"
        )
    more = len(failures) - len(shown)
    rest = f"<p>and {more} more</p>" if more > 0 else ""
    return f"<h3 class=bad>Failed elements</h3>{''.join(shown)}{rest}"


def _list(facts: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"<dt>{html.escape(n)}</dt><dd>{html.escape(v)}</dd>" for n, v in facts)
    return f"<dl>{lines}</dl>"
