"""The report of a run in a real browser, on a large and a small screen."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from parallelflow.progress import Progress, RunState
from parallelflow.runs.report import About, report
from parallelflow.trace import ChunkTrace

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BROWSER, reason="there is no Chromium: apt-get install chromium"),
]

#: Put behind the page, which has no script of its own: it writes what it measures into the title.
MEASURE = """<script>
const box = name => [...document.querySelectorAll(name)].map(e => e.getBoundingClientRect());
document.title = JSON.stringify({
  over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  texts: Math.min(...box("svg text").map(b => b.height)),
  bars: box("svg .busy").filter(b => b.width > 0 && b.height > 0).length,
  bad: getComputedStyle(document.querySelector("svg .failed")).fill,
  heads: [...document.querySelectorAll("h1, h2, h3")].map(e => e.textContent),
});
</script>"""


def page() -> str:
    """Return the report of a run of four engines with long names."""
    run = Progress("cross-validation", 80, RunState.DONE, done=80)
    began = run.trace.began
    for chunk in range(20):
        at, seconds = began + chunk // 4, [0.1 + 0.01 * chunk] * 4
        run.trace.chunks.append(
            ChunkTrace(4 * chunk, 4, chunk % 4, "node.cluster.example.org", at, seconds, 1)
        )
    long = f"images = '/home/{'a_long_name/' * 20}images.npy'"
    text = report(About("digits_sweep.vt:parallel", [("Parameters", long)]), [run])
    return text.replace('class="busy"', 'class="failed"', 1)


@pytest.mark.parametrize("width", [1400, 500])
def test_all_of_it_can_be_read(tmp_path: Path, width: int) -> None:
    file = tmp_path / "run.html"
    file.write_text(page().replace("</body>", f"{MEASURE}</body>"), encoding="utf-8")
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            f"--user-data-dir={tmp_path / 'browser'}", f"--window-size={width},900", file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title, done.stderr
    seen = json.loads(html.unescape(title[1]))
    assert seen["over"] <= 0, "the page is wider than the screen"
    assert seen["texts"] >= 9, "the words in the pictures are too small to be read"
    assert seen["bars"] > 20 and seen["bad"] == "rgb(204, 51, 51)", seen
    assert seen["heads"][0] == "Report of digits_sweep.vt:parallel"
    assert {"When each engine worked", "How long elements took", "Engines"} <= set(seen["heads"])
