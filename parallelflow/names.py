"""The names of this package: in VisTrails, and as it is imported. Constants only."""

from __future__ import annotations

#: What VisTrails and workflows call the package.
IDENTIFIER = "edu.poly.vistrails.parallel_flow"

#: The package of this distribution.
PACKAGE = "parallelflow"

#: The same package under the name that VisTrails looks for.
ALIAS = "vistrails.packages.parallelflow"

VISTRAILS = "vistrails"

TOKEN_VARIABLE = "PARALLELFLOW_SESSION"
"""The environment variable that every process started by a session inherits."""

QUIET_REQUEST = "parallelflow-quiet"
"""The label of requests for which an engine of ours publishes nothing beside its reply: neither
that it is busy and idle, nor, at once, what was printed."""

EARLY_OUTPUT = "parallelflow-early-output"
"""The key of what engines publish of elements that have not finished: what they have written."""
