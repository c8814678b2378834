"""Values that nobody expects, in what the panel Runs shows of a run and in what is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parallelflow.errors import ElementFailure
from parallelflow.progress import Progress, RunState
from parallelflow.runs import history
from parallelflow.runs.table import RunTable
from parallelflow.trace import ChunkTrace

pytestmark = pytest.mark.gui

MARKUP = "<b>bold</b> &lt;"


def run_of(total: int, **failures: str) -> Progress:
    """Return a run that is over; what has failed is given as ``e7="its message"``."""
    run = Progress("squares", total, RunState.DONE, done=total - len(failures))
    run.trace.chunks.append(ChunkTrace(0, total, 0, "here", run.trace.began, [0.01] * total, 1))
    run.trace.failures = {
        int(name[1:]): ElementFailure(
            int(name[1:]), total, MARKUP, "run", "ValueError", message, engine=0, host="here"
        )
        for name, message in failures.items()
    }
    return run


@pytest.fixture
def panel(qtbot: Any) -> Any:
    from parallelflow.gui.runs_panel import RunsPanel

    shown = RunsPanel(lambda: None, lambda: None, lambda place: None, lambda place: True)
    qtbot.addWidget(shown)
    return shown


def tips(model: Any, row: int) -> list[str]:
    from PyQt5.QtCore import Qt

    places = [model.index(row, column) for column in range(model.columnCount())]
    return [model.data(place, Qt.ToolTipRole) for place in places]


def test_what_looks_like_html_is_shown_as_it_is(panel: Any) -> None:
    from PyQt5.QtCore import Qt

    panel.show_run(run_of(3, e1=MARKUP, e2="x" * 1_000_000))
    shown = [tip for row in (1, 2) for tip in tips(panel.model, row) if tip]
    assert len(shown) == 4 and not any(map(Qt.mightBeRichText, shown)), shown
    assert shown[0].replace("\u200b", "") == MARKUP
    assert "bold" in shown[1] and len(shown[3]) < 3_000
    assert max(map(len, shown[3].splitlines())) <= 100
    message = panel.model.data(panel.model.index(2, 9))
    assert message.startswith("ValueError: xxx") and len(message) < 2_000


def test_a_number_of_thousands_of_digits_is_no_index(panel: Any) -> None:
    panel.show_run(run_of(3))
    for text, found in (("9" * 5_000, []), ("2", [2])):
        panel.text.setText(text)
        panel.text.returnPressed.emit()
        assert [panel.model.element(row) for row in range(panel.model.rowCount())] == found


def test_it_is_told_what_is_searched_and_copied_of_very_many_elements(panel: Any) -> None:
    run = run_of(30_000, e7="seven")
    run.trace.element_of = range(30_000).__getitem__
    panel.show_run(run)
    panel.text.setText("seven")
    panel.text.returnPressed.emit()
    assert panel.model.rowCount() == 1
    assert "words are looked for in failed ones only" in panel.line.text()
    panel.text.clear()
    assert panel.model.rowCount() == 30_000 and "words" not in panel.line.text()
    panel.copy_button.click()
    assert panel.line.text() == "The first 20000 rows were copied; 'Save table' writes all."


def test_a_run_that_ends_while_the_history_is_shown_is_added(
    panel: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history.remember_runs([run_of(3)])
    panel.tabs.setCurrentIndex(4)
    panel.refresh()
    rows = panel.past.topLevelItemCount()
    assert history.remember_runs([run_of(4, e1=MARKUP)])
    panel.refresh()
    assert panel.past.topLevelItemCount() == rows + 1
    tip = panel.past.topLevelItem(0).toolTip(3)
    assert tip.startswith("Element 1 of 4") and "bold" in tip


def test_of_a_very_large_value_the_begin_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from parallelflow.gui import element_dialog

    monkeypatch.setattr(element_dialog, "MOST_PARTS", 500)
    itself: list[Any] = [1]
    itself.append(itself)
    values = [
        {"deep": [[number, str(number)] for number in range(5_000)]},
        "y" * 3_000_000,
        itself,
        {(1, frozenset([2])): {3}},
    ]
    run = run_of(len(values))
    run.trace.element_of = run.trace.value_of = values.__getitem__
    table = RunTable(run)
    table.refresh()
    many, long, cyclic, small = (
        element_dialog.describe(table, index) for index in range(len(values))
    )
    assert "[[0, '0']," in "".join(many.split("\n")).replace("  ", "")
    assert many.count("(the begin of a larger value)") == 2
    assert len(many.splitlines()) < 1_500
    assert len(long) < 1_000_000 and long.count("(the begin of a larger value)") == 2
    assert "Recursion" in cyclic and "begin of" not in cyclic
    assert small.count("{(1, frozenset({2})): {3}}") == 2


def test_a_list_that_python_cannot_make_is_told(qtbot: Any) -> None:
    from parallelflow.gui.map_form import MapForm
    from parallelflow.loops.map_editing import MapChoice, PortName, names_in

    form = MapForm()
    qtbot.addWidget(form)
    form.show_choice(MapChoice(("x",), "o"), [PortName("x", "Float")], [PortName("o", "Float")])
    for text in ("[{[1]: 2}]", "[{[]}]", "[" + "-" * 5_000 + "1]", "[" * 500, "[\u0000]"):
        form.elements.setText(text)
        form.elements.textEdited.emit(text)
        assert form.hint.text().startswith("The list is not one that Python reads"), text
    assert names_in("[{[1]: 2}, x]") == ("{[1]: 2}", "x")  # no ports: the form says so


def test_what_is_no_character_is_written_all_the_same(panel: Any, tmp_path: Path) -> None:
    panel.show_run(run_of(3, e1="no file 'caf\udce9.csv'"))
    for kind in ("report", "table"):
        file = tmp_path / kind
        panel.save(kind, file)
        assert "was written" in panel.line.text(), panel.line.text()
        assert "caf\\udce9.csv" in file.read_text(encoding="utf-8")
