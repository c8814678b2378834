"""A real Slurm, and real ssh servers, over machines of `tests.support.machines`."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from .machines import Machines

__all__ = ["SLURM_PROGRAMS", "SSH_PROGRAMS", "Slurm", "start_ssh"]

SLURM_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
SSH_PROGRAMS = ("sshd", "ssh", "ssh-keygen")
UP_SECONDS = 120.0

# Partitions: `short` has all nodes, `tiny` one of them and for a minute. A node whose network is
# cut for more than UnkillableStepTimeout cannot tell that a step has ended, and gets no more jobs.
CONFIGURATION = """
ClusterName=fleet
SlurmctldHost=head({head})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={folder}/ctld
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
ReturnToService=2
SlurmdTimeout=10
UnkillableStepTimeout=3600
KillWait=2
MinJobAge=60
MpiDefault=none
SwitchType=switch/none
NodeName={nodes} CPUs=8 RealMemory=4000 State=UNKNOWN {addresses}
PartitionName=short Nodes={nodes} Default=YES MaxTime=2:00:00 State=UP
PartitionName=tiny Nodes=node1 MaxTime=1 State=UP
"""


class Slurm:
    """slurmctld on the head and slurmd on each node; they end with the machines.

    Parameters
    ----------
    machines : Machines
        Where it runs; with a home of theirs, as Slurm wants it.
    """

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.folder = machines.folder / "slurm"
        self.log = self.folder / "ctld.log"
        for name in ("ctld", "munge", *(f"spool.{node}" for node in machines.nodes)):
            (self.folder / name).mkdir(parents=True)
        self._start_munge()
        last = len(machines.nodes)
        ends = f"[{11}-{10 + last}]"
        self.configuration = self.folder / "slurm.conf"
        self.configuration.write_text(
            CONFIGURATION.format(
                head=machines.address("head"),
                folder=self.folder,
                nodes=f"node[1-{last}]",
                addresses=f"NodeAddr=10.77.0.{ends}",
            )
        )
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        self._run("head", "slurmctld")
        for node in machines.nodes:
            self.start_node(node)
        self.wait_for_nodes()

    def _start_munge(self) -> None:
        munge = self.folder / "munge"
        key = munge / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = " ".join(
            f"--{option}={munge / name}"
            for option, name in (
                ("key-file", "key"),
                ("socket", "socket"),
                ("pid-file", "pid"),
                ("log-file", "log"),
                ("seed-file", "seed"),
            )
        )
        self.machines.run("head", f"munged --force {files}")

    def _run(self, name: str, script: str) -> str:
        return self.machines.run(name, f"export SLURM_CONF={self.configuration}; {script}")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd, also again after the machine was killed."""
        self._run(node, f"mkdir -p /sys/fs/cgroup; slurmd -N {node}")

    def wait_for_nodes(self) -> None:
        """Wait until every node can take jobs."""
        deadline = time.monotonic() + UP_SECONDS
        fine = {"idle", "mixed", "allocated", "completing"}
        while not set(self.run("sinfo -h -N -p short -o %T").split()) <= fine:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Slurm did not come up:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.2)

    def run(self, script: str) -> str:
        """Run shell on the head, with Slurm's commands."""
        return self._run("head", script)

    def environment(self) -> dict[str, str]:
        """Return the environment of commands that use it."""
        return {**self.machines.environment(), "SLURM_CONF": str(self.configuration)}

    def jobs(self) -> dict[str, str]:
        """Return the states of the jobs that have not ended, by their ids."""
        lines = self.run("squeue -h -o '%i %T'").splitlines()
        return dict(line.split() for line in lines)

    def cancel_all(self) -> None:
        """Cancel every job, and wait until they have gone."""
        self.run("scancel -u root; scancel --signal=KILL -u root || true")
        deadline = time.monotonic() + UP_SECONDS
        while self.jobs():
            if time.monotonic() > deadline:
                raise RuntimeError(f"jobs did not end: {self.jobs()}")
            time.sleep(0.2)


def start_ssh(machines: Machines) -> None:
    """Start an ssh server on each node; the head's user can log in to all of them."""
    folder = machines.folder / "ssh"
    folder.mkdir()
    for name in ("user", "hostkey"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(make, check=True)
    public = (folder / "hostkey.pub").read_text().strip()
    known = [f"{name},{machines.address(name)} {public}" for name in machines.nodes]
    mine = _ssh_folder(machines.home("head"))
    (mine / "id_ed25519").write_bytes((folder / "user").read_bytes())
    (mine / "id_ed25519").chmod(0o600)
    (mine / "known_hosts").write_text("\n".join(known) + "\n")
    (mine / "config").write_text("Host *\n LogLevel ERROR\n")
    for node in machines.nodes:
        theirs = _ssh_folder(machines.home(node))
        (theirs / "authorized_keys").write_bytes((folder / "user.pub").read_bytes())
        options = " ".join(
            f"-o {option}"
            for option in (
                f"HostKey={folder / 'hostkey'}",
                "PermitRootLogin=yes",
                "UsePAM=no",
                "StrictModes=no",
                "PidFile=none",
                f"ListenAddress={machines.address(node)}",
                "Subsystem='sftp internal-sftp'",
            )
        )
        machines.run(node, f"/usr/sbin/sshd -f /dev/null {options} -E {folder / node}.log")


def _ssh_folder(home: Path) -> Path:
    folder = home / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
