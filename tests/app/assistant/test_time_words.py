"""Spans of time in words, and what they mean for a film and for a camera."""

from __future__ import annotations

import time

import pytest

from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.place_words import normalised, place_of, way_of
from scenescope.app.assistant.spans import Span, length_words
from scenescope.app.assistant.time_words import Moment, NoSuchTime, Period, duration_s, span_of, split_period
from scenescope.pipelines.log.records import NewSession, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.scene_state import SceneState

WALL_S = time.mktime((2026, 3, 10, 14, 40, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("a minute", 60),
        ("one minute", 60),
        ("five minutes", 300),
        ("twenty five seconds", 25),
        ("half a minute", 30),
        ("half an hour", 1800),
        ("a quarter of an hour", 900),
        ("three quarters of an hour", 2700),
        ("two and a half minutes", 150),
        ("an hour and a half", 5400),
        ("1.5 hours", 5400),
        ("90 s", 90),
        ("90s", 90),
        ("1 min 30 s", 90),
        ("2 hours 5 minutes and 10 seconds", 7510),
        ("forty secs", 40),
        ("minutes", None),
        ("a few minutes", None),
        ("five", None),
        ("5 metres", None),
        ("", None),
    ],
)
def test_lengths(words, seconds):
    assert duration_s(words) == seconds


def at(
    *time_of: float, clock: tuple[int, ...] | None = None, width_s: float = 1.0, clock_width_s: float = 60.0
) -> Moment:
    clock_s = None if clock is None else sum(part * unit for part, unit in zip(clock, (3600, 60, 1), strict=False))
    return Moment(time_of[0] if time_of else None, clock_s, width_s, clock_width_s)


@pytest.mark.parametrize(
    ("said", "period"),
    [
        ("in the last minute", Period(last_s=60)),
        ("within the past five minutes", Period(last_s=300)),
        ("the last 10 seconds", Period(last_s=10)),
        ("since two minutes ago", Period(last_s=120)),
        ("since 0:30", Period(start=at(30, clock=(0, 30)))),
        ("after 1:02:03.5", Period(start=at(3723.5, width_s=0.1, clock_width_s=1))),
        ("since 14:30", Period(start=at(870, clock=(14, 30)))),
        ("since 14:30:15", Period(start=at(52215, clock=(14, 30, 15), clock_width_s=1))),
        ("since 2 pm", Period(start=at(clock=(14,)))),
        ("since 2:30 p.m.", Period(start=at(clock=(14, 30)))),
        ("since noon", Period(start=at(clock=(12,)))),
        ("since 61:00", Period(start=at(3660))),
        ("before 0:05", Period(end=at(5, clock=(0, 5)))),
        ("between 0:10 and 0:20", Period(start=at(10, clock=(0, 10)), end=at(20, clock=(0, 20)))),
        ("from 0:10 to 0:20", Period(start=at(10, clock=(0, 10)), end=at(20, clock=(0, 20)))),
        ("between 10 and 20 seconds", Period(start=at(10), end=at(20))),
        ("in the first half minute", Period(start=at(0), end=at(30))),
        ("at 0:12", Period(at=at(12, clock=(0, 12)))),
        ("at 0:12.4", Period(at=at(12.4, width_s=0.1))),
        ("at second 12", Period(at=at(12))),
        ("at minute three", Period(at=at(180, width_s=60))),
        ("today", Period(today=True)),
        ("so far", Period(so_far=True)),
        ("in the whole video", Period()),
        ("since 0:75", None),
        ("since 25 pm", None),
        ("in the last few minutes", None),
        ("in the last 0 minutes", None),
        ("yesterday", None),
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_periods(said, period, before):
    text = normalised(f"{said} what happened" if before else f"what happened {said}")
    assert [found for rest, found in split_period(text) if rest == "what happened"] == (
        [] if period is None else [period]
    )


@pytest.fixture
def log(tmp_path):
    log = EventLog(tmp_path / "events.db")
    yield log
    log.close()


def knowledge(log: EventLog, now_s: float, *, live: bool) -> Knowledge:
    session_id = log.begin(NewSession(SessionKind.LIVE if live else SessionKind.WATCHED, "source"))
    scene = SceneState(live=live, frame_index=1, pts_s=now_s, captured_s=10.0)
    return Knowledge(lambda: scene, log, lambda: session_id, wall_clock=lambda: WALL_S, monotonic=lambda: 10.0)


def spanned(knowledge: Knowledge, said: str) -> Span:
    ((_, period),) = [
        found for found in split_period(normalised(f"what happened {said}")) if found[0] == "what happened"
    ]
    return span_of(period, knowledge)


@pytest.mark.parametrize(
    ("said", "start_s", "end_s", "words"),
    [
        ("in the last 2 minutes", 1880, 2000, "in the last 2 minutes"),
        ("since 0:30", 30, 2000, "since 0:30.0"),
        ("since 14:30", 870, 2000, "since 14:30.0"),
        ("between 0:20 and 0:10", 10, 20, "between 0:10.0 and 0:20.0"),
        ("at 0:12", 12, 13, "at 0:12.0"),
        ("at 0:12.4", 12.4, 12.5, "at 0:12.4"),
        ("before 1:00", None, 60, "before 1:00.0"),
        ("so far", None, 2000, "so far"),
        ("in the whole film", None, None, ""),
    ],
)
def test_spans_of_a_film(log, said, start_s, end_s, words):
    assert spanned(knowledge(log, 2000.0, live=False), said) == Span(
        start_s, end_s if end_s is None else pytest.approx(end_s, abs=1e-5), words
    )


@pytest.mark.parametrize(
    ("said", "ago_s", "until_ago_s", "words"),
    [
        ("in the last 2 minutes", 120, 0, "in the last 2 minutes"),
        ("since 14:30", 600, 0, "since 14:30"),
        ("since 2 pm", 2400, 0, "since 14:00"),
        ("since 14:39:50", 10, 0, "since 14:39:50"),
        ("since 15:00", 24 * 3600 - 1200, 0, "since 15:00"),
        ("between 14:30 and 14:35", 600, 300, "between 14:30 and 14:35"),
        ("between 23:50 and 0:10", 14 * 3600 + 3000, 14 * 3600 + 1800, "between 23:50 and 0:10"),
        ("at 14:30", 600, 540, "at 14:30"),
        ("today", 14 * 3600 + 2400, 0, "today"),
        ("since midnight", 14 * 3600 + 2400, 0, "since 0:00"),
    ],
)
def test_spans_of_a_camera_are_by_its_clock_as_it_shows_now(log, said, ago_s, until_ago_s, words):
    span = spanned(knowledge(log, 2000.0, live=True), said)
    assert span.words == words
    assert span.start_s == pytest.approx(2000 - ago_s, abs=1e-3)
    assert span.end_s == pytest.approx(2000 - until_ago_s, abs=1e-3)


@pytest.mark.parametrize("said", ["today", "since 2 pm", "since noon", "since 61:00", "between 0:10 and 0:10"])
def test_what_makes_no_sense_for_a_film_is_said(log, said):
    with pytest.raises(NoSuchTime, match=r"^[A-Z0-9].*\.$"):
        spanned(knowledge(log, 2000.0, live=False), said)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "second"), (30, "30 seconds"), (60, "minute"), (300, "5 minutes"), (3600, "hour"), (90, "90 seconds"),
     (7200, "2 hours"), (0.5, "0.5 seconds"), (90.5, "1 min 30.5 s")],
)  # fmt: skip
def test_lengths_in_words(seconds, words):
    assert length_words(seconds) == words


@pytest.mark.parametrize(
    ("phrase", "names", "unknown"),
    [
        ("zone a", ["A"], ""),
        ("the a zone", ["A"], ""),
        ("a zone", [], ""),
        ("the zone", [], ""),
        ("any zone", [], ""),
        ("a", ["A"], ""),
        ("the loading bay", ["Loading bay"], ""),
        ("loading bay zone", ["Loading bay"], ""),
        ("zone 3", ["zone 3"], ""),
        ("the pit", ["The pit"], ""),
        ("zone c", [], "c"),
        ("loadin bay", [], "loadin bay"),
        ("love", None, ""),
    ],
)
def test_zones_by_name(phrase, names, unknown):
    place = place_of(phrase, ("A", "Loading bay", "The pit", "zone 3"), "zone")
    assert (None if place is None else list(place.names)) == names
    assert names is None or place.unknown == unknown


@pytest.mark.parametrize(
    ("phrase", "way"),
    [
        ("in", "in"),
        ("inside", "in"),
        ("outwards", "out"),
        ("to the north", "North"),
        ("northwards", "North"),
        ("up", None),
    ],
)
def test_directions_by_name(phrase, way):
    assert way_of(phrase, ("in", "out", "North", "South")) == way


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("At 0:12.4, yes!", "at 0:12.4 and yes"),
        ("the T.V. is on", "the tv is on"),
        ("1.5 minutes.", "1.5 minutes"),
        ("at 2 p.m.", "at 2 pm"),
        ("zone: 'A'", "zone a"),
        ("#3", "#3"),
    ],
)
def test_punctuation_of_numbers_stays(text, plain):
    assert normalised(text) == plain
