"""``--branches-from-log``: what the log of the last run shows to be slow runs side by side."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import RunHere


def test_slow_modules_are_branches_if_that_is_wanted(
    here: RunHere, running: str, cases: Path, folder: Path
) -> None:
    options = ("--profile", running, "--branches-from-log")
    first = here("run", f"{cases}:two_pauses", *options, "--save-log", folder / "logged.vt")
    assert first.returncode == 0 and "branches" not in first.stderr, first.stderr
    second = here("run", folder / "logged.vt:two_pauses", *options, "--set", "seconds=0.1")
    assert second.returncode == 0, second.stderr
    assert sorted(second.stdout.splitlines()) == ["rested 0.1", "rested 1.2"]
    assert "branches: 2 elements" in second.stderr
    # Off: by itself nothing runs there.
    third = here("run", folder / "logged.vt:two_pauses", "--profile", running)
    assert third.returncode == 0 and "branches" not in third.stderr


def test_of_an_exploration_what_no_parameter_reaches(
    here: RunHere, running: str, cases: Path, folder: Path
) -> None:
    logged = f"{folder / 'logged.vt'}:shared_pauses"
    first = here("run", f"{cases}:shared_pauses", "--save-log", folder / "logged.vt",
                 "--set", "a=1.05", "--set", "b=1.05")  # fmt: skip
    assert first.returncode == 0, first.stderr
    options = ("--set", "n=1,2", "--profile", running)
    second = here("explore", logged, *options, "--branches-from-log")
    assert second.returncode == 0 and "branches: 2 elements" in second.stderr, second.stderr
    assert "1,rested 0.1, rested 0.1: 1," in second.stdout.replace('"', "")
    third = here("explore", logged, *options)
    assert third.returncode == 0 and "branches" not in third.stderr, third.stderr
