"""VisTrails' configuration as plain data: what a session has, carried to another process.

A configuration object of VisTrails holds strings, numbers, booleans, lists and further
configuration objects, and names that are known but not set. As data it is a dictionary; a
further object is a dictionary in it, and of what is not set there is (None, type), which is
what VisTrails gives to who asks for it.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "PROCESS_KEYS",
    "initial_values",
    "keep_initial_values",
    "package_values",
    "read",
    "session_values",
    "write",
]

Values = dict[str, Any]

PROCESS_KEYS = frozenset(
    {
        # Folders: each session of ours has its own, and writes nothing into the user's.
        "dotVistrails", "logDir", "packageDir", "rootDirectory", "subworkflowsDir",
        "temporaryDir", "thumbs", "userPackageDir",
        # How a process starts, which packages it loads, what it may install or ask.
        "bundleDeclinedList", "dontUnloadModules", "enablePackagesSilently", "handlerCheck",
        "handlerDontAsk", "installBundles", "installBundlesWithPip", "loadPackages",
        "singleInstance", "spawned", "staticRegistry", "vistrails",
        # What is recorded and shown.
        "autoSave", "debugLevel", "developerDebugger", "errorLog", "executionLog",
        "isRunningGUI", "recentVistrailList", "showSplash", "showWindow",
        # What one command line asked for.
        "db", "graphsAsPdf", "host", "jobInfo", "jobList", "noExecute", "outputPipelineGraph",
        "outputVersionTree", "parameterExploration", "parameters", "port", "user",
    }
)  # fmt: skip
"""Names in VisTrails' own configuration that are the process's: they neither travel to engines
nor are read from the user's file."""

_INITIAL = "_parallelflow_initial_values"


def read(configuration: Any) -> Values:
    """Return what a configuration object holds.

    Parameters
    ----------
    configuration : ConfigurationObject
        VisTrails' own, or a package's.

    Returns
    -------
    dict
        Value by name; of a configuration object in it, a dictionary.
    """
    values: Values = dict(configuration._unset_keys)
    for name, key in configuration.db_config_keys_name_index.items():
        values[name] = read(key.value) if _is_configuration(key.value) else key.value
    return values


def _is_configuration(value: Any) -> bool:
    return hasattr(value, "db_config_keys_name_index")


def write(configuration: Any, values: Values, keep: frozenset[str] = frozenset()) -> None:
    """Make a configuration object hold just these values, in place.

    The object stays the same, since packages keep it under several names; whoever subscribed
    to a value is told of its change.

    Parameters
    ----------
    configuration : ConfigurationObject
        What to change.
    values : dict
        As `read` returns them.
    keep : frozenset of str
        Names that stay as they are.
    """
    for name in configuration.allkeys():
        if name not in keep and name not in values:
            _unset(configuration, name)
            configuration._unset_keys.pop(name, None)
    for name, value in values.items():
        if name in keep:
            continue
        if isinstance(value, tuple):
            _unset(configuration, name)
            configuration._unset_keys[name] = value
        elif isinstance(value, dict):
            if not configuration.has(name) or not _is_configuration(configuration.get(name)):
                _replace(configuration, name, type(configuration)())
            write(configuration.get(name), value)
        else:
            _set(configuration, name, value)


def _unset(configuration: Any, name: str) -> None:
    if configuration.has(name):
        setattr(configuration, name, None)


def _set(configuration: Any, name: str, value: Any) -> None:
    if configuration.has(name):
        now = configuration.get(name)
        if type(now) is type(value) and now == value:
            return
    try:
        setattr(configuration, name, value)
    except TypeError:  # a value of another type than this process has known it with
        _replace(configuration, name, value)


def _replace(configuration: Any, name: str, value: Any) -> None:
    """Set a value whatever type it had before."""
    _unset(configuration, name)
    configuration._unset_keys.pop(name, None)
    setattr(configuration, name, value)


def session_values() -> tuple[Values, Values]:
    """Return VisTrails' own configuration in this session: the one in force, and the saved one.

    Modules read both: where output goes by default stands in the saved one.

    Returns
    -------
    tuple of dict
        Without `PROCESS_KEYS`.
    """
    from vistrails.core.configuration import (
        get_vistrails_persistent_configuration,
        get_vistrails_temp_configuration,
    )

    in_force, saved = (
        {name: value for name, value in read(one).items() if name not in PROCESS_KEYS}
        for one in (get_vistrails_temp_configuration(), get_vistrails_persistent_configuration())
    )
    return in_force, saved


def package_values(package: Any) -> Values | None:
    """Return a package's configuration now, None if it has none.

    Parameters
    ----------
    package : Package
        VisTrails' object for it.
    """
    configuration = package.configuration
    if not hasattr(configuration, "db_config_keys_name_index"):
        return None
    return read(configuration)


def keep_initial_values(package: Any) -> None:
    """Note the configuration that a package is about to be initialized with.

    What a package builds while it is initialized follows from it, whatever is changed later.
    """
    setattr(package, _INITIAL, package_values(package))


def initial_values(package: Any) -> Values | None:
    """Return the configuration that a package was initialized with.

    Returns
    -------
    dict or None
        What it has now, if nobody was there to note it; None if it has no configuration.
    """
    if hasattr(package, _INITIAL):
        noted: Values | None = getattr(package, _INITIAL)
        return noted
    return package_values(package)
