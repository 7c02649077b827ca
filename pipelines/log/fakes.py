"""Small scenes as frames, for tests of what is kept of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenescope.models import Detections, EventKind, LogEvent, ResultBatch, Texts, Tracks, WithEvents
from scenescope.pipelines.frame import Frame, Image
from scenescope.pipelines.log.records import NewSession, SessionKind
from scenescope.pipelines.source import SourceInfo

__all__ = [
    "CAMERA",
    "DOG",
    "FILE",
    "GREY",
    "LIVE",
    "NAMES",
    "PERSON",
    "RATE_HZ",
    "WATCHED",
    "Row",
    "Telling",
    "event",
    "frame",
    "rows_of",
    "said",
    "texts",
]

RATE_HZ = 10
NAMES = ("person", "dog", "cup")
Row = tuple[int, str, tuple[float, float, float, float]]
PERSON: Row = (1, "person", (10, 30, 30, 60))
DOG: Row = (2, "dog", (90, 60, 110, 80))
FILE = SourceInfo("clip.mp4", (120, 90), RATE_HZ, live=False)
CAMERA = SourceInfo("camera", (120, 90), RATE_HZ, live=True)
WATCHED = NewSession(SessionKind.WATCHED, "clip.mp4", (120, 90), RATE_HZ)
LIVE = NewSession(SessionKind.LIVE, "camera", (120, 90), RATE_HZ)
GREY = np.full((90, 120, 3), 128, np.uint8)


@dataclass(frozen=True, eq=False)
class Telling(ResultBatch, WithEvents):
    """A result with nothing but events."""

    events: tuple[LogEvent, ...] = ()

    def __len__(self) -> int:
        return 0


def event(kind: EventKind, t_s: float, label: str = "", **more: Any) -> LogEvent:
    """An event at a time of the scene's clock."""
    return LogEvent(kind, t_s, round(t_s * RATE_HZ), label, **more)


def rows_of(rows: tuple[Row, ...], tracked: bool = True) -> Detections:
    """Objects of one frame, as a tracker or a detector reports them."""
    columns: dict[str, Any] = {
        "xyxy": np.array([row[2] for row in rows], np.float32),
        "confidence": np.full(len(rows), 0.9),
        "class_id": np.array([NAMES.index(row[1]) for row in rows], int),
        "class_names": NAMES,
    }
    if not tracked:
        return Detections(**columns)
    return Tracks(**columns, track_id=np.array([row[0] for row in rows], int))


def texts(*words: str, coded: bool = False) -> Texts:
    """Texts or codes that are read in one frame."""
    quads = np.array([[[10, 10], [50, 10], [50, 20], [10, 20]]] * len(words), np.float32)
    return Texts(quad_xy=quads, text=words, confidence=np.ones(len(words)), coded=coded)


def frame(
    index: int,
    *results: ResultBatch,
    pts_s: float | None = None,
    image: Image = GREY,
    captured_s: float | None = None,
) -> Frame:
    """A frame at its time on the scene's clock, with results of "stage-0", "stage-1", ..."""
    pts_s = index / RATE_HZ if pts_s is None else pts_s
    made = Frame(image, index, pts_s, pts_s if captured_s is None else captured_s)
    for number, result in enumerate(results):
        made = made.with_result(f"stage-{number}", result)
    return made


def said(events: Iterable[LogEvent]) -> list[tuple[str, float, str]]:
    """Kind, time and label or text of every event, short enough to write down."""
    return [(one.kind.value, round(one.t_s, 3), one.label or one.text) for one in events]
