"""How long a server may take, and when it is left alone."""

from __future__ import annotations

import asyncio

import pytest

from scenescope.models.language.server.failures import ServerFailure, Trouble
from scenescope.models.language.server.limits import Breaker, Limits, paced, retry_after_s

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("3", 3.0),
        (" 2.5 ", 2.5),
        ("0", 0.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("Tue, 99 Nov 2023 22:00:00 GMT", None),
        ("soon", None),
        ("-1", None),
        ("1e9", None),
        ("nan", None),
        ("inf", None),
        ("٣", None),
        ("1.2.3", None),
        ("9" * 101, None),
    ],
)
def test_retry_after(header, seconds):
    assert retry_after_s(header, lambda: NOW) == seconds


def test_breaker():
    now = [0.0]
    breaker = Breaker(Limits(max_failures=3, rest_s=30.0), lambda: now[0])
    breaker.failed()
    breaker.failed()
    assert breaker.rests_s == 0
    breaker.succeeded()
    assert breaker.failures == 0
    for _ in range(3):
        breaker.failed()
    assert breaker.rests_s == 30.0
    now[0] = 12.5
    assert breaker.rests_s == 17.5
    now[0] = 30.0
    assert breaker.rests_s == 0
    breaker.failed()
    assert breaker.rests_s == 30.0
    breaker.succeeded()
    assert breaker.rests_s == 0


def test_the_limits_of_the_specification():
    limits = Limits()
    assert (limits.connect_s, limits.first_token_s, limits.between_tokens_s, limits.total_s) == (3.0, 30.0, 15.0, 90.0)
    assert limits.max_failures == 3


async def read(events, limits, is_token, seen):
    async for event in paced(events, limits, is_token):
        seen.append(event)


def too_slow(events, limits, is_token=None):
    """What came before the limit, and the sentence about it."""
    seen = []
    with pytest.raises(ServerFailure) as caught:
        asyncio.run(read(events, limits, is_token, seen))
    assert caught.value.trouble is Trouble.SLOW
    assert caught.value.hint
    return seen, caught.value.user_message


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(first_token_s=0.05), "did not begin to answer within 0.05 s"),
        (Limits(total_s=0.05), "not finished after 0.05 s"),
    ],
)
def test_what_is_no_word_does_not_count_as_a_beginning(limits, sentence):
    async def pings():
        while True:
            await asyncio.sleep(0.001)
            yield "ping"

    seen, message = too_slow(pings(), limits, lambda event: event == "word")
    assert seen
    assert sentence in message


def test_a_silence_between_words():
    closed = []

    async def words():
        try:
            yield "word"
            await asyncio.sleep(3600)
            yield "word"
        finally:
            closed.append(True)

    seen, message = too_slow(words(), Limits(between_tokens_s=0.05), bool)
    assert seen == ["word"]
    assert message == "The server fell silent in the middle of its answer, for 0.05 s."
    assert closed


def test_the_time_of_the_reader_is_not_counted():
    async def words():
        yield "word"
        yield "word"

    async def slow_reader():
        async for _ in paced(words(), Limits(between_tokens_s=0.02), bool):
            await asyncio.sleep(0.1)

    asyncio.run(slow_reader())


def test_a_turn_without_words_has_the_total_alone():
    async def turn():
        yield 1
        await asyncio.sleep(0.05)
        yield 2

    seen = []
    asyncio.run(read(turn(), Limits(first_token_s=0.01, between_tokens_s=0.01), None, seen))
    assert seen == [1, 2]


def test_a_timeout_of_the_source_is_its_own():
    async def broken():
        yield 1
        raise TimeoutError("of something else")

    with pytest.raises(TimeoutError, match="something else"):
        asyncio.run(read(broken(), Limits(), None, []))
