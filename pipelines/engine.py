"""Engine: the one door into the pipeline and the one door out."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Collection, Sequence

from scenescope.models import SpecError
from scenescope.models.budget import ThreadBudget
from scenescope.pipelines.display import Display
from scenescope.pipelines.events import (
    Counts,
    EngineEvent,
    EngineFault,
    PipelineChanged,
    SourcePhase,
    SourceState,
    StagePhase,
    StageState,
    Stats,
)
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.host import validated
from scenescope.pipelines.pace import checked_rate
from scenescope.pipelines.player import Player
from scenescope.pipelines.registry import STAGES, Registry
from scenescope.pipelines.session import Session
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.slots import DropKind, DropPolicy
from scenescope.pipelines.source import Source
from scenescope.pipelines.sources.frame_index import FrameIndex
from scenescope.pipelines.spec import PipelineSpec
from scenescope.pipelines.stage import Stage

__all__ = ["Engine"]


class Engine:
    """Takes frames from a source through stages to sinks and a view, on threads of its own.

    Commands return at once and may come from any thread. What happens is told to subscribers as events, on the thread
    on which it happens, so a subscriber must be quick.

    Args:
        spec: the pipeline to begin with.
        sinks: take the finished frames of every source; opened when it opens, closed when it ends.
        registry: where stage classes are found.
        budget: threads to use; by default one frame per core for files, all cores on one frame for live sources.
        headless: nobody looks: no view is composed, slow stages are waited for (up to a minute) instead of being put
            aside, and what reaches one sink reaches all.
    """

    def __init__(
        self,
        spec: PipelineSpec | None = None,
        *,
        sinks: Sequence[Sink] = (),
        registry: Registry[Stage] = STAGES,
        budget: ThreadBudget | None = None,
        headless: bool = False,
    ) -> None:
        self.display = Display(on_fault=self._publish)
        self._registry = registry
        self._budget = budget
        self._headless = headless
        self._lock = threading.RLock()
        self._spec = PipelineSpec()
        self._sinks = list(sinks)
        self._session: Session | None = None
        self._ending: Session | None = None
        self._listeners: list[Callable[[EngineEvent], None]] = []
        self._displaying = False
        self.apply(spec or PipelineSpec())

    # One door out ------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[EngineEvent], None]) -> Callable[[], None]:
        """Tell ``listener`` every event from now on; call what is returned to end that."""
        with self._lock:
            self._listeners = [*self._listeners, listener]

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = [other for other in self._listeners if other is not listener]

        return unsubscribe

    def _publish(self, event: EngineEvent) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception as error:
                # A listener's bug must not stop the pipeline, and must not be told to the same listener for ever.
                traceback.print_exc()
                if not isinstance(event, EngineFault):
                    self._publish(EngineFault("a listener", str(error), traceback.format_exc()))

    # One door in -------------------------------------------------------------------------------------------------

    def apply(self, spec: PipelineSpec) -> None:
        """Make the pipeline be as ``spec`` wishes, between two frames.

        Raises:
            SpecError: a parameter is unknown or out of range; nothing was changed.
        """
        for stage in spec.stages:
            validated(stage, self._registry)
        with self._lock:
            self._spec = spec
            session = self._session
        if session is not None:
            session.apply(spec)
        else:
            self._publish(PipelineChanged(spec, self.stage_states))

    def retry(self, stage_id: str) -> None:
        """Load a stage again that was tripped, is not responding or could not be opened.

        Raises:
            SpecError: there is no such stage.
        """
        self._spec.position(stage_id)
        if (session := self._session) is not None:
            session.retry(stage_id)

    def renew(self, kinds: Collection[str], problem: str = "") -> None:
        """Take up the code that the registry now has for these kinds of stages; what they have loaded is kept.

        Args:
            kinds: names of the stages.
            problem: why there is no new code, in a sentence that the stages show; the old goes on.
        """
        if (session := self._session) is not None:
            session.renew(kinds, problem)

    def start(
        self,
        source: Source,
        *,
        policy: DropPolicy | None = None,
        paced: bool = False,
        await_stages: bool | None = None,
    ) -> None:
        """Show another source; the one before is let go first.

        Args:
            source: not open yet.
            policy: by default the newest frame for live sources, every frame for all else.
            paced: play a file at its own rate, and wait at its end for a jump back unless headless; else read it as
                fast as it goes.
            await_stages: hold the first frame until the stages are loaded (with a window for 10 s at most); by default
                when every frame counts.
        """
        if policy is None:
            whole = DropPolicy.PLAYED if paced and not self._headless else DropPolicy.EVERY_FRAME
            policy = DropPolicy.NEWEST if source.live else whole
        with self._lock:
            if self._session is not None:
                self._session.end()
                self._ending = self._session
            if not self._displaying and not self._headless:
                self.display.start()
                self._displaying = True
            self._session = Session(
                source,
                self._spec,
                policy=policy,
                paced=paced,
                sinks=self._sinks,
                registry=self._registry,
                display=self.display,
                publish=self._publish,
                after=self._ending,
                await_stages=policy.kind is DropKind.EVERY_FRAME if await_stages is None else await_stages,
                budget=self._budget,
                headless=self._headless,
            )
            self._session.start()

    def pause(self) -> None:
        """Hold the picture. Edits of the pipeline show on it at once."""
        if (session := self._session) is not None:
            session.capture.pause(True)

    def resume(self) -> None:
        """Go on; from the start when a played file is at its end."""
        if (session := self._session) is not None:
            session.capture.pause(False)

    # Moving in a film; a live source does not mind any of these.

    def step(self, frames: int = 1) -> None:
        """Show the picture that comes ``frames`` after the one shown, before it when negative, while paused."""
        if (session := self._session) is not None:
            session.capture.step(frames)

    def seek(self, pts_s: float) -> None:
        """Go on from the first picture at or after ``pts_s`` seconds, or show it while paused.

        A newer jump replaces an older one that has not arrived.
        """
        if (player := self._player) is not None:
            player.seek(pts_s)

    def seek_frame(self, index: int) -> None:
        """Go on from picture ``index``, or show it while paused."""
        if (player := self._player) is not None:
            player.seek_frame(index)

    def set_rate(self, rate: float) -> None:
        """Play 0.1 to 16 times as fast, backwards when negative, which needs a source with a frame index.

        Up to twice as fast every picture is shown, later if it must be; beyond, those are skipped for which the machine
        has no time, see ``Counts.skipped``.

        Raises:
            ValueError: it is 0 or not a number.
        """
        checked_rate(rate)
        if (player := self._player) is not None:
            player.set_rate(rate)

    def set_loop(self, start_s: float | None, end_s: float | None) -> None:
        """Play the pictures from ``start_s`` to ``end_s``, both included, again and again; two Nones end that.

        One None stands for that end of the film. A jump or a step may leave the loop.
        """
        if (player := self._player) is not None:
            player.set_loop(start_s, end_s)

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End everything, from any state; the engine can be started again.

        What takes longer than ``timeout_s`` (a stage that hangs, a recorder that writes on) ends by itself later.

        Returns:
            True when every thread has ended in time.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            session, self._session = self._session, None
            displaying, self._displaying = self._displaying, False
        ended = True
        if session is not None:
            session.end()
            self._ending = session
            state = session.source_state
            if state.phase not in (SourcePhase.ENDED, SourcePhase.FAILED):
                self._publish(SourceState(SourcePhase.STOPPED, state.info))
            ended = session.ended.wait(timeout_s) and session.ended_clean
        if displaying:
            ended = self.display.stop(deadline_s) and ended
        return ended

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the source is over and every sink is closed; False after ``timeout_s``."""
        session = self._session
        return session is None or session.finished.wait(timeout_s)

    def add_sink(self, sink: Sink) -> None:
        """Give finished frames to ``sink`` too, from the next one on."""
        with self._lock:
            self._sinks = [*self._sinks, sink]
            if self._session is not None:
                self._session.add_sink(sink)

    def remove_sink(self, sink: Sink) -> None:
        """Finish ``sink``."""
        with self._lock:
            self._sinks = [other for other in self._sinks if other is not sink]
            if self._session is not None:
                self._session.remove_sink(sink)

    # Snapshots ---------------------------------------------------------------------------------------------------

    @property
    def spec(self) -> PipelineSpec:
        """The wish."""
        return self._spec

    @property
    def running(self) -> bool:
        """True between start and stop, also after the source's end."""
        return self._session is not None

    @property
    def stage_states(self) -> tuple[StageState, ...]:
        """Every stage as it is, in pipeline order."""
        session = self._session
        if session is not None and session.stage_states:
            return session.stage_states
        return tuple(
            StageState(stage.id, StagePhase.READY if stage.enabled else StagePhase.DISABLED)
            for stage in self._spec.stages
        )

    def stage_state(self, stage_id: str) -> StageState:
        """One stage as it is.

        Raises:
            SpecError: there is no such stage.
        """
        for state in self.stage_states:
            if state.stage_id == stage_id:
                return state
        raise SpecError(f"The pipeline has no stage '{stage_id}'.")

    @property
    def source_state(self) -> SourceState:
        """The source as it is."""
        session = self._session
        return session.source_state if session is not None else SourceState(SourcePhase.STOPPED)

    @property
    def rate(self) -> float:
        """How fast the film is played, negative backwards; 1 for a live source."""
        return 1.0 if (player := self._player) is None else player.rate

    @property
    def loop(self) -> tuple[float, float] | None:
        """Start and end of the part that is played again and again, in seconds; the end may be infinite."""
        return None if (player := self._player) is None else player.loop

    @property
    def frame_index(self) -> FrameIndex | None:
        """Times of all pictures of the film, once they are known: see ``IndexProgress``."""
        session = self._session
        return None if session is None else session.source.frame_index

    @property
    def _player(self) -> Player | None:
        session = self._session
        return None if session is None else session.capture.player

    @property
    def stats(self) -> Stats | None:
        """Rates, ages, depths and counts; None when nothing runs."""
        session = self._session
        return session.stats() if session is not None else None

    @property
    def counts(self) -> Counts:
        """What became of the pictures of this source so far."""
        session = self._session
        return session.counts() if session is not None else Counts()

    @property
    def latest(self) -> Frame | None:
        """The frame that passed all stages last."""
        session = self._session
        return session.latest if session is not None else None

    @property
    def latest_raw(self) -> Frame | None:
        """The frame that was captured last, before any stage."""
        session = self._session
        return session.latest_raw if session is not None else None
