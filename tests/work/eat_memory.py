"""A run of which one element takes more memory than there is: ``python -m tests.work.eat_memory``.

Prints the values, the message of the element that has failed, and what happened to engines.
"""

from __future__ import annotations

import time
from typing import Any

from parallelflow.engine.plain_function import plain_function
from parallelflow.engine_manager.engine_pool import EnginePool
from parallelflow.work.policy import ElementPolicy
from parallelflow.work.run import Run
from tests.support.clusters import drive
from tests.support.fake_client import EngineServer, FakeClient

GREEDY = 3


def eat(number: int) -> int:
    """Take memory without an end for one number, none for the others."""
    blocks = []
    while number == GREEDY:
        blocks.append(b"x" * 2**24)
    time.sleep(0.05)
    return number


def main() -> None:
    server = EngineServer()
    client: Any = FakeClient(server)
    pool = EnginePool(replace=lambda engine: client.start_engines(1))
    policy = ElementPolicy(stop_on_error=False)
    run = Run(
        client, plain_function, (eat,), range(10), "t", chunk_size=1, policy=policy, pool=pool
    )
    drive(run)
    client.close()
    server.stop()
    print(run.values)
    print(run.failures[GREEDY].message)
    for _, line in run.progress.trace.events:
        print(line)


if __name__ == "__main__":
    main()
