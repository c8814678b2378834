"""Best of: a small VisTrails package with a fold of its own.

Copy this folder into ``~/.vistrails/userpackages`` and enable *Best of* in
Preferences > Packages. VisTrails reads this file whenever it looks for packages,
so nothing is imported here.
"""

identifier = "org.example.best_of"
name = "Best of"
version = "1.0.0"


def package_dependencies():
    """Return the packages that VisTrails has to enable first."""
    return ["org.vistrails.vistrails.control_flow"]
