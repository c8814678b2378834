"""Files that modules are loaded from: whether they still have the content that they had."""

from __future__ import annotations

import time
from importlib.machinery import PathFinder
from pathlib import Path

from parallelflow.system.safe_files import read_bytes

from .module_snapshot import digest_of

__all__ = ["ModuleFile", "is_younger"]

# A bytecode file this much younger than its source was made from it; one of the same second may
# have been made from what the source was before, since it notes whole seconds only.
BYTECODE_AGE_NS = 2_000_000_000
# A file that changes again so soon may keep its time.
SETTLED_NS = 2_000_000_000


class ModuleFile:
    """The content from which a module is loaded."""

    def __init__(self, path: str, digest: bytes) -> None:
        self.path = path
        self.digest = digest
        self._seen = 0  # the file's time when its content was compared, if that is conclusive

    def is_unchanged(self, name: str, path: list[str]) -> bool:
        """Return True if a name leads to this file, and the file has this content."""
        if "." not in name:
            spec = PathFinder.find_spec(name, path)
            if spec is None or spec.origin != self.path:
                return False
        return self.is_on_disk()

    def is_on_disk(self) -> bool:
        """Return True if the file has this content."""
        try:
            changed = Path(self.path).stat().st_mtime_ns
            if self._seen and changed == self._seen:
                return True
            if digest_of(read_bytes(self.path)) != self.digest:
                return False
        except OSError:
            return False
        if time.time_ns() - changed > SETTLED_NS:
            self._seen = changed
        return True


def is_younger(bytecode: str, source: str) -> bool:
    """Return True if bytecode was certainly made from a source as it is now."""
    try:
        made, changed = (Path(path).stat().st_mtime_ns for path in (bytecode, source))
    except OSError:
        return False
    return made - changed > BYTECODE_AGE_NS
