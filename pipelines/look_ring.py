"""LookRing: the newest picture and those of the last half minute, small, for a model to look at."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.language import Picture
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import EngineEvent, PipelineChanged
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.privacy import hiding_stages
from scenescope.pipelines.registry import STAGES, Registry
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.stage import Stage

__all__ = ["LONGEST_PX", "LookRing", "jpeg_of"]

LONGEST_PX = 512
QUALITY = 85
KEPT_S = 30.0
EVERY_S = 1.0
# Thirty pictures of noise are less.
MOST_BYTES = 16_000_000
EPSILON_S = 1e-6


def jpeg_of(image: NDArray[np.uint8], longest_px: int = LONGEST_PX) -> tuple[bytes, tuple[int, int]]:
    """A picture as JPEG without metadata, made smaller where its longer side is over ``longest_px``; and its size."""
    # By halves first, which is exact and takes half the time.
    while min(image.shape[:2]) > 1 and max(image.shape[:2]) >= 2 * longest_px:
        half_wh = image.shape[1] // 2, image.shape[0] // 2
        image = np.asarray(cv2.resize(image, half_wh, interpolation=cv2.INTER_AREA), np.uint8)
    height, width = image.shape[:2]
    scale = longest_px / max(width, height)
    if scale < 1:
        size_wh = max(round(width * scale), 1), max(round(height * scale), 1)
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes(), (image.shape[1], image.shape[0])


@dataclass(frozen=True)
class _Kept:
    """A picture, and the stages that had hidden something in it."""

    picture: Picture
    hidden_by: tuple[StageSpec, ...]


class LookRing(Sink):
    """Keeps one picture a second of media time, as the pipeline left it; and the newest one, which is coded when asked.

    Pictures come after all stages and before overlays. What a stage is to hide is never given out: a frame is taken
    only if it carries the proof that every such stage, as it is wished now, has done its work on it, so nothing is
    taken while one loads or fails. What was taken before is dropped as soon as another one is wished. A jump back in
    time and another source clear all.

    Args:
        hiding: the stages that are wished to hide something, as they are wished now.
        latest: the newest frame of the pipeline; by default the one that was written last.
        most_bytes: never holds more.
    """

    lossless: ClassVar[bool] = False

    def __init__(
        self,
        hiding: Callable[[], tuple[StageSpec, ...]] = tuple,
        *,
        latest: Callable[[], Frame | None] | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._hiding = hiding
        self._latest = latest
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._written: Frame | None = None
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._cleared = 0
        self._now_s = float("-inf")
        self._due_s = float("-inf")
        self._coded: tuple[weakref.ref[Frame], Picture] | None = None
        self._detach: Callable[[], None] = lambda: None

    @classmethod
    def at(cls, engine: Engine, registry: Registry[Stage] = STAGES) -> Self:
        """A ring at an engine, until :meth:`detach`."""

        def hiding() -> tuple[StageSpec, ...]:
            spec = engine.spec
            ids = hiding_stages(spec, registry)
            return tuple(stage for stage in spec.stages if stage.id in ids)

        ring = cls(hiding, latest=lambda: engine.latest)

        def listen(event: EngineEvent) -> None:
            if isinstance(event, PipelineChanged):
                ring.drop_unhidden()

        unsubscribe = engine.subscribe(listen)
        engine.add_sink(ring)

        def detach() -> None:
            unsubscribe()
            engine.remove_sink(ring)

        ring._detach = detach
        return ring

    def detach(self) -> None:
        """Take no more pictures, and forget those that were taken."""
        self._detach()
        self._latest = lambda: None
        self.clear()

    # The sink ----------------------------------------------------------------------------------------------------

    def open(self, info: SourceInfo) -> None:
        """Begin with the pictures of another source."""
        self.clear()

    def write(self, prepared: Any) -> None:
        """Take the next frame; it is coded only when its second has come."""
        frame: Frame = prepared
        if frame.pts_s < self._now_s - EPSILON_S:
            self.clear()
        self._now_s = frame.pts_s
        if self._latest is None:
            self._written = frame
        if frame.pts_s >= self._due_s - EPSILON_S:
            self._take(frame)

    def close(self) -> None:
        """What was taken can still be looked at."""

    def _take(self, frame: Frame) -> None:
        cleared = self._cleared
        picture = self._coded_picture(frame)
        if picture is None:
            return
        with self._lock:
            # Meanwhile all may have been forgotten, or a stage may have been wished that has not seen this frame.
            if cleared != self._cleared or not self._is_hidden(frame.hidden_by):
                return
            self._due_s = frame.pts_s + EVERY_S
            self._kept.append(_Kept(picture, frame.hidden_by))
            self._bytes += len(picture.jpeg)
            while self._kept and (
                self._kept[0].picture.pts_s < frame.pts_s - KEPT_S - EPSILON_S or self._bytes > self._most_bytes
            ):
                self._bytes -= len(self._kept.popleft().picture.jpeg)

    # The looker's side, any thread -------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """How much memory the coded pictures take."""
        return self._bytes

    def newest(self) -> Picture | None:
        """The newest picture; None when there is none, or when it may not be shown."""
        frame = self._written if self._latest is None else self._latest()
        return None if frame is None else self._coded_picture(frame)

    def pictures(self, last_s: float | None = None, most: int = 8) -> tuple[Picture, ...]:
        """Pictures of the last seconds before the newest, evenly spread, newest last.

        Args:
            last_s: how far back; all that are kept when None.
            most: at most so many, at least 1.
        """
        found = self._all(self.newest())
        if last_s is not None and found:
            found = [picture for picture in found if picture.pts_s >= found[-1].pts_s - last_s - EPSILON_S]
        if len(found) <= most:
            return tuple(found)
        # Counted from the newest, so that it is always among them.
        rows = np.round(np.linspace(len(found) - 1, 0, max(most, 1))).astype(int)
        return tuple(found[row] for row in sorted(set(rows.tolist())))

    def nearest(self, pts_s: float, within_s: float = 0.75) -> Picture | None:
        """The picture nearest to a media time; None when none is within ``within_s`` of it."""
        found = self._all(self.newest())
        best = min(found, key=lambda picture: abs(picture.pts_s - pts_s), default=None)
        return best if best is not None and abs(best.pts_s - pts_s) <= within_s + EPSILON_S else None

    def clear(self) -> None:
        """Forget all pictures."""
        with self._lock:
            self._cleared += 1
            self._kept.clear()
            self._bytes = 0
            self._now_s = self._due_s = float("-inf")
            self._written = self._coded = None

    def drop_unhidden(self) -> None:
        """Forget the pictures in which something may be seen that is to be hidden from now on."""
        with self._lock:
            safe = [kept for kept in self._kept if self._is_hidden(kept.hidden_by)]
            if len(safe) == len(self._kept):
                return
            self._kept = deque(safe)
            self._bytes = sum(len(kept.picture.jpeg) for kept in safe)
            self._due_s = float("-inf")
            self._coded = None

    def _all(self, newest: Picture | None) -> list[Picture]:
        with self._lock:
            found = [kept.picture for kept in self._kept if self._is_hidden(kept.hidden_by)]
        if newest is not None and (not found or newest.pts_s > found[-1].pts_s + EPSILON_S):
            found.append(newest)
        return found

    def _is_hidden(self, hidden_by: tuple[StageSpec, ...]) -> bool:
        """Whether all that is to be hidden was hidden."""
        return all(stage in hidden_by for stage in self._hiding())

    def _coded_picture(self, frame: Frame) -> Picture | None:
        """The frame's picture, coded once; None when something in it is to be hidden and was not."""
        if not self._is_hidden(frame.hidden_by):
            return None
        coded = self._coded
        if coded is not None and coded[0]() is frame:
            return coded[1]
        data, size_wh = jpeg_of(frame.image)
        picture = Picture(data, frame.index, frame.pts_s, size_wh)
        self._coded = weakref.ref(frame), picture
        return picture if self._is_hidden(frame.hidden_by) else None
