"""Where the example vistrails that come with VisTrails are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The Makefile unpacks them into the environment, Debian's package in the second place.
PLACES = (
    Path(sys.prefix) / "share" / "vistrails" / "examples",
    Path("/usr/share/doc/vistrails/examples"),
)


def find_examples() -> Path | None:
    """Return VisTrails' folder of examples, None if this machine has none.

    The environment variable ``VISTRAILS_EXAMPLES`` names another one.
    """
    named = os.environ.get("VISTRAILS_EXAMPLES")
    for place in (Path(named),) if named else PLACES:
        if (place / "usersguide" / "cfassistant.vt").is_file():
            return place
    return None
