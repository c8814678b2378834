"""VisTrails' own tests of Control Flow's Map, run with ours in its place."""

from __future__ import annotations

import unittest
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("cluster")


def test_vistrails_own_tests_of_map_pass_with_ours(monkeypatch: Any) -> None:
    from vistrails.packages.controlflow.utils import TestMap

    from parallelflow.loops import activation, choice, folds

    runs = []
    evaluate = folds.evaluate

    def counted(loop: Any) -> Any:
        runs.append(loop)
        return evaluate(loop)

    monkeypatch.setattr(folds, "evaluate", counted)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(TestMap)
    with activation.running(choice.Scope.MAPS):
        result = unittest.TextTestRunner(verbosity=0).run(suite)
    assert result.wasSuccessful(), result.failures + result.errors
    assert result.testsRun == len(runs) == 3
