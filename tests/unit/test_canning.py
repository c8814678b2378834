"""ipyparallel's tables of types, where several threads send for the first time."""

from __future__ import annotations

import subprocess
import sys

SENDING = """
import sys, threading, time
from ipyparallel.serialize import canning
from parallelflow.engine_manager.connection.canning import complete_tables

find = canning.import_item
def find_slowly(name):
    time.sleep(0.05)  # as long as a library takes that is imported
    return find(name)
canning.import_item = find_slowly
errors = []
def send():
    try:
        if sys.argv[1] == "complete":
            complete_tables()
        canning.uncan(canning.can(object()))
    except Exception as e:
        errors.append(repr(e))
threads = [threading.Thread(target=send) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(errors)
"""


def send(how: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", SENDING, how], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_threads_that_send_for_the_first_time_do_not_meet() -> None:
    assert send("as it comes") != "[]", "the fault is gone: this is not needed any more"
    assert send("complete") == "[]"
