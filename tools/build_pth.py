"""Part of setup.py: puts two files in their places that are no modules.

Python reads ``parallelflow_activate.pth``, beside the installed package, at its start. With
it VisTrails finds Parallel Flow, and runs on a current Python, in every program of the
environment, also ``python -m vistrails.run``. The page on troubleshooting goes into the
package: errors name its sections.
"""

from __future__ import annotations

from pathlib import Path

from setuptools.command.build_py import build_py

PTH = "parallelflow_activate.pth"
PAGE = "troubleshooting.md"


class build_py_with_pth(build_py):
    """Copies both into what is built, so that pip removes them again."""

    def run(self) -> None:
        """Build the modules, then copy the files."""
        super().run()
        if not getattr(self, "editable_mode", False):
            for source, target in self._extra().items():
                self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the files built, the copied ones among them."""
        outputs: list[str] = super().get_outputs(include_bytecode)
        extra = [] if getattr(self, "editable_mode", False) else self._extra().values()
        return [*outputs, *map(str, extra)]

    def _extra(self) -> dict[Path, Path]:
        tools, root = Path(__file__).resolve().parent, Path(self.build_lib)
        return {
            tools / PTH: root / PTH,
            tools.parent / "docs" / PAGE: root / "parallelflow" / PAGE,
        }
