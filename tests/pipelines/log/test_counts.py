"""Fifty scripted logs: what the log counts is what was put in, whatever is asked, added and taken away again."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.log.fakes import WATCHED
from scenescope.pipelines.log.records import EventQuery

pytestmark = pytest.mark.slow

KINDS = (EventKind.APPEAR, EventKind.VANISH, EventKind.LINE_CROSS, EventKind.TEXT)
LABELS, ZONES, LINES, WORDS = ("person", "dog", ""), ("Door", "Yard", ""), ("Gate", ""), ("in", "out", "")
# Lengths on all scales that the log counts by.
LENGTHS_S = (1.0, 63.0, 200.0, 5_000.0, 100_000.0)


def script(rng: random.Random) -> list[LogEvent]:
    length_s = rng.choice(LENGTHS_S)
    borders = [0.0, 64.0, 128.0, 4096.0, 8192.0, length_s]
    return [
        LogEvent(
            rng.choice(KINDS),
            min(rng.choice(borders), length_s) if rng.random() < 0.2 else rng.random() * length_s - 5.0,
            number,
            rng.choice(LABELS),
            rng.choice((None, 1, 2, 3)),
            rng.choice(ZONES),
            rng.choice(LINES),
            rng.choice(WORDS),
        )
        for number in range(rng.randrange(300))
    ]


def question(rng: random.Random, events: list[LogEvent]) -> EventQuery:
    times = [event.t_s for event in events] or [0.0]

    def some(values):
        return tuple(rng.sample(values, rng.randrange(1, len(values)))) if rng.random() < 0.3 else ()

    def moment():
        return rng.choice([rng.choice(times), rng.uniform(-10, max(times) + 10)]) if rng.random() < 0.6 else None

    return EventQuery(
        kinds=some(KINDS),
        labels=some(LABELS),
        zones=some(ZONES),
        lines=some(LINES),
        directions=some(WORDS),
        track_ids=some((1, 2, 3)) if rng.random() < 0.3 else (),
        start_s=moment(),
        end_s=moment(),
    )


def fits(event: LogEvent, query: EventQuery) -> bool:
    columns = ("kind", "label", "zone", "line", "direction", "track_id")
    wanted = (query.kinds, query.labels, query.zones, query.lines, query.directions, query.track_ids)
    named = all(not words or getattr(event, name) in words for name, words in zip(columns, wanted, strict=True))
    after = query.start_s is None or event.t_s >= query.start_s
    return named and after and (query.end_s is None or event.t_s < query.end_s)


@pytest.mark.parametrize("seed", range(50))
def test_every_count_is_the_true_one(log, seed):
    rng = random.Random(seed)
    truth: dict[int, list[LogEvent]] = {}
    for _ in range(2):
        number = log.begin(WATCHED)
        events = script(rng)
        for at in range(0, len(events), 50):
            log.add(number, events[at : at + 50])
        assert log.flush()
        stored = log.events(EventQuery(number))
        taken = [event for event in stored if rng.random() < 0.2]
        for event in taken:
            log.remove_event(event.id)
        for event in taken[::2]:
            log.restore(event)
        truth[number] = [event for event in stored if event not in taken[1::2]]
    assert log.flush()
    for number, events in truth.items():
        for _ in range(20):
            query = question(rng, events)
            wanted = [event for event in events if fits(event, query)]
            here = replace(query, session_id=number)
            assert log.events(here) == sorted(wanted, key=lambda event: (event.t_s, event.id))
            assert log.count(here) == len(wanted)
            objects = {event.track_id for event in wanted} - {None}
            assert log.count(here, distinct_tracks=True) == len(objects)
            assert log.count(query) == sum(fits(event, query) for part in truth.values() for event in part)
    first, second = truth
    log.delete_session(first)
    assert log.flush()
    assert log.count(EventQuery()) == log.count(EventQuery(second)) == len(truth[second])
