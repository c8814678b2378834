"""What VisTrails uses of ``lib2to3.refactor``, removed in Python 3.13.

VisTrails calls it when it upgrades a PythonSource of a vistrail from the time of
Python 2. The translation itself cannot be replaced in a few lines; so code that is
valid Python 3 as it stands passes (VisTrails then renames its own old methods in
it), and other code is reported.
"""

from __future__ import annotations

import ast


def get_fixers_from_package(package: str) -> list[str]:
    """Return the names of the translation's steps: there are none."""
    return []


class RefactoringTool:
    """Stands where the translation from Python 2 to Python 3 was.

    Parameters
    ----------
    fixer_names : list of str
        Not used.
    """

    def __init__(self, fixer_names: list[str]) -> None:
        self.fixer_names = fixer_names

    def refactor_string(self, data: str, name: str) -> str:
        """Return the code as it is, and report it if Python 3 does not understand it.

        Parameters
        ----------
        data : str
            The code.
        name : str
            Not used.

        Returns
        -------
        str
            The same code.
        """
        try:
            ast.parse(data)
        except SyntaxError as error:
            from vistrails.core import debug

            debug.warning(
                "A PythonSource of this workflow holds Python 2 code that this Python cannot "
                f"translate (lib2to3 left Python in 3.13): line {error.lineno}: "
                f"{(error.text or '').strip()}. Edit its source, or open and save the vistrail "
                "once with Python 3.12 or older."
            )
        return data
