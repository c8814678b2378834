"""Imports cost less in Maps and on engines, and VisTrails still sees what packages import."""

from __future__ import annotations

from pathlib import Path

from tests.host.run import run_python
from tests.host.symptoms_packages import make_package


def test_what_packages_import_is_noted_and_nothing_else_is_slowed_down(tmp_path: Path) -> None:
    packages = tmp_path / ".vistrails" / "userpackages"
    later = "def later():\n    import mine_needs_later\n"
    make_package(packages, "mine", "import mine_needs\n" + later)
    (packages / "__init__.py").touch()
    for name in ("mine_needs", "mine_needs_later"):
        (tmp_path / f"{name}.py").touch()
    run_python(
        f"""
        import builtins, sys
        sys.path.insert(0, {str(tmp_path)!r})
        from parallelflow import host
        from parallelflow.host.quick_imports import quick_imports
        host.start_core()
        from vistrails.core.packagemanager import PackageManager, get_package_manager
        manager, asked = get_package_manager(), []
        hook, own = builtins.__import__, PackageManager._import_override
        def override(self, name, globals=None, *rest, **named):
            asked.append((globals or {{}}).get("__name__"))
            return own(self, name, globals, *rest, **named)
        PackageManager._import_override = override
        builtins.__import__ = manager._import_override

        def is_asked(caller):
            asked.clear()
            exec("import json", {{"__name__": caller}})
            return caller in asked

        assert is_asked("somewhere")
        with quick_imports():
            assert not is_asked("somewhere") and not is_asked("parallelflow.work.run")
            with quick_imports():
                assert not is_asked("somewhere")
            assert not is_asked("somewhere")
            host.enable_packages(["org.test.mine"])  # it was not there before
            assert is_asked("userpackages.mine")
            package = manager.get_package("org.test.mine")
            assert "mine_needs" in package.get_py_deps()
            sys.modules["userpackages.mine.init"].later()
            assert "mine_needs_later" in package.get_py_deps()
            assert not is_asked("somewhere")
            assert manager._currently_importing_package is None
        assert is_asked("somewhere")

        def mine(*arguments, **named):
            asked.append("mine")
            return hook(*arguments, **named)
        builtins.__import__ = mine
        with quick_imports():
            assert builtins.__import__ is mine
        """,
        home=tmp_path,
    )


def test_engines_have_them_from_their_start_on(tmp_path: Path) -> None:
    run_python(
        """
        import builtins
        from parallelflow import host
        host.start_engine_core()
        from vistrails.core.packagemanager import get_package_manager
        assert getattr(builtins.__import__, "__self__", None) is not get_package_manager()
        assert builtins.__import__ is not get_package_manager()._orig_import
        """,
        home=tmp_path,
    )
