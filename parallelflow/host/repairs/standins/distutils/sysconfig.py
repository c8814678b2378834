"""What VisTrails uses of ``distutils.sysconfig``, removed in Python 3.12."""

from __future__ import annotations

import sysconfig


def get_python_lib() -> str:
    """Return the folder into which packages are installed."""
    return sysconfig.get_path("purelib")
