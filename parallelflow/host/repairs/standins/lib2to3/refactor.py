"""What VisTrails uses of ``lib2to3.refactor``, removed in Python 3.13.

VisTrails calls it when it upgrades a PythonSource of a vistrail from the time of
Python 2. The work is done by fissix, the public backport of lib2to3, where it is
installed. Without it, code that is valid Python 3 as it stands passes (VisTrails then
renames its own old methods in it), and other code is reported.
"""

from __future__ import annotations

import ast
import importlib.util
from typing import Any


def _backport() -> Any:
    """Return ``fissix.refactor``, None if it is not installed.

    It is looked for, not tried: a failed import while VisTrails loads a package would
    slow down every later import of the process.
    """
    if importlib.util.find_spec("fissix") is None:
        return None
    from fissix import refactor

    return refactor


def get_fixers_from_package(package: str) -> list[str]:
    """Return the names of the translation's steps; without fissix there are none.

    Parameters
    ----------
    package : str
        Not used: VisTrails only asks for ``lib2to3.fixes``, which fissix has under its own name.

    Returns
    -------
    list of str
        Names of modules.
    """
    backport = _backport()
    return backport.get_fixers_from_package("fissix.fixes") if backport else []


class RefactoringTool:
    """Translates Python 2 to Python 3, as the class of this name in lib2to3 did.

    Parameters
    ----------
    fixer_names : list of str
        The translation's steps, as `get_fixers_from_package` returned them.
    """

    def __init__(self, fixer_names: list[str]) -> None:
        self.fixer_names = fixer_names
        backport = _backport()
        self._tool = backport.RefactoringTool(fixer_names) if backport else None

    def refactor_string(self, data: str, name: str) -> str:
        """Return the code in Python 3; report code that is not valid in it.

        Parameters
        ----------
        data : str
            The code.
        name : str
            What a message of the translation calls it.

        Returns
        -------
        str
            The code, translated if fissix is there and understands it.
        """
        if self._tool is not None:
            try:
                data = str(self._tool.refactor_string(data, name))
            except Exception:  # its parser has several; VisTrails passes over all of them
                pass
        try:
            ast.parse(data)
        except SyntaxError as error:
            from vistrails.core import debug

            debug.warning(
                "A PythonSource of this workflow holds code that could not be translated to "
                f"Python 3: line {error.lineno}: {(error.text or '').strip()}. "
                + ("" if self._tool else "'pip install fissix' brings the translation. ")
                + "Or edit its source."
            )
        return data
