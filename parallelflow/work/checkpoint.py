"""The checkpoint of a `parallel_map`, by the name that its caller gives it."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Sequence
from typing import Any

import parallelflow
from parallelflow.checkpoints.checkpoint import Checkpoint
from parallelflow.checkpoints.content import content_digest
from parallelflow.checkpoints.function_content import function_digest
from parallelflow.checkpoints.identity import RunIdentity, digest_text, environment_parts
from parallelflow.engine import session_state

__all__ = ["named_checkpoint"]

logger = logging.getLogger(__name__)


def named_checkpoint(
    name: str, function: Callable[..., Any], elements: Sequence[tuple[Any, ...]]
) -> Checkpoint | None:
    """Return the checkpoint of a function over elements, None where none can be kept.

    Parameters
    ----------
    name : str
        What the user calls it.
    function : callable
        The function.
    elements : sequence of tuple
        Its arguments.
    """
    try:
        parts = {"the function": digest_text(function_digest(function))}
    except Exception as e:
        logger.warning(
            "no checkpoint is kept of %s: something that the function refers to cannot be "
            "compared: %s: %s", name, type(e).__name__, e,
        )  # fmt: skip
        return None
    folder, _, environment, modules = session_state.identity()
    parts |= environment_parts(environment)
    parts["the working directory"] = folder
    for module, digest in modules.items():
        parts[f"module {module}"] = digest_text(content_digest(digest))
    parts["the version of parallelflow"] = parallelflow.version
    parts["the version of python"] = platform.python_version()
    identity = RunIdentity(
        f"parallel_map {name}",
        name,
        parts,
        otherwise="parallelflow checkpoints remove forgets them",
    )
    return Checkpoint(identity, elements, logger.warning)
