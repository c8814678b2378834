"""The chunk runner: what an engine does with a run's function and its chunks.

Standard library only (cloudpickle where the function needs it): it imports on an engine that has
neither VisTrails nor Qt. Every exception comes back as data, so that each client gets a reply.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from parallelflow.data.shared_folder import Offer, SharedFolder
from parallelflow.data.shared_values import SharedValues
from parallelflow.system.memory import shortage

from . import machine_copies, place, start_environment
from .capture import Capture
from .children import end_child
from .chunk_result import ChunkResult
from .interrupts import Interrupts
from .payload import Frame, dump, load, pack, travelled
from .peak_memory import LONG_SECONDS, PeakMemory, with_memory
from .plain_process import plain_process
from .remote_failure import RemoteFailureError, RunOnClient, failure_of
from .session_state import ProcessState
from .time_limit import TimeLimit, limited

__all__ = ["ChunkResult", "ElementFunction", "drop", "known_keys", "run_chunk", "setup"]

# Functions set up on this engine. Each belongs to one run and is dropped at its end;
# the limit is for runs whose client died before it could say so.
MAX_FUNCTIONS = 16

# Up to here, what a function was made of is kept to make it again: it doubles its constant inputs.
MAX_KEPT_BYTES = 64 * 2**20

# To give 64 MB of mapped memory back takes 15 ms: no reply waits for that with chunks up to here.
HELD_BYTES = 2**27


# A function that is set up: called with the element's index in the list and the element,
# it returns the value and the record (None for none).
ElementFunction = Callable[[int, Any], tuple[Any, Any]]

# With the state of the process that the run's session wants around it.
_functions: OrderedDict[str, tuple[ElementFunction, ProcessState]] = OrderedDict()

# What functions were made of that may have to be made again, by their runs' keys.
_kept_frames: dict[str, Sequence[Frame]] = {}

# Where large results go, by their runs' keys.
_shared: dict[str, SharedValues] = {}

# What keeps the last chunk's elements mapped, until the next one begins or its run is over.
_held: list[Frame] = []


def setup(
    key: str, state: Frame, offer: Offer | None, keep: bool, *frames: Frame
) -> dict[str, Any]:
    """Set a run's function up on this engine.

    Parameters
    ----------
    key : str
        The run's key, which its chunks name.
    state
        A `SessionState` as its `dump` gives it.
    offer : tuple or None
        Of the client's folder in shared memory.
    keep : bool
        Whether to keep the frames in this machine's shared memory, for its other engines.
    *frames
        A `dump` of (maker, arguments): ``maker(*arguments)`` returns the function.

    Returns
    -------
    dict
        `place.description`; ``seconds`` taken; ``notes`` on what the session has and this machine
        lacks; ``shares_memory``, whether it has the client's folder in shared memory; ``kept``, see
        `machine_copies.keep`; ``failure`` if the function could not be set up, else None.
    """
    place.mark()
    start_environment.restore()
    begin = time.perf_counter()
    failure, notes, kept = None, [], b""
    folder = SharedFolder.open(offer) if offer is not None else None
    _shared[key] = SharedValues(folder, key)
    try:
        readable: Sequence[Frame] = frames
        if keep and offer is not None:
            readable, kept = machine_copies.keep(key, offer[2], frames)
        if key not in _functions:  # a client that waits for long sends it again
            process = ProcessState(pickle.loads(state))
            with Interrupts() as interrupts, process, plain_process(), interrupts.allowed():
                _functions[key] = _make(key, readable), process
            notes = process.notes
        while len(_functions) > MAX_FUNCTIONS:
            drop(next(iter(_functions)))
    except BaseException as e:
        failure = failure_of(e, "setup")
    return {
        **place.description(),
        "seconds": time.perf_counter() - begin,
        "notes": notes,
        "shares_memory": folder is not None,
        "kept": kept,
        "failure": failure,
    }


def known_keys() -> list[str]:
    """Return the keys of the runs whose functions are set up on this engine."""
    return list(_functions)


def drop(key: str) -> None:
    """Forget a run's function, and with it everything that it holds."""
    _held.clear()
    _shared.pop(key, None)
    machine_copies.drop(key)
    _forget_function(key)


def _forget_function(key: str) -> None:
    _kept_frames.pop(key, None)
    dropped = _functions.pop(key, None)
    close = getattr(dropped[0], "close", None) if dropped is not None else None
    if close is not None:
        with contextlib.suppress(Exception):
            close()


def run_chunk(
    key: str,
    start: int,
    stop_on_error: bool,
    seconds: float | None,
    time_limit: float | None,
    begin_by: float | None,
    hold: bool,
    *frames: Frame,
) -> list[Any]:
    """Evaluate the elements of a chunk, one after the other.

    Parameters
    ----------
    key : str
        The run's key, whose function `setup` has set up.
    start : int
        Index of the first element in the whole list.
    stop_on_error : bool
        Whether to leave the rest of the chunk undone after the first failure.
    seconds : float or None
        After how long to leave the rest undone, so that another engine can have it; at least one
        element is evaluated. None for never.
    time_limit : float or None
        How long each element may take, seconds.
    begin_by : float or None
        When it is too late to begin, on the monotonic clock: its client gives it to another engine.
    hold : bool
        Whether to leave undone what has not begun when memory runs low: others work here.
    *frames
        A `dump` of the list of elements.

    Returns
    -------
    list of memoryview
        A `dump` of a `ChunkResult`.
    """
    _held.clear()
    if key not in _functions:
        # Too many runs since, or another process under the same id: the client sets it up again.
        raise LookupError("this engine does not have the run's function")
    if begin_by is not None and time.monotonic() > begin_by:
        raise LookupError("this engine was busy with something else")
    function, process = _functions[key]
    with Interrupts() as interrupts, process, plain_process():
        function = _current(interrupts, key, function)
        with limited(time_limit, interrupts) as limit:
            how = (start, stop_on_error, seconds, hold)
            result = _run_chunk(interrupts, limit, function, *how, frames)
        return [memoryview(frame) for frame in _dump_result(result, _shared.get(key))]


def _run_chunk(
    interrupts: Interrupts,
    limit: TimeLimit | None,
    function: ElementFunction,
    start: int,
    stop_on_error: bool,
    seconds: float | None,
    hold: bool,
    frames: Sequence[Frame],
) -> ChunkResult:
    result = ChunkResult(started=time.time())
    try:
        with interrupts.allowed():
            held = _held if travelled(frames) <= HELD_BYTES else None
            elements = list(load(frames, held))
    except BaseException as e:
        # The client sends the elements again one by one, to find those that cannot be read.
        result.unreadable = failure_of(e, "input")
        # With a branch, which is an element, its packages are read, whose failure has a stage.
        result.unreadable.stage = "input"
        elements = []
    begin = time.perf_counter()
    around = getattr(function, "during_chunk", contextlib.nullcontext)
    memory, look = PeakMemory(), hold
    with around(), Capture(result.outputs, start) as capture:
        for position, element in enumerate(elements):
            if interrupts.pending:
                break
            if look:
                look = False
                result.shortage = shortage()
                if result.shortage is not None:
                    break
            capture.position = position
            index = start + position
            go_on = _evaluate(interrupts, limit, result, function, position, index, element)
            capture.collect()
            if result.seconds[-1] >= LONG_SECONDS:
                memory.measure(result.count)
                look = hold
            if not go_on or (stop_on_error and _failed(result)):
                break
            if seconds is not None and time.perf_counter() - begin > seconds:
                break
    memory.measure(result.count)
    result.peaks = memory.peaks
    report = getattr(function, "report", None)
    result.report = report() if report is not None else None
    result.wall = time.time() - result.started
    return result


def _current(interrupts: Interrupts, key: str, function: ElementFunction) -> ElementFunction:
    """Return a run's function, made again where another session's run has outdated it.

    It is made here and runs at once: left to the clients, two of them could outdate each
    other's indefinitely.
    """
    if not getattr(function, "outdated", False):
        return function
    frames, process = _kept_frames.get(key), _functions[key][1]
    _forget_function(key)
    try:
        if frames is not None:
            with interrupts.allowed():
                _functions[key] = _make(key, frames), process
            return _functions[key][0]
    except Exception as e:  # what hinders it is reported when the client sets it up
        raise LookupError("this engine cannot make the run's function again") from e
    raise LookupError("this engine does not have the run's function any more")


def _make(key: str, frames: Sequence[Frame]) -> ElementFunction:
    maker, arguments = load(frames)
    function: ElementFunction = maker(*arguments)
    size = sum(memoryview(frame).nbytes for frame in frames)
    if hasattr(function, "outdated") and size <= MAX_KEPT_BYTES:
        _kept_frames[key] = frames
    return function


def _failed(result: ChunkResult) -> bool:
    return any(failure.stage != "client" for failure in result.failures.values())


def _evaluate(
    interrupts: Interrupts,
    limit: TimeLimit | None,
    result: ChunkResult,
    function: Any,
    position: int,
    index: int,
    element: Any,
) -> bool:
    """Evaluate one element into the result; False if the chunk must end here."""
    value = None
    go_on = True
    raised: BaseException | None = None
    process = os.getpid()
    begin = time.perf_counter()
    if limit is not None:
        limit.begin()
    try:
        try:  # `allowed`, without the microsecond that a context manager takes
            interrupts.inside, interrupts.hit = True, False
            value, record = function(index, element)
        finally:
            interrupts.inside = False
        if record is not None:
            result.records[position] = record
    except RunOnClient as e:
        raised = e
        result.failures[position] = failure_of(e, "client")
    except KeyboardInterrupt as e:
        raised = e
        result.failures[position] = failure_of(e, "interrupted")
        go_on = False
    except BaseException as e:  # also SystemExit: it must not end the engine
        raised = e.__cause__ if isinstance(e, RemoteFailureError) and e.__cause__ else e
        failure = result.failures[position] = failure_of(e, "run")
        if isinstance(raised, MemoryError):
            failure.message = with_memory(failure.message)
        if interrupts.hit:
            failure.stage, go_on = "interrupted", False
            if isinstance(raised, KeyboardInterrupt):
                failure.exception = None  # not the function's own
    if os.getpid() != process:
        end_child(raised)
    if limit is not None and interrupts.timed_out:
        value, go_on = None, True
        result.failures[position] = limit.failure(result.failures.get(position))
    raised = None  # it refers to this function's variables
    result.seconds.append(time.perf_counter() - begin)
    result.values.append(value)
    result.count += 1
    return go_on


def _dump_result(result: ChunkResult, shared: SharedValues | None) -> list[Frame]:
    """Return the result as frames; a value that cannot travel costs one element."""
    packing = None
    with contextlib.suppress(BaseException):
        packing = pack(result)
    if packing is None:
        for position, value in enumerate(result.values):
            try:
                dump(value)
            except BaseException as e:
                result.values[position] = None
                result.failures[position] = failure_of(e, "result")
        packing = pack(result)
    return packing.frames() if shared is None else shared.frames(packing, one_reader=True)
