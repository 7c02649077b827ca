"""The headless run: the same engine without a window, for files, scripts and servers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from scenescope.app.progress import Progress
from scenescope.models import SinkError, SourceError
from scenescope.pipelines import presets
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import (
    EngineEvent,
    EngineFault,
    PipelineChanged,
    SinkFailed,
    SourcePhase,
    SourceState,
    StageFailed,
    StagePhase,
)
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks.jsonl import FoundObject, JsonLines, found_objects
from scenescope.pipelines.sinks.video import AnnotatedVideo
from scenescope.pipelines.slots import DropPolicy
from scenescope.pipelines.source import Source, SourceInfo
from scenescope.pipelines.sources.open import open_source

__all__ = ["EXIT_BAD_INPUT", "EXIT_DONE", "EXIT_INTERRUPTED", "EXIT_STAGE_FAILED", "Outcome", "RunRequest", "run"]

EXIT_DONE = 0
EXIT_BAD_INPUT = 2
EXIT_STAGE_FAILED = 3
EXIT_INTERRUPTED = 130

RESULTS_FILE = "results.jsonl"
VIDEO_FILE = "annotated.mp4"

LOOK_EVERY_S = 0.1
# What is under way when a run is stopped is finished, and the files are closed: seconds at most.
STOP_WITHIN_S = 30.0


@dataclass(frozen=True)
class RunRequest:
    """What the user asks for; see ``scenescope run --help``."""

    source: str
    pipeline: str = presets.DEFAULT
    out: Path | None = None
    video: bool = False
    policy: str | None = None
    max_frames: int | None = None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    ``seconds`` runs from the first frame to the last, without the loading of networks. ``labels`` counts objects found,
    one for each frame that they were found in; ``tracks`` counts distinct confirmed tracks, each under the label that
    it had most often.
    """

    exit_code: int
    frames: int
    dropped: int
    seconds: float
    device: str
    labels: dict[str, int]
    tracks: dict[str, int]
    files: tuple[Path, ...] = ()

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    def summary(self) -> dict[str, Any]:
        """The last line of ``--json``."""
        return {
            "frames": self.frames,
            "dropped": self.dropped,
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 2),
            "device": self.device,
            "labels": self.labels,
            "tracks": self.tracks,
        }

    def text(self) -> str:
        """The same for people."""
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        lines = [f"{self.frames} frames in {self.seconds:.1f} s ({self.fps:.1f} fps) on {self.device}{dropped}."]
        width = max((len(label) for label in self.labels), default=0)
        if self.labels:
            lines.append(f"  {'':{width}}  detections  tracks")
        for label, count in self.labels.items():
            lines.append(f"  {label:{width}}  {count:>10}  {self.tracks.get(label, 0):>6}")
        lines += [f"Written: {path}" for path in self.files]
        return "\n".join(lines)


def run(request: RunRequest, progress: Progress, interrupted: threading.Event, presets_dir: Path | None) -> Outcome:
    """Take every frame of the source through the pipeline and write what was asked for.

    Args:
        request: what to do.
        progress: told how it goes, and every error once the run has begun.
        interrupted: when it is set, the run ends soon; files stay valid.
        presets_dir: the user's own presets.

    Raises:
        SpecError, SourceError, SinkError: it cannot begin: the pipeline, the source or the folder is wrong.
    """
    spec = presets.load(request.pipeline, folder=presets_dir)
    source = _source(request)
    sinks, files = _sinks(request, source)
    tally = Tally()
    engine = Engine(spec, sinks=[tally, *sinks], headless=True)
    watch = _Watch(engine, progress)
    newest = (request.policy or ("newest" if source.live else "every")) == "newest"
    policy = DropPolicy.NEWEST if newest else DropPolicy.EVERY_FRAME
    try:
        # A file under "newest" plays at its own rate, as a camera would; as fast as it goes it would lose most frames.
        engine.start(source, policy=policy, paced=newest, await_stages=True)
        while not (over := engine.wait(LOOK_EVERY_S)) and not interrupted.is_set() and not watch.sink_failed:
            watch.tell(tally.frames)
    finally:
        dropped = engine.counts.dropped
        ended = engine.stop(STOP_WITHIN_S)
        watch.tell_rest(tally.frames)
    if not ended:
        progress.note("Warning: some part of the run did not end in time.")
    if not over and not watch.sink_failed:
        names = " and ".join(path.name for path in files)
        holds = f"; {names} hold{'' if len(files) > 1 else 's'} them" if files else ""
        progress.note(f"Interrupted after {tally.frames} frames{holds}.")
    exit_code = watch.exit_code(interrupted=not over)
    if exit_code == EXIT_DONE and not tally.frames:
        progress.error(f"{request.source} has no pictures there.", "Look at --start, --end and --policy.")
        exit_code = EXIT_BAD_INPUT
    return Outcome(
        exit_code=exit_code,
        frames=tally.frames,
        dropped=dropped,
        seconds=watch.seconds,
        device=watch.device,
        labels=tally.labels(),
        tracks=tally.tracks(),
        files=tuple(files),
    )


def _source(request: RunRequest) -> Source:
    source = open_source(request.source, start_s=request.start_s, end_s=request.end_s)
    if (request.start_s is not None or request.end_s is not None) and not hasattr(source, "start_s"):
        raise SourceError(
            f"{request.source} has no time line to choose a part of.", hint="--start and --end are for video files."
        )
    return source if request.max_frames is None else FirstFrames(source, request.max_frames)


def _sinks(request: RunRequest, source: Source) -> tuple[list[Sink], list[Path]]:
    if request.out is None:
        return [], []
    files = [request.out / RESULTS_FILE, *([request.out / VIDEO_FILE] if request.video else [])]
    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(
            f"Cannot write to the folder {request.out}: {error.strerror}.", hint="Choose another folder for --out."
        ) from error
    for path in files:
        if path.exists() and Path(request.source).exists() and path.samefile(request.source):
            raise SinkError(f"{path} would be written over itself.", hint="Choose another folder for --out.")
    sinks: list[Sink] = [JsonLines(files[0])]
    if request.video:
        sinks.append(AnnotatedVideo(files[1], time_base=lambda: getattr(source, "time_base", None)))
    return sinks, files


class FirstFrames(Source):
    """The first ``count`` frames of another source."""

    def __init__(self, source: Source, count: int) -> None:
        self.live = source.live
        self._source = source
        self._count = count
        self._given = 0

    @property
    def time_base(self) -> Fraction | None:
        """The source's clock, if it has one."""
        return getattr(self._source, "time_base", None)

    def open(self) -> SourceInfo:
        """Open the source."""
        info = self._source.open()
        count = self._count if info.frame_count is None else min(info.frame_count, self._count)
        return replace(info, frame_count=count)

    def read(self) -> Frame | None:
        """The next frame; None after the last of them."""
        if self._given >= self._count:
            return None
        frame = self._source.read()
        self._given += frame is not None
        return frame

    def interrupt(self) -> None:
        """Make a waiting ``read`` return."""
        self._source.interrupt()

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class Tally(Sink):
    """Counts what passes."""

    def __init__(self) -> None:
        self.frames = 0
        self._labels: Counter[str] = Counter()
        self._tracks: dict[tuple[str, int], Counter[str]] = {}

    def prepare(self, frame: Frame) -> list[FoundObject]:
        """The frame's objects."""
        return list(found_objects(frame))

    def write(self, prepared: list[FoundObject]) -> None:
        """Count them."""
        self.frames += 1
        for found in prepared:
            self._labels[found.label] += 1
            if found.track_id is not None:
                self._tracks.setdefault((found.result, found.track_id), Counter())[found.label] += 1

    def labels(self) -> dict[str, int]:
        """Objects found by label, the most frequent first."""
        return dict(self._labels.most_common())

    def tracks(self) -> dict[str, int]:
        """Confirmed tracks by the label that each had most often, the most frequent first."""
        return dict(Counter(votes.most_common(1)[0][0] for votes in self._tracks.values()).most_common())


class _Watch:
    """Listens to the engine and remembers what the exit code depends on."""

    def __init__(self, engine: Engine, progress: Progress) -> None:
        self.sink_failed = False
        self._progress = progress
        self._source: SourceState | None = None
        self._playing_s: float | None = None
        self._over_s: float | None = None
        self._begun = False
        self._devices: dict[str, str] = {}
        self._stage_failed = False
        self._said: set[str] = set()
        self._stumbles: dict[str, list[str]] = {}
        self._tripped: set[str] = set()
        self._waiting: SimpleQueue[tuple[bool, str, str]] = SimpleQueue()
        engine.subscribe(self._listen)

    # Engine's threads --------------------------------------------------------------------------------------------

    def _listen(self, event: EngineEvent) -> None:
        match event:
            case SourceState(phase=phase):
                self._source = event
                if phase is SourcePhase.PLAYING and self._playing_s is None:
                    self._playing_s = time.monotonic()
                elif phase is SourcePhase.RECONNECTING:
                    self._waiting.put((False, event.message, event.hint))
                elif phase in (SourcePhase.ENDED, SourcePhase.FAILED, SourcePhase.STOPPED):
                    self._over_s = time.monotonic()
                    if phase is SourcePhase.FAILED:
                        self._waiting.put((True, event.message, event.hint))
            case PipelineChanged(stages=stages):
                for stage in stages:
                    if stage.device:
                        self._devices[stage.stage_id] = stage.device
                    # A stage whose plugin is missing never fails: it is not there.
                    if stage.phase is StagePhase.UNAVAILABLE:
                        self._fail(stage.message, stage.hint)
            case StageFailed(tripped=True):
                self._tripped.add(event.stage_id)
                self._fail(event.message, event.hint)
            case StageFailed():
                self._stumbles.setdefault(event.stage_id, []).append(event.message)
            case SinkFailed():
                self.sink_failed = True
                self._waiting.put((True, event.message, event.hint))
            case EngineFault():
                self._fail(f"Unexpected failure in {event.where}: {event.message}", "This is a bug: please report it.")

    def _fail(self, message: str, hint: str) -> None:
        """Note a failure for good; each sentence is said once."""
        self._stage_failed = True
        if message not in self._said:
            self._said.add(message)
            self._waiting.put((True, message, hint))

    # The run's thread --------------------------------------------------------------------------------------------

    def tell(self, frames: int) -> None:
        """Pass on what has happened since the last call, on the caller's thread."""
        if not self._begun and self._playing_s is not None and self._source is not None:
            info = self._source.info
            self._begun = True
            self._progress.begin(info.name if info else "", info.frame_count if info else None)
        while not self._waiting.empty():
            is_error, message, hint = self._waiting.get()
            if is_error:
                self._progress.error(message, hint)
            else:
                self._progress.note(f"{message} {hint}".strip())
        if self._begun:
            self._progress.update(frames)

    def tell_rest(self, frames_done: int) -> None:
        """The run is over: pass on what is left, and take the bar away."""
        self.tell(frames_done)
        self._progress.end()
        # Frames fail in parallel, so a stage's last stumble may be told after the failure that ended it.
        for stage_id, messages in self._stumbles.items():
            if stage_id in self._tripped:
                continue
            frames = f"{len(messages)} frame{'s' * (len(messages) > 1)}"
            self._progress.note(f"Warning: {stage_id} left out {frames}. The last time: {messages[-1]}")

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        if self._playing_s is None:
            return 0.0
        return (self._over_s or time.monotonic()) - self._playing_s

    @property
    def device(self) -> str:
        """Where the stages really ran; plain code runs on the CPU."""
        return ", ".join(dict.fromkeys(self._devices.values())) or "CPU"

    def exit_code(self, interrupted: bool) -> int:
        """The code that tells other programs how the run went."""
        if self.sink_failed or (self._source is not None and self._source.phase is SourcePhase.FAILED):
            return EXIT_BAD_INPUT
        if interrupted:
            return EXIT_INTERRUPTED
        return EXIT_STAGE_FAILED if self._stage_failed else EXIT_DONE
