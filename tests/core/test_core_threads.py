# SPDX-License-Identifier: Apache-2.0
"""Steps that block: the loop's threads that hang hold nobody up at the end, and those that come to their end may."""

from __future__ import annotations

import asyncio
import threading

from isthmus.core.threads import Threads


def test_a_loop_ends_though_a_thread_of_it_hangs() -> None:
    thaw, hanging = threading.Event(), list[threading.Thread]()

    async def work() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def hang() -> None:
            hanging.append(threading.current_thread())
            loop.call_soon_threadsafe(begun.set)
            thaw.wait()

        loop.set_default_executor(Threads(4, "test"))
        step = asyncio.create_task(asyncio.to_thread(hang))
        await begun.wait()
        step.cancel()
        await asyncio.wait((step,))

    try:
        asyncio.run(work())
        assert hanging[0].is_alive()
    finally:
        thaw.set()
        hanging[0].join()


def test_a_step_that_comes_to_its_end_soon_is_waited_for() -> None:
    begun, soon, ended = threading.Event(), threading.Event(), threading.Event()

    def take_a_while() -> None:
        begun.set()
        soon.wait()
        ended.set()

    threads = Threads(4, "test")
    threads.submit(take_a_while)
    begun.wait()
    soon.set()
    threads.shutdown()
    assert ended.is_set()
