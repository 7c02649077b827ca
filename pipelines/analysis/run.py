"""AnalysisRun: takes every frame of a part of a video file through a pipeline, and keeps all that was found."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from scenescope.models import ScenescopeError, SinkError
from scenescope.models.budget import ThreadBudget
from scenescope.pipelines.analysis._before import (
    check_range,
    check_same_file,
    check_spec,
    expected_frames,
    look_into,
    stored_of,
)
from scenescope.pipelines.analysis.film import IndexedFilm
from scenescope.pipelines.analysis.observed import ObservedStages, Recall, Trace
from scenescope.pipelines.analysis.sink import AnalysisSink
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
from scenescope.pipelines.log.records import NewSession, Session, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed
from scenescope.pipelines.meters import RateMeter
from scenescope.pipelines.registry import STAGES, Registry
from scenescope.pipelines.slots import DropPolicy
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.sources._fingerprint import content_fingerprint
from scenescope.pipelines.spec import PipelineSpec
from scenescope.pipelines.stage import Stage

__all__ = ["AnalysisProgress", "AnalysisRun", "AnalysisState"]

LOOK_EVERY_S = 0.05
STOP_WITHIN_S = 30.0
FLUSH_WITHIN_S = 60.0
# A log that cannot be written is waited for: another program may hold it for a moment.
LOG_PATIENCE_S = 10.0
RATE_WINDOW_S = 5.0


class AnalysisState(StrEnum):
    """Where a run is in its life. ``STOPPED`` and ``FAILED`` ones can be resumed."""

    WAITING = "waiting"
    LOADING = "loading"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """True when nothing more happens by itself."""
        return self in (AnalysisState.DONE, AnalysisState.STOPPED, AnalysisState.FAILED)


@dataclass(frozen=True)
class AnalysisProgress:
    """How far a run has come.

    Attributes:
        frames: passed so far; one that goes on passes again, quickly, what an earlier one has stored.
        total: of the range, as far as is known; 0 when it is not.
        position_s: media time of the last frame that passed.
        fps: frames a second lately.
        left_s: seconds until the end at that rate; None when that cannot be told.
        message, hint: what went wrong, and what to do.
    """

    state: AnalysisState
    frames: int = 0
    total: int = 0
    position_s: float = 0.0
    fps: float = 0.0
    left_s: float | None = None
    message: str = ""
    hint: str = ""


class AnalysisRun:
    """One analysis, from :meth:`begin` or :meth:`resume`. Its commands return at once and may come from any thread.

    Same file, same pipeline, same machine: the same records in the log, to the byte, also of a run that was paused, or
    cut off and resumed. A run that is resumed begins at the start of its range again: stages without state get back
    from the log what they found, and do not run; those with state do, and so come to where they were.

    Args:
        log: takes the records.
        session: which has begun.
        path: of the file.
        total: frames in the range, 0 when not known.
        registry: where stages are found.
        budget: threads to use.
        embed: gives pictures of tracks their embeddings; None for none.
        on_change: called when :attr:`progress` has another state, on the thread on which that happened.
    """

    def __init__(
        self,
        log: EventLog,
        session: Session,
        path: Path,
        total: int,
        *,
        registry: Registry[Stage] = STAGES,
        budget: ThreadBudget | None = None,
        embed: Embed | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.session = session
        self.path = path
        self._log = log
        self._total = total
        self._on_change = on_change
        self._lock = threading.Lock()
        self._state = AnalysisState.WAITING
        self._failure: tuple[str, str] | None = None
        self._paused = False
        self._cancelled = False
        self._to_end = threading.Event()
        self._over = threading.Event()
        self._rate = RateMeter(RATE_WINDOW_S)
        spec = PipelineSpec.from_yaml(session.pipeline, where="The pipeline of the analysis")
        stored, trace = stored_of(log, session.id), Trace()
        stages = [stage.id for stage in spec.stages if stage.enabled]
        self._sink = AnalysisSink(log, session.id, stages, trace, stored, embed)
        observed = ObservedStages(registry, trace, Recall(log, session.id, stored.end))
        self._engine = Engine(spec, sinks=[self._sink], registry=observed, budget=budget, headless=True)
        self._engine.subscribe(self._listen)
        self._thread = threading.Thread(target=self._run, name="analysis", daemon=True)

    @classmethod
    def begin(
        cls,
        log: EventLog,
        path: str | os.PathLike[str],
        spec: PipelineSpec,
        start_s: float | None = None,
        end_s: float | None = None,
        *,
        registry: Registry[Stage] = STAGES,
        **more: Any,
    ) -> Self:
        """A new session for the frames of a file at or after ``start_s`` and before ``end_s``. Reads some of the file.

        Raises:
            SourceError: the file cannot be read, or has nothing in that range.
            SpecError, PluginError: the pipeline cannot be run here.
            SinkError: the log cannot be written.
        """
        path = Path(path)
        check_spec(spec, registry)
        info = look_into(path)
        check_range(path, info, start_s, end_s)
        new = NewSession(
            kind=SessionKind.ANALYSIS,
            source=str(path.resolve()),
            size_wh=info.size_wh,
            rate_hz=info.rate_hz,
            fingerprint=content_fingerprint(path),
            pipeline=spec.to_yaml(),
            start_s=start_s,
            end_s=end_s,
            began_wall_s=time.time(),
            title=spec.name,
        )
        session = Session(**vars(new), id=log.begin(new))
        return cls(log, session, path, expected_frames(new, info), registry=registry, **more)

    @classmethod
    def resume(
        cls,
        log: EventLog,
        session_id: int,
        path: str | os.PathLike[str] | None = None,
        *,
        registry: Registry[Stage] = STAGES,
        **more: Any,
    ) -> Self:
        """Go on with a session that was stopped, has failed, or was cut off with the program.

        ``path`` is where the file is now; None for where it was.

        Raises:
            SourceError: the file is not there, or is another one.
            SpecError, PluginError: its pipeline cannot be run here.
            SinkError: there is no such session, or nothing is left to do.
        """
        log.flush()
        session = log.session(session_id)
        if session is None or session.kind is not SessionKind.ANALYSIS:
            raise SinkError("That analysis is not in the log any more.", hint="Start a new one.")
        if session.complete:
            raise SinkError("That analysis is complete.", hint="Start a new one for other stages or another range.")
        path = Path(path if path is not None else session.source)
        check_spec(PipelineSpec.from_yaml(session.pipeline, where="The pipeline of the analysis"), registry)
        info = look_into(path)
        check_same_file(path, session.fingerprint)
        run = cls(log, session, path, expected_frames(session, info), registry=registry, **more)
        log.reopen(session_id)
        return run

    # Commands ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, or go on where the interrupted run came to."""
        self._thread.start()

    def pause(self) -> None:
        """Hold; networks stay loaded, and frames that are under way are finished."""
        self._hold(True)

    def go_on(self) -> None:
        """Go on after :meth:`pause`."""
        self._hold(False)

    def _hold(self, on: bool) -> None:
        with self._lock:
            self._paused = on
        if on:
            self._engine.pause()
        else:
            self._engine.resume()
        self._update()

    def cancel(self) -> None:
        """End soon. What was found stays in the log, and the session can be resumed."""
        self._cancelled = True
        self._to_end.set()
        if self._thread.ident is None:
            self._end(AnalysisState.STOPPED)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is over; False when ``timeout_s`` passed first."""
        return self._over.wait(timeout_s)

    @property
    def progress(self) -> AnalysisProgress:
        """As it is now."""
        frames = self._sink.frames
        with self._lock:
            state, (message, hint) = self._now, self._failure or ("", "")
            fps = self._rate.update(frames)
        if state is not AnalysisState.RUNNING:
            fps = 0.0
        total = frames if state is AnalysisState.DONE else max(self._total, frames if self._total else 0)
        left_s = (total - frames) / fps if fps > 0 and total else None
        return AnalysisProgress(state, frames, total, self._sink.last_s, fps, left_s, message, hint)

    # The run's thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            state = self._analyse()
        except ScenescopeError as error:
            state = self._fail(error.user_message, error.hint)
        except Exception as error:
            state = self._fail(f"The analysis failed: {type(error).__name__}: {error}", "This is a bug: report it.")
        self._engine.stop(STOP_WITHIN_S)
        self._end(state)

    def _end(self, state: AnalysisState) -> None:
        if state is not AnalysisState.DONE:
            self._log.end(self.session.id, complete=False)
        with self._lock:
            self._state = state
        self._over.set()
        self._on_change()

    def _analyse(self) -> AnalysisState:
        with self._lock:
            self._state = AnalysisState.LOADING
        self._on_change()
        source = IndexedFilm(self.path, self.session.start_s, self.session.end_s)
        self._engine.start(source, policy=DropPolicy.EVERY_FRAME, await_stages=True)
        if self._paused:
            self._engine.pause()
        while not self._engine.wait(LOOK_EVERY_S) and not self._to_end.is_set():
            self._wait_for_log()
            self._update()
        if not self._engine.stop(STOP_WITHIN_S):
            raise SinkError("A part of the analysis did not end in time.", hint="Resume it.")
        if self._failure is not None:
            return AnalysisState.FAILED
        if self._cancelled:
            return AnalysisState.STOPPED
        self._sink.finish()
        self._log.end(self.session.id, complete=True)
        while not self._log.flush(FLUSH_WITHIN_S):
            self._wait_for_log()
        return AnalysisState.DONE

    def _wait_for_log(self) -> None:
        """While the log cannot be written, the film is held: what is found would have nowhere to go.

        Raises:
            SinkError: it could not be written for long.
        """
        if self._log.problem is None:
            return
        self._engine.pause()
        give_up_s = time.monotonic() + LOG_PATIENCE_S
        while (problem := self._log.problem) is not None and not self._to_end.wait(LOOK_EVERY_S):
            if time.monotonic() > give_up_s:
                raise problem
        if not self._paused:
            self._engine.resume()

    @property
    def _now(self) -> AnalysisState:
        """The state as it follows from what is so."""
        if self._state is AnalysisState.WAITING or self._state.over:
            return self._state
        if self._paused:
            return AnalysisState.PAUSED
        return AnalysisState.RUNNING if self._sink.frames else AnalysisState.LOADING

    def _update(self) -> None:
        """Tell when there is another state."""
        with self._lock:
            before, self._state = self._state, self._now
            changed = self._state is not before
        if changed:
            self._on_change()

    def _fail(self, message: str, hint: str) -> AnalysisState:
        """Note what went wrong; the first failure is the cause of others."""
        self._sink.failing = True
        with self._lock:
            self._failure = self._failure or (message, hint)
        self._to_end.set()
        return AnalysisState.FAILED

    def _listen(self, event: EngineEvent) -> None:
        """On the engine's threads."""
        match event:
            case PipelineChanged(stages=stages):
                for stage in stages:
                    if stage.phase in (StagePhase.UNAVAILABLE, StagePhase.TRIPPED, StagePhase.NOT_RESPONDING):
                        self._fail(stage.message, stage.hint)
            case StageFailed(tripped=True, message=message, hint=hint) | SinkFailed(message=message, hint=hint):
                self._fail(message, hint)
            case SourceState(phase=SourcePhase.PLAYING, info=SourceInfo(frame_count=int(total))):
                self._total = total
            case SourceState(phase=SourcePhase.FAILED, message=message, hint=hint):
                self._fail(message, hint)
            case EngineFault(where=where, message=message):
                self._fail(f"Unexpected failure in {where}: {message}", "This is a bug: please report it.")
