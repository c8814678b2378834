"""The environment of the processes that a session starts."""

from __future__ import annotations

import os
import site
from pathlib import Path

import parallelflow
from parallelflow.engine import start_environment

from ..system.processes import TOKEN_VARIABLE

__all__ = ["child_environment"]

# Libraries that start one thread per core each: with one engine per core that is too many.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

# What our processes need to start, and programs that elements start must not have.
START_VARIABLES = ("PYTHONSAFEPATH", "PYTHONPATH")


def child_environment(token: str) -> dict[str, str]:
    """Return what the environment of our processes has beyond the session's own.

    Parameters
    ----------
    token : str
        The session's token.

    Returns
    -------
    dict of str to str
        The token, ``PYTHONSAFEPATH`` (a ``random.py`` in the working directory would
        stop a controller otherwise), one numeric thread per engine unless the user
        set another number, the way to this package where it is not installed, and what
        the session has of those that elements must not have.
    """
    environment = {TOKEN_VARIABLE: token, "PYTHONSAFEPATH": "1"}
    for name in THREAD_VARIABLES:
        environment.setdefault(name, os.environ.get(name, "1"))
    here = str(Path(parallelflow.__file__).parent.parent)
    installed = {str(Path(p)) for p in [*site.getsitepackages(), site.getusersitepackages()]}
    if here not in installed:
        path = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
        environment["PYTHONPATH"] = os.pathsep.join([*path, here])
    return {**environment, **start_environment.remember(START_VARIABLES)}
