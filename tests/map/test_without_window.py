"""Packages and elements that need a window where there is none: one line, nothing dies of it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.host.run import ROOT, run_python
from tests.support.fork_server import ForkServer

INIT = 'identifier = "org.example.{name}"\nname = "{name}"\nversion = "1.0"\n'

MODULES = """
from vistrails.core.modules.config import IPort, OPort
from vistrails.core.modules.vistrails_module import Module


class Probe(Module):
    _input_ports = [IPort("i", "basic:Variant")]
    _output_ports = [OPort("o", "basic:Variant")]

    def compute(self):
        self.set_output("o", self.get_input("i") * 2)


_modules = [Probe]
"""

#: What a package does while it loads, and what the line says of it.
NEEDS = {
    "widget": ("QtWidgets.QPushButton('x')", "QPushButton needs VisTrails' window"),
    "pixmap": ("QtGui.QPixmap(2, 2)", "QPixmap needs VisTrails' window"),
    "fonts": ("QtGui.QFontDatabase()", "QFontDatabase needs VisTrails' window"),
    "application": ("QtWidgets.QApplication(['x'])", "QApplication cannot connect to a display"),
}
NO_DISPLAY = {"QT_QPA_PLATFORM": "xcb", "DISPLAY": "", "WAYLAND_DISPLAY": ""}


def write(folder: Path) -> Path:
    """Write packages that need a window, in either of their files, and one that does not."""
    files = {"plain/__init__.py": INIT.format(name="plain"), "plain/init.py": MODULES}
    for name, (code, _) in NEEDS.items():
        load = f"from PyQt5 import QtGui, QtWidgets\nkept = {code}\n"
        files[f"{name}/__init__.py"] = INIT.format(name=name)
        files[f"{name}/init.py"] = load + MODULES
        files[f"{name}_early/__init__.py"] = load + INIT.format(name=f"{name}_early")
        files[f"{name}_early/init.py"] = MODULES
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    return folder


def test_packages_that_need_a_window_are_refused(tmp_path: Path, sessions: ForkServer) -> None:
    packages = write(tmp_path / "packages")
    said = {f"org.example.{name}{end}": text for name, (_, text) in NEEDS.items()
            for end in ("", "_early")}  # fmt: skip
    for name, text in (("pythoncalcqt", "QPythonCalc"), ("pipelineedit", "QPipelineEditor")):
        said[f"org.vistrails.vistrails.{name}"] = f"{text} needs VisTrails' window"
    run_python(
        f"""
        from pathlib import Path
        from parallelflow import host
        from parallelflow.errors import PackageMissing

        app = host.start_core(user_packages=Path({str(packages)!r}))
        for identifier, text in {said!r}.items():
            try:
                host.enable_packages([identifier])
            except PackageMissing as e:
                assert e.identifier == identifier
                assert identifier in str(e) and text in str(e), e
                assert len(e.reason.splitlines()) == 1
            else:
                raise AssertionError(identifier)
            assert not app.package_manager.has_package(identifier)
            # And what does not need one is as it was.
            from PyQt5 import QtCore, QtGui, QtWidgets
            assert QtGui.QColor(1, 2, 3).red() == 1
        host.enable_packages(["org.example.plain", "org.vistrails.vistrails.pythoncalc"])
        """,
        home=tmp_path,
        environment=NO_DISPLAY,
        server=sessions,
    )


@pytest.mark.own_cluster
def test_engines_refuse_them_and_go_on(tmp_path: Path, sessions: ForkServer) -> None:
    run_python(
        textwrap.dedent(
            """
            import os
            import sys
            from pathlib import Path
            from PyQt5 import QtWidgets
            from parallelflow import host

            host.start_core(user_packages=Path(sys.argv[1]))
            from parallelflow.engine_manager import get_manager
            from tests.support.workflows import (
                CONTROL_FLOW, PARALLEL_FLOW, Part, mapped, run, source,
            )

            manager = get_manager()
            manager.configure(engines=1)
            manager.ensure_engines()
            pids = mapped(source("import os\\no = os.getpid()"), [1])
            (engine,) = run(pids, PARALLEL_FLOW).values[1]
            # An element of this process, and of an engine.
            widget = mapped(
                source("from PyQt5.QtWidgets import QLabel\\no = QLabel('a').text()"), [1]
            )
            for package in (CONTROL_FLOW, PARALLEL_FLOW):
                errors = run(widget, package).errors
                assert errors and "QLabel needs VisTrails' window" in repr(errors), errors
            # This session has what they need, as VisTrails' window has; engines do not.
            window = QtWidgets.QApplication(["x", "-platform", "offscreen"])
            host.enable_packages(["org.example.widget", "org.example.plain"])
            workflow = mapped(Part("Probe", "org.example.widget"), [1, 2])
            assert run(workflow, CONTROL_FLOW).values[1] == [2, 4]
            errors = repr(run(workflow, PARALLEL_FLOW).errors)
            assert "org.example.widget" in errors, errors
            assert "QPushButton needs VisTrails' window" in errors, errors
            plain = mapped(Part("Probe", "org.example.plain"), [1, 2])
            assert run(plain, PARALLEL_FLOW).values[1] == [2, 4]
            pids = mapped(source("import os\\no = os.getpid()"), [2])
            assert run(pids, PARALLEL_FLOW).values[1] == [engine]
            """
        ),
        str(write(tmp_path / "packages")),
        home=tmp_path,
        environment={
            "IPYTHONDIR": str(tmp_path / "ipython"),
            "PYTHONPATH": str(ROOT),
            **NO_DISPLAY,
        },
        server=sessions,
    )
