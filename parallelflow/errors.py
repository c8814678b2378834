"""Typed errors of Parallel Flow.

Every error says what happened, to which element, engine or profile, and what
to do next. The parts are fields, so that a window can lay them out.
"""

from __future__ import annotations


class ParallelFlowError(Exception):
    """Base class of every error that Parallel Flow raises on purpose."""


class VistrailsNotFound(ParallelFlowError):
    """VisTrails 3.0 is not installed where this Python looks for it."""


class PackageMissing(ParallelFlowError):
    """A VisTrails package that a workflow needs is not available.

    Parameters
    ----------
    identifier : str
        The package's identifier, e.g. ``org.vistrails.vistrails.vtk``.
    version : str or None
        The version wanted, None if any.
    reason : str
        Why it cannot be enabled, one line.
    host : str or None
        The machine that lacks it, None for this one.
    """

    def __init__(
        self,
        identifier: str,
        version: str | None = None,
        reason: str = "",
        host: str | None = None,
    ) -> None:
        self.identifier = identifier
        self.version = version
        self.reason = reason
        self.host = host
        wanted = f" (version {version})" if version else ""
        where = f" on {host}" if host else " on this machine"
        why = f": {reason}" if reason else ""
        super().__init__(
            f"the package {identifier}{wanted} is not available{where}{why}. "
            "Install it there, or enable it in Preferences > Module Packages."
        )
