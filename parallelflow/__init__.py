"""Run a step of a workflow for each element of a list, on many engines at a time.

The Map of this package takes the place of Control Flow's: the same ports and results,
the elements side by side, on this machine or on others. Start with a module selected:
Packages > Parallel Flow > Map over a list... The Parallel Flow entry of Help has the guide.
"""

# The text above is the package's description in VisTrails' Preferences. VisTrails reads the
# attributes of this module when it looks for packages, so importing it loads a file of constants
# and nothing else (not even typing: the distribution's .pth file imports it at the start of every
# Python) and cannot fail.

from parallelflow.names import IDENTIFIER

identifier = IDENTIFIER
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


def __getattr__(attribute: str) -> object:
    """Make `configuration` when VisTrails first asks for it; its class is VisTrails' own."""
    if attribute != "configuration":
        raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
    import sys

    if "vistrails.core.configuration" not in sys.modules:
        raise AttributeError("the configuration is VisTrails', which is not running")
    from dataclasses import asdict

    from vistrails.core.configuration import ConfigurationObject

    from parallelflow.settings import Settings

    globals()["configuration"] = ConfigurationObject(**asdict(Settings()))
    return globals()["configuration"]
