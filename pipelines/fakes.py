"""Sources, stages and sinks that behave as they are told: for tests of the engine, of widgets and of plugins."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from scenescope.models import Detections, SourceError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.params import StageParams
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import Source, SourceInfo
from scenescope.pipelines.sources.frame_index import FrameIndex
from scenescope.pipelines.stage import Stage, StageContext

__all__ = [
    "Boxes",
    "Broken",
    "CollectingSink",
    "FakeFilm",
    "FakeSource",
    "Gate",
    "InOrder",
    "Slow",
    "Tint",
    "Wrong",
    "fake_registry",
]


class FakeSource(Source):
    """Plain pictures whose grey value is their index modulo 256.

    Args:
        count: frames until the end; None for endless.
        size_wh: size of the pictures.
        rate_hz: for a live source, how often a picture comes; files are read as fast as they go.
        live: whether it behaves like a camera.
        fail_at: indices at which ``read`` raises a SourceError once, as if unplugged.
        paint: called with the writable picture and the index before it is handed out.
    """

    def __init__(
        self,
        count: int | None = 100,
        size_wh: tuple[int, int] = (64, 48),
        rate_hz: float = 30.0,
        live: bool = False,
        fail_at: tuple[int, ...] = (),
        paint: Callable[[np.ndarray[Any, Any], int], None] | None = None,
    ) -> None:
        self.live = live
        self.opened = 0
        self.closed = 0
        self._count = count
        self._size_wh = size_wh
        self._rate_hz = rate_hz
        self._fail_at = set(fail_at)
        self._paint = paint
        self._next = 0
        self._started_s = 0.0
        self._interrupted = threading.Event()

    def open(self) -> SourceInfo:
        self.opened += 1
        self._interrupted.clear()
        self._started_s = time.monotonic() - self._next / self._rate_hz
        if not self.live:
            self._next = 0
        duration_s = None if self._count is None or self.live else self._count / self._rate_hz
        return SourceInfo(
            "fake", self._size_wh, self._rate_hz, self.live, None if self.live else self._count, duration_s
        )

    def read(self) -> Frame | None:
        index = self._next
        if self._interrupted.is_set() or (self._count is not None and index >= self._count):
            return None
        if index in self._fail_at:
            self._fail_at.discard(index)
            raise SourceError("The fake camera was unplugged.", hint="Plug it in again.")
        if self.live:
            self._interrupted.wait(max(self._started_s + index / self._rate_hz - time.monotonic(), 0.0))
        self._next += 1
        width, height = self._size_wh
        image = np.full((height, width, 3), index % 256, np.uint8)
        if self._paint is not None:
            self._paint(image, index)
        return Frame(image, index, index / self._rate_hz, time.monotonic(), "fake")

    def seek(self, pts_s: float) -> None:
        self._next = max(0, -int(-pts_s * self._rate_hz // 1))

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self.closed += 1


class FakeFilm(FakeSource):
    """A :class:`FakeSource` that can be moved in by numbers once it has been indexed.

    Args:
        count: frames until the end.
        rate_hz: frames a second of its own time.
        key_every: distance of its key frames.
        bad: numbers that cannot be decoded.
        may_index: building the index waits for it.

    Attributes:
        asked: numbers that were asked for with ``read_at``.
        may_read: ``read_at`` waits for it, or until it is stale.
        reading: set while ``read_at`` waits.
    """

    def __init__(
        self,
        count: int = 100,
        rate_hz: float = 100.0,
        key_every: int = 10,
        bad: tuple[int, ...] = (),
        may_index: threading.Event | None = None,
        **how: Any,
    ) -> None:
        super().__init__(count, rate_hz=rate_hz, **how)
        self.asked: list[int] = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.reading = threading.Event()
        self._bad = frozenset(bad)
        self._may_index = may_index
        self._index: FrameIndex | None = None
        numbers = np.arange(count)
        base = Fraction(1, 1000)
        pts = np.round(numbers * 1000 / rate_hz).astype(np.int64)
        self._whole = FrameIndex(pts, base, numbers % key_every == 0)

    def read(self) -> Frame | None:
        while self._next in self._bad:
            self._next += 1
        return super().read()

    def read_at(self, index: int, stale: Callable[[], bool] = lambda: False) -> Frame | None:
        self.asked.append(index)
        while not self.may_read.wait(0.001):
            self.reading.set()
            if stale():
                return None
        if index in self._bad:
            raise SourceError(f"Picture {index} of the fake film is damaged.")
        self._next = index
        return self.read()

    def build_index(self, on_progress: Callable[[float], None], cancelled: Callable[[], bool]) -> bool:
        on_progress(0.5)
        while self._may_index is not None and not self._may_index.wait(0.001):
            if cancelled():
                return False
        self._index = self._whole
        return True

    @property
    def frame_index(self) -> FrameIndex | None:
        return self._index


class CollectingSink(Sink):
    """Keeps what it was given: indices, and the frames if asked to."""

    def __init__(self, keep_frames: bool = False) -> None:
        self.indices: list[int] = []
        self.frames: list[Frame] = []
        self.opened = 0
        self.closed = 0
        self._keep_frames = keep_frames

    def open(self, info: SourceInfo) -> None:
        self.opened += 1

    def write(self, prepared: Any) -> None:
        self.indices.append(prepared.index)
        if self._keep_frames:
            self.frames.append(prepared)

    def close(self) -> None:
        self.closed += 1


class Tint(Stage, title="Tint", group="Test"):
    """Add a number to every pixel."""

    class Params(StageParams):
        add: int = Field(10, ge=0, le=255, description="Added to every pixel.")

    def process(self, frame: Frame) -> Frame:
        return frame.with_image(frame.image + np.uint8(self.params.add))


class Boxes(Stage, title="Boxes", group="Test"):
    """Report one box, at a place that tells the frame's number."""

    def process(self, frame: Frame) -> Frame:
        x = float(frame.index % 32)
        found = Detections(
            xyxy=np.array([[x, 4, x + 16, 24]], np.float32),
            confidence=np.array([0.9], np.float32),
            class_id=np.array([0]),
            class_names=("person",),
        )
        return frame.with_result(self.context.stage_id, found)


class Slow(Stage, title="Slow", group="Test"):
    """Take a while; with ``jitter`` a different while for every frame, the same in every run."""

    class Params(StageParams):
        delay_s: float = Field(0.01, ge=0, le=60, description="Seconds a frame takes.")
        jitter: float = Field(0.0, ge=0, le=1, description="Share of the delay that varies.")

    def process(self, frame: Frame) -> Frame:
        part = 1 - self.params.jitter * ((frame.index * 2654435761 % 2**32) / 2**32)
        time.sleep(self.params.delay_s * part)
        return frame


class Gate(Stage, title="Gate", group="Test", patience_s=0.5):
    """Hang in ``process`` at frame ``at`` until ``Gate.opened`` is set, or in ``open`` when ``at`` is -1."""

    entered = threading.Event()
    opened = threading.Event()

    class Params(StageParams):
        at: int = Field(5, ge=-1, description="Frame to hang at.")

    def open(self, context: StageContext) -> None:
        if self.params.at == -1:
            self.opened.wait(30)

    def process(self, frame: Frame) -> Frame:
        if frame.index == self.params.at:
            self.entered.set()
            self.opened.wait(30)
        return frame


class InOrder(Stage, title="In order", group="Test", stateful=True):
    """Notes the index of every frame since it was opened, and the thread that brings it."""

    seen: ClassVar[list[tuple[int, int]]] = []

    def open(self, context: StageContext) -> None:
        type(self).seen = []

    def process(self, frame: Frame) -> Frame:
        self.seen.append((frame.index, threading.get_ident()))
        return frame


class Broken(Stage, title="Broken", group="Test"):
    """Raise from frame ``start`` on, ``times`` times."""

    class Params(StageParams):
        start: int = Field(0, ge=0, description="First frame that fails.")
        times: int = Field(10**9, ge=0, description="How many frames fail.")
        in_open: bool = Field(False, description="Fail when opening instead.")

    def open(self, context: StageContext) -> None:
        if self.params.in_open:
            raise RuntimeError("no such device")

    def process(self, frame: Frame) -> Frame:
        if self.params.start <= frame.index < self.params.start + self.params.times:
            raise ValueError(f"cannot do frame {frame.index}")
        return frame


class Wrong(Stage, title="Invert", group="Test"):
    """Break the contract of a stage in one of several ways."""

    class Params(StageParams):
        how: str = Field("float", description="float, size, none, writes or index")

    def process(self, frame: Frame) -> Frame:
        how = self.params.how
        if how == "float":
            return frame.with_image(255.0 - frame.image[:, :, 0])
        if how == "size":
            return frame.with_image(frame.image[:10])
        if how == "writes":
            frame.image[0, 0] = 0
        if how == "index":
            return Frame(frame.image, frame.index + 1)
        return None  # type: ignore[return-value]


def fake_registry() -> Registry[Stage]:
    """A registry with the stages of this module beside the installed ones."""
    registry: Registry[Stage] = Registry("scenescope.stages", Stage)
    for cls in (Tint, Boxes, Slow, Gate, InOrder, Broken, Wrong):
        registry.add(cls.__name__.lower(), cls)
    return registry
