"""The command that runs a module as a program, whatever files are in the working directory."""

from __future__ import annotations

import sys

__all__ = ["command_with_path", "module_command"]

# ``python -m`` looks for modules in the working directory first: a random.py there would be taken
# for the library's. PYTHONSAFEPATH prevents it, but Python 3.10 does not know that variable.
SAFE_PATH_SINCE = (3, 11)
RUN_ARGUMENT = (
    "import runpy, sys; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
RUN_MODULE = f"import sys; del sys.path[0]; {RUN_ARGUMENT}"


def module_command(module: str) -> list[str]:
    """Return the beginning of a command that runs a module; its arguments follow."""
    if sys.version_info >= SAFE_PATH_SINCE:
        return [sys.executable, "-m", module]
    return [sys.executable, "-c", RUN_MODULE, module]


WITH_PATH = f"import sys; sys.path[:] = sys.argv.pop(1).split(chr(10)); {RUN_ARGUMENT}"


def command_with_path(module: str) -> list[str]:
    """Return the same for a process that is to find modules where this one does."""
    return [sys.executable, "-c", WITH_PATH, "\n".join(sys.path), module]
