"""EventSpotter: turns frames into events for the log, the same ones for the same frames."""

from __future__ import annotations

import statistics
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from scenescope.models import Detections, EventKind, LogEvent, Texts, WithEvents
from scenescope.pipelines.frame import Frame, Result
from scenescope.pipelines.scene import SceneObserver
from scenescope.pipelines.scene_state import SceneEvent, SceneEventKind, clean_text
from scenescope.pipelines.source import SourceInfo

__all__ = ["EventSpotter", "Present", "ToldByStages"]

# Longer than any code can be: the largest QR code holds 4,296 characters.
MAX_TEXT_CHARS = 5000
FORGET_TEXT_S = 3.0
GAP_S = 1.0
# A source that is slow all along has no gaps: a gap is longer than so many of its usual steps.
GAP_STEPS = 4
EPSILON_S = 1e-6

Box = tuple[float, float, float, float]

_KINDS = {SceneEventKind.APPEARED: EventKind.APPEAR, SceneEventKind.VANISHED: EventKind.VANISH}


@dataclass(frozen=True)
class Present:
    """An object that is in the scene; ``xyxy`` in pixels of the source picture, when it was last seen.

    ``first_s``, ``first_frame``: since when; ``colour`` is a name, "" when it is not known.
    """

    label: str
    track_id: int | None
    xyxy: Box
    last_s: float
    last_frame: int
    first_s: float = 0.0
    first_frame: int = 0
    colour: str = ""


class ToldByStages:
    """Takes events over from results that carry them, each result once however many frames it comes with."""

    def __init__(self) -> None:
        self._stamps: dict[str, int] = {}

    def of(self, frame: Frame) -> Iterator[LogEvent]:
        """What the frame's results tell."""
        for name, entry in frame.results.items():
            if isinstance(entry.value, WithEvents) and self._stamps.get(name) != entry.stamp.index:
                self._stamps[name] = entry.stamp.index
                for event in entry.value.events:
                    yield replace(event, label=clean_text(event.label)) if event.label else event


class EventSpotter:
    """Tells what happens in a source that is watched from its beginning on, frame by frame; every frame counts.

    Objects appear and vanish as :class:`~scenescope.pipelines.scene.SceneObserver` says, dated back to when they were
    first and last seen. Results that are :class:`~scenescope.models.WithEvents` are taken at their word. A text or code
    is told when it is read, and again once it was not read for ``FORGET_TEXT_S``. Frames that were left out for long
    are a gap.

    Args:
        info: the source.
        told_by_stages: False to leave out what results tell themselves.

    Attributes:
        named: colours that were seen in the latest frame, by track number.
    """

    def __init__(self, info: SourceInfo, *, told_by_stages: bool = True) -> None:
        self.named: dict[int, str] = {}
        self._live = info.live
        self._observer = SceneObserver(on_event=self._observed, on_colour=self._coloured)
        self._observer.open(info)
        self._told_by_stages = ToldByStages() if told_by_stages else None
        self._frame: Frame | None = None
        self._last: tuple[float, int] | None = None
        self._steps: deque[float] = deque(maxlen=9)
        self._stamps: dict[str, int] = {}
        self._read_s: dict[tuple[EventKind, str], float] = {}
        self._events: list[LogEvent] = []

    def spot(self, frame: Frame) -> list[LogEvent]:
        """What has become certain with the next frame; some of it happened in earlier ones."""
        self._events = []
        self.named = {}
        self._frame = frame
        self._look_for_gap(frame)
        if self._told_by_stages is not None:
            self._events += self._told_by_stages.of(frame)
        self._events += self._texts(frame)
        self._observer.write(frame)
        self._last = frame.pts_s, frame.index
        return self._events

    def finish(self) -> list[LogEvent]:
        """What only the end of the source tells: nothing, since what is still there has not vanished."""
        self._observer.close()
        return []

    @property
    def settled_s(self) -> float:
        """No object will be said to have appeared or vanished before this time."""
        return self._observer.settled_s

    def present(self) -> list[Present]:
        """The objects that are in the scene, also those out of sight for a moment."""
        tracks = self._observer.state.tracks
        boxes = self._in_source_pixels([track.xyxy for track in tracks])
        return [
            Present(
                track.label,
                track.track_id,
                box,
                track.last_s,
                track.last_frame,
                track.first_s,
                track.first_frame,
                track.colour,
            )
            for track, box in zip(tracks, boxes, strict=True)
        ]

    def colours(self) -> dict[int, str]:
        """Names of colours by track number, of those in the scene and of the latest that left it; "" if not known."""
        state = self._observer.state
        return {track.track_id: track.colour for track in (*state.gone, *state.tracks) if track.track_id is not None}

    def _look_for_gap(self, frame: Frame) -> None:
        if self._last is None:
            return
        last_s, last_index = self._last
        step_s = frame.pts_s - last_s
        if step_s < 0:
            self._read_s.clear()
            self._steps.clear()
            return
        # Where no picture is missing between two, there was none for that long.
        missing = self._live or frame.index > last_index + 1
        if missing and step_s > GAP_S + EPSILON_S:
            usual_s = statistics.median(self._steps) if self._steps else 0.0
            if step_s > GAP_STEPS * usual_s:
                self._events.append(LogEvent(EventKind.GAP, last_s, last_index, value=step_s, end_s=frame.pts_s))
        self._steps.append(step_s)

    def _observed(self, event: SceneEvent, box: Box | None) -> None:
        kind = _KINDS.get(event.kind)
        if kind is not None and box is not None:
            (xyxy,) = self._in_source_pixels([box])
            self._events.append(LogEvent(kind, event.pts_s, event.frame_index, event.label, event.track_id, xyxy=xyxy))

    def _coloured(self, track_id: int, colour: str) -> None:
        self.named[track_id] = colour

    def _in_source_pixels(self, boxes: list[Box]) -> list[Box]:
        if not boxes:
            return []
        assert self._frame is not None
        scale = np.array(self._frame.size_wh * 2, np.float64)
        none = np.zeros(len(boxes), np.int64)
        found = Detections(xyxy=np.array(boxes) * scale, confidence=none.astype(np.float32), class_id=none)
        return [(x1, y1, x2, y2) for x1, y1, x2, y2 in found.warped(self._frame.to_source).xyxy.tolist()]

    def _texts(self, frame: Frame) -> Iterator[LogEvent]:
        for name, entry in frame.in_source_pixels():
            if not isinstance(entry.value, Texts) or self._stamps.get(name) == entry.stamp.index:
                continue
            self._stamps[name] = entry.stamp.index
            kind = EventKind.CODE if entry.value.coded else EventKind.TEXT
            seen_s = _seen_s(frame, entry)
            # One that is there several times in a picture is still one text.
            for text, quad in zip(entry.value.text, entry.value.quad_xy, strict=True):
                text = _normal(text) if kind is EventKind.TEXT else _printable(text)
                key = kind, text.casefold() if kind is EventKind.TEXT else text
                before_s = self._read_s.get(key)
                self._read_s[key] = seen_s
                if text and (before_s is None or seen_s - before_s > FORGET_TEXT_S + EPSILON_S):
                    (x1, y1), (x2, y2) = quad.min(axis=0).tolist(), quad.max(axis=0).tolist()
                    yield LogEvent(kind, seen_s, entry.stamp.index, text=text, xyxy=(x1, y1, x2, y2))
            forgotten_s = seen_s - FORGET_TEXT_S - EPSILON_S
            self._read_s = {key: read_s for key, read_s in self._read_s.items() if read_s >= forgotten_s}


def _seen_s(frame: Frame, entry: Result) -> float:
    """When a result was found: a slow stage's belongs to the earlier picture that it looked at."""
    if entry.stamp.index == frame.index:
        return frame.pts_s
    return frame.pts_s - max(frame.captured_s - entry.stamp.captured_s, 0.0)


def _normal(text: str) -> str:
    """Writing in one form, on one line."""
    return " ".join(_printable(unicodedata.normalize("NFC", text)).split())


def _printable(text: str) -> str:
    """Without what has no look, among it what turns the direction of writing; lines and tabs become spaces."""
    kept = (" " if c.isspace() else c for c in text[:MAX_TEXT_CHARS])
    return "".join(c for c in kept if unicodedata.category(c)[0] != "C").strip()
