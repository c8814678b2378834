"""What is asked to set a launcher up: the questions, how answers are read, and what is wrong."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parallelflow.errors import UserMistake, shortened
from parallelflow.wording import count

__all__ = [
    "EVERYWHERE",
    "LAUNCHERS",
    "QUESTIONS",
    "Answers",
    "Question",
    "own_addresses",
    "questions_for",
    "read_answer",
    "shown",
    "suggested",
]

BATCH = ("slurm", "pbs", "sge", "lsf", "htcondor")
LAUNCHERS = ("ssh", *BATCH)
"""The launchers that can be set up, by their short names."""

EVERYWHERE = "0.0.0.0"
"""What stands for all addresses of this machine."""
# What a host, a queue or an account may be called: it becomes a part of a job script.
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:+/-]*")
_MACHINE = re.compile(r"(?:[A-Za-z0-9_.-]+@)?[A-Za-z0-9_][A-Za-z0-9_.-]*(?::\d+)?")
# With more digits than anybody means, Python refuses to read them.
_CLOCK = re.compile(r"(?:(\d{1,9})-)?(\d{1,9}):([0-5]?\d)(?::([0-5]?\d))?")
_SPAN = re.compile(r"(\d{1,9}) ?(minutes|minute|min|m|hours|hour|h|days|day|d)")
_SPANS = {"m": 60, "h": 3600, "d": 24 * 3600}
_MEMORY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([MG])i?B?", re.IGNORECASE)
MOST_ENGINES = 10_000


@dataclass(frozen=True)
class Answers:
    """What a user has answered; empty or 0 is for *as the site, or this Python, has it*.

    Attributes
    ----------
    launcher : str
        The launcher's short name.
    machines : dict of str to int
        For ssh: how many engines each machine takes.
    queue, account : str
        For batch systems.
    wall_time : int
        How long a job may run, seconds.
    memory : int
        For each engine, megabytes.
    python : str
        The engines' Python, where it is another one than this one: its path there.
    address : str
        What address of this machine the controller listens on.
    """

    launcher: str
    machines: Mapping[str, int] = field(default_factory=dict)
    queue: str = ""
    account: str = ""
    wall_time: int = 0
    memory: int = 0
    python: str = ""
    address: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what was answered, for JSON; what is empty is left out."""
        told = {**dataclasses.asdict(self), "machines": dict(self.machines)}
        return {name: value for name, value in told.items() if value}

    @classmethod
    def from_dict(cls, told: object) -> Answers | None:
        """Return the answers that `to_dict` has given, None if these are none."""
        if not isinstance(told, dict) or told.get("launcher") not in LAUNCHERS:
            return None
        try:
            given = {
                question.name: read_answer(question.name, shown(question.name, told[question.name]))
                for question in questions_for(told["launcher"])
                if question.name in told and question.name != "address"
            }
        except (UserMistake, TypeError, ValueError, AttributeError):
            return None
        # The machine may have other addresses by now: what is written again is checked.
        return cls(told["launcher"], address=str(told.get("address", "")), **given)


@dataclass(frozen=True)
class Question:
    """One thing that is asked.

    Attributes
    ----------
    name : str
        The field of `Answers`.
    title : str
        What the form and the terminal show.
    hint : str
        How it is answered.
    launchers : tuple of str
        For which launchers it is asked.
    needed : bool
        Whether it cannot be left empty.
    """

    name: str
    title: str
    hint: str
    launchers: tuple[str, ...]
    needed: bool = False


QUESTIONS = (
    Question(
        "machines",
        "Machines",
        "each with its number of engines: node1=4, user@node2=8",
        ("ssh",),
        True,
    ),
    Question("queue", "Queue", "or partition; empty: the site's own", BATCH[:-1]),
    Question("account", "Account", "or project; empty: the site's own", BATCH),
    Question(
        "wall_time",
        "Wall time",
        "of a job, such as 1:30 (hours and minutes), 90 min or 2 h; empty: the site's own",
        BATCH,
    ),
    Question("memory", "Memory", "for each engine, such as 2 GB; empty: the site's own", BATCH),
    Question(
        "python",
        "Engines' Python",
        "its path there; empty: the same as here",
        LAUNCHERS,
    ),
    Question(
        "address",
        "Address to listen on",
        f"of this machine, as the engines reach it; {EVERYWHERE}: on all of them",
        LAUNCHERS,
        True,
    ),
)
"""All questions, in the order in which they are asked."""


def questions_for(launcher: str) -> list[Question]:
    """Return what is asked for a launcher."""
    return [question for question in QUESTIONS if launcher in question.launchers]


def own_addresses() -> list[str]:
    """Return this machine's addresses (IPv4), those that other machines may reach first."""
    import psutil  # the parser of each command knows the questions, and asks none

    found = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET
    ]
    return sorted(set(found), key=lambda text: (text.startswith("127."), found.index(text)))


def suggested(name: str) -> str:
    """Return the answer that is offered where nothing was answered before."""
    return next(iter(own_addresses()), EVERYWHERE) if name == "address" else ""


def read_answer(name: str, text: str) -> Any:
    """Return what a text says for a question.

    Parameters
    ----------
    name : str
        The question's name.
    text : str
        As the user has written it; blank for none.

    Raises
    ------
    UserMistake
        If it cannot be meant.
    """
    return _READERS[name](text.strip())


def shown(name: str, value: Any) -> str:
    """Return an answer as `read_answer` takes it and a person writes it."""
    if not value:
        return ""
    if name == "machines":
        return ", ".join(f"{machine}={engines}" for machine, engines in value.items())
    if name == "wall_time":
        return clock(int(value))
    if name == "memory":
        return f"{value} MB" if value % 1024 else f"{value // 1024} GB"
    return str(value)


def clock(seconds: int) -> str:
    """Return a time as hours, minutes and seconds, such as ``36:00:00``."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _machines(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in filter(None, re.split(r"[,;\s]+", text)):
        machine, equals, number = part.partition("=")
        if not _MACHINE.fullmatch(machine):
            raise UserMistake(
                f"{shortened(machine)} is not a machine: write HOST=ENGINES, such as node1=4."
            )
        if equals and not (re.fullmatch(r"\d{1,9}", number) and 0 < int(number) <= MOST_ENGINES):
            raise UserMistake(
                f"{shortened(number)} is not a number of engines for {machine}: 1 or more."
            )
        if machine in found:
            raise UserMistake(f"{machine} is named twice: once, with all its engines.")
        found[machine] = int(number) if equals else 1
    return found


def _word(what: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text and not _WORD.fullmatch(text):
            raise UserMistake(
                f"{shortened(text)} is not {what}: letters, digits and _ . @ : + / - are."
            )
        return text

    return read


def _wall_time(text: str) -> int:
    if not text:
        return 0
    if found := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    elif found := _SPAN.fullmatch(text.lower()):
        total = int(found[1]) * _SPANS[found[2][0]]
    else:
        total = 0
    if total < 60:
        raise UserMistake(
            f"{shortened(text)} is not a wall time: a minute or more, such as 1:30 (hours and "
            "minutes), 1:30:00, 2-12:00 (days and hours), 90 min or 2 h."
        )
    return total


def _memory(text: str) -> int:
    if not text:
        return 0
    found = _MEMORY.fullmatch(text)
    megabytes = float(found[1]) * (1024 if found[2].upper() == "G" else 1) if found else 0.0
    if megabytes < 1:
        raise UserMistake(f"{shortened(text)} is not an amount of memory, such as 500 MB or 2 GB.")
    return round(megabytes)


def _python(text: str) -> str:
    if text and (not text.startswith("/") or not text.isprintable()):
        raise UserMistake(
            f"{shortened(text)} is not the path of a Python: such as /opt/parallelflow/bin/python."
        )
    return text


def _address(text: str) -> str:
    if not text or text == EVERYWHERE:
        return text
    own = own_addresses()
    try:
        known = str(ipaddress.IPv4Address(text)) in own
    except ValueError:
        known = False
    if not known:
        raise UserMistake(
            f"{shortened(text)} is not an address of this machine. It has "
            f"{count(len(own), 'address', 'addresses')}: {', '.join(own)}."
        )
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "machines": _machines,
    "queue": _word("a queue"),
    "account": _word("an account"),
    "wall_time": _wall_time,
    "memory": _memory,
    "python": _python,
    "address": _address,
}
