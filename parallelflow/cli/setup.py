"""``parallelflow setup``: ask, write, try."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from typing import Any

from parallelflow.engine_manager.system.profiles import check_name
from parallelflow.errors import UserMistake
from parallelflow.findings import FINE, TO_DO
from parallelflow.profile_setup.answers import (
    Answers,
    Question,
    questions_for,
    read_answer,
    shown,
    suggested,
)
from parallelflow.profile_setup.profile_files import Written, read_answers, write_answers
from parallelflow.profile_setup.trial import try_setup

from .cluster import TellingTerminal
from .exits import Exit
from .finding_lines import finding_lines, terminal_columns
from .messages import tell
from .setup_parser import ANSWERS
from .start_display import StartDisplay
from .streams import is_terminal

__all__ = ["set_up"]

# What a user types to leave a question empty that has an answer from before.
NOTHING = "-"


def set_up(options: Namespace) -> int:
    """Set a profile up, and try it if that is asked for.

    Parameters
    ----------
    options : Namespace
        As `parallelflow.cli.setup_parser` makes it.

    Returns
    -------
    int
        The exit code: 1 if the test has found something to do.

    Raises
    ------
    ParallelFlowError
        If it cannot be done.
    """
    profile = check_name(options.profile or options.launcher)
    before = read_answers(profile)
    if before is not None and before.launcher != options.launcher:
        before = None
    given = _given(options)
    if not (options.test and before is not None and not given):
        answers = _answers(options.launcher, given, before)
        written = write_answers(profile, answers)
        if not options.quiet:
            _show(profile, options, written)
            sys.stdout.flush()
        for line in written.hidden:
            tell(line)
    return _test(profile, options) if options.test else Exit.OK


# -- the answers -----------------------------------------------------------------------------


def _given(options: Namespace) -> dict[str, Any]:
    """Return the answers that options have given."""
    asked = {question.name for question in questions_for(options.launcher)}
    given = {}
    for name, option in ANSWERS.items():
        text = getattr(options, name)
        if text is None:
            continue
        if name not in asked:
            raise UserMistake(f"{option} is nothing that {options.launcher} is asked for.")
        given[name] = read_answer(name, ", ".join(text) if isinstance(text, list) else text)
    return given


def _answers(launcher: str, given: dict[str, Any], before: Answers | None) -> Answers:
    """Return all answers: by options, by the last time's, by questions at a terminal."""
    asks = is_terminal(sys.stdin) and is_terminal(sys.stderr)
    found = dict(given)
    for question in questions_for(launcher):
        if question.name in given:
            continue
        default = shown(question.name, getattr(before, question.name, None))
        default = default or suggested(question.name)
        if asks:
            found[question.name] = _ask(question, default)
            continue
        found[question.name] = read_answer(question.name, default)
        if question.needed and not found[question.name]:
            option = ANSWERS[question.name]
            raise UserMistake(f"{option} is needed: {question.title.lower()}, {question.hint}.")
    return Answers(launcher, **found)


def _ask(question: Question, default: str) -> Any:
    """Ask until there is an answer that can be meant."""
    leave = f"; {NOTHING} for none" if default and not question.needed else ""
    while True:
        tell_prompt(
            f"{question.title} ({question.hint}{leave}){f' [{default}]' if default else ''}: "
        )
        try:
            text = input().strip()
        except EOFError:
            tell_prompt("\n")
            raise UserMistake(
                "The questions were not answered to the end: nothing was written."
            ) from None
        try:
            answer = read_answer(question.name, "" if text == NOTHING else text or default)
        except UserMistake as e:
            tell(str(e))
            continue
        if answer or not question.needed:
            return answer
        tell(f"{question.title}: this cannot be left empty.")


def tell_prompt(text: str) -> None:
    """Write what stands before an answer: standard output is for what was done."""
    sys.stderr.write(text)
    sys.stderr.flush()


def _show(profile: str, options: Namespace, written: Written) -> None:
    if written.files:
        print(f"profile {profile} is set up for {options.launcher}:")
        for path in written.files:
            print(f"  {path}")
    else:
        print(f"profile {profile} was set up so already")
    if not options.test:
        print(f"to try it:  parallelflow setup {options.launcher} --profile {profile} --test")
        print(f"to use it:  parallelflow start --profile {profile} -n 4")


# -- the test --------------------------------------------------------------------------------


def _test(profile: str, options: Namespace) -> int:
    columns, missing = terminal_columns(), 0
    with StartDisplay(sys.stderr, options) as display:
        terminal = TellingTerminal()
        found = try_setup(profile, options.launcher, display.show, interaction=terminal)
        with contextlib.closing(found) as findings:  # what was started ends with it
            for finding in findings:
                missing += finding.state == TO_DO
                if options.quiet and finding.state == FINE:
                    continue
                display.clear()
                print(*finding_lines(finding, columns), sep="\n", flush=True)
    if not missing and not options.quiet:
        print(f"It works: parallelflow start --profile {profile} -n 4")
    return Exit.FAILED if missing else Exit.OK
