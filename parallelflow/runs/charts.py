"""Pictures of a run for its report, as SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from parallelflow.progress import Progress

from .figures import timeline

__all__ = ["histogram", "round_step", "timeline_chart"]

WIDTH, LEFT, ROW, AXIS = 900, 150, 22, 30
#: Engines that are drawn; of more only the busiest part of the page would be bars.
MOST_ENGINES = 256
BINS, HEIGHT = 40, 140


def timeline_chart(run: Progress) -> str:
    """Return a bar for each engine: where it is filled, the engine worked at elements."""
    spans = timeline(run)
    if not spans:
        return "<p>No element has come back from an engine.</p>"
    last = max(busy.end for own in spans.values() for busy in own)
    scale = (WIDTH - LEFT - 10) / last if last else 0.0
    drawn = list(spans.items())[:MOST_ENGINES]
    parts = []
    for number, ((host, engine), own) in enumerate(drawn):
        y = number * ROW + 4
        name = html.escape(f"{engine} {host}"[:22])
        parts.append(f'<text x="0" y="{y + 13}">{name}</text>')
        for busy in own:
            kind = "failed" if busy.failed else "busy"
            width = max((busy.end - busy.start) * scale, 0.5)
            parts.append(
                f'<rect class="{kind}" x="{LEFT + busy.start * scale:.1f}" y="{y}" '
                f'width="{width:.1f}" height="{ROW - 6}"><title>{busy.elements} elements, '
                f"{busy.start:.2f} s to {busy.end:.2f} s</title></rect>"
            )
    bottom = len(drawn) * ROW + 4
    parts.append(_axis(last, bottom, scale))
    more = len(spans) - len(drawn)
    note = f"<p>and {more} more engines</p>" if more > 0 else ""
    return _picture(bottom + AXIS, parts, "When each engine worked") + note


def histogram(seconds: Sequence[float]) -> str:
    """Return how many elements took how long."""
    if not seconds:
        return "<p>No element has come back from an engine.</p>"
    low, high = min(seconds), max(seconds)
    step = (high - low) / BINS or max(high, 1e-6) / BINS
    counts = [0] * BINS
    for value in seconds:
        counts[min(int((value - low) / step), BINS - 1)] += 1
    scale = (WIDTH - LEFT - 10) / BINS
    most = max(counts)
    parts = [f'<text x="0" y="16">{most} elements</text>']
    for number, count in enumerate(counts):
        if count:
            height = max(count / most * HEIGHT, 1)
            parts.append(
                f'<rect class="busy" x="{LEFT + number * scale:.1f}" '
                f'y="{HEIGHT - height + 4:.1f}" width="{scale - 1:.1f}" height="{height:.1f}">'
                f"<title>{count} elements of {low + number * step:.3g} s to "
                f"{low + (number + 1) * step:.3g} s</title></rect>"
            )
    bottom = HEIGHT + 4
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 10}" y1="{bottom}" y2="{bottom}"/>')
    for share in (0.0, 0.5, 1.0):
        x = LEFT + share * (WIDTH - LEFT - 10)
        anchor = ("start", "middle", "end")[round(2 * share)]
        value = low + share * step * BINS
        parts.append(
            f'<text x="{x:.0f}" y="{bottom + 18}" text-anchor="{anchor}">{value:.3g} s</text>'
        )
    return _picture(bottom + AXIS, parts, "How long elements took")


def _axis(last: float, y: float, scale: float) -> str:
    """Return a line with marks at round numbers of seconds."""
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 10}" y1="{y}" y2="{y}"/>']
    step = round_step(last / 6)
    for number in range(int(last / step) + 1 if step else 1):
        moment = number * step
        x = LEFT + moment * scale
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 18}" text-anchor="middle">{moment:g} s</text>')
    return "".join(parts)


def round_step(least: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below a number."""
    if least <= 0:
        return 0.0
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)


def _picture(height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<div class=wide><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{title}">{"".join(parts)}</svg></div>'
    )
