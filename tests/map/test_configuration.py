"""The configuration of VisTrails and its packages: engines compute with the session's.

Each case is a session of its own with a home of its own, on one cluster that was left running.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parallelflow.host.configuration import PROCESS_KEYS
from tests.host.run import LIMIT, ROOT, run_python
from tests.support.configured import CHANGED, SAVE, TELL, VISTRAILS, write_packages
from tests.support.fork_server import ForkServer

BEGIN = """
import sys
from pathlib import Path
from parallelflow import host

app = host.start_core(["org.example.scale", "org.example.dependent"])
from parallelflow.engine_manager import get_manager
from vistrails.core.packagemanager import get_package_manager
from tests.support.workflows import CONTROL_FLOW, PARALLEL_FLOW, Part, mapped, run

scale, dependent = Part("Scale", "org.example.scale"), Part("Dependent", "org.example.dependent")
configuration = get_package_manager().get_package("org.example.scale").configuration
manager = get_manager()
manager.configure(engines=1)

def same(part=scale, output="o", **how):
    workflow = mapped(part, [1, 2, 3], output=output)
    serial, ours = run(workflow, CONTROL_FLOW), run(workflow, PARALLEL_FLOW, **how)
    assert serial.errors == ours.errors == {}, (serial.errors, ours.errors)
    assert serial.values[1] == ours.values[1], (repr(serial.values)[:900], repr(ours.values)[:900])
    return ours.values[1]
"""


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory, sessions: ForkServer) -> Iterator[Path]:
    """Make a home with user packages, and a cluster of one engine that is left running."""
    home = tmp_path_factory.mktemp("home")
    write_packages(home / ".vistrails" / "userpackages")

    def run(*command: str) -> None:
        sessions.run("parallelflow", command, environment(home), LIMIT).check_returncode()

    run("start", "-n", "1")
    yield home
    run("shutdown", "--yes")


@pytest.fixture(scope="module")
def changed_home(
    used_home: Path, tmp_path_factory: pytest.TempPathFactory, sessions: ForkServer
) -> Path:
    """Make another home, with the same packages in it, for which VisTrails has saved changes."""
    home = tmp_path_factory.mktemp("changed")
    write_packages(home / ".vistrails" / "userpackages")
    run_python(SAVE, home=home, server=sessions)
    return home


def environment(home: Path, cluster: Path | None = None) -> dict[str, str]:
    """Return the variables of a session that uses the cluster of a home, by default its own."""
    return {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str((cluster or home) / "ipython"),
        "PYTHONPATH": str(ROOT),
    }


Session = Callable[..., str]


@pytest.fixture
def session(sessions: ForkServer) -> Session:
    """Return what runs a session, see `run_session`."""
    return functools.partial(run_session, sessions)


def run_session(sessions: ForkServer, code: str, home: Path, cluster: Path | None = None) -> str:
    """Run a session; return what it prints."""
    return run_python(
        BEGIN + textwrap.dedent(code),
        home=home,
        environment=environment(home, cluster),
        server=sessions,
    )


def test_engines_compute_with_the_sessions_configuration(used_home: Path, session: Session) -> None:
    session(
        CHANGED
        + """
assert same() == [(10, 10), (20, 20), (30, 30)]
same(output="told")
# As in Preferences: the object is changed; what was built from it stays as it was.
change(configuration, app.temp_configuration)
app.configuration.outputDefaultSettings.set_deep_value("file.suffix", ".x", True)
assert same() == [(99, 10), (198, 20), (297, 30)]
assert same(dependent) == [99, 198, 297]
told = same(output="told")[0]
assert told[0]["inner"] == {"depth": 3, "deeper": {"yet": 7}} and told[0]["unset"] == "set"
assert told[1]["fileDir"] == "/somewhere"
assert told[2]["outputDefaultSettings"] == {"file": {"suffix": ".x"}}
# And back.
configuration.factor, configuration.unset = 10, None
app.temp_configuration.fileDir = None
assert same() == [(10, 10), (20, 20), (30, 30)]
assert same(output="told")[0][1]["fileDir"] == (None, str)
""",
        used_home,
    )


def test_two_sessions_at_once_share_an_engine_and_keep_their_configurations(
    used_home: Path, changed_home: Path
) -> None:
    code = BEGIN + textwrap.dedent(
        """
        factor = int(sys.argv[1])
        for _ in range(4):
            assert same() == [(i * factor, i * factor) for i in (1, 2, 3)]
            assert same(dependent) == [factor, 2 * factor, 3 * factor]
            same(output="told")
        """
    )
    sessions = [
        subprocess.Popen(
            [sys.executable, "-c", code, factor],
            cwd=ROOT,
            env=environment(home, used_home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for home, factor in ((used_home, "10"), (changed_home, "99"))
    ]
    try:
        outputs = [process.communicate(timeout=LIMIT)[0] for process in sessions]
    finally:
        for process in sessions:
            process.kill()
            process.wait()
    assert [process.returncode for process in sessions] == [0, 0], "\n".join(outputs)


def test_what_has_finished_with_another_configuration_is_computed_again(
    used_home: Path, tmp_path: Path, session: Session
) -> None:
    session(
        f"""
        class Hesitant(int):
            def __mul__(self, other):
                if not Path({str(tmp_path / "ready")!r}).exists():
                    raise ValueError("not yet")
                return int(self) * other

        workflow = mapped(scale, [1, 2, Hesitant(3)])
        assert "not yet" in run(workflow, PARALLEL_FLOW).errors[0][1]
        configuration.factor = 99
        Path({str(tmp_path / "ready")!r}).touch()
        assert run(workflow, PARALLEL_FLOW).values[1] == [(99, 10), (198, 20), (297, 30)]
        """,
        used_home,
    )


def test_a_headless_session_begins_with_what_vistrails_has_saved(
    changed_home: Path, sessions: ForkServer
) -> None:
    compared = "import json\nprint(json.dumps(values, default=repr))\n"
    saved = changed_home / ".vistrails" / "startup.xml"
    theirs = json.loads(run_python(VISTRAILS + TELL + compared, home=changed_home, server=sessions))
    before = saved.read_bytes()
    start = """
from parallelflow import host
app = host.start_core(["org.example.scale"])
package = app.package_manager.get_package("org.example.scale")
"""
    ours = json.loads(run_python(start + TELL + compared, home=changed_home))
    for here, there in zip(ours[:3], theirs[:3], strict=True):
        differing = {name for name in {*here, *there} if here.get(name) != there.get(name)}
        assert differing <= PROCESS_KEYS
    assert ours[3] == theirs[3] == ["'set'", "5"]
    assert ours[0]["factor"] == 99 and ours[0]["many"] == [3, "x", [4.5, None]]
    assert ours[1]["webRepositoryURL"] == "http://example.org"
    assert saved.read_bytes() == before


def test_a_package_is_edited_and_configured_otherwise_at_once(
    used_home: Path, session: Session
) -> None:
    session("assert same() == [(10, 10), (20, 20), (30, 30)]\nassert same(dependent)", used_home)
    file = used_home / ".vistrails" / "userpackages" / "scale" / "init.py"
    before = file.read_text()
    file.write_text(before.replace("(i * configuration.factor,", "(1000 + i * table['factor'],"))
    try:
        # The session starts with the edited file; what is built at initialization stays as it was.
        session(
            """
            configuration.factor = 99
            assert same() == [(1010, 10), (1020, 20), (1030, 30)]
            assert same(dependent) == [99, 198, 297]
            # Made anew with the configuration that it has now, as by Preferences' own buttons.
            for part in ("dependent", "scale"):
                app.package_manager.late_disable_package(part)
            host.enable_packages(["org.example.scale", "org.example.dependent"])
            configuration = get_package_manager().get_package("org.example.scale").configuration
            factor = configuration.factor
            assert same() == [(1000 + i * factor, i * factor) for i in (1, 2, 3)]
            """,
            used_home,
        )
    finally:
        file.write_text(before)
    session("assert same() == [(10, 10), (20, 20), (30, 30)]\nassert same(dependent)", used_home)


MAKE = """
import sys
from docs.examples.make_digits_sweep import CONTROL_FLOW, PARALLEL_FLOW, Builder
from parallelflow.host import start_core

start_core(["org.example.scale"])
from vistrails.core.db.locator import XMLFileLocator
from vistrails.core.vistrail.controller import VistrailController
from vistrails.core.vistrail.vistrail import Vistrail

controller = VistrailController(Vistrail(), auto_save=False)
build = Builder(controller)
for place, package in enumerate((CONTROL_FLOW, PARALLEL_FLOW)):
    scale = build.module("Scale", (place, 0), package="org.example.scale")
    values = {"InputPort": ["i"], "OutputPort": "o", "InputList": [1, 2]}
    mapping = build.module("Map", (place, -1), "mapped", package, values)
    build.connect(scale, "self", mapping, "FunctionPort")
    build.connect(mapping, "Result", build.module("StandardOutput", (place, -2)), "value")
locator = XMLFileLocator(sys.argv[1])
controller.write_vistrail(locator)
"""


def test_the_command_computes_with_what_was_saved(
    used_home: Path, changed_home: Path, tmp_path: Path, sessions: ForkServer
) -> None:
    file = tmp_path / "scale.xml"
    run_python(MAKE, str(file), home=used_home, server=sessions)
    for home, factor in ((changed_home, 99), (used_home, 10)):
        done = subprocess.run(
            [sys.executable, "-m", "parallelflow", "run", str(file)],
            cwd=ROOT,
            env=environment(home, used_home),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [str([(i * factor, i * factor) for i in (1, 2)])] * 2
