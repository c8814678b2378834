"""Run make's commands on fresh systems, each in a folder; `--help` tells how.

A system is made by debootstrap, gets git, make and python3, and nothing else. Its mounts and
processes are in namespaces of their own, which the kernel ends with the program that made them.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DESCRIPTION = """
Run `make run` and `make test` from nothing: on fresh systems that debootstrap puts into a
folder, one after the other. Without SYSTEM all that are known are tried.

It takes root's rights, debootstrap and the network; a system for which something is missing
here is skipped with the reason. What the commands write is shown and kept in build/fresh.

Debian comes from the archive that apt is configured with, Ubuntu from debootstrap's own
choice. Environment variables: MIRROR_UBUNTU names another archive, KEYRING_UBUNTU the file of
its keys (Debian 13's package ubuntu-keyring has it), PIP_CONF a configuration file of pip for
the fresh systems.
"""

CHECKOUT = Path(__file__).resolve().parents[1]
LOGS = CHECKOUT / "build" / "fresh"
PREFIX = "parallelflow-fresh-"
KEYRINGS = Path("/usr/share/keyrings")
PACKAGES = "git make python3"
# What docs/installation.md tells somebody to type whose apt has no Debian 12.
GIVEN = "/root/vistrails.deb"
# A machine behind a proxy has authorities of its own, which the fresh systems must trust for pip.
CERTIFICATES = "/etc/host-certificates.crt"


@dataclass(frozen=True)
class System:
    """A release of a distribution, as debootstrap takes it.

    Attributes
    ----------
    suite : str
        Its name in the archive.
    script : str
        debootstrap's script, for a release that is newer than debootstrap.
    ubuntu : bool
        Whether it is Ubuntu, whose archive has no VisTrails: the package is given by hand.
    """

    suite: str
    script: str = ""
    ubuntu: bool = False

    @property
    def keyring(self) -> Path:
        """The keys that its archive is signed with."""
        name = f"{'ubuntu' if self.ubuntu else 'debian'}-archive-keyring.gpg"
        named = os.environ.get("KEYRING_UBUNTU") if self.ubuntu else None
        return Path(named) if named else KEYRINGS / name

    @property
    def keyring_package(self) -> str:
        """The Debian package that has them."""
        return "ubuntu-keyring" if self.ubuntu else "debian-archive-keyring"


SYSTEMS = {
    "debian-12": System("bookworm"),
    "debian-13": System("trixie"),
    "debian-testing": System("testing"),
    "ubuntu-24.04": System("noble", script="gutsy", ubuntu=True),
    "ubuntu-26.04": System("resolute", script="gutsy", ubuntu=True),
}


class Skipped(Exception):
    """A system that cannot be tried here; the text says why."""


def main() -> int:
    """Try the systems asked for; return 1 if a command failed on one, 77 if all were skipped."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=", ".join(SYSTEMS))
    parser.add_argument(
        "--commands", default="run,test", help="targets of make (default: %(default)s)"
    )
    options = parser.parse_args()
    unknown = [name for name in options.systems if name not in SYSTEMS]
    if unknown:
        parser.error(f"unknown system {unknown[0]!r}; there are {', '.join(SYSTEMS)}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    remove_abandoned()
    results: list[tuple[str, str, str]] = []
    try:
        for name in options.systems or SYSTEMS:
            results += try_system(name, options.commands.split(","))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    finally:
        print("\n== in short")
        for row in results:
            print("{:15} {:10} {}".format(*row))
    if all(text.startswith("skipped") for _name, _command, text in results):
        return 77
    return int(any(text.startswith("FAILED") for _name, _command, text in results))


def try_system(name: str, commands: list[str]) -> Iterator[tuple[str, str, str]]:
    """Make a fresh system, run the commands, and yield how each went."""
    system = SYSTEMS[name]
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        mirror = find_mirror(system)
    except Skipped as e:
        yield name, "-", f"skipped: {e}"
        return
    with fresh_folder() as folder:
        root = folder / "root"
        began = time.monotonic()
        print(f"\n== {name}: debootstrap {system.suite}", flush=True)
        code, end = run(bootstrap_command(system, root, mirror), LOGS / f"{name}-debootstrap.log")
        if code:
            yield name, "-", f"skipped: debootstrap cannot make it here: {end}"
            return
        prepare(system, root)
        install = f"apt-get update -q && apt-get install -q -y --no-install-recommends {PACKAGES}"
        code, end = run(enter(root, install), LOGS / f"{name}-packages.log")
        if code:
            yield name, "-", f"FAILED: apt-get install {PACKAGES}: {end}"
            return
        _code, versions = run(
            enter(root, "echo $(. /etc/os-release; echo $PRETTY_NAME), $(python3 --version)"), None
        )
        yield name, "-", f"{versions}: made in {time.monotonic() - began:.0f} s"
        if system.ubuntu:
            yield from without_debian(name, root)
        for command in commands:
            given = f"VISTRAILS={GIVEN} " if system.ubuntu else ""
            print(f"\n== {name}: make {given}{command}", flush=True)
            began = time.monotonic()
            code, end = run(
                enter(root, f"cd parallelflow && make {given}{command}"),
                LOGS / f"{name}-{re.sub(r'[^a-z0-9]+', '-', command.lower())[:60]}.log",
            )
            seconds = time.monotonic() - began
            verdict = f"FAILED ({code})" if code else "passed"
            yield name, f"make {command}", f"{verdict} in {seconds:.0f} s: {end}"


def without_debian(name: str, root: Path) -> Iterator[tuple[str, str, str]]:
    """Where apt has no Debian: the one line that says so, then VisTrails' package given by hand."""
    print(f"\n== {name}: make run, where apt has no Debian 12", flush=True)
    log = LOGS / f"{name}-refused.log"
    code, _end = run(enter(root, "cd parallelflow && make run"), log)
    told = "make VISTRAILS=PATH run" in log.read_text(errors="replace")
    yield name, "make run", "refused, and says how to go on" if code and told else "FAILED: no word"
    fetched = subprocess.run(
        ["sh", "tools/fetch-vistrails.sh", str(root / GIVEN.lstrip("/"))], cwd=CHECKOUT
    )
    if fetched.returncode:
        yield name, "-", "FAILED: this machine's apt cannot fetch VisTrails' package"


def find_mirror(system: System) -> str:
    """Return the archive's address, "" for debootstrap's choice, or raise Skipped."""
    if os.geteuid() != 0:
        raise Skipped("it takes root's rights, for mounts")
    for program in ("debootstrap", "unshare", "setpriv", "pivot_root", "mount"):
        if shutil.which(program) is None:
            raise Skipped(
                f"there is no {program} here: apt-get install debootstrap util-linux "
                "util-linux-extra"
            )
    if not system.keyring.is_file():
        how = (
            "install Debian 13's package ubuntu-keyring, or set KEYRING_UBUNTU to the file"
            if system.ubuntu
            else f"apt-get install {system.keyring.stem}"
        )
        raise Skipped(f"the keys of its archive are not here: {how}")
    if system.ubuntu:
        return os.environ.get("MIRROR_UBUNTU", "")
    script = ". tools/common.sh; . tools/debian-archive.sh; list_debian_archives | head -n 1"
    found = subprocess.run(["sh", "-c", script], cwd=CHECKOUT, capture_output=True, text=True)
    if not found.stdout.strip():
        raise Skipped(
            "apt is configured with no archive of Debian, or has no lists: apt-get update"
        )
    return found.stdout.split()[0]


def bootstrap_command(system: System, root: Path, mirror: str) -> list[str]:
    """Return the command that puts the system into a folder."""
    return [
        *namespaces(),
        "debootstrap",
        "--variant=minbase",
        f"--components=main{',universe' * system.ubuntu}",
        f"--keyring={system.keyring}",
        system.suite,
        str(root),
        # An empty argument stands for debootstrap's own choice.
        *([mirror, system.script] if system.script else [mirror] * bool(mirror)),
    ]


def namespaces() -> list[str]:
    """Return the start of a command whose mounts and processes end with it, and it with us."""
    return [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--pid",
        "--ipc",
        "--mount-proc",
        "--fork",
        "--kill-child",
    ]


def enter(root: Path, command: str) -> list[str]:
    """Return the command that runs a shell command inside a fresh system."""
    return [*namespaces(), "sh", str(CHECKOUT / "tools" / "enter-fresh.sh"), str(root), command]


def prepare(system: System, root: Path) -> None:
    """Give a fresh system the network and the files of this checkout that git would commit."""
    for file in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copy(file, root / file.lstrip("/"))
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout
    # How this machine reaches the archive: proxies, certificates, time limits.
    kept = [
        line
        for line in settings.splitlines()
        if line.startswith(("Acquire::http", "Acquire::Check"))
    ]
    (root / "etc/apt/apt.conf.d/90host").write_text("\n".join(kept) + "\n")
    certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if certificates:
        shutil.copy(certificates, root / CERTIFICATES.lstrip("/"))
        (root / "etc/pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n")
    if os.environ.get("PIP_CONF"):
        shutil.copy(os.environ["PIP_CONF"], root / "etc/pip.conf")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, listed)):
        if (CHECKOUT / name).is_file():  # one that was removed is still listed
            target = root / "root/parallelflow" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, target, follow_symlinks=False)


def run(command: list[str], log: Path | None) -> tuple[int, str]:
    """Run a command, show and keep what it writes; return its code and its last line.

    However this ends, nothing of the command is running afterwards.
    """
    last = ""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for this program, which ends the whole
    )
    try:
        assert process.stdout is not None
        with open(log or os.devnull, "w", encoding="utf-8") as file:
            for line in process.stdout:
                file.write(line)
                file.flush()
                if log is not None:
                    print(f"  | {line}", end="", flush=True)
                last = line.strip() or last
        return process.wait(), last
    finally:
        end_namespace(process)


def end_namespace(process: subprocess.Popen[str]) -> None:
    """Kill the first process of the namespaces: the kernel ends the others before it is gone."""
    while process.poll() is None:
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        except OSError:
            children = []
        for pid in map(int, children) if children else [process.pid]:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """Give a folder that is removed in the end, and locked while it is in use."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder.chmod(0o755)  # debootstrap and apt fetch as another user
            yield folder
    finally:
        shutil.rmtree(folder)


def remove_abandoned() -> None:
    """Remove the folders of runs that were killed: nobody holds their lock."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            with open(folder / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
        except OSError:
            continue


if __name__ == "__main__":
    sys.exit(main())
