"""Where one scene ends and the next begins."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from fractions import Fraction
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import EventKind, LogEvent, SceneScore
from scenescope.pipelines import Frame, Stage, StageContext, StageParams
from scenescope.pipelines.zones.spans import SeenTime

__all__ = ["SceneCuts"]

_WIDTH_PX = 256
_USUAL = {"adaptive": 3.0, "content": 27.0, "hash": 0.35, "histogram": 0.2}
# Some methods tell a cut later, by as much as the shortest scene; so many frames are remembered for them.
_REMEMBERED = 4096
_TICK = Fraction(1, 1_000_000)


class _Scores:
    """Takes the place of the library's table of statistics, and keeps only the latest values.

    Args:
        key: how the name of the value begins.
        likeness: True when it grows with likeness from 0 to 1, and not with change.
    """

    def __init__(self, key: str, likeness: bool = False) -> None:
        self._key = key
        self._likeness = likeness
        self.latest = float("nan")
        self.of: OrderedDict[int, float] = OrderedDict()

    def set_metrics(self, timecode: Any, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            if name.startswith(self._key):
                self.latest = self.of[timecode.pts] = 1 - float(value) if self._likeness else float(value)
        while len(self.of) > _REMEMBERED:
            self.of.popitem(last=False)


class SceneCuts(Stage, title="Scene cuts", group="Motion", stateful=True):
    """Find the frames at which a film cuts to another scene.

    The detectors are PySceneDetect's: *adaptive* compares the change of colour with that of the frames around, so that
    a moving camera is no cut; *content* takes the change itself; *hash* and *histogram* compare a perceptual hash, or
    the distribution of brightness. A cut is told with its own frame and time, by a frame that may come a little later.
    """

    class Params(StageParams):
        method: Literal["adaptive", "content", "hash", "histogram"] = Field(
            "adaptive", description="How two frames are compared; adaptive bears with a moving camera."
        )
        threshold: float = Field(
            0.0,
            ge=0,
            le=255,
            description="From which change on it is a cut. 0 for the usual: adaptive 3, content 27, hash 0.35, "
            "histogram 0.2.",
        )
        shortest_s: float = Field(0.5, ge=0, le=60, description="A scene is no shorter than this.")

    def needs_reopen(self, params: StageParams) -> bool:
        return bool(params != self.params)

    def open(self, context: StageContext) -> None:
        # Found missing here, it is said before the first frame.
        import scenedetect  # noqa: F401

        self._rate_hz = float(context.rate_hz or 30.0)
        self._time = SeenTime()
        self._cuts_s: list[float] = []
        self._begin(0.0)

    def _begin(self, from_s: float) -> None:
        self._from_s = from_s
        self._frames: OrderedDict[int, tuple[int, float]] = OrderedDict()
        self._detector, self._scores = _detector(self.params, self._threshold)

    @property
    def _threshold(self) -> float:
        return float(self.params.threshold or _USUAL[self.params.method])

    def process(self, frame: Frame) -> Frame:
        how = self._time.step(frame.pts_s, frame.index)
        if how == "start":
            self._cuts_s.clear()
        if how in ("start", "jump"):
            self._begin(frame.pts_s)
        events = [] if how == "again" else self._looked(frame)
        score = SceneScore(
            score=np.array([self._scores.latest]),
            threshold=np.array([self._threshold]),
            scene=np.array([1 + bisect.bisect_right(self._cuts_s, frame.pts_s)]),
            events=tuple(events),
        )
        return frame.with_result(self.context.stage_id, score)

    def _looked(self, frame: Frame) -> list[LogEvent]:
        """Show a frame to the detector; the cuts that it tells of, each once."""
        from scenedetect import FrameTimecode
        from scenedetect.common import Timecode

        ticks = round((frame.pts_s - self._from_s) / _TICK)
        self._frames[ticks] = (frame.index, frame.pts_s)
        while len(self._frames) > _REMEMBERED:
            self._frames.popitem(last=False)
        events = []
        code = FrameTimecode(Timecode(ticks, _TICK), self._rate_hz)
        for cut in self._detector.process_frame(code, _small(frame)):
            index, t_s = self._frames.get(cut.pts, (frame.index, frame.pts_s))
            if self._time.was_seen(t_s):
                continue
            bisect.insort(self._cuts_s, t_s)
            value = self._scores.of.get(cut.pts, self._scores.latest)
            events.append(LogEvent(EventKind.SCENE_CHANGE, t_s, index, value=value))
        return events


def _detector(params: SceneCuts.Params, threshold: float) -> tuple[Any, _Scores]:
    """The library's detector, and where it leaves its scores."""
    import scenedetect

    shortest = float(params.shortest_s)
    detector: Any
    if params.method == "adaptive":
        detector = scenedetect.AdaptiveDetector(adaptive_threshold=threshold, min_scene_len=shortest)
        scores = _Scores("adaptive_ratio")
    elif params.method == "content":
        detector = scenedetect.ContentDetector(threshold=threshold, min_scene_len=shortest)
        scores = _Scores("content_val")
    elif params.method == "hash":
        detector = scenedetect.HashDetector(threshold=threshold, min_scene_len=shortest)
        scores = _Scores("hash_dist")
    else:
        detector = scenedetect.HistogramDetector(threshold=threshold, min_scene_len=shortest)
        scores = _Scores("hist_diff", likeness=True)
    detector.stats_manager = scores
    return detector, scores


def _small(frame: Frame) -> NDArray[np.uint8]:
    def make() -> NDArray[np.uint8]:
        width, height = frame.size_wh
        size = (min(width, _WIDTH_PX), max(round(height * min(_WIDTH_PX / width, 1.0)), 1))
        return np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)

    return frame.derived(("scene_cuts", _WIDTH_PX), make)
