"""Set up: the form of a profile for engines on other machines."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine_manager.system import profiles
from parallelflow.errors import StartCancelled
from parallelflow.findings import FINE, NOTE, TO_DO, Finding
from parallelflow.profile_setup.answers import LAUNCHERS, Answers, questions_for
from parallelflow.profile_setup.profile_files import Written, read_answers, write_answers

pytestmark = pytest.mark.gui

PROFILE = "set-up-in-a-form"
HERE = "127.0.0.1"


@pytest.fixture
def folder() -> Iterator[Path]:
    made = profiles.profile_folder(PROFILE)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def shown(qtbot: Any, **options: Any) -> Any:
    from parallelflow.gui.setup_dialog import SetupDialog

    dialog = SetupDialog(PROFILE, **options)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def choose(dialog: Any, launcher: str) -> None:
    dialog.launcher.setCurrentIndex(LAUNCHERS.index(launcher))


def answer(dialog: Any, **answers: str) -> None:
    for name, text in answers.items():
        field = dialog.fields[name]
        (field.setEditText if name == "address" else field.setText)(text)


def wait(qtbot: Any, dialog: Any) -> None:
    qtbot.waitUntil(lambda: not dialog.busy.isVisible(), timeout=60_000)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_what_a_launcher_is_asked_for_is_shown(qtbot: Any, folder: Path, launcher: str) -> None:
    dialog = shown(qtbot)
    choose(dialog, launcher)
    asked = {name for name, field in dialog.fields.items() if field.isVisible()}
    assert asked == {question.name for question in questions_for(launcher)}
    labels = {name for name, f in dialog.fields.items() if dialog.form.labelForField(f).isVisible()}
    assert labels == asked
    for field in dialog.fields.values():
        if field.isVisible() and hasattr(field, "placeholderText"):
            needed = field.fontMetrics().horizontalAdvance(field.placeholderText())
            assert field.width() > needed, field.placeholderText()


def test_answers_are_saved_and_shown_the_next_time(qtbot: Any, folder: Path) -> None:
    dialog = shown(qtbot)
    choose(dialog, "slurm")
    answer(dialog, queue="short", wall_time="90 min", memory="2 GB", address=HERE)
    with qtbot.waitSignal(dialog.written):
        dialog.save_button.click()
    wait(qtbot, dialog)
    assert read_answers(PROFILE) == Answers(
        "slurm", queue="short", wall_time=5400, memory=2048, address=HERE
    )
    assert "ipcluster_config.py" in dialog.text.text() and not dialog.findings.isVisible()
    again = shown(qtbot)
    assert again.chosen() == "slurm" and again.answers() == read_answers(PROFILE)
    assert again.fields["wall_time"].text() == "1:30:00"


def test_an_answer_that_cannot_be_meant_is_told_and_not_saved(qtbot: Any, folder: Path) -> None:
    dialog = shown(qtbot)
    choose(dialog, "slurm")
    answer(dialog, address=HERE)
    assert dialog.save_button.isEnabled()
    answer(dialog, wall_time="soon")
    assert "'soon' is not a wall time" in dialog.hint.text() and dialog.hint.isVisible()
    assert not dialog.save_button.isEnabled() and not dialog.test_button.isEnabled()
    # Another launcher is asked for something else.
    choose(dialog, "ssh")
    assert dialog.hint.text().startswith("Machines: each with its number")
    answer(dialog, machines="node1=4 me@node2=8")
    assert not dialog.hint.isVisible() and dialog.save_button.isEnabled()


def test_a_broken_file_is_told_with_its_line(qtbot: Any, folder: Path) -> None:
    profiles.ensure_folder(PROFILE)
    (folder / "ipcontroller_config.py").write_text("c = get_config(\n")
    dialog = shown(qtbot)
    choose(dialog, "slurm")
    answer(dialog, address=HERE)
    dialog.save_button.click()
    qtbot.waitUntil(dialog.error.isVisible)
    wait(qtbot, dialog)
    assert dialog.save_button.isEnabled() and read_answers(PROFILE) is None


def test_what_the_test_finds_is_listed(
    qtbot: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real test, which ends before it starts anything: there is no bsub.
    monkeypatch.setenv("PATH", "/nowhere")
    dialog = shown(qtbot)
    choose(dialog, "lsf")
    answer(dialog, address=HERE)
    dialog.test_button.click()
    wait(qtbot, dialog)
    assert dialog.states() == [TO_DO]
    assert "needs the program bsub" in dialog.findings.item(0).text()
    assert "something to do" in dialog.text.text()


def test_a_test_that_finds_all_well_says_so(qtbot: Any, folder: Path) -> None:
    seen = threading.Event()

    def trial(profile: str, launcher: str, progress: Any, **_: Any) -> Iterator[Finding]:
        assert (profile, launcher) == (PROFILE, "slurm")
        # A folder whose name takes several lines must not push the form off the screen.
        progress(Written(Path("/home", *["some-project"] * 14), (Path("ipcluster_config.py"),), ()))
        assert seen.wait(60)
        yield Finding(FINE, "node1: an engine has joined after 4 s")
        yield Finding(NOTE, "node1: another Python", ("more",))
        yield Finding(NOTE, "the rest is as it should be")

    dialog = shown(qtbot, trial=trial)
    choose(dialog, "slurm")
    answer(dialog, address=HERE)
    dialog.test_button.click()
    qtbot.waitUntil(lambda: "some-project" in dialog.text.text())
    assert dialog.height() <= 560  # of a screen of 1024 x 600
    seen.set()
    wait(qtbot, dialog)
    assert dialog.states() == [FINE, NOTE, NOTE]
    assert dialog.findings.item(1).text() == "node1: another Python\nmore"
    assert dialog.findings.item(2).text() == "The rest is as it should be"
    assert dialog.text.text().startswith("It works: Slurm")
    assert dialog.height() <= 560 and dialog.width() <= 960
    assert read_answers(PROFILE) is not None


def test_closing_gives_a_test_up_that_is_under_way(qtbot: Any, folder: Path) -> None:
    begun = threading.Event()

    def trial(profile: str, launcher: str, cancel: threading.Event, **_: Any) -> Iterator[Finding]:
        begun.set()
        cancel.wait(60)
        if cancel.is_set():
            raise StartCancelled("given up")
        yield Finding(TO_DO, "nobody has cancelled")

    dialog = shown(qtbot, trial=trial)
    choose(dialog, "slurm")
    answer(dialog, address=HERE)
    dialog.test_button.click()
    qtbot.waitUntil(begun.is_set)
    assert dialog.close_button.text() == "&Cancel" and not dialog.save_button.isEnabled()
    dialog.close_button.click()
    wait(qtbot, dialog)
    assert "was cancelled" in dialog.text.text() and dialog.isVisible()
    dialog.close_button.click()
    assert not dialog.isVisible()


def test_the_form_of_the_chosen_profile_is_opened_from_the_profiles(
    qtbot: Any, folder: Path, manager: Any
) -> None:
    from parallelflow.engine_manager.model import ProfileInfo
    from parallelflow.gui.profile_dialog import ProfileDialog

    write_answers(PROFILE, Answers("pbs", queue="long", address=HERE))
    manager.known = [
        ProfileInfo("default", "/profiles/default", True, False),
        ProfileInfo(PROFILE, str(folder), False, True),
    ]
    dialog = ProfileDialog(manager, lambda name: None)
    qtbot.addWidget(dialog)
    dialog.open()
    qtbot.waitUntil(lambda: len(dialog.profiles) == 2)
    dialog.table.setCurrentItem(dialog.table.topLevelItem(1))
    dialog.setup_button.click()
    form: Any = dialog.setup
    assert form.isVisible() and form.chosen() == "pbs"
    assert form.fields["queue"].text() == "long" and PROFILE in form.windowTitle()
    form.reject()
    assert not form.isVisible() and dialog.isVisible()
    dialog.reject()
