"""`fa.num_threads` holds for the context that enters it: numpy 9444 is what becomes of one that does not."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest

import fastact as fa


@pytest.fixture(autouse=True)
def nine():
    """What holds outside of every block."""
    fa.set_num_threads(9)


def test_two_tasks_do_not_see_each_other():
    async def task(count: int, first: asyncio.Event, second: asyncio.Event) -> list[int]:
        with fa.num_threads(count):
            first.set()
            await second.wait()
            inside = fa.get_num_threads()
        return [inside, fa.get_num_threads()]

    async def both() -> list[list[int]]:
        one, two = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(task(2, one, two), task(3, two, one))

    assert asyncio.run(both()) == [[2, 9], [3, 9]]
    assert fa.get_num_threads() == 9


def test_a_task_that_was_started_in_the_block_keeps_its_count():
    async def count() -> int:
        await asyncio.sleep(0)
        return fa.get_num_threads()

    async def main() -> tuple[int, int]:
        with fa.num_threads(2):
            task = asyncio.create_task(count())
        return await task, fa.get_num_threads()

    assert asyncio.run(main()) == (2, 9)


def within(count: int):
    with fa.num_threads(count):
        yield fa.get_num_threads()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_generators_that_end_in_any_order_leave_nothing_behind(order):
    generators = within(2), within(3)
    assert [next(generator) for generator in generators] == [2, 3]
    for which in order:
        generators[which].close()
        if which != order[-1]:
            assert fa.get_num_threads() == (2, 3)[1 - which]
    assert fa.get_num_threads() == 9


@pytest.mark.parametrize("within_copy", [False, True], ids=["threads context", "copied context"])
def test_an_exit_in_another_thread_ends_it_where_it_was_entered(within_copy):
    block = fa.num_threads(2)
    block.__enter__()
    assert fa.get_num_threads() == 2
    leave = contextvars.copy_context().run if within_copy else lambda call, *args: call(*args)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(leave, block.__exit__, None, None, None).result()
    assert fa.get_num_threads() == 9


def test_a_thread_has_its_own():
    with fa.num_threads(2), ThreadPoolExecutor(1) as pool:
        assert pool.submit(fa.get_num_threads).result() == 9


def test_one_block_may_be_entered_again():
    block = fa.num_threads(2)
    with block:
        with block:
            assert fa.get_num_threads() == 2
        assert fa.get_num_threads() == 2
    assert fa.get_num_threads() == 9


def test_it_decorates_a_function():
    @fa.num_threads(2)
    def inside() -> int:
        return fa.get_num_threads()

    assert (inside(), fa.get_num_threads()) == (2, 9)
