"""The headless core: what it starts, how it treats the user's files, and how it ends."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from parallelflow.host import user_modules
from tests.host.run import ROOT, run_python
from tests.host.symptoms_packages import make_package
from tests.support.odd_files import KINDS, make_odd

STARTS = ["host.start_core()", "host.start_engine_core()"]


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    """Return content and time of modification of every file below a folder."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def used_home(tmp_path: Path) -> Path:
    """Make a home with a VisTrails configuration that a user has had for a while."""
    dot_vistrails = tmp_path / ".vistrails"
    make_package(dot_vistrails / "userpackages", "mine", "import userpackages.mine.helper")
    (dot_vistrails / "userpackages" / "__init__.py").write_text("pass\n")
    (dot_vistrails / "userpackages" / "mine" / "helper.py").write_text("VALUE = 42\n")
    (dot_vistrails / "CLTools").mkdir()
    (dot_vistrails / "CLTools" / "echo.clt").write_text('{"command": "echo"}')
    (dot_vistrails / "subworkflows").mkdir()
    (dot_vistrails / "startup.xml").write_text(
        '<startup version="0.1"><configuration/><packages><package name="vtk"/></packages>'
        "<disabledpackages/></startup>"
    )
    return tmp_path


@pytest.mark.parametrize("start", STARTS)
def test_the_users_configuration_is_left_alone(used_home: Path, start: str) -> None:
    before = snapshot(used_home)
    run_python(
        f"""
        from parallelflow import host
        {start}
        host.enable_packages(["org.test.mine", "org.vistrails.vistrails.pythoncalc"])
        import userpackages.mine.helper
        assert userpackages.mine.helper.VALUE == 42
        """,
        home=used_home,
        # Bytecode is what would be written first.
        environment={"PYTHONDONTWRITEBYTECODE": ""},
    )
    assert snapshot(used_home) == before


@pytest.mark.parametrize("start", STARTS)
def test_no_configuration_is_made_for_a_user_who_has_none(tmp_path: Path, start: str) -> None:
    run_python(f"from parallelflow import host; {start}", home=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_users_command_line_tools_are_found(used_home: Path) -> None:
    found = run_python(
        """
        from parallelflow import host
        host.start_core(["org.vistrails.vistrails.cltools"])
        from vistrails.core.modules.module_registry import get_module_registry
        get_module_registry().get_descriptor_by_name("org.vistrails.vistrails.cltools", "echo")
        print("found")
        """,
        home=used_home,
    )
    assert found == "found\n"


def test_nothing_is_printed_and_only_what_is_needed_is_enabled() -> None:
    out = run_python(
        """
        from parallelflow import host
        app = host.start_core(["org.vistrails.vistrails.pythoncalc"])
        from vistrails.core.packagemanager import get_package_manager
        import sys
        enabled = {p.codepath for p in get_package_manager().enabled_package_list()}
        assert enabled == {
            "basic_modules", "abstraction", "controlflow", "parallelflow", "pythonCalc"
        }, enabled
        assert not [m for m in sys.modules if m.startswith(("PyQt5", "vistrails.gui"))]
        # A workflow pays nothing for packages, and their repairs, that it does not need.
        others = ("dulwich", "matplotlib", "sklearn", "vtk", "parallelflow.host.repairs.packages.")
        assert not [m for m in sys.modules if m.startswith(others)]
        assert app.temp_configuration.executionLog
        """
    )
    assert out == ""


def test_called_again_it_only_enables_more() -> None:
    run_python(
        """
        from parallelflow import host
        app = host.start_core(execution_log=False)
        assert not app.temp_configuration.executionLog
        from vistrails.core.packagemanager import get_package_manager
        manager = get_package_manager()
        assert not manager.has_package("org.vistrails.vistrails.pythoncalc")
        assert host.start_core(["org.vistrails.vistrails.pythoncalc"]) is app
        assert get_package_manager() is manager
        assert manager.has_package("org.vistrails.vistrails.pythoncalc")
        # A former identifier is the same package.
        host.enable_packages(["edu.utah.sci.vistrails.pythoncalc"])
        # VisTrails' own scripting interface uses this application.
        import vistrails
        assert not vistrails.core.api.initialize()
        """
    )


def test_an_engine_enables_what_it_is_told_and_no_more() -> None:
    run_python(
        """
        from parallelflow import host
        app = host.start_engine_core(["org.vistrails.vistrails.pythoncalc"])
        from vistrails.core.packagemanager import get_package_manager
        enabled = {p.codepath for p in get_package_manager().enabled_package_list()}
        assert enabled == {"basic_modules", "abstraction", "pythonCalc"}, enabled
        assert not app.temp_configuration.executionLog
        """
    )


def test_a_package_that_is_missing_or_cannot_run_is_named(tmp_path: Path) -> None:
    make_package(tmp_path, "broken", "import there_is_no_such_library")
    make_package(tmp_path, "needy", "")
    with (tmp_path / "needy" / "__init__.py").open("a") as init:
        init.write("def package_dependencies():\n    return ['org.test.broken']\n")
    make_package(tmp_path, "left", "")
    make_package(tmp_path, "right", "")
    for name, other in (("left", "right"), ("right", "left")):
        with (tmp_path / name / "__init__.py").open("a") as init:
            init.write(f"def package_dependencies():\n    return ['org.test.{other}']\n")
    run_python(
        """
        import sys
        from pathlib import Path
        from parallelflow import host
        from parallelflow.errors import PackageMissing

        host.start_core(user_packages=Path(sys.argv[1]))
        for wanted, missing, reason in [
            ("org.nowhere", "org.nowhere", ""),
            ("org.test.broken", "org.test.broken", "No module named 'there_is_no_such_library'"),
            ("org.test.needy", "org.test.broken", "needed by org.test.needy"),
            ("org.test.left", "org.test.left", "depend on each other"),
        ]:
            try:
                host.enable_packages([wanted])
            except PackageMissing as error:
                assert error.identifier == missing, error
                assert reason in error.reason, error
                assert "\\n" not in str(error)
            else:
                raise AssertionError(wanted)
        # The session goes on.
        host.enable_packages(["org.vistrails.vistrails.pythoncalc"])
        """,
        str(tmp_path),
    )


def test_the_private_folder_is_removed_and_a_given_one_stays(tmp_path: Path) -> None:
    temporary, given = tmp_path / "temporary", tmp_path / "given"
    temporary.mkdir()
    environment = {"TMPDIR": str(temporary)}
    run_python(
        """
        from parallelflow import host
        app = host.start_core()
        import os, pathlib, tempfile
        folder = pathlib.Path(app.temp_configuration.dotVistrails)
        assert folder.parent == pathlib.Path(tempfile.gettempdir())
        # Temporary files of modules go there too.
        from vistrails.core.interpreter.cached import CachedInterpreter
        pool = CachedInterpreter.get().filePool
        assert folder in pathlib.Path(pool.directory).parents
        pool.create_file()
        assert "VISTRAILS_USERPACKAGES_DIR" not in os.environ
        """,
        environment=environment,
    )
    assert list(temporary.iterdir()) == []
    run_python(
        """
        import pathlib, sys
        from parallelflow import host
        host.start_core(folder=pathlib.Path(sys.argv[1]))
        """,
        str(given),
        environment=environment,
    )
    assert given.is_dir()
    assert list(temporary.iterdir()) == []


def test_a_session_can_be_ended_before_the_process(tmp_path: Path) -> None:
    run_python(
        """
        import os, pathlib
        from parallelflow import host
        app = host.start_core()
        folder = pathlib.Path(app.temp_configuration.dotVistrails)
        host.stop_core()
        host.stop_core()
        assert not folder.exists()
        os._exit(0)
        """,
        environment={"TMPDIR": str(tmp_path)},
    )
    assert list(tmp_path.iterdir()) == []


def test_of_a_start_that_is_interrupted_nothing_is_printed_at_the_end() -> None:
    code = """if True:
        import gc
        from parallelflow import host
        host.activate()
        from vistrails.core.packagemanager import PackageManager
        def interrupt(*_, **__):
            raise KeyboardInterrupt
        PackageManager.initialize_packages = interrupt
        try:
            host.start_core()
        except KeyboardInterrupt:
            gc.freeze()  # as the command does while it loads
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_what_a_killed_session_left_is_removed_by_the_next_and_a_living_ones_is_not(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    code = (
        "from parallelflow.host import session_folder\n"
        "print(session_folder.make_private_folder(), flush=True)\ninput()"
    )
    sessions = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        killed, living = (Path(session.stdout.readline().strip()) for session in sessions)  # type: ignore[union-attr]
        sessions[0].kill()
        sessions[0].wait()
        assert killed.is_dir() and living.is_dir()
        removed = run_python(
            "from parallelflow.host.session_folder import sweep_abandoned\n"
            "print(*sweep_abandoned())",
            environment={"TMPDIR": str(tmp_path)},
        )
        assert removed.split() == [str(killed)]
        assert not killed.exists() and living.is_dir()
        sessions[1].communicate("\n")
        assert not living.exists()
    finally:
        for session in sessions:
            session.kill()
            session.communicate()


def test_a_fork_does_not_take_the_folder_away() -> None:
    run_python(
        """
        import os, sys
        from parallelflow.host import session_folder
        folder = session_folder.make_private_folder()
        child = os.fork()
        if child == 0:
            sys.exit(0)
        os.waitpid(child, 0)
        assert folder.is_dir()
        """
    )


def test_no_vistrails_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "vistrails").mkdir()
    (tmp_path / "vistrails" / "__init__.py").write_text("")
    code = f"""
        import sys
        sys.path.append({str(ROOT)!r})
        from parallelflow import host
        from parallelflow.errors import VistrailsNotFound
        try:
            host.start_core()
        except VistrailsNotFound as error:
            print(error)
        """
    said = run_python(code, folder=tmp_path)
    assert "is not VisTrails" in said and str(tmp_path / "vistrails") in said
    (tmp_path / "vistrails" / "core").mkdir()
    (tmp_path / "vistrails" / "core" / "__init__.py").touch()
    (tmp_path / "vistrails" / "core" / "application.py").write_text("print 'Python 2'\n")
    said = run_python(code, folder=tmp_path)
    assert "cannot be imported" in said and "pip install" in said


def test_the_installation_is_told_without_importing_it() -> None:
    run_python(
        """
        import sys
        from parallelflow import host
        found = host.find_vistrails()
        assert (found.path / "core" / "application.py").is_file()
        assert found.version
        assert "vistrails" not in sys.modules
        """
    )


WHOLE = "<configuration/><packages/><disabledpackages/>"
XML = '<?xml version="1.0" encoding="{encoding}"?>'
DAMAGED = {
    "empty": (b"", "is damaged"),
    "cut off": (f'<startup version="0.1">{WHOLE}'.encode(), "is damaged"),
    "other root": (b"<vistrail/>", "is damaged"),
    "no packages": (b'<startup version="0.1"><configuration/></startup>', "it has no <packages>"),
    "no such encoding": (XML.format(encoding="none").encode() + b"<startup/>", "is damaged"),
    "zeros": (b"\0" * 100, "is damaged"),
    "no UTF-8": (f'<startup version="\xe9">{WHOLE}</startup>'.encode("latin-1"), "is damaged"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_configuration_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from parallelflow import host
    from parallelflow.errors import ConfigurationUnreadable
    from parallelflow.host.saved_configuration import saved_startup

    data, said = DAMAGED[kind]
    file = tmp_path / ".vistrails" / "startup.xml"
    file.parent.mkdir()
    file.write_bytes(data)
    host.activate()
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationUnreadable) as caught:
        saved_startup()
    line, *more = str(caught.value).splitlines()
    assert str(file) in line and said in line, line
    assert len(more) <= 1 and "NoneType" not in line
    assert user_modules.user_packages_folder() is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_in_place_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from parallelflow import host
    from parallelflow.errors import ConfigurationUnreadable
    from parallelflow.host.saved_configuration import saved_startup

    (tmp_path / ".vistrails").mkdir()
    host.activate()
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        make_odd(tmp_path / ".vistrails" / "startup.xml", kind),
        pytest.raises(ConfigurationUnreadable, match=r"startup\.xml"),
    ):
        saved_startup()
