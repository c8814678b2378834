"""``vistrails.packages.parallelflow`` and ``parallelflow`` are one package."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.run import ROOT, run_python

#: What a program sees that does nothing but import, with the finder installed by hand.
ACTIVATE = "from parallelflow import host\nhost.activate()\n"

#: What it sees where the distribution is installed: Python itself runs this line at its start.
PTH = (ROOT / "tools" / "parallelflow_activate.pth").read_text()


@pytest.mark.parametrize("activate", [ACTIVATE, PTH], ids=["activate", "pth"])
@pytest.mark.parametrize("first", ["vistrails.packages.parallelflow.errors", "parallelflow.errors"])
def test_both_names_give_the_same_modules(activate: str, first: str) -> None:
    run_python(
        f"{activate}\nimport {first}\n"
        + """
import sys
import parallelflow, parallelflow.errors
import vistrails.packages.parallelflow as alias
import vistrails.packages.parallelflow.errors
from vistrails.packages import parallelflow as taken

assert alias is parallelflow is taken
assert vistrails.packages.parallelflow.errors is parallelflow.errors
assert sys.modules["vistrails.packages.parallelflow.errors"] is parallelflow.errors
for module in (parallelflow, parallelflow.errors):
    assert module.__spec__.name == module.__name__
    assert module.__spec__.loader is module.__loader__
    assert sys.modules[module.__name__] is module
assert parallelflow.errors.__package__ == "parallelflow"
"""
    )


def test_a_module_that_is_not_there_is_missing_under_both_names() -> None:
    run_python(
        ACTIVATE
        + """
import importlib, importlib.util
for name in ("parallelflow", "vistrails.packages.parallelflow"):
    assert importlib.util.find_spec(name + ".no_such") is None
    try:
        importlib.import_module(name + ".no_such")
    except ModuleNotFoundError as error:
        assert str(error) == f"No module named '{name}.no_such'", error
    else:
        raise AssertionError
# VisTrails' bundled package has this one, ours had better not answer with it.
import vistrails.packages.parallelflow
bundled = vistrails.packages.__path__[0] + "/parallelflow"
assert not any(bundled in path for path in vistrails.packages.parallelflow.__path__)
"""
    )


def test_reload_and_pickle_work_by_either_name() -> None:
    run_python(
        ACTIVATE
        + """
import importlib, pickle
import parallelflow.errors as ours
import vistrails.packages.parallelflow.errors as alias

error = pickle.loads(pickle.dumps(alias.ProfileError("p")))
assert type(error) is ours.ProfileError
by_alias = b"cvistrails.packages.parallelflow.errors\\nProfileError\\n."
assert pickle.loads(by_alias) is ours.ProfileError

old = ours.ProfileError
assert importlib.reload(alias) is ours
assert ours.ProfileError is not old
assert ours.__spec__.name == "parallelflow.errors"
"""
    )


def test_vistrails_lists_ours_and_never_the_bundled_one() -> None:
    run_python(
        """
import parallelflow
from parallelflow import host
host.start_core()
from vistrails.core.packagemanager import get_package_manager

manager = get_package_manager()
ours = [p for p in manager.enabled_package_list() if p.codepath == "parallelflow"]
assert [(p.identifier, p.version, p.name) for p in ours] == [
    ("edu.poly.vistrails.parallel_flow", parallelflow.version, "Parallel Flow")
]
package = manager.identifier_is_available("edu.poly.vistrails.parallel_flow")
assert package.version == parallelflow.version
assert package.package_dir == parallelflow.__path__[0]
assert manager.available_package_names_list().count("parallelflow") == 1
"""
    )


def test_ours_survives_disabling_and_enabling() -> None:
    run_python(
        """
import sys
import parallelflow
from parallelflow import host
host.start_core()
import parallelflow.map, parallelflow.engine_manager
from vistrails.core.packagemanager import get_package_manager
from vistrails.core.modules.module_registry import get_module_registry

before = {name: m for name, m in sys.modules.items() if name.startswith("parallelflow")}
keeper = parallelflow.engine_manager.get_manager()
for _ in range(2):
    manager = get_package_manager()
    manager.late_disable_package("parallelflow")
    assert not manager.has_package(parallelflow.identifier)
    manager.late_enable_package("parallelflow")
    assert manager.get_package(parallelflow.identifier).version == parallelflow.version
    descriptor = get_module_registry().get_descriptor_by_name(parallelflow.identifier, "Map")
    assert descriptor.module is parallelflow.map.Map
    for name, module in before.items():
        assert sys.modules[name] is module, name
    import vistrails.packages.parallelflow.map as alias
    assert alias is parallelflow.map
assert parallelflow.engine_manager.get_manager() is keeper
"""
    )


def test_activating_imports_nothing_heavy_and_twice_is_once() -> None:
    run_python(
        """
import sys
before = set(sys.modules)
from parallelflow import host
host.activate()
host.activate()
new = set(sys.modules) - before
assert not [m for m in new if m.partition(".")[0] in ("vistrails", "PyQt5", "ipyparallel")]
assert len([m for m in new if not m.startswith("parallelflow")]) < 5, new
assert sum(type(f).__name__ == "VistrailsFinder" for f in sys.meta_path) == 1
"""
    )


def test_activating_after_vistrails_was_imported_mends_what_is_there_once() -> None:
    run_python(
        """
import sys
from parallelflow import host
host.activate()
import vistrails.packages
import vistrails.core.packagemanager as packagemanager
from parallelflow.host import repairs
mended = packagemanager.PackageManager._import_override
applied = list(repairs.applied)

sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "VistrailsFinder"]
host.activate()
assert packagemanager.PackageManager._import_override is mended
assert repairs.applied == applied
import parallelflow, vistrails.packages.parallelflow
assert vistrails.packages.parallelflow is parallelflow

# Not mended at all before: the repairs come now.
repairs.applied.clear()
packagemanager.PackageManager._import_override = mended.__wrapped__
sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "VistrailsFinder"]
host.activate()
assert packagemanager.PackageManager._import_override is not mended.__wrapped__
"""
    )


def test_the_pth_line_never_stops_python(tmp_path: Path) -> None:
    (tmp_path / "parallelflow").mkdir()
    (tmp_path / "parallelflow" / "__init__.py").write_text("raise SystemError('broken')\n")
    run_python(PTH + "\nprint('started')", folder=tmp_path)
    run_python(PTH + "\nprint('started')", folder=tmp_path / "parallelflow")
