"""Typed errors of Parallel Flow.

Every error says what happened, to which element, engine or profile, and what
to do next, in sentences that begin with a capital or with the name of what they
are about (a file, an option) and end with a full stop; names are in quotes,
files and folders as they can be copied. What other libraries say comes as they
say it. The parts are fields, so that a window can lay them out. They stand in
one file, though a long one, since Troubleshooting has a heading for each.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from parallelflow import troubleshooting

# The longest name of a file that most systems take, twice: a path may have more.
MOST_CHARACTERS = 510


def shown(name: str) -> str:
    """Return a name as it is, or its repr if that is not one line that can be read."""
    if name.isprintable() and name.strip() == name != "" and len(name) <= MOST_CHARACTERS:
        return name
    return shortened(name)


def printable(text: str) -> str:
    """Return a text with what is no printable character by its number, as Python writes it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shortened(text: str) -> str:
    """Return a text's repr, without its middle if that is long."""
    short = reprlib.Repr()
    short.maxstring = MOST_CHARACTERS
    return short.repr(text)


def some_of(names: Sequence[object], most: int = 3) -> str:
    """Return the first of many names, and how many others there are.

    Parameters
    ----------
    names : sequence
        At least one.
    most : int
        So many are named.
    """
    others = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {others} more" if others > 0 else "")


class ParallelFlowError(Exception):
    """Base class of every error that Parallel Flow raises on purpose.

    Tracebacks show `more` below the text (from Python 3.11 on).

    Attributes
    ----------
    topic : str
        The heading of docs/troubleshooting.md that is about it; empty if there is none.
    """

    topic: str = ""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        if self.more:
            self.__notes__ = [self.more]

    @property
    def more(self) -> str:
        """Where to read more about it, one line; empty if there is nothing more."""
        if not self.topic:
            return ""
        code = troubleshooting.code_of(self.topic)
        if code is None:  # the page is missing
            return f"More: '{self.topic}' in docs/troubleshooting.md"
        return f"More: parallelflow explain {code}"


class VistrailsNotFound(ParallelFlowError):
    """VisTrails 3.0 is not installed where this Python looks for it."""

    topic = "VisTrails was not found"


class WindowUnavailable(ParallelFlowError):
    """VisTrails' window cannot be opened here: PyQt5, a library or a display is missing."""

    topic = "No window can be opened"


class PackageMissing(ParallelFlowError):
    """A VisTrails package that a workflow needs is not available.

    Parameters
    ----------
    identifier : str
        The package's identifier, e.g. ``org.vistrails.vistrails.vtk``.
    version : str or None
        The version wanted, None if any.
    reason : str
        Why it cannot be enabled, one line.
    host : str or None
        The machine that lacks it, None for this one.
    """

    topic = "A package is not available"

    def __init__(
        self,
        identifier: str,
        version: str | None = None,
        reason: str = "",
        host: str | None = None,
    ) -> None:
        self.identifier = identifier
        self.version = version
        self.reason = reason
        self.host = host
        wanted = f" (version {version})" if version else ""
        where = f" on {host}" if host else " on this machine"
        why = f": {reason}" if reason else ""
        advice = (
            "Bring this version there (a package of your own into ~/.vistrails/userpackages) and "
            "start new engine processes."
            if host
            else "Install it, or enable it in Preferences > Packages."
        )
        super().__init__(f"The package {identifier}{wanted} is not available{where}{why}. {advice}")


class ProfileError(ParallelFlowError):
    """The name of an IPython profile is not valid, or there is one already."""

    topic = "Not a valid profile name"


class ProfileUnusable(ProfileError):
    """The folder of an IPython profile cannot be read or written."""

    topic = "The profile's folder cannot be used"


class ClusterError(ParallelFlowError):
    """Something about the cluster failed.

    Parameters
    ----------
    message : str
        What happened and what to do next, one or two sentences.
    log : str
        The controller's or engine's log as a whole, empty if there is none.
    reason_first : bool
        Whether the log begins with the reason, as that of ``mpiexec`` does; it ends with it if not.

    Attributes
    ----------
    passing : bool
        Whether the reason was of that moment, so that another attempt may succeed.
    """

    passing = False

    def __init__(self, message: str, log: str = "", reason_first: bool = False) -> None:
        self.message = message
        self.log = log.strip()
        self.reason_first = reason_first
        text = message
        if self.log:
            which = "first" if reason_first else "last"
            text += f"\nThe {which} lines of its log:\n{self.log_excerpt}"
        super().__init__(text)

    @property
    def log_excerpt(self) -> str:
        """The last lines of the log, or the first ones, as many as tell the reason."""
        lines = self.log.splitlines()
        return "\n".join(lines[:EXCERPT_LINES] if self.reason_first else lines[-EXCERPT_LINES:])


EXCERPT_LINES = 15
"""Lines of a log that tell the reason: a traceback's end and some context."""


class ConnectFailed(ClusterError):
    """A controller was found but does not answer."""

    topic = "The controller does not answer"


class ConfigurationFailed(ClusterError):
    """A profile's configuration file cannot be read."""

    topic = "The profile's configuration cannot be read"


class ControllerFailed(ClusterError):
    """The controller could not be started or ended at once."""

    topic = "The controller could not be started"


class ProfileBusy(ClusterError):
    """Another session starts engines on the profile and does not come to an end."""

    topic = "Another session is starting engines"


class EnginesFailed(ClusterError):
    """Fewer engines than asked for came up.

    Parameters
    ----------
    message, log, reason_first
        As in `ClusterError`.
    wanted, ready : int
        Engines asked for and engines that did come up.
    """

    topic = "The engines did not come up"

    def __init__(
        self,
        message: str,
        log: str = "",
        wanted: int = 0,
        ready: int = 0,
        reason_first: bool = False,
    ) -> None:
        super().__init__(message, log, reason_first)
        self.wanted = wanted
        self.ready = ready


class NoEngines(ClusterError):
    """There is no cluster with at least one engine, and none was to be started."""

    topic = "There is no cluster with an engine"


class ClusterLost(ClusterError):
    """The controller, its hub or the last engine went away during work."""

    topic = "The cluster went away"


class LauncherUnusable(ClusterError):
    """A launcher lacks a program, or is not configured."""

    topic = "The launcher cannot be used"


class EngineUnreachable(ClusterError):
    """An engine is not there any more, or does not do what it is told."""

    topic = "One engine does not obey"


class StartCancelled(ClusterError):
    """The user cancelled the start; what had started was stopped again."""

    topic = "The start was cancelled"


class WorkingDirectoryGone(ClusterError):
    """The folder that this process works in has been deleted, so that no engine can work in it."""

    topic = "The working directory was deleted"

    def __init__(self) -> None:
        super().__init__(
            "The working directory of this process has been deleted, or cannot be entered any "
            "more. Change to another one (cd) and begin again there."
        )


class UserMistake(ParallelFlowError):
    """What was asked for cannot be done as it was asked: a file, version, alias or option."""


class TooManyEngines(UserMistake):
    """More engines were asked for than a cluster, or this machine's memory, can take."""

    topic = "Too many engines"


class NoVistrail(UserMistake):
    """The file is not there, cannot be read, or is no vistrail.

    Parameters
    ----------
    path : str
        The file as the user wrote it.
    reason : str
        What is wrong with it, and what to do, one line.
    """

    topic = "The file, its version, an alias"

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{shown(path)}: {reason.removesuffix('.')}.")


class NoVersion(UserMistake):
    """The vistrail has no such version.

    Parameters
    ----------
    path : str
        The file as the user wrote it.
    version : str
        The version as the user wrote it.
    tags : list of str
        The tags that the vistrail has.
    """

    topic = "The file, its version, an alias"

    def __init__(self, path: str, version: str, tags: list[str]) -> None:
        self.path = path
        self.version = version
        self.tags = tags
        listed = ", ".join(map(shown, tags[:20])) + ", ..." * (len(tags) > 20)
        known = f"its tagged versions are: {listed}" if tags else "it has no tags"
        super().__init__(f"{shown(path)} has no version {shortened(version)}; {known}.")


class NothingLeft(UserMistake):
    """No run of the file has left failed or unfinished elements.

    Parameters
    ----------
    path : str
        The file as the user wrote it.
    """

    topic = "Nothing is left to compute"

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"{shown(path)}: no run of it has left failed or unfinished elements. Leave --failed "
            "out to run all."
        )


class AliasError(UserMistake):
    """A value was given for an alias that the workflow lacks, or it does not fit.

    Parameters
    ----------
    name : str
        The alias as the user wrote it.
    reason : str
        What is wrong, and what would be right, one line.
    file : str, optional
        The file of ``--params-file``, if the value is one of its; else it is one of ``--set``.
    """

    topic = "The file, its version, an alias"

    def __init__(self, name: str, reason: str, file: str | None = None) -> None:
        self.name = name
        self.reason = reason
        origin = f"--params-file {shown(file)}:" if file else "--set"
        super().__init__(f"{origin} {shown(name)}: {reason}")


class ParameterError(UserMistake):
    """A column or an option names no parameter of the workflow, or gives it a wrong value.

    Parameters
    ----------
    name : str
        The parameter as the user wrote it.
    reason : str
        What is wrong, and what would be right, one line.
    """

    topic = "A table of runs, an exploration"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{shown(name)}: {reason}")


class ExplorationError(UserMistake):
    """A parameter exploration is not there, or cannot be executed."""

    topic = "A table of runs, an exploration"


class _FileError(UserMistake):
    """A file that an option names cannot be used.

    Parameters
    ----------
    path : str
        The file as the user wrote it.
    reason : str
        What is wrong with it, one line.
    """

    option: str = ""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{f'{self.option} ' if self.option else ''}{shown(path)}: {reason}")


class TableError(_FileError):
    """A table of parameter values cannot be read, or the table of results not be written."""

    topic = "A table of runs, an exploration"


class OutputFileError(_FileError):
    """A file that a command is asked to write cannot be written, or is another one of its files.

    Parameters
    ----------
    option : str
        The option that names it.
    path, reason : str
        As the other errors of files have them.
    """

    topic = "A file that is to be written"

    def __init__(self, option: str, path: str, reason: str) -> None:
        self.option = option
        super().__init__(path, reason)


class ParametersFileError(_FileError):
    """A file with values for aliases cannot be read, or holds something else."""

    topic = "The file, its version, an alias"
    option = "--params-file"


class WorkflowInvalid(UserMistake):
    """The workflow does not fit the packages of this machine, even after upgrading it.

    Parameters
    ----------
    workflow : str
        File and version, as told to the user.
    problems : list of str
        What VisTrails finds wrong, one line each.
    """

    topic = "The workflow does not fit"

    def __init__(self, workflow: str, problems: list[str]) -> None:
        self.workflow = workflow
        self.problems = problems
        super().__init__(
            f"{workflow} does not fit the VisTrails packages of this machine: "
            f"{'; '.join(problems)}."
        )


class ConfigurationUnreadable(UserMistake):
    """The configuration that VisTrails has saved for the user cannot be read.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        What is wrong with it, as *is damaged: ...*.
    """

    topic = "VisTrails' configuration cannot be read"

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path} {reason}. It holds the configuration of VisTrails and its packages, without "
            "which modules may compute something else. Correct it, or remove it for the defaults."
        )


def element_place(index: int, path: Sequence[int]) -> str:
    """Return an element's index as texts have it.

    Parameters
    ----------
    index : int
        Among all elements.
    path : sequence of int
        Of an element in lists of lists, its index in each of them; else empty.
    """
    return f"{index} ({''.join(f'[{each}]' for each in path)})" if path else str(index)


@dataclass(frozen=True)
class FailureDetail:
    """What failed inside an element's function; nothing is known for a plain function.

    Attributes
    ----------
    module : Any
        The id of the module in the pipeline; of a whole workflow a tuple of (id, message,
        traceback) of every module that failed.
    records : Any
        What was recorded for the log until then.
    function_ran : bool
        Whether the function itself began, and not only what it depends on.
    """

    module: Any = None
    records: Any = None
    function_ran: bool = False


NO_DETAIL = FailureDetail()

FailureStage = Literal[
    "pickle",
    "input",
    "setup",
    "run",
    "result",
    "interrupted",
    "timeout",
    "lost",
    "not run",
    "client",
]
"""Where on its way an element has failed; see `ElementFailure.stage`. ``setup`` is that of the
whole function, and ``client`` no failure: the session has to run the element itself."""


@dataclass(frozen=True)
class ElementFailure:
    """Why one element of a list has no result.

    Attributes
    ----------
    index : int
        The element's index in the list, from 0.
    total : int
        Length of the list.
    input : str
        Shortened repr of the element.
    stage : str
        ``pickle`` (could not be sent), ``input`` (could not be read on the engine), ``run``,
        ``result`` (its value could not be sent back), ``interrupted``, ``timeout`` (it took
        longer than its time limit), ``lost`` (it ended the engines that ran it) or ``not run``
        (no engine was left to run it).
    error_type : str
        Name of the exception's class.
    message : str
        The exception's text.
    traceback : str
        The remote traceback without colour codes, empty if there is none.
    engine : int or None
        Id of the engine that it ran on, None if it did not get so far.
    host : str or None
        That engine's machine.
    detail : FailureDetail
        What failed inside the function.
    exception : bytes or None
        The exception itself, pickled, if a plain function raised one that can be.
    path : tuple of int
        Of an element in lists of lists, its index in each of them, that of the outermost first;
        empty if there is but one list.
    """

    index: int
    total: int
    input: str
    stage: FailureStage
    error_type: str
    message: str
    traceback: str = ""
    engine: int | None = None
    host: str | None = None
    detail: FailureDetail = NO_DETAIL
    exception: bytes | None = field(default=None, repr=False)
    path: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        """Its index, with those in the lists around it, as in ``5 ([1][2])``."""
        return element_place(self.index, self.path)

    @property
    def error(self) -> str:
        """What was raised; of an error that VisTrails has made of an exception, the exception."""
        if self.error_type == "ModuleError":
            return self.message.removeprefix("Uncaught exception: ")
        return f"{self.error_type}: {self.message}"

    @property
    def reason(self) -> str:
        """Where on its way it has failed, and with what."""
        # What has happened to its engines is no exception of the element's.
        what = self.message if self.stage in ("lost", "not run") else self.error
        return f"{STAGES[self.stage]}{what}"

    def __str__(self) -> str:
        place = "" if self.engine is None else f" on engine {self.engine} ({self.host})"
        return f"Element {self.place} of {self.total}, {self.input}, failed{place}: {self.reason}"


STAGES = {
    "pickle": "it cannot be sent to an engine, ",
    "input": "it cannot be read on the engine, ",
    "run": "",
    "result": "its result cannot be sent back, ",
    "interrupted": "interrupted, ",
    "timeout": "it reached its time limit, ",
    "lost": "",
    "not run": "it was not run, since ",
}
"""What an `ElementFailure` says of the stage at which the element failed."""

HEADINGS = {
    "pickle": "It cannot be sent to an engine",
    "input": "It cannot be read on the engine",
    "run": "An element failed",
    "result": "Its result cannot be sent back",
    "interrupted": "It was interrupted",
    "timeout": "It reached its time limit",
    "lost": "It ended the engines that ran it",
    "not run": "It was not run",
}
"""The headings of docs/troubleshooting.md about these stages."""


MOST_INDICES = 20
"""The indices of so many failed elements are told; all of them are in the error's ``failures``."""


class RemoteTraceback(Exception):
    """The traceback of an exception in another process, as the cause that Python shows first.

    Parameters
    ----------
    text : str
        The traceback, with those of the exception's own causes.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text.rstrip()}\n"""'


class ElementError(ParallelFlowError):
    """An element of a list failed.

    Its ``__cause__`` is a `RemoteTraceback`, if it failed on an engine with one.

    Parameters
    ----------
    failures : sequence of ElementFailure
        At least one, ascending by index.
    """

    def __init__(self, failures: Sequence[ElementFailure]) -> None:
        self.failures = list(failures)
        self.topic = HEADINGS[self.failures[0].stage]
        text = str(self.failures[0])
        if len(self.failures) > 1:
            text += f"\nAlso failed: {some_of([f.place for f in self.failures[1:]], MOST_INDICES)}"
        super().__init__(text)
        first = self.failures[0]
        if first.traceback and first.engine is not None:
            self.__cause__ = RemoteTraceback(first.traceback)


class FunctionNotSendable(ParallelFlowError):
    """A function cannot be sent to engines, because of something that it uses.

    Parameters
    ----------
    function : str
        What the user calls the function.
    culprit : tuple of (str, str), or None
        Where in the function the object is, and what it is; None if it was not found.
    error : Exception
        What its pickling has raised.
    """

    topic = "The function cannot be sent"

    def __init__(self, function: str, culprit: tuple[str, str] | None, error: Exception) -> None:
        self.function = function
        self.culprit = culprit
        what = f"{culprit[0]}, {culprit[1]}" if culprit else "something that it uses"
        super().__init__(
            f"The function {function} cannot be sent to an engine, because of {what}: "
            f"{type(error).__name__}: {error}. Make it inside the function, or give the function "
            "what is needed to make it."
        )


class SetupFailed(ParallelFlowError):
    """The function cannot be set up on any engine.

    Parameters
    ----------
    engine : int
        An engine that failed.
    host : str or None
        Its machine, None if it did not get so far as to tell.
    error_type, message : str
        Why.
    """

    topic = "An engine cannot run the function"

    def __init__(self, engine: int, host: str | None, error_type: str, message: str) -> None:
        self.engine = engine
        self.host = host
        self.error_type = error_type
        super().__init__(
            f"Engine {engine} ({host or 'unknown host'}) cannot run the function: "
            f"{error_type}: {message}"
        )
