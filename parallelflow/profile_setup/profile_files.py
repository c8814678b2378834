"""What a setup writes into a profile's configuration files, and reads from there again."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parallelflow.engine_manager.launch.controller_options import read_config
from parallelflow.engine_manager.system import profiles
from parallelflow.errors import ConfigurationFailed, ProfileUnusable
from parallelflow.system.safe_files import (
    PRIVATE_FILE,
    UnusableFile,
    is_there,
    parse_json,
    read_bytes,
    replace_bytes,
)

from .answers import BATCH, Answers
from .job_scripts import job_script
from .marked_part import part_of, with_part

__all__ = ["Written", "read_answers", "write_answers"]

CLUSTER, CONTROLLER = "ipcluster_config", "ipcontroller_config"
ENGINE_SETS = {
    "ssh": "SSHEngineSetLauncher",
    "slurm": "SlurmEngineSetLauncher",
    "pbs": "PBSEngineSetLauncher",
    "sge": "SGEEngineSetLauncher",
    "lsf": "LSFEngineSetLauncher",
    "htcondor": "HTCondorEngineSetLauncher",
}
# The comment that keeps the answers, for the next time.
_ANSWERS = "# answers: "
_HEAD = """\
# Written by 'parallelflow setup {launcher}', which writes it again. Your own lines
# stay outside of the marks; those below go before what is here.
"""


@dataclass(frozen=True)
class Written:
    """What a setup has done.

    Attributes
    ----------
    folder : Path
        The profile's folder.
    files : tuple of Path
        The files that have changed; none if all was there already.
    hidden : tuple of str
        A sentence on each option that another line of the profile sets to something else.
    """

    folder: Path
    files: tuple[Path, ...]
    hidden: tuple[str, ...]


def read_answers(profile: str) -> Answers | None:
    """Return what was answered for a profile before, None if nothing was.

    Raises
    ------
    ProfileError
        If the profile's name is not valid.
    ConfigurationFailed
        If a file cannot be read, or the marks in it are broken.
    """
    path = profiles.profile_folder(profile) / f"{CLUSTER}.py"
    for line in part_of(path, _read(path)).splitlines():
        if line.startswith(_ANSWERS):
            try:
                return Answers.from_dict(parse_json(line.removeprefix(_ANSWERS)))
            except ValueError:
                return None
    return None


def write_answers(profile: str, answers: Answers) -> Written:
    """Write a setup into a profile's files; the profile is made if there is none.

    Each file is replaced in one step, and none of them if one cannot be read.

    Raises
    ------
    ProfileError
        If the profile's name is not valid, or its folder cannot be written.
    ConfigurationFailed
        If a file is broken, with the line.
    """
    folder = profiles.profile_folder(profile)
    if not is_there(folder):
        profiles.create(profile)
    wanted = {CLUSTER: _cluster_options(answers), CONTROLLER: _controller_options(answers)}
    changed: dict[Path, bytes] = {}
    for name, options in wanted.items():
        path = folder / f"{name}.py"
        data = _read(path)
        _check(folder, name, data)
        new = with_part(path, data, _part(answers, options, keep=name == CLUSTER))
        if new != data:
            changed[path] = new
    for path, data in changed.items():
        try:
            _replace(path.resolve(), data)  # a link to a file elsewhere stays one
        except OSError as e:
            raise ProfileUnusable(
                f"{path} cannot be written: {e.strerror}. Free some space or correct its "
                "permissions, or choose another profile."
            ) from e
    hidden = [line for name, options in wanted.items() for line in _hidden(folder, name, options)]
    return Written(folder, tuple(changed), tuple(hidden))


# -- what is written -------------------------------------------------------------------------


def _cluster_options(answers: Answers) -> dict[str, Any]:
    launcher = ENGINE_SETS[answers.launcher]
    options: dict[str, Any] = {"Cluster.engine_launcher_class": answers.launcher}
    if answers.launcher == "ssh":
        options[f"{launcher}.engines"] = dict(answers.machines)
        if answers.python:
            options[f"{launcher}.remote_python"] = answers.python
    elif answers.python and answers.launcher != "htcondor":
        options[f"{launcher}.engine_cmd"] = [answers.python, "-m", "ipyparallel.engine"]
    if answers.launcher in BATCH:
        options[f"{launcher}.batch_template"] = job_script(answers)
    return options


def _controller_options(answers: Answers) -> dict[str, Any]:
    return {"IPController.ip": answers.address} if answers.address else {}


def _part(answers: Answers, options: dict[str, Any], keep: bool) -> str:
    lines = [_HEAD.format(launcher=answers.launcher)]
    if keep:
        lines.append(f"{_ANSWERS}{json.dumps(answers.to_dict())}\n")
    lines.append("c = get_config()\n")
    lines += [f"c.{name} = {_literal(value)}\n" for name, value in options.items()]
    return "".join(lines)


def _literal(value: Any) -> str:
    """Return a value as Python code in ASCII: files may have any encoding."""
    text = ascii(value)
    plain = isinstance(value, str) and value.isascii() and '"""' not in value
    return f'"""{value}"""' if plain and "\n" in value and "\\" not in value else text


# -- what is there already -------------------------------------------------------------------


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except FileNotFoundError:
        return b""
    except UnusableFile as e:
        raise ConfigurationFailed(f"{path} cannot be changed: it {e.reason}.") from e
    except OSError as e:
        raise ConfigurationFailed(f"{path} cannot be read: {e.strerror}.") from e


def _replace(path: Path, data: bytes) -> None:
    """Write a file in one step; who could read the old one can read the new one."""
    mode = stat.S_IMODE(path.stat().st_mode) if is_there(path) else PRIVATE_FILE
    replace_bytes(path, data)
    path.chmod(mode)


def _check(folder: Path, name: str, data: bytes) -> None:
    """Raise, with the line, if a file is no Python or does not run."""
    path = folder / f"{name}.py"
    try:
        compile(data, str(path), "exec")
        read_config(folder, name)
    except SyntaxError as e:
        raise _broken(path, e.lineno, e.msg) from e
    except ValueError as e:
        raise _broken(path, None, str(e)) from e
    except ConfigurationFailed as e:
        cause = e.__cause__
        raise _broken(path, _line_of(path, cause), f"{type(cause).__name__}: {cause}") from e


def _broken(path: Path, line: int | None, why: str) -> ConfigurationFailed:
    where = f"{path}, line {line}" if line else str(path)
    return ConfigurationFailed(
        f"{where}: {why}. Correct it, or choose another profile. Nothing was written."
    )


def _line_of(path: Path, error: BaseException | None) -> int | None:
    """Return the line of a file in which an error was raised, None if it is not known."""
    line = None
    step = error.__traceback__ if error is not None else None
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return line


def _hidden(folder: Path, name: str, options: dict[str, Any]) -> Sequence[str]:
    """Return a sentence on each option that has not the value that was written."""
    config = read_config(folder, name)
    told = []
    for option, value in options.items():
        section, _, trait = option.partition(".")
        if config[section].get(trait) != value:
            told.append(
                f"Another line in {folder / name}.py, or in {name}.json, sets c.{option}, and goes "
                "before what was written: remove it."
            )
    return told
