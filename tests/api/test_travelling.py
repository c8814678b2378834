"""What travels to engines and back: exceptions as they are, cached functions, and what cannot."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import gzip
import inspect
import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parallelflow import api
from parallelflow.engine import exceptions
from parallelflow.errors import ElementError, FunctionNotSendable, RemoteTraceback
from tests.support.fork_server import ROOT, ForkServer

SECONDS = 120


class TwoArguments(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Worded(Exception):
    """One that pickle makes again with another text: its own would be worded twice."""

    def __init__(self, value: Any) -> None:
        super().__init__(f"bad value {value}")


class KeywordsOnly(ValueError):
    def __init__(self, *, code: int) -> None:
        super().__init__("by keyword")
        self.code = code


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int
    text: str = "frozen"


class Leaves(Exception):
    """Ends the program when it is made the way that pickle makes it."""

    def __init__(self, code: int | str) -> None:
        if isinstance(code, str):
            sys.exit(9)
        super().__init__(f"leaves {code}")
        self.code = code


class LeavesByItself(Leaves):
    def __reduce__(self) -> Any:
        return sys.exit, (9,)


class OwnWay(Exception):
    def __init__(self, code: int, *, kept: str) -> None:
        super().__init__(code)
        self.code, self.kept = code, kept

    def __reduce__(self) -> Any:
        return functools.partial(OwnWay, kept=self.kept), (self.code,)


class Holds(Exception):
    """One with attributes and arguments that cannot be pickled."""

    def __init__(self, code: int) -> None:
        super().__init__(f"holds {code}", threading.Lock())
        self.code, self.lock = code, threading.Lock()


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, *, code: int) -> None:
        super().__init__("slotted")
        self.code = code


class System(OSError):
    def __init__(self, code: int) -> None:
        super().__init__(code, "no such thing", "a file")
        self.code = code


class Both(KeyError, OSError):
    def __init__(self, *, code: int) -> None:
        super().__init__(code, "both")
        self.code = code


class Stop(BaseException):
    def __init__(self, code: int, _: str) -> None:
        super().__init__("stop")
        self.code = code


MAKERS: dict[str, Callable[[], BaseException]] = {
    "two arguments": lambda: TwoArguments(5, "text"),
    "another text": lambda: Worded(5),
    "keywords only": lambda: KeywordsOnly(code=5),
    "frozen dataclass": lambda: Frozen(5),
    "leaves": lambda: Leaves(5),
    "leaves by itself": lambda: LeavesByItself(5),
    "own way": lambda: OwnWay(5, kept="kept"),
    "unpicklable parts": lambda: Holds(5),
    "slots": lambda: Slotted(code=5),
    "of the system": lambda: System(5),
    "two bases": lambda: Both(code=5),
    "BaseException": lambda: Stop(5, ""),
    "SystemExit": lambda: SystemExit(5),
    "GeneratorExit": lambda: GeneratorExit(5),
    "FileNotFoundError": lambda: FileNotFoundError(2, "none", "name"),
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"abc", 0, 1, "why"),
    "KeyError": lambda: KeyError("key"),
    "StopIteration": lambda: StopIteration(5),
    "ImportError": lambda: ImportError("no", name="module", path="/path"),
}


def same(got: Any, made: BaseException) -> None:
    """Fail unless an exception arrived as it was made."""
    assert type(got) is type(made)
    if not isinstance(made, Holds):
        assert str(got) == str(made) and got.args == made.args
    for name in ("code", "kept", "errno", "filename", "start", "reason", "value", "name", "path"):
        assert getattr(got, name, None) == getattr(made, name, None)


@pytest.mark.parametrize("kind", MAKERS)
def test_the_same_exception_arrives(where: str, kind: str) -> None:
    make = MAKERS[kind]

    def function(x: int) -> int:
        if x == 2:
            raise make()
        return x

    with pytest.raises(type(make())) as raised:
        api.parallel_map(function, range(5), timeout=SECONDS)
    same(raised.value, make())
    cause = raised.value.__cause__
    assert isinstance(cause, ElementError) and cause.failures[0].index == 2
    values: list[Any] = api.parallel_map(function, range(5), on_error="return", timeout=SECONDS)
    assert values[:2] + values[3:] == [0, 1, 3, 4]
    same(values[2], make())
    with pytest.raises(type(make())):
        api.parallel_map(function, range(5), on_error="finish", timeout=SECONDS)


def test_an_exception_keeps_the_cause_with_which_it_was_raised(where: str) -> None:
    def function(x: int) -> int:
        try:
            return 1 // x
        except ZeroDivisionError as e:
            try:
                raise LookupError("inner") from e
            except LookupError as inner:
                raise TwoArguments(5, "outer") from inner

    for on_error in ("raise", "finish"):
        with pytest.raises(TwoArguments) as raised:
            api.parallel_map(function, [1, 0, 2], on_error=on_error, timeout=SECONDS)
        causes: list[Any] = [raised.value]
        while causes[-1].__cause__ is not None:
            causes.append(causes[-1].__cause__)
        kinds = [TwoArguments, LookupError, ZeroDivisionError, ElementError]
        if where == "cluster":  # what Python shows first: where it was raised on the engine
            remote = causes.pop()
            assert isinstance(remote, RemoteTraceback) and "TwoArguments" in remote.text
        assert [type(each) for each in causes] == kinds
        assert causes[1].args == ("inner",)
        assert causes[-1].failures[0].index == 1


def test_what_an_exception_cannot_bring_is_shown_in_its_place(cluster: Any) -> None:
    def function(x: int) -> None:
        raise Holds(x)

    held: Any = api.parallel_map(function, [5], on_error="return")[0]
    assert held.args[0] == "holds 5" and "lock" in repr(held.args[1])
    assert "not sent" in repr(held.lock)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="ExceptionGroup is new in Python 3.11")
def test_a_group_of_exceptions_arrives(where: str) -> None:
    def function(x: int) -> None:
        error = builtins.ExceptionGroup(
            "group", [TwoArguments(x, "text"), KeywordsOnly(code=x), Holds(x)]
        )
        error.add_note("noted")
        raise error

    group: Any = api.parallel_map(function, [5], on_error="return")[0]
    assert type(group) is builtins.ExceptionGroup and group.message == "group"
    assert [type(e) for e in group.exceptions] == [TwoArguments, KeywordsOnly, Holds]
    assert [getattr(e, "code", 0) for e in group.exceptions] == [5, 5, 5] and group.__notes__ == [
        "noted"
    ]


@pytest.mark.parametrize("on_error", ["raise", "finish", "return"])
def test_an_interrupt_that_the_function_raises_ends_everything(
    where: str, on_error: Any, tmp_path: Path
) -> None:
    def function(x: int) -> int:
        if x == 2:
            tempfile.mkstemp(dir=tmp_path)
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        api.parallel_map(function, range(5), on_error=on_error, timeout=SECONDS)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_class_that_the_client_cannot_make_is_told_by_name_and_text(cluster: Any) -> None:
    def function(x: int) -> int:
        if x != 1:
            return x
        lock = threading.Lock()

        class Local(Exception):
            held = lock

        raise Local("only there")

    values: list[Any] = api.parallel_map(function, range(3), on_error="return", timeout=SECONDS)
    assert [values[0], values[2]] == [0, 2] and isinstance(values[1], ElementError)
    assert "Local: only there" in str(values[1])


class LeavesWhenRead:
    """A value whose unpickling ends the program that reads it, where that is not an engine."""

    def __reduce__(self) -> Any:
        return _leave_elsewhere, ()


def _leave_elsewhere() -> None:
    from parallelflow.engine.place import is_engine

    if not is_engine():
        sys.exit(9)


def test_a_result_that_ends_the_program_fails_for_its_element_only(cluster: Any) -> None:
    def function(x: int) -> Any:
        return LeavesWhenRead() if x == 1 else x

    values: list[Any] = api.parallel_map(function, range(3), on_error="return", timeout=SECONDS)
    assert [values[0], values[2]] == [0, 2] and isinstance(values[1], ElementError)


# -- what stands for something of one process -------------------------------------------------


def _handles(folder: Path) -> dict[str, Callable[[], Any]]:
    text = folder / "text.txt"
    text.write_text("some text\n" * 3)
    with zipfile.ZipFile(folder / "some.zip", "w") as archive:
        archive.writestr("a", "b")
    with gzip.open(folder / "some.gz", "wt") as file:
        file.write("text")
    return {
        "text": lambda: open(text),
        "binary": lambda: open(text, "rb"),
        "written": lambda: open(folder / "written", "w"),
        "raw": lambda: open(text, "rb", 0),
        "gzip": lambda: gzip.open(folder / "some.gz", "rt"),
        "zip": lambda: zipfile.ZipFile(folder / "some.zip"),
        "temporary file": lambda: tempfile.NamedTemporaryFile(),
        "spooled file": lambda: tempfile.SpooledTemporaryFile(),
        "temporary folder": lambda: tempfile.TemporaryDirectory(),
        "socket": lambda: socket.socket(),
        "connection": lambda: multiprocessing.Pipe()[0],
        "lock": lambda: threading.Lock(),
        "condition": lambda: threading.Condition(),
        "generator": lambda: (x for x in range(3)),
        "database": lambda: sqlite3.connect(":memory:"),
        "process": lambda: subprocess.Popen(["true"]),
        "nested": lambda: {"key": [1, open(text)]},
    }


with tempfile.TemporaryDirectory() as _folder:
    KINDS = list(_handles(Path(_folder)))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_handle_is_no_result_and_no_input(cluster: Any, kind: str, tmp_path: Path) -> None:
    make = _handles(tmp_path)[kind]

    def result(x: int) -> Any:
        return make() if x == 1 else x

    with pytest.raises(ElementError, match=r"Element 1 of 3.*its result cannot be sent back"):
        api.parallel_map(result, range(3), timeout=SECONDS)
    handle = make()
    with pytest.raises(ElementError, match=r"Element 1 of 3.*it cannot be sent to an engine"):
        api.parallel_map(str, [0, handle, 2], timeout=SECONDS)
    with pytest.raises(FunctionNotSendable, match="the variable 'handle' around it"):
        api.parallel_map(lambda x: (x, handle), range(3), timeout=SECONDS)
    values: list[Any] = api.parallel_map(result, range(3), on_error="return", timeout=SECONDS)
    assert [values[0], values[2]] == [0, 2]


def test_an_open_file_is_named(cluster: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("text")

    def function(x: int) -> Any:
        return open(path)

    told = r"a file \(.*some\.txt\) cannot be sent: send its name"
    with pytest.raises(ElementError, match=told) as error:
        api.parallel_map(function, [1])
    # How it is packed is nothing that the user could read anything in.
    assert (error.value.failures[0].traceback, error.value.__cause__) == ("", None)
    with open(path) as file, pytest.raises(ElementError, match=told) as error:
        api.parallel_map(str, [file])
    assert error.value.failures[0].traceback == ""


class Refuses:
    """One whose own code refuses to be packed."""

    def __reduce__(self) -> Any:
        raise ValueError("not for the post")


def test_the_traceback_of_a_value_that_cannot_travel_is_the_users_own(cluster: Any) -> None:
    for function, elements in ((lambda _: Refuses(), [1]), (repr, [Refuses()])):
        with pytest.raises(ElementError, match="ValueError: not for the post") as error:
            api.parallel_map(function, elements)
        trace = error.value.failures[0].traceback
        assert trace.count("Traceback") == 1 and trace.count("  File ") == 1, trace
        assert 'in __reduce__\n    raise ValueError("not for the post")' in trace


def test_the_source_of_a_function_is_found_where_it_runs(cluster: Any) -> None:
    class Local:
        def double(self, x: int) -> int:
            return 2 * x

    def own(x: int) -> Any:
        def inner() -> int:
            return x

        # Not a comment of another line.
        return [inspect.getsource(each) for each in (own, inner, Local.double)], Local().double(x)

    assert api.parallel_map(own, [1]) == [own(1)]
    with pytest.raises(ZeroDivisionError) as error:
        api.parallel_map(lambda x: 1 / x, [0])
    cause = error.value.__cause__
    assert cause is not None and "api.parallel_map(lambda x: 1 / x, [0])" in str(cause.__cause__)


def test_standard_streams_stand_for_those_of_the_engine(cluster: Any, capsys: Any) -> None:
    say = functools.partial(print, file=sys.__stdout__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", sys.__stdout__)
        api.parallel_map(say, [1, 2])
    assert api.parallel_map(lambda x: sys.stdout, [0])[0] is sys.stdout


SCRIPT = """
import functools, sys, time
from parallelflow.api import parallel_map
from parallelflow.engine_manager import get_manager

@functools.lru_cache(maxsize=7)
def cached(x):
    return x * 2

@functools.cache
def always(x):
    return cached(x) + 1

@functools.singledispatch
def kind(x):
    return "other"

@kind.register(int)
def _(x):
    return "int"

class Own(Exception):
    def __init__(self, a, *, b):
        super().__init__(a)
        self.b = b

class Class:
    @functools.lru_cache
    def method(self, x):
        return x + 100

def fails(x):
    raise Own(x, b=2)

def uses(x):
    return cached.cache_parameters()["maxsize"], always(x), kind(x), kind("x"), Class().method(x)

if __name__ == "__main__":
    get_manager().configure(engines=1, private=True)
    get_manager().ensure_engines()
    print(parallel_map(cached, [1, 2], timeout=100, ipython=True))
    print(parallel_map(always, [1, 2], timeout=100))
    print(parallel_map(kind, [1, "a"], timeout=100))
    print(parallel_map(uses, [1], timeout=100))
    print(cached.cache_info().currsize)
    try:
        parallel_map(fails, [1], timeout=100)
    except Own as e:
        print("Own", e.args, e.b)
    file = open(__file__)
    def reads(x):
        return file.read()
    try:
        parallel_map(reads, [1], timeout=100)
    except Exception as e:
        print(type(e).__name__, e)
"""


def test_functions_and_exceptions_of_a_script(tmp_path: Path, sessions: ForkServer) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = sessions.run_script(script, tmp_path, {**os.environ, "PYTHONPATH": str(ROOT)}, SECONDS)
    lines = done.stdout.splitlines()
    assert lines[:6] == [
        "([2, 4], True)",
        "[3, 5]",
        "['int', 'other']",
        "[(7, 3, 'int', 'other', 101)]",
        "0",
        "Own (1,) 2",
    ], done.stderr
    assert lines[6].startswith(
        "FunctionNotSendable The function reads cannot be sent to an engine, because of the global "
        "variable 'file', a TextIOWrapper ("
    )


def test_an_exception_may_hold_itself_and_others_deep_inside() -> None:
    error: Any = TwoArguments(5, "round")
    error.itself, error.lock = error, threading.Lock()
    for depth in range(50):
        error.inner = TwoArguments(depth, "deep")
        error.inner.outer, error.inner.lock = error, threading.Lock()
        error = error.inner
    data = exceptions.dump_exception(error)
    assert data is not None
    again: Any = exceptions.load_exception(data)
    assert again.outer.inner.code == 49 and "lock" in repr(again.outer.lock)
