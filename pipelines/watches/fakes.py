"""Made-up scenes for tests of watches: who is where and when, as a tracker would tell it, and what is then told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenescope.models import Detections, Tracks
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.log.fakes import FILE
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.stage import StageContext
from scenescope.pipelines.stages.track.zones import Zones
from scenescope.pipelines.watches.book import WatchBook
from scenescope.pipelines.watches.rule import WatchRule
from scenescope.pipelines.watches.sink import WatchHit, WatchSink
from scenescope.pipelines.zones.model import ZoneSet

__all__ = ["LABELS", "RATE_HZ", "SIZE_WH", "Watcher", "Who", "said", "scene", "with_zones"]

RATE_HZ = 10
SIZE_WH = (400, 300)
LABELS = ("person", "dog", "truck")


@dataclass(frozen=True)
class Who:
    """An object that stands at a place from one time to another, both in seconds, the end excluded.

    Attributes:
        label: one of :data:`LABELS`.
        start_s, end_s: when it is there.
        xy: where it stands, in pixels.
        number: of its track; the next one from ``switch_s`` on.
        missing: shares of its time in which the detector does not see it, as (start_s, end_s).
        bgr: its colour.
        to_xy: where it stands at the end; it goes there in a straight line.
    """

    label: str
    start_s: float
    end_s: float
    xy: tuple[float, float] = (100, 100)
    number: int = 1
    switch_s: float = float("inf")
    missing: tuple[tuple[float, float], ...] = ()
    bgr: tuple[int, int, int] = (128, 128, 128)
    to_xy: tuple[float, float] | None = None

    def box_at(self, t_s: float) -> tuple[float, float, float, float] | None:
        """Its box of 40 x 40 pixels, standing on its lower side; None while it is not seen."""
        if not self.start_s <= t_s < self.end_s or any(begin <= t_s < end for begin, end in self.missing):
            return None
        (x, y), (to_x, to_y) = self.xy, self.to_xy or self.xy
        part = (t_s - self.start_s) / (self.end_s - self.start_s)
        x, y = x + part * (to_x - x), y + part * (to_y - y)
        return x - 20, y - 40, x + 20, y


def scene(
    cast: Sequence[Who],
    seconds: float,
    *,
    tracked: bool = True,
    blind: tuple[tuple[float, float], ...] = (),
    rate_hz: float = RATE_HZ,
) -> list[Frame]:
    """All frames; while ``blind``, no stage reports objects."""
    frames = []
    for index in range(round(seconds * rate_hz)):
        t_s = index / rate_hz
        image = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
        rows = []
        for who in cast:
            box = who.box_at(t_s + 1e-9)
            if box is not None:
                x1, y1, x2, y2 = (max(round(value), 0) for value in box)
                image[y1:y2, x1:x2] = who.bgr
                rows.append((who.number + (t_s >= who.switch_s), LABELS.index(who.label), box))
        frame = Frame(image, index, t_s, t_s)
        if not any(begin <= t_s < end for begin, end in blind):
            columns: dict[str, Any] = {
                "xyxy": np.array([row[2] for row in rows], np.float32),
                "confidence": np.full(len(rows), 0.9),
                "class_id": np.array([row[1] for row in rows], int),
                "class_names": LABELS,
            }
            numbers = np.array([row[0] for row in rows], int)
            found = Tracks(**columns, track_id=numbers) if tracked else Detections(**columns)
            frame = frame.with_result("track", found)
        frames.append(frame)
    return frames


def with_zones(frames: Iterable[Frame], shapes: ZoneSet) -> list[Frame]:
    """The frames with what a stage for zones and lines makes of them, in this order."""
    stage = Zones(Zones.Params(shapes=shapes))
    stage.context = StageContext("zones", RATE_HZ)
    stage.open(stage.context)
    return [stage.process(frame) for frame in frames]


class Watcher:
    """A sink with its book, and the hits that it told.

    Args:
        rules: what is watched for.
        info: the source.
    """

    def __init__(self, *rules: WatchRule, info: SourceInfo = FILE) -> None:
        self.hits: list[WatchHit] = []
        self.book = WatchBook()
        for rule in rules:
            self.book.put(rule)
        self.wall_s = 1_800_000_000.0
        self.sink = WatchSink(self.book, self.hits.append, wall_clock=lambda: self.wall_s, monotonic=lambda: 0.0)
        self.sink.open(info)

    def see(self, frames: Iterable[Frame]) -> list[WatchHit]:
        """What is told of these frames."""
        before = len(self.hits)
        for frame in frames:
            self.sink.write(frame)
        return self.hits[before:]


def said(hits: Iterable[WatchHit]) -> list[tuple[str, float]]:
    """Rule and time of every hit."""
    return [(hit.rule.name, round(hit.pts_s, 3)) for hit in hits]
