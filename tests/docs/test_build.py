"""The documentation is built without a warning, and every page and picture is in it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import parallelflow
from parallelflow.api import parallel_map
from tests.docs.blocks import PAGES, ROOT

DOCS = ROOT / "docs"
SECONDS = 280.0  # a guard; it takes about five


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the pages, with warnings as errors; return their folder."""
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    result = subprocess.run(
        [*command, "-d", folder / "trees", DOCS, folder / "html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert result.returncode == 0, result.stderr
    return folder / "html"


def test_every_page_is_built(built: Path) -> None:
    for page in PAGES:
        if page.parent == DOCS:
            assert (built / f"{page.stem}.html").is_file(), page


def test_a_page_has_the_version_and_leads_on(built: Path) -> None:
    page = (built / "quickstart.html").read_text(encoding="utf-8")
    assert f"Version {parallelflow.__version__}: " in page
    for other in ("installation.html", "tutorial.html"):
        assert re.search(rf'<nav id="rellinks">.*href="{other}"', page, re.S), other
    assert "not released" in (built / "changelog.html").read_text(encoding="utf-8")


def test_tables_with_many_columns_fit_a_telephone(built: Path) -> None:
    """By a style and a script, which each page with such a table loads."""
    page = (built / "performance.html").read_text(encoding="utf-8")
    for name in ("custom.css", "tables.js"):
        assert f"_static/{name}" in page
        text = (built / "_static" / name).read_text(encoding="utf-8")
        assert "many-columns" in text and "as-lists" in text


def test_a_signature_has_no_types_which_the_docstring_tells(built: Path) -> None:
    page = (built / "api.html").read_text(encoding="utf-8")
    found = re.search(r'<dt[^>]* id="parallelflow.api.parallel_map">(.*?)</dt>', page, re.S)
    assert found
    text = re.sub(r"<[^>]*>|\s", "", found[1])
    assert text.startswith("parallelflow.api.parallel_map(function,*iterables,ask=False,ipython=")


def test_the_api_is_described_from_its_docstrings(built: Path) -> None:
    page = (built / "api.html").read_text(encoding="utf-8")
    for name in ("parallel_map", "get_client", "direct_view", "load_balanced_view"):
        assert f'id="parallelflow.api.{name}"' in page
    assert "ClusterLost" in page and "remaining_seconds" in page


def test_the_signature_that_is_written_out_is_the_real_one() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"autofunction:: parallel_map(\(.*\))", page)
    names: dict[str, object] = {}
    exec(f"def parallel_map{written}: pass", names)
    real = inspect.signature(parallel_map)
    shown = inspect.signature(names["parallel_map"])  # type: ignore[arg-type]
    assert list(shown.parameters) == list(real.parameters)
    for name, parameter in shown.parameters.items():
        assert parameter.default == real.parameters[name].default


def test_links_lead_to_files_and_headings_that_are_there() -> None:
    """On a code host, where nothing is built: from the README and from page to page."""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, heading = target.partition("#")
            if path.startswith("http"):
                continue
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), f"{page.name}: {target}"
            assert file.suffix != ".png" or file.stat().st_size < 300_000, f"{target} is large"
            if heading:
                assert heading in anchors(file), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """Return a page's headings as code hosts name them in links."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}
