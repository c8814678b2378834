"""What the user gets wrong: a line that says so, exit code 2, no traceback, no engines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from parallelflow.cli import main
from tests.support.command import RunHere

from .conftest import Run

ALIASES = "many, real, whole, word, yes"


def told(result: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a mistake; another one may tell where to read more."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    lines = result.stderr.splitlines()
    if lines[-1].startswith("parallelflow: More: "):
        assert re.search(r"More: parallelflow explain PF\d+$", lines.pop())
    assert len(lines) == 1, lines
    assert lines[0].startswith("parallelflow: ")
    return lines[0].removeprefix("parallelflow: ")


@pytest.mark.parametrize("number", ["0", "-1", "abc", "1.5", ""])
def test_a_wrong_number_of_engines(here: RunHere, number: str) -> None:
    line = told(here("run", "any.vt", f"--engines={number}"))
    assert f"{number!r} is not a number of engines" in line
    assert "--help" in line


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--element-timeout=x", "'x' is not a number of seconds"),
        ("--element-timeout=-1", "'-1' is not a number of seconds"),
        ("--retries=-1", "'-1' is not a number of retries: 0 or more"),
        ("--retries=1.5", "'1.5' is not a number of retries"),
        ("--on-error=go", "invalid choice: 'go'"),
        ("--value-for-failed=nobody", "'nobody' is not a value as Python writes it"),
    ],
)
def test_wrong_options_about_elements(here: RunHere, option: str, text: str) -> None:
    assert text in told(here("run", "any.vt", option))


def test_a_launcher_that_does_not_exist(here: RunHere, tmp_path: Path) -> None:
    file = tmp_path / "any.vt"
    file.write_text("<vistrail/>")
    assert "There is no launcher 'pigeons'; ipyparallel offers: local, ssh" in told(
        here("run", str(file), "--launcher", "pigeons")
    )
    assert "5 is no launcher; the number of engines is -n 5" in told(
        here("run", str(file), "--launcher", "5")
    )


@pytest.mark.parametrize("text", ["folds", "=3", " =3", ""])
def test_a_value_without_its_alias(here: RunHere, text: str) -> None:
    line = told(here("run", "any.vt", f"--set={text}"))
    assert f"{text!r} is not of the form ALIAS=VALUE" in line


def test_arguments_that_do_not_exist(here: RunHere) -> None:
    assert "--fast" in told(here("run", "any.vt", "--fast"))
    assert "FILE" in told(here("run"))
    assert "'walk'" in told(here("walk"))


def test_no_command_shows_the_help(here: RunHere) -> None:
    result = here()
    assert (result.returncode, result.stdout) == (2, "")
    assert "parallelflow run sweep.vt" in result.stderr


@pytest.mark.parametrize("verb", ["run", "gui"])
def test_files_that_are_no_vistrails(here: RunHere, tmp_path: Path, verb: str) -> None:
    (tmp_path / "notes.vt").write_text("milk, bread")
    assert told(here(verb, tmp_path / "gone.vt")).endswith("there is no such file.")
    assert "no VisTrails file" in told(here(verb, tmp_path / "notes.vt"))
    assert "is a folder" in told(here(verb, tmp_path))


def test_a_file_that_only_vistrails_finds_wrong(here: RunHere, tmp_path: Path) -> None:
    path = tmp_path / "new.vt"
    path.write_text('<vistrail id="" version="9.9.9"/>')
    line = told(here("run", path))
    assert "VisTrails cannot open it" in line
    assert "9_9_9" in line


def test_a_file_without_its_subworkflow(here: RunHere, cases: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(cases) as whole, zipfile.ZipFile(tmp_path / "part.vt", "w") as part:
        part.writestr("vistrail", whole.read("vistrail"))
    line = told(here("run", tmp_path / "part.vt"))
    assert "VisTrails cannot open it" in line
    assert "add_ten" in line


def test_profiles(here: RunHere, cases: Path) -> None:
    missing = told(here("run", cases, "--profile", "nowhere"))
    assert "There is no IPython profile 'nowhere'" in missing
    assert "ipython profile create" in missing
    for name in ("../up", "a/b", "", "x" * 300):
        assert "is not a valid profile name" in told(here("run", cases, f"--profile={name}"))


@pytest.mark.parametrize("version", ["nix", "9999", "-1", "1.5", "0"])
def test_versions(here: RunHere, cases: Path, version: str) -> None:
    line = told(here("run", f"{cases}:{version}"))
    assert f"has no version {version!r}" in line
    assert "serial_map" in line


def test_aliases(here: RunHere, cases: Path) -> None:
    unknown = told(here("run", f"{cases}:aliases", "--set", "wohle=1"))
    assert "--set wohle: " in unknown
    assert unknown.endswith(f"has no such alias; it has: {ALIASES}.")
    none = told(here("run", f"{cases}:module_fails", "--set", "whole=1"))
    assert none.endswith("it has none.")


@pytest.mark.parametrize(
    ("setting", "kind"),
    [("whole=x", "Integer"), ("real=1,5", "Float"), ("yes=maybe", "Boolean"), ("many=(1", "List")],
)
def test_values_that_do_not_fit(here: RunHere, cases: Path, setting: str, kind: str) -> None:
    line = told(here("run", f"{cases}:aliases", "--set", setting))
    value = setting.partition("=")[2]
    assert f"{value!r} is not a value of type {kind}" in line


def test_every_missing_package_has_a_line(here: RunHere, cases: Path) -> None:
    result = here("run", f"{cases}:unavailable")
    assert (result.returncode, result.stdout) == (2, "")
    first, second, more = result.stderr.splitlines()
    assert "org.example.first" in first
    assert "org.example.second" in second
    assert re.search(r"More: parallelflow explain PF\d+$", more)


def test_packages_that_only_a_group_needs_count(here: RunHere, cases: Path) -> None:
    assert "org.example.inner" in told(here("run", f"{cases}:unavailable_in_group"))


def test_a_package_that_needs_the_window(forked: Run, cases: Path) -> None:
    line = told(forked("run", f"{cases}:needs_window"))
    assert "org.vistrails.vistrails.pythoncalcqt" in line
    assert "needs VisTrails' window" in line


def test_a_module_that_its_package_does_not_have(forked: Run, cases: Path) -> None:
    line = told(forked("run", f"{cases}:no_such_module"))
    assert "does not fit the VisTrails packages of this machine" in line
    assert "Unheard" in line


def test_a_python_without_vistrails(parallelflow: Run, cases: Path, tmp_path: Path) -> None:
    # The libraries of this environment, but for VisTrails itself.
    venv.create(tmp_path / "bare", symlinks=True)
    library = tmp_path / "bare" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = library / "site-packages"
    shutil.rmtree(packages)
    packages.mkdir()
    for place in sys.path:
        if Path(place).name in ("site-packages", "dist-packages"):
            for item in Path(place).iterdir():
                if not item.name.startswith("vistrails") and item.suffix != ".pth":
                    (packages / item.name).symlink_to(item)
    python = tmp_path / "bare" / "bin" / "python"
    root = os.fspath(Path(__file__).resolve().parents[2])
    result = subprocess.run(
        [python, "-m", "parallelflow", "run", f"{cases}:serial_map"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert "VisTrails" in told(result)


@pytest.mark.parametrize(
    ("setting", "ends"),
    [
        (f"whole={'9' * 5000}", "is not a value of type Integer."),
        (f"many={'[' * 3000}", "is not a value of type List."),
        ("word=\udcff", "'\\udcff' is not a value of type String."),  # bytes that are not UTF-8
        ("wh\nole=1", "has no such alias; it has: many, real, whole, word, yes."),
    ],
)
def test_values_that_are_long_or_no_text(
    cases: Path, capsys: pytest.CaptureFixture[str], setting: str, ends: str
) -> None:
    assert main(["run", f"{cases}:aliases", "--set", setting]) == 2
    line, more = capsys.readouterr().err.splitlines()
    assert line.endswith(ends) and len(line) < 700 and line.isprintable() and "More: " in more


@pytest.mark.parametrize("name", ["a\nb.vt", "-x.vt", "$HOME", "~", "x:y.vt", "%s{0}.vt", "ü €.vt"])
def test_files_of_any_name_run(
    name: str,
    cases: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).symlink_to(cases)
    assert main(["run", "--", f"{name}:serial_map"]) == 0
    assert capsys.readouterr().out == "[2, 4, 6]\n"


def test_a_version_with_more_digits_than_numbers_have(
    cases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", f"{cases}:{'9' * 5000}"]) == 2
    line = capsys.readouterr().err.splitlines()[0]
    assert "has no version '999" in line and len(line) < 1200


@pytest.mark.parametrize(
    "arguments", [["info", "\x1b[31m\nx"], ["a\nb"], ["run", "x.vt", "--\udcff"], ["x" * 5000]]
)
def test_what_is_no_argument_is_told_on_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable() and len(line) < 600 and "--help" in line
