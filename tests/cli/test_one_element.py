"""`parallelflow run --element`: one element in the command's own process."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest

from tests.support.command import RunHere

from .conftest import command, environment


def test_one_element_is_computed_here(here: RunHere, cases: Path) -> None:
    for case in ("parallel_map", "serial_map"):
        done = here("run", f"{cases}:{case}", "--element", 2)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "element  2 (the first is 0)\ninput    3\nvalue    6\n"
    assert "PARALLELFLOW_ON_ENGINE" not in os.environ


def test_an_element_that_fails_alone(here: RunHere, cases: Path) -> None:
    done = here("run", f"{cases}:element_fails", "--element", "mapped:2")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'File "<string>", line 2, in <module>' in done.stderr
    assert "failed: ValueError: three is too much" in done.stderr
    done = here("run", f"{cases}:element_fails", "--element", "1")
    assert done.returncode == 0 and "value    2" in done.stdout


@pytest.mark.parametrize(
    ("case", "element", "code", "told"),
    [
        ("parallel_map", "3", 1, "There is no element 3: the list has 3 elements"),
        ("parallel_map", "other:1", 2, "has no Map or Filter 'other'; it has: mapped."),
        ("aliases", "1", 2, "has no Map or Filter outside of Groups"),
        ("parallel_map", "last", 2, "'last' is not the index of an element: N or LABEL:N"),
    ],
)
def test_elements_that_do_not_exist(
    here: RunHere, cases: Path, case: str, element: str, code: int, told: str
) -> None:
    done = here("run", f"{cases}:{case}", "--element", element)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr and "Traceback" not in done.stderr


def test_a_debugger_asks_at_the_terminal(cases: Path) -> None:
    """`breakpoint()` in the function of a Map."""
    arguments = command("run", f"{cases}:breakpoint_in_element", "--element", 1)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, arguments, environment())
    read = b""
    try:
        while b"(Pdb)" not in read:
            read += os.read(terminal, 1024)
        os.write(terminal, b"p 'i is %d' % i\nc\n")
        try:
            while part := os.read(terminal, 1024):
                read += part
        except OSError:  # the end, of a terminal
            pass
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, read
    assert b"i is 2" in read and b"value    4" in read
