"""What a setup asks and writes: answers are read, files are changed in their marked part alone."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ipyparallel.cluster import launcher as ipp_launcher

from parallelflow.engine_manager.launch.launchers import cluster_of, preview
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import ConfigurationFailed, UserMistake
from parallelflow.profile_setup import answers as asked
from parallelflow.profile_setup.answers import LAUNCHERS, Answers, read_answer, shown
from parallelflow.profile_setup.marked_part import BEGIN, END
from parallelflow.profile_setup.profile_files import ENGINE_SETS, read_answers, write_answers

PROFILE = "set-up-by-a-test"
FULL = {
    "queue": "short",
    "account": "physics-1",
    "wall_time": 5400,
    "memory": 2048,
    "python": "/opt/p f/bin/python",
    "address": "127.0.0.1",
}
# What a person writes: another encoding, ends of lines and a last line without one.
BY_HAND = b"# -*- coding: latin-1 -*-\r\nc = get_config()\r\n# caf\xe9\r\nc.Cluster.n = 3"


@pytest.fixture
def folder() -> Iterator[Path]:
    made = profiles.profile_folder(PROFILE)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def batch(launcher: str, **changed: object) -> Answers:
    """Return answers to all that a batch system is asked for."""
    names = [question.name for question in asked.questions_for(launcher)]
    given = {name: value for name, value in FULL.items() if name in names}
    return Answers(launcher, **{**given, **changed})  # type: ignore[arg-type]


def of_ssh(**machines: int) -> Answers:
    return Answers("ssh", machines, python="/opt/python", address="127.0.0.1")


def script_of(folder: Path, launcher: str, n: int) -> str:
    return preview(folder, launcher, n, controller_runs=False).script


# -- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        (
            "machines",
            "node1=4, me@node2:2222=8 node3",
            {"node1": 4, "me@node2:2222": 8, "node3": 1},
        ),
        ("wall_time", "1:30", 5400),
        ("wall_time", "1:30:15", 5415),
        ("wall_time", "2-12:00", 216_000),
        ("wall_time", "90 min", 5400),
        ("wall_time", "2h", 7200),
        ("memory", "2 GB", 2048),
        ("memory", "1.5G", 1536),
        ("memory", "500MB", 500),
        ("queue", " short@head ", "short@head"),
        ("python", "/opt/a b/python", "/opt/a b/python"),
        ("address", "0.0.0.0", "0.0.0.0"),
    ],
)
def test_an_answer_is_read_and_shown_as_it_is_read(name: str, text: str, value: object) -> None:
    assert read_answer(name, text) == value
    assert read_answer(name, shown(name, value)) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("machines", "node1=0", "'0' is not a number of engines for node1"),
        ("machines", "node1=many", "'many' is not a number of engines"),
        ("machines", "node1=0000000019999", "is not a number of engines for node1"),
        ("machines", f"node1={'9' * 5000}", "is not a number of engines for node1"),
        ("machines", "-oProxyCommand=x", "is not a machine"),
        ("machines", "node1 node1=2", "node1 is named twice"),
        ("queue", "a b", "'a b' is not a queue"),
        ("account", "{n}", "'{n}' is not an account"),
        ("wall_time", "90", "'90' is not a wall time"),
        ("wall_time", f"{'9' * 5000} h", "is not a wall time"),
        ("wall_time", f"{'9' * 5000}:00", "is not a wall time"),
        ("memory", "2", "'2' is not an amount of memory"),
        ("memory", f"{'9' * 400} GB", "is not an amount of memory"),
        ("python", "python", "is not the path of a Python"),
        ("address", "192.0.2.7", "'192.0.2.7' is not an address of this machine"),
    ],
)
def test_an_answer_that_cannot_be_meant_is_told(name: str, text: str, says: str) -> None:
    with pytest.raises(UserMistake) as told:
        read_answer(name, text)
    assert says in str(told.value)


@pytest.mark.parametrize("question", asked.QUESTIONS, ids=lambda question: question.name)
def test_each_question_may_be_left_empty_or_says_that_it_is_needed(
    question: asked.Question,
) -> None:
    assert not read_answer(question.name, "")
    assert question.needed == ("empty" not in question.hint)


# -- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_ipyparallel_reads_what_was_written(folder: Path, launcher: str) -> None:
    answers = of_ssh(node1=4) if launcher == "ssh" else batch(launcher)
    assert {path.name for path in write_answers(PROFILE, answers).files} == {
        "ipcluster_config.py",
        "ipcontroller_config.py",
    }
    cluster = cluster_of(folder)
    chosen = cluster.engine_launcher_class
    assert chosen.__name__ == ENGINE_SETS[launcher]
    assert ipp_launcher.abbreviate_launcher_class(chosen) == launcher
    assert read_answers(PROFILE) == answers
    # A second time, nothing changes.
    assert write_answers(PROFILE, answers).files == ()


# What stands in each script, with everything answered, for three engines.
LINES = {
    "slurm": """--ntasks=3
--partition=short
--account=physics-1
--time=1:30:00
--mem-per-cpu=2048M
srun '/opt/p f/bin/python' -m ipyparallel.engine""",
    "pbs": """-l nodes=3:ppn=1
-q short
-A physics-1
walltime=1:30:00
pmem=2048mb
mpiexec -n 3 '/opt/p f/bin/python' -m ipyparallel.engine --profile-dir=""",
    "sge": """-t 1-3
-q short
-A physics-1
h_rt=1:30:00
h_vmem=2048M
'/opt/p f/bin/python' -m ipyparallel.engine --profile-dir=""",
    "lsf": """-J ipengine[1-3]
-q short
-P physics-1
-W 1:30
-M 2048MB
'/opt/p f/bin/python' -m ipyparallel.engine --profile-dir=""",
    "htcondor": """executable = /opt/p f/bin/ipengine
accounting_group = physics-1
allowed_job_duration = 5400
request_memory = 2048
getenv = True
queue 3""",
}


@pytest.mark.parametrize("launcher", LINES)
def test_the_job_script_has_what_was_answered(folder: Path, launcher: str) -> None:
    write_answers(PROFILE, batch(launcher))
    script = script_of(folder, launcher, 3)
    assert [line for line in LINES[launcher].splitlines() if line not in script] == [], script
    # What was not answered is not in it: the site has it.
    write_answers(PROFILE, Answers(launcher, address="127.0.0.1"))
    bare = script_of(folder, launcher, 3)
    words = ("short", "physics", "1:30", "5400", "2048", "/opt")
    assert [word for word in words if word in bare] == []


@pytest.mark.parametrize("launcher", ["slurm", "pbs", "sge", "lsf"])
def test_a_job_script_is_one_of_the_shell(folder: Path, launcher: str) -> None:
    write_answers(PROFILE, batch(launcher))
    script = script_of(folder, launcher, 1)
    assert script.startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_what_was_written_by_hand_stays_as_it_is(folder: Path) -> None:
    profiles.ensure_folder(PROFILE)
    path = folder / "ipcluster_config.py"
    path.write_bytes(BY_HAND)
    path.chmod(0o640)
    write_answers(PROFILE, batch("slurm"))
    first = path.read_bytes()
    assert first.startswith(BY_HAND + b"\r\n\r\n# >>>") and first.endswith(END.encode() + b"\r\n")
    assert b"\n" not in first.replace(b"\r\n", b"")
    # More by hand, after the part; then it is written again, in its place.
    path.write_bytes(first + b"c.Cluster.n = 5\r\n")
    write_answers(PROFILE, batch("slurm", queue="long"))
    second = path.read_bytes()
    assert second.startswith(BY_HAND) and second.endswith(b"c.Cluster.n = 5\r\n")
    assert second.count(BEGIN.encode()) == 1
    assert b"--partition=long" in second and b"--partition=short" not in second
    assert cluster_of(folder).n == 5
    assert not list(folder.glob("*.new"))


def test_a_link_and_the_permissions_of_a_file_stay(folder: Path, tmp_path: Path) -> None:
    profiles.ensure_folder(PROFILE)
    kept = tmp_path / "dotfiles.py"
    kept.write_text("c = get_config()\n")
    kept.chmod(0o640)
    link = folder / "ipcluster_config.py"
    link.symlink_to(kept)
    write_answers(PROFILE, of_ssh(node1=4))
    assert link.is_symlink() and BEGIN in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c = get_config()\nc.Cluster.n = = 3\n", "line 2: invalid syntax"),
        ("c = get_config()\n\nc.Cluster.n = nothing\n", "line 3: NameError"),
        (f"{BEGIN}\n", "line 1: a setup's part begins with"),
        (f"x = 1\n{END}\n", "line 2: a setup's part begins with"),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", "a setup's part begins with"),
        ("c = '\0'\n", "ipcontroller_config.py"),
    ],
)
def test_a_broken_file_is_refused_with_its_line_and_nothing_is_written(
    folder: Path, text: str, says: str
) -> None:
    profiles.ensure_folder(PROFILE)
    broken = folder / "ipcontroller_config.py"
    broken.write_text(text)
    with pytest.raises(ConfigurationFailed) as told:
        write_answers(PROFILE, batch("slurm"))
    assert str(broken) in str(told.value) and says in str(told.value)
    assert broken.read_text() == text
    assert not (folder / "ipcluster_config.py").exists()


def test_a_line_that_goes_before_what_was_written_is_told(folder: Path) -> None:
    write_answers(PROFILE, batch("slurm"))
    path = folder / "ipcontroller_config.py"
    path.write_text(path.read_text() + "c.IPController.ip = '10.0.0.9'\n")
    [told] = write_answers(PROFILE, batch("slurm")).hidden
    assert "sets c.IPController.ip" in told and str(path) in told


def test_answers_that_somebody_has_damaged_are_asked_again(folder: Path) -> None:
    write_answers(PROFILE, batch("slurm"))
    path = folder / "ipcluster_config.py"
    for wrong in ('{"launcher": "pigeons"}', "{", '{"launcher": "slurm", "queue": 3.5, "x": 1}'):
        text = path.read_text()
        before = next(line for line in text.splitlines() if line.startswith("# answers: "))
        path.write_text(text.replace(before, f"# answers: {wrong}"))
        assert read_answers(PROFILE) in (None, Answers("slurm", queue="3.5"))
