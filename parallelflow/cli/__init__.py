"""The command line: ``parallelflow run`` and ``parallelflow gui``."""

from __future__ import annotations

from collections.abc import Sequence

from parallelflow.system import collection

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ``parallelflow`` command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments without the command's name; by default those of this process.

    Returns
    -------
    int
        The exit code, one of `parallelflow.cli.exits.Exit`.
    """
    if argv is None:  # this process is the command, and not a program that calls it
        collection.spare_start()
    from .command import main

    return main(argv)
