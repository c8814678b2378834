"""Files of a function's file pool, packed on one machine and unpacked on another."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

from parallelflow.engine import files


class PathObject:
    """As VisTrails' class of this name: a path in its attribute."""

    def __init__(self, name: Path | str) -> None:
        self.name = str(name)


class Pool:
    """As VisTrails' FilePool: makes files and folders in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create_file(self, suffix: str = "") -> PathObject:
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=suffix, delete=False) as file:
            return PathObject(file.name)

    def create_directory(self) -> PathObject:
        return PathObject(tempfile.mkdtemp(dir=self.folder))


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Return the pool's folder on the engine."""
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Return the client's pool."""
    folder = tmp_path / "deep" / "here"
    folder.mkdir(parents=True)
    return Pool(folder)


def test_a_file_arrives_with_its_content_and_ending(there: Path, pool: Pool) -> None:
    (there / "x.tar.gz").write_bytes(b"\0content")
    packed = files.pack(PathObject(there / "x.tar.gz"), str(there))
    (there / "x.tar.gz").unlink()
    came = files.unpack(packed, pool)
    assert Path(came.name).read_bytes() == b"\0content"
    assert Path(came.name).parent == pool.folder and came.name.endswith(".tar.gz")


def test_a_folder_arrives_with_all_that_is_in_it(there: Path, pool: Pool) -> None:
    (there / "results" / "sub").mkdir(parents=True)
    (there / "results" / "sub" / "a.txt").write_text("a")
    came = files.unpack(files.pack(PathObject(there / "results"), str(there)), pool)
    assert (Path(came.name) / "sub" / "a.txt").read_text() == "a"
    assert Path(came.name).parent == pool.folder


def test_files_inside_lists_tuples_and_dicts_are_found(there: Path, pool: Pool) -> None:
    (there / "a").write_text("a")
    value = [1, ({"file": PathObject(there / "a")}, "text")]
    packed = files.pack(value, str(there))
    assert isinstance(packed[1][0]["file"], files.PackedFile)
    came = files.unpack(packed, pool)
    assert Path(came[1][0]["file"].name).read_text() == "a"
    assert came[0] == 1 and came[1][1] == "text"


def test_files_elsewhere_are_the_users_and_stay_names(there: Path, tmp_path: Path) -> None:
    own = PathObject(tmp_path / "own.txt")
    Path(own.name).write_text("own")
    assert files.pack(own, str(there)) is own
    # A folder whose name only begins as the pool's does is another one.
    beside = PathObject(f"{there}-2/file")
    assert files.pack(beside, str(there)) is beside
    assert files.pack("text", str(there)) == "text"


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..", ".bashrc", "a/../b.txt"])
def test_a_files_name_leads_nowhere_else(pool: Pool, tmp_path: Path, name: str) -> None:
    before = set(tmp_path.rglob("*"))
    came = files.unpack(files.PackedFile(name, b"data", False), pool)
    assert Path(came.name).parent == pool.folder
    assert set(tmp_path.rglob("*")) - before == {Path(came.name)}


@pytest.mark.skipif(
    not hasattr(tarfile, "data_filter"), reason="this Python's tarfile has no check"
)
@pytest.mark.parametrize("member", ["../evil", "../../evil", "a/../../../evil"])
def test_a_folders_members_lead_nowhere_else(pool: Pool, tmp_path: Path, member: str) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        information = tarfile.TarInfo(member)
        information.size = 4
        tar.addfile(information, io.BytesIO(b"evil"))
    packed: Any = files.PackedFile("folder", archive.getvalue(), True)
    with pytest.raises(tarfile.TarError):
        files.unpack(packed, pool)
    assert not [path for path in tmp_path.rglob("*") if path.name == "evil"]
