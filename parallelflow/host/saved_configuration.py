"""The configuration that the user has saved in VisTrails, read for sessions of ours.

VisTrails keeps it in ``~/.vistrails/startup.xml``: its own values and each package's. What
a module computes may follow from them, so a headless session begins with them. The file is
only read; VisTrails' own code reads it, so that it means what it means to the window.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ..errors import ConfigurationUnreadable
from ..system import safe_files
from .configuration import PROCESS_KEYS, read

__all__ = ["MAX_BYTES", "private_startup", "saved_folder", "saved_startup", "startup_file"]

MAX_BYTES = 16 * 2**20
"""The largest startup.xml that is read; one with the values of all packages has some kilobytes."""

_PARTS = ("configuration", "packages", "disabledpackages")


def startup_file() -> Path:
    """Return where VisTrails keeps the user's configuration; the file need not exist."""
    return Path.home() / ".vistrails" / "startup.xml"


def saved_startup() -> Any:
    """Return what the user has saved.

    Returns
    -------
    VistrailsStartup or None
        None if there is no file: VisTrails has not been used.

    Raises
    ------
    ConfigurationUnreadable
        If there is one that VisTrails cannot read. Without it modules might compute
        something else than in the user's window.
    """
    from vistrails.core.db.io import load_startup

    file = startup_file()
    try:
        # VisTrails would wait for ever for what is no file.
        data = safe_files.read_bytes(file, MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except safe_files.UnusableFile as e:
        raise ConfigurationUnreadable(str(file), e.reason) from e
    except OSError as e:
        raise ConfigurationUnreadable(str(file), f"cannot be read: {e.strerror or e}") from e
    try:
        return load_startup(str(file))
    except Exception as e:
        reason = _missing_parts(data) or " ".join(str(e).split()) or type(e).__name__
        raise ConfigurationUnreadable(str(file), f"is damaged: {reason}") from e


def _missing_parts(data: bytes) -> str:
    """Return which of the parts that VisTrails always writes are not there, "" if all are."""
    try:
        there = {element.tag for element in ElementTree.fromstring(data)}
    except (ElementTree.ParseError, LookupError, ValueError):
        return ""  # said better by VisTrails
    missing = [f"<{part}>" for part in _PARTS if part not in there]
    return f"it has no {' and no '.join(missing)}" if missing else ""


def private_startup(startup: type, saved: Any) -> type:
    """Return VisTrails' class for a start, for a session that writes no configuration.

    Parameters
    ----------
    startup : type
        ``VistrailsStartup``.
    saved : VistrailsStartup or None
        What the session begins with; None for VisTrails' defaults.
    """

    class PrivateStartup(startup):
        """A start without a startup.xml of its own: there is nothing to parse nor to write."""

        def __init__(self, options: Any, command_line: Any) -> None:
            super().__init__(options, command_line, use_dot_vistrails=False)

        def load_persisted_startup(self) -> None:
            """Take over the saved values; a package takes its own when it is loaded."""
            if saved is None:
                return
            for name in [n for n in read(saved.configuration) if n in PROCESS_KEYS]:
                setattr(saved.configuration, name, None)
            self.configuration.update(saved.configuration)
            # As disabled ones: which packages are enabled is this session's own choice.
            for packages in (saved.enabled_packages, saved.disabled_packages):
                for package in packages.values():
                    if package.name not in self.disabled_packages:
                        self.db_disabled_packages.db_add_package(package)

    return PrivateStartup


def saved_folder(saved: Any, name: str) -> Path | None:
    """Return a folder that the user has configured, None if it is none that can be written.

    Parameters
    ----------
    saved : VistrailsStartup or None
        What the user has saved.
    name : str
        A name in VisTrails' own configuration, such as ``temporaryDir``.
    """
    value = saved.configuration.check(name) if saved is not None else None
    if not isinstance(value, str) or not Path(value).is_absolute():
        return None
    folder = Path(value)
    return folder if folder.is_dir() and os.access(folder, os.W_OK) else None
