"""The wheel in an environment of its own beside VisTrails: it works there, and leaves no trace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

import parallelflow

from .conftest import ROOT

# A guard against deadlocks; the example takes a few seconds.
SECONDS = 240.0

# An example that takes Parallel Flow and VisTrails alone: no library takes seconds to import.
EXAMPLE = ROOT / "docs" / "examples" / "outbreak.vt"
SETTINGS = [f"data={EXAMPLE.with_suffix('.csv')}", "rates=[1.5, 1.6, 1.7]", "recoveries=[0.2, 0.4]"]

Command = Callable[..., "subprocess.CompletedProcess[str]"]


class Environment:
    """A virtual environment with VisTrails and what Parallel Flow depends on, but not with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "venv"
        venv.create(self.folder, with_pip=False, symlinks=True)
        self.python = self.folder / "bin" / "python"
        self._outside = folder / "outside"
        self._outside.mkdir()
        self._variables = {
            **{k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")},
            "HOME": str(self._outside),
            "IPYTHONDIR": str(self._outside / "ipython"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "QT_QPA_PLATFORM": "offscreen",
        }
        self.site = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
        self._bring_dependencies(folder / "dependencies")

    def _bring_dependencies(self, links: Path) -> None:
        """Let it see this environment's packages, as if they had been installed from an index."""
        links.mkdir()
        ours = Path(sysconfig.get_path("purelib"))
        for path in ours.iterdir():
            name = path.name.lower()
            if path.suffix != ".pth" and not name.startswith(
                ("parallelflow", "__editable", "vistrails")
            ):
                (links / path.name).symlink_to(path)
        (self.site / "dependencies.pth").write_text(f"{links}\n")
        # A copy: VisTrails puts the parent of its real folder on the path.
        vistrails = next(
            Path(p) / "vistrails" for p in sys.path if (Path(p) / "vistrails").is_dir()
        )
        shutil.copytree(vistrails, self.site / "vistrails")

    def call(self, *command: object, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, outside of the checkout."""
        settings = {"cwd": self._outside, "env": self._variables, "timeout": SECONDS}
        return subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            **{**settings, **options},  # type: ignore[call-overload]
        )

    def run(self, *arguments: object) -> str:
        """Run its Python; return what it prints."""
        result = self.call(self.python, *arguments)
        assert result.returncode == 0, result.stderr
        return str(result.stdout.strip())

    def pip(self, *arguments: object) -> None:
        """Run pip for it, without an index: all that is needed is there."""
        result = self.call(
            sys.executable, "-m", "pip", "--python", self.python, "--no-input", *arguments
        )
        assert result.returncode == 0, result.stdout + result.stderr

    def files(self) -> set[str]:
        """Return all its files but VisTrails'."""
        found = (p.relative_to(self.folder) for p in self.folder.rglob("*") if p.is_file())
        return {str(p) for p in found if "vistrails" not in p.parts}


@pytest.mark.own_cluster
def test_the_wheel_works_beside_vistrails_and_goes_without_a_trace(
    distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    environment = Environment(tmp_path)
    before = environment.files()
    environment.pip("install", "--no-index", distributions[1])
    command = environment.folder / "bin" / "parallelflow"

    version = environment.call(command, "--version")
    assert version.stdout == f"parallelflow {parallelflow.version}\n"

    # Python's own start has made the alias: nothing of ours is called first.
    where = environment.run(
        "-c",
        "import vistrails.packages.parallelflow.api as api, parallelflow.api\n"
        "assert api is parallelflow.api\n"
        "print(api.__file__)\n"
        "print(api.parallel_map(abs, [-1]))",
    )
    assert where.splitlines() == [str(environment.site / "parallelflow" / "api.py"), "[1]"]

    check = environment.call(command, "check")
    assert check.returncode == 0, check.stdout
    assert "in any program of this Python" in " ".join(check.stdout.split())

    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    result = environment.call(command, "run", EXAMPLE, "--engines", 1, *settings)
    assert result.returncode == 0, result.stderr
    assert "6 fits. Best: a boy infects " in result.stdout
    assert re.search(r"parallelflow: 6 elements, 1 engine: ", result.stderr)

    environment.pip("uninstall", "--yes", "parallelflow")
    assert environment.files() == before
    bundled = environment.run(
        "-c",
        "import importlib.util as u, sys\n"
        "print(u.find_spec('parallelflow'), [f for f in sys.meta_path if 'Vistrails' in str(f)])",
    )
    assert bundled == "None []"
