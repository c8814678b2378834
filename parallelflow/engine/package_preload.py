"""What an engine loads before it can read the spec of a function of VisTrails."""

from __future__ import annotations

import platform
from typing import Any

import parallelflow

from . import vistrails_caching
from .packages import load_packages
from .remote_failure import RemoteFailure, RemoteFailureError
from .spec import FunctionSpec, PackageNeed
from .workflow_spec import WorkflowsSpec

__all__ = ["PackagePreloader"]


class PackagePreloader:
    """What an engine needs before it can read a function's spec.

    The spec may hold values of classes that user packages define. So this one is sent before
    it, in the same pickle, and loads the packages when it is unpickled.

    Parameters
    ----------
    spec : FunctionSpec or WorkflowsSpec
        The function's spec.
    """

    def __init__(self, spec: FunctionSpec | WorkflowsSpec) -> None:
        self._needs = (spec.versions, spec.packages, spec.user_packages)

    def __reduce__(self) -> Any:
        return _make_ready, self._needs


def _make_ready(
    versions: dict[str, str], packages: list[PackageNeed], user_packages: str | None
) -> None:
    _check_versions(versions)
    load_packages(packages, user_packages)
    vistrails_caching.apply()


def _check_versions(versions: dict[str, str]) -> None:
    """Raise unless this engine's versions fit the client's."""
    here = {"parallelflow": parallelflow.version, "python": platform.python_version()}
    for name, shown, parts in (("parallelflow", "Parallel Flow", 3), ("python", "Python", 2)):
        ours, theirs = here[name], versions.get(name, here[name])
        if ours.split(".")[:parts] != theirs.split(".")[:parts]:
            raise RemoteFailureError(
                RemoteFailure(
                    "setup",
                    "VersionMismatch",
                    f"it runs {shown} {ours}, this session {theirs}: give both the same version",
                )
            )
