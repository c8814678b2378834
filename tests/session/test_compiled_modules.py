"""A C extension of the user's in another state than the engines have loaded."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.errors import SetupFailed
from parallelflow.progress import Snapshot
from parallelflow.work.mapping import map_on_cluster

# A module that takes a value from a Python module when it is loaded.
USING_SOURCE = """
#include <Python.h>
static PyObject *kept;
static PyObject *value(PyObject *self, PyObject *args) { Py_INCREF(kept); return kept; }
static PyMethodDef methods[] = {{"value", value, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", "", -1, methods};
PyMODINIT_FUNC PyInit_NAME(void) {
    PyObject *other = PyImport_ImportModuleLevel("VALUE", NULL, NULL, NULL, 0);
    if (!other) return NULL;
    kept = PyObject_GetAttrString(other, "factor");
    return kept ? PyModule_Create(&module) : NULL;
}
"""
INCLUDE = sysconfig.get_paths()["include"]
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")

pytestmark = [
    pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc"),
    pytest.mark.skipif(
        not (Path(INCLUDE) / "Python.h").exists(), reason="Python's C header files are not here"
    ),
]

# A guard against a hang; a replacement takes some seconds.
LIMIT_SECONDS = 240.0

SOURCE = """
#include <Python.h>
static PyObject *value(PyObject *self, PyObject *args) { return PyLong_FromLong(VALUE); }
static PyMethodDef methods[] = {{"value", value, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", "", -1, methods};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&module); }
"""
NAMES = ("work", "fastpart", "pkg", "helpers")


def build(folder: Path, value: int | str, name: str = "fastpart", text: str = SOURCE) -> None:
    """Build an extension whose function returns a value; replace the file there was."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "source.c"
    source.write_text(text.replace("VALUE", str(value)).replace("NAME", name))
    new = folder / "new"
    command = ["gcc", "-shared", "-fPIC", "-I", INCLUDE, str(source), "-o", str(new)]
    subprocess.run(command, check=True)
    new.rename(folder / f"{name}{SUFFIX}")


def forget() -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] in NAMES]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture(scope="module")
def manager() -> Iterator[EngineManager]:
    """Return a manager of two engines that this session has started."""
    yield from manager_of(2)


@pytest.fixture(scope="module")
def one_engine() -> Iterator[EngineManager]:
    """Return a manager of one, where that is enough: each that is replaced takes half a second."""
    yield from manager_of(1)


def manager_of(engines: int) -> Iterator[EngineManager]:
    manager = EngineManager(profile=f"compiled{os.getpid()}-{engines}")
    manager.configure(engines=engines)
    yield manager
    manager.stop()


@pytest.fixture
def two_or_one(request: pytest.FixtureRequest) -> EngineManager:
    """Return the manager that a parameter names."""
    found: EngineManager = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def project(session: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return what enters a project's folder, as a new session would."""
    before = list(sys.path)

    def enter(name: str, text: str) -> Path:
        forget()
        folder = session / name
        folder.mkdir(exist_ok=True)
        (folder / "work.py").write_text(text)
        sys.path[:] = [str(folder), *before]
        os.chdir(folder)
        return folder

    yield enter
    sys.path[:] = before
    forget()


def run(manager: EngineManager, *, ours: bool = True) -> list[Any]:
    """Return what the project's function makes of 20 elements."""
    client = manager.ensure_engines()
    pool = manager.engine_pool() if ours else None
    function = importlib.import_module("work").work
    elements = [(i,) for i in range(20)]
    told: list[Snapshot] = []
    values = map_on_cluster(
        client, function, elements, chunk_size=1, pool=pool, timeout=LIMIT_SECONDS,
        progress=told.append,
    )  # fmt: skip
    assert manager.connect() is client  # the same cluster, not this process
    return values


LOADED = "import fastpart\ndef work(i):\n    return i, fastpart.value()\n"
IMPORTED_THERE = "def work(i):\n    import fastpart\n    return i, fastpart.value()\n"
IN_A_PACKAGE = "def work(i):\n    from pkg import fastpart\n    return i, fastpart.value()\n"

ON_BOTH = """
value = work
def work(i):
    import os, time
    found = value(i)
    open(f"seen-{os.getpid()}", "w").close()
    end = time.monotonic() + 60
    while sum(name.startswith("seen-") for name in os.listdir()) < 2:
        if time.monotonic() > end:
            raise TimeoutError(f"process {os.getpid()} works alone")
        time.sleep(0.01)
    return found
"""


def expected(value: int) -> list[Any]:
    return [(i, value) for i in range(20)]


@pytest.mark.parametrize(
    ("two_or_one", "text"),
    [("manager", LOADED), ("one_engine", IMPORTED_THERE), ("one_engine", IN_A_PACKAGE)],
    indirect=["two_or_one"],
    ids=["loaded", "imported", "package"],
)
def test_projects_with_an_extension_of_the_same_name(
    two_or_one: EngineManager, project: Callable[..., Path], text: str
) -> None:
    for name, value in (("a", 1), ("b", 2), ("a", 1)):
        folder = project(name, text)
        where = folder
        if text is IN_A_PACKAGE:
            where = folder / "pkg"
            where.mkdir(exist_ok=True)
            (where / "__init__.py").touch()
        if not list(where.glob(f"*{SUFFIX}")):
            build(where, value)
        assert run(two_or_one) == expected(value), name


def test_an_extension_that_is_built_again_between_two_runs(
    one_engine: EngineManager, project: Callable[..., Path]
) -> None:
    folder = project("c", IMPORTED_THERE)
    for value in (3, 4):
        build(folder, value)
        assert run(one_engine) == expected(value)
    assert run(one_engine) == expected(4)


@pytest.mark.parametrize("text", [LOADED, IMPORTED_THERE], ids=["loaded", "imported"])
def test_engines_of_somebody_else_are_refused_by_name(
    manager: EngineManager, project: Callable[..., Path], text: str
) -> None:
    build(project("d", text + ON_BOTH), 5)
    assert run(manager) == expected(5)
    build(project("e", text), 6)
    with pytest.raises(SetupFailed) as raised:
        run(manager, ours=False)
    message = str(raised.value)
    assert "compiled module fastpart" in message and "another state" in message
    assert message.endswith("stop this engine, and start a new one")
    project("f", "def work(i):\n    return i\n")  # which does not use it
    assert run(manager, ours=False) == list(range(20))


MIXED = """
def work(i):
    import pkg.foo
    import pkg.fastpart
    return i, pkg.foo.factor * pkg.fastpart.value()
"""


@pytest.mark.parametrize("imported_first", [True, False], ids=["loaded", "imported"])
def test_a_python_module_beside_an_extension_was_edited(
    one_engine: EngineManager, project: Callable[..., Path], imported_first: bool
) -> None:
    text = ("import pkg.foo, pkg.fastpart\n" if imported_first else "") + MIXED
    folder = project("mixed", text)
    package = folder / "pkg"
    build(package, 7)
    (package / "__init__.py").touch()
    for factor in (2, 3):
        project("mixed", text)
        (package / "foo.py").write_text(f"factor = {factor}\n")
        # These engines stay, since the extension has nothing of the edited module.
        assert run(one_engine, ours=factor == 2) == expected(7 * factor)


@pytest.mark.parametrize("text", [LOADED, IMPORTED_THERE], ids=["loaded", "imported"])
def test_a_module_that_an_extension_holds_on_to_was_edited(
    manager: EngineManager, project: Callable[..., Path], text: str
) -> None:
    folder = project("using", text + ON_BOTH)
    build(folder, "helpers", text=USING_SOURCE)
    for factor in (2, 3):
        project("using", text + ON_BOTH)
        for seen in folder.glob("seen-*"):
            seen.unlink()
        (folder / "helpers.py").write_text(f"factor = {factor}\n")
        if factor == 3:
            with pytest.raises(SetupFailed, match=r"which uses the module helpers, in another"):
                run(manager, ours=False)
        assert run(manager) == expected(factor)


def test_another_projects_extension_is_not_found(
    manager: EngineManager, project: Callable[..., Path]
) -> None:
    build(project("with", IMPORTED_THERE + ON_BOTH), 8)
    assert run(manager) == expected(8)
    project("without", """
def work(i):
    try:
        import fastpart
    except ImportError:
        return i, None
    return i, fastpart.value()
""")  # fmt: skip
    assert run(manager, ours=False) == [(i, None) for i in range(20)]


def test_an_old_build_that_the_session_holds_is_not_mixed_with_the_new_one(
    one_engine: EngineManager, project: Callable[..., Path]
) -> None:
    folder = project("old", LOADED)
    build(folder, 9)
    work = importlib.import_module("work")
    build(folder, 10)
    assert work.work(1) == (1, 9)
    with pytest.raises(SetupFailed, match=r"compiled module fastpart .* was built again"):
        run(one_engine)
