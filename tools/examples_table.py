"""Run VisTrails' own examples, each in a process of its own, and write the table of the results.

    python tools/examples_table.py [--examples FOLDER] [--table FILE] [--limit SECONDS] [NAME ...]

It uses the Python it is started with, and needs no display. Names are parts of the examples'
paths, e.g. ``matplotlib`` or ``usersguide/mashups``; without one, all are run. Files that the
workflows write go to a temporary folder.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = Path(sys.prefix) / "share" / "vistrails" / "examples"
TABLE = ROOT / "docs" / "examples.md"
PROCESSES = ROOT / "tools" / "example_processes.py"

VTK = "org.vistrails.vistrails.vtk"
#: In the vistrails that use the package, whatever it was called.
VTK_MODULE = '.vistrails.vtk"'

#: Seconds for one example. Most take two to ten; an unreachable web server takes the rest.
LIMIT = 300.0

#: A parameter that is an address of the web; those of XML schemas are no parameters.
ADDRESS = re.compile(r'\bval="(?:https?|ftp)://([^/"]+)')

#: Where the data are that `download.php` of VisTrails' site gives.
SITE = re.compile(r"https?://(www\.vistrails\.org)/download")

#: What examples need that neither VisTrails brings nor one of their parameters names.
NEEDED = {
    "api/simplemath.vt": "two numbers from the program that opens it",
    "hadoop-nodeinfo.vt": "a Hadoop cluster",
    "lung.vt": "a data file that VisTrails does not bring",
    "mongodb.vt": "a MongoDB server",
    "tej-primes.vt": "a machine that takes jobs through ssh",
    "tensorflow_mandelbrot.vt": "TensorFlow before 1.0, which is for no Python from 3.10 on",
    **dict.fromkeys(
        (
            "vtk_examples/GUI/VolumeRenderWithBoxWidget.vt",
            "vtk_examples/Medical/Medical1.vt",
            "vtk_examples/Medical/Medical2.vt",
            "vtk_examples/Medical/Medical3.vt",
        ),
        "data files of VTK that VisTrails does not bring",
    ),
}

#: What VTK writes of an error, which ends no workflow.
VTK_ERROR = re.compile(r"ERR\| (\w+) .*?: (.*?)(?:\x1b|$)")

#: Libraries whose versions the table names.
LIBRARIES = ("matplotlib", "scikit-learn", "vtk", "numpy", "PyQt5")


@dataclass(frozen=True)
class Result:
    """What became of one example."""

    name: str
    runs: bool
    reason: str
    seconds: float
    files: int


class WarmStart:
    """A process that runs examples in forks of itself, one after the other."""

    def __init__(self, *packages: str) -> None:
        environment = {
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "PYTHONFAULTHANDLER": "1",
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("DISPLAY", None)
        self._process = subprocess.Popen(
            [sys.executable, str(PROCESSES), *packages],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def run(self, **request: object) -> int | None:
        """Run an example as `example_processes.run` does."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code: int | None = json.loads(self._process.stdout.readline())
        return code

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


def run_example(start: WarmStart, path: Path, name: str, limit: float, keep: Path | None) -> Result:
    """Run the latest version of a vistrail and say why it failed, if it did."""
    with tempfile.TemporaryDirectory(prefix="example-") as folder:
        home, work, said = Path(folder, "home"), Path(folder, "work"), Path(folder, "said")
        home.mkdir()
        work.mkdir()
        # Some examples read files beside them.
        for beside in path.parent.iterdir():
            if beside.is_file() and beside.suffix != ".vt":
                shutil.copy(beside, work)
        given = {file.name for file in work.iterdir()}
        started = time.monotonic()
        code = start.run(
            path=str(path), work=str(work), home=str(home), said=str(said), limit=limit
        )
        seconds = time.monotonic() - started
        if code is None:
            reason = f"did not end within {limit:.0f} s"
        else:
            reason = _reason(code, said.read_text(errors="replace"))
        needed = NEEDED.get(name) or ", ".join(_hosts(path))
        if reason and needed:
            reason = f"needs {needed}: {reason}"
        files = sum(file.name not in given for file in work.iterdir())
        if keep is not None:
            shutil.copytree(work, keep / Path(name).with_suffix(""), dirs_exist_ok=True)
    return Result(name, not reason, reason, seconds, files)


def run_examples(
    paths: Mapping[str, Path], packages: Iterable[str], limit: float, keep: Path | None
) -> Iterator[Result]:
    """Run examples one after the other, from one start with the packages."""
    start = WarmStart(*packages)
    try:
        for name, path in paths.items():
            result = run_example(start, path, name, limit, keep)
            state = f"runs, {result.files} files" if result.runs else result.reason
            print(f"{result.name:50} {result.seconds:5.1f} s  {state}", flush=True)
            yield result
    finally:
        start.close()


def _reason(code: int, said: str) -> str:
    """Return why an example did not run, empty if it did."""
    if code < 0:
        return f"the process ended by {signal.Signals(-code).name}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if code == 0:
        # VTK goes on where it finds no data, and draws an empty box.
        errors = [match for line in lines if (match := VTK_ERROR.search(line))]
        return f"{errors[0][1]} of VTK: {errors[0][2]}" if errors else ""
    told = [
        line.removeprefix("parallelflow: ")
        for line in lines
        if line.startswith("parallelflow: ") and "parallelflow: More: " not in line
    ]
    missing = [line for line in told if line.startswith("the package ")]
    reason = "; ".join(missing) or (told or lines or [f"exit code {code}"])[-1]
    return reason.replace(f"{EXAMPLES}/", "")


def _tree(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read("vistrail").decode(errors="replace")


def _hosts(path: Path) -> list[str]:
    """Return the machines of the web that a vistrail names in its parameters."""
    tree = _tree(path)
    return sorted({*ADDRESS.findall(tree), *SITE.findall(tree)})


def write_table(file: Path, results: Iterable[Result]) -> None:
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
            "window, in a process of its own, and writes this page. One for which VTK found no "
            "data, and drew an empty box, does not count as run. A reason begins with what the "
            "example needs and VisTrails does not bring, such as a web site; the message follows. "
            f"{sum(result.runs for result in results)} of {len(results)} run, with "
            f"{', '.join(versions)}.",
            110,
        ),
        "",
        "| Example | Runs | If not, why |",
        "|---|---|---|",
    ]
    for result in results:
        reason = result.reason.replace("|", "\\|").replace("`", "'")
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
    with_vtk = {name: path for name, path in chosen.items() if VTK_MODULE in _tree(path)}
    others = {name: path for name, path in chosen.items() if name not in with_vtk}
    groups = [(with_vtk, [VTK]), (others, [])]
    with ThreadPoolExecutor(len(groups)) as pool:
        running = [
            pool.submit(list, run_examples(group, packages, options.limit, options.keep))
            for group, packages in groups
            if group
        ]
        results = [result for each in running for result in each.result()]
    results.sort(key=lambda result: result.name)
    print(f"{sum(result.runs for result in results)} of {len(results)} run")
    if options.table:
        write_table(options.table, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
