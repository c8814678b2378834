"""Sessions that start at once on one profile, and end or are killed at any moment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallelflow.engine_manager import EngineManager
from parallelflow.engine_manager.model import Origin
from parallelflow.engine_manager.system import lock, processes, profiles, records
from parallelflow.errors import ProfileBusy
from tests.support.fork_server import ForkServer

from .sessions import SessionProcess, wait_until_gone

pytestmark = pytest.mark.own_cluster

# Deadlock guard: six sessions start one after the other, on a machine that does other things.
SECONDS = 240
GONE_SECONDS = 30

# A script that asks for two engines, as the api's functions do.
SCRIPT = """
manager.configure(engines=2)
client = manager.ensure_engines()
tell('engines', *client.ids)
assert client[:].apply_async(abs, -1).get(timeout=60) == [1] * len(client.ids)
tell('answered')
"""


def slow(value: object) -> object:
    return pytest.param(value, marks=pytest.mark.slow)


@contextlib.contextmanager
def scripts(
    profile: str, codes: list[str], server: ForkServer | None = None
) -> Iterator[list[SessionProcess]]:
    """Run sessions that start at once; those that still run at the end are killed."""
    started = [SessionProcess(profile, code, server) for code in codes]
    try:
        yield started
    finally:
        for one in started:
            if one.process.poll() is None:
                one.kill()


def until(flag: Path) -> str:
    """Return code that waits for a file."""
    return f"\nwhile not os.path.exists({str(flag)!r}): time.sleep(0.05)\n"


@pytest.mark.parametrize("number", [2, slow(6)])
def test_scripts_that_ask_for_engines_at_once_share_them(
    profile: str, tmp_path: Path, number: int
) -> None:
    with scripts(profile, [SCRIPT + until(tmp_path / "go")] * number) as started:
        assert [one.wait_for("engines") for one in started] == [["0", "1"]] * number
        for one in started:  # the engines end with the script that has started them
            one.wait_for("answered")
        (tmp_path / "go").touch()
        assert [one.end() for one in started] == [0] * number
    wait_until_gone(profile, GONE_SECONDS)


@pytest.mark.parametrize("number", [3, slow(6)])
def test_scripts_whose_engines_end_with_another_start_their_own(
    sessions: ForkServer, profile: str, number: int
) -> None:
    """Each script ends as soon as it has its engines, and takes with it what it has started."""
    code = (
        "manager.configure(engines=2)\n"
        "for _ in range({times}):\n"
        "    client = manager.ensure_engines()\n"
        "    tell('engines', *client.ids)\n"
    )
    times = [1] + [2] * (number - 1)
    with scripts(profile, [code.format(times=n) for n in times], sessions) as started:
        for one, n in zip(started, times, strict=True):
            assert [len(one.wait_for("engines")) for _ in range(n)] == [2] * n
        assert [one.end() for one in started] == [0] * number
    wait_until_gone(profile, GONE_SECONDS)


@pytest.mark.parametrize("seconds", [0.7, slow(1.2), 2.0, slow(3.0)])
def test_a_script_that_is_killed_while_it_starts_stops_no_other(
    profile: str, tmp_path: Path, seconds: float
) -> None:
    with scripts(profile, [SCRIPT + until(tmp_path / "go")] * 3) as started:
        time.sleep(seconds)
        started[0].process.kill()
        for one in started[1:]:
            assert len(one.wait_for("engines")) == 2
            one.wait_for("answered")
        (tmp_path / "go").touch()
        started[0].end()
    wait_until_gone(profile, GONE_SECONDS)


def test_what_a_session_starts_before_it_is_killed_is_found_by_its_record(
    sessions: ForkServer, profile: str
) -> None:
    """It is killed between the start of a process and the moment at which it is written down."""
    code = (
        "from parallelflow.engine_manager.session import Session\n"
        "def kill(*_): os.kill(os.getpid(), 9)\n"
        "Session.add_controller = kill\n"
        "manager.start_engines(1)\n"
    )
    with scripts(profile, [code], sessions) as (one,):
        assert one.end() == -signal.SIGKILL
        assert EngineManager(profile).connect() is None
    wait_until_gone(profile, GONE_SECONDS)
    assert list((profiles.profile_folder(profile) / "pid").glob("*.json")) == []


@pytest.mark.parametrize("options", [["-n", "1"], []])
def test_commands_that_start_engines_at_once_all_succeed(profile: str, options: list[str]) -> None:
    profiles.ensure_folder(profile)
    command = [sys.executable, "-m", "parallelflow", "start", "--profile", profile, *options]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = [one.communicate(timeout=SECONDS) for one in started]
    try:
        assert [one.returncode for one in started] == [0, 0, 0], told
        cores = os.cpu_count() or 1
        # Each adds its own; without a number, one for each core that has none yet, at least one.
        total = 3 if options else cores + 2
        manager = EngineManager(profile)
        assert manager.connect() is not None and len(manager.info().engines) == total
        kinds = [p.kind for p in manager.inventory().of(Origin.DETACHED)]
        assert kinds.count("controller") == 1 and kinds.count("engine") == total
    finally:
        assert EngineManager(profile).cleanup() == []
    wait_until_gone(profile, GONE_SECONDS)


def test_what_is_left_running_while_another_session_reads_of_it_goes_on(
    profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session notes it and ends between the reading of its record and the look at it."""
    folder = profiles.ensure_folder(profile)
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    session, engine = (subprocess.Popen(sleep, start_new_session=True) for _ in range(2))
    try:
        of_session, of_engine = (
            processes.record_of(process.pid, kind)
            for process, kind in ((session, "session"), (engine, "engine"))
        )
        assert of_session is not None and of_engine is not None
        record = records.SessionRecord.of_this_session(folder)
        record.session = of_session
        record.add([of_engine])
        read_all = records.read_all

        def read_while_it_is_left(folder: Path) -> list[records.SessionRecord]:
            found = read_all(folder)
            record.keep = True
            record.write()
            session.kill()
            session.wait()
            return found

        with monkeypatch.context() as patch:
            patch.setattr(records, "read_all", read_while_it_is_left)
            assert records.stop_abandoned(folder) == []
        assert engine.poll() is None and [one.keep for one in read_all(folder)] == [True]
    finally:
        for process in (session, engine):
            process.kill()
            process.wait()
    record.stop()


# -- records and the lock ----------------------------------------------------------------------


def test_records_of_equal_process_ids_on_two_hosts_do_not_collide(profile: str) -> None:
    folder = profiles.ensure_folder(profile)
    names = {records.SessionRecord.of_this_session(folder).path.name for _ in range(50)}
    assert len(names) == 50
    one, other = (records.SessionRecord.of_this_session(folder) for _ in range(2))
    assert one.token != other.token
    assert EngineManager(profile).cluster.tokens() == ()


def test_a_session_that_holds_the_lock_too_long_is_named(
    sessions: ForkServer, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.2)
    folder = profiles.ensure_folder(profile)
    code = (
        "from parallelflow.engine_manager.system import lock, profiles\n"
        f"with lock.profile_lock(profiles.profile_folder({profile!r})):\n"
        "    tell('held')\n"
        "    time.sleep(600)\n"
    )
    with scripts(profile, [code], sessions) as (holder,):
        holder.wait_for("held")
        with (
            pytest.raises(ProfileBusy, match=rf"\(process {holder.process.pid}\).*{profile}"),
            lock.profile_lock(folder),
        ):
            pass
        with lock.profile_lock_if_free(folder) as held:
            assert not held
    with lock.profile_lock(folder), lock.profile_lock_if_free(folder) as held:
        assert held


def test_files_of_a_cluster_are_left_to_whoever_is_starting_another(
    sessions: ForkServer, profile: str
) -> None:
    """Between the look at the file and its removal, another session may have written its own."""
    folder = profiles.ensure_folder(profile)
    file = folder / "security" / "ipcontroller-client.json"
    code = (
        "from parallelflow.engine_manager.system import lock, profiles\n"
        f"with lock.profile_lock(profiles.profile_folder({profile!r})):\n"
        "    tell('held')\n"
        "    time.sleep(600)\n"
    )
    record = records.SessionRecord.of_this_session(folder)
    record.files = ["security/ipcontroller-client.json"]
    file.write_text("of this session")
    record.connection = records.fingerprint(file)
    with scripts(profile, [code], sessions) as (holder,):
        holder.wait_for("held")
        record.stop()
        assert file.exists()
    record.files = ["security/ipcontroller-client.json"]
    record.stop()
    assert not file.exists()
