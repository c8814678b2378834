"""The names under which VisTrails and this distribution's package are imported."""

from __future__ import annotations

#: The package of this distribution.
PACKAGE = "parallelflow"

#: The same package under the name that VisTrails looks for.
ALIAS = "vistrails.packages.parallelflow"

VISTRAILS = "vistrails"
