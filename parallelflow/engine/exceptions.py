"""Exceptions on their way: the same class, arguments and attributes arrive, whatever their class.

By pickle's own way an exception's class is called again with ``args``. That fails for a class whose
``__init__`` takes other arguments than it hands on, gives another text for many more, and runs
code that may do anything. Here the exception is put together again without ``__init__``; only a
class that says itself how it is pickled has its way, as long as that works.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import reprlib
from typing import Any

__all__ = ["NotSent", "add_cause", "dump_exception", "load_exception", "set_cause"]

# What a class may define to say how it is pickled.
OWN_WAYS = ("__reduce__", "__reduce_ex__", "__getnewargs_ex__", "__getnewargs__", "__setstate__")
# What has been found out of parts of an exception, by their identity: the parts themselves, or what
# stands for them.
Known = dict[int, Any]

# Of types that C code defines (`Py_TPFLAGS_HEAPTYPE` is not set).
HEAP_TYPE = 1 << 9


class NotSent:
    """Stands for a part of an exception that cannot be pickled.

    Parameters
    ----------
    text : str
        What it was, shortened.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return f"<not sent: {self._text}>"


def dump_exception(error: BaseException) -> bytes | None:
    """Return an exception as bytes, None if its class cannot be pickled."""
    tries: tuple[Known | None, ...] = (None, {})
    for known in tries:
        try:
            data = _dumps(error, known)
            if type(pickle.loads(data)) is type(error) or known is not None:
                return data
        except BaseException:  # what it runs may raise anything, SystemExit too
            continue
    return None


def load_exception(data: bytes) -> BaseException:
    """Return the exception that `dump_exception` has dumped.

    Raises
    ------
    BaseException
        Whatever unpickling raises: its class may not be known here.
    """
    error = pickle.loads(data)
    if not isinstance(error, BaseException):
        raise TypeError(f"{type(error).__name__} is no exception")
    return error


def set_cause(error: BaseException, cause: BaseException | None) -> None:
    """Set an exception's cause, also where its class (a frozen dataclass) refuses attributes."""
    BaseException.__setattr__(error, "__cause__", cause)


def add_cause(error: BaseException, cause: BaseException) -> None:
    """Make an exception the last cause of another, behind those with which that was raised.

    One of its own class that stands there from before is replaced.
    """
    seen = {id(error)}
    while (own := error.__cause__) is not None and type(own) is not type(cause):
        if id(own) in seen:
            return  # they are in a circle, and the traceback ends there
        seen.add(id(own))
        error = own
    if error is not cause:
        set_cause(error, cause)


def _dumps(value: Any, known: Known | None) -> bytes:
    """Return a pickle in which exceptions, also those inside others, are ours to put together.

    With `known`, `NotSent` takes the place of what cannot be pickled.
    """
    from .pickler import Pickler  # not where no exception ever travels

    class ExceptionPickler(Pickler):
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, BaseException):
                return _reduced(obj, known)
            return super().reducer_override(obj)

    with io.BytesIO() as file:
        ExceptionPickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
        return file.getvalue()


def _reduced(error: BaseException, known: Known | None) -> Any:
    cls = type(error)
    base = _base_in_c(cls)
    if base is not cls and _has_own_way(cls):
        try:
            reduced = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
            if type(pickle.loads(_dumps(_Call(reduced), known))) is cls:
                return reduced
        except BaseException:  # its way does not work: ours then
            pass
    # (class, arguments) or (class, arguments, attributes)
    reduce: Any = base.__reduce__
    _, arguments, *rest = reduce(error)
    state = {name: value for part in rest if isinstance(part, dict) for name, value in part.items()}
    for name in copyreg._slotnames(cls):  # type: ignore[attr-defined]
        if hasattr(error, name):
            state[name] = getattr(error, name)
    if error.__cause__ is not None:  # of `raise ... from`
        state["__cause__"] = error.__cause__
    if known is not None:
        arguments = tuple(_sendable(value, known) for value in arguments)
        state = {name: _sendable(value, known) for name, value in state.items()}
    # The attributes come after it, since the exception itself may be in them.
    return _made, (cls, arguments), state, None, None, _set_attributes


class _Call:
    """Something that is pickled as the given reduction says."""

    def __init__(self, reduced: Any) -> None:
        self._reduced = reduced

    def __reduce__(self) -> Any:
        return self._reduced


def _sendable(value: Any, known: Known) -> Any:
    """Return a value, or what stands for it if it cannot be pickled."""
    if id(value) not in known:
        known[id(value)] = NotSent("an object that holds itself")
        known[id(value)] = _try_to_send(value, known)
    return known[id(value)]


def _try_to_send(value: Any, known: Known) -> Any:
    try:
        pickle.loads(_dumps(value, known))
    except BaseException:
        if type(value) in (tuple, list):
            return type(value)(_sendable(part, known) for part in value)
        try:
            return NotSent(reprlib.repr(value))
        except BaseException:
            return NotSent(type(value).__name__)
    return value


def _base_in_c(cls: type) -> type:
    """Return the class in C that decides how instances are made."""
    while cls.__flags__ & HEAP_TYPE and cls.__base__ is not None:
        cls = cls.__base__
    return cls


def _has_own_way(cls: type) -> bool:
    if cls in copyreg.dispatch_table:
        return True
    own = [each for each in cls.__mro__ if each.__flags__ & HEAP_TYPE]
    return any(name in vars(each) for each in own for name in OWN_WAYS)


def _made(cls: type, arguments: tuple[Any, ...]) -> Any:
    """Return an exception without running anything that its class defines in Python."""
    error: Any = _base_in_c(cls).__new__(cls, *arguments)
    # What `super().__init__` comes to: of two bases in C it need not be the one that makes it, and
    # from Python 3.14 on classes such as KeyError have none of their own.
    first: Any = next(
        each for each in cls.__mro__ if not each.__flags__ & HEAP_TYPE and "__init__" in vars(each)
    )
    first.__init__(error, *arguments)
    return error


def _set_attributes(error: Any, state: dict[str, Any]) -> None:
    cls = type(error)
    slots = copyreg._slotnames(cls)  # type: ignore[attr-defined]
    for name, value in state.items():
        if name in slots or hasattr(_base_in_c(cls), name):
            BaseException.__setattr__(error, name, value)
        else:  # a property of the class may have the same name
            error.__dict__[name] = value
