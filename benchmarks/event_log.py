"""How fast the event log takes events in, and how soon it answers.

    python benchmarks/event_log.py [--events 1000000] [--rounds 20]

Answers are asked of a log of one long session, a camera in a street; each as often as there are rounds.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _table import alternate, show, spread

from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.log.records import EventQuery, NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.store import EventLog

KINDS = (EventKind.APPEAR, EventKind.VANISH, EventKind.ZONE_ENTER, EventKind.ZONE_LEAVE, EventKind.LINE_CROSS)
LABELS = ("person", "car", "bicycle", "dog", "bus", "truck")
EMBEDDINGS, DIMS = 20_000, 1280
MS = 1e-3


def street(count: int) -> list[LogEvent]:
    """Events of a busy street: twelve a second."""
    rng = random.Random(1)
    places = {
        EventKind.ZONE_ENTER: [{"zone": zone} for zone in ("Pavement", "Crossing")],
        EventKind.ZONE_LEAVE: [{"zone": zone} for zone in ("Pavement", "Crossing")],
        EventKind.LINE_CROSS: [
            {"line": line, "direction": way} for line in ("North", "South") for way in ("in", "out")
        ],
    }
    events = []
    for number in range(count):
        kind, t_s = rng.choice(KINDS), number / 12
        place = rng.choice(places.get(kind, [{}]))
        track_id = number // 20 + rng.randrange(1, 30)
        box = (10.0, 20.0, 110.0, 220.0)
        events.append(
            LogEvent(kind, t_s, number * 2, rng.choice(LABELS), track_id, xyxy=box, wall_s=1.7e9 + t_s, **place)
        )
    return events


def writing(log: EventLog, events: list[LogEvent]) -> int:
    new = NewSession(SessionKind.WATCHED, "street.mp4", (1920, 1080), 25.0)
    rows, first = [], 0
    for title, parts in (
        ("all at once", [events]),
        ("one by one", [(event,) for event in events[: len(events) // 10]]),
    ):
        session_id = log.begin(new)
        first = first or session_id
        count = sum(map(len, parts))
        started, busy = time.perf_counter(), time.process_time()
        for part in parts:
            log.add(session_id, part)
        assert log.flush(3600)
        wall_s, busy_s = time.perf_counter() - started, time.process_time() - busy
        rows.append((title, f"{count:,}", f"{count / wall_s:,.0f}", f"{count / busy_s:,.0f}"))
        if session_id != first:
            log.delete_session(session_id)
    show("Events written to the file", ("", "events", "a second", "a second of one core"), rows)
    return first


def questions(log: EventLog, session_id: int, last_s: float) -> dict[str, Callable[[], object]]:
    crossings = EventQuery(session_id, kinds=(EventKind.LINE_CROSS,), lines=("North",), directions=("in",))
    people = EventQuery(session_id, labels=("person",))
    minute = {"start_s": last_s - 60.3, "end_s": last_s - 0.3}
    most = {"start_s": 100.5, "end_s": last_s - 100.5}

    def with_(query: EventQuery, **more: float) -> EventQuery:
        return EventQuery(**{**{name: getattr(query, name) for name in query.__dataclass_fields__}, **more})

    wanted = np.ones(DIMS, np.float32)
    return {
        "count: all": lambda: log.count(EventQuery(session_id)),
        "count: all, of a range": lambda: log.count(EventQuery(session_id, **most)),
        "count: people": lambda: log.count(people),
        "count: people, of a range": lambda: log.count(with_(people, **most)),
        "count: crossings one way": lambda: log.count(crossings),
        "count: crossings one way, of a range": lambda: log.count(with_(crossings, **most)),
        "count: crossings, last minute": lambda: log.count(with_(crossings, **minute)),
        "count: objects that crossed, last minute": lambda: log.count(with_(crossings, **minute), distinct_tracks=True),
        "count: objects that crossed, ever": lambda: log.count(crossings, distinct_tracks=True),
        "count: by the time of day, a minute": lambda: log.count(
            EventQuery(session_id, wall_start_s=1.7e9 + last_s - 60, wall_end_s=1.7e9 + last_s)
        ),
        "count: of a track": lambda: log.count(EventQuery(session_id, track_ids=(1234,))),
        "count: with a word": lambda: log.count(EventQuery(session_id, text="pavement")),
        "the last 100 events": lambda: log.events(EventQuery(session_id, limit=100, newest_first=True)),
        "the last 100 of people": lambda: log.events(with_(people, limit=100, newest_first=True)),
        "search: bus pavement": lambda: log.search("bus pavement"),
        f"similar, of {EMBEDDINGS:,} pictures": lambda: log.similar(wanted, session_id),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = EventLog(Path(folder) / "events.db")
        events = street(args.events)
        session_id = writing(log, events)
        rng = np.random.default_rng(1)
        for track_id in range(EMBEDDINGS):
            embedding = rng.normal(size=DIMS).astype(np.float32)
            log.add(session_id, tracks=[TrackRecord(track_id, "person", 0.0, 0, 1.0, 1, embedding=embedding)])
        assert log.flush(600)
        asked = questions(log, session_id, events[-1].t_s)
        for ask in asked.values():
            ask()
        seconds = alternate(asked, args.rounds)
        rows = [(name, spread(values, MS, 2)) for name, values in seconds.items()]
        show(f"Answers from {args.events:,} events", ("", "ms, median (least to most)"), rows)
        started = time.perf_counter()
        columns = log.columns(session_id)
        show(
            "For a timeline",
            ("", "s"),
            [(f"{len(columns):,} events as columns", f"{time.perf_counter() - started:.2f}")],
        )
        log.close()


if __name__ == "__main__":
    main()
