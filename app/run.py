"""The headless run: the same engine without a window, for files, scripts and servers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenescope.app.progress import Progress
from scenescope.app.run_outputs import outputs_of
from scenescope.app.run_parts import FirstFrames, Tally
from scenescope.app.run_watch import EXIT_BAD_INPUT, EXIT_DONE, EXIT_INTERRUPTED, EXIT_STAGE_FAILED, Watch
from scenescope.models import SourceError
from scenescope.pipelines import PipelineSpec, presets
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.slots import DropPolicy
from scenescope.pipelines.source import Source
from scenescope.pipelines.sources.images import ImageFiles
from scenescope.pipelines.sources.open import open_source
from scenescope.pipelines.zones.model import ZoneSet

__all__ = [
    "EXIT_BAD_INPUT",
    "EXIT_DONE",
    "EXIT_INTERRUPTED",
    "EXIT_STAGE_FAILED",
    "Outcome",
    "RunRequest",
    "pipeline_of",
    "run",
]

LOOK_EVERY_S = 0.1
# What was found is written, however long that takes; a second Ctrl+C ends it.
STOP_WITHIN_S = 86_400.0

TRACKERS = frozenset({"track", "track_one"})


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
    formats: tuple[str, ...] = ("jsonl",)
    images: bool = False
    zones: Path | None = None
    events: bool = False
    report: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    ``seconds`` runs from the first frame to the last, without the loading of networks. ``labels`` counts objects found,
    one for each frame that they were found in; ``tracks`` counts distinct confirmed tracks, each under the label that
    it had most often. ``skipped`` names files of a folder of images that could not be read, each with the reason.
    """

    exit_code: int
    frames: int
    dropped: int
    seconds: float
    device: str
    labels: dict[str, int]
    tracks: dict[str, int]
    files: tuple[Path, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

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
        lines += [f"Failed: {name}: {reason}" for name, reason in self.skipped]
        lines += [f"Written: {path}" for path in self.files]
        return "\n".join(lines)


def run(
    request: RunRequest,
    progress: Progress,
    interrupted: threading.Event,
    presets_dir: Path | None,
    more_sinks: Sequence[Sink] = (),
) -> Outcome:
    """Take every frame of the source through the pipeline and write what was asked for.

    Args:
        request: what to do.
        progress: told how it goes, and every error once the run has begun.
        interrupted: when it is set, the run ends soon; files stay valid.
        presets_dir: the user's own presets.
        more_sinks: take the frames too.

    Raises:
        SpecError, SourceError, SinkError: it cannot begin: the pipeline, the source or the folder is wrong.
    """
    spec = pipeline_of(request, progress, presets_dir)
    source = _source(request)
    sinks, files = outputs_of(request, source, spec)
    tally = Tally()
    engine = Engine(spec, sinks=[tally, *sinks, *more_sinks], headless=True)
    watch = Watch(engine, progress)
    for sink in sinks:
        if hasattr(sink, "before_close"):
            sink.before_close = watch.describe
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
    skipped = tuple((path.name, reason) for path, reason in source.skipped) if isinstance(source, ImageFiles) else ()
    if skipped and exit_code == EXIT_DONE:
        exit_code = EXIT_STAGE_FAILED
    return Outcome(
        exit_code=exit_code,
        frames=tally.frames,
        dropped=dropped,
        seconds=watch.seconds,
        device=watch.device,
        labels=tally.labels(),
        tracks=tally.tracks(),
        files=tuple(files),
        skipped=skipped,
    )


def pipeline_of(request: RunRequest, progress: Progress, presets_dir: Path | None) -> PipelineSpec:
    """The pipeline, with the zones that are to be counted: in the stage that it has for them, or in one more."""
    spec = presets.load(request.pipeline, folder=presets_dir)
    if request.zones is None:
        return spec
    shapes = ZoneSet.load(request.zones).model_dump(mode="json")
    counting = next((stage for stage in spec.stages if stage.kind == "zones"), None)
    if counting is not None:
        return spec.with_params(counting.id, shapes=shapes).enabled(counting.id, True)
    if not any(stage.enabled and stage.kind in TRACKERS for stage in spec.stages):
        progress.note("Zones count tracked objects: 'track' was added to the pipeline.")
        spec = spec.added("track")
    return spec.added("zones", {"shapes": shapes})


def _source(request: RunRequest) -> Source:
    source = open_source(request.source, start_s=request.start_s, end_s=request.end_s)
    if (request.start_s is not None or request.end_s is not None) and not hasattr(source, "start_s"):
        raise SourceError(
            f"{request.source} has no time line to choose a part of.", hint="--start and --end are for video files."
        )
    return source if request.max_frames is None else FirstFrames(source, request.max_frames)
