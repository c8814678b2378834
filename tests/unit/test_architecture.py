"""The package keeps to its layers: imports go down, none go round, private names stay in a file.

The layers are stated here, once. Every part is checked; what is not yet rearranged is listed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import architecture
from tests.support.architecture import Import, Layers, Source, When

ROOT = Path(__file__).parents[2]

Sources = dict[str, Source]

LAYERS = Layers(
    package="parallelflow",
    doors=("__main__", "api", "init", "map"),
    rooms=(
        "cli",
        "gui",
        "batch",
        "loops",
        "runs",
        "work",
        "checkpoints",
        "profile_setup",
        "engine_manager",
        "engine",
        "data",
        "host",
    ),
    shared=(
        "settings",
        "progress",
        "trace",
        "system",
        "errors",
        "findings",
        "troubleshooting",
        "names",
        "wording",
    ),
)

#: The same within the engine manager: what it offers, who does it, and the folders below.
ENGINE_MANAGER = Layers(
    package="engine_manager",
    doors=("manager",),
    rooms=(
        "provision",
        "replacement",
        "elastic",
        "losses",
        "starter",
        "start",
        "arrivals",
        "started_jobs",
        "start_failures",
        "stop",
        "monitor",
        "cluster",
        "session",
        "profile_overview",
        "start_request",
        "start_progress",
        "runs",
        "connection",
        "launch",
        "system",
        "interaction",
        "engine_pool",
        "options",
        "model",
    ),
    shared=(),
)

#: Folders of tests that still use private names of other files.
NOT_YET_PRIVATE_TESTS = ("gui",)

#: Private names that are a library's where they are used, though files of ours define them too.
OF_LIBRARIES = {
    "_actions": "argparse's ArgumentParser",
    "_currently_importing_package": "VisTrails' PackageManager, in a repair",
    "_input_ports": "VisTrails' modules",
    "_modules": "VisTrails' packages: the list of their modules",
    "_objects": "VisTrails' CachedInterpreter: the modules that it keeps",
    "_engines": "ipyparallel's Client",
    "_send": "ipyparallel's Client",
    "_replace": "named tuples",
}

#: Parts that may import a library; all others do without it.
MAY_IMPORT = {
    "PyQt5": ("gui", "host"),
    "vistrails": ("", "init", "cli", "gui", "batch", "loops", "engine", "host"),
}

#: The package's rooms and the files of its root ("" is ``__init__``); the folders of tests.
PARTS = sorted({LAYERS.part(name) for name in architecture.find_modules(ROOT / "parallelflow")})
FOLDERS = sorted(
    {
        name.split(".")[1]
        for name in architecture.find_modules(ROOT / "tests")
        if name.count(".") > 1
    }
)


@pytest.fixture(scope="module")
def sources() -> Sources:
    """Return the package's modules; read here, since every process collects these tests."""
    return architecture.read_sources(ROOT / "parallelflow")


@pytest.fixture(scope="module")
def test_sources() -> Sources:
    """Return the modules of the tests."""
    return architecture.read_sources(ROOT / "tests")


@pytest.fixture(scope="module")
def found_imports(sources: Sources) -> list[Import]:
    """Return the package's imports."""
    return architecture.read_imports(sources)


def lines(found: object) -> str:
    return "\n".join(map(str, found))  # type: ignore[call-overload]


@pytest.mark.parametrize("part", PARTS)
def test_imports_go_down(part: str, found_imports: list[Import]) -> None:
    imports = [each for each in found_imports if LAYERS.part(each.importer) == part]
    upward = architecture.find_upward(imports, LAYERS)
    assert not upward, lines(upward)


def test_imports_go_down_within_the_engine_manager(found_imports: list[Import]) -> None:
    within = [
        Import(
            importer.removeprefix("parallelflow."),
            each.imported.removeprefix("parallelflow."),
            each.line,
            each.when,
        )
        for each in found_imports
        if (importer := each.importer).startswith("parallelflow.engine_manager.")
        and each.imported.startswith("parallelflow.engine_manager.")
    ]
    named = {ENGINE_MANAGER.part(each.importer) for each in within}
    assert all(ENGINE_MANAGER.level(part) is not None for part in named), named
    upward = architecture.find_upward(within, ENGINE_MANAGER)
    assert not upward, lines(upward)


def test_no_modules_import_each_other(sources: Sources, found_imports: list[Import]) -> None:
    ours = [each for each in found_imports if each.imported in sources]
    assert architecture.find_rings(ours, {When.AT_ONCE}) == []


def test_no_modules_import_each_other_within_functions(
    sources: Sources, found_imports: list[Import]
) -> None:
    ours = [each for each in found_imports if each.imported in sources]
    assert architecture.find_rings(ours, {When.AT_ONCE, When.DEFERRED}) == []


def test_no_modules_import_each_other_for_their_types(
    sources: Sources, found_imports: list[Import]
) -> None:
    ours = [each for each in found_imports if each.imported in sources]
    assert architecture.find_rings(ours, set(When)) == []


@pytest.mark.parametrize("part", PARTS)
def test_private_names_stay_in_their_file(part: str, sources: Sources) -> None:
    users = {name: source for name, source in sources.items() if LAYERS.part(name) == part}
    uses = architecture.find_private_uses(sources, users, OF_LIBRARIES)
    assert not uses, lines(uses)


@pytest.mark.parametrize("folder", [f for f in FOLDERS if f not in NOT_YET_PRIVATE_TESTS])
def test_tests_use_no_private_names(folder: str, sources: Sources, test_sources: Sources) -> None:
    users = {
        name: source for name, source in test_sources.items() if name.split(".")[1:2] == [folder]
    }
    uses = architecture.find_private_uses(sources, users, OF_LIBRARIES)
    assert not uses, lines(uses)


def test_every_part_is_named_in_the_layers(sources: Sources) -> None:
    unnamed = architecture.find_unnamed(sources, LAYERS)
    assert not unnamed, unnamed


@pytest.mark.parametrize("library", MAY_IMPORT)
def test_libraries_stay_in_the_rooms_that_may_use_them(
    library: str, found_imports: list[Import]
) -> None:
    foreign = architecture.find_foreign(found_imports, LAYERS, library, MAY_IMPORT[library])
    assert not foreign, lines(foreign)


# -- the checker itself -------------------------------------------------------------

Check = Callable[[dict[str, str]], str]

SMALL = Layers(package="small", doors=("main",), rooms=("top", "low"), shared=("words",))


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return a function that writes a package and returns all that is wrong with it."""

    def check_package(files: dict[str, str]) -> str:
        for name, text in {"__init__.py": "", **files}.items():
            path = tmp_path / "small" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        sources = architecture.read_sources(tmp_path / "small")
        imports = architecture.read_imports(sources)
        ours = [each for each in imports if each.imported in sources]
        at_once = architecture.find_rings(ours, {When.AT_ONCE})
        deferred = architecture.find_rings(ours, {When.AT_ONCE, When.DEFERRED})
        for_types = architecture.find_rings(ours, set(When))
        found = [
            *architecture.find_upward(imports, SMALL),
            *(f"ring {'+'.join(ring)}" for ring in at_once),
            *(f"deferred ring {'+'.join(ring)}" for ring in deferred if ring not in at_once),
            *(f"type ring {'+'.join(ring)}" for ring in for_types if ring not in deferred),
            *architecture.find_private_uses(sources, sources, {"_library"}),
            *(f"unnamed {part}" for part in architecture.find_unnamed(sources, SMALL)),
            *(
                f"foreign {each}"
                for each in architecture.find_foreign(imports, SMALL, "Qt", ["top"])
            ),
        ]
        return "\n".join(map(str, found))

    return check_package


@pytest.mark.parametrize(
    ("files", "says"),
    [
        # what is allowed
        (
            {
                "top/a.py": "from small.low import b",
                "low/b.py": "import small.words",
                "words.py": "",
            },
            "",
        ),
        (
            {
                "main.py": "import small.top.a",
                "top/a.py": "from small import words",
                "words.py": "",
            },
            "",
        ),
        ({"top/a.py": "from . import b", "top/b.py": "from .. import words", "words.py": ""}, ""),
        ({"top/a.py": "import small"}, ""),
        # upward, in every way to write it
        ({"low/b.py": "import small.top.a", "top/a.py": ""}, "small.low.b:1 imports small.top.a"),
        ({"low/b.py": "from ..top import a", "top/a.py": ""}, "small.low.b:1 imports small.top.a"),
        (
            {"low/b.py": "from ..top.a import name", "top/a.py": ""},
            "small.low.b:1 imports small.top.a",
        ),
        (
            {"low/b.py": "def f():\n    from small.top import a", "top/a.py": ""},
            "small.low.b:2 imports small.top.a",
        ),
        (
            {"low/b.py": "if TYPE_CHECKING:\n    from small.top import a", "top/a.py": ""},
            "small.low.b:2 imports small.top.a",
        ),
        (
            {
                "low/b.py": "class A:\n    try:\n        import small.main\n    finally: 1",
                "main.py": "",
            },
            "small.low.b:3 imports small.main",
        ),
        ({"words.py": "import small.low.b", "low/b.py": ""}, "small.words:1 imports small.low.b"),
        ({"words.py": "import small"}, "small.words:1 imports small"),
        # rings
        (
            {
                "top/a.py": "from . import b",
                "top/b.py": "from .c import x",
                "top/c.py": "from . import a",
            },
            "ring small.top.a+small.top.b+small.top.c",
        ),
        (
            {"top/a.py": "from . import b", "top/b.py": "def f():\n    from . import a"},
            "deferred ring small.top.a+small.top.b",
        ),
        (
            {"top/a.py": "from . import b", "top/b.py": "if TYPE_CHECKING:\n    from . import a"},
            "type ring small.top.a+small.top.b",
        ),
        (
            {"top/__init__.py": "from .a import x", "top/a.py": "from small.top import y"},
            "ring small.top+small.top.a",
        ),
        # private names
        (
            {"top/a.py": "class A:\n    def _f(self): ...", "top/b.py": "def g(a):\n    a._f()"},
            "small.top.b:2 uses _f of small.top.a",
        ),
        (
            {"top/a.py": "class A:\n    def f(self):\n        self._x = 1", "low/b.py": "x = y._x"},
            "small.low.b:1 uses _x of small.top.a",
        ),
        (
            {"top/a.py": "_X = 1", "top/b.py": "from .a import _X"},
            "small.top.b:1 uses _X of small.top.a",
        ),
        (
            {"top/a.py": "class A:\n    _x: int = 1", "top/b.py": "def f(a):\n    a._x = 2"},
            "small.top.b:2 uses _x of small.top.a",
        ),
        ({"top/a.py": "class A:\n    def f(self): self._x = self._x"}, ""),
        ({"top/a.py": "_library = 1", "top/b.py": "x._library"}, ""),
        ({"top/a.py": "os._exit(1)\nx.__class__\n_, y = 1, 2"}, ""),
        # parts and libraries
        ({"cellar/a.py": ""}, "unnamed cellar"),
        ({"low/a.py": "from Qt.Core import QPoint"}, "foreign small.low.a:1 imports Qt.Core"),
        ({"top/a.py": "import Qt", "low/a.py": "if TYPE_CHECKING:\n    import Qt"}, ""),
    ],
)
def test_the_checker_finds_what_breaks_a_rule_and_nothing_else(
    check: Check, files: dict[str, str], says: str
) -> None:
    assert check(files) == says


#: What a visitor looks for, and what tools look for there; what a test or an example has written
#: is none of it.
ROOT_FILES = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "docs",
    "parallelflow",
    "pyproject.toml",
    "setup.py",
    "tests",
    "tools",
}


@pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="this is no git checkout"
)
def test_the_root_of_the_repository_holds_what_belongs_there() -> None:
    command = ["git", "-C", str(ROOT), "ls-tree", "--name-only", "HEAD"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert set(listed.splitlines()) == ROOT_FILES
