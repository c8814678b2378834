"""Part of setup.py: puts ``parallelflow_activate.pth`` beside the installed package.

Python reads such a file at its start. With it VisTrails finds Parallel Flow, and runs
on a current Python, in every program of the environment, also ``python -m vistrails.run``.
"""

from __future__ import annotations

from pathlib import Path

from setuptools.command.build_py import build_py

PTH = "parallelflow_activate.pth"


class build_py_with_pth(build_py):
    """Copies the ``.pth`` file to the root of what is built, so that pip removes it again."""

    def run(self) -> None:
        """Build the modules, then copy the file."""
        super().run()
        if not getattr(self, "editable_mode", False):
            self.copy_file(str(Path(__file__).with_name(PTH)), str(self._target()))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the files built, the ``.pth`` file among them."""
        outputs: list[str] = super().get_outputs(include_bytecode)
        return outputs if getattr(self, "editable_mode", False) else [*outputs, str(self._target())]

    def _target(self) -> Path:
        return Path(self.build_lib) / PTH
