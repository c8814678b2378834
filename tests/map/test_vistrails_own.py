"""VisTrails' own tests of Control Flow's Map, run with ours in its place."""

from __future__ import annotations

import unittest
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("cluster")


def test_vistrails_own_tests_of_map_pass_with_ours(monkeypatch: Any) -> None:
    from vistrails.packages.controlflow.utils import TestMap

    import parallelflow.loops.evaluation as evaluation
    from parallelflow.loops.map import parallel_maps

    runs = []
    evaluate = evaluation.MapRun.evaluate

    def counted(self: Any) -> Any:
        runs.append(self)
        return evaluate(self)

    monkeypatch.setattr(evaluation.MapRun, "evaluate", counted)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(TestMap)
    with parallel_maps():
        result = unittest.TextTestRunner(verbosity=0).run(suite)
    assert result.wasSuccessful(), result.failures + result.errors
    assert result.testsRun == len(runs) == 3
