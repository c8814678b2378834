"""The distribution brings the line that activates Parallel Flow in every program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.run import LIMIT, ROOT, run_python

NAME = "parallelflow_activate.pth"


def test_what_is_built_activates_itself_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    site = tmp_path / "site"
    built = subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "-b", str(tmp_path), "--build-lib", str(site)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert built.returncode == 0, built.stderr
    assert (site / NAME).read_text() == (ROOT / "tools" / NAME).read_text()
    run_python(
        """
        import site, sys
        sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "VistrailsFinder"]
        for name in [name for name in sys.modules if name.startswith("parallelflow")]:
            del sys.modules[name]
        sys.path[:] = [path for path in sys.path if path]
        sys.path.insert(0, sys.argv[1])
        site.addsitedir(sys.argv[1])
        import parallelflow.host.alias as alias
        assert alias.__file__.startswith(sys.argv[1])
        assert isinstance(sys.meta_path[0], alias.VistrailsFinder)
        assert "vistrails" not in sys.modules
        """,
        str(site),
        folder=tmp_path,
    )


def test_the_line_stays_one_cheap_import() -> None:
    (line,) = (ROOT / "tools" / NAME).read_text().splitlines()
    # Python runs a line of a .pth file only if it begins so.
    assert line.startswith("import ")
    run_python(
        f"""
        import sys
        before = set(sys.modules)
        exec({line!r})
        new = {{name for name in set(sys.modules) - before}}
        parts = ("names", "host", "host.alias")
        ours = {{"parallelflow", *(f"parallelflow.{{part}}" for part in parts)}}
        assert new <= ours | {{"__future__"}}, new
        """
    )
