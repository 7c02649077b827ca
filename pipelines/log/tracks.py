"""TrackKeeper: gathers what is to be known of every track: its class, when it was there, and how it looked best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import Tracks
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.log.records import TrackRecord
from scenescope.pipelines.scene import SLOW_SOURCE_HZ
from scenescope.pipelines.scene_state import clean_text
from scenescope.pipelines.source import SourceInfo

__all__ = ["Embed", "TrackKeeper"]

PICTURE_SIDE_PX = 160
JPEG_QUALITY = 85
APPEAR_S = 0.5
FLUSH_EVERY_S = 2.0
FORGET_AFTER_S = 300.0
MOST_TRACKS = 10_000
# What the border of the picture cuts off counts for this share only.
CUT_OFF = 0.1
EPSILON_S = 1e-6

Image = NDArray[np.uint8]
Embed = Callable[[list[Image]], NDArray[np.float32] | None]
"""Unit-length float32 (N, D) for N pictures, uint8 BGR (H, W, 3) of any size; None when there is no network now."""


@dataclass
class _Known:
    first_s: float
    first_frame: int
    last_s: float = 0.0
    last_frame: int = 0
    votes: Counter[str] = field(default_factory=Counter)
    score: float = -1.0
    confidence: float = 0.0
    best_frame: int = 0
    best_s: float = 0.0
    best_xyxy: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    cut_out: Image | None = None
    picture_jpeg: bytes = b""
    embedding: NDArray[np.float32] | None = None
    changed: bool = True


class TrackKeeper:
    """Follows the last :class:`~scenescope.models.Tracks` of every frame.

    A track's best moment is the one with the most confidence times area of the picture, and not cut off by its border.
    Its picture is cut out of the frame as the stages leave it, so what a privacy stage hides stays hidden. Tracks
    that last less than ``APPEAR_S`` are left out, as they are in the scene.

    Args:
        info: the source.
        pictures: whether to keep pictures.
        embed: gives pictures their embeddings; None for none.
    """

    def __init__(self, info: SourceInfo, *, pictures: bool = True, embed: Embed | None = None) -> None:
        self.pictures = pictures
        self.embed = embed
        stills = info.frame_count == 1 or 0 < info.rate_hz <= SLOW_SOURCE_HZ
        self._least_s = 0.0 if stills else APPEAR_S
        self._tracks: dict[int, _Known] = {}
        self._stamp_index = -1
        self._flushed_s = -np.inf

    def see(self, frame: Frame) -> list[TrackRecord]:
        """Take the next frame; at times, the tracks that have changed."""
        latest = frame.latest(Tracks)
        if latest is not None:
            name, found = latest
            stamp = frame.results[name].stamp
            # A slow stage's boxes say little about this picture.
            if stamp.index == frame.index != self._stamp_index:
                self._stamp_index = stamp.index
                self._look(frame, found)
        if abs(frame.pts_s - self._flushed_s) < FLUSH_EVERY_S:
            return []
        self._flushed_s = frame.pts_s
        return self.flush()

    def flush(self) -> list[TrackRecord]:
        """All tracks that have changed since the last time."""
        due = self._due()
        fresh = [known for _, known in due if known.cut_out is not None]
        cut_outs = [known.cut_out for known in fresh if known.cut_out is not None]
        embeddings = self.embed(cut_outs) if self.embed is not None and cut_outs else None
        for at, (known, cut_out) in enumerate(zip(fresh, cut_outs, strict=True)):
            known.embedding = None if embeddings is None else embeddings[at]
            known.picture_jpeg = _jpeg(cut_out)
            known.cut_out = None
        for _, known in due:
            known.changed = False
        self._forget()
        return [_record(track_id, known) for track_id, known in due]

    def unwritten(self) -> list[TrackRecord]:
        """The tracks that have changed since the last :meth:`flush`, as they are now; the next one has them again."""
        return [
            replace(_record(track_id, known), picture_jpeg=_jpeg(known.cut_out))
            if known.cut_out is not None
            else _record(track_id, known)
            for track_id, known in self._due()
        ]

    def _due(self) -> list[tuple[int, _Known]]:
        return [
            (track_id, known)
            for track_id, known in self._tracks.items()
            if known.changed and known.last_s - known.first_s >= self._least_s - EPSILON_S
        ]

    def _look(self, frame: Frame, found: Tracks) -> None:
        in_source = found.warped(frame.to_source) if len(found) else found
        rows = zip(
            found.track_id.tolist(),
            found.labels,
            found.confidence.tolist(),
            found.xyxy.tolist(),
            in_source.xyxy.tolist(),
            strict=True,
        )
        for track_id, label, confidence, xyxy, source_xyxy in rows:
            if track_id < 0:
                continue
            known = self._tracks.get(track_id)
            if known is None:
                known = self._tracks[track_id] = _Known(frame.pts_s, frame.index)
            known.last_s, known.last_frame, known.changed = frame.pts_s, frame.index, True
            known.votes[label] += 1
            score = confidence * _clear_area(xyxy, frame.size_wh)
            if score > known.score:
                known.score, known.confidence = score, confidence
                known.best_s, known.best_frame, known.best_xyxy = frame.pts_s, frame.index, tuple(source_xyxy)
                known.cut_out = _cut_out(frame.image, xyxy) if self.pictures else None
                known.picture_jpeg, known.embedding = b"", None

    def _forget(self) -> None:
        """Those that nobody has seen for long, so that a camera can run for weeks."""
        now_s = max((known.last_s for known in self._tracks.values()), default=0.0)
        gone = [i for i, known in self._tracks.items() if known.last_s < now_s - FORGET_AFTER_S]
        surplus = len(self._tracks) - len(gone) - MOST_TRACKS
        if surplus > 0:
            gone += sorted(self._tracks, key=lambda i: self._tracks[i].last_s)[:surplus]
        for track_id in gone:
            self._tracks.pop(track_id, None)


def _record(track_id: int, known: _Known) -> TrackRecord:
    return TrackRecord(
        track_id=track_id,
        label=clean_text(known.votes.most_common(1)[0][0]),
        first_s=known.first_s,
        first_frame=known.first_frame,
        last_s=known.last_s,
        last_frame=known.last_frame,
        confidence=known.confidence,
        best_frame=known.best_frame,
        best_s=known.best_s,
        best_xyxy=known.best_xyxy,
        picture_jpeg=known.picture_jpeg,
        embedding=known.embedding,
    )


def _clear_area(xyxy: list[float], size_wh: tuple[int, int]) -> float:
    """Share of the picture that a box covers; much less when the border cuts it off."""
    (x1, y1, x2, y2), (width, height) = xyxy, size_wh
    area = max(min(x2, width) - max(x1, 0), 0) * max(min(y2, height) - max(y1, 0), 0) / (width * height)
    inside = x1 >= 1 and y1 >= 1 and x2 <= width - 1 and y2 <= height - 1
    return area if inside else CUT_OFF * area


def _cut_out(image: Image, xyxy: list[float]) -> Image | None:
    """A copy of what a box holds, its longer side at most ``PICTURE_SIDE_PX``; None when it holds nothing."""
    height, width = image.shape[:2]
    x1, x2 = (round(min(max(x, 0), width)) for x in xyxy[0::2])
    y1, y2 = (round(min(max(y, 0), height)) for y in xyxy[1::2])
    part = image[y1:y2, x1:x2]
    if not part.size:
        return None
    scale = PICTURE_SIDE_PX / max(part.shape[:2])
    if scale >= 1:
        return part.copy()
    size_wh = (max(round((x2 - x1) * scale), 1), max(round((y2 - y1) * scale), 1))
    return np.asarray(cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
