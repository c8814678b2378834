"""A user package whose modules tell the configuration that they compute with."""

from __future__ import annotations

from pathlib import Path

IDENTIFIER = "org.example.scale"

INIT = """
from vistrails.core.configuration import ConfigurationObject

identifier = "org.example.scale"
name = "Scale"
version = "1.0"
configuration = ConfigurationObject(
    factor=10,
    ratio=0.5,
    word="w",
    yes=True,
    many=[1, 2],
    inner=ConfigurationObject(depth=3, deeper=ConfigurationObject(yet=1)),
    unset=(None, str),
    unset_number=(None, int),
)
"""

# What is read while it computes, and what was built from the configuration at initialization.
MODULES = """
from vistrails.core.configuration import (
    get_vistrails_configuration, get_vistrails_persistent_configuration,
)
from vistrails.core.modules.config import IPort, OPort
from vistrails.core.modules.vistrails_module import Module
from vistrails.core.packagemanager import get_package_manager
from parallelflow.host.configuration import PROCESS_KEYS

table = {}


def initialize():
    table["factor"] = configuration.factor


def told(configuration):
    return {
        name: told(value) if hasattr(value, "db_config_keys") else value
        for name in configuration.allkeys()
        if name not in PROCESS_KEYS
        for value in [getattr(configuration, name)]
    }


class Scale(Module):
    _input_ports = [IPort("i", "basic:Variant")]
    _output_ports = [OPort("o", "basic:Variant"), OPort("told", "basic:Variant")]

    def compute(self):
        i = self.get_input("i")
        self.set_output("o", (i * configuration.factor, i * table["factor"]))
        package = get_package_manager().get_package("org.example.scale")
        assert package.configuration is configuration
        self.set_output("told", (
            told(configuration), told(get_vistrails_configuration()),
            told(get_vistrails_persistent_configuration()),
        ))


_modules = [Scale]
"""

DEPENDENT_INIT = """
identifier = "org.example.dependent"
name = "Dependent"
version = "1.0"


def package_dependencies():
    return ["org.example.scale"]
"""

DEPENDENT = """
from vistrails.core.modules.config import IPort, OPort
from vistrails.core.modules.vistrails_module import Module
from userpackages.scale import configuration


class Dependent(Module):
    _input_ports = [IPort("i", "basic:Variant")]
    _output_ports = [OPort("o", "basic:Variant")]

    def compute(self):
        self.set_output("o", self.get_input("i") * configuration.factor)


_modules = [Dependent]
"""


def write_packages(folder: Path) -> Path:
    """Write two user packages, of which one depends on the other, into a folder; return it."""
    files = {
        "__init__.py": "",
        "scale/__init__.py": INIT,
        "scale/init.py": MODULES,
        "dependent/__init__.py": DEPENDENT_INIT,
        "dependent/init.py": DEPENDENT,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


# What a user changes in Preferences: of the package (any type, nested), and of VisTrails itself.
CHANGED = """
def change(package, configuration):
    package.factor, package.ratio, package.word, package.yes = 99, 0.25, "a < \\u00e4 &", False
    package.many, package.inner.deeper.yet = [3, "x", (4.5, None)], 7
    package.unset, package.unset_number = "set", 5
    configuration.showConnectionErrors = True
    configuration.webRepositoryURL = "http://example.org"
    configuration.fileDir = "/somewhere"
    configuration.upgradeDelay = False
    configuration.shell.fontSize = 23
"""

# Starts VisTrails itself, with the user's folder, as its window does.
VISTRAILS = """
import os
from pathlib import Path
from parallelflow import host

host.activate()
from vistrails.core import application

quiet = {"loadPackages": False, "installBundles": False, "errorLog": False}
app = application.init({**quiet, "dotVistrails": str(Path.home() / ".vistrails")}, [])
app.package_manager.late_enable_package("scale")
package = app.package_manager.get_package("org.example.scale")
"""

SAVE = (
    VISTRAILS
    + CHANGED
    + """
change(package.configuration, app.configuration)
package.persist_configuration()
app.save_configuration()
"""
)
"""Makes VisTrails save changed values in the home that it is run in."""

TELL = """
from parallelflow.host.configuration import read

values = [read(package.configuration), read(app.temp_configuration), read(app.configuration)]
values.append([repr(getattr(package.configuration, name)) for name in ("unset", "unset_number")])
"""
"""Collects what a session has: the package's configuration and VisTrails' own two."""
