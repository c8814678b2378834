"""How commands that run workflows begin: files, terminal, engines, and VisTrails, in this order."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from parallelflow.errors import OutputFileError, UserMistake
from parallelflow.settings import Settings, settings
from parallelflow.system.collection import end_start

from . import element_options, signals, target
from .checkpoints import check_something_is_left
from .detached import continues, progress_display
from .engines import configure_engines
from .messages import configure, tell
from .output_files import written
from .saved_log import save_with_log

if TYPE_CHECKING:
    from .progress import ProgressDisplay
    from .workflow import Workflow

__all__ = ["begin", "opened", "read_targets"]


def read_targets(
    options: Namespace, names: Sequence[str]
) -> tuple[list[target.Target], list[Element]]:
    """Return which files and versions are meant, and their version trees; set the options.

    Parameters
    ----------
    options : Namespace
        With those of `element_options`.
    names : sequence of str
        FILE[:VERSION], as the user wrote them.

    Raises
    ------
    UserMistake
        If there is no such file, or nothing is left to compute.
    """
    element_options.override_settings(options)
    _check_log(options.save_log, names)
    targets = [target.parse(name) for name in names]
    if options.failed and not continues():
        check_something_is_left(targets[0].path)
    return targets, [target.read(wanted.path) for wanted in targets]


def _check_log(log: str | None, names: Sequence[str]) -> None:
    """Raise unless the log can be saved."""
    if log is None:
        return
    if len(names) > 1:
        raise UserMistake("--save-log is for one file: the log is a part of it.")
    if Path(log).exists():
        raise OutputFileError(
            "--save-log", log, "it is there already, and is not overwritten; give another name."
        )


def begin(options: Namespace, units: str = "elements") -> ProgressDisplay:
    """Set the terminal and the engines up.

    Parameters
    ----------
    options : Namespace
        With ``verbose``, and what `configure_engines` takes.
    units : str
        What is counted, in the plural.

    Returns
    -------
    ProgressDisplay
        Where progress is shown.
    """
    display = progress_display(options, units)
    configure(display, options.verbose)
    configure_engines(options)
    _tell_profile(options)
    return display


def _tell_profile(options: Namespace) -> None:
    """Say which profile is used if it is another than a command's reader expects."""
    profile = settings().profile
    if options.profile is None and profile != Settings.profile and not options.quiet:
        tell(f"profile {profile}, the one of the configuration (--profile names another)")


@contextlib.contextmanager
def opened(targets: Sequence[target.Target], log: str | None = None) -> Iterator[list[Workflow]]:
    """Start VisTrails' core and open workflows; they are closed at the end.

    Parameters
    ----------
    targets : sequence of Target
        Files and versions.
    log : str, optional
        Where to save the first one with the log of what was executed, however that has ended.
    """
    from parallelflow.host import start_core

    # The log goes into the vistrail, which is not saved unless that is wanted.
    app = start_core(execution_log=log is not None)
    end_start()
    # What an earlier command of the same process has started was for that one.
    app.temp_configuration.executionLog = log is not None
    from .workflow import Workflow

    with contextlib.ExitStack() as stack:
        workflows = []
        for wanted in targets:
            workflows.append(Workflow(wanted))
            stack.callback(workflows[-1].close)
        try:
            yield workflows
        except BaseException:
            try:
                _save(workflows[0], log)
            except OSError as e:  # what has ended the block is told by others
                tell(f"{e.filename}: {e.strerror}")
            raise
        _save(workflows[0], log)


def _save(workflow: Workflow, log: str | None) -> None:
    if log is not None and not signals.is_leaving():
        with written("--save-log", log):
            save_with_log(workflow, log)
