"""The job scripts of batch systems: one engine for each task of a job.

ipyparallel fills in what stands in braces. Its own scripts know no memory, and but for Slurm no
wall time and no account.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

from .answers import Answers, clock

__all__ = ["job_script"]

# Which cluster an engine is to join; Slurm and Grid Engine hand the environment on, which says it.
_JOIN = '--profile-dir="{profile_dir}" --cluster-id="{cluster_id}"'


def job_script(answers: Answers) -> str:
    """Return the script of a job, as a template of ipyparallel's.

    Parameters
    ----------
    answers : Answers
        Of a batch system.
    """
    return "\n".join([*_SCRIPTS[answers.launcher](answers), ""])


def _options(*options: tuple[object, str]) -> Iterator[str]:
    """Return the lines of options that were answered."""
    return (line for value, line in options if value)


def _slurm(given: Answers) -> Iterator[str]:
    yield "#!/bin/sh"
    yield "#SBATCH --export=ALL"
    yield "#SBATCH --job-name=ipengine-{cluster_id}"
    yield "#SBATCH --ntasks={n}"
    yield "#SBATCH --output={output_file}"
    yield from _options(
        (given.queue, f"#SBATCH --partition={given.queue}"),
        (given.account, f"#SBATCH --account={given.account}"),
        (given.wall_time, f"#SBATCH --time={clock(given.wall_time)}"),
        (given.memory, f"#SBATCH --mem-per-cpu={given.memory}M"),
    )
    yield "srun {program_and_args}"


def _pbs(given: Answers) -> Iterator[str]:
    yield "#!/bin/sh"
    yield "#PBS -V"
    yield "#PBS -N ipengine"
    # PBS Professional, OpenPBS and Torque take these; their job arrays are written differently.
    yield "#PBS -l nodes={n}:ppn=1"
    yield "#PBS -j oe"
    yield "#PBS -o {output_file}"
    yield from _options(
        (given.queue, f"#PBS -q {given.queue}"),
        (given.account, f"#PBS -A {given.account}"),
        (given.wall_time, f"#PBS -l walltime={clock(given.wall_time)}"),
        (given.memory, f"#PBS -l pmem={given.memory}mb"),
    )
    # A single engine needs no mpiexec.
    yield f"if [ {{n}} -eq 1 ]; then exec {{program_and_args}} {_JOIN}; fi"
    yield f"mpiexec -n {{n}} {{program_and_args}} {_JOIN}"


def _sge(given: Answers) -> Iterator[str]:
    yield "#!/bin/sh"
    yield "#$ -V"
    yield "#$ -S /bin/sh"
    yield "#$ -N ipengine"
    yield "#$ -t 1-{n}"
    yield "#$ -j y"
    yield "#$ -o {output_file}"
    yield from _options(
        (given.queue, f"#$ -q {given.queue}"),
        (given.account, f"#$ -A {given.account}"),
        (given.wall_time, f"#$ -l h_rt={clock(given.wall_time)}"),
        (given.memory, f"#$ -l h_vmem={given.memory}M"),
    )
    yield f"{{program_and_args}} {_JOIN}"


def _lsf(given: Answers) -> Iterator[str]:
    minutes = -(-given.wall_time // 60)
    yield "#!/bin/sh"
    yield "#BSUB -J ipengine[1-{n}]"
    yield "#BSUB -env all"
    yield "#BSUB -o {output_file}"
    yield from _options(
        (given.queue, f"#BSUB -q {given.queue}"),
        (given.account, f"#BSUB -P {given.account}"),
        (given.wall_time, f"#BSUB -W {minutes // 60}:{minutes % 60:02}"),
        (given.memory, f"#BSUB -M {given.memory}MB"),
    )
    yield f"{{program_and_args}} {_JOIN}"


def _htcondor(given: Answers) -> Iterator[str]:
    # HTCondor hides from Python where it stands, but not from the script beside it.
    program = str(PurePosixPath(given.python or sys.executable).parent / "ipengine")
    yield "universe = vanilla"
    yield f"executable = {program.replace('{', '{{').replace('}', '}}')}"
    yield "transfer_executable = False"
    yield "getenv = True"
    yield "arguments = --profile-dir={profile_dir} --cluster-id={cluster_id}"
    yield "output = {output_file}"
    yield "error = {output_file}"
    yield from _options(
        (given.account, f"accounting_group = {given.account}"),
        (given.wall_time, f"allowed_job_duration = {given.wall_time}"),
        (given.memory, f"request_memory = {given.memory}"),
    )
    yield "queue {n}"


_SCRIPTS = {"slurm": _slurm, "pbs": _pbs, "sge": _sge, "lsf": _lsf, "htcondor": _htcondor}
