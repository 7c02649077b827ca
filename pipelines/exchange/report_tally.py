"""Counts what a report tells while frames come in, in memory that is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from scenescope.models.log_events import LogEvent
from scenescope.pipelines.exchange.report_data import (
    MOST_PLOT_ROWS,
    ClassCount,
    PassageCount,
    Picture,
    Plot,
    PlotRow,
    clock,
    passages,
    plot_of,
)
from scenescope.pipelines.sinks.jsonl import FoundObject

__all__ = ["Moment", "Tally", "shown_events"]

MOST_EVENTS = 500
MOST_GALLERY = 60
MOST_PICTURES_KEPT = 400
BETTER_BY = 1.15
SHORTEST_SLOT_S = 0.25
MOST_SLOTS = 240

Box = tuple[float, float, float, float]


@dataclass
class Moment:
    """A track so far; ``score`` is that of the picture, which is empty when none was kept."""

    labels: Counter[str] = field(default_factory=Counter)
    first_s: float = 0.0
    last_s: float = 0.0
    frames: int = 0
    score: float = 0.0
    confidence: float = 0.0
    jpeg: bytes = b""

    @property
    def label(self) -> str:
        """The class that it had most often; the first in the alphabet of those that are equal."""
        return min(self.labels, key=lambda label: (-self.labels[label], label), default="")

    def picture(self, track_id: int) -> Picture:
        """For the gallery."""
        detail = f"{clock(self.first_s)} to {clock(self.last_s)}, {self.confidence:.0%} sure"
        return Picture(f"{self.label} {track_id}", detail, self.jpeg)


class Tally:
    """What was found, frame by frame, of a source with ``rate_hz`` frames a second, 0 when unknown."""

    def __init__(self, rate_hz: float = 0.0) -> None:
        self.frames = 0
        self.first_s = self.last_s = 0.0
        self.tracks: dict[int, Moment] = {}
        self._with_picture: set[int] = set()
        self._detections: Counter[str] = Counter()
        self._most: Counter[str] = Counter()
        self._slot_s = max(SHORTEST_SLOT_S, 2 / rate_hz if rate_hz else 0.0)
        self._objects_in: dict[str, Counter[int]] = {}
        self._frames_in: Counter[int] = Counter()

    def add(self, pts_s: float, objects: Sequence[FoundObject]) -> list[tuple[int, float, FoundObject]]:
        """Count a frame; gives the tracks that have never been seen so well, with their score and object."""
        if not self.frames:
            self.first_s = pts_s
        self.frames += 1
        self.last_s = pts_s
        here = Counter(one.label for one in objects)
        slot = self._slot(pts_s)
        self._frames_in[slot] += 1
        self._detections.update(here)
        for label, count in here.items():
            self._most[label] = max(self._most[label], count)
            self._objects_in.setdefault(label, Counter())[slot] += count
        return [better for one in objects if one.track_id is not None and (better := self._follow(pts_s, one))]

    def _slot(self, pts_s: float) -> int:
        """The piece of time that a frame falls into; they are made twice as long when there are too many."""
        while (slot := max(int((pts_s - self.first_s) / self._slot_s), 0)) >= MOST_SLOTS:
            self._slot_s *= 2
            self._frames_in = _halved(self._frames_in)
            self._objects_in = {label: _halved(counts) for label, counts in self._objects_in.items()}
        return slot

    def _follow(self, pts_s: float, one: FoundObject) -> tuple[int, float, FoundObject] | None:
        assert one.track_id is not None
        moment = self.tracks.setdefault(one.track_id, Moment(first_s=pts_s))
        moment.labels[one.label] += 1
        moment.last_s = pts_s
        moment.frames += 1
        x1, y1, x2, y2 = one.xyxy
        score = one.confidence * max(x2 - x1, 0.0) ** 0.5 * max(y2 - y1, 0.0) ** 0.5
        return (one.track_id, score, one) if score > moment.score * BETTER_BY else None

    def keep(self, track_id: int, score: float, confidence: float, jpeg: bytes) -> None:
        """Keep the picture of a track; the shortest track loses its own when there are too many."""
        moment = self.tracks[track_id]
        moment.score, moment.confidence, moment.jpeg = score, confidence, jpeg
        self._with_picture.add(track_id)
        if len(self._with_picture) > MOST_PICTURES_KEPT:
            shortest = min(self._with_picture - {track_id}, key=lambda i: (self.tracks[i].frames, -i))
            self._with_picture.discard(shortest)
            self.tracks[shortest].jpeg = b""

    # What came of it ---------------------------------------------------------------------------------------------

    def classes(self) -> tuple[ClassCount, ...]:
        """Every class, those with most objects first."""
        tracks = Counter(moment.label for moment in self.tracks.values())
        order = sorted(self._detections, key=lambda label: (-self._detections[label], label))
        return tuple(ClassCount(label, self._detections[label], self._most[label], tracks[label]) for label in order)

    def gallery(self) -> tuple[Picture, ...]:
        """The longest tracks."""
        with_picture = [(i, moment) for i, moment in self.tracks.items() if moment.jpeg]
        with_picture.sort(key=lambda item: (-item[1].frames, item[0]))
        return tuple(moment.picture(i) for i, moment in sorted(with_picture[:MOST_GALLERY]))

    def presence(self) -> Plot:
        """Objects of every class over time, as the mean of the frames of each piece of time."""
        count = max(self._frames_in, default=0) + 1
        order = sorted(self._detections, key=lambda label: (-self._detections[label], label))
        rows = []
        for label in order[:MOST_PLOT_ROWS]:
            found = self._objects_in[label]
            values = tuple(found[slot] / self._frames_in[slot] if found[slot] else 0.0 for slot in range(count))
            rows.append(PlotRow(label, values, max(values)))
        end_s = self.first_s + count * self._slot_s
        left_out = len(order) - len(rows)
        return Plot("Objects over time", "objects at once", self.first_s, end_s, tuple(rows), left_out)

    @property
    def span_s(self) -> tuple[float, float]:
        """From the first frame to the last."""
        return self.first_s, max(self.last_s, self.first_s)


def _halved(counts: Counter[int]) -> Counter[int]:
    halved: Counter[int] = Counter()
    for slot, count in counts.items():
        halved[slot // 2] += count
    return halved


def shown_events(
    events: Sequence[LogEvent], span_s: tuple[float, float]
) -> tuple[tuple[LogEvent, ...], tuple[PassageCount, ...], Plot]:
    """Of all events those that are listed, the passages, and how many of each kind there were over time."""
    times: dict[str, list[float]] = {}
    for event in events:
        times.setdefault(event.kind.value.replace("_", " "), []).append(event.t_s)
    plot = plot_of("Events over time", "events", times, span_s)
    return tuple(sorted(events, key=lambda event: event.t_s)[:MOST_EVENTS]), passages(events), plot
