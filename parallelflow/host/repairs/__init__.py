"""Repairs of VisTrails 3.0 for current Pythons and libraries, made at run time.

One file for each part of VisTrails or of its surroundings; `registry` lists the repairs
and applies them when the modules they belong to are imported.
"""

from .registry import REPAIRS as REPAIRS
from .registry import SKIP_VARIABLE as SKIP_VARIABLE
from .registry import applied as applied
from .registry import around_creation as around_creation
from .registry import around_import as around_import
from .registry import find_standin as find_standin
from .registry import has_repairs as has_repairs
from .registry import load_package_repairs as load_package_repairs
from .registry import modules_outside_vistrails as modules_outside_vistrails
from .registry import packages_with_repairs as packages_with_repairs
from .registry import repair_for_headless_core as repair_for_headless_core
from .registry import repair_imported_modules as repair_imported_modules
from .repair import Repair as Repair
