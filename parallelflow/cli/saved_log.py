"""A vistrail with the log of what was executed, as a new file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from parallelflow.system import safe_files

if TYPE_CHECKING:
    from .workflow import Workflow

__all__ = ["save_with_log"]


def save_with_log(workflow: Workflow, path: str) -> None:
    """Save a vistrail under another name, with the log of what was executed.

    Parameters
    ----------
    workflow : Workflow
        The workflow that was run.
    path : str
        The new file.

    Raises
    ------
    OSError
        If it cannot be written: it is not there then.
    """
    from vistrails.core.db.locator import ZIPFileLocator

    usual = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "saved.vt"
        locator = ZIPFileLocator(str(made))
        tempfile.tempdir = folder  # VisTrails leaves a folder there
        try:
            workflow.controller.write_vistrail(locator, export=True)
        except OSError as e:
            where = f"in the temporary folder {Path(folder).parent}"
            raise OSError(e.errno, f"{e.strerror or e} {where}") from e
        finally:
            tempfile.tempdir = usual
            locator.close()
        saved = safe_files.read_bytes(made, max_bytes=made.stat().st_size)
        safe_files.replace_bytes(Path(path), saved, private=False)
