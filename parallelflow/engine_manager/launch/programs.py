"""What the launchers' programs, such as ``sbatch`` and ``ssh``, say when they fail."""

from __future__ import annotations

import subprocess
from typing import Any

from ipyparallel.cluster import launcher as ipp_launcher

from .ssh_hosts import start_hosts_side_by_side

__all__ = ["keep_what_programs_say"]


def keep_what_programs_say() -> None:
    """Let the launchers' errors carry what a program has written to standard error.

    Those by ssh also start the hosts side by side. ipyparallel 9.2 runs programs by one function
    of its module, and lets what they write go to the terminal, where a window's user never sees it.
    """
    ipp_launcher.check_output = _check_output
    start_hosts_side_by_side()


def _check_output(*arguments: Any, **options: Any) -> bytes:
    """Do as `subprocess.check_output`; its error has what was written to standard error."""
    options.setdefault("stderr", subprocess.PIPE)
    output: bytes = subprocess.check_output(*arguments, **options)
    return output
