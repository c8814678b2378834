"""What the command needs of its environment: a home folder, paths that hold everywhere."""

from __future__ import annotations

import os
from pathlib import Path

from parallelflow.errors import UserMistake

__all__ = ["prepare_environment"]


def prepare_environment() -> None:
    """Set HOME where it is not set, as services and containers leave it.

    IPython and VisTrails have their files there; VisTrails fails without one.

    Raises
    ------
    UserMistake
        If HOME cannot be a folder, or there is none to be found.
    """
    if not os.environ.get("HOME"):
        os.environ.pop("HOME", None)  # empty, it would be the root folder
        try:
            os.environ["HOME"] = str(Path.home())
        except RuntimeError as e:  # the user has no entry in the password database
            raise UserMistake(
                "This user has no home folder: set HOME to a folder that can be written."
            ) from e
    home = Path(os.environ["HOME"])
    if not home.is_absolute() or (home.exists() and not home.is_dir()):
        raise UserMistake(
            f"HOME is {str(home)!r}, which is no folder's whole path: set it to a folder that can "
            "be written."
        )
    variables = sorted(name for name in os.environ if name.startswith("TQDM_"))
    if variables:
        try:
            import tqdm  # noqa: F401 - it reads them as it is imported
        except ValueError as e:
            raise UserMistake(
                f"Of the variables {', '.join(variables)} one has a value that tqdm does not "
                f"take: {e}. Unset it."
            ) from e
    if folder := os.environ.get("IPYTHONDIR"):
        # Engines and controllers may work in other folders.
        os.environ["IPYTHONDIR"] = str(Path(folder).expanduser().absolute())
