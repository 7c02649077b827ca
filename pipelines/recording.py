"""Recording what a running engine shows: pictures as captured, pictures with their overlay, and results."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from scenescope.models import SinkError
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import EngineEvent, PipelineChanged
from scenescope.pipelines.overlay import OverlayStyle
from scenescope.pipelines.privacy import hiding_stages
from scenescope.pipelines.registry import STAGES, Registry
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks._clock import RecordingClock
from scenescope.pipelines.sinks._disk import DiskWatch, check_folder
from scenescope.pipelines.sinks._encoder import BITS_PER_PIXEL, EncoderChoice, Quality, encoder_choice
from scenescope.pipelines.sinks._movie import Container
from scenescope.pipelines.sinks.recorder import (
    EventsRecorder,
    Part,
    Recorder,
    RecorderContext,
    ResultsRecorder,
    VideoRecorder,
)
from scenescope.pipelines.source import Source
from scenescope.pipelines.stage import Stage

__all__ = [
    "Container",
    "EncoderChoice",
    "Part",
    "PartStatus",
    "Quality",
    "RawRefused",
    "Recording",
    "RecordingOptions",
    "RecordingPhase",
    "RecordingStatus",
    "Recordings",
    "bytes_a_second",
    "encoder_choice",
]


@dataclass(frozen=True)
class RecordingOptions:
    """What the user wishes.

    Attributes:
        folder: where the files go.
        parts: what is recorded.
        container, quality: of the movies.
        sound: keep the sound of a film; cameras have none here.
    """

    folder: Path
    parts: frozenset[Part] = frozenset({Part.ANNOTATED})
    container: Container = Container.MP4
    quality: Quality = Quality.NORMAL
    sound: bool = True


class RecordingPhase(StrEnum):
    """Where a recording is in its life."""

    RECORDING = "recording"
    FINISHING = "finishing"
    ENDED = "ended"


@dataclass(frozen=True)
class PartStatus:
    """How one file fares; ``note`` is a sentence about its sound, ``failure`` and ``hint`` say why it ended early."""

    part: Part
    path: Path | None
    frames: int
    missed: int
    bytes: int
    closed: bool
    note: str = ""
    failure: str = ""
    hint: str = ""


@dataclass(frozen=True)
class RecordingStatus:
    """How a recording fares.

    Attributes:
        phase: where it is.
        seconds: length of the files so far.
        bytes: of all files.
        missed: pictures of the source that are not in the picture file: they came too fast.
        free_bytes: room on the disk; None when nobody knows.
        warning: to be shown while it is not empty.
        encoder: which one is at work, for people; empty before the first picture.
        encoder_why: why that one.
        parts: its files.
    """

    phase: RecordingPhase
    seconds: float = 0.0
    bytes: int = 0
    missed: int = 0
    free_bytes: int | None = None
    warning: str = ""
    encoder: str = ""
    encoder_why: str = ""
    parts: tuple[PartStatus, ...] = ()


class RawRefused(SinkError):
    """Pictures that a stage would hide parts of are not recorded as captured unless the user says so."""


def bytes_a_second(size_wh: tuple[int, int], rate_hz: float, options: RecordingOptions) -> float:
    """About how much a recording writes; scenes with much detail and motion take more."""
    movies = len(options.parts & {Part.RAW, Part.ANNOTATED})
    lines = len(options.parts) - movies
    return (movies * size_wh[0] * size_wh[1] * BITS_PER_PIXEL[options.quality] / 8 + lines * 500) * (rate_hz or 30.0)


class Recording:
    """One recording: its recorders and their clock, from the first picture to the last of one source.

    Made by :meth:`Recordings.start`. ``confirmed`` are the ids of stages whose pictures may be recorded as captured.
    """

    def __init__(self, options: RecordingOptions, context: RecorderContext, confirmed: frozenset[str]) -> None:
        self.options = options
        self.confirmed = confirmed
        self.context = context
        self.stopping = False

    @property
    def sinks(self) -> list[Sink]:
        """What the engine is given: the clock first."""
        return [self.context.clock, *self.recorders]

    @property
    def recorders(self) -> list[Recorder]:
        """Those that write."""
        return self.context.recorders

    @property
    def ended(self) -> bool:
        """True once all files are whole."""
        return all(recorder.closed.is_set() for recorder in self.recorders)

    @property
    def over(self) -> bool:
        """True once nothing more will be written, though files may not be whole yet."""
        return self.context.disk.full or all(one.closed.is_set() or one.halted for one in self.recorders)

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Wait until all files are whole."""
        return all(recorder.closed.wait(timeout_s) for recorder in self.recorders)

    @property
    def status(self) -> RecordingStatus:
        """How it fares; touches no disk."""
        movies = [recorder for recorder in self.recorders if isinstance(recorder, VideoRecorder)]
        choice = next((movie.choice for movie in movies if movie.choice is not None), None)
        live = self.context.clock.info is not None and self.context.clock.info.live
        phase = RecordingPhase.FINISHING if self.stopping else RecordingPhase.RECORDING
        return RecordingStatus(
            phase=RecordingPhase.ENDED if self.ended else phase,
            seconds=self.context.clock.seconds,
            bytes=self.context.written,
            missed=max((movie.missed for movie in movies), default=0),
            free_bytes=self.context.disk.free_bytes,
            warning=self.context.disk.warning,
            encoder=choice.words if choice else "",
            encoder_why=choice.why if choice else "",
            parts=tuple(
                PartStatus(
                    part=recorder.part,
                    path=recorder.path,
                    frames=recorder.frames,
                    missed=recorder.missed,
                    bytes=recorder.written,
                    closed=recorder.closed.is_set(),
                    note="Cameras are recorded without sound." if live and recorder in movies else recorder.note,
                    failure=recorder.failure.user_message if recorder.failure else "",
                    hint=recorder.failure.hint if recorder.failure else "",
                )
                for recorder in self.recorders
            ),
        )


class Recordings:
    """Starts and stops recordings of an engine, one at a time.

    A recording ends with its source; what was written is whole then. When a stage that hides something is switched on,
    the file of captured pictures ends at once, and the others go on.

    Args:
        engine: whose pictures are recorded.
        source: gives the source that the engine shows, for its clock and its sound; None when unknown.
        registry: where stage classes are found.
        told: called with a message and a hint when something ends by itself, on any thread.
        disk: makes the watch of a folder's room.
    """

    def __init__(
        self,
        engine: Engine,
        source: Callable[[], Source | None] = lambda: None,
        *,
        registry: Registry[Stage] = STAGES,
        told: Callable[[str, str], None] = lambda message, hint: None,
        disk: Callable[[Path], DiskWatch] = DiskWatch,
    ) -> None:
        self._engine = engine
        self._source = source
        self._registry = registry
        self._told = told
        self._disk = disk
        self._lock = threading.RLock()
        self.current: Recording | None = None
        self._unsubscribe = engine.subscribe(self._listen)

    def start(
        self,
        options: RecordingOptions,
        *,
        style: OverlayStyle | None = None,
        raw_confirmed: bool = False,
        with_next_source: bool = False,
    ) -> Recording:
        """Begin a recording. Looks at the disk, so it may take a while.

        Args:
            options: what is wished.
            style: what is drawn into annotated pictures.
            raw_confirmed: the user has said that captured pictures may be recorded although a stage would hide parts
                of them.
            with_next_source: begin with the first picture of the next source, when none runs.

        Raises:
            RawRefused: a stage hides something, and ``raw_confirmed`` is False.
            SinkError: one is at work already, there is no source, nothing to record, no room, or no way to write.
        """
        if not options.parts:
            raise SinkError("Nothing was chosen to be recorded.", hint="Choose at least one part.")
        if not self._engine.running and not with_next_source:
            raise SinkError("There is nothing to record.", hint="Start a source first.")
        check_folder(options.folder)
        disk = self._disk(options.folder)
        info = self._engine.source_state.info
        disk.check_before(bytes_a_second(info.size_wh, info.rate_hz, options) if info else 0.0)
        context = RecorderContext(
            folder=options.folder,
            clock=RecordingClock(),
            disk=disk,
            container=options.container,
            quality=options.quality,
            time_base=self._time_base,
            sound=self._media_file if options.sound else lambda: None,
            style=style,
        )
        with self._lock:
            if self.current is not None and not self.current.ended:
                raise SinkError("A recording is under way.", hint="Stop it first.")
            hiding = hiding_stages(self._engine.spec, self._registry)
            if hiding and Part.RAW in options.parts and not raw_confirmed:
                raise RawRefused(
                    f"The pictures as captured are not recorded, because {_titles(hiding)} parts of them.",
                    hint="Record the annotated pictures, or confirm that the captured ones may be recorded.",
                )
            # A confirmation is for what is hidden now, not for what may be hidden later.
            recording = Recording(options, context, frozenset(hiding))
            for part in Part:
                if part in options.parts:
                    _recorder(part, context)
            self.current = recording
        for sink in recording.sinks:
            self._engine.add_sink(sink)
        self._check_privacy(recording)
        return recording

    def stop(self) -> Recording | None:
        """End the recording under way; returns at once, the files are whole soon (:meth:`Recording.wait`)."""
        with self._lock:
            recording = self.current
            if recording is None or recording.stopping:
                return recording
            recording.stopping = True
        self._take_off(recording)
        return recording

    def close(self, timeout_s: float = 10.0) -> bool:
        """End everything; True when all files were whole in time."""
        recording = self.stop()
        self._unsubscribe()
        return recording is None or recording.wait(timeout_s)

    @property
    def recording(self) -> bool:
        """True while one is at work."""
        return self.current is not None and not self.current.ended

    # Any thread --------------------------------------------------------------------------------------------------

    def _time_base(self) -> Fraction | None:
        return getattr(self._source(), "time_base", None)

    def _media_file(self) -> Path | None:
        path = getattr(self._source(), "path", None)
        return path if isinstance(path, Path) and path.is_file() else None

    def _listen(self, event: EngineEvent) -> None:
        recording = self.current
        if recording is None or recording.stopping:
            return
        if isinstance(event, PipelineChanged):
            self._check_privacy(recording)
        if recording.over:
            with self._lock:
                recording.stopping = True
            self._take_off(recording)

    def _check_privacy(self, recording: Recording) -> None:
        hiding = hiding_stages(self._engine.spec, self._registry)
        new = {stage_id: title for stage_id, title in hiding.items() if stage_id not in recording.confirmed}
        if not new:
            return
        with self._lock:
            raw = [one for one in recording.recorders if one.part is Part.RAW and not one.halted]
            for recorder in raw:
                recorder.halt()
        for recorder in raw:
            self._engine.remove_sink(recorder)
            self._told(
                f"The recording of the pictures as captured has ended, because {_titles(new)} parts of them.",
                "What was recorded before is in its file.",
            )

    def _take_off(self, recording: Recording) -> None:
        for sink in reversed(recording.sinks):
            self._engine.remove_sink(sink)
        if not self._engine.running:
            # Nothing runs that would close them.
            for recorder in recording.recorders:
                recorder.halt()


def _titles(hiding: dict[str, str]) -> str:
    names = " and ".join(f"'{title}'" for title in dict.fromkeys(hiding.values()))
    return f"{names} hide{'s' if len(hiding) == 1 else ''}"


def _recorder(part: Part, context: RecorderContext) -> Recorder:
    if part is Part.RESULTS:
        return ResultsRecorder(context)
    if part is Part.EVENTS:
        return EventsRecorder(context)
    return VideoRecorder(part, context)
