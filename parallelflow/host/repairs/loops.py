"""Repair: the For of Control Flow with an input port."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from .repair import Repair, imported_module

_MODULE = "vistrails.packages.controlflow.looping"


class _DigestOfText:
    """A SHA-1 digest that takes text, too, as in Python 2."""

    def __init__(self, make: Any, *data: Any) -> None:
        self._digest = make()
        for part in data:
            self.update(part)

    def update(self, data: Any) -> None:
        """Add text (as UTF-8) or bytes."""
        self._digest.update(data.encode() if isinstance(data, str) else data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._digest, name)


def _sign_any_iteration(looping: Any) -> None:
    to_bytes = looping.long2bytes

    @functools.wraps(to_bytes)
    def any_to_bytes(number: int, length: int) -> bytes:
        # Numbers below zero as their complement: of another sign, another signature.
        result: bytes = to_bytes(number % 256**length, length)
        return result

    looping.sha1_hash = functools.partial(_DigestOfText, looping.sha1_hash)
    looping.long2bytes = any_to_bytes


def _hashes_text() -> bool:
    return "inputPort_hash.update(name_input)" in inspect.getsource(
        imported_module(_MODULE).For.compute
    )


REPAIRS = (
    Repair(
        name="for-input",
        symptom="For with InputPort: 'Strings must be encoded before hashing'; from a LowerBound "
        "below zero: ValueError",
        cause="the signature of each iteration is made of text, and of the number as it is without "
        "its sign",
        affected="VisTrails 3.0 on Python 3",
        modules=(_MODULE,),
        needed=_hashes_text,
        after=_sign_any_iteration,
    ),
)
