"""Troubleshooting names every error that Parallel Flow raises, in the words it is raised with."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import parallelflow
from parallelflow import troubleshooting
from parallelflow.cli import main
from parallelflow.errors import HEADINGS, STAGES, ControllerFailed, ParallelFlowError
from tests.docs.messages import PREFIX, ROOT, messages, texts

TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SHOWN = [
    line
    for block in re.findall(r"```text\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
]

# Said by other classes in sentences of their own; or bases that nobody meets by name.
NOT_BY_NAME = {"ParallelFlowError"}


def classes(base: type[ParallelFlowError] = ParallelFlowError) -> set[type[ParallelFlowError]]:
    """Return all classes of errors of the package."""
    for module in pkgutil.walk_packages(parallelflow.__path__, "parallelflow."):
        if not re.search(r"\.(gui|standins|__main__|init|guard)\b", module.name):
            importlib.import_module(module.name)
    found = {base}
    for derived in base.__subclasses__():
        found |= classes(derived)
    return {one for one in found if one.__module__.startswith("parallelflow.")}


def test_every_message_that_is_raised_is_there() -> None:
    found = list(messages())
    assert len(found) > 40
    missing = [
        f"{one.place} {one.name}: {one.pattern}"
        for one in found
        if not any(re.match(one.pattern, line) for line in SHOWN)
    ]
    assert not missing, "not in docs/troubleshooting.md:\n" + "\n".join(missing)


def test_no_message_is_there_that_nobody_raises() -> None:
    patterns = [one.pattern for one in messages()]
    # Put together from parts, or VisTrails' own.
    patterns += [r"Element INDEX of TOTAL, INPUT, failed"]
    patterns += [
        r"--set ALIAS: (FILE has no such|VALUE is not a value)",
        r"--params-file FILE: REASON",
    ]
    patterns += [r"FILE: is no VisTrails file", r"(NUMBER \w+ )?did not stop"]  # said, not raised
    patterns += [r"module MODULE failed", r"  (element|input|engine) "]
    patterns += [r"NUMBER of TOTAL elements failed", r"function module suspended"]
    patterns += [r"Uncaught exception creating Constant"]
    patterns += [r"TABLE: (KIND|line NUMBER, column NAME: the cell is empty)\."]
    patterns += [r"PARAMETER: VALUE is not a value of type"]
    patterns += [r"engine ENGINE has not answered"]
    patterns += [r"(PyQt5 lacks|There is no display|Qt cannot open)"]
    left = [line for line in SHOWN if not any(re.match(p, line) for p in patterns)]
    assert not left, "\n".join(left)


# Where a text that is told is put together: at placeholders, signs, and words that vary.
PUT_IN = r"\b[A-Z]{2,}\b|[;.()\n]|\d|\belsewhere\b|\balone, when\b|\belements (?=so short)|\bwas\b"


def test_what_is_told_and_not_raised_is_in_the_source() -> None:
    """Its words between the placeholders: blocks of tildes are of no error's text."""
    said = "\n".join(texts())
    blocks = re.findall(r"~~~text\n(.*?)~~~", TEXT, flags=re.DOTALL)
    parts = [part.strip(" '\":,") for block in blocks for part in re.split(PUT_IN, block)]
    phrases = [part for part in parts if part.count(" ") >= 2]
    assert len(blocks) == TEXT.count("~~~text") >= 10 and len(phrases) > 20
    assert not [phrase for phrase in phrases if phrase not in said]


# Parts of a sentence that others begin, or Python's and VisTrails' own ways of saying it.
PARTS = {
    "ArgumentTypeError", "RemoteFailure", "TypeError", "ValueError", "TimeoutError", "ImportError",
    "ModuleSuspended", "SettingUnavailable", "FolderMissing", "ModuleUnusable", "NoVistrail",
}  # fmt: skip
WITHOUT_A_STOP = r"Invalid output port: |Generator is not allowed here|.*\{'host': 4\}"


def test_errors_are_sentences() -> None:
    """A capital or the name of what it is about comes first, a full stop last."""
    told = [m for m in messages() if m.name not in PARTS]
    assert len(told) > 80
    small = [m for m in told if m.begin[:1].islower() and m.name not in PREFIX]
    small = [m for m in small if not m.begin.startswith("valueForFailed: ")]
    assert not small, "\n".join(f"{m.place}: {m.begin}" for m in small)
    # A text that ends with another one's words ends as that does.
    open_ = [m for m in told if m.end.strip() and not m.end.rstrip().endswith((".", "?"))]
    open_ = [m for m in open_ if not re.match(WITHOUT_A_STOP, m.begin + m.end)]
    assert not open_, "\n".join(f"{m.place}: {m.end}" for m in open_)


def test_every_class_of_errors_is_named() -> None:
    names = {one.__name__ for one in classes()} - NOT_BY_NAME
    assert not {n for n in names if f"`{n}`" not in TEXT and not n.startswith("_")}


def test_each_error_names_a_heading() -> None:
    headings = set(re.findall(r"^#+ (.*)$", TEXT, flags=re.MULTILINE))
    named = {one.topic for one in classes() if one.topic} | set(HEADINGS.values())
    assert len(named) > 20
    assert named <= headings


def test_an_error_tells_where_to_read_more() -> None:
    error = ControllerFailed("it did not start.")
    section = re.search(r"^### The controller could not be started\n\n\*(PF\d+)\*$", TEXT, re.M)
    assert section is not None
    assert error.more == f"More: parallelflow explain {section[1]}"
    assert error.__notes__ == [error.more] and str(error) == "it did not start."
    assert ParallelFlowError("x").more == ""


def test_each_stage_of_an_element_is_explained() -> None:
    for words in STAGES.values():
        assert words.strip(", ") in TEXT


def test_each_section_has_a_code_of_its_own() -> None:
    """A line ``*PF65*`` below a new heading: the next number. A code is never given twice."""
    headings = re.findall(r"^### (.*)$", TEXT, flags=re.MULTILINE)
    sections = troubleshooting.sections()
    assert [section.heading for section in sections] == headings
    assert len({section.code for section in sections}) == len(sections)


def test_a_section_is_explained_at_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for section in troubleshooting.sections():
        assert main(["explain", section.code.lower()]) == 0
        told = capsys.readouterr().out
        assert told.startswith(f"{section.code}  {section.heading}\n\n")
        assert not re.search(r"```|~~~|\]\(|<!--", told), told
    assert main(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(troubleshooting.sections())
    assert main(["explain", "loopback"]) == 0
    assert "The controller could not be started" in capsys.readouterr().out
    assert main(["explain", "PF999"]) == 2
    assert "Nothing is explained under 'PF999'" in capsys.readouterr().err
