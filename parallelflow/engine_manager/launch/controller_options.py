"""The controller's options: ours where the profile says nothing.

A profile speaks in two places: ``ipcluster_config.py`` may give the controller arguments,
and ``ipcontroller_config.py`` configures it itself. An argument would go before the latter
and, given twice, end the controller; so each of ours is left out where either has it.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import zmq
from traitlets import TraitError
from traitlets.config import Config
from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader

from parallelflow.errors import ConfigurationFailed
from parallelflow.system.safe_files import UnusableFile, read_bytes

__all__ = [
    "check_configuration",
    "controller_arguments",
    "controller_config",
    "read_config",
    "wrong_values_told",
]

# Registration is complete at the next heartbeat, so the period is what a start waits for
# (3 000 ms by default). At 300 ms an idle cluster of two engines takes 0.8 % of a core, at
# 200 ms 1.1 % (measured, all its processes together).
HEARTBEAT_MS = 300
# A suspended laptop or a long stall must not lose engines indefinitely: 100 x 300 ms = 30 s,
# what ipyparallel's defaults come to.
HEARTBEAT_MISSES = 100
# An engine has registered when the hub has seen its heart, and after this time it is forgotten: it
# takes itself for registered then, and never gets work. Beside 128 engines that loaded VisTrails on
# two busy cores, a hub was at it for 31 s, and had forgotten ten (ipyparallel's default is 30).
REGISTRATION_SECONDS = 180

logger = logging.getLogger(__name__)


def controller_arguments(profile_folder: Path, given: Sequence[str] = ()) -> list[str]:
    """Return the arguments that a controller of ours gets beyond the profile's own.

    Parameters
    ----------
    profile_folder : Path
        The profile's folder.
    given : sequence of str
        Arguments that it gets anyway.

    Raises
    ------
    ConfigurationFailed
        If the profile's ``ipcontroller_config.py`` cannot be read.
    """
    config = controller_config(profile_folder)
    wanted: dict[str, str] = {
        "HeartMonitor.period": str(HEARTBEAT_MS),
        "HeartMonitor.max_heartmonitor_misses": str(HEARTBEAT_MISSES),
        "IPController.registration_timeout": str(REGISTRATION_SECONDS),
        # With a database the hub keeps every task and result indefinitely.
        "IPController.db_class": "NoDB",
    }
    if zmq.has("curve") and "IPP_ENABLE_CURVE" not in os.environ:
        # Without it any user of this machine can read all output from the iopub port.
        wanted["IPController.enable_curve"] = "True"
    names = {argument.partition("=")[0].lstrip("-") for argument in given}
    short = {"HeartMonitor.period": "ping", "IPController.db_class": "nodb"}
    arguments = []
    for name, value in wanted.items():
        section, _, option = name.partition(".")
        if name not in names and short.get(name) not in names and option not in config[section]:
            arguments.append(f"--{name}={value}")
    return arguments


def controller_config(profile_folder: Path) -> Config:
    """Return what a profile's ``ipcontroller_config`` says; raises as `read_config` does."""
    return read_config(profile_folder, "ipcontroller_config")


def check_configuration(profile_folder: Path) -> None:
    """Raise if a configuration file that a controller or a local engine reads is not usable.

    ipyparallel writes the error to a log, and goes on as if the file were not there, or ends
    without a word.

    Parameters
    ----------
    profile_folder : Path
        The profile's folder.

    Raises
    ------
    ConfigurationFailed
        If a file cannot be read.
    """
    for name in ("ipython_config", "ipcluster_config", "ipcontroller_config"):
        read_config(profile_folder, name)
    # This one is for engines only: it may load what has no place in this process, such as MPI.
    file = profile_folder / "ipengine_config.py"
    if (text := _text(file)) is not None:
        try:
            compile(text, str(file), "exec")
        except (SyntaxError, ValueError) as e:
            raise _unreadable(file, f"{type(e).__name__}: {e}") from e


@contextlib.contextmanager
def wrong_values_told(profile_folder: Path) -> Iterator[None]:
    """Tell of values that ipyparallel or IPython does not take, while it reads its configuration.

    IPython's own applications end the program then, after a line in their log.

    Raises
    ------
    ConfigurationFailed
        If there is one.
    """
    try:
        yield
    except (TraitError, SystemExit) as e:
        reason = e.__context__ if isinstance(e, SystemExit) and e.__context__ else e
        raise ConfigurationFailed(
            f"A configuration file in {profile_folder} has a value that is not taken: {reason}. "
            "Correct it, or choose another profile."
        ) from e


def read_config(profile_folder: Path, name: str) -> Config:
    """Return what a configuration file of a profile says.

    Parameters
    ----------
    profile_folder : Path
        The profile's folder.
    name : str
        The file's name without its suffix, such as ``ipcluster_config``.

    Raises
    ------
    ConfigurationFailed
        If the file cannot be read.
    """
    config = Config()
    loaders = {".json": JSONFileConfigLoader, ".py": PyFileConfigLoader}
    for suffix, loader in loaders.items():
        file = profile_folder / f"{name}{suffix}"
        if _text(file) is None:
            continue
        try:
            config.merge(loader(file.name, path=str(profile_folder)).load_config())
        except (Exception, SystemExit) as e:
            raise _unreadable(file, f"{type(e).__name__}: {e}") from e
    return config


def _text(file: Path) -> bytes | None:
    """Return what a configuration file holds, None if there is none."""
    try:
        return read_bytes(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnusableFile as e:
        raise _unreadable(file, f"it {e.reason}") from e
    except OSError as e:
        raise _unreadable(file, e.strerror or str(e)) from e


def _unreadable(file: Path, reason: str) -> ConfigurationFailed:
    return ConfigurationFailed(
        f"{file} cannot be read: {reason}. Correct it, or choose another profile."
    )
