"""Python's search for garbage."""

from __future__ import annotations

import subprocess
import sys

LEFT_OUT = """
import gc
from parallelflow.system.collection import leave_start_out
gc.freeze()  # in Python 3.12 some objects are left out from the first moment on
counts = [gc.get_freeze_count()]
kept = []
for _ in range(2):
    kept += [[] for _ in range(1000)]
    leave_start_out()
    counts.append(gc.get_freeze_count())
print(counts[1] - counts[0] >= 1000, counts[2] == counts[1])
"""


def test_the_start_is_left_out_once_whatever_has_been_before() -> None:
    command = [sys.executable, "-c", LEFT_OUT]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "True"]
