"""What is noted of a run: rows, figures, a report, a table and the history."""

from __future__ import annotations

import csv
import json
import math
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine.plain_function import plain_function
from parallelflow.progress import Progress, RunState, Snapshot, recent
from parallelflow.runs import history
from parallelflow.runs.figures import figures, timeline
from parallelflow.runs.report import About, write_report
from parallelflow.runs.table import COLUMNS, ElementState, RunTable
from parallelflow.runs.trace_file import write_trace
from parallelflow.trace import elements_done
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.run import Run
from tests.support.clusters import Cluster, drive

pytestmark = pytest.mark.timeout(300)

TOTAL = 60


def behave(element: int) -> int:
    """Return ten times a number; fail at 7."""
    time.sleep(0.002)
    if element == 7:
        raise ValueError("<seven> & more")
    return 10 * element


@pytest.fixture
def run(cluster: Cluster) -> Run:
    """Return a run that is over: one element has failed, three were known before."""
    policy = ElementPolicy(stop_on_error=False)
    known = {index: index for index in (57, 58, 59)}
    run = Run(
        cluster.client, plain_function, (behave,), range(TOTAL), "the <run>", policy=policy,
        finished=known,
    )  # fmt: skip
    run.progress.trace.element_of = range(TOTAL).__getitem__
    before = RunTable(run.progress)
    assert before.row(3).state is ElementState.WAITING
    drive(run)
    return run


def table_of(run: Run) -> RunTable:
    table = RunTable(run.progress)
    table.refresh()
    return table


def test_rows_tell_where_and_when_each_element_ran(run: Run) -> None:
    table = table_of(run)
    rows = [table.row(index) for index in range(len(table))]
    assert [row.state for row in rows[57:]] == [ElementState.KNOWN] * 3
    done = [row for row in rows[:57] if row.index != 7]
    assert {row.state for row in done} == {ElementState.DONE}
    assert {row.engine for row in done} <= {0, 1} and all(row.host for row in done)
    assert all(row.seconds and row.seconds >= 0.002 and row.attempt == 1 for row in done)
    began = run.progress.trace.began
    assert all(row.start is not None and began <= row.start <= time.time() for row in done)
    failed = rows[7]
    assert failed.state is ElementState.FAILED and failed.message == "ValueError: <seven> & more"
    assert table.shown_input(7) == "7" and table.shown_input(8) == "8"


@pytest.mark.parametrize("column", COLUMNS)
def test_rows_are_sorted_by_each_column(run: Run, column: str) -> None:
    table = table_of(run)
    up, down = table.order(column), table.order(column, descending=True)
    assert sorted(up) == sorted(down) == list(range(TOTAL))
    if column == "seconds":
        assert list(up[57:]) == list(down[57:]) == [57, 58, 59]  # without a time: last
        times = [table.row(index).seconds for index in up[:57]]
        assert times == sorted(times, key=float)  # type: ignore[arg-type]
    assert table.order(column, state=ElementState.FAILED) == [7]
    assert sorted(table.order(column, state=ElementState.KNOWN)) == [57, 58, 59]


def test_figures_add_up(run: Run) -> None:
    seconds = [value for value in table_of(run).seconds() if not math.isnan(value)]
    numbers = figures(run.progress, seconds)
    assert len(seconds) == sum(use.elements for use in numbers.engines) == 57
    assert sum(use.failed for use in numbers.engines) == 1
    assert numbers.work == pytest.approx(run.progress.element_seconds)
    assert all(0 <= use.idle <= 1 for use in numbers.engines)
    assert 0 < numbers.quickest <= numbers.median <= numbers.slowest
    spans = timeline(run.progress)
    assert sum(busy.elements for own in spans.values() for busy in own) == 57


class Page(HTMLParser):
    """Notes what a page refers to, and its tags that are open."""

    VOID = ("meta", "rect", "line", "dt", "dd", "th", "td", "tr")

    def __init__(self) -> None:
        super().__init__()
        self.refers: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.refers += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_page_that_needs_nothing_else(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "run.html"
    run.progress.warn("engine 3 was <lost>")
    write_report(file, About("sweep.vt", [("Parameters", "a = <b>")]), [run.progress])
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    assert not page.refers and "script" not in page.tags and page.tags.count("svg") == 2
    for words in (
        "Report of sweep.vt",
        "the <run>",
        "a = <b>",
        "60: 59 done, 1 failed; 3 of those done were known",
        "ValueError: <seven> & more",
        "engine 3 was <lost>",
        "raise ValueError",
    ):
        assert words in page.text, words
    # A bar for each stretch of work, and one for each class of durations that there is.
    assert page.tags.count("rect") > 3


def test_the_table_has_a_line_for_each_element(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "run.csv"
    write_trace(file, [run.progress])
    lines = list(csv.DictReader(file.open(encoding="utf-8")))
    assert [int(line["index"]) for line in lines] == list(range(TOTAL))
    assert lines[7]["message"] == "ValueError: <seven> & more" and lines[7]["state"] == "failed"
    assert float(lines[8]["start"]) >= 0 and float(lines[8]["seconds"]) >= 0.002


def test_runs_are_remembered_and_a_broken_line_is_left_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert run.progress in recent() and not history.past_runs()
    assert history.remember_runs([run.progress], "sweep.vt:final")
    with history.history_file().open("a") as stream:
        stream.write("{broken\n[1]\n" + "[" * 100_000 + "\n")
        common = {"workflow": "", "label": "", "state": "done"}
        for began in ("x", None, True, math.nan, 1e300, -1):
            stream.write(json.dumps({**common, "began": began}) + "\n")
        for name, value in (("workflow", 5), ("label", ["<b>"]), ("seconds", "9"), ("total", 1.5)):
            stream.write(json.dumps({**common, "began": 1.7e9, name: value}) + "\n")
        stream.write(json.dumps({**common, "began": 1.7e9, "memory": 10**400}) + "\n")
    assert history.remember_runs([run.progress])
    first, second = history.past_runs()
    assert (first.workflow, first.label, first.total, first.failed) == (
        "sweep.vt:final", "the <run>", TOTAL, 1,
    )  # fmt: skip
    assert "ValueError" in first.first_error and second.workflow == ""
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    assert not history.remember_runs([run.progress])


def test_time_left_counts_all_engines_and_not_what_was_known() -> None:
    def left(**known: Any) -> float | None:
        common = {"run": 1, "label": "", "state": RunState.RUNNING, "total": 100, "failed": 0}
        return Snapshot(**{**common, **known}).remaining_seconds

    told = {"wall_seconds": 9.0, "running_seconds": 1.0, "element_seconds": 1.0}
    assert left(done=1, engines=4, **told) == pytest.approx(99 / 4)
    assert left(done=51, known=50, engines=4, **told) == pytest.approx(49 / 4)
    assert left(done=60, known=50, engines=4, **told) == pytest.approx(4.0)
    assert left(done=50, known=50, engines=4, **told) is None


def test_a_million_elements_cost_a_record_for_each_chunk() -> None:
    progress = Progress("large", 1_000_000)
    for number in range(50):
        progress.trace.add(number * 20_000, [1e-6] * 20_000, time.time(), 0.02, 0, "h", 1)
    table = RunTable(progress)
    assert table.refresh() and not table.refresh()
    assert len(progress.trace.chunks) == 50
    assert table.row(999_999).state is ElementState.DONE
    assert next(iter(table.order("seconds"))) == 0 and len(table.order("start", True)) == 1_000_000


def test_elements_are_counted_by_the_engines_process() -> None:
    trace = Progress("x", 5).trace
    before = elements_done("a host", 123456789)
    trace.add(0, [0.1, 0.1], time.time(), 0.2, 0, "a host", 1, 123456789)
    trace.add(2, [0.1], time.time(), 0.1, 0, "a host", 1, 123456789)
    assert elements_done("a host", 123456789) == before + 3
    assert elements_done("another", 123456789) == elements_done(None, None) == 0


def test_the_engines_of_a_run_are_counted(cluster: Cluster) -> None:
    run = Run(cluster.client, plain_function, (behave,), [1] * 20, "counted")
    seen: dict[tuple[str, int], int] = {}
    while not run.is_finished:
        run.poll(0.02)
        seen |= {(w.host or "", w.info["pid"]): 0 for w in run.workers if "pid" in w.info}
    assert sum(elements_done(*engine) for engine in seen) == 20
