"""Parallel Flow: run a workflow step over a whole list in parallel on IPython engines.

VisTrails reads the attributes of this module when it looks for packages, so
importing it loads nothing else and cannot fail.
"""

identifier = "edu.poly.vistrails.parallel_flow"
name = "Parallel Flow"
version = "0.2.0"

__version__ = version


def package_dependencies() -> list[str]:
    """Return the identifiers of the VisTrails packages that must be enabled first.

    Returns
    -------
    list of str
        One identifier: Control Flow, whose ``FoldWithModule`` our Map derives from.
    """
    return ["org.vistrails.vistrails.control_flow"]
