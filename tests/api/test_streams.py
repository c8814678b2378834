"""Streams and event loop of an element, and what is shown of what its children write."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import io
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from typing import Any

import pytest

from parallelflow import api

SECONDS = 120


@pytest.fixture(autouse=True)
def _engines(cluster: Any) -> None:
    """Run on engines: what this process has as stdout is pytest's."""


def shown(function: Any, elements: list[Any], capsys: Any, **options: Any) -> tuple[Any, str, str]:
    """Return the values, and what was written to stdout and stderr here."""
    capsys.readouterr()
    values = api.parallel_map(function, elements, timeout=SECONDS, **options)
    written = capsys.readouterr()
    return values, written.out, written.err


def test_stdout_is_a_text_stream_in_full() -> None:
    def look(_: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            try:
                stream.write(b"abc")
            except TypeError:
                refused = True
            stream.writelines([])
            stream.reconfigure(line_buffering=True)
            found[name] = (
                isinstance(stream, io.TextIOWrapper), stream.name, stream.fileno(), stream.mode,
                stream.encoding, stream.errors, stream.isatty(), stream.closed, stream.writable(),
                stream.readable(), stream.buffer.fileno(), refused, stream.line_buffering,
                getattr(sys, f"__{name}__") is stream,
            )  # fmt: skip
        found["stdin"] = (sys.stdin.fileno(), sys.stdin.read(), sys.stdin.isatty())
        return found

    shared = (False, False, True, False)
    found = api.parallel_map(look, [0])[0]
    for number, name in ((1, "stdout"), (2, "stderr")):
        own = getattr(sys, name)
        assert found[name] == (
            True, f"<{name}>", number, "w", own.encoding, own.errors, *shared, number, True, True,
            True,
        )  # fmt: skip
    assert found["stdin"] == (0, "", False)


@pytest.mark.parametrize("errors", ["strict", "surrogateescape", "ignore"])
def test_text_is_encoded_as_the_sessions_streams_do_it(
    monkeypatch: pytest.MonkeyPatch, errors: str
) -> None:
    """Under C.UTF-8 Python prints a file's name that is no text; under other locales it raises."""

    def show(_: Any) -> Any:
        found = sys.stdout.encoding, sys.stdout.errors
        print("caf\udce9", "ü", sep="|")
        return found

    def run(function: Any) -> tuple[Any, bytes]:
        with io.TextIOWrapper(io.BytesIO(), "utf-8", errors) as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            try:
                values = function()
            except UnicodeEncodeError:
                values = None
            stream.flush()
            return values, stream.buffer.getvalue()

    here, written_here = run(lambda: [show(0)])
    there, written_there = run(lambda: api.parallel_map(show, [0]))
    assert there == here and (here is None) == (errors == "strict")
    text = written_there.decode()
    # A terminal that is told the byte shows nothing; it is told here by its number.
    assert text == written_here.decode("utf-8", "backslashreplace")
    assert ("ü" in text) == (errors != "strict")


def test_a_session_whose_stream_encodes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook's stream, or a window's, takes any text."""
    stream = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        api.parallel_map(lambda _: print("caf\udce9 ü"), [0])
    assert stream.getvalue() == "caf\\udce9 ü\n"


def test_no_library_takes_an_engine_for_a_notebook(capsys: Any) -> None:
    def look(_: Any) -> dict[str, Any]:
        import builtins
        import inspect

        import IPython
        from IPython.core.interactiveshell import InteractiveShell

        IPython.display.display("shown")
        frame = inspect.currentframe()
        names = {*vars(builtins), *vars(sys), *(frame.f_globals if frame else ())}
        return {
            "shell": (IPython.get_ipython(), InteractiveShell.initialized()),
            "hooks": (sys.displayhook is sys.__displayhook__, sys.excepthook is sys.__excepthook__),
            "names": names & {"ps1", "display", "get_ipython", "__IPYTHON__", "runfile", "In"},
        }

    values, out, _ = shown(look, [0, 1], capsys, chunk_size=1)
    plain = {"shell": (None, False), "hooks": (True, True), "names": set()}
    assert values == [plain, plain]
    assert out == "shown\nshown\n"
    # Between chunks the engine is a shell, for whoever else uses it.
    client = api.get_client()
    assert client is not None
    view = client[client.ids[0]]
    view.execute("x = get_ipython().user_ns is not None and display is not None").get(SECONDS)
    assert view["x"] is True


def test_input_is_at_its_end_at_once() -> None:
    with pytest.raises(EOFError):
        api.parallel_map(lambda _: input("a question"), [0])
    assert api.parallel_map(lambda _: subprocess.run(["cat"]).returncode, [0], timeout=60) == [0]


def test_what_children_write_is_shown_with_their_element(capsys: Any) -> None:
    def write(x: int) -> None:
        print("first", x)
        subprocess.run(["sh", "-c", f"echo inherited {x}; echo error {x} >&2"])
        subprocess.run(["echo", f"given {x}"], stdout=sys.stdout)
        print("last", x, flush=True)

    _, out, err = shown(write, [1, 2, 3], capsys)
    lines = [f"{word} {x}" for x in (1, 2, 3) for word in ("first", "inherited", "given", "last")]
    assert out.splitlines() == lines
    assert err.splitlines() == ["error 1", "error 2", "error 3"]


def test_what_workers_and_c_code_write_is_shown(capsys: Any) -> None:
    def write(x: int) -> None:
        import multiprocessing

        libc = ctypes.CDLL(None)
        libc.printf(b"from C %d\n", x)
        libc.printf(b"without an end of line")
        os.write(1, f"\nby descriptor {x}\n".encode())
        with multiprocessing.get_context("fork").Pool(1) as pool:
            pool.map(print, [f"worker {x}"])

    _, out, _ = shown(write, [1, 2], capsys, chunk_size=2)
    for x in (1, 2):
        assert f"from C {x}\n" in out and f"worker {x}\n" in out and f"descriptor {x}\n" in out
    assert out.index("worker 1") < out.index("from C 2")


def test_much_output_waits_for_nobody_and_is_cut_off(capsys: Any) -> None:
    def write(x: int) -> int:
        # With Python's lock held, as C code that prints much.
        library = ctypes.PyDLL(None)
        for _ in range(100):
            library.write(1, b"x" * 10_000, 10_000)
        subprocess.run(["head", "-c", "1000000", "/dev/zero"], stderr=subprocess.DEVNULL)
        print("y" * 200_000, file=sys.stderr)
        return x

    values, out, err = shown(write, [1], capsys)
    assert values == [1]
    assert "[what more was written is cut off]" in out and len(out) < 110_000
    assert err.startswith("yyy") and "cut off" in err and len(err) < 110_000


def test_bytes_redirects_and_faulthandler(capsys: Any) -> None:
    def write(_: Any) -> str:
        sys.stdout.buffer.write("bytes é\n".encode())
        sys.stdout.buffer.flush()
        faulthandler.enable()
        faulthandler.disable()
        inside = io.StringIO()
        with contextlib.redirect_stdout(inside):
            print("inside")
        sys.stdout.reconfigure(encoding="latin-1")  # type: ignore[union-attr]
        print("latin é")
        return inside.getvalue()

    values, out, _ = shown(write, [0], capsys)
    assert values == ["inside\n"] and out == "bytes é\nlatin é\n"
    # Another run finds the streams as they were.
    values, out, _ = shown(lambda _: print("é", sys.stdout.encoding), [0], capsys)
    assert out == f"é {sys.stdout.encoding}\n"


def test_a_stream_that_was_closed_is_closed_for_its_chunk_only(capsys: Any) -> None:
    def close(x: int) -> bool:
        sys.stdout.close()
        return sys.stdout.closed

    assert api.parallel_map(close, [0, 0]) == [True, True]
    _, out, _ = shown(lambda x: print("again", x), [1], capsys)
    assert out == "again 1\n"


def test_a_logger_that_has_kept_the_stream_goes_on_with_it(capsys: Any) -> None:
    def log(x: int) -> None:
        logger = logging.getLogger("kept")
        if not logger.handlers:
            logger.addHandler(logging.StreamHandler())
            logger.propagate = False
        logger.warning("logged %d", x)
        warnings.warn(f"warned {x}", stacklevel=1)

    for x in (1, 2, 3):
        _, _, err = shown(log, [x] * 2, capsys, chunk_size=1)
        assert err.count(f"logged {x}") == 2 and f"UserWarning: warned {x}" in err


def test_a_child_that_outlives_its_element_holds_nothing_up(capsys: Any) -> None:
    def leave(x: int) -> int:
        command = "sleep 0.5; echo late; sleep 60"
        return subprocess.Popen(["sh", "-c", command], start_new_session=True).pid

    begin = time.monotonic()
    pids, _, _ = shown(leave, [1, 2], capsys, chunk_size=1)
    try:
        assert time.monotonic() - begin < 30
        time.sleep(1.0)
        _, out, _ = shown(lambda x: print("mine", x), [1, 2], capsys, chunk_size=1)
        assert out == "mine 1\nmine 2\n"
    finally:
        for pid in pids:
            os.killpg(pid, 9)


def test_asyncio_works_as_it_does_anywhere() -> None:
    async def twice(x: int) -> int:
        await asyncio.sleep(0)
        return 2 * x

    def run(x: int) -> int:
        return asyncio.run(twice(x))

    def by_loop(x: int) -> int:
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(twice(x))
        finally:
            loop.close()

    def by_default_loop(x: int) -> int:
        asyncio.set_event_loop(asyncio.new_event_loop())
        return asyncio.get_event_loop().run_until_complete(twice(x))

    async def child(x: int) -> str:
        process = await asyncio.create_subprocess_exec(
            "echo", str(x), stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0].decode().strip()

    def nothing_runs(x: int) -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return True
        return False

    for function in (run, by_loop, by_default_loop):
        assert api.parallel_map(function, range(20), timeout=SECONDS) == list(range(0, 40, 2))
    assert api.parallel_map(lambda x: asyncio.run(child(x)), [7], timeout=SECONDS) == ["7"]
    assert api.parallel_map(nothing_runs, [0]) == [True]
    assert threading.active_count() < 100


def test_an_element_in_asyncio_is_interrupted() -> None:
    async def wait(x: int) -> None:
        await asyncio.sleep(600)

    with pytest.raises(TimeoutError):
        api.parallel_map(lambda x: asyncio.run(wait(x)), [1, 2], timeout=1)
    assert api.parallel_map(lambda x: x, [1, 2], timeout=SECONDS) == [1, 2]


def test_an_engines_own_stream_is_waited_for_only_where_something_was_written() -> None:
    def look() -> tuple[int, int]:
        stream: Any = sys.stdout
        asked: list[Any] = []
        schedule = stream.pub_thread.schedule

        def note(task: Any) -> None:
            asked.append(task)
            schedule(task)

        stream.pub_thread.schedule = note
        try:
            stream.flush()
            before = len(asked)
            stream.write("text ")
            during = len(asked)
            stream.flush()
            return before, len(asked) - during
        finally:
            del stream.pub_thread.schedule

    client: Any = api.get_client(ask=False)
    view = client[:1]
    view.apply_sync(print, "what was written before")
    answer = view.apply_async(look)
    [(before, after)] = answer.get(SECONDS)
    assert before == 0 and after > 0
    answer.wait_for_output(SECONDS)
    assert answer.stdout == ["text "]
