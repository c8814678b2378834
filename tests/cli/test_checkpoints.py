"""A run that fails, and the next one that computes only what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import json_tables
from tests.support.command import RunHere

from .conftest import Run


def test_a_failed_run_resumes_and_is_shown_meanwhile(
    forked: Run,
    here: RunHere,
    cases: Path,
    running: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    nothing = here("checkpoints")
    assert (nothing.returncode, nothing.stdout[:15]) == (0, "no checkpoints:")
    refused = here("run", f"{cases}:element_fails", "--failed")
    assert refused.returncode == 2 and refused.stderr.startswith(f"parallelflow: {cases}: no run")

    first = forked(
        "run", f"{cases}:element_fails", "--on-error", "finish others", "--profile", running
    )
    assert first.returncode == 1 and "resuming" not in first.stderr
    listed = here("checkpoints").stdout
    name, *_ = listed.split()
    assert len(listed.splitlines()) == 1 and str(cases) in listed and " today " in listed
    shown = here("checkpoints", "show", name).stdout
    assert "the function: #" in shown
    for arguments in ((), ("show", name)):
        told = json.loads(here("checkpoints", *arguments, "--json").stdout)
        json_tables.check("checkpoints", told)
        [kept] = told["checkpoints"]
        assert (told["schema"], kept["name"], kept["file"]) == (1, name, str(cases))
        assert f"{kept['done']} of {kept['total']}" in listed
        assert all(f"{part}: {value}" in shown for part, value in kept["parts"].items())

    second = forked("run", f"{cases}:element_fails", "--failed", "--profile", running)
    assert "parallelflow: resuming the run of today " in second.stderr, second.stderr
    assert "elements are done (parallelflow checkpoints shows them;" in second.stderr
    third = here("run", f"{cases}:element_fails", "--no-resume", "--profile", running)
    assert "resuming" not in third.stderr

    assert here("checkpoints", "remove", "--all").returncode == 0
    assert not list(tmp_path.rglob("*.checkpoint"))


def test_names_that_are_none(here: RunHere) -> None:
    result = here("checkpoints", "show", "nobody")
    assert result.returncode == 2
    assert result.stderr.startswith("parallelflow: There is no checkpoint nobody;")
    result = here("checkpoints", "remove")
    assert (result.returncode, result.stdout) == (2, "")
    assert "Name the checkpoint to remove" in result.stderr
    result = here("checkpoints", "remove", "--all", "--json")
    assert (result.returncode, result.stdout) == (2, "")
    assert "--json is for list and show" in result.stderr
