"""Repairs of VisTrails' package persistence, written for dulwich of Python 2.

Its store is a Git repository, in which dulwich has names and ids as bytes. VisTrails' modules, and
the table of what is stored, have them as text: they are translated here, in both directions.
"""

from __future__ import annotations

import importlib.util
import stat
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from parallelflow.system.safe_files import make_folder, open_to_read

from ...user_modules import user_folder
from ..repair import Repair, always, in_headless_core

_FOLDER = "vistrails.packages.persistence"

# What VisTrails' statements name, and compare as texts.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    id TEXT NOT NULL, name TEXT, tags TEXT, user TEXT, date_created TEXT, date_modified TEXT,
    content_hash TEXT, version TEXT, signature TEXT, type TEXT, deleted bool NOT NULL DEFAULT False
)
"""
READ_BYTES = 1 << 16


def _bytes(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def _speak_text(repo: Any) -> None:
    """Put a repository that takes and gives text in the place of the package's."""
    original: Any = repo.GitRepo

    class GitRepo(original):
        """A Git repository of files and folders, by their names in it."""

        def __init__(self, path: str) -> None:
            place = Path(path)
            if place.exists() and not place.is_dir():
                raise OSError(f'Git repository "{path}" must be a directory.')
            try:
                self.repo = repo.Repo(path)
            except repo.NotGitRepository:
                try:
                    self.repo = repo.Repo.init(path, mkdir=not place.exists())
                except FileExistsError:  # another session makes it, too
                    self.repo = repo.Repo(path)
            self.temp_persist_files: list[str] = []

        def _get_commit(self, version: str = "HEAD") -> Any:
            return super()._get_commit(_bytes(version))

        def _entry(self, name: str, version: str) -> tuple[int, bytes]:
            """Return mode and id of a file or folder.

            Raises
            ------
            KeyError
                If it is not in that version.
            """
            tree = self.repo[self._get_commit(version).tree]
            if _bytes(name) not in tree:
                raise KeyError(f'Cannot find object "{name}"')
            mode, found = tree[_bytes(name)]
            return mode, found

        def get_type(self, name: str, version: str = "HEAD") -> str:
            return "tree" if stat.S_ISDIR(self._entry(name, version)[0]) else "blob"

        def get_hash(self, name: str, version: str = "HEAD", path_type: object = None) -> str:
            return _text(self._entry(name, version)[1])

        def get_file(
            self,
            name: str,
            version: str = "HEAD",
            out_fname: str | None = None,
            out_suffix: str = "",
        ) -> str:
            return str(self._write_blob(self._entry(name, version)[1], out_fname, out_suffix))

        def _write_blob(
            self, blob_sha: bytes, out_fname: str | None = None, out_suffix: str = ""
        ) -> str:
            if out_fname is None:
                descriptor, out_fname = repo.tempfile.mkstemp(out_suffix, "vt_persist")
                repo.os.close(descriptor)
                self.temp_persist_files.append(out_fname)
            file = Path(out_fname)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as stream:
                stream.writelines(self.repo[blob_sha].as_raw_chunks())
            return out_fname

        def get_dir(
            self,
            name: str,
            version: str = "HEAD",
            out_dirname: str | None = None,
            out_suffix: str = "",
        ) -> str:
            if out_dirname is None:
                out_dirname = str(repo.tempfile.mkdtemp(out_suffix, "vt_persist"))
                self.temp_persist_files.append(out_dirname)
            self._write_tree(self._entry(name, version)[1], Path(out_dirname))
            return out_dirname

        def _write_tree(self, tree: bytes, folder: Path) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            for name, mode, found in self.repo[tree].items():
                place = folder / _text(name)
                if stat.S_ISDIR(mode):
                    self._write_tree(found, place)
                else:
                    self._write_blob(found, str(place))

        @staticmethod
        def compute_blob_hash(fname: str, chunk_size: int = READ_BYTES) -> str:
            def pieces() -> Iterator[bytes]:
                yield repo.object_header(repo.Blob.type_num, Path(fname).stat().st_size)
                with open_to_read(fname) as stream:
                    while piece := stream.read(chunk_size):
                        yield piece

            return _text(repo.iter_sha1(pieces()))

        @staticmethod
        def compute_tree_hash(dirname: str) -> str:
            return _text(_tree_of(repo, Path(dirname)).id)

        def get_latest_version(self, path: str) -> str:
            walker = repo.Walker(
                self.repo.object_store, [self.repo.head()], max_entries=1, paths=[_bytes(path)]
            )
            return _text(next(iter(walker)).commit.id)

        def add_commit(self, filename: str) -> str:
            self.setup_git()
            # Newer versions of dulwich have the two at the working tree.
            tree = self.repo.get_worktree() if hasattr(self.repo, "get_worktree") else self.repo
            tree.stage([str(name) for name in self._names(filename)])
            commit = tree.commit if hasattr(tree, "commit") else tree.do_commit
            return _text(commit(message=f"Updated {filename}".encode()))

        def _names(self, filename: str) -> Iterator[Path]:
            """Yield the files to be added, relative to the repository."""
            base = Path(self.repo.path)
            path = base / filename
            for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if each.is_symlink():
                    repo.debug.warning(f"Warning: not staging symbolic link {each.name}")
                elif each.is_file():
                    yield each.relative_to(base)

        def setup_git(self) -> None:
            config = self.repo.get_config_stack()
            try:
                config.get((b"user",), b"name")
                config.get((b"user",), b"email")
            except KeyError:
                from vistrails.core.system import current_user

                user = current_user()
                own = self.repo.get_config()
                own.set((b"user",), b"name", user.encode())
                own.set((b"user",), b"email", f"{user}@localhost".encode())
                own.write_to_path()

    repo.GitRepo = GitRepo


def _tree_of(repo: Any, folder: Path) -> Any:
    """Return the tree that Git makes of a folder: of its files and of folders that have any."""
    tree = repo.Tree()
    for path in folder.iterdir():
        if path.is_symlink():
            continue
        if path.is_dir():
            inner = _tree_of(repo, path)
            if len(inner):
                tree.add(_bytes(path.name), stat.S_IFDIR, inner.id)
        elif path.is_file():
            executable = path.stat().st_mode & stat.S_IXUSR
            mode = stat.S_IFREG | (0o755 if executable else 0o644)
            tree.add(_bytes(path.name), mode, _bytes(repo.GitRepo.compute_blob_hash(str(path))))
    return tree


def _bring_schema(db_utils: Any) -> None:
    def make_table(self: Any) -> None:
        # A session may have ended, or another one be, between the file's making and the table's.
        with self.conn:
            self.conn.execute(_SCHEMA)
        add_column(self)

    access = db_utils.DatabaseAccess
    add_column = access.ensure_deleted_column_exist
    access.run_sql_file = lambda *_: None
    access.ensure_deleted_column_exist = make_table


def _hash_text(init: Any) -> None:
    class Hasher(init.Hasher):
        """What VisTrails' hasher is, of texts as well as of digests."""

        @staticmethod
        def compound_signature(sig_list: list[str | bytes]) -> bytes:
            digest: bytes = original([_bytes(each) for each in sig_list])
            return digest

    original = init.Hasher.compound_signature
    init.Hasher = Hasher


def _store_with_the_user(init: Any) -> None:
    def user_folder_for_the_store() -> str:
        folder = user_folder()
        make_folder(folder)
        return str(folder)

    init.current_dot_vistrails = user_folder_for_the_store


def _be_quiet_about_references(_: object) -> None:
    # VisTrails warns of modules that are given as values; a reference is both.
    warnings.filterwarnings("ignore", "A Module instance was used as data: module=PersistentRef,")


def _lacks_schema() -> bool:
    with suppress(ImportError, ValueError):
        found = importlib.util.find_spec(_FOLDER)
        if found is not None and found.origin:
            return not Path(found.origin).with_name("schema.sql").exists()
    return False


REPAIRS = (
    Repair(
        name="persistence-signature",
        symptom="TypeError: '<' not supported between instances of 'str' and 'bytes', for a "
        "workflow that reads what is stored",
        cause="the signature of such a module is made of a digest and of texts",
        affected="VisTrails 3.0 on Python 3",
        modules=(f"{_FOLDER}.init",),
        needed=always,
        after=_hash_text,
    ),
    Repair(
        name="persistence-store",
        symptom="what a workflow stores without a window is gone when the session ends",
        cause="the store is in the folder of the session's configuration, which is not the user's "
        "without a window",
        affected="processes with VisTrails' headless core",
        modules=(f"{_FOLDER}.init",),
        needed=in_headless_core,
        after=_store_with_the_user,
    ),
    Repair(
        name="persistence-references",
        symptom="UserWarning: A Module instance was used as data: module=PersistentRef",
        cause="a reference to what is stored is a module and its own value",
        affected="VisTrails 3.0",
        modules=(f"{_FOLDER}.init",),
        needed=always,
        after=_be_quiet_about_references,
    ),
    Repair(
        name="persistence-text",
        symptom="Repo.init() takes 2 positional arguments but 3 were given; then TypeError for "
        "names in bytes, and a store that reads a file for ever",
        cause="dulwich has names and ids in bytes on Python 3, and stage and do_commit elsewhere; "
        "a file is read until it gives '', which on Python 3 it never does",
        affected="VisTrails 3.0 on Python 3",
        modules=(f"{_FOLDER}.repo",),
        needed=always,
        after=_speak_text,
    ),
    Repair(
        name="persistence-schema",
        symptom="FileNotFoundError: schema.sql, when the store is used for the first time",
        cause="the file is not part of the distribution",
        affected="VisTrails 3.0 as Debian packages it",
        modules=(f"{_FOLDER}.db_utils",),
        needed=_lacks_schema,
        after=_bring_schema,
    ),
)
