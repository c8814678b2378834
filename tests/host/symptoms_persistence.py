"""Symptoms in VisTrails' package persistence."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from tests.host.symptoms import symptom
from tests.host.symptoms_core import start
from tests.support.workflows import CONTROL_FLOW, Part, Workflow, run, source

PERSISTENCE = "org.vistrails.vistrails.persistence"
READ = """
import os
def read(path):
    if os.path.isfile(path):
        return open(path).read()
    return {name: read(os.path.join(path, name)) for name in sorted(os.listdir(path))}
o = read(i.name)
"""


def here() -> bool:
    return all(importlib.util.find_spec(name) for name in ("dulwich", "PyQt5"))


def start_with_persistence() -> Any:
    """Enable the package, with a store of this process' own; return its module `init`."""
    from parallelflow import host
    from parallelflow.host import core

    if not core.is_running():
        os.environ["HOME"] = tempfile.mkdtemp(dir=Path.home())
    start()
    host.enable_packages([PERSISTENCE])
    from vistrails.packages.persistence import init

    return init


def made(path: Path, kind: str) -> Any:
    """Store what another module has made, and return what is read of it."""
    code = (
        "from vistrails.core.modules.basic_modules import PathObject\n"
        f"o = PathObject({str(path)!r})"
    )
    parts = [source(code, ()), Part(f"PersistentIntermediate{kind}", PERSISTENCE), source(READ)]
    result = run(Workflow(parts, [(0, "o", 1, "value"), (1, "value", 2, "i")]), CONTROL_FLOW, "o")
    assert not result.errors, result.errors
    return result.values[2]


def stored(reference: tuple[object, ...]) -> Any:
    parts = [
        Part("PersistentInputFile", PERSISTENCE, functions={"ref": str(reference)}),
        source(READ),
    ]
    result = run(Workflow(parts, [(0, "value", 1, "i")]), CONTROL_FLOW, "o")
    assert not result.errors, result.errors
    return result.values[1]


def new_folder(name: str) -> Path:
    folder = Path.home() / name
    (folder / "inner").mkdir(parents=True)
    (folder / "one").write_text("1")
    (folder / "inner" / "two").write_text("2")
    (folder / "inner" / "large").write_bytes(b"x" * 200_000)
    return folder


@symptom("persistence-text", r"takes 2 positional arguments but 3 were given", here)
def files_and_folders_are_stored_and_found_again() -> None:
    init = start_with_persistence()
    folder = new_folder("stored by text")
    content = {"inner": {"large": "x" * 200_000, "two": "2"}, "one": "1"}
    assert made(folder, "Dir") == content
    assert made(folder / "one", "File") == "1"
    (folder / "one").write_text("another")  # the workflow is the same: its result is not made again
    assert made(folder / "one", "File") == "1"
    assert made(folder, "Dir") == content
    repository = init.repo.get_current_repo()
    rows = init.db_access.conn.execute(
        "SELECT id, version, content_hash, type FROM file"
    ).fetchall()
    for name, version in {name: version for name, version, *_ in rows}.items():
        assert repository.get_latest_version(name) == version
    for name, version, digest, kind in rows:
        assert repository.get_hash(name, version) == digest
        assert repository.get_type(name, version) == kind


@symptom("persistence-schema", r"schema\.sql", here)
def the_table_of_what_is_stored_is_made() -> None:
    init = start_with_persistence()
    assert init.db_access.search_by_signature("none") is None
    assert init.db_access.read_database(where_dict={"id": "none"}) == []
    assert not init.db_access.ref_exists("none")


@symptom("persistence-signature", r"'<' not supported", here)
def a_version_that_was_stored_is_read() -> None:
    init = start_with_persistence()
    file = Path.home() / "versions"
    name = "of two versions"
    named = (1, name, None, str(file), True, False, False, "versions", "")
    for text in ("first", "second"):
        file.write_text(text)
        parts = [
            Part(
                "PersistentInputFile",
                PERSISTENCE,
                functions={"ref": str(named), "localPath": str(file), "readLocal": "True"},
            ),
            source(READ),
        ]
        result = run(Workflow(parts, [(0, "value", 1, "i")]), CONTROL_FLOW, "o")
        assert not result.errors, result.errors
        assert result.values[1] == text
    rows = init.db_access.conn.execute(
        "SELECT version FROM file WHERE id = ? ORDER BY rowid", (name,)
    )
    first, second = (version for (version,) in rows)
    fixed = (2, name, first, None, False, False, False, "", "")
    assert stored(fixed) == "first"
    assert stored((*fixed[:2], second, *fixed[3:])) == "second"
    assert stored((*fixed[:2], None, *fixed[3:])) == "second"


@symptom("persistence-store", r"AssertionError: .*parallelflow-core", here)
def the_store_is_the_users() -> None:
    init = start_with_persistence()
    assert init.local_db == str(Path.home() / ".vistrails" / "persistent_files"), init.local_db


@symptom("persistence-references", r"A Module instance was used as data", here)
def no_warning_tells_of_references() -> None:
    start_with_persistence()
    file = Path.home() / "quiet"
    file.write_text("quiet")
    reference = (1, file.name, None, str(file), True, False, False, "", "")
    parts = [
        Part("PersistentRef", PERSISTENCE, functions={"value": str(reference)}),
        Part(
            "PersistentInputFile",
            PERSISTENCE,
            functions={"localPath": str(file), "readLocal": "True"},
        ),
        source(READ),
    ]
    connections = [(0, "value", 1, "ref"), (1, "value", 2, "i")]
    with warnings.catch_warnings(record=True) as told:
        result = run(Workflow(parts, connections), CONTROL_FLOW, "o")
    assert not told, str(told[0].message)
    assert not result.errors, result.errors
