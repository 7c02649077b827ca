"""Recorders: pictures as they are captured, pictures with their overlay, and results, each into a file of its own."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

from scenescope.models import LogEvent, SinkError
from scenescope.pipelines.frame import Frame, Stamp
from scenescope.pipelines.log.spotter import EventSpotter
from scenescope.pipelines.overlay import OverlayStyle
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks._clock import RecordingClock
from scenescope.pipelines.sinks._disk import DiskWatch, GuardedFile, create_new, file_name_of, reported
from scenescope.pipelines.sinks._encoder import EncoderChoice, Picture, Quality, choice_at_hand, i420_of
from scenescope.pipelines.sinks._movie import Container, Moment, MovieWriter
from scenescope.pipelines.sinks.events_jsonl import event_line
from scenescope.pipelines.sinks.jsonl import result_line
from scenescope.pipelines.sinks.video import FramePainter
from scenescope.pipelines.source import SourceInfo

__all__ = ["EventsRecorder", "Part", "Recorder", "RecorderContext", "ResultsRecorder", "VideoRecorder"]


class Part(StrEnum):
    """What a recording can hold; the values are the last words of the files' names."""

    RAW = "raw"
    ANNOTATED = "annotated"
    RESULTS = "results"
    EVENTS = "events"


@dataclass
class RecorderContext:
    """What the recorders of one recording share.

    Attributes:
        folder: where the files go.
        clock: tells the times in the files.
        disk: looks at the room.
        container, quality: of the movies.
        time_base: asked when the source is open: seconds per tick of its clock, None when it has none.
        sound: asked when the source is open: the media file whose sound is kept, None for silence.
        style: what is drawn into annotated pictures.
        choice: asked when the source is open: the encoder.
        begun: when the recording began, for the names.
        recorders: all of them, whose sizes are added up.
    """

    folder: Path
    clock: RecordingClock
    disk: DiskWatch
    container: Container = Container.MP4
    quality: Quality = Quality.NORMAL
    time_base: Callable[[], Fraction | None] = lambda: None
    sound: Callable[[], Path | None] = lambda: None
    style: OverlayStyle | None = None
    choice: Callable[[], EncoderChoice] = choice_at_hand
    begun: datetime = field(default_factory=datetime.now)
    recorders: list[Recorder] = field(default_factory=list)

    @property
    def written(self) -> int:
        """Bytes by all recorders."""
        return sum(recorder.written for recorder in self.recorders)

    def stem(self, part: Part, info: SourceInfo) -> str:
        """Name of a file without its suffix: "2026-11-22 14-03-05 Desk camera raw"."""
        return f"{self.begun:%Y-%m-%d %H-%M-%S} {file_name_of(Path(info.name).stem)} {part}".replace("  ", " ")


class Recorder(Sink):
    """Writes one part of a recording, from the first picture to the last of one source, into a file that is new.

    With the end of the source, a failure, or :meth:`halt` its work is done: it writes nothing more, and its file is
    whole.

    Args:
        part: which.
        context: what it shares with the others.

    Attributes:
        path: its file; None before it is made.
        frames: pictures written.
        missed: pictures of the source that it did not get in time, or that were not analysed.
        failure: why it ended by itself; None when it did not.
    """

    def __init__(self, part: Part, context: RecorderContext) -> None:
        self.part = part
        self.path: Path | None = None
        self.frames = 0
        self.missed = 0
        self.failure: SinkError | None = None
        self.closed = threading.Event()
        self._context = context
        self._next_number: int | None = None
        self._halted = False
        self._at_work = False
        context.recorders.append(self)

    def open(self, info: SourceInfo) -> None:
        """Make the file.

        Raises:
            SinkError: it cannot be written there, or there is no encoder.
        """
        if self.closed.is_set() or self._halted:
            return
        self._at_work = True
        with self._failing():
            self._begin(info)

    def write(self, prepared: Any) -> None:
        """Write the next picture, or what was found in it.

        Raises:
            SinkError: the disk is full or gone; what was written before is whole.
        """
        stamp, value = prepared
        # One that has no room ends all.
        self._halted = self._halted or self._context.disk.full
        if self._halted or self.closed.is_set():
            return
        place = self._context.clock.place_of(stamp)
        # Asked again: what must not be recorded may have begun while the clock was waited for.
        if place is None or self._halted:
            return
        moment, number = place
        if self._next_number is not None:
            self.missed += max(number - self._next_number, 0)
        self._next_number = number + 1
        with self._failing():
            self._put(value, moment)
            self.frames += 1
            self._context.disk.look(self._context.written)

    def close(self) -> None:
        """Finish the file.

        Raises:
            SinkError: the disk is full or gone.
        """
        try:
            if self._at_work:
                self._at_work = False
                with self._failing():
                    self._finish()
        finally:
            self.closed.set()

    def halt(self) -> None:
        """Write nothing more from now on, on whichever thread this is said; the file is finished by ``close``."""
        self._halted = True
        if not self._at_work:
            self.closed.set()

    @property
    def halted(self) -> bool:
        """True once it was told to write nothing more."""
        return self._halted

    @property
    @abstractmethod
    def written(self) -> int:
        """Bytes of its file so far."""

    @property
    def note(self) -> str:
        """What else is to be said about its file."""
        return ""

    @abstractmethod
    def _begin(self, info: SourceInfo) -> None: ...

    @abstractmethod
    def _put(self, value: Any, moment: Moment) -> None: ...

    @abstractmethod
    def _finish(self) -> None: ...

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Keep what fails first, and let it pass."""
        try:
            yield
        except SinkError as error:
            self.failure = self.failure or error
            raise


class VideoRecorder(Recorder):
    """Records pictures as a movie: as captured for ``Part.RAW``, with the overlay for ``Part.ANNOTATED``."""

    def __init__(self, part: Part, context: RecorderContext) -> None:
        super().__init__(part, context)
        self.captured = part is Part.RAW
        self.choice: EncoderChoice | None = None
        self._painted = FramePainter(context.style)
        self._writer: MovieWriter | None = None

    def prepare(self, frame: Frame) -> tuple[Stamp, Picture]:
        """Paint a copy of the picture where that is wished, and convert it. May run on several frames at once."""
        image = frame.image if self.captured else self._painted(frame)
        return frame.stamp, Picture(i420_of(image), frame.pts_s)

    @property
    def written(self) -> int:
        """Bytes of its file so far."""
        return self._writer.written if self._writer is not None else 0

    @property
    def note(self) -> str:
        """What is to be said about its sound."""
        return self._writer.note if self._writer is not None else ""

    def _begin(self, info: SourceInfo) -> None:
        context = self._context
        self.choice = context.choice()
        file = create_new(context.folder, context.stem(self.part, info), f".{context.container}")
        self.path = file.path
        self._writer = MovieWriter(
            file,
            self.choice,
            rate_hz=info.rate_hz,
            time_base=context.time_base(),
            container=context.container,
            quality=context.quality,
            sound=None if info.live else context.sound(),
        )

    def _put(self, value: Any, moment: Moment) -> None:
        assert self._writer is not None
        self._writer.write(value, moment)
        self.choice = self._writer.choice

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _LinesRecorder(Recorder):
    """Records lines of JSON, each handed to the system as it is written: a killed process leaves whole lines."""

    def __init__(self, part: Part, context: RecorderContext) -> None:
        super().__init__(part, context)
        self._file: GuardedFile | None = None

    def prepare(self, frame: Frame) -> tuple[Stamp, Frame]:
        """The frame itself: its lines are written when its time is known."""
        return frame.stamp, frame

    @property
    def written(self) -> int:
        """Bytes of its file so far."""
        return self._file.written if self._file is not None else 0

    def _begin(self, info: SourceInfo) -> None:
        self._file = create_new(self._context.folder, self._context.stem(self.part, info), ".jsonl")
        self.path = self._file.path

    def _append(self, lines: bytes) -> None:
        assert self._file is not None
        with reported(self._file.path):
            self._file.write(lines)

    def _finish(self) -> None:
        if self._file is not None:
            with reported(self._file.path):
                self._file.close()


class ResultsRecorder(_LinesRecorder):
    """Records what was found in each picture: ``frame`` is the source's number, times are those of the movies."""

    def __init__(self, context: RecorderContext) -> None:
        super().__init__(Part.RESULTS, context)

    def _put(self, value: Any, moment: Moment) -> None:
        self._append(result_line(replace(value, pts_s=moment.t_s)))


class EventsRecorder(_LinesRecorder):
    """Records what happened, in the order in which it was noticed: times are those of the movies."""

    def __init__(self, context: RecorderContext) -> None:
        super().__init__(Part.EVENTS, context)
        self._spotter: EventSpotter | None = None
        self._shift_s = 0.0

    def _begin(self, info: SourceInfo) -> None:
        super()._begin(info)
        self._spotter = EventSpotter(info)

    def _put(self, value: Any, moment: Moment) -> None:
        assert self._spotter is not None
        self._shift_s = moment.t_s - moment.media_s
        self._tell(self._spotter.spot(value))

    def _finish(self) -> None:
        try:
            if self._spotter is not None and self.failure is None:
                self._tell(self._spotter.finish())
        finally:
            super()._finish()

    def _tell(self, events: list[LogEvent]) -> None:
        moved = [replace(event, t_s=max(event.t_s + self._shift_s, 0.0)) for event in events]
        if moved:
            self._append(b"".join(event_line(event) for event in moved))
