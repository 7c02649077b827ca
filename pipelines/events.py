"""What an engine tells: small frozen records without pictures, on whatever thread they happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.spec import PipelineSpec

__all__ = [
    "CopyRate",
    "Counts",
    "EngineEvent",
    "EngineFault",
    "FrameReady",
    "IndexProgress",
    "PipelineChanged",
    "SinkFailed",
    "SourcePhase",
    "SourceState",
    "StageFailed",
    "StagePhase",
    "StageState",
    "StageStats",
    "Stats",
]


class SourcePhase(StrEnum):
    """Where a source is in its life."""

    OPENING = "opening"
    PLAYING = "playing"
    PAUSED = "paused"
    RECONNECTING = "reconnecting"
    ENDED = "ended"
    FAILED = "failed"
    STOPPED = "stopped"


class StagePhase(StrEnum):
    """Where a stage is in its life."""

    LOADING = "loading"
    READY = "ready"
    DISABLED = "disabled"
    UNAVAILABLE = "unavailable"
    TRIPPED = "tripped"
    NOT_RESPONDING = "not responding"


@dataclass(frozen=True)
class EngineEvent:
    """Base of all events."""


@dataclass(frozen=True)
class FrameReady(EngineEvent):
    """A frame has passed all stages."""

    index: int
    pts_s: float
    captured_s: float


@dataclass(frozen=True)
class IndexProgress(EngineEvent):
    """The times of a file's pictures are being read, so that it can be moved in exactly: ``done`` is 0 to 1.

    At 1 it is over: the engine's ``frame_index`` is there, unless the file cannot be indexed.
    """

    done: float


@dataclass(frozen=True)
class SourceState(EngineEvent):
    """The source opened, paused, failed, came back or ended. ``message`` and ``hint`` are for a banner."""

    phase: SourcePhase
    info: SourceInfo | None = None
    message: str = ""
    hint: str = ""
    retry_in_s: float | None = None


@dataclass(frozen=True)
class StageState:
    """A stage as it is: phase, where it runs, and what ails it.

    ``device_problem`` says why it runs elsewhere than it was asked to, ``code_problem`` why a change of its file was
    not taken up; it runs nevertheless.
    """

    stage_id: str
    phase: StagePhase
    device: str = ""
    message: str = ""
    hint: str = ""
    device_problem: str = ""
    code_problem: str = ""


@dataclass(frozen=True)
class StageFailed(EngineEvent):
    """``process`` or ``open`` failed; after three in a row, or a permanent failure, the stage is ``tripped``."""

    stage_id: str
    message: str
    hint: str
    tripped: bool
    frame_index: int | None = None
    details: str = ""


@dataclass(frozen=True)
class SinkFailed(EngineEvent):
    """A sink stopped; the pipeline goes on."""

    sink: str
    message: str
    hint: str


@dataclass(frozen=True)
class EngineFault(EngineEvent):
    """Something that nobody expected: a bug, with its traceback for a report."""

    where: str
    message: str
    details: str


@dataclass(frozen=True)
class PipelineChanged(EngineEvent):
    """The wish or the state of a stage changed; panels redraw from this."""

    spec: PipelineSpec
    stages: tuple[StageState, ...]


@dataclass(frozen=True)
class StageStats:
    """Durations of the latest calls of one stage, in milliseconds, and the calls so far.

    ``age_ms`` is how much older than the picture a result from a lane of its own is; None on the main lane.
    """

    stage_id: str
    p50_ms: float
    p95_ms: float
    calls: int
    failures: int
    age_ms: float | None = None


@dataclass(frozen=True)
class Counts:
    """What became of the pictures since the source opened.

    ``captured`` were read; ``superseded`` were replaced by a newer one before analysis; ``analysed`` passed all stages;
    ``composed`` became a picture for the view; ``sink_lagged`` were missed by a lossy sink; ``skipped`` pictures of a
    film were never read, because it is played faster than they can be.
    """

    captured: int = 0
    superseded: int = 0
    analysed: int = 0
    composed: int = 0
    sink_lagged: int = 0
    skipped: int = 0

    @property
    def dropped(self) -> int:
        """Captured, but never analysed."""
        return self.superseded


@dataclass(frozen=True)
class CopyRate:
    """Copies between the host and devices for every analysed frame, and their megabytes; zeros on the CPU alone."""

    uploads: float = 0.0
    downloads: float = 0.0
    megabytes: float = 0.0


@dataclass(frozen=True)
class Stats(EngineEvent):
    """Published four times a second.

    ``frame_age_ms`` is the time from capture to composed picture (p50, p95 over the last seconds); ``overlay_age_ms``
    says how much older than the picture the newest overlay is; ``copies`` are those since the statistics before.
    """

    capture_fps: float
    analysed_fps: float
    shown_fps: float
    queue_depth: int
    in_flight: int
    frame_age_p50_ms: float
    frame_age_p95_ms: float
    overlay_age_ms: float
    counts: Counts
    stages: tuple[StageStats, ...] = field(default=())
    copies: CopyRate = field(default_factory=lambda: CopyRate())
