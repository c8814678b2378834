"""Modules of the user: elements use those of the session, whatever an engine had loaded before."""

from __future__ import annotations

import importlib
import os
import py_compile
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine import module_snapshot
from parallelflow.errors import SetupFailed
from parallelflow.work.mapping import map_here, map_on_cluster

NAMES = ("helpers", "inner", "shapes", "pkg")


def forget() -> None:
    """Forget the modules, as a new session would not know them."""
    for name in [n for n in sys.modules if n.partition(".")[0] in NAMES]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def project(session: Path) -> Iterator[Path]:
    """Return a folder whose modules this process finds."""
    yield session
    forget()


def enter(folder: Path, **files: str) -> Path:
    """Begin a session in a folder that has these modules."""
    forget()
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    sys.path[:] = [path for path in sys.path if not path.startswith(str(folder.parent))]
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    return folder


def values(client: Any, function: Any, elements: Any) -> list[Any]:
    return map_on_cluster(client, function, [(e,) for e in elements], chunk_size=1)


def by_reference(client: Any, elements: Any = (1,)) -> list[Any]:
    return values(client, importlib.import_module("helpers").work, elements)


def imported_there(client: Any, elements: Any = (1,)) -> list[Any]:
    def function(x: int) -> Any:
        import helpers  # type: ignore[import-not-found]

        return helpers.work(x)

    return values(client, function, elements)


WAYS = pytest.mark.parametrize("way", [by_reference, imported_there])
A = "def work(x):\n    return 'A', x + 1\n"
B = "def work(x):\n    return 'B', x * 100\n"


@WAYS
def test_two_projects_have_a_module_of_the_same_name(client: Any, project: Path, way: Any) -> None:
    for _ in range(2):
        enter(project / "a", helpers=A)
        assert way(client, range(4)) == [("A", x + 1) for x in range(4)]
        enter(project / "b", helpers=B)
        assert way(client, range(4)) == [("B", x * 100) for x in range(4)]


@WAYS
def test_a_module_was_edited_between_two_sessions(client: Any, project: Path, way: Any) -> None:
    for number in range(10, 16):  # of the same size, within one second, or one tick
        enter(project / "a", helpers=f"def work(x):\n    return {number}\n")
        assert way(client) == [number]


@WAYS
def test_what_a_module_imports_was_edited(client: Any, project: Path, way: Any) -> None:
    helpers = "import inner\ndef work(x):\n    return inner.factor * x\n"
    for number in (10, 11, 12):
        enter(project / "a", helpers=helpers, inner=f"factor = {number}\n")
        assert way(client) == [number]


@WAYS
def test_a_package_and_its_modules(client: Any, project: Path, way: Any) -> None:
    helpers = "from pkg.part import factor\ndef work(x):\n    return factor() * x\n"
    for number in (10, 11):
        part = f"from . import one\ndef factor():\n    return {number} * one\n"
        files = {"helpers": helpers, "pkg/__init__": "one = 1\n", "pkg/part": part}
        enter(project / "a", **files)
        assert way(client) == [number]


def test_bytecode_of_the_same_second_is_not_used(client: Any, project: Path) -> None:
    folder = enter(project / "a", helpers=A)
    path = folder / "helpers.py"
    py_compile.compile(str(path), doraise=True)
    before = path.stat()
    path.write_text(A.replace("'A'", "'C'"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    forget()
    assert imported_there(client) == [("C", 2)]


def test_a_file_that_comes_first_now(client: Any, project: Path) -> None:
    enter(project / "b", helpers=B)
    enter(project / "a", other="")
    sys.path.append(str(project / "b"))
    assert imported_there(client) == [("B", 100)]
    (project / "a" / "helpers.py").write_text(A)
    assert imported_there(client) == [("A", 2)]


def test_the_session_still_has_what_it_has_loaded(client: Any, project: Path) -> None:
    folder = enter(project / "a", helpers=A)
    assert by_reference(client) == [("A", 2)]
    (folder / "helpers.py").write_text(B)
    # As in this process, where an edited file changes nothing ...
    function = sys.modules["helpers"].work
    assert values(client, function, [1]) == map_here(function, [(1,)]) == [("A", 2)]
    assert imported_there(client) == [("A", 2)]
    # ... until the module is loaded again.
    importlib.reload(sys.modules["helpers"])
    assert by_reference(client) == imported_there(client) == [("B", 100)]


def test_what_was_edited_before_it_was_first_seen_is_told(
    client: Any, project: Path, caplog: Any
) -> None:
    folder = enter(project / "a", helpers=A)
    function = importlib.import_module("helpers").work
    (folder / "helpers.py").write_text(B)
    assert values(client, function, [1]) == [("B", 100)]
    assert "the module helpers was edited after this session had loaded it" in caplog.text
    assert str(folder / "helpers.py") in caplog.text
    caplog.clear()
    values(client, function, [1])
    assert "was edited" not in caplog.text  # once
    enter(project / "b", helpers=B)
    by_reference(client)
    assert "was edited" not in caplog.text


def test_values_of_own_classes_go_there_and_back(client: Any, project: Path) -> None:
    for sign in ("+", "-"):
        text = f"""
            class Shape:
                def __init__(self, size):
                    self.size = size
                def grown(self):
                    return type(self)(self.size {sign} 1)
            def work(shape):
                return shape.grown()
        """
        enter(project / "a", shapes=text)
        shapes = importlib.import_module("shapes")
        results = values(client, shapes.work, [shapes.Shape(5), shapes.Shape(7)])
        assert [type(r) is shapes.Shape for r in results] == [True, True]
        assert [r.size for r in results] == ([6, 8] if sign == "+" else [4, 6])


def test_two_sessions_at_once(client: Any, project: Path) -> None:
    """Their chunks take turns on the engines."""
    results: dict[str, Any] = {}
    go = threading.Event()
    threads = []
    for name, text in (("a", A), ("b", B)):
        enter(project / name, helpers=text)
        function = importlib.import_module("helpers").work
        ready = threading.Event()

        def run(name: str = name, function: Any = function, ready: Any = ready) -> None:
            def elements() -> Iterator[tuple[int]]:
                ready.set()
                assert go.wait(60)
                yield from ((x,) for x in range(100))

            results[name] = map_on_cluster(client, function, elements(), chunk_size=1)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        assert ready.wait(60)
    go.set()
    for thread in threads:
        thread.join(120)
    assert results["a"] == [("A", x + 1) for x in range(100)]
    assert results["b"] == [("B", x * 100) for x in range(100)]


def test_what_modules_keep_is_there_for_the_next_run(client: Any, project: Path) -> None:
    enter(
        project / "a",
        helpers="cache = []\ndef work(x):\n    cache.append(x)\n    return len(cache)",
    )
    assert max(by_reference(client, range(10))) >= 5
    assert max(by_reference(client, range(10))) >= 10


def test_a_module_of_an_installed_ones_name(client: Any, project: Path) -> None:
    enter(project / "a", helpers="import decimal\ndef work(x):\n    return decimal.__file__")
    installed = sys.modules["decimal"]
    (project / "a" / "decimal.py").write_text("own = True\n")
    del sys.modules["decimal"]
    try:
        assert by_reference(client) == [str(project / "a" / "decimal.py")]
    finally:
        sys.modules["decimal"] = installed
        (project / "a" / "decimal.py").unlink()
    assert values(client, lambda x: __import__("decimal").__file__, [1]) == [installed.__file__]


def test_many_sources_are_read_from_their_files(
    client: Any, project: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module_snapshot, "MAX_SOURCE_BYTES", 10)
    for number in (10, 11):
        folder = enter(project / "a", helpers=f"def work(x):\n    return {number}\n")
        assert by_reference(client) == [number]
    (folder / "helpers.py").write_text(A)
    assert by_reference(client) == [11]  # not from its file, since that has changed
    record = module_snapshot.snapshot()[0]["helpers"]
    assert record.source is not None


def test_a_compiled_module_in_another_state_is_refused(client: Any, project: Path) -> None:
    import _csv

    if not getattr(_csv, "__file__", None):
        pytest.skip("this Python has _csv built in")
    library = Path(_csv.__file__)
    text = """
    import os, time
    from pkg import _csv
    def work(x):
        open(f"seen-{os.getpid()}", "w").close()
        while sum(name.startswith("seen-") for name in os.listdir()) < 2:
            time.sleep(0.01)  # until both engines have loaded it
        return _csv.__file__
    """
    for content in (library.read_bytes(), library.read_bytes() + b"0"):
        enter(project / "a", **{"helpers": text, "pkg/__init__": ""})
        path = project / "a" / "pkg" / library.name
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        if content == library.read_bytes():
            assert by_reference(client, range(4)) == [str(path)] * 4
        else:
            with pytest.raises(SetupFailed, match=r"compiled module pkg\._csv .* another state"):
                by_reference(client, range(4))
    # Other projects are not concerned.
    enter(project / "b", helpers=B)
    assert by_reference(client) == [("B", 100)]
