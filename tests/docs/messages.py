"""The texts of the errors that Parallel Flow raises, read from its source."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "parallelflow"

# A text is known by so many characters at its beginning; the rest is advice.
ENOUGH = 55

# Errors whose text is put together by their class, whatever is given to it: known by that text.
BY_CLASS = {"NoVersion", "PackageMissing", "PackagesMissing"}
# What these put before the sentence that they are given.
PREFIX = {
    "NoVistrail": "FILE: ",
    "AliasError": "--set ALIAS: ",
    "ParameterError": "PARAMETER: ",
    "TableError": "TABLE: ",
    "ParametersFileError": "--params-file FILE: ",
    "OutputFileError": "OPTION FILE: ",
}
# Classes of errors by their name; VisTrails' own, and the engine's trouble, beside ours.
NAME = re.compile(
    r"(ModuleError|ModuleSuspended|RemoteFailure|TimeoutError|ArgumentTypeError|\w*Failed|\w*Mistake|"
    r"\w*Missing|\w*Lost|\w*NotFound|\w*Un(available|usable|reachable)|ClusterError|"
    r"ProfileError|ProfileBusy|NoEngines|TooManyEngines|StartCancelled|WorkflowInvalid|NoVistrail|"
    r"AliasError|ParameterError|OutputFileError|ParametersFileError|TableError|ExplorationError)"
)


@dataclass(frozen=True)
class Message:
    """The text of one error: where it is raised, and a pattern that its beginning matches.

    ``begin`` and ``end`` are the words at its two ends; empty where those are not known here.
    """

    place: str
    name: str
    pattern: str
    begin: str = ""
    end: str = ""


@functools.cache
def messages() -> tuple[Message, ...]:
    """Return the texts of all errors that are made in the package."""
    return tuple(_messages())


def _messages() -> Iterator[Message]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if "gui" in path.parts:
            continue  # dialogs are asked, not raised
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            # A class that words its own text does so for super().__init__().
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            known = NAME.fullmatch(name) or name == "__init__"
            if path.name in ("api.py", "arguments.py"):
                known = known or name in ("TypeError", "ValueError")
            if path.parent.name == "engine":
                known = known or name == "ImportError"
            if not known or name in BY_CLASS:
                continue
            place = f"{path.relative_to(ROOT)}:{node.lineno}"
            for text in _texts(node):
                patterns = list(filter(None, map(_pattern, _lines(text))))
                ends = _words(text)
                for pattern in patterns:
                    yield Message(place, name, re.escape(PREFIX.get(name, "")) + pattern, *ends)
                if patterns:
                    break


def texts() -> Iterator[str]:
    """Yield all texts in the package's source, on one line, what is put in left out."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            known = [part.value for part in parts if isinstance(part, ast.Constant)]
            yield " ".join("\0".join(map(str, known)).split())


def _texts(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the arguments that are sentences."""
    for argument in call.args:
        if isinstance(argument, ast.JoinedStr) or (
            isinstance(argument, ast.Constant)
            and isinstance(argument.value, str)
            and " " in argument.value
        ):
            yield argument


def _words(text: ast.expr) -> tuple[str, str]:
    """Return what a text begins and ends with, as far as it stands in the source."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    first, last = (
        str(part.value) if isinstance(part, ast.Constant) else "" for part in (parts[0], parts[-1])
    )
    return first, last


def _lines(text: ast.expr) -> list[list[ast.expr]]:
    """Return the parts of each line of a text."""
    lines: list[list[ast.expr]] = [[]]
    for part in text.values if isinstance(text, ast.JoinedStr) else [text]:
        if not isinstance(part, ast.Constant):
            lines[-1].append(part)
            continue
        first, *others = str(part.value).split("\n")
        lines[-1].append(ast.Constant(first))
        lines += [[ast.Constant(other)] for other in others]
    return lines


def _pattern(parts: list[ast.expr]) -> str | None:
    """Return a pattern for the beginning of a line, None if it is nobody's own words."""
    pattern, known = "", 0
    for part in parts:
        if isinstance(part, ast.Constant):
            words = str(part.value)[: ENOUGH - known]
            pattern += re.escape(words)
            known += len(words)
        else:
            pattern += ".*"
        if known >= ENOUGH:
            break
    return pattern if known >= 8 else None
