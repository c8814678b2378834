"""Settings of libraries that may not be loaded: NumPy's, and those of decimal numbers."""

from __future__ import annotations

import sys
from typing import Any

__all__ = [
    "read_decimal",
    "read_file_types",
    "read_numpy_errors",
    "read_numpy_print",
    "write_decimal",
    "write_file_types",
    "write_numpy_errors",
    "write_numpy_print",
]

_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
_NUMPY_PRINT = {
    "edgeitems": 3, "threshold": 1000, "floatmode": "maxprec", "precision": 8, "suppress": False,
    "linewidth": 75, "nanstr": "nan", "infstr": "inf", "sign": "-", "legacy": False,
}  # fmt: skip
# prec, rounding, Emin, Emax, capitals, clamp, what raises: Python's default context.
_DECIMAL = (
    28, "ROUND_HALF_EVEN", -999999, 999999, 1, 0,
    ("DivisionByZero", "InvalidOperation", "Overflow"),
)  # fmt: skip


def read_numpy_errors() -> dict[str, str]:
    """Return how NumPy handles floating-point errors, without loading it."""
    numpy = sys.modules.get("numpy")
    return numpy.geterr() if hasattr(numpy, "geterr") else _NUMPY_ERRORS  # type: ignore[union-attr]


def write_numpy_errors(value: dict[str, str]) -> None:
    """Set how NumPy handles floating-point errors."""
    import numpy

    numpy.seterr(**value)  # type: ignore[arg-type]


def read_numpy_print() -> dict[str, Any]:
    """Return how NumPy prints arrays, without loading it."""
    numpy = sys.modules.get("numpy")
    if not hasattr(numpy, "get_printoptions"):
        return _NUMPY_PRINT
    found = numpy.get_printoptions()  # type: ignore[union-attr]
    return {name: found[name] for name in _NUMPY_PRINT if name in found}


def write_numpy_print(value: dict[str, Any]) -> None:
    """Set how NumPy prints arrays."""
    import numpy

    numpy.set_printoptions(**value)


def read_decimal() -> tuple[Any, ...]:
    """Return the context of decimal numbers, without loading their module."""
    decimal = sys.modules.get("decimal")
    if not hasattr(decimal, "getcontext"):
        return _DECIMAL
    here = decimal.getcontext()  # type: ignore[union-attr]
    traps = tuple(sorted([signal.__name__ for signal, on in here.traps.items() if on]))
    return here.prec, here.rounding, here.Emin, here.Emax, here.capitals, here.clamp, traps


def write_decimal(value: tuple[Any, ...]) -> None:
    """Set the context of decimal numbers."""
    import decimal

    here = decimal.getcontext()
    here.prec, here.rounding, here.Emin, here.Emax, here.capitals, here.clamp, traps = value
    for signal in here.traps:
        here.traps[signal] = signal.__name__ in traps


FileTypes = tuple[dict[str, str], dict[str, str], dict[str, str], dict[str, str]]


def read_file_types() -> FileTypes | None:
    """Return the tables of `mimetypes`; None while nobody has used them in this process."""
    tables = getattr(sys.modules.get("mimetypes"), "_db", None)
    if tables is None:
        return None
    common, strict = tables.types_map
    return dict(common), dict(strict), dict(tables.encodings_map), dict(tables.suffix_map)


def write_file_types(value: FileTypes | None) -> None:
    """Set the tables of `mimetypes`; None: they are made again from the system's when needed."""
    import mimetypes

    module: Any = mimetypes
    if value is None:
        module._db, module.inited = None, False
        return
    if module._db is None:
        # Without `mimetypes.init`, which reads the system's tables for 2 ms: all are replaced.
        module.inited = True
        module._db = mimetypes.MimeTypes()
    tables = module._db
    common, strict, encodings, suffixes = map(dict, value)
    tables.types_map = common, strict
    tables.types_map_inv = {}, {}
    for number, types in enumerate(tables.types_map):
        for extension, kind in types.items():
            tables.types_map_inv[number].setdefault(kind, []).append(extension)
    tables.encodings_map, tables.suffix_map = encodings, suffixes
    module.common_types, module.types_map = common, strict
    module.encodings_map, module.suffix_map = encodings, suffixes
