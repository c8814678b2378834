"""Symptoms of how VisTrails finds, imports and unloads packages."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.host.symptoms import symptom

INIT = "identifier = 'org.test.{name}'\nname = '{name}'\nversion = '1.0'\n"


def make_package(folder: Path, name: str, init: str) -> None:
    """Write a VisTrails package whose `init.py` is the given source."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(INIT.format(name=name))
    (package / "init.py").write_text(init + "\n_modules = []\n")


def start_with(packages: dict[str, str]) -> Any:
    """Start the core with user packages and return the package manager."""
    from parallelflow import host

    folder = Path(tempfile.mkdtemp(dir=Path.home()))
    for name, init in packages.items():
        make_package(folder, name, init)
    host.start_core([f"org.test.{name}" for name in packages], user_packages=folder)
    from vistrails.core.packagemanager import get_package_manager

    return get_package_manager()


@symptom("import-hook", r"assert manager._currently_importing_package is None|AssertionError")
def a_failed_import_leaves_nothing_behind() -> None:
    source = "try:\n    import there_is_no_such_module\nexcept ImportError:\n    pass"
    manager = start_with({"hopeful": source})
    assert manager._currently_importing_package is None


@symptom("lazy-submodules", r"RecursionError")
def libraries_whose_parts_are_imported_when_asked_for_can_be_imported() -> None:
    # As numpy 2 does it with numpy.random.
    library = Path(tempfile.mkdtemp(dir=Path.home())) / "lazy_library"
    (library / "part").mkdir(parents=True)
    (library / "__init__.py").write_text(
        "def __getattr__(name):\n"
        "    if name != 'part':\n"
        "        raise AttributeError(name)\n"
        "    import lazy_library.part as part\n"
        "    return part\n"
    )
    (library / "part" / "__init__.py").write_text("from . import inner\nvalue = 1\n")
    (library / "part" / "inner.py").write_text("import lazy_library.part.inmost\n")
    (library / "part" / "inmost.py").touch()
    sys.path.insert(0, str(library.parent))
    manager = start_with({"curious": "import lazy_library.part as part\nassert part.value == 1"})
    assert manager.has_package("org.test.curious")


@symptom("import-elsewhere", r"AssertionError: asked")
def packages_are_not_asked_for_their_names_where_none_is() -> None:
    manager = start_with({})
    asked = []

    class Asked:
        prefix = "userpackages."

        @property
        def codepath(self) -> str:
            asked.append(self)
            return "asked"

    manager._available_packages["asked"] = Asked()
    exec("import colorsys", {"__name__": "somewhere.else"})
    del manager._available_packages["asked"]
    assert not asked, f"asked {len(asked)} times"


class Changing(dict[str, Any]):
    """A list of packages that another thread adds to whenever it is looked at."""

    def values(self) -> Any:
        raise RuntimeError("dictionary changed size during iteration")


@symptom("import-threads", r"RuntimeError: dictionary changed size during iteration")
def threads_import_while_packages_are_looked_for() -> None:
    manager = start_with({})
    errors: list[Exception] = []

    def load() -> None:
        try:
            import colorsys
        except Exception as e:
            errors.append(e)
        else:
            assert colorsys

    packages, manager._package_list = manager._package_list, Changing()
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    manager._package_list = packages
    for error in errors:
        raise error


@symptom("entry-points", r"org.test.entered is not available")
def packages_of_other_distributions_are_listed() -> None:
    from parallelflow import host

    site = Path(tempfile.mkdtemp(dir=Path.home()))
    make_package(site / "elsewhere", "entered", "")
    (site / "elsewhere" / "__init__.py").touch()
    info = site / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vistrails.packages]\nx = elsewhere.entered\n")
    sys.path.insert(0, str(site))
    # An environment with current setuptools.
    sys.modules["pkg_resources"] = None  # type: ignore[assignment]
    host.start_core(["org.test.entered"])


@symptom("first-start", r"AssertionError: .*disabled")
def the_first_start_shows_no_boxes_and_prints_nothing() -> None:
    import vistrails.core.application as application

    from parallelflow.host.core import stop_core

    class Critical(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                boxes.append(record.getMessage())

    boxes: list[str] = []
    logger = logging.getLogger("vistrails.logger")
    logger.addHandler(Critical())
    folder = tempfile.mkdtemp(dir=Path.home())
    app = application.init({"dotVistrails": folder, "installBundles": False}, [])
    assert app.startup.first_run
    stop_core()
    assert not boxes, boxes


def _runs_from_a_checkout() -> bool:
    import parallelflow

    return "site-packages" not in str(parallelflow.__file__)


@symptom("unload", r"KeyError: 'parallelflow.host.display'", here=_runs_from_a_checkout)
def disabling_a_package_that_uses_ours_leaves_our_modules() -> None:
    manager = start_with({"user": "import vistrails.packages.parallelflow.host.display"})
    import parallelflow.host.display as ours

    manager.late_disable_package("user")
    assert sys.modules["parallelflow.host.display"] is ours
    manager.late_enable_package("user")
    assert sys.modules["vistrails.packages.parallelflow.host.display"] is ours


CONFIGURED = (
    "from vistrails.core.configuration import ConfigurationObject\n"
    "configuration = ConfigurationObject(factor=10, many=[1, 2])\n"
)


def start_configured(init: str = "") -> Any:
    """Start the core with a user package that has a configuration; return VisTrails' object."""
    from parallelflow import host

    folder = Path(tempfile.mkdtemp(dir=Path.home()))
    make_package(folder, "configured", init)
    with (folder / "configured" / "__init__.py").open("a") as file:
        file.write(CONFIGURED)
    make_package(folder, "borrower", "from userpackages.configured import configuration")
    app = host.start_core(["org.test.configured"], user_packages=folder)
    return app.package_manager.get_package("org.test.configured")


@symptom("initial-configuration", r"AssertionError")
def what_a_package_was_initialized_with_is_known_after_a_change() -> None:
    from parallelflow.host.configuration import initial_values

    package = start_configured()
    package.configuration.factor = 99
    assert initial_values(package) == {"factor": 10, "many": [1, 2]}


@symptom("configuration-of-another", r"'NoneType' object has no attribute 'update'")
def a_session_ends_with_a_package_that_has_anothers_configuration() -> None:
    from parallelflow import host

    start_configured()
    host.enable_packages(["org.test.borrower"])
    host.stop_core()


@symptom("configuration-lists", r"TypeError: Value .* does not match type")
def lists_are_read_from_the_users_file_and_go_back() -> None:
    from parallelflow import host

    home = Path(tempfile.mkdtemp(dir=Path.home()))
    (home / ".vistrails").mkdir()
    key = '<key name="many"><str value="[3]"/></key>'
    (home / ".vistrails" / "startup.xml").write_text(
        '<startup version="1.0.4"><configuration/><packages><package name="configured">'
        f"<configuration>{key}</configuration></package></packages><disabledpackages/></startup>"
    )
    os.environ["HOME"] = str(home)
    package = start_configured()
    assert package.configuration.many == [3]
    package.configuration.many = [4, 5]
    host.stop_core()
