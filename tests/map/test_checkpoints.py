"""A Map that has not ended well goes on in another session; what has changed begins anew.

The other session is this one after it has forgotten what it knew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from parallelflow.checkpoints import folder
from parallelflow.checkpoints.content import AT_ONCE_BYTES
from parallelflow.loops import checkpoint as loop_checkpoint
from parallelflow.loops import resume
from tests.support.workflows import PARALLEL_FLOW, Workflow, constant, map_part, run, source

pytestmark = pytest.mark.usefixtures("cluster", "home")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have checkpoints of this test alone."""
    monkeypatch.setattr(folder, "checkpoints_folder", lambda: tmp_path / "checkpoints")
    resume.unfinished.clear()
    yield tmp_path / "checkpoints"
    resume.unfinished.clear()


def workflow(tmp_path: Path, elements: Any, given: Any = 7, code: str = "o = i + c") -> Workflow:
    """Return a Map that fails at -1, notes what it computes, and takes another input."""
    text = (
        f"open({str(tmp_path / 'computed')!r}, 'a').write(str(i) + '\\n')\n"
        f"import os\nif i == -1 and not os.path.exists({str(tmp_path / 'mended')!r}):\n"
        f"    raise ValueError('on purpose')\n{code}"
    )
    parts = [
        source(text, ("i", "c")),
        map_part(functions={"OnError": "finish others"}),
        constant(elements),
        constant(given),
    ]
    connections = [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 0, "c")]
    return Workflow(parts, connections)


def computed(tmp_path: Path) -> list[int]:
    """Return what was computed since the last time, sorted."""
    file = tmp_path / "computed"
    found = sorted(map(int, file.read_text().split())) if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def forget() -> None:
    resume.unfinished.clear()


def test_what_has_failed_is_computed_again_in_another_session(tmp_path: Path) -> None:
    assert run(workflow(tmp_path, [1, 2, -1, 4]), PARALLEL_FLOW).errors
    assert computed(tmp_path) == [-1, 1, 2, 4]
    forget()
    (tmp_path / "mended").touch()
    # In another order, and with one more.
    ours = run(workflow(tmp_path, [-1, 5, 4, 1, 2]), PARALLEL_FLOW)
    assert ours.values[1] == [6, 12, 11, 8, 9]
    assert computed(tmp_path) == [-1, 5]
    assert folder.list_kept() == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"given": 8}, "the value on port c of module 0 has changed"),
        ({"code": "o = i - c"}, "the function has changed"),
    ],
)
def test_what_has_changed_begins_anew_and_is_told(
    tmp_path: Path, change: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(workflow(tmp_path, [1, 2, -1]), PARALLEL_FLOW)
    computed(tmp_path)
    forget()
    caplog.clear()
    run(workflow(tmp_path, [1, 2, -1], **change), PARALLEL_FLOW)
    assert computed(tmp_path) == [-1, 1, 2]
    [line] = [r.getMessage() for r in caplog.records if "resuming" in r.getMessage()]
    assert line.startswith("not resuming the run of today") and line.endswith(f": {why}")


def test_a_changed_package_begins_anew_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run(workflow(tmp_path, [1, -1]), PARALLEL_FLOW)
    computed(tmp_path)
    forget()
    original = loop_checkpoint.parts_of

    def changed(loop: Any) -> Iterator[tuple[str, Any]]:
        for name, value in original(loop):
            yield name, "9.9" if name == "package org.vistrails.vistrails.basic" else value

    monkeypatch.setattr(loop_checkpoint, "parts_of", changed)
    run(workflow(tmp_path, [1, -1]), PARALLEL_FLOW)
    assert computed(tmp_path) == [-1, 1]
    assert "package org.vistrails.vistrails.basic is 9.9, was " in caplog.text


def test_a_changed_file_is_another_element(tmp_path: Path) -> None:
    """What a File names is compared by what is in it, on disk and in the session's memory."""
    from vistrails.core.modules.basic_modules import PathObject

    data, read = tmp_path / "data", tmp_path / "read"
    text = (
        "if i == -1:\n    raise ValueError('on purpose')\n"
        f"o = open(i.name).read()\nopen({str(read)!r}, 'a').write(o + ' ')"
    )
    part = map_part(functions={"OnError": "finish others"})
    parts = [source(text), part, constant([PathObject(str(data)), -1])]
    flow = Workflow(parts, [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList")])
    for content in ("one", "one", "two", "two"):
        data.write_text(content)
        assert run(flow, PARALLEL_FLOW).errors
    assert read.read_text() == "one two "
    forget()
    for content in ("two", "three"):
        data.write_text(content)
        assert run(flow, PARALLEL_FLOW).errors
    assert read.read_text() == "one two three "


@pytest.mark.parametrize("in_session", [True, False])
def test_an_input_that_was_changed_in_place_begins_anew(tmp_path: Path, in_session: bool) -> None:
    """Also one whose digest takes its time."""
    array = numpy.zeros(AT_ONCE_BYTES // 4)
    flow = workflow(tmp_path, [1, 2, -1], array, "o = i + float(c[-1])")
    for value, again in ((0.0, [-1, 1, 2]), (0.0, [-1]), (5.0, [-1, 1, 2]), (5.0, [-1])):
        array[-1] = value
        assert run(flow, PARALLEL_FLOW).errors
        assert computed(tmp_path) == again
        if not in_session:
            forget()
    (tmp_path / "mended").touch()
    assert run(flow, PARALLEL_FLOW).values[1] == [6.0, 7.0, 4.0]
