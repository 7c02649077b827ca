"""An asynchronous answer as an iterator: it always ends, can be stopped at any time, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from scenescope.models.errors import AssistantError
from scenescope.models.language import Done, Failed, TextDelta
from scenescope.models.language.server.running import STOPPED, run_async


def events(run):
    return list(run)


def test_events_come_in_order_and_the_thread_ends():
    async def answer():
        for word in ("a", "b"):
            await asyncio.sleep(0)
            yield TextDelta(word)
        yield Done()
        yield TextDelta("never")

    run = run_async(answer)
    assert events(run) == [TextDelta("a"), TextDelta("b"), Done()]
    assert events(run) == []
    assert "answer" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (AssistantError("It broke.", hint="Mend it."), Failed("It broke.", "Mend it.")),
        (KeyError("x"), "KeyError"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_what_is_raised_is_explained(error, told):
    async def answer():
        yield TextDelta("a")
        raise error

    first, last = events(run_async(answer))
    assert first == TextDelta("a")
    assert isinstance(last, Failed)
    assert last == told if isinstance(told, Failed) else told in last.message
    assert last.hint
    assert not last.cancelled


def test_an_answer_without_an_end_has_failed():
    async def answer():
        yield TextDelta("a")

    assert isinstance(events(run_async(answer))[-1], Failed)


def test_what_makes_the_answer_may_raise():
    def make():
        raise AssistantError("No library.", hint="Install it.")

    assert events(run_async(make)) == [Failed("No library.", "Install it.")]


def test_what_is_raised_after_the_end_is_not_heard():
    async def answer():
        try:
            yield Done()
        finally:
            raise KeyError("late")

    assert events(run_async(answer)) == [Done()]


def test_cancel_while_it_waits_lets_the_answer_clean_up():
    waiting, cleaned = threading.Event(), threading.Event()

    async def answer():
        try:
            waiting.set()
            await asyncio.sleep(3600)
            yield Done()
        finally:
            cleaned.set()

    run = run_async(answer)
    threading.Thread(target=lambda: (waiting.wait(), run.cancel())).start()
    assert events(run) == [STOPPED]
    assert cleaned.wait(2.0)


def test_cancel_does_not_wait_for_a_call_that_does_not_come_back():
    inside, release = threading.Event(), threading.Event()

    async def answer():
        inside.set()
        release.wait(10)  # as a library that blocks the event loop would
        yield Done()

    run = run_async(answer)
    threading.Thread(target=lambda: (inside.wait(), run.cancel())).start()
    began = time.monotonic()
    assert next(run) == STOPPED
    assert time.monotonic() - began < 2.0
    release.set()
    run.close()


def test_cancel_before_it_begins_starts_nothing():
    begun = []

    async def answer():
        begun.append(True)
        yield Done()

    run = run_async(answer)
    run.cancel()
    assert events(run) == [STOPPED]
    assert not begun


def test_events_that_were_not_read_yet_are_not_given_after_cancel():
    told = threading.Event()

    async def answer():
        for _ in range(5):
            yield TextDelta("a")
        told.set()
        await asyncio.sleep(3600)

    run = run_async(answer)
    assert next(run) == TextDelta("a")
    assert told.wait(2.0)
    run.cancel()
    run.cancel()
    assert events(run) == [STOPPED]


def test_closing_is_safe_at_any_time_and_twice():
    async def answer():
        yield TextDelta("a")
        await asyncio.sleep(3600)

    unstarted = run_async(answer)
    unstarted.close()
    run = run_async(answer)
    next(run)
    run.close()
    run.close()
    assert events(run) == []


def test_tasks_that_the_answer_leaves_behind_are_ended():
    ended = threading.Event()

    async def forgotten():
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def answer():
        asyncio.get_running_loop().create_task(forgotten()).set_name("forgotten")
        await asyncio.sleep(0)
        yield Done()

    assert events(run_async(answer)) == [Done()]
    assert ended.wait(2.0)
