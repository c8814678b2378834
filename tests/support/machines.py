"""Several machines on one: each with its own network, name, processes, /tmp and home.

Every machine is a process in namespaces of its own. None of them has a name in the system, and
each ends with the process that made it, so that nothing is left even after ``kill -9``: no network,
no mount, no process. Files are in one folder, which all machines see.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

__all__ = ["Machines", "why_not"]

PREFIX = "pf-fleet-"
NETWORK = "10.77.0."
# Making a machine takes some milliseconds; the programs that it runs a little longer.
BOOT_SECONDS = 60.0
PROGRAMS = ("ip", "unshare", "nsenter", "setpriv", "mount", "hostname")
ROOT = Path(__file__).resolve().parents[2]
# Each machine has these folders for itself: it sees nothing of what lies there on this one.
OWN_FOLDERS = (Path("/tmp"), Path("/run"))

INIT = """
mount --make-rprivate /
hostname {name}
mount -t proc proc /proc
mount --bind {folder}/hosts /etc/hosts
mount --bind {folder}/resolv.conf /etc/resolv.conf
mkdir -p {folder}/keep/{name} {home}
{keep}
mount --bind {home} {user}
{give_back}
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd
touch {folder}/{name}.ready
while :; do sleep 1000 & wait $!; done
"""


def why_not(*programs: str) -> str:
    """Return why there can be no machines here, empty if there can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "several machines on one need Linux and root's rights"
    for own in OWN_FOLDERS:
        if own in ROOT.parents:
            return f"each machine has {own} for itself, so {ROOT} is not there: move the repository"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in (*PROGRAMS, *programs) if shutil.which(name, path=path) is None]
    if missing:
        return f"these programs are missing: {', '.join(missing)} (make test-fleet installs them)"
    tried = subprocess.run(
        ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "sh", "-c", TRIAL],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"no machines can be made here: {tried.stderr.strip()}"


TRIAL = "mount --make-rprivate / && mount -t tmpfs none /mnt && ip link add v0 type veth"


class Machines:
    """Machines ``head`` and ``node1`` to ``nodeN``, on one network; `close` ends them.

    Parameters
    ----------
    nodes : int
        How many there are beside the head.
    shared_home : bool
        Whether they have one home, as with a file server, or each its own.

    Attributes
    ----------
    folder : Path
        Seen by all of them; for configuration, logs and shared files.
    """

    def __init__(self, nodes: int, shared_home: bool = True) -> None:
        _remove_abandoned()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir="/var/tmp"))
        self.folder.chmod(0o711)
        self.nodes = [f"node{number}" for number in range(1, nodes + 1)]
        self._shared_home = shared_home
        self._outer: dict[str, subprocess.Popen[bytes]] = {}
        self._inner: dict[str, int] = {}
        lines = ["127.0.0.1 localhost"]
        lines += [f"{self.address(name)} {name}" for name in ("head", *self.nodes)]
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")
        (self.folder / "resolv.conf").write_text("")
        try:
            for name in ("head", *self.nodes):
                self.boot(name)
        except BaseException:
            self.close()
            raise

    def address(self, name: str) -> str:
        """Return a machine's address."""
        return NETWORK + ("1" if name == "head" else str(10 + int(name.removeprefix("node"))))

    def home(self, name: str) -> Path:
        """Return where the home of a machine is on this one; there it is the user's own."""
        return self.folder / ("home" if self._shared_home else f"home-{name}")

    # -- a machine's life ------------------------------------------------------------------

    def boot(self, name: str) -> None:
        """Start a machine, also again after `kill`."""
        ready = self.folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        home = self.home(name)
        home.mkdir(exist_ok=True, mode=0o700)
        user = Path("~root").expanduser()
        keep, give_back = [], []
        for number, path in enumerate(_needed_below(user)):
            kept = f"{self.folder}/keep/{name}/{number}"
            keep.append(f"mkdir -p {kept} && mount --bind {path} {kept}")
            give_back.append(f"mkdir -p {path} && mount --bind {kept} {path}; umount {kept}")
        script = self.folder / f"init-{name}"
        script.write_text(
            INIT.format(
                name=name,
                folder=self.folder,
                home=home,
                user=user,
                keep="\n".join(keep),
                give_back="\n".join(give_back),
            )
        )
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--uts", "--mount"]
        command += ["--pid", "--fork", "--kill-child", "bash", str(script)]
        with (self.folder / f"{name}.log").open("wb") as log:
            outer = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._outer[name] = outer
        deadline = time.monotonic() + BOOT_SECONDS
        while not ready.exists():
            if outer.poll() is not None or time.monotonic() > deadline:
                told = (self.folder / f"{name}.log").read_text()
                raise RuntimeError(f"the machine {name} could not be made: {told}")
            time.sleep(0.02)
        self._inner[name] = psutil.Process(outer.pid).children()[0].pid
        self._connect(name)

    def _connect(self, name: str) -> None:
        """Connect a machine to the network; the head has the bridge."""
        own = f"{self.address(name)}/24"
        self.run(name, "ip link set lo up")
        if name == "head":
            self.run("head", f"ip link add br0 type bridge && ip addr add {own} dev br0")
            self.run("head", "ip link set br0 up")
            return
        cable = f"v-{name}"
        pid = self._inner["head"]
        there = self._inner[name]
        made = ["nsenter", "-t", str(pid), "-n", "ip", "link", "add", cable, "type", "veth"]
        subprocess.run([*made, "peer", "name", "eth0", "netns", str(there)], check=True)
        self.run("head", f"ip link set {cable} master br0 up")
        self.run(name, f"ip addr add {own} dev eth0 && ip link set eth0 up")

    def kill(self, name: str) -> None:
        """End a machine, as a power cut does; `boot` starts it again."""
        outer = self._outer.pop(name)
        outer.kill()
        outer.wait()
        pid = self._inner.pop(name)
        while psutil.pid_exists(pid):
            time.sleep(0.01)

    def cut(self, name: str) -> None:
        """Unplug a node's network cable."""
        self.run("head", f"ip link set v-{name} down")

    def join(self, name: str) -> None:
        """Plug a node's network cable in again."""
        self.run("head", f"ip link set v-{name} up")

    def close(self) -> None:
        """End all machines and remove their files."""
        for name in list(self._outer):
            with contextlib.suppress(Exception):
                self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- commands --------------------------------------------------------------------------

    def on(self, name: str, *command: object) -> list[str]:
        """Return a command that runs another one on a machine, as root."""
        enter = ["nsenter", "-t", str(self._inner[name]), "-n", "-u", "-m", "-p", "--"]
        return [*enter, *map(str, command)]

    def run(self, name: str, script: str, seconds: float = 300.0) -> str:
        """Run shell on a machine and return what it writes.

        Raises
        ------
        subprocess.CalledProcessError
            If it fails; what it wrote is in the error's notes.
        """
        ended = subprocess.run(
            self.on(name, "sh", "-c", script),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=self.environment(),
        )
        if ended.returncode != 0:
            raise RuntimeError(f"{script!r} on {name} failed: {ended.stdout}{ended.stderr}")
        return ended.stdout

    def popen(self, name: str, *command: object, **options: object) -> subprocess.Popen[str]:
        """Start a command on a machine; its output is in one pipe, as text."""
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **options}
        given.setdefault("env", self.environment())
        return subprocess.Popen(self.on(name, *command), **given)  # type: ignore[call-overload]

    def environment(self) -> dict[str, str]:
        """Return the environment of commands on machines: the home is root's, on each of them."""
        home = str(Path("~root").expanduser())
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "SLURM_", "SSH_"))}
        kept.pop("TMPDIR", None)
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        return {**kept, "HOME": home, "IPYTHONDIR": f"{home}/.ipython", "PATH": path}


def _needed_below(home: Path) -> list[Path]:
    """Return what a machine needs of the user's real home: this Python, this checkout."""
    needed = [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), Path.cwd()]
    found = {home / path.relative_to(home).parts[0] for path in needed if home in path.parents}
    return sorted(found)


def _remove_abandoned() -> None:
    """Remove the folders of runs that were killed; their machines ended with them."""
    for folder in Path("/var/tmp").glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def machines(nodes: int, shared_home: bool = True) -> Iterator[Machines]:
    """Make machines for the length of a block."""
    made = Machines(nodes, shared_home)
    try:
        yield made
    finally:
        made.close()
