"""asyncio within a running event loop, as in an element on an engine."""

from __future__ import annotations

import asyncio
import warnings

import pytest

from parallelflow.engine.event_loops import no_event_loop


async def twice(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


def test_a_loop_may_be_run_within_one_that_is_left_as_it_was() -> None:
    async def engine() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for _ in range(2):
            with no_event_loop():
                with pytest.raises(RuntimeError):
                    asyncio.get_running_loop()
                assert asyncio.run(twice(2)) == 4
                own = asyncio.new_event_loop()
                assert own.run_until_complete(twice(3)) == 6
                own.close()
            assert asyncio.get_running_loop() is loop and asyncio.current_task() is task
            assert asyncio.get_event_loop() is loop
            await asyncio.sleep(0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(engine())


def test_without_a_loop_nothing_changes() -> None:
    with no_event_loop():
        assert asyncio.run(twice(2)) == 4
