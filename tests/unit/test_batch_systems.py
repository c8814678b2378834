"""What batch systems print of jobs is read: Slurm's captured, the others' as they document it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from parallelflow.engine_manager.system.batch_systems import BATCH_SYSTEMS, JobState
from parallelflow.engine_manager.system.job_watch import ask_jobs
from parallelflow.engine_manager.system.jobs import JobRecord

# Slurm 22.05, `squeue -h -t all -o '%i|%T|%r'`.
SLURM = """\
1|FAILED|NonZeroExitCode
4|PENDING|Resources
5|PENDING|JobHeldUser
3|RUNNING|None
2|PENDING|PartitionTimeLimit
6_[2-3]|PENDING|Resources
6_1|RUNNING|None
7|CANCELLED|None
"""
# OpenPBS 20, `qstat -f`; the last one as Torque 6 writes it.
PBS = """\
Job Id: 11.head
    Job_Name = ipengine
    job_state = Q
    comment = Not Running: Insufficient amount of resource: ncpus (R: 8 A: 0 T:\x20
\t4)

Job Id: 12.head
    job_state = Q
    comment = Can Never Run: Insufficient amount of resource: ncpus (R: 99 A: 4 T: 4)

Job Id: 13.head
    job_state = R
    comment = Job run at Thu Nov 26 at 17:54 on (node1:ncpus=1)

Job Id: 14[].head
    job_state = C
    exit_status = 127

"""
# Grid Engine 8.1, `qstat -r -xml`.
SGE = """<?xml version='1.0'?>
<job_info  xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <queue_info>
    <job_list state="running">
      <JB_job_number>21</JB_job_number><state>r</state><tasks>1</tasks>
    </job_list>
  </queue_info>
  <job_info>
    <job_list state="pending">
      <JB_job_number>21</JB_job_number><state>qw</state><tasks>2-4:1</tasks>
    </job_list>
    <job_list state="pending"><JB_job_number>22</JB_job_number><state>qw</state></job_list>
    <job_list state="pending"><JB_job_number>23</JB_job_number><state>Eqw</state></job_list>
  </job_info>
</job_info>
"""
# LSF 10, `bjobs -noheader -o` with the fields of `LSF_FIELDS`.
LSF = """\
31|PEND|-|60.0|-|Job slot limit reached;
32|RUN|-|60.0|48 second(s)|-
33|EXIT|127|60.0|3 second(s)|-
34|PSUSP|-|-|-|-
"""
# HTCondor 10, `condor_q -af:t ClusterId JobStatus HoldReasonCode HoldReason` and `CONDOR_TIMES`.
CONDOR = (
    "41\t1\tundefined\tundefined\t3600\tundefined\t1795716000\n"
    "42\t2\tundefined\tundefined\t3600\t1795715952\t1795716000\n"
    "43\t5\t6\tFailed to execute '/opt/python': No such file or directory"
    "\tundefined\tundefined\t1795716000\n"
    "44\t5\t1\tvia condor_hold (by user me)\tundefined\tundefined\t1795716000\n"
)
# A job of Grid Engine by when it began, and what it has asked for.
SGE_RUNNING = """<job_info><queue_info><job_list state="running">
<JB_job_number>3</JB_job_number><state>r</state><JAT_start_time>{}</JAT_start_time>
<hard_request name="h_vmem" resource_contribution="0.000000">2G</hard_request>{}
</job_list></queue_info></job_info>"""
SGE_LIMIT = '<hard_request name="h_rt" resource_contribution="0.000000">{}</hard_request>'
PRINTED = {"slurm": SLURM, "pbs": PBS, "sge": SGE, "lsf": LSF, "htcondor": CONDOR}


@pytest.mark.parametrize(
    ("system", "job", "text"),
    [
        ("slurm", "1", "ended: FAILED, NonZeroExitCode"),
        ("slurm", "4", "queued: Resources"),
        ("slurm", "5", "queued: JobHeldUser"),
        ("slurm", "3", "running"),
        ("slurm", "2", "can never start: PartitionTimeLimit"),
        ("slurm", "6", "running"),
        ("slurm", "7", "ended: CANCELLED"),
        ("slurm", "99", "ended"),
        (
            "pbs",
            "11",
            "queued: Not Running: Insufficient amount of resource: ncpus (R: 8 A: 0 T: 4)",
        ),
        (
            "pbs",
            "12",
            "can never start: Can Never Run: Insufficient amount of resource: ncpus "
            "(R: 99 A: 4 T: 4)",
        ),
        ("pbs", "13", "running"),
        ("pbs", "14", "ended: exit status 127"),
        ("sge", "21", "running"),
        ("sge", "22", "queued"),
        ("sge", "23", "can never start: Eqw; qstat -j 23 says why"),
        ("sge", "24", "ended"),
        ("lsf", "31", "queued: Job slot limit reached;"),
        ("lsf", "32", "running"),
        ("lsf", "33", "ended: EXIT, code 127"),
        ("lsf", "34", "queued: held"),
        ("htcondor", "41", "queued"),
        ("htcondor", "42", "running"),
        (
            "htcondor",
            "43",
            "can never start: held: Failed to execute '/opt/python': No such file or directory",
        ),
        ("htcondor", "44", "queued: held: via condor_hold (by user me)"),
        ("htcondor", "45", "ended"),
    ],
)
def test_the_state_of_a_job_is_read(system: str, job: str, text: str) -> None:
    found = BATCH_SYSTEMS[system].read([job], PRINTED[system], "", 0)
    assert found[job].text == text


@pytest.mark.parametrize(
    ("system", "error"),
    [
        ("slurm", "slurm_load_jobs error: Invalid job id specified"),
        ("pbs", "qstat: Unknown Job Id 9.head"),
        ("pbs", "qstat: 9.head Job has finished, use -x or -H to obtain historical information"),
        ("lsf", "Job <9> is not found"),
    ],
)
def test_a_job_that_is_not_known_any_more_has_ended(system: str, error: str) -> None:
    assert BATCH_SYSTEMS[system].read(["9"], "", error, 1)["9"].state is JobState.ENDED


@pytest.mark.parametrize("system", sorted(BATCH_SYSTEMS))
def test_a_system_that_does_not_answer_says_nothing_of_its_jobs(system: str) -> None:
    assert BATCH_SYSTEMS[system].read(["9"], "", "error: Connection refused", 1) == {}


def test_jobs_of_two_systems_are_asked_by_their_own_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stand-ins for the commands that print what the real ones do.
    for program, text in (("qstat", PBS), ("condor_q", CONDOR)):
        (tmp_path / f"{program}.txt").write_text(text)
        (tmp_path / program).write_text(
            f'#!/bin/sh\necho "$*" > {tmp_path}/{program}.asked\ncat {tmp_path}/{program}.txt\n'
        )
        (tmp_path / program).chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    pbs = JobRecord("job", "job 11 (pbs)", ("qdel", "11"), 0.0, "PBS")
    condor = JobRecord("job", "job 42 (htcondor)", ("condor_rm", "42"), 0.0, "HTCondor")
    slurm = JobRecord("job", "job 1 (slurm)", ("scancel", "1"), 0.0, "nobody's")
    found = ask_jobs([pbs, condor, slurm])
    assert {record.id: status.state.value for record, status in found.items()} == {
        "11": "queued",
        "42": "running",
    }
    assert (tmp_path / "qstat.asked").read_text() == "-f 11\n"


@pytest.mark.parametrize(
    ("system", "printed", "left", "used"),
    [
        ("slurm", "3|RUNNING|None|59:12|0:48", 3552.0, 48.0),
        ("slurm", "3|RUNNING|None|1-02:03:04|10:00:00", 93784.0, 36000.0),
        ("slurm", "3|RUNNING|None|UNLIMITED|0:48", None, 48.0),
        ("slurm", "3|RUNNING|None", None, None),
        (
            "pbs",
            "Job Id: 3.head\n    job_state = R\n    Resource_List.walltime = 01:00:00\n"
            "    resources_used.walltime = 00:10:00\n",
            3000.0,
            600.0,
        ),
        ("lsf", "3|RUN|-|60.0|48 second(s)|-", 3552.0, 48.0),
        ("lsf", "3|RUN|-|1.5/hostA|48 second(s)|-", 42.0, 48.0),
        ("lsf", "3|RUN|-|01:00:00|00:00:48|-", 3552.0, 48.0),
        ("lsf", "3|RUN|-|-|48 second(s)|-", None, 48.0),
        ("lsf", "3[1]|RUN|-|60.0|48 second(s)|-\n3[2]|RUN|-|60.0|8 second(s)|-", 3592.0, 8.0),
        ("htcondor", "3\t2\tundefined\tundefined\t3600\t1000\t1048", 3552.0, 48.0),
        ("htcondor", "3\t2\tundefined\tundefined\tundefined\t1000\t1048", None, 48.0),
        ("htcondor", "3\t2\tundefined\tundefined", None, None),
    ],
)
def test_how_much_wall_time_is_left_is_read(
    system: str, printed: str, left: float | None, used: float | None
) -> None:
    status = BATCH_SYSTEMS[system].read(["3"], printed, "", 0)["3"]
    assert status.state is JobState.RUNNING and (status.left, status.used) == (left, used)


@pytest.mark.parametrize(
    ("asked", "limit"),
    [(SGE_LIMIT.format("3600"), 3600.0), (SGE_LIMIT.format("1:00:00"), 3600.0), ("", None)],
)
def test_grid_engine_tells_when_a_job_began(asked: str, limit: float | None) -> None:
    began = datetime.now() - timedelta(seconds=600)
    printed = SGE_RUNNING.format(began.isoformat(timespec="seconds"), asked)
    status = BATCH_SYSTEMS["sge"].read(["3"], printed, "", 0)["3"]
    assert status.used is not None and 600 <= status.used < 1200
    assert status.left == (None if limit is None else limit - status.used)


def test_a_time_that_cannot_be_read_is_none() -> None:
    status = BATCH_SYSTEMS["sge"].read(["3"], SGE_RUNNING.format("soon", ""), "", 0)["3"]
    assert status.state is JobState.RUNNING and (status.left, status.used) == (None, None)


@pytest.mark.parametrize(
    ("system", "printed", "was_taken_away"),
    [
        ("slurm", "3|CANCELLED|None", True),
        ("slurm", "3|NODE_FAIL|None", True),
        ("slurm", "3|FAILED|NonZeroExitCode", False),
        ("slurm", "3|COMPLETED|None", False),
        ("slurm", "3|PENDING|BeginTime", False),
        ("htcondor", "3\t3\tundefined\tundefined", True),
    ],
)
def test_a_job_that_somebody_has_ended_is_told_from_one_that_has_failed(
    system: str, printed: str, was_taken_away: bool
) -> None:
    status = BATCH_SYSTEMS[system].read(["3"], printed, "", 0)["3"]
    assert status.was_taken_away is was_taken_away
