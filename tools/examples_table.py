"""Run VisTrails' own examples, each in a process of its own, and write the table of the results.

    python tools/examples_table.py [--examples FOLDER] [--table FILE] [--limit SECONDS] [NAME ...]

It uses the Python it is started with, and needs no display. Names are parts of the examples'
paths, e.g. ``matplotlib`` or ``usersguide/mashups``; without one, all are run. Files that the
workflows write go to a temporary folder.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = Path(sys.prefix) / "share" / "vistrails" / "examples"
TABLE = ROOT / "docs" / "examples.md"

#: Seconds for one example. Most take two to ten; an unreachable web server takes the rest.
LIMIT = 120.0

#: Examples that cannot run anywhere by themselves: part of their path, and what they need.
NEEDS: dict[str, str] = {}

#: Libraries whose versions the table names.
LIBRARIES = ("matplotlib", "scikit-learn", "vtk", "dulwich", "numpy", "PyQt5")


@dataclass(frozen=True)
class Result:
    """What became of one example."""

    name: str
    runs: bool
    reason: str
    seconds: float
    files: int


def run_example(path: Path, name: str, limit: float, keep: Path | None) -> Result:
    """Run the latest version of a vistrail and say why it failed, if it did."""
    with tempfile.TemporaryDirectory(prefix="example-") as folder:
        home, work = Path(folder, "home"), Path(folder, "work")
        home.mkdir()
        work.mkdir()
        # Some examples read files beside them.
        for beside in path.parent.iterdir():
            if beside.is_file() and beside.suffix != ".vt":
                shutil.copy(beside, work)
        given = {file.name for file in work.iterdir()}
        environment = {
            **os.environ,
            "HOME": str(home),
            # VTK's specification is built once, not for each example.
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
            "QT_QPA_PLATFORM": "offscreen",
            "PYTHONFAULTHANDLER": "1",
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("DISPLAY", None)
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "parallelflow", "run", str(path)],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            _, said = process.communicate(timeout=limit)
            reason = "" if process.returncode == 0 else _reason(process.returncode, said)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            reason = f"did not end within {limit:.0f} s"
        seconds = time.monotonic() - started
        files = sum(file.name not in given for file in work.iterdir())
        if keep is not None:
            shutil.copytree(work, keep / Path(name).with_suffix(""), dirs_exist_ok=True)
    return Result(name, not reason, reason, seconds, files)


def _reason(code: int, said: str) -> str:
    if code < 0:
        return f"the process ended by {signal.Signals(-code).name}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [
        line.removeprefix("parallelflow: ")
        for line in lines
        if line.startswith("parallelflow: ") and "More: '" not in line
    ]
    return (errors or lines or [f"exit code {code}"])[-1]


def write_table(file: Path, results: Iterable[Result], needs: Mapping[str, str]) -> None:
    """Write the page of the documentation."""
    results = list(results)
    versions = [f"Python {platform.python_version()}"]
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    lines = [
        "# VisTrails' own examples",
        "",
        *textwrap.wrap(
            "`make examples` runs each of the examples that come with VisTrails 3.0 without a "
            "window, in a process of its own, and writes this page. "
            f"{sum(result.runs for result in results)} of {len(results)} run, with "
            f"{', '.join(versions)}.",
            110,
        ),
        "",
        "| Example | Runs | If not, why |",
        "|---|---|---|",
    ]
    for result in results:
        need = next((text for part, text in needs.items() if part in result.name), "")
        reason = (need or result.reason).replace("|", "\\|").replace("`", "'")
        lines.append(
            f"| {result.name} | {'yes' if result.runs else 'no'} |"
            + (f" {reason} |" if not result.runs else " |")
        )
    file.write_text("\n".join(lines) + "\n")


def main() -> int:
    """Run the examples that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--examples", type=Path, default=EXAMPLES)
    parser.add_argument("--table", type=Path, help="write the table to this file")
    parser.add_argument("--limit", type=float, default=LIMIT)
    parser.add_argument("--keep", type=Path, help="keep what the workflows write in this folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    paths = {
        str(path.relative_to(options.examples)): path.resolve()
        for path in sorted(options.examples.rglob("*.vt"))
    }
    chosen = {
        name: path
        for name, path in paths.items()
        if not options.names or any(part in name for part in options.names)
    }
    with ThreadPoolExecutor(options.jobs) as pool:
        running = [
            pool.submit(run_example, path, name, options.limit, options.keep)
            for name, path in chosen.items()
        ]
        results = []
        for each in running:
            result = each.result()
            results.append(result)
            state = f"runs, {result.files} files" if result.runs else result.reason
            print(f"{result.name:50} {result.seconds:5.1f} s  {state}", flush=True)
    print(f"{sum(result.runs for result in results)} of {len(results)} run")
    if options.table:
        write_table(options.table, results, NEEDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
