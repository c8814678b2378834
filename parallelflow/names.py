"""The names of this package: in VisTrails, and as it is imported. Constants only."""

from __future__ import annotations

#: What VisTrails and workflows call the package.
IDENTIFIER = "edu.poly.vistrails.parallel_flow"

#: The package of this distribution.
PACKAGE = "parallelflow"

#: The same package under the name that VisTrails looks for.
ALIAS = "vistrails.packages.parallelflow"

VISTRAILS = "vistrails"
