"""What becomes of a loop's elements that fail or take long: its ports' words, or the settings'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vistrails.core.modules.vistrails_module import ModuleError

from parallelflow.errors import ElementFailure, ParallelFlowError
from parallelflow.settings import CONTINUE, POLICIES, STOP, overridden, settings
from parallelflow.work.python_value import python_value

__all__ = ["LoopPolicy", "NoteFailures", "element_policy", "never_cached"]

NoteFailures = Callable[[Mapping[int, ElementFailure]], None]


@dataclass(frozen=True)
class LoopPolicy:
    """What becomes of a loop's elements that fail or take long.

    Attributes
    ----------
    on_error : str
        One of `parallelflow.settings.POLICIES`.
    time_limit : float or None
        How long an element may take, seconds.
    retries : int
        How often an element that has raised is tried again.
    value_for_failed : object
        What failed elements have with ``continue``.
    """

    on_error: str
    time_limit: float | None
    retries: int
    value_for_failed: Any

    @property
    def needs_engines(self) -> bool:
        """Whether it can be kept on engines only: this process cannot interrupt itself."""
        return self.time_limit is not None or self.retries > 0

    @property
    def is_vistrails_own(self) -> bool:
        """Whether VisTrails' own loops do the same."""
        return self.on_error == STOP and not self.needs_engines

    def leave_out(self, note: NoteFailures) -> Callable[[Mapping[int, ElementFailure]], Any] | None:
        """Return `Loop.leave_out`, None where failed elements fail the loop.

        Parameters
        ----------
        note : callable
            Called with the failed elements.
        """
        if self.on_error != CONTINUE:
            return None

        def leave_out(failures: Mapping[int, ElementFailure]) -> Any:
            note(failures)
            return self.value_for_failed

        return leave_out


def never_cached(module: Any) -> None:
    """Have a module executed each time: what it gives now is not all that it could."""
    module.is_cacheable = lambda: False


def element_policy(module: Any, has_ports: bool = False) -> LoopPolicy:
    """Return what a module's ports say, else the settings.

    Options of the command go before both.

    Parameters
    ----------
    module : Module
        The module that loops.
    has_ports : bool
        Whether it has ports for it, as Parallel Flow's Map has. Ports of these names that another
        module has are its own.

    Raises
    ------
    ModuleError
        On the module, for a value that makes no sense.
    """
    known = settings()

    def chosen(port: str, setting: str) -> Any:
        value = overridden(setting)
        if value is None and has_ports:
            value = module.force_get_input(port)
        return getattr(known, setting) if value is None else value

    on_error = chosen("OnError", "onError") or STOP
    if on_error not in POLICIES:
        raise ModuleError(
            module, f"OnError must be one of {', '.join(map(repr, POLICIES))}, not {on_error!r}."
        )
    limit, retries = chosen("ElementTimeout", "elementTimeout"), chosen("Retries", "retries")
    if not limit >= 0:
        raise ModuleError(
            module, f"ElementTimeout must be a number of seconds, or 0 for none, not {limit!r}."
        )
    if retries < 0:
        raise ModuleError(module, f"Retries must be 0 or more, not {retries!r}.")
    return LoopPolicy(str(on_error), limit or None, retries, _value_for_failed(module, has_ports))


def _value_for_failed(module: Any, has_ports: bool) -> Any:
    text = overridden("valueForFailed")
    if text is None and has_ports and "ValueForFailed" in module.inputPorts:
        return module.get_input("ValueForFailed")
    try:
        return python_value(settings().valueForFailed if text is None else text)
    except ParallelFlowError as e:
        raise ModuleError(module, f"valueForFailed: {e}") from e
