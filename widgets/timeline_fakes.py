"""A street as the event log would keep it: for tests and benchmarks of the timeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines.log.records import EventColumns, NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.store import EventLog

__all__ = ["columns_of", "street", "street_columns", "street_log"]

LABELS = ("person", "car", "bicycle", "dog", "bus", "truck")
SHARES = (0.5, 0.25, 0.1, 0.05, 0.05, 0.05)
RATE_HZ = 25.0
TEXTS = ("CITY BUS 42", "Hauptstraße", "قف", "STOP", "4006381333931")


def street(tracks: int, duration_s: float, seed: int = 1) -> tuple[list[LogEvent], list[TrackRecord]]:
    """People and vehicles that come and go, with zones, a line, texts, marks, cuts and a gap; always the same."""
    rng = np.random.default_rng(seed)
    events: list[LogEvent] = []
    records: list[TrackRecord] = []

    def tell(kind: EventKind, t_s: float, label: str = "", track_id: int | None = None, **more: object) -> None:
        frame = round(t_s * RATE_HZ)
        known: dict[str, object] = {"label": label, "track_id": track_id, "id": len(events) + 1, **more}
        events.append(LogEvent(kind, frame / RATE_HZ, frame, **known))  # type: ignore[arg-type]

    firsts = np.sort(rng.uniform(0, duration_s * 0.97, tracks))
    lengths = rng.exponential(min(duration_s / 20, 12.0), tracks) + 0.4
    labels = rng.choice(len(LABELS), tracks, p=SHARES)
    for number, (first, length, label_code) in enumerate(
        zip(firsts.tolist(), lengths.tolist(), labels.tolist(), strict=True)
    ):
        label, last = LABELS[label_code], min(first + length, duration_s)
        tell(EventKind.APPEAR, first, label, number)
        if rng.random() < 0.4:
            zone = "Pavement" if label in ("person", "dog") else "Crossing"
            tell(EventKind.ZONE_ENTER, first + 0.2 * length, label, number, zone=zone)
            tell(EventKind.ZONE_LEAVE, first + 0.7 * length, label, number, zone=zone)
            if length > 8:
                tell(EventKind.DWELL, first + 0.5 * length, label, number, zone=zone, value=5.0, end_s=last)
        if rng.random() < 0.3:
            tell(EventKind.LINE_CROSS, first + 0.5 * length, label, number, line="Door", direction="in")
        if label == "car" and rng.random() < 0.1:
            tell(EventKind.SPEED, first + 0.3 * length, label, number, value=14.2)
        tell(EventKind.VANISH, last, label, number)
        frames = (round(first * RATE_HZ), round(last * RATE_HZ))
        times = (frames[0] / RATE_HZ, frames[1] / RATE_HZ)
        records.append(TrackRecord(number, label, times[0], frames[0], times[1], frames[1], 0.8, frames[0], times[0]))
    for number, text in enumerate(TEXTS):
        kind = EventKind.CODE if text.isdigit() else EventKind.TEXT
        tell(kind, duration_s * (0.1 + 0.17 * number), text=text)
    for at in (0.22, 0.61, 0.83):
        tell(EventKind.SCENE_CHANGE, duration_s * at, value=0.7)
    tell(EventKind.MARK, duration_s * 0.35, text="look here")
    tell(EventKind.GAP, duration_s * 0.9, value=duration_s * 0.04, end_s=duration_s * 0.94)
    events.sort(key=lambda event: event.t_s)
    return events, records


def columns_of(events: list[LogEvent]) -> EventColumns:
    """Events as the log gives them to a timeline."""
    coded: dict[str, list[int]] = {}
    names: dict[str, tuple[str, ...]] = {}
    for column in ("kind", "label", "zone", "line"):
        words = [str(getattr(event, column)) for event in events]
        names[column] = tuple(dict.fromkeys(words))
        number = {word: at for at, word in enumerate(names[column])}
        coded[column] = [number[word] for word in words]
    return EventColumns(
        id=np.array([event.id or 0 for event in events], np.int64),
        t_s=np.array([event.t_s for event in events], np.float64),
        end_s=np.array([event.t_s if event.end_s is None else event.end_s for event in events], np.float64),
        frame=np.array([event.frame for event in events], np.int64),
        track_id=np.array([-1 if event.track_id is None else event.track_id for event in events], np.int64),
        kind=np.array(coded["kind"], np.int32),
        label=np.array(coded["label"], np.int32),
        zone=np.array(coded["zone"], np.int32),
        line=np.array(coded["line"], np.int32),
        names=names,
    )


def street_columns(least: int, duration_s: float) -> tuple[EventColumns, list[TrackRecord]]:
    """A street with at least so many events."""
    events, records = street(round(least / 2.9), duration_s)
    while len(events) < least:
        events, records = street(len(records) * 2, duration_s)
    return columns_of(events), records


def street_log(path: Path, source: str, tracks: int = 40, duration_s: float = 120.0) -> tuple[EventLog, int]:
    """A log with one complete session of a street, whose objects have grey pictures and embeddings."""
    log = EventLog(path)
    events, records = street(tracks, duration_s)
    session_id = log.begin(NewSession(SessionKind.ANALYSIS, source, (320, 180), RATE_HZ, began_wall_s=1.7e9))
    dressed = []
    for record in records:
        picture = np.full((40, 20 + record.track_id, 3), 5 * record.track_id % 256, np.uint8)
        embedding = np.zeros(8, np.float32)
        embedding[record.track_id % 8] = 1.0
        jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        dressed.append(replace(record, picture_jpeg=jpeg, embedding=embedding))
    log.add(session_id, [replace(event, id=None) for event in events], dressed)
    log.progress(session_id, round(duration_s * RATE_HZ), duration_s)
    log.end(session_id, complete=True)
    assert log.flush()
    return log, session_id
