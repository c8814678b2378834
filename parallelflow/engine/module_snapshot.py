"""The modules of a session beyond its installation, as it has loaded them.

Standard library only. Python does not keep the source that a module was made from. So the source
is read when a module is first seen, and kept: a file that is edited later changes nothing in the
session, nor on its engines, until the module is reloaded.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import time
from dataclasses import dataclass
from importlib.machinery import SOURCE_SUFFIXES, ExtensionFileLoader, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from parallelflow.system.safe_files import open_to_read, read_bytes

from .python_path import is_installed

__all__ = ["ModuleRecord", "compiled_digest", "digest_of", "is_own", "look", "snapshot"]

# Sources travel with each run up to this size in all, some 25 000 lines. Beyond it engines read the
# files and compare digests, which takes files that both can read.
MAX_SOURCE_BYTES = 1_000_000
# Files of compiled modules are read in pieces of this size.
BLOCK_BYTES = 2**20
# The digest of a compiled module whose file is not there any more.
REPLACED = b"replaced"

# What runs the session or the engine itself, also from a checkout.
INFRASTRUCTURE = frozenset(
    ("parallelflow", "vistrails", "ipyparallel", "ipykernel", "IPython", "cloudpickle", "zmq",
     "jupyter_client", "jupyter_core", "traitlets", "tornado", "psutil", "__main__", "__mp_main__",
     "sitecustomize", "usercustomize")
)  # fmt: skip


@dataclass(frozen=True)
class ModuleRecord:
    """One module as a session has loaded it.

    Attributes
    ----------
    path : str
        Its file.
    digest : bytes
        Of the file's content.
    folders : list of str or None
        Where a package's modules are; None for a module that is no package.
    source : bytes or None
        The source; None if it does not travel.
    """

    path: str
    digest: bytes
    folders: list[str] | None
    source: bytes | None


@dataclass
class _Seen:
    spec: ModuleSpec
    record: ModuleRecord


_seen: dict[str, _Seen] = {}
_untold: list[str] = []
_installed: dict[str, int] = {}  # to the modules' identities


def digest_of(content: bytes) -> bytes:
    """Return the digest of a file's content."""
    return hashlib.blake2b(content, digest_size=16).digest()


def is_own(name: str, module: ModuleType | None) -> bool:
    """Return True if a module belongs to no installation, but to the user.

    Parameters
    ----------
    name : str
        Its name in ``sys.modules``.
    module : module
        What is there.
    """
    if name.partition(".")[0] in INFRASTRUCTURE:
        return False
    spec = getattr(module, "__spec__", None)
    if spec is None:
        return False
    if spec.has_location and spec.origin:
        return not is_installed(spec.origin)
    folders = list(getattr(module, "__path__", None) or ())
    return bool(folders) and not any(is_installed(folder) for folder in folders)


def snapshot() -> tuple[dict[str, ModuleRecord], list[str]]:
    """Return the session's own modules as it has loaded them, and what is to be told of them.

    Returns
    -------
    dict of str to ModuleRecord
        By name.
    list of str
        A line for each module whose file was edited before it was first seen here.
    """
    table = look()
    notes, _untold[:] = list(_untold), []
    return _limited(table), notes


def look() -> dict[str, ModuleRecord]:
    """Note from what the session's own modules were loaded; return them by name.

    The earlier it is first called, the less can have been edited before.
    """
    there = list(sys.modules.items())
    candidates = {n: m for n, m in there if m is not None and _installed.get(n) != id(m)}
    for name, module in sorted(candidates.items()):
        if not is_own(name, module):
            _installed[name] = id(module)
            continue
        spec: Any = getattr(module, "__spec__", None)
        if not spec.origin:
            continue  # a namespace has no content
        known = _seen.get(name)
        if known is not None and known.spec is spec:  # reload() makes a new one
            continue
        _seen.pop(name, None)
        record = _record(module, spec)
        if record is not None:
            _seen[name] = _Seen(spec, record)
            if record.source is not None and _is_edited(module, spec, record):
                _untold.append(
                    f"the module {name} was edited after this session had loaded it: elements run "
                    f"what {record.path} holds now. importlib.reload makes both the same."
                )
    return {name: _seen[name].record for name in sorted(candidates.keys() & _seen.keys())}


def _limited(table: dict[str, ModuleRecord]) -> dict[str, ModuleRecord]:
    """Return the records, without sources that their files have where they are too large."""
    if sum(len(record.source or b"") for record in table.values()) <= MAX_SOURCE_BYTES:
        return table
    return {
        name: record
        if record.source is None or _content(record.path) != record.source
        else ModuleRecord(record.path, record.digest, record.folders, None)
        for name, record in table.items()
    }


def _content(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except OSError:
        return None


def _record(module: Any, spec: ModuleSpec) -> ModuleRecord | None:
    path = str(spec.origin)
    places = spec.submodule_search_locations
    folders = None if places is None else list(places)
    if isinstance(spec.loader, ExtensionFileLoader):
        return ModuleRecord(path, _loaded_digest(path), folders, None)
    try:
        content = spec.loader.get_data(path)  # type: ignore[union-attr]
    except (OSError, AttributeError):  # the file was removed, or is none
        return None
    source = content if path.endswith(tuple(SOURCE_SUFFIXES)) else None
    return ModuleRecord(path, digest_of(content), folders, source)


def compiled_digest(path: str) -> bytes:
    """Return what tells one state of a compiled module's file from another."""
    try:
        stat = Path(path).stat()
        return _digest_of_file(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return b""


@functools.lru_cache(maxsize=256)
def _digest_of_file(path: str, *_state: int) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with open_to_read(path) as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.digest()


def _loaded_digest(path: str) -> bytes:
    """Return the digest of a compiled module as this process has it.

    A file that was put in the place of the one that was loaded has another; what was loaded
    cannot be read any more, and is equal to nothing.
    """
    try:
        with Path("/proc/self/maps").open(encoding="utf-8", errors="surrogateescape") as lines:
            mapped = {line.split(maxsplit=5)[-1].rstrip("\n") for line in lines if "/" in line}
    except OSError:  # not Linux
        mapped = set()
    real = str(Path(path).resolve())
    if f"{real} (deleted)" in mapped and real not in mapped:
        return REPLACED
    return compiled_digest(path)


def _is_edited(module: ModuleType, spec: ModuleSpec, record: ModuleRecord) -> bool:
    """Return True if functions of a loaded module are not those of its file."""
    if not isinstance(spec.loader, SourceFileLoader):
        return False  # it may change what it loads, as pytest does
    try:
        if Path(record.path).stat().st_mtime < _process_start():
            return False
        code = compile(record.source or b"", record.path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return True
    known = set(_codes(code))
    return any(function.__code__ not in known for function in _functions(module, record.path))


def _codes(code: CodeType) -> Any:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _functions(module: ModuleType, path: str) -> Any:
    """Yield the functions that a module's own code has defined, also those of its classes."""
    for value in list(vars(module).values()):
        members = [value]
        if isinstance(value, type) and value.__module__ == module.__name__:
            members = list(vars(value).values())
        for member in members:
            if isinstance(member, FunctionType) and member.__code__.co_filename == path:
                yield member


def _process_start() -> float:
    """Return when this process started, seconds since the epoch; 0 if that is unknown."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0
