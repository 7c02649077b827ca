"""Listens to the engine during a headless run: what is told to the user, and what the exit code depends on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING

from scenescope.app.progress import Progress
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
    Stats,
)

if TYPE_CHECKING:
    from scenescope.pipelines.exchange.report import ReportSink

__all__ = ["EXIT_BAD_INPUT", "EXIT_DONE", "EXIT_INTERRUPTED", "EXIT_STAGE_FAILED", "Watch"]

EXIT_DONE = 0
EXIT_BAD_INPUT = 2
EXIT_STAGE_FAILED = 3
EXIT_INTERRUPTED = 130


class Watch:
    """Listens to the engine and remembers what the exit code depends on."""

    def __init__(self, engine: Engine, progress: Progress) -> None:
        self.sink_failed = False
        self._engine = engine
        self._progress = progress
        self._stats: Stats | None = None
        self._source: SourceState | None = None
        self._playing_s: float | None = None
        self._over_s: float | None = None
        self._begun = False
        self._devices: dict[str, str] = {}
        self._stage_failed = False
        self._said: dict[str, None] = {}
        self._stumbles: dict[str, list[tuple[int, str]]] = {}
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
                self._stumbles.setdefault(event.stage_id, []).append((event.frame_index or 0, event.message))
            case Stats():
                self._stats = event
            case SinkFailed():
                self.sink_failed = True
                self._waiting.put((True, event.message, event.hint))
            case EngineFault():
                self._fail(f"Unexpected failure in {event.where}: {event.message}", "This is a bug: please report it.")

    def _fail(self, message: str, hint: str) -> None:
        """Note a failure for good; each sentence is said once."""
        self._stage_failed = True
        if message not in self._said:
            self._said[message] = None
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
        for sentence in self._left_out():
            self._progress.note(f"Warning: {sentence}")

    def _left_out(self) -> Iterator[str]:
        for stage_id, stumbles in list(self._stumbles.items()):
            if stage_id not in self._tripped:
                frames = f"{len(stumbles)} frame{'s' * (len(stumbles) > 1)}"
                yield f"{stage_id} left out {frames}. The last time: {max(stumbles)[1]}"

    def describe(self, report: ReportSink) -> None:
        """Add what the stages took and what went wrong; on any thread, before the run is over."""
        stats = self._engine.stats or self._stats
        if stats is not None:
            report.timings += [(stage.stage_id, stage.p50_ms) for stage in stats.stages if stage.calls]
            if dropped := stats.counts.dropped:
                report.warnings.append(f"{dropped:,} of {stats.counts.captured:,} frames were not analysed.")
        report.warnings += [*self._said, *self._left_out()]
        # Not self._source: that the source has failed is told only after the sinks are closed.
        if (state := self._engine.source_state).phase is SourcePhase.FAILED:
            report.warnings.append(state.message)

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
