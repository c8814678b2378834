"""What cloudpickle does otherwise than we need: open files, and cached functions of a script."""

from __future__ import annotations

import _io
import functools
import io
import pickle
import sys
import types
from typing import Any

import cloudpickle

from .code_files import code_of_file, file_of
from .streams import ElementStream, standard_stream

__all__ = ["Pickler", "dumps"]

_CACHED = type(functools.lru_cache(lambda: None))
# Modules whose objects stand for something of one process.
HANDLES = ("multiprocessing.connection", "tempfile")
ADVICE = {
    "multiprocessing.connection": "make it where it is used",
    "tempfile": "send its name, and keep it where it was made",
}
_STREAMS = ("stdin", "stdout", "stderr")


class Pickler(cloudpickle.Pickler):
    """cloudpickle's pickler, with these differences.

    An open file or connection cannot be pickled (cloudpickle would send what a file holds, and the
    element would read a copy; pickle the number of a descriptor), nor what is removed with its
    owner. ``sys.stdout`` and its like stand for those of the other process. Functions of a script
    that `functools` has wrapped (``lru_cache``, ``singledispatch``) go by value, as its others do.
    Code keeps the name of its file, which cloudpickle 3.1 replaces: tracebacks show its lines, and
    `inspect.getsource` finds them.
    """

    def reducer_override(self, obj: Any) -> Any:
        """Return how an object is pickled; see `pickle.Pickler`."""
        if isinstance(obj, types.CodeType):
            file = file_of(obj)
            if file is None:
                return NotImplemented
            return code_of_file, (*self.dispatch_table[types.CodeType](obj), *file)
        if isinstance(obj, _io._IOBase):
            return _reduce_file(obj)
        if type(obj).__module__ in HANDLES:
            _refuse_handle(obj)
        if isinstance(obj, _CACHED) and not _is_importable(obj):
            return _cached_again, (obj.__wrapped__, obj.cache_parameters(), _attributes(obj))
        if _is_single_dispatch(obj) and not _is_importable(obj):
            functions = dict(obj.registry)
            return _dispatching_again, (functions.pop(object), functions, _attributes(obj))
        return super().reducer_override(obj)


def _reduce_file(obj: Any) -> Any:
    for name in _STREAMS:
        if obj is getattr(sys, name):
            return standard_stream, (name,)
    if isinstance(obj, ElementStream):
        return NotImplemented  # it knows itself what it stands for
    try:
        is_open = not obj.closed
        obj.fileno()
    except Exception:  # in memory: StringIO, BytesIO
        is_open = False
    if not is_open and not isinstance(obj, io.TextIOWrapper):
        return NotImplemented
    path = getattr(obj, "name", None)
    which = f" ({path})" if isinstance(path, str) else ""
    raise TypeError(f"a file{which} cannot be sent: send its name, and open it where it is used")


def _refuse_handle(obj: Any) -> None:
    cls = type(obj)
    if hasattr(obj, "fileno") or hasattr(obj, "cleanup"):
        raise TypeError(f"a {cls.__name__} cannot be sent: {ADVICE[cls.__module__]}")


def _is_importable(function: Any) -> bool:
    """Whether another process finds a function by its name, as pickle takes it."""
    module: Any = getattr(function, "__module__", None)
    if module is None or module == "__main__":
        return False
    by_value = cloudpickle.list_registry_pickle_by_value()
    parts = module.split(".")
    if any(".".join(parts[: i + 1]) in by_value for i in range(len(parts))):
        return False
    found: Any = sys.modules.get(module)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


def _is_single_dispatch(obj: Any) -> bool:
    if type(obj) is not types.FunctionType or not hasattr(obj, "registry"):
        return False
    # The wrapper that functools makes, and no function of the user's that has such an attribute.
    return obj.__code__.co_filename == functools.__file__ and hasattr(obj, "_clear_cache")


def _attributes(function: Any) -> dict[str, Any]:
    """Return what ``functools.update_wrapper`` and the user have put on a function."""
    kept = {"__wrapped__", "cache_parameters", "registry", "dispatch", "register", "_clear_cache"}
    return {name: value for name, value in vars(function).items() if name not in kept}


def _cached_again(function: Any, parameters: dict[str, Any], attributes: dict[str, Any]) -> Any:
    """Return a function with a cache of its own, as empty as that of a new process."""
    cached: Any = functools.lru_cache(**parameters)(function)
    vars(cached).update(attributes)
    return cached


def _dispatching_again(function: Any, others: dict[type, Any], attributes: dict[str, Any]) -> Any:
    dispatching: Any = functools.singledispatch(function)
    for kind, each in others.items():
        dispatching.register(kind, each)
    vars(dispatching).update(attributes)
    return dispatching


def dumps(value: Any, buffer_callback: Any = None) -> bytes:
    """Return a value's pickle.

    Parameters
    ----------
    value : object
        What to pickle.
    buffer_callback : callable, optional
        As `pickle.Pickler` has it.
    """
    with io.BytesIO() as file:
        Pickler(file, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=buffer_callback).dump(value)
        return file.getvalue()
