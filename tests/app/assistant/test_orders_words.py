"""Numbers, lengths of time and clock times as they are said, and the names that watches get."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenescope.app.assistant.orders import Order, kinds_of, parse_order
from scenescope.app.assistant.orders_fakes import film_context
from scenescope.app.assistant.orders_words import clock_time, duration_s, lexicon, number, plain, position_s
from scenescope.pipelines import STAGES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  Blur\tFACES!! ", "blur faces"),
        ("the detector's confidence", "the detector 's confidence"),
        ("set low_px to -20%", "set low px to -20 percent"),
        ("detect-2, then 0:12; 8:00", "detect 2 , then 0:12 , 8:00"),
        ("10s and 1m30s at 8am", "10 s and 1 m 30 s at 8 am"),
        ("colorize the gray center", "colourise the grey centre"),
        ("don\u2019t", "do not"),
        ("\uff42\uff4c\uff55\uff52", "blur"),
        ("select #3.", "select #3"),
        ("zone A: 3.5 m", "zone a , 3.5 m"),
    ],
)
def test_text_is_made_plain(text: str, words: str) -> None:
    assert plain(text) == words
    assert plain(words) == words


@pytest.mark.parametrize(
    ("words", "value"),
    [("0.5", 0.5), (".5", 0.5), ("-3", -3), ("twelve", 12), ("twenty five", 25), ("ninety", 90), ("a hundred", 100)]
    + [("", None), ("1e9", None), ("0x10", None), ("nan", None), ("inf", None), ("1.2.3", None), ("9" * 30, None)],
)
def test_numbers(words: str, value: float | None) -> None:
    assert number(words) == value


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("10 seconds", 10),
        ("1 minute 30 s", 90),
        ("half a minute", 30),
        ("two and a half minutes", 150),
        ("an hour", 3600),
    ]
    + [("a minute and 5 seconds", 65), ("0.5 s", 0.5), ("one and a half hours", 5400), ("20 ms", 0.02)]
    + [("10", None), ("seconds", None), ("-5 seconds", None), ("ten bananas", None), ("", None)],
)
def test_lengths_of_time(words: str, seconds: float | None) -> None:
    assert duration_s(words) == seconds


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("0:12", 12), ("1:05", 65), ("90:00", 5400), ("1:02:03", 3723), ("0:12.5", 12.5)]
    + [("0:60", None), ("1:60:00", None), ("12", None), ("1:2", None)],
)
def test_positions(words: str, seconds: float | None) -> None:
    assert position_s(words) == seconds


@pytest.mark.parametrize(
    ("words", "time"),
    [("8:00", ("08:00", True)), ("6 pm", ("18:00", True)), ("12 am", ("00:00", True)), ("12 pm", ("12:00", True))]
    + [("noon", ("12:00", True)), ("6", ("06:00", False)), ("24:00", ("00:00", True))]
    + [("25:00", None), ("8:75", None), ("13 pm", None), ("0 am", None), ("soon", None)],
)
def test_clock_times(words: str, time: tuple[str, bool] | None) -> None:
    assert clock_time(words) == time


def test_a_watch_is_called_what_it_waits_for_and_no_two_alike() -> None:
    context = film_context()
    names = []
    for _ in range(3):
        order = parse_order("tell me when a truck enters zone A for me", context)
        assert isinstance(order, Order)
        names.append(order.calls[0][1]["rule"]["name"])
        context = replace(context, watches=(*context.watches, names[-1]))
    assert names == ["A truck enters A", "A truck enters A 2", "A truck enters A 3"]


def test_every_stage_has_names_of_its_own() -> None:
    """A name that two kinds share would be a question every time; a kind without any could hardly be said."""
    kinds = kinds_of()
    builtin = {name for name in STAGES.names() if STAGES.get(name).__module__.startswith("scenescope.")}
    assert set(lexicon().aliases) == builtin
    names = [name for kind in builtin for name in kinds[kind].names]
    assert sorted(names) == sorted(set(names))
    assert all(name == plain(name) for name in names)
    for kind in builtin:
        order = parse_order(f"add {kinds[kind].names[-1]}", film_context())
        assert isinstance(order, Order), kind
        assert order.calls[0][1]["kind"] == kind


def test_the_resource_names_nothing_that_is_not_there() -> None:
    kinds = kinds_of()
    fields = {field for kind in kinds.values() for field in kind.params.model_fields}
    assert set(lexicon().parameters) <= fields
    assert {kind for role in lexicon().roles.values() for kind in role} <= set(kinds)
    for variant in lexicon().variants:
        STAGES.get(variant["kind"]).validated(variant.get("params", {}))
