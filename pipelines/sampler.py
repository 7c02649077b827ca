"""Sampler: when to look. A model is slow and costly, so it looks when something is new, and not more often than it can.

Pictures are compared as grey thumbnails. The newer one is first explained by the older one seen brighter or darker (a
line fitted to the grey values, without those that have changed), so that a camera's gain and light that comes and goes
are no change; what is left counts where it is more than noise and more than a picture that shakes a little.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import ZoneMeasures
from scenescope.pipelines.events import SourcePhase, SourceState
from scenescope.pipelines.frame import Frame, Image
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import SourceInfo

__all__ = ["ChangeMeter", "GlanceSink", "Reason", "Sampler", "target_rate_hz", "thumbnail_of"]

SIDE = 32
GLANCE_EVERY_S = 0.2
# A share of the thumbnail: from the first on it has changed, below the second it has not.
CHANGED_FROM = 0.025
SAME_BELOW = 0.0125
# Shorter is a flash, or somebody who walks past the lens.
PERSISTS_S = 0.5
# Grey levels that are no change, whatever the noise.
LEAST_STEP = 10.0
NOISE_STEPS = 6.0
# Of the contrast around a cell: what a picture changes there that shakes by a quarter of a cell.
SHAKE = 0.3
# How fast light may change without being a change: the older picture follows with this time constant.
FOLLOWS_S = 15.0
MOST_GAIN, LEAST_GAIN = 2.5, 0.4
# Darker and brighter ones are cut off by the camera.
NOT_CUT = (8, 247)

MIN_INTERVAL_S = 3.0
OF_CAPTION_TIME = 1.5
SLOW_BELOW = 0.9
MOST_A_MINUTE = 10
MINUTE_S = 60.0

Float = NDArray[np.float32]


class Reason(StrEnum):
    """Why to look."""

    QUESTION = "question"
    """The user has asked something that only a look can answer."""
    ASKED = "asked"
    """The user wants a description now."""
    WATCH = "watch"
    """A watch wants to be confirmed."""
    CHANGE = "change"
    """The scene is another than the one that was described last."""


def target_rate_hz(source: SourceState, speed: float, capture_hz: float) -> float:
    """How many pictures a second the pipeline should analyse; 0 where that is not known, or the picture is held.

    Args:
        source: the source as it is.
        speed: how fast a film is played, negative for backwards. More pictures than it has need not be analysed.
        capture_hz: how many pictures a second come. In the dark, a camera takes fewer than it says.
    """
    if source.phase is not SourcePhase.PLAYING or source.info is None:
        return 0.0
    if source.info.live:
        return min(source.info.rate_hz, capture_hz)
    return source.info.rate_hz * min(abs(speed), 1.0)


def thumbnail_of(image: Image) -> Float:
    """A picture as 32 x 32 grey values, 0 to 255."""
    # First every few pixels of a large picture: the mean over the rest of them is good enough, and five times as fast.
    step = max(min(image.shape[:2]) // (4 * SIDE), 1)
    small = cv2.resize(np.ascontiguousarray(image[::step, ::step]), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32)


class ChangeMeter:
    """Tells how much of the picture is another than at the last :meth:`settle`, for thumbnails that come in order."""

    def __init__(self) -> None:
        self._reference: Float | None = None
        self._before: Float | None = None
        self._noise = 0.0
        self._now_s = 0.0
        self._since_s: float | None = None
        self.share = 0.0

    def see(self, thumbnail: Float, now_s: float) -> bool:
        """Take the next one, float32 (32, 32); whether a change has lasted long enough to count."""
        if self._reference is None:
            self._reference = thumbnail
        if self._before is not None:
            # The median does not mind what moves.
            step = float(np.median(np.abs(thumbnail - self._before)))
            self._noise = 0.9 * self._noise + 0.1 * 1.05 * step
        changed = self._changed(thumbnail)
        self.share = float(changed.mean())
        follow = min(max(now_s - self._now_s, 0.0) / FOLLOWS_S, 1.0) if self._before is not None else 0.0
        self._reference = np.where(changed, self._reference, self._reference + follow * (thumbnail - self._reference))
        self._before, self._now_s = thumbnail, now_s
        if self.share < SAME_BELOW:
            self._since_s = None
        elif self._since_s is None and self.share >= CHANGED_FROM:
            self._since_s = now_s
        return self._since_s is not None and now_s - self._since_s >= PERSISTS_S

    def settle(self) -> None:
        """What is seen now is known."""
        self._reference, self._since_s, self.share = self._before, None, 0.0

    def _changed(self, thumbnail: Float) -> NDArray[np.bool_]:
        reference = self._reference
        assert reference is not None
        least, most = NOT_CUT
        usable = (reference > least) & (reference < most) & (thumbnail > least) & (thumbnail < most)
        tolerated = max(LEAST_STEP, NOISE_STEPS * self._noise) + SHAKE * _contrast(reference)
        changed = np.abs(thumbnail - reference) > tolerated
        kept = usable & ~changed if (usable & ~changed).sum() >= SIDE else usable
        for _ in range(3):
            gain, offset = _line(reference[kept], thumbnail[kept])
            explained = np.clip(gain * reference + offset, 0, 255)
            changed = np.abs(thumbnail - explained) > tolerated
            kept = usable & ~changed
            if kept.sum() < SIDE:
                break
        return np.asarray(changed, np.bool_)


def _contrast(values: Float) -> Float:
    """The greatest difference between a cell and its neighbours, in grey levels."""
    around = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(values, around) - cv2.erode(values, around), np.float32)


def _line(x: Float, y: Float) -> tuple[float, float]:
    """Gain and offset of the line through the points, by least squares; a gain that no camera has is limited."""
    if len(x) < 2:
        return 1.0, 0.0
    spread = float(x.var())
    gain = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 1.0 else 1.0
    gain = min(max(gain, LEAST_GAIN), MOST_GAIN)
    return gain, float(y.mean()) - gain * float(x.mean())


class Sampler:
    """Decides when a model looks, and why. Pure logic; safe to use from any thread.

    Every look begins with :meth:`begin`. What the user wants is looked at at once, and counts for what comes after it.
    Nothing else is looked at more often than once in :attr:`interval_s`, nor more than so many times a minute. For a
    change, looks of all kinds count; for a watch only those of watches, since descriptions would leave it none.

    Args:
        min_interval_s: least time from one look to the next; below 3 s it is 3 s.
        most_a_minute: no more looks within 60 s, but for those that the user wants.
        clock: monotonic seconds.

    Attributes:
        min_interval_s: as given; may be changed at any time.
    """

    def __init__(
        self,
        *,
        min_interval_s: float = MIN_INTERVAL_S,
        most_a_minute: int = MOST_A_MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.min_interval_s = min_interval_s
        self._most_a_minute = most_a_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._put_off = False
        self._looks: deque[tuple[float, Reason]] = deque()
        self._last_s: dict[Reason, float] = {}
        self._caption_s = 0.0
        self._slow = False
        self._meter = ChangeMeter()
        # How many things had happened when the scene was described last; None when it never was.
        self._known: int | None = None
        self._happened = 0
        self._seen = self._differs = False

    # What it is told ---------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Another source: nothing is known of it, and what was put off is about the one before."""
        with self._lock:
            self._meter = ChangeMeter()
            self._known = None
            self._happened = 0
            self._seen = self._differs = False
            self._put_off = False

    def see(self, thumbnail: Float, happened: int) -> None:
        """Take a glance at the scene, a few times a second.

        Args:
            thumbnail: of :func:`thumbnail_of`.
            happened: how many things have happened so far: objects that came and went, ways into zones. Any other
                number than before is a change.
        """
        with self._lock:
            self._seen = True
            self._differs = self._meter.see(thumbnail, self._clock())
            self._happened = happened

    def put_off(self) -> None:
        """A description was cut off: the scene is to be described as soon as it may be, changed or not."""
        with self._lock:
            self._put_off = True

    def captioned(self, seconds: float) -> None:
        """A look has taken so long, from the picture to the last word."""
        with self._lock:
            self._caption_s = seconds if not self._caption_s else 0.5 * (self._caption_s + seconds)

    def pace(self, rate_hz: float, target_hz: float) -> None:
        """The rate of the pipeline, and the one that it should have; 0 when that is not known."""
        with self._lock:
            self._slow = 0 < rate_hz < SLOW_BELOW * target_hz

    # What it tells -----------------------------------------------------------------------------------------------

    @property
    def interval_s(self) -> float:
        """Least time from one look to the next, as things are."""
        with self._lock:
            return self._interval_s()

    def begin(self, reason: Reason) -> bool:
        """Begin a look, if there may be one for that reason now; whether there may. For a change, one must be seen."""
        with self._lock:
            now_s = self._clock()
            while self._looks and self._looks[0][0] <= now_s - MINUTE_S:
                self._looks.popleft()
            if not self._may(reason, now_s):
                return False
            self._looks.append((now_s, reason))
            self._last_s[reason] = now_s
            if reason in (Reason.CHANGE, Reason.ASKED):
                self._put_off = False
                self._known = self._happened
                self._meter.settle()
                self._differs = False
            return True

    def _may(self, reason: Reason, now_s: float) -> bool:
        if reason in (Reason.QUESTION, Reason.ASKED):
            return True
        counting = (reason,) if reason is Reason.WATCH else tuple(Reason)
        last_s = max((self._last_s[one] for one in counting if one in self._last_s), default=-float("inf"))
        in_a_minute = sum(one in counting for _, one in self._looks)
        if in_a_minute >= self._most_a_minute or now_s - last_s < self._interval_s():
            return False
        return reason is Reason.WATCH or self._put_off or self._has_changed()

    def _interval_s(self) -> float:
        interval_s = max(MIN_INTERVAL_S, self.min_interval_s, OF_CAPTION_TIME * self._caption_s)
        return 2 * interval_s if self._slow else interval_s

    def _has_changed(self) -> bool:
        if not self._seen:
            return False
        return self._known is None or self._differs or self._happened != self._known


class GlanceSink(Sink):
    """Lets a sampler glance at the scene, a few times a second.

    Args:
        sampler: what decides.
        happened: how many things the scene's observer has told so far.
        clock: monotonic seconds.
    """

    lossless: ClassVar[bool] = False

    def __init__(
        self, sampler: Sampler, happened: Callable[[], int] = lambda: 0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sampler = sampler
        self._happened = happened
        self._clock = clock
        self._next_s = float("-inf")

    def open(self, info: SourceInfo) -> None:
        """Another source."""
        self._sampler.reset()
        self._next_s = float("-inf")

    def write(self, prepared: Any) -> None:
        """Glance at the next frame, if it is time to."""
        frame: Frame = prepared
        now_s = self._clock()
        if now_s < self._next_s:
            return
        self._next_s = now_s + GLANCE_EVERY_S
        ways = sum(
            entry.number
            for result in frame.results.values()
            if isinstance(result.value, ZoneMeasures)
            for counts in result.value.counts
            for entry in counts
        )
        self._sampler.see(frame.derived(thumbnail_of, lambda: thumbnail_of(frame.image)), self._happened() + ways)
