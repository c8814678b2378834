"""Tab completion, asked as shells ask: by what `parallelflow completion` prints."""

from __future__ import annotations

import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from parallelflow.cli import cluster_parser, completion
from parallelflow.cli.completion import complete_target
from parallelflow.engine_manager.launch import launchers
from tests.support.command import RunHere

from .conftest import environment

# The shell's variables at a Tab, the function that it calls then, and what came of it.
ASK = """
eval "$(parallelflow completion bash)"
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE} COMP_TYPE=9
    COMPREPLY=()
    _python_argcomplete parallelflow
    IFS=,; echo "${COMPREPLY[*]}"; unset IFS
done
"""


@pytest.fixture
def folder(tmp_path: Path, cases: Path) -> Path:
    """Return a folder with a vistrail and the command in it."""
    (tmp_path / "cases.vt").symlink_to(cases)
    (tmp_path / "notes.txt").touch()
    program = tmp_path / "parallelflow"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m parallelflow "$@"\n')
    program.chmod(0o755)
    return tmp_path


def test_bash_completes_commands_options_files_and_tags(folder: Path) -> None:
    pytest.importorskip("argcomplete")
    lines = [
        "parallelflow sho",
        "parallelflow run --dry",
        "parallelflow run cas",
        "parallelflow run cases.vt:serial",
        "parallelflow run cases.vt --progress n",
        "parallelflow explore cases.vt:serial_m",
        "parallelflow run cases.vt --launcher sl",
        "parallelflow run cases.vt --set wh",
        "parallelflow explain PF0",
    ]
    variables = {**environment(), "PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", ASK, "bash", *lines],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    commands, option, file, tag, word, explored, launcher, alias, codes = done.stdout.splitlines()
    assert commands.strip() == "show"
    assert option.strip() == "--dry-run"
    assert file.strip() == "cases.vt"
    # Of a word with a colon bash wants what follows it.
    assert tag.strip() == "serial_map"
    assert word.strip() == "none"
    assert explored.strip() == "serial_map"
    assert launcher.strip() == "slurm"
    assert alias.strip() == "whole="
    assert codes.startswith("PF01") and "PF09" in codes


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_shell_can_read_its_lines(here: RunHere, shell: str, tmp_path: Path) -> None:
    """Of the shells that this machine has; all have lines that name the command."""
    pytest.importorskip("argcomplete")
    done = here("completion", shell)
    assert done.returncode == 0 and "parallelflow" in done.stdout
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    lines = tmp_path / "lines"
    lines.write_text(done.stdout, encoding="utf-8")
    read = subprocess.run([program, "-n", lines], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


def test_fish_completes_tags_and_aliases(folder: Path) -> None:
    pytest.importorskip("argcomplete")
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("there is no fish here")
    asked = ("run cases.vt:serial", "run cases.vt --set wh")
    script = ["parallelflow completion fish | source"]
    script += [f"complete -C 'parallelflow {line}'" for line in asked]
    done = subprocess.run(
        [fish, "--no-config", "-c", "; ".join(script)],
        cwd=folder,
        env={**environment(), "PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["cases.vt:serial_map", "whole="]


def test_tags_of_what_is_no_vistrail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert "cases.vt:aliases" in complete_target("cases.vt:")
    assert complete_target("gone.vt:") == []


def test_what_there_is_completes_an_argument(
    here: RunHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launchers that are offered, without ipyparallel's half a second."""
    assert set(cluster_parser.LAUNCHERS) == set(launchers.TITLES)
    for metavar, completer in completion.COMPLETERS.items():
        assert isinstance(completer(prefix="", parsed_args=Namespace()), list), metavar


def test_without_the_library_it_says_so(here: RunHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    done = here("completion", "zsh")
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs the library argcomplete" in done.stderr
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    with pytest.raises(SystemExit):
        here("completion", "zsh")
