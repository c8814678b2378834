"""The command line: ``parallelflow run`` and ``parallelflow gui``."""

from __future__ import annotations

from collections.abc import Sequence

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
    from .command import main

    return main(argv)
