"""EngineBridge: where the engine's threads meet the GUI thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal, Slot

from scenescope.pipelines.display import ComposedPicture
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import (
    EngineEvent,
    EngineFault,
    IndexProgress,
    PipelineChanged,
    SinkFailed,
    SourcePhase,
    SourceState,
    StageFailed,
    Stats,
)
from scenescope.pipelines.meters import Durations, RateMeter

__all__ = ["EngineBridge", "PaintedStats"]

MOST_FAILURES = 32
"""Failures kept between two wake-ups; a stage that fails on every frame must not fill the memory of a busy GUI."""


@dataclass(frozen=True)
class PaintedStats:
    """What reached the screen: pictures so far, pictures a second, and camera to painted in milliseconds."""

    count: int
    fps: float
    age_p50_ms: float
    age_p95_ms: float


class EngineBridge(QObject):
    """The only QObject that worker threads touch.

    However much happens, at most one wake-up waits in the GUI thread's event queue. It carries nothing: what it finds
    on arrival is the newest of everything, and the failures since the last one. Pictures stay in the display's mailbox
    until the GUI thread takes one.
    """

    picture_changed = Signal()
    """``picture`` is another one."""
    stats_changed = Signal(object)
    pipeline_changed = Signal(object)
    source_changed = Signal(object)
    index_progressed = Signal(float)
    """The times of a film's pictures are being read: how far, 0 to 1."""
    stage_failed = Signal(object)
    sink_failed = Signal(object)
    fault = Signal(object)
    _woken = Signal()

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.picture: ComposedPicture | None = None
        self.wake_ups = 0
        self._lock = threading.Lock()
        self._pending = False
        self._closed = False
        self._stats: Stats | None = None
        self._pipeline: PipelineChanged | None = None
        self._source: SourceState | None = None
        self._indexed: IndexProgress | None = None
        self._failures: deque[EngineEvent] = deque(maxlen=MOST_FAILURES)
        self._calls: deque[Callable[[], None]] = deque()
        self._painted = 0
        self._painted_rate = RateMeter()
        self._painted_age = Durations(keep=120)
        self._last_painted_s = -1.0
        self._not_before_s = 0.0
        self._woken.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._unsubscribe = engine.subscribe(self._listen)
        engine.display.on_picture = self._wake

    def close(self) -> None:
        """Hear nothing more; call it before the engine's last events could reach a deleted object."""
        self._unsubscribe()
        self.engine.display.on_picture = None
        with self._lock:
            self._closed = True
            self._calls.clear()

    # Any thread --------------------------------------------------------------------------------------------------

    def _listen(self, event: EngineEvent) -> None:
        with self._lock:
            if isinstance(event, Stats):
                self._stats = event
            elif isinstance(event, PipelineChanged):
                self._pipeline = event
            elif isinstance(event, SourceState):
                self._source = event
            elif isinstance(event, IndexProgress):
                self._indexed = event
            elif isinstance(event, StageFailed | SinkFailed | EngineFault):
                self._failures.append(event)
            else:
                return
        self._wake()

    @property
    def closed(self) -> bool:
        """True once nothing that is posted will run."""
        return self._closed

    def post(self, call: Callable[[], None]) -> None:
        """Run ``call`` in the GUI thread soon: how a helper thread hands back its result."""
        with self._lock:
            self._calls.append(call)
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._pending or self._closed:
                return
            self._pending = True
            # Inside the lock, so that close() cannot finish between the check and the emission.
            self._woken.emit()

    # GUI thread --------------------------------------------------------------------------------------------------

    @Slot()
    def _deliver(self) -> None:
        with self._lock:
            self._pending = False
            if self._closed:
                return
            source, self._source = self._source, None
            indexed, self._indexed = self._indexed, None
            pipeline, self._pipeline = self._pipeline, None
            stats, self._stats = self._stats, None
            failures, self._failures = self._failures, deque(maxlen=MOST_FAILURES)
            calls, self._calls = self._calls, deque()
        self.wake_ups += 1
        if source is not None:
            self.source_changed.emit(source)
        if indexed is not None:
            self.index_progressed.emit(indexed.done)
        if pipeline is not None:
            self.pipeline_changed.emit(pipeline)
        for event in failures:
            if isinstance(event, StageFailed):
                self.stage_failed.emit(event)
            elif isinstance(event, SinkFailed):
                self.sink_failed.emit(event)
            else:
                self.fault.emit(event)
        picture = self.engine.display.take()
        if picture is not None and picture.captured_s >= self._not_before_s:
            self.picture = picture
            self.picture_changed.emit()
        if stats is not None:
            self.stats_changed.emit(stats)
        for call in calls:
            call()

    def forget_picture(self) -> None:
        """The source has gone: neither what is shown of it nor what is still being composed is current."""
        self._not_before_s = time.monotonic()
        self.engine.display.take()
        self.picture = None

    def note_painted(self, picture: ComposedPicture) -> None:
        """Called by the view when ``picture`` is on the screen. A picture that is painted again counts once."""
        if picture.captured_s == self._last_painted_s:
            return
        self._last_painted_s = picture.captured_s
        self._painted += 1
        if self.engine.source_state.phase is SourcePhase.PLAYING:
            self._painted_age.add(max(time.monotonic() - picture.captured_s, 0.0))

    def painted(self) -> PaintedStats:
        """What reached the screen so far; ask a few times a second, the rate is taken between the calls."""
        p50_ms, p95_ms = self._painted_age.percentiles()
        return PaintedStats(self._painted, self._painted_rate.update(self._painted), p50_ms, p95_ms)
