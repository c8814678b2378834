"""``tools/get-vistrails.sh``: VisTrails from apt's archive, or given by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .archive import VERSION, make_archive, make_deb

ROOT = Path(__file__).resolve().parents[2]
IN_PACKAGE = "usr/lib/python3/dist-packages/vistrails"
WAY_ON = "make VISTRAILS=PATH run"

needs_apt = pytest.mark.skipif(
    shutil.which("apt-get") is None or os.geteuid() != 0, reason="needs apt-get and root"
)

Get = Callable[..., "subprocess.CompletedProcess[str]"]


def vistrails_files(below: str) -> dict[str, str]:
    return {
        f"{below}/run.py": "",
        f"{below}/__init__.py": "mark = 'of a test'\n",
        f"{below}/core/application.py": "",
    }


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    folder = tmp_path / "venv"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120
    )
    return folder


@pytest.fixture
def get(venv: Path) -> Get:
    def run(*given: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "tools/get-vistrails.sh", str(venv), *given],
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def installed(venv: Path) -> str:
    """Return what stands in the environment's VisTrails, "" if there is none."""
    (site,) = venv.glob("lib/python*/site-packages")
    file = site / "vistrails" / "__init__.py"
    return file.read_text() if file.is_file() else ""


def refused(result: subprocess.CompletedProcess[str], venv: Path, *told: str) -> None:
    assert result.returncode != 0, result
    for text in (*told, WAY_ON, "docs/installation.md"):
        assert text in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    assert installed(venv) == ""
    assert not (venv / "share" / "vistrails.part").exists()


def test_a_package_given_by_hand(tmp_path: Path, venv: Path, get: Get) -> None:
    files = vistrails_files(IN_PACKAGE)
    files["usr/share/doc/vistrails/examples/one.vt"] = "an example"
    deb = make_deb(tmp_path / "of mine.deb", "vistrails", files, "9.9")
    result = get(str(deb))
    assert result.returncode == 0, result.stderr
    assert "Copying VisTrails 9.9" in result.stdout
    assert "another file than Debian 12's package" in result.stdout
    assert installed(venv) == "mark = 'of a test'\n"
    assert (venv / "share/vistrails/examples/one.vt").read_text() == "an example"
    assert not (venv / "share" / "vistrails.part").exists()


@pytest.mark.parametrize("below", [".", "vistrails", IN_PACKAGE])
def test_a_folder_given_by_hand(below: str, tmp_path: Path, venv: Path, get: Get) -> None:
    folder = tmp_path / "folder"
    for name, text in vistrails_files(below).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    result = get(str(folder))
    assert result.returncode == 0, result.stderr
    assert installed(venv) == "mark = 'of a test'\n"


def test_the_folder_in_use_may_be_given(tmp_path: Path, venv: Path, get: Get) -> None:
    deb = make_deb(tmp_path / "x.deb", "vistrails", vistrails_files(IN_PACKAGE))
    assert get(str(deb)).returncode == 0
    (site,) = venv.glob("lib/python*/site-packages")
    assert get(str(site / "vistrails")).returncode == 0
    assert installed(venv) == "mark = 'of a test'\n"


def test_what_cannot_be_used_is_refused(tmp_path: Path, venv: Path, get: Get) -> None:
    refused(get(str(tmp_path / "no such")), venv, "there is no such file or folder")
    (tmp_path / "empty").mkdir()
    refused(get(str(tmp_path / "empty")), venv, "there is no VisTrails in")
    (tmp_path / "text.deb").write_text("this is text")
    refused(get(str(tmp_path / "text.deb")), venv, "it is no Debian package")
    deb = make_deb(tmp_path / "whole.deb", "vistrails", vistrails_files(IN_PACKAGE))
    for size in (9, 70, 200, deb.stat().st_size - 100):
        (tmp_path / "part.deb").write_bytes(deb.read_bytes()[:size])
        refused(get(str(tmp_path / "part.deb")), venv, "part.deb: it ")
    damaged = bytearray(deb.read_bytes())
    damaged[-60:-40] = bytes(20)
    (tmp_path / "damaged.deb").write_bytes(damaged)
    refused(get(str(tmp_path / "damaged.deb")), venv, "damaged.deb: it is damaged")
    other = make_deb(tmp_path / "other.deb", "other", {"usr/x": ""})
    refused(get(str(other)), venv, "it is the package 'other'")
    empty = make_deb(tmp_path / "bare.deb", "vistrails", {"usr/x": ""})
    refused(get(str(empty)), venv, "there is no VisTrails in")


@needs_apt
def test_apt_without_an_archive_of_debian(tmp_path: Path, venv: Path, get: Get) -> None:
    apt = make_archive(tmp_path, "Ubuntu", "noble", [])
    refused(get(APT_CONFIG=str(apt)), venv, "none of apt's sources here is an archive of Debian")


@needs_apt
def test_an_archive_without_debian_12(tmp_path: Path, venv: Path, get: Get) -> None:
    apt = make_archive(tmp_path, "Debian", "trixie", [])
    refused(get(APT_CONFIG=str(apt)), venv, "If that archive has no Debian 12 any more")


@needs_apt
def test_an_archive_whose_keys_are_unknown(tmp_path: Path, venv: Path, get: Get) -> None:
    deb = make_deb(tmp_path / "vistrails_x.deb", "vistrails", vistrails_files(IN_PACKAGE))
    apt = make_archive(tmp_path, "Debian", "trixie", [])
    shutil.copytree(tmp_path / "archive/dists/trixie", tmp_path / "archive/dists/bookworm")
    (tmp_path / "archive" / deb.name).write_bytes(deb.read_bytes())
    refused(get(APT_CONFIG=str(apt)), venv, "is not signed")


@needs_apt
def test_another_package_of_that_name_and_version(tmp_path: Path, venv: Path, get: Get) -> None:
    deb = make_deb(
        tmp_path / f"vistrails_{VERSION}_all.deb", "vistrails", vistrails_files(IN_PACKAGE)
    )
    apt = make_archive(tmp_path, "Debian", "bookworm", [deb])
    refused(get(APT_CONFIG=str(apt)), venv, "is another file than it should be", "SHA-256")


@needs_apt
def test_the_machine_s_apt_is_left_as_it_is(tmp_path: Path, venv: Path, get: Get) -> None:
    apt = make_archive(tmp_path, "Debian", "trixie", [])
    subprocess.run(
        ["apt-get", "update", "-q"], env={**os.environ, "APT_CONFIG": str(apt)}, check=True
    )

    def files() -> dict[Path, tuple[int, int]]:
        return {
            p: (p.stat().st_size, p.stat().st_mtime_ns)
            for folder in ("state", "cache", "parts", "sources.list", "apt.conf")
            for p in (tmp_path / folder, *(tmp_path / folder).rglob("*"))
            if p.is_file() and p.name not in ("pkgcache.bin", "srcpkgcache.bin", "lock")
        }

    before = files()
    refused(get(APT_CONFIG=str(apt)), venv)
    assert files() == before
