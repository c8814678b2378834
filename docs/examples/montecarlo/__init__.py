"""Monte Carlo: a small VisTrails package that uses the engines of Parallel Flow.

Copy this folder into ``~/.vistrails/userpackages`` and enable *Monte Carlo* in
Preferences > Packages. VisTrails reads this file whenever it looks for packages,
so nothing is imported here.
"""

identifier = "org.example.montecarlo"
name = "Monte Carlo"
version = "1.0.0"


def package_dependencies():
    """Return the packages that VisTrails has to enable first."""
    return ["edu.poly.vistrails.parallel_flow"]
