"""What VisTrails uses of ``distutils.version``, removed in Python 3.12."""

from __future__ import annotations

import functools
import re

_PART = re.compile(r"\d+|[a-z]+|[^\da-z.]+", re.IGNORECASE)


@functools.total_ordering
class LooseVersion:
    """A version number that compares by its numbers and words, whatever its form.

    Parameters
    ----------
    vstring : str or None
        The version, e.g. ``"1.13.0b2"``.
    """

    def __init__(self, vstring: str | None = None) -> None:
        self.vstring = ""
        self.version: list[int | str] = []
        if vstring:
            self.parse(vstring)

    def parse(self, vstring: str) -> None:
        """Take the version apart into ``version``, a list of int and str."""
        self.vstring = vstring
        self.version = [int(part) if part.isdigit() else part for part in _PART.findall(vstring)]

    def _key(self) -> list[tuple[int, int, str]]:
        # Python 3 does not compare numbers with words; a word comes first, as 1.0b1 < 1.0.1.
        return [(0, 0, part) if isinstance(part, str) else (1, part, "") for part in self.version]

    @staticmethod
    def _as_version(other: object) -> LooseVersion | None:
        if isinstance(other, str):
            return LooseVersion(other)
        return other if isinstance(other, LooseVersion) else None

    def __eq__(self, other: object) -> bool:
        version = self._as_version(other)
        return NotImplemented if version is None else self._key() == version._key()

    def __lt__(self, other: object) -> bool:
        version = self._as_version(other)
        return NotImplemented if version is None else self._key() < version._key()

    def __hash__(self) -> int:
        return hash(tuple(self._key()))

    def __str__(self) -> str:
        return self.vstring

    def __repr__(self) -> str:
        return f"LooseVersion ('{self.vstring}')"
