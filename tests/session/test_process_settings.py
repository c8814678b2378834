"""What a process has beside its code: elements find it as the session's own process has it."""

from __future__ import annotations

import csv
import decimal
import gc
import io
import locale
import logging
import mimetypes
import multiprocessing
import os
import re
import socket
import sys
import sysconfig
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from parallelflow.engine import session_state
from parallelflow.engine.process_settings import SETTINGS
from parallelflow.engine.python_path import is_installed, path_here
from parallelflow.engine.stream_text import write_stream_text
from parallelflow.errors import SetupFailed, WorkingDirectoryGone
from parallelflow.work.mapping import map_here, map_on_cluster
from tests.host.run import run_python

DOCS = Path(__file__).resolve().parents[2] / "docs" / "explanation.md"
NOON = 1_700_000_000


class OwnWarning(UserWarning):
    """A category that only this file has."""


def variables() -> None:
    os.environ["PF_TEST_MODE"] = "fast = ü"
    os.environ.pop("LOGNAME", None)


def time_zone() -> None:
    os.environ["TZ"] = "America/New_York"
    time.tzset()


def decimal_context() -> None:
    context = decimal.getcontext()
    context.prec = 5
    context.traps[decimal.Inexact] = True


def bytecode() -> None:
    sys.dont_write_bytecode = not sys.dont_write_bytecode


def log_more() -> None:
    logging.disable(logging.DEBUG)
    logging.root.setLevel(logging.INFO)


def collection() -> None:
    gc.set_threshold(1234, 5, 6)


def filters() -> None:
    warnings.filterwarnings("error", "do not", OwnWarning)
    warnings.filterwarnings("ignore", category=ResourceWarning, module="there")


def folder() -> None:
    Path("inner").mkdir()
    os.chdir("inner")


def settings_of_numpy() -> None:
    numpy.seterr(all="raise", under="ignore")


CHANGES: dict[str, Callable[[], object]] = {
    "environment variables": variables,
    "working directory": folder,
    "`sys.path`": lambda: sys.path.insert(0, "/no/such/folder"),
    "`sys.argv`": lambda: sys.argv.append("--fast"),
    "umask": lambda: os.umask(0o027),
    "folder of `tempfile`": lambda: setattr(tempfile, "tempdir", str(Path.cwd())),
    "locale": lambda: locale.setlocale(locale.LC_CTYPE, "C"),
    "time zone": time_zone,
    "logging": log_more,
    "recursion limit": lambda: sys.setrecursionlimit(2345),
    "longest integer as text": lambda: sys.set_int_max_str_digits(700),
    "switch interval": lambda: sys.setswitchinterval(0.25),
    "stack size of threads": lambda: threading.stack_size(2**20),
    "garbage collection": collection,
    "bytecode files": bytecode,
    "time limit of sockets": lambda: socket.setdefaulttimeout(12.5),
    "field size of `csv`": lambda: csv.field_size_limit(10**7),
    "start method of `multiprocessing`": lambda: multiprocessing.set_start_method(
        "spawn", force=True
    ),
    "types of files (`mimetypes`)": lambda: mimetypes.add_type("text/x-flow", ".flow"),
    "decimal context": decimal_context,
    "NumPy's error handling": settings_of_numpy,
    "NumPy's print options": lambda: numpy.set_printoptions(precision=2, suppress=True),
    "text of `sys.stdout` and `sys.stderr`": lambda: write_stream_text(
        (("ascii", "surrogateescape"), ("latin-1", "strict"))
    ),
    "warning filters": filters,
}


def everything(_: int) -> dict[str, Any]:
    """Return all settings of the process that runs this."""
    from parallelflow.engine import session_state
    from parallelflow.engine.process_settings import SETTINGS

    # What tells engines apart, and what they have unless the session has it, are their own.
    own: tuple[str, ...] = session_state.OWN_PREFIXES + session_state.OWN_VARIABLES
    own = (*own, *session_state.DEFAULT_VARIABLES)
    values = {setting.name: setting.read() for setting in SETTINGS}
    values["logging"] = values["logging"][:2]  # the handlers are objects of each process
    values["environment variables"] = {
        name: value
        for name, value in values["environment variables"].items()
        if not os.fsdecode(name).startswith(own)
    }
    return values


def both(client: Any, function: Callable[..., Any], *elements: Any) -> list[Any]:
    """Return a function's values on engines, which must be those of this process."""
    each = [(element,) for element in elements]
    here = map_here(function, each)
    there = map_on_cluster(client, function, each, chunk_size=1)
    if function is everything:  # what differs, not all that is compared
        for values, own in zip(there, here, strict=True):
            assert {n: v for n, v in values.items() if v != own[n]} == {
                n: v for n, v in own.items() if v != values[n]
            }
    assert there == here
    return there


def test_every_setting_is_changed_by_a_test() -> None:
    assert set(CHANGES) == {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("name", CHANGES)
def test_elements_find_the_sessions_settings(client: Any, session: Path, name: str) -> None:
    setting = next(each for each in SETTINGS if each.name == name)
    before, original = everything(0), setting.read()
    CHANGES[name]()
    changed = both(client, everything, 1, 2, 3, 4)
    assert changed[0][name] != before[name], "the test changes nothing"
    # The next run, of a session that has it as before, sees nothing of the change.
    setting.write(original)
    if name == "time zone":
        os.environ.pop("TZ")
        time.tzset()
    assert both(client, everything, 1, 2)[0][name] == before[name]


def test_a_folder_that_a_library_has_added_in_the_session_is_there(
    client: Any, session: Path
) -> None:
    site = sysconfig.get_path("purelib")
    sys.path.insert(sys.path.index(site), f"{site}/added/vendor")
    paths = both(client, lambda _: list(sys.path), 1, 2)
    assert paths[0] == sys.path
    sent = [(folder, is_installed(folder)) for folder in sys.path if "vendor" not in folder]
    assert path_here(sent, [*sys.path, f"{site}/of_engine"], same_machine=True) == [
        f for f, _ in sent
    ]


def test_of_another_installation_nothing_is_taken() -> None:
    site = sysconfig.get_path("purelib")
    sent = [("/project", False), ("/other/site-packages", True), ("/other/dist-packages", True)]
    assert path_here(sent, ["/of/engine", site], same_machine=True)[:2] == ["/project", site]


def write_and_read(text: str) -> tuple[str, str]:
    with open(f"{text}.txt", "w") as stream:
        stream.write(text)
    return Path("input.txt").read_text(), str(Path.cwd())


def test_relative_files_are_the_sessions(client: Any, session: Path) -> None:
    for day in ("monday", "tuesday"):
        (session / day).mkdir()
        os.chdir(session / day)
        Path("input.txt").write_text(f"of {day}")
        values = both(client, write_and_read, "a", "b", "c")
        assert values == [(f"of {day}", str(session / day))] * 3
        assert sorted(path.name for path in (session / day).iterdir()) == [
            "a.txt", "b.txt", "c.txt", "input.txt",
        ]  # fmt: skip


def test_two_runs_at_once_each_have_their_folder(client: Any, session: Path) -> None:
    def where(_: int) -> str:
        time.sleep(0.005)
        return str(Path.cwd())

    results: dict[str, list[Any]] = {}

    def run(name: str, ready: threading.Event, go: threading.Event) -> None:
        def elements() -> Any:
            ready.set()
            go.wait(60)
            yield from ((i,) for i in range(60))

        results[name] = map_on_cluster(client, where, elements(), chunk_size=1)

    threads = []
    go = threading.Event()
    for name in ("one", "two"):
        (session / name).mkdir()
        os.chdir(session / name)
        ready = threading.Event()
        threads.append(threading.Thread(target=run, args=(name, ready, go)))
        threads[-1].start()
        assert ready.wait(60)
    go.set()
    for thread in threads:
        thread.join(120)
    assert results == {name: [str(session / name)] * 60 for name in ("one", "two")}


def test_a_folder_that_engines_lack_is_named_before_anything_runs(
    client: Any, session: Path, monkeypatch: Any
) -> None:
    ran = session / "ran"
    state = session_state.capture()
    state.values["working directory"] = "/no/such/folder"
    monkeypatch.setattr(session_state, "capture", lambda: state)
    with pytest.raises(SetupFailed) as raised:
        map_on_cluster(client, lambda i: ran.touch(), [(1,)])
    assert "/no/such/folder" in str(raised.value) and socket.gethostname() in str(raised.value)
    assert "Change to a folder" in str(raised.value)
    assert not ran.exists()


def test_a_folder_that_was_removed_is_told(
    client: Any, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (session / "gone").mkdir()
    monkeypatch.chdir(session / "gone")
    (session / "gone").rmdir()
    with pytest.raises(WorkingDirectoryGone, match="has been deleted"):
        map_on_cluster(client, abs, [(1,)])
    with pytest.raises(WorkingDirectoryGone, match="has been deleted"):
        session_state.capture()


def test_what_an_element_changes_stays_with_its_run(client: Any, session: Path) -> None:
    def change(i: int) -> None:
        os.environ["PF_TEST_LEFT"] = "here"
        os.chdir("/")
        sys.path.append("/left")
        numpy.seterr(all="raise")

    map_on_cluster(client, change, [(i,) for i in range(20)], chunk_size=1)

    def look(i: int) -> Any:
        return os.environ.get("PF_TEST_LEFT"), str(Path.cwd()), "/left" in sys.path, numpy.geterr()

    assert both(client, look, *range(6))[0] == (None, str(session), False, numpy.geterr())


def test_the_session_sees_what_its_settings_decide(client: Any, session: Path) -> None:
    """The settings act: it is not only that they can be read."""
    filters()
    decimal_context()
    time_zone()
    os.umask(0o077)
    numpy.set_printoptions(precision=2)
    sys.set_int_max_str_digits(640)

    def act(i: int) -> Any:
        told: list[str] = []
        for action in (
            lambda: warnings.warn("do not", OwnWarning, stacklevel=1),
            lambda: decimal.Decimal(1) / 3,
            lambda: str(10**700),
        ):
            try:
                action()
            except Exception as e:
                told.append(type(e).__name__)
        Path(f"file{os.getpid()}").touch()
        mode = Path(f"file{os.getpid()}").stat().st_mode & 0o777
        return told, time.localtime(NOON).tm_hour, mode, str(numpy.array([1 / 3]))

    expected = (["OwnWarning", "Inexact", "ValueError"], 17, 0o600, "[0.33]")
    assert both(client, act, *range(4)) == [expected] * 4


def test_what_elements_log_is_shown_as_the_session_has_set_it_up(
    client: Any, session: Path, monkeypatch: Any
) -> None:
    def log(i: int) -> None:
        logging.getLogger("own").info("message %d", i)
        logging.getLogger("own").debug("not this one")

    shown = []
    monkeypatch.setattr(logging.root, "handlers", [])
    for here in (True, False):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("{levelname} {message}!", style="{"))
        logging.root.handlers[:] = [handler]
        logging.root.setLevel(logging.INFO)
        if here:
            map_here(log, [(i,) for i in range(3)])
        else:
            map_on_cluster(client, log, [(i,) for i in range(3)])
        shown.append(stream.getvalue())
    assert shown == ["INFO message 0!\nINFO message 1!\nINFO message 2!\n"] * 2


# What an engine does, in a process of its own.
ENGINE = """
import locale, os, socket
from parallelflow.engine import session_state
from parallelflow.engine.session_state import ProcessState
"""


def test_another_machine_takes_the_changes_of_the_environment_only() -> None:
    code = (
        ENGINE
        + """
os.environ["PF_TEST_NEW"] = "2"
del os.environ["PF_TEST_OLD"]
state = session_state.capture()
assert state.changes == {"PF_TEST_OLD": None, "PF_TEST_NEW": "2"}, state.changes
os.environ.update(PF_TEST_OLD="of that machine", PF_TEST_MODE="slow")
del os.environ["PF_TEST_NEW"]
socket.gethostname = lambda: "there"
with ProcessState(state):
    assert "PF_TEST_OLD" not in os.environ
    assert os.environ["PF_TEST_NEW"] == "2"
    assert os.environ["PF_TEST_MODE"] == "slow"
assert os.environ["PF_TEST_OLD"] == "of that machine" and "PF_TEST_NEW" not in os.environ
"""
    )
    run_python(code, environment={"PF_TEST_OLD": "1", "PF_TEST_MODE": "fast"})


def test_another_machine_takes_language_and_time_zone() -> None:
    """Programs that elements start, and `locale.setlocale(..., "")`, follow them."""
    code = (
        ENGINE
        + """
state = session_state.capture()
del os.environ["LC_NUMERIC"], os.environ["TZ"]
os.environ.update(LANG="C", LC_TIME="C", TZDIR="/there")
socket.gethostname = lambda: "there"
names = ("LANG", "LC_NUMERIC", "LC_TIME", "TZ", "TZDIR")
with ProcessState(state):
    found = [os.environ.get(name) for name in names]
assert found == ["de_DE.UTF-8", "fr_FR.UTF-8", None, "Asia/Tokyo", "/there"], found
assert [os.environ.get(name) for name in names] == ["C", None, "C", None, "/there"]
"""
    )
    language = {"LANG": "de_DE.UTF-8", "LC_NUMERIC": "fr_FR.UTF-8", "TZ": "Asia/Tokyo"}
    run_python(code, environment=language)


def test_types_of_files_are_the_sessions(client: Any, session: Path) -> None:
    def kind(extension: str) -> Any:
        import mimetypes

        return mimetypes.guess_type(f"file{extension}")[0], mimetypes.guess_extension("text/x-own")

    mimetypes.add_type("text/x-own", ".own")
    try:
        assert both(client, kind, ".own", ".txt") == [
            ("text/x-own", ".own"),
            ("text/plain", ".own"),
        ]
    finally:
        mimetypes.init()
    assert both(client, kind, ".own") == [(None, None)]


def test_a_locale_that_a_machine_lacks_is_told_and_left_alone() -> None:
    code = (
        ENGINE
        + """
state = session_state.capture()
state.values["locale"] = ("xx_XX.UTF-8", *state.values["locale"][1:])
process, before = ProcessState(state), locale.setlocale(locale.LC_CTYPE)
with process:
    assert locale.setlocale(locale.LC_CTYPE) == before
assert process.notes == ["the locale xx_XX.UTF-8 is not installed"]
"""
    )
    run_python(code)


def test_variables_that_tell_engines_apart_are_not_taken(client: Any, session: Path) -> None:
    for name in ("PARALLELFLOW_SESSION", "IPP_PROFILE_DIR", "SLURM_PROCID"):
        os.environ[name] = "mine"
    os.environ["CUDA_VISIBLE_DEVICES"] = "7"  # as scripts choose a device
    names = [(name,) for name in os.environ if os.environ[name] in ("mine", "7")]
    assert map_on_cluster(client, lambda name: os.environ.get(name) == "mine", names) == [False] * 4
    assert map_on_cluster(client, os.environ.get, [("CUDA_VISIBLE_DEVICES",)]) == ["7"]


def test_the_table_of_how_it_works_has_every_setting() -> None:
    text = DOCS.read_text(encoding="utf-8")
    table = text.partition("## What elements find in their process")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", table, flags=re.MULTILINE)
    taken = {name for name, whose in rows if whose.startswith("the session's")}
    assert {setting.name for setting in SETTINGS} <= taken
