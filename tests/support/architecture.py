"""Read a package's imports from its source, and find those that break the rules of its layers.

Nothing of it is imported. Imports in functions are read too; they are called *deferred*, because
they can hide a ring of imports from Python. Imports under ``if TYPE_CHECKING`` never run; they
count for the direction between layers, not for rings.
"""

from __future__ import annotations

import ast
import enum
import functools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from parallelflow.system.collection import no_collection


class When(enum.Enum):
    """When an import statement runs."""

    AT_ONCE = "when its module is imported"
    DEFERRED = "when a function is called"
    NEVER = "for type checkers only"


@dataclass(frozen=True)
class Import:
    """One imported module in one import statement, by absolute names."""

    importer: str
    imported: str
    line: int
    when: When

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@dataclass(frozen=True)
class Source:
    """The source of one module."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def package(self) -> str:
        """What its relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @functools.cached_property  # every part of a package is searched for the same ones
    def private_definitions(self) -> frozenset[str]:
        """The private names that it defines."""
        return frozenset(filter(_is_private, _definitions(self.tree)))


def read_sources(folder: Path) -> dict[str, Source]:
    """Return the modules of a package by name.

    Parameters
    ----------
    folder : Path
        The package's folder; its name is the package's.
    """
    with no_collection():  # of a million nodes, all of which stay
        return {
            name: Source(name, path, ast.parse(path.read_text(encoding="utf-8")))
            for name, path in find_modules(folder).items()
        }


def find_modules(folder: Path) -> dict[str, Path]:
    """Return the files of a package by their modules' names; they are not read."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def read_imports(sources: Mapping[str, Source]) -> list[Import]:
    """Return every import of every module, standard library and other packages included.

    ``from package import module`` is an import of the module, not of its package.
    """
    return [
        Import(source.name, imported, node.lineno, when)
        for source in sources.values()
        for node, when in _import_statements(source.tree.body, When.AT_ONCE)
        for imported in _imported_modules(node, source, sources)
    ]


def _import_statements(
    nodes: Iterable[ast.AST], when: When
) -> Iterator[tuple[ast.Import | ast.ImportFrom, When]]:
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, when
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _import_statements(node.body, When.NEVER)
            yield from _import_statements(node.orelse, when)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            deferred = When.NEVER if when is When.NEVER else When.DEFERRED
            yield from _import_statements(ast.iter_child_nodes(node), deferred)
        else:
            yield from _import_statements(ast.iter_child_nodes(node), when)


def _imported_modules(
    node: ast.Import | ast.ImportFrom, source: Source, sources: Mapping[str, Source]
) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parents = source.package.split(".")
        above = parents[: len(parents) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    names = {f"{base}.{alias.name}" for alias in node.names}
    modules = sorted(names & sources.keys())
    yield from modules
    if len(modules) < len(names):
        yield base


# -- rings --------------------------------------------------------------------------


def find_rings(imports: Iterable[Import], when: Collection[When]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others.

    Parameters
    ----------
    imports : iterable of Import
        Of one package.
    when : collection of When
        Which imports count.

    Returns
    -------
    list of list of str
        The members of each group, sorted; empty if there is no ring.
    """
    edges: dict[str, set[str]] = defaultdict(set)
    for each in imports:
        if each.when in when and each.importer != each.imported:
            edges[each.importer].add(each.imported)
    reached = {module: _reachable(module, edges) for module in list(edges)}
    rings = {
        tuple(sorted(other for other in reached[module] if module in reached.get(other, ())))
        for module in reached
        if module in reached[module]
    }
    return sorted(map(list, rings))


def _reachable(start: str, edges: Mapping[str, Collection[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(edges.get(module, ()))
    return reached


# -- layers -------------------------------------------------------------------------


@dataclass(frozen=True)
class Layers:
    """The layers of a package.

    Attributes
    ----------
    package : str
        Its name.
    doors : tuple of str
        Files of its root that others open; nothing in the package imports them.
    rooms : tuple of str
        Folders of its root, from top to bottom: each may import what comes after it.
    shared : tuple of str
        Files and folders of its root that every room may import, from top to bottom. The
        package's own ``__init__`` is above them and below the rooms.
    """

    package: str
    doors: tuple[str, ...]
    rooms: tuple[str, ...]
    shared: tuple[str, ...]

    def part(self, module: str) -> str:
        """Return the room or file of the root a module belongs to; "" for ``__init__``."""
        return module.split(".")[1] if "." in module else ""

    def level(self, part: str) -> int | None:
        """Return how far down a part is, None if the layers do not name it."""
        order = (*reversed(self.shared), "", *reversed(self.rooms), *self.doors)
        try:
            # No door imports another, so that all of them are at one level.
            return min(order.index(part), len(order) - len(self.doors))
        except ValueError:
            return None


def find_upward(imports: Iterable[Import], layers: Layers) -> list[Import]:
    """Return the imports of a part of the package that is not below the importer's.

    Those from or to a part that the layers do not name are not among them;
    `find_unnamed` finds these parts.
    """
    upward = []
    for each in imports:
        if each.imported.partition(".")[0] != layers.package:
            continue
        ours, theirs = layers.part(each.importer), layers.part(each.imported)
        above, below = layers.level(ours), layers.level(theirs)
        if ours != theirs and None not in (above, below) and above <= below:  # type: ignore[operator]
            upward.append(each)
    return upward


def find_unnamed(modules: Iterable[str], layers: Layers) -> list[str]:
    """Return the rooms and files of the root that the layers do not name."""
    parts = {layers.part(module) for module in modules}
    return sorted(part for part in parts if layers.level(part) is None)


def find_foreign(
    imports: Iterable[Import], layers: Layers, library: str, allowed: Sequence[str]
) -> list[Import]:
    """Return the imports of a library by parts of the package that must do without it."""
    return [
        each
        for each in imports
        if each.imported.partition(".")[0] == library
        and each.when is not When.NEVER
        and layers.part(each.importer) not in allowed
    ]


# -- private names ------------------------------------------------------------------


@dataclass(frozen=True)
class PrivateUse:
    """A private name of one file of the package that is used in another."""

    user: str
    line: int
    name: str
    owners: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.user}:{self.line} uses {self.name} of {' or '.join(self.owners)}"


def find_private_uses(
    sources: Mapping[str, Source], users: Mapping[str, Source], libraries: Collection[str] = ()
) -> list[PrivateUse]:
    """Return where a file uses ``other._private`` of a file of the package.

    A name that the using file defines itself is taken for its own, and one that no file of
    the package defines for a library's.

    Parameters
    ----------
    sources : mapping of str to Source
        The package.
    users : mapping of str to Source
        The files that are searched: the package itself, its tests.
    libraries : collection of str
        Names that the package defines too, but that are a library's where they are used.
    """
    owners: dict[str, set[str]] = defaultdict(set)
    for source in sources.values():
        for name in source.private_definitions:
            owners[name].add(source.name)
    found = set()
    for user in users.values():
        for name, line in _private_names_used(user.tree):
            if name in owners and name not in user.private_definitions and name not in libraries:
                found.add(PrivateUse(user.name, line, name, tuple(sorted(owners[name]))))
    return sorted(found, key=lambda use: (use.user, use.line, use.name))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _definitions(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            # `other._name = ...` defines nothing.
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                names.add(node.attr)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname for alias in node.names if alias.asname)
    return names


def _private_names_used(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            yield node.attr, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from (
                (alias.name, node.lineno) for alias in node.names if _is_private(alias.name)
            )
