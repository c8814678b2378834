"""VisTrails' own example of lists: each of its versions on engines as VisTrails runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.map.test_table import same_values
from tests.support.loops import on_engines

pytestmark = pytest.mark.usefixtures("cluster")


def computed(version: str, file: Path) -> tuple[dict[int, Any], dict[int, str]]:
    """Return what each module has on its output ports, and the errors."""
    from vistrails.core.interpreter.cached import CachedInterpreter

    from parallelflow.cli.target import parse
    from parallelflow.cli.workflow import Workflow

    CachedInterpreter.get().flush()
    workflow = Workflow(parse(f"{file}:{version}" if version else str(file)))
    try:
        [result], _ = workflow.controller.execute_current_workflow()
        values = {
            number: {port: v for port, v in module.outputPorts.items() if port != "self"}
            for number, module in result.objects.items()
        }
        return values, {number: error.msg for number, error in result.errors.items()}
    finally:
        workflow.close()


def test_list_handling(vistrails_examples: Path) -> None:
    [file] = vistrails_examples.rglob("list-handling.vt")
    from vistrails.core.db.io import load_vistrail
    from vistrails.core.db.locator import ZIPFileLocator

    vistrail = load_vistrail(ZIPFileLocator(str(file)))[0]
    versions = sorted(vistrail.get_tagMap().values())
    assert versions
    ran = 0
    for version in versions:
        values, errors = computed(version, file)
        with on_engines() as runs:
            ours, our_errors = computed(version, file)
        assert our_errors == errors, version
        assert same_values(ours, values), version
        ran += len(runs)
    assert ran >= 1
