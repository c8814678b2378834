"""Every other code block in README and docs is run; what cannot be run says why."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT, blocks, marked
from tests.host.run import run_python
from tests.support.fork_server import ForkServer
from tests.support.shared_cluster import cluster_of

# What is run, and how, is decided by the language; the last three are not code.
LANGUAGES = {
    "python", "pycon", "console", "sh", "text", "none",
    "{toctree}", "{eval-rst}", "{include} ../CHANGELOG.md",
}  # fmt: skip

# Blocks with these marks have a test of their own below.
OF_THEIR_OWN = ("in a PythonSource", "the example's", "ipc", "a module")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_block_has_a_language_and_each_exception_a_reason(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, block.place
        if block.mark.startswith("skip"):
            assert re.match(r"skip: \w.{10,}", block.mark), f"{block.place}: give a reason"
        if block.language == "sh":
            assert block.mark.startswith("skip: "), f"{block.place}: a console block would be run"


RUN = [page for page in PAGES if any(b.language in ("python", "pycon") for b in blocks(page))]

# Pages with elements on engines and nothing on their start: these find a cluster that runs.
ON_A_CLUSTER = ("README", "engines", "files")
PROFILE = "pages"

# A page's Python is one session, as a reader would type it. This one's is a process of its own,
# those of others are forked from one that has the libraries already.
STARTED = "README"
SESSION = """
import doctest, json, sys
from parallelflow import host
host.start_core()
from parallelflow.engine_manager import get_manager
profile = sys.argv[2] or None
get_manager().configure(profile, engines=2, private=profile is None)
names = {"__name__": "__main__"}
vars(sys.modules["__main__"]).update(names)
names = vars(sys.modules["__main__"])
runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
for kind, place, text in json.loads(sys.argv[1]):
    if kind == "python":
        exec(compile(text, place, "exec"), names)
    else:
        test = doctest.DocTestParser().get_doctest(text, names, place, place, 0)
        test.globs = names
        failed, tried = runner.run(test, out=sys.stderr.write, clear_globs=False)
        assert not failed and tried, place
"""


@pytest.fixture(scope="module")
def running() -> Iterator[str]:
    """Start a cluster of two engines for several sessions; yield its profile."""
    with cluster_of(PROFILE):
        yield PROFILE


@pytest.mark.own_cluster
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, running: str, sessions: ForkServer
) -> None:
    parts = [
        (block.language, block.place, block.text)
        for block in blocks(page)
        if block.language in ("python", "pycon")
        and not block.mark.startswith((*OF_THEIR_OWN, "skip"))
    ]
    if parts:
        profile = running if page.stem in ON_A_CLUSTER else ""
        server = None if page.stem == STARTED else sessions
        session(SESSION, tmp_path, json.dumps(parts), profile, own=not profile, server=server)


def session(
    code: str, home: Path, *arguments: str, own: bool = True, server: ForkServer | None = None
) -> str:
    """Run Python with a home of its own, and in a folder of its own: what it writes stays there.

    Its profiles are its own, too, unless it is to find a cluster that runs. With a server it is
    forked from that.
    """
    folder = home / "folder"
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    environment = {"PYTHONPATH": str(ROOT)}
    if own:
        environment["IPYTHONDIR"] = str(home / "ipython")
    return run_python(
        textwrap.dedent(code),
        *arguments,
        folder=folder,
        home=home,
        environment=environment,
        server=server,
    )


# -- the guide's example --------------------------------------------------------------------


@pytest.mark.own_cluster
def test_the_guides_example_gives_the_result_it_shows(
    tmp_path: Path, running: str, sessions: ForkServer
) -> None:
    elements, code, result = (
        marked("guide.md", f"the example's {part}")[0].text for part in ("list", "code", "result")
    )
    printed = session(
        """
        import sys
        from parallelflow import host
        host.start_core()
        from parallelflow.engine_manager import get_manager
        get_manager().configure(sys.argv[3])
        from tests.support.workflows import PARALLEL_FLOW, Part, Workflow, map_part, run, source

        simulation = source(sys.argv[2], inputs=["trials"], outputs=["pi"])
        workflow = Workflow(
            [simulation, map_part("['trials']", "pi"),
             Part("List", functions={"value": sys.argv[1]}), Part("StandardOutput")],
            [(0, "self", 1, "FunctionPort"), (2, "value", 1, "InputList"),
             (1, "Result", 3, "value")],
        )
        assert not run(workflow, PARALLEL_FLOW).errors
        """,
        tmp_path,
        elements,
        code,
        running,
        own=False,
        server=sessions,
    )
    assert printed.strip() == result.strip()


# -- using parallelization in your modules ---------------------------------------------------


@pytest.mark.own_cluster
def test_the_guides_pythonsource_uses_the_cluster(tmp_path: Path, sessions: ForkServer) -> None:
    (block,) = marked("modules.md", "in a PythonSource")
    session(
        """
        import sys
        from parallelflow import host
        host.start_core()
        from parallelflow.engine_manager import get_manager
        get_manager().configure(engines=2)
        from tests.support.workflows import PARALLEL_FLOW, Workflow, run, source

        result = run(Workflow([source(sys.argv[1], inputs=[])]), PARALLEL_FLOW, port="o")
        assert (result.values, result.errors) == ({0: [0, 1, 8, 27]}, {})
        assert len(get_manager().started()) == 3
        """,
        tmp_path,
        block.text,
        server=sessions,
    )


@pytest.mark.own_cluster
def test_the_guides_modules_run_in_a_package(tmp_path: Path, sessions: ForkServer) -> None:
    code = {block.mark: block.text for block in marked("modules.md", "a module")}
    package = tmp_path / ".vistrails" / "userpackages" / "guide"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        'identifier, name, version = "org.example.guide", "Guide", "1"\n'
        'def package_dependencies():\n    return ["edu.poly.vistrails.parallel_flow"]\n'
    )
    (package / "lines.py").write_text(code["a module: LineCount"])
    (package / "squares.py").write_text(code["a module: Squares"])
    (package / "init.py").write_text(
        "from .lines import LineCount\nfrom .squares import Squares\n"
        "_modules = [LineCount, Squares]\n"
    )
    for number in (1, 2, 3):
        (tmp_path / str(number)).write_text("line\n" * number)
    session(
        """
        import sys
        from parallelflow import host
        host.start_core(["org.example.guide"])
        from parallelflow.engine_manager import get_manager
        get_manager().configure(engines=2)
        from tests.support.workflows import PARALLEL_FLOW, Part, Progress, Workflow, run

        def execute(name, port, value, output):
            seen = Progress()
            part = Part(name, "org.example.guide", functions={port: value})
            result = run(Workflow([part]), PARALLEL_FLOW, port=output, view=seen)
            assert not result.errors, result.errors
            assert seen.seen[0][-1] == 1.0
            return result.values[0]

        names = [f"{sys.argv[1]}/{number}" for number in (1, 2, 3)]
        assert execute("LineCount", "names", names, "counts") == [1, 2, 3]
        assert execute("Squares", "numbers", [1, 2, 3], "squares") == [1, 4, 9]
        assert len(get_manager().started()) == 3
        """,
        tmp_path,
        str(tmp_path),
        server=sessions,
    )


# -- how-tos ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ipcluster_config", "ipcontroller_config"])
def test_the_options_in_the_how_tos_exist(name: str) -> None:
    from ipyparallel.cluster import launcher
    from ipyparallel.cluster.cluster import Cluster
    from ipyparallel.controller.app import IPController
    from traitlets.config import Config

    classes = {**vars(launcher), "Cluster": Cluster, "IPController": IPController}
    found = [b for page in PAGES for b in blocks(page) if b.mark.split(",")[0] == name]
    assert found
    for block in found:
        config = Config()
        exec(block.text, {"c": config})
        assert config, block.place
        for section, options in config.items():
            for option, value in options.items():
                trait = classes[section].class_traits(config=True)[option]
                if not option.endswith("_class"):
                    trait._validate(classes[section](), value)


@pytest.mark.own_cluster
def test_engines_use_the_ports_that_the_how_to_fixes(tmp_path: Path) -> None:
    (block,) = marked("howto.md", "ipcontroller_config, ports")
    folder = tmp_path / "ipython" / "profile_default"
    folder.mkdir(parents=True)
    (folder / "ipcontroller_config.py").write_text(f"c = get_config()\n{block.text}\n")
    ranges = {
        kind: f"{first}-{int(end) - 1}"
        for kind, first, end in re.findall(r"(\w+)_ports = list\(range\((\d+), (\d+)", block.text)
    }
    session(
        """
        import sys
        import psutil
        from parallelflow.engine_manager import get_manager

        manager = get_manager()
        manager.start_engines(1)
        controller, engine = map(psutil.Process, manager.started())
        parts = [controller, *controller.children(recursive=True)]
        sockets = [c for part in parts for c in part.net_connections("tcp")]
        heard = {c.laddr.port for c in sockets if c.status == "LISTEN"}
        registration = int(sys.argv[1].split("-")[0])  # clients use it as well
        for process, given in ((engine, sys.argv[1]), (psutil.Process(), sys.argv[2])):
            first, last = map(int, given.split("-"))
            used = {c.raddr.port for c in process.net_connections("tcp") if c.raddr} & heard
            assert len(used) > 3
            assert all(first <= port <= last for port in used - {registration}), (given, used)
        """,
        tmp_path,
        ranges["engine"],
        ranges["client"],
    )


def test_the_readme_begins_with_the_two_commands_that_do_all() -> None:
    first = next(iter(blocks(ROOT / "README.md")))
    assert [line.partition("#")[0].strip() for line in first.text.splitlines()] == [
        "make run",
        "make test",
    ]
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"
