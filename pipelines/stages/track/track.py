"""Tracking: the same object keeps the same number."""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Detections, Tracks
from scenescope.pipelines import Frame, Stage, StageContext, StageParams

__all__ = ["Track"]

# A track that has not been seen for this long is forgotten, with its trail.
FORGET_AFTER_S = 5.0


class Track(Stage, title="Track objects", group="Track", stateful=True):
    """Follow detected objects from frame to frame and number them.

    ByteTrack (Zhang et al., ECCV 2022): sure boxes are matched first, unsure ones then rescue tracks that would
    be lost. SORT (Bewley et al., ICIP 2016) matches all boxes at once. OC-SORT (Cao et al., CVPR 2023) uses sure boxes
    alone and holds better to objects that turn while hidden. BoT-SORT (Aharon et al. 2022) is ByteTrack that reckons
    with a moving camera, and takes longer. The implementations are the ``trackers`` library's. Where a detector gives
    one object several boxes, each with another class, the surest of them is followed and the others stay unnumbered.
    """

    class Params(StageParams):
        method: Literal["bytetrack", "sort", "ocsort", "botsort"] = Field(
            "bytetrack", description="How boxes are matched; botsort reckons with a moving camera."
        )
        start_confidence: float = Field(
            0.45, ge=0.05, le=1, description="A surer box starts a new track. OC-SORT uses no other boxes."
        )
        sure_confidence: float = Field(
            0.4, ge=0.05, le=1, description="ByteTrack and BoT-SORT: surer boxes are matched first."
        )
        overlap_iou: float = Field(
            0.1, ge=0.01, le=0.9, description="Least overlap of a box with where it is expected."
        )
        same_object_iou: float = Field(
            0.8, ge=0.3, le=1, description="Boxes that overlap more are taken for one object."
        )
        confirm_frames: int = Field(3, ge=1, le=30, description="Frames until a track gets its number.")
        keep_lost_s: float = Field(1.5, ge=0, le=30, description="Seconds that a lost object is waited for.")
        trail_s: float = Field(1.5, ge=0, le=30, description="Length of the drawn trail in seconds.")

    def open(self, context: StageContext) -> None:
        self._tracker = _tracker(self.params, context.rate_hz)
        self._trails: dict[int, deque[tuple[float, float, float]]] = {}
        self._last_pts_s = -np.inf
        self._follows = ""
        self._size_wh = (0, 0)

    def needs_reopen(self, params: StageParams) -> bool:
        assert isinstance(params, Track.Params)
        return bool(params.model_copy(update={"trail_s": self.params.trail_s}) != self.params)

    def process(self, frame: Frame) -> Frame:
        found = frame.latest(Detections)
        if found is None:
            return frame
        name, detections = found
        if frame.pts_s < self._last_pts_s or name != self._follows or frame.size_wh != self._size_wh:
            # A jump back in time, other boxes or another size: what was known says nothing about them.
            self._tracker.reset()
            self._trails.clear()
            self._follows, self._size_wh = name, frame.size_wh
        again = frame.pts_s == self._last_pts_s
        self._last_pts_s = frame.pts_s
        tracked = self._update(detections, frame, None if again else frame.pts_s)
        return frame.with_result(self.context.stage_id, self._with_trails(tracked, name, frame.pts_s))

    def _update(self, detections: Detections, frame: Frame, pts_s: float | None) -> Tracks:
        rows = _surest_rows(detections, self.params.same_object_iou)
        given = detections[rows].to_supervision()
        # The tracker returns the boxes in an order of its own; this column tells which is which.
        given.data = {"row": rows}
        looks_at_picture = self.params.method == "botsort"
        out = self._tracker.update(given, frame=frame.image if looks_at_picture else None, timestamp=pts_s)
        ids = np.full(len(detections), -1, np.int64)
        if len(out):
            ids[out.data["row"]] = np.where(out.tracker_id >= 0, out.tracker_id + 1, -1)
        return Tracks(
            xyxy=detections.xyxy,
            confidence=detections.confidence,
            class_id=detections.class_id,
            class_names=detections.class_names,
            track_id=ids,
        )

    def _with_trails(self, tracks: Tracks, name: str, pts_s: float) -> Tracks:
        for track_id, (x, y) in zip(tracks.track_id.tolist(), tracks.center_xy.tolist(), strict=True):
            if track_id > 0:
                self._trails.setdefault(track_id, deque()).append((pts_s, x, y))
        for track_id, line in list(self._trails.items()):
            if line[-1][0] < pts_s - FORGET_AFTER_S:
                del self._trails[track_id]
                continue
            while line[0][0] < pts_s - self.params.trail_s and len(line) > 1:
                line.popleft()
        none = np.empty((0, 2), np.float32)
        trail = tuple(
            np.array(self._trails[i], np.float64)[:, 1:].astype(np.float32) if i > 0 else none
            for i in tracks.track_id.tolist()
        )
        return Tracks(
            xyxy=tracks.xyxy,
            confidence=tracks.confidence,
            class_id=tracks.class_id,
            class_names=tracks.class_names,
            track_id=tracks.track_id,
            trail=trail,
            follows=name,
        )


def _tracker(params: Track.Params, rate_hz: float) -> Any:
    """The library's tracker of that method, with those of the parameters that it has."""
    import trackers

    common: dict[str, Any] = {
        # The library counts this in frames of a 30 fps video and scales it by the rate.
        "lost_track_buffer": round(params.keep_lost_s * 30),
        "frame_rate": rate_hz,
        "minimum_consecutive_frames": params.confirm_frames,
    }
    if params.method == "ocsort":
        return trackers.OCSORTTracker(
            **common, minimum_iou_threshold=params.overlap_iou, high_conf_det_threshold=params.start_confidence
        )
    common["track_activation_threshold"] = params.start_confidence
    if params.method == "sort":
        return trackers.SORTTracker(**common, minimum_iou_threshold=params.overlap_iou)
    common["high_conf_det_threshold"] = params.sure_confidence
    if params.method == "botsort":
        return trackers.BoTSORTTracker(
            **common,
            minimum_iou_threshold_first_assoc=params.overlap_iou,
            minimum_iou_threshold_unconfirmed_assoc=params.overlap_iou,
            instant_first_frame_activation=False,
        )
    return trackers.ByteTrackTracker(**common, minimum_iou_threshold=params.overlap_iou)


def _surest_rows(detections: Detections, same_object_iou: float) -> NDArray[np.intp]:
    """Rows without those that lie on a surer one, whatever their classes, in the order of the rows."""
    by_confidence = np.argsort(-detections.confidence, kind="stable")
    left, top, right, bottom = detections.xyxy[by_confidence].T.astype(np.float64)
    area = (right - left) * (bottom - top)
    width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    shared = width.clip(0) * height.clip(0)
    same = shared > same_object_iou * (area[:, None] + area - shared)
    kept: list[int] = []
    for at in range(len(by_confidence)):
        if not same[at, kept].any():
            kept.append(at)
    return np.sort(by_confidence[kept])
