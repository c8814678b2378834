"""Row 16 of the table: modules of user packages, found on engines or named as missing.

Each case is a session of its own, with a home of its own: packages are looked up once.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host.run import ROOT, run_python
from tests.support.fork_server import ForkServer

PROBE_INIT = """
identifier = "org.example.probe"
name = "Probe"
version = "{version}"


def package_dependencies():
    return ["org.example.base"]
"""

# A module that reads its own package in each of the usual ways, and gives an object of its class.
PROBE = """
from vistrails.core.modules.vistrails_module import Module
from vistrails.core.modules.config import IPort, OPort
from userpackages.base.numbers import Distance
from .helper import double


class Probe(Module):
    _input_ports = [IPort("i", "basic:Variant"), IPort("offset", "basic:Variant", optional=True)]
    _output_ports = [OPort("o", "basic:Variant"), OPort("distance", "basic:Variant")]

    def compute(self):
        from userpackages.probe import helper

        assert helper.double is double
        offset = self.force_get_input("offset") or Distance(0)
        self.set_output("o", double(self.get_input("i")) + offset.metres)
        self.set_output("distance", Distance(self.get_input("i")))


_modules = [Probe]
"""

# What every session begins with: the function, its workflow, the serial result.
BEGIN = """
import sys
import textwrap
from pathlib import Path
from parallelflow import host

PACKAGES = Path(sys.argv[1])
host.start_core(["org.example.probe"], user_packages=PACKAGES)
from parallelflow.engine_manager import get_manager
from tests.support.workflows import (
    CONTROL_FLOW, PARALLEL_FLOW, Part, Workflow, constant, map_part, mapped, run,
)
from userpackages.base.numbers import Distance

probe = Part("Probe", "org.example.probe")
plain = mapped(probe, [1, 2, 3])
manager = get_manager()
manager.configure(engines=1)
"""


def write_packages(folder: Path, version: str = "1.2.3") -> Path:
    """Write two user packages, of which one needs the other, into a folder; return it."""
    files = {
        "__init__.py": "",
        "base/__init__.py": 'identifier = "org.example.base"\nname = "Base"\nversion = "0.1"\n',
        "base/init.py": "_modules = []\n",
        "base/numbers.py": (
            "class Distance:\n"
            "    def __init__(self, metres):\n        self.metres = metres\n\n"
            "    def __eq__(self, other):\n        return self.metres == other.metres\n"
        ),
        "probe/__init__.py": PROBE_INIT.format(version=version),
        "probe/init.py": PROBE,
        "probe/helper.py": "def double(x):\n    return 2 * x\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def usual(tmp_path: Path) -> Path:
    """Return the folder where VisTrails looks for a user's packages, with two in it."""
    return write_packages(tmp_path / ".vistrails" / "userpackages")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return a folder of user packages that only the client is told of."""
    return write_packages(tmp_path / "shared" / "packages")


Session = Callable[..., str]


@pytest.fixture
def session(sessions: ForkServer) -> Session:
    """Return what runs a session, see `run_session`."""
    return functools.partial(run_session, sessions)


def run_session(sessions: ForkServer, code: str, folder: Path, home: Path) -> str:
    """Run a session with the packages of a folder; return what it prints."""
    environment = {"IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": str(ROOT)}
    return run_python(
        BEGIN + textwrap.dedent(code),
        str(folder),
        home=home,
        environment=environment,
        server=sessions,
    )


@pytest.mark.own_cluster
@pytest.mark.parametrize("place", ["usual", "elsewhere"])
def test_engines_load_user_packages_from_where_the_client_has_them(
    place: str, request: pytest.FixtureRequest, tmp_path: Path, session: Session
) -> None:
    session(
        """
        # A value of a user package's class on another port, as elements and as results.
        offset = Workflow(
            [probe, map_part(), constant([1, 2, 3]), constant(Distance(0.5))],
            [(0, "self", 1, "FunctionPort"), (2, "o", 1, "InputList"), (3, "o", 0, "offset")],
        )
        several = mapped(
            probe, [(1, Distance(10)), (2, Distance(20))], ports="['i', 'offset']"
        )
        for workflow in (plain, offset, several, mapped(probe, [1, 2], output="distance")):
            serial, ours = run(workflow, CONTROL_FLOW), run(workflow, PARALLEL_FLOW)
            assert serial.errors == ours.errors == {}, (serial.errors, ours.errors)
            assert serial.values[1] == ours.values[1], (serial.values, ours.values)
            assert serial.log == ours.log
        assert ours.values[1][0].__class__ is Distance
        """,
        request.getfixturevalue(place),
        tmp_path,
    )


@pytest.mark.own_cluster
def test_an_engine_that_lacks_a_user_package_is_named_with_package_version_and_host(
    elsewhere: Path, tmp_path: Path, session: Session
) -> None:
    session(
        """
        # As on a machine that has no such folder: the client has loaded the packages already.
        import socket
        PACKAGES.rename(PACKAGES.with_name("away"))
        error = run(plain, PARALLEL_FLOW).errors[1]
        assert error[0] == "Map"
        # The first that is missing: one that the function's package depends on.
        assert "org.example.base (version 0.1) is not available on " in error[1], error
        assert f"not available on {socket.gethostname()}" in error[1], error
        assert "Traceback" not in error[1]

        # With the packages there, the same engines do it.
        PACKAGES.with_name("away").rename(PACKAGES)
        assert run(plain, PARALLEL_FLOW).values[1] == [2, 4, 6]
        """,
        elsewhere,
        tmp_path,
    )


@pytest.mark.own_cluster
def test_an_engine_with_another_version_of_a_package_takes_no_part(
    elsewhere: Path, tmp_path: Path, session: Session
) -> None:
    session(
        """
        init = PACKAGES / "probe" / "__init__.py"
        init.write_text(init.read_text().replace("1.2.3", "1.3.0"))
        error = run(plain, PARALLEL_FLOW).errors[1]
        assert error[0] == "Map"
        assert "org.example.probe (version 1.2.3)" in error[1], error
        assert "it has version 1.3.0" in error[1], error
        """,
        elsewhere,
        tmp_path,
    )


@pytest.mark.own_cluster
def test_a_user_package_that_fails_to_load_on_the_engine_says_why(
    elsewhere: Path, tmp_path: Path, session: Session
) -> None:
    session(
        """
        (PACKAGES / "probe" / "helper.py").write_text("import no_such_library")
        error = run(plain, PARALLEL_FLOW).errors[1]
        assert error[0] == "Map"
        assert "org.example.probe (version 1.2.3)" in error[1], error
        assert "no_such_library" in error[1], error
        """,
        elsewhere,
        tmp_path,
    )
