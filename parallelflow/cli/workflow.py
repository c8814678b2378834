"""A workflow as the command runs it: opened, fitted to this machine, its aliases set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from parallelflow.batch.parameters import check_value
from parallelflow.errors import (
    AliasError,
    NoVersion,
    NoVistrail,
    PackageMissing,
    UserMistake,
    WorkflowInvalid,
)

from .target import Target

__all__ = ["Workflow", "modules_of", "version_read"]

# VisTrails' own packages that are always there, or stand for something else.
_ALWAYS_THERE = {"org.vistrails.vistrails.basic", "local.abstractions"}


class Workflow:
    """One version of a vistrail, ready to run.

    VisTrails must have been started. Making one opens the file, enables the packages
    that the version names, and upgrades its modules as VisTrails does; the file is
    not changed.

    Parameters
    ----------
    target : Target
        File and version.

    Raises
    ------
    NoVistrail
        VisTrails cannot open the file.
    NoVersion
        There is no such version.
    PackagesMissing
        This machine lacks packages that the workflow needs.
    WorkflowInvalid
        The workflow does not fit the packages of this machine.
    """

    def __init__(self, target: Target) -> None:
        from vistrails.core.db.io import load_vistrail
        from vistrails.core.vistrail.controller import VistrailController

        self.target = target
        self._locator = _locator(target)
        try:
            with _told_as_no_vistrail(target):
                vistrail, abstractions, thumbnails, mashups = load_vistrail(self._locator)
            with _told_as_no_vistrail(target, damaged=True):
                self.version = _version(target, vistrail)
                packages = _used_packages(vistrail, self.version, abstractions)
            _enable(packages)
            # E.g. it lacks the file of a SubWorkflow.
            with _told_as_no_vistrail(target):
                self.controller: Any = VistrailController(
                    vistrail, self._locator, abstractions, thumbnails, mashups, auto_save=False
                )
            with _told_as_no_vistrail(target, damaged=True):
                self._select()
        except BaseException:
            self._locator.close()
            raise

    def _select(self) -> None:
        from vistrails.core.utils import InvalidPipeline

        if self.version is None:
            self.version = self.controller.get_latest_version_in_graph()
        try:
            self.controller.do_version_switch(self.version, report_all_errors=True)
        except InvalidPipeline as e:
            problems = [_what(p).rstrip(".") for p in _leaves(e)]
            raise WorkflowInvalid(str(self.target), sorted(set(problems))) from e
        _check_order(self.pipeline)
        if not self.pipeline.modules:
            raise UserMistake(f"{self.target} is an empty workflow: there is nothing to run.")

    @property
    def pipeline(self) -> Any:
        """The VisTrails pipeline that is run."""
        return self.controller.current_pipeline

    def close(self) -> None:
        """Remove the temporary files that opening the vistrail made."""
        self.controller.close_vistrail(self._locator)

    def maps(self, package: str) -> int:
        """Return how many Map modules of a package there are, those in Groups included.

        Parameters
        ----------
        package : str
            Identifier of Control Flow or Parallel Flow.
        """
        return sum(m.name == "Map" and m.package == package for m in modules_of(self.pipeline))

    def has_marked(self) -> bool:
        """Return True if a module is marked to run on engines, in a Group too."""
        from parallelflow.loops.choice import is_marked

        return any(is_marked(module) for module in modules_of(self.pipeline))

    def check_aliases(self, values: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Check the values that are to be given to aliases.

        Parameters
        ----------
        values : iterable of (str, str)
            Alias and value; of the same alias twice, the last counts.

        Returns
        -------
        dict
            Value by alias, as VisTrails takes them.

        Raises
        ------
        AliasError
            If the workflow has no such alias, or the value does not fit its type.
        """
        checked = {}
        for alias, value in values:
            if alias not in self.pipeline.aliases:
                known = sorted(self.pipeline.aliases)
                has = f"it has: {', '.join(known)}" if known else "it has none"
                raise AliasError(alias, f"{self.target} has no such alias; {has}.")
            kind, number = self.pipeline.aliases[alias][:2]
            wrong = check_value(value, self.pipeline.db_get_object(kind, number))
            if wrong:
                raise AliasError(alias, wrong)
            checked[alias] = value
        return checked


def _locator(target: Target) -> Any:
    from vistrails.core.db.locator import XMLFileLocator, ZIPFileLocator

    # By content, not by name: VisTrails' own choice goes by the name's ending.
    with target.path.open("rb") as stream:
        archive = stream.read(2) == b"PK"
    return (ZIPFileLocator if archive else XMLFileLocator)(str(target.path.absolute()))


@contextlib.contextmanager
def _told_as_no_vistrail(target: Target, damaged: bool = False) -> Iterator[None]:
    """Turn whatever VisTrails raises in the block into one line about the file."""
    try:
        yield
    except UserMistake:
        raise
    except Exception as e:
        path = str(target.path)
        if damaged:
            raise NoVistrail(
                path, f"its version tree is damaged, take another copy of the file: {_what(e)}"
            ) from e
        raise NoVistrail(path, f"VisTrails cannot open it: {_what(e)}") from e


def _what(error: Exception) -> str:
    """Return what an error of VisTrails' says, one line."""
    # VisTrails puts whole tracebacks into some messages; what happened is in their last line.
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    name = type(error).__name__
    if not lines:
        return name
    # A number or a name alone, as a KeyError has it, says nothing.
    return lines[-1] if " " in lines[-1] else f"{name}: {lines[-1]}"


def _check_order(pipeline: Any) -> None:
    """Raise if modules are connected in a circle, so that none can run first."""
    pipeline.graph.vertices_topological_sort()


def _version(target: Target, vistrail: Any) -> int | None:
    """Return the number of the version asked for; None stands for the latest."""
    wanted = target.version
    if wanted is None:
        return None
    if vistrail.has_tag_str(wanted):
        return int(vistrail.get_version_number(wanted))
    # Numbers have few digits, and int() takes some thousands at most.
    if wanted.isdecimal() and len(wanted) < 20 and vistrail.db_has_action_with_id(int(wanted)):
        return int(wanted)
    raise NoVersion(str(target.path), wanted, sorted(vistrail.get_tagMap().values()))


def _used_packages(vistrail: Any, version: int | None, abstractions: list[str]) -> set[str]:
    """Return the identifiers of the packages that a version names."""
    from vistrails.core.db.io import load_vistrail
    from vistrails.core.db.locator import XMLFileLocator

    _check_versions(vistrail)
    pipelines = [vistrail.getPipeline(_latest(vistrail) if version is None else version)]
    # SubWorkflows come with the file, as vistrails of their own.
    for path in abstractions:
        inner = load_vistrail(XMLFileLocator(path), True)[0]
        _check_versions(inner)
        pipelines.append(inner.getPipeline(_latest(inner)))
    return {p for pipeline in pipelines for p in _packages(pipeline)} - _ALWAYS_THERE


def _check_versions(vistrail: Any) -> None:
    """Raise if versions follow each other in a circle: VisTrails would go round for ever."""
    before = {number: action.db_prevId for number, action in vistrail.actionMap.items()}
    lead_to_the_root: set[int] = set()
    for number in before:
        way: set[int] = set()
        while number in before and number not in lead_to_the_root:
            if number in way:
                raise ValueError(f"the versions before version {number} form a circle")
            way.add(number)
            number = before[number]
        lead_to_the_root |= way


def _latest(vistrail: Any) -> int:
    return max(vistrail.actionMap, default=0)


@contextlib.contextmanager
def version_read(target: Target) -> Iterator[tuple[Any, int, Any]]:
    """Read a version as it stands in the file, whatever packages this machine has.

    Parameters
    ----------
    target : Target
        File and version.

    Yields
    ------
    tuple of (Vistrail, int, Pipeline)
        The vistrail, the version's number, and its workflow.

    Raises
    ------
    NoVistrail, NoVersion
        As `Workflow`.
    """
    from vistrails.core.db.io import load_vistrail

    locator = _locator(target)
    try:
        with _told_as_no_vistrail(target):
            vistrail = load_vistrail(locator)[0]
        with _told_as_no_vistrail(target, damaged=True):
            version = _version(target, vistrail)
            _check_versions(vistrail)
            number = _latest(vistrail) if version is None else version
            pipeline = vistrail.getPipeline(number)
        yield vistrail, number, pipeline
    finally:
        locator.close()


def modules_of(pipeline: Any) -> Iterator[Any]:
    """Yield the modules of a pipeline, and of the Groups and SubWorkflows in it."""
    for inner in pipelines_of(pipeline):
        yield from inner.module_list


def pipelines_of(pipeline: Any) -> Iterator[Any]:
    """Yield a pipeline, and those of the Groups and SubWorkflows in it."""
    yield pipeline
    for module in pipeline.module_list:
        # A SubWorkflow is known by its pipeline only once VisTrails has loaded it.
        known = module.is_group() or (
            module.is_abstraction() and getattr(module, "_module_descriptor", None)
        )
        if known and module.pipeline is not None:
            yield from pipelines_of(module.pipeline)


def _packages(pipeline: Any) -> Iterator[str]:
    for module in modules_of(pipeline):
        yield module.package
        for spec in module.db_portSpecs if hasattr(module, "db_portSpecs") else ():
            for item in spec.port_spec_items:
                yield item.package


def _enable(identifiers: Iterable[str]) -> None:
    from parallelflow.host import enable_packages

    missing = []
    for identifier in sorted(identifiers):
        try:
            enable_packages([identifier])
        except PackageMissing as e:
            missing.append(e)
    if missing:
        raise PackagesMissing(missing)


class PackagesMissing(UserMistake):
    """Packages that the workflow needs are missing; one line about each.

    Parameters
    ----------
    missing : list of PackageMissing
        The errors, in the order of the packages' identifiers.
    """

    topic = PackageMissing.topic

    def __init__(self, missing: list[PackageMissing]) -> None:
        self.missing = missing
        super().__init__("\n".join(" ".join(str(e).split()) for e in missing))


def _leaves(error: Any) -> Iterator[Exception]:
    """Yield what an InvalidPipeline consists of, nested ones (of Groups) opened."""
    for e in error.get_exception_set():
        if hasattr(e, "get_exception_set"):
            yield from _leaves(e)
        else:
            yield e
