"""Session: one source on its way through one pipeline, from opening to the last thread's end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from scenescope.models.budget import ThreadBudget
from scenescope.pipelines.capture import Capture
from scenescope.pipelines.display import Display
from scenescope.pipelines.events import (
    Counts,
    EngineEvent,
    FrameReady,
    PipelineChanged,
    SourcePhase,
    SourceState,
    StagePhase,
    StageState,
    StageStats,
    Stats,
)
from scenescope.pipelines.flow import Flight, Flow, Step
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.host import StageHost
from scenescope.pipelines.meters import CopyMeter, RateMeter
from scenescope.pipelines.privacy import hiding_stages
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.side_lane import SideLane
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sink_set import SinkSet
from scenescope.pipelines.slots import Closed, DropKind, DropPolicy
from scenescope.pipelines.source import Source, SourceInfo
from scenescope.pipelines.spec import PipelineSpec
from scenescope.pipelines.stage import Stage, StageContext
from scenescope.pipelines.steps import EmitStep, PrepareStep, SideStep, StageStep

__all__ = ["Session"]

STATS_EVERY_S = 0.25
# A thread that has not ended by then hangs in a driver or a library, and is left behind.
END_WITHIN_S = 60.0
# Sinks may have much to write at the end. Without a window nobody waits, and nothing that was found may be lost.
WRITE_WITHIN_S = 120.0
WRITE_HEADLESS_WITHIN_S = 86_400.0
# How long the first picture of a file is held for stages that are loading.
AWAIT_STAGES_S = 10.0
# How long a new source waits for an old one that may hold the same camera.
AFTER_WITHIN_S = 10.0
WATCH_EVERY_S = 0.05
HEADLESS_PATIENCE_S = 60.0


class Session:
    """See the module's description. All public methods may be called from any thread and return at once.

    Args:
        source: not open yet.
        spec: the pipeline to begin with, already validated.
        policy: what gives way when frames come too fast.
        paced: play a file at its own rate.
        sinks: take finished frames; opened and closed by the session.
        registry: where stage classes are found.
        display: composes what the window shows.
        publish: takes every event.
        after: a session that must end before the source is opened (it may hold the camera).
        await_stages: hold the first frame until every stage is ready or has failed.
        budget: threads to use; by default chosen by the policy.
        headless: nobody looks, so a slow stage is waited for.
    """

    def __init__(
        self,
        source: Source,
        spec: PipelineSpec,
        *,
        policy: DropPolicy,
        paced: bool,
        sinks: Sequence[Sink],
        registry: Registry[Stage],
        display: Display,
        publish: Callable[[EngineEvent], None],
        after: Session | None,
        await_stages: bool,
        budget: ThreadBudget | None,
        headless: bool = False,
    ) -> None:
        self.source = source
        self.spec = spec
        self.policy = policy
        self.latest: Frame | None = None
        self.source_state = SourceState(SourcePhase.OPENING)
        self.finished = threading.Event()
        self.ended = threading.Event()
        self.ended_clean = False
        complete = policy.kind is DropKind.EVERY_FRAME
        budget = budget or (ThreadBudget.for_throughput() if complete else ThreadBudget.for_latency())
        self.budget = replace(budget, gives_way=not headless)
        self._headless = headless
        self._inline = complete or headless
        self._least_patience_s = HEADLESS_PATIENCE_S if headless else 0.0
        self._registry = registry
        self._display = display
        self._publish_event = publish
        self._await_stages = await_stages
        # What a file lacks is told even after the session was ended: without a window somebody waits for the end.
        self._sinks = SinkSet(sinks, self._inline, publish if headless else self._publish)
        self._hosts: list[StageHost] = []
        self._lanes: dict[str, SideLane] = {}
        self._last_raw: Frame | None = None
        self._analysed = 0
        self._stopping = threading.Event()
        self._muted = False
        self._loads: list[threading.Thread] = []
        self._context = StageContext(live=source.live, threads=self.budget)
        self._rates = (RateMeter(), RateMeter(), RateMeter())
        self._copies = CopyMeter()
        self._composed_before = display.composed
        self._ticket = 0
        self.flow = Flow(policy, self.budget, self._publish, self._drained)
        self.capture = Capture(
            source,
            paced=paced,
            holds_at_end=paced and not headless,
            deliver=self._deliver,
            on_open=self._opened,
            on_state=self._source_changed,
            on_fault=self._publish,
            on_seek=self.flow.intake.clear,
            wait_for=after.wait_ended if after else None,
            on_index=self._publish if paced and not headless else None,
        )
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    # Life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all threads."""
        self.budget.apply()
        self._ticket = self._display.begin(self.source.live, self._is_guarded())
        self.flow.start()
        self.capture.start()
        self._supervisor.start()

    def end(self) -> None:
        """Publish nothing more, and let every thread end; does not wait: see ``ended``."""
        self._muted = True
        self._stopping.set()
        self.capture.stop()
        self.flow.stop()
        for lane in list(self._lanes.values()):
            lane.stop()
        threading.Thread(target=self._join, name="ending", daemon=True).start()

    def wait_ended(self) -> None:
        """Wait until the device may be opened by another session."""
        self.ended.wait(AFTER_WITHIN_S)

    def _join(self) -> None:
        """Wait for all threads, in the order of the frames, and release what they used."""
        deadline_s = time.monotonic() + END_WITHIN_S
        clean = [self.capture.join(deadline_s), self.flow.join(deadline_s)]
        clean += [lane.join(deadline_s) for lane in self._lanes.values()]
        clean.append(self._sinks.finish(self._write_until_s() if self._headless else deadline_s))
        closers = [host.close() for host in self._hosts]
        for thread in [self._supervisor, *self._loads, *(c for c in closers if c)]:
            thread.join(max(deadline_s - time.monotonic(), 0.01))
            clean.append(not thread.is_alive())
        self.ended_clean = all(clean)
        self.finished.set()
        self.ended.set()

    def _opened(self, info: SourceInfo) -> None:
        """On the capture thread, once, before the first frame: now the stages can be told what they will see."""
        self._context = replace(self._context, rate_hz=info.rate_hz or 30.0, size_wh=info.size_wh)
        self._sinks.open(info)
        ready = threading.Event()

        def build() -> None:
            self._reconcile(self.spec)
            ready.set()

        self.flow.between_frames(build)
        while not ready.wait(0.05):
            if self._stopping.is_set():
                raise Closed
        if self._await_stages:
            self._wait_for_stages()

    def _wait_for_stages(self) -> None:
        # Without a window completeness is all that counts; before one, somebody waits for a picture.
        give_up_s = float("inf") if self._headless else time.monotonic() + AWAIT_STAGES_S
        while any(host.state.phase is StagePhase.LOADING for host in self._hosts) and time.monotonic() < give_up_s:
            if self._stopping.wait(0.005):
                raise Closed

    def _drained(self) -> None:
        """On the pipeline thread: the source is over and the last frame has left."""
        self._sinks.finish(self._write_until_s())
        if self.source_state.phase in (SourcePhase.ENDED, SourcePhase.FAILED):
            self._publish(self.source_state)
            self.finished.set()

    def _write_until_s(self) -> float:
        return time.monotonic() + (WRITE_HEADLESS_WITHIN_S if self._headless else WRITE_WITHIN_S)

    # Frames ------------------------------------------------------------------------------------------------------

    @property
    def latest_raw(self) -> Frame | None:
        """The frame that was captured last, as no stage has seen it yet."""
        return self._last_raw

    def _deliver(self, frame: Frame) -> None:
        self._last_raw = frame
        self._sinks.offer_captured(frame)
        self._display.offer_raw(frame, self._ticket)
        self.flow.intake.put(frame)

    def _emit(self, flight: Flight) -> None:
        frame = flight.frame
        self._display.offer_analysed(frame, self._ticket)
        self.latest = frame
        if flight.preview:
            return
        self._analysed += 1
        self._sinks.offer(flight)
        self._publish(FrameReady(frame.index, frame.pts_s, frame.captured_s))

    # Pipeline ----------------------------------------------------------------------------------------------------

    def apply(self, spec: PipelineSpec) -> None:
        """Take a new wish, between two frames."""
        self.spec = spec
        self._display.set_guarded(self._is_guarded())
        # Told at once: a stage that hangs delays the change, but not the news that it is wished.
        self._changed()

        def take() -> None:
            # Edits may come faster than they can be taken, as from a slider: one that only sets what a newer wish sets
            # anew is left out, or they would hold up the frames. One that switches a stage off and on is none of those.
            newest = self.spec
            if newest is spec or _switches_differ(spec, newest):
                self._reconcile(spec)

        self.flow.between_frames(take)

    def retry(self, stage_id: str) -> None:
        """Load a stage anew."""

        def renew() -> None:
            for at, host in enumerate(self._hosts):
                if host.spec.id == stage_id:
                    host.close()
                    self._hosts[at] = self._new_host(host.spec)
                    self._rebuild()
                    self._load(self._hosts[at])

        self.flow.between_frames(renew)

    def renew(self, kinds: Collection[str], problem: str) -> None:
        """Take up new code of these kinds of stages between two frames, or show why there is none."""

        def take_up() -> None:
            to_load = [host for host in self._hosts if host.spec.kind in kinds and host.renew(problem)]
            self._rebuild()
            for host in to_load:
                self._load(host)
            if self.source_state.phase in (SourcePhase.PAUSED, SourcePhase.ENDED):
                self._refresh()

        self.flow.between_frames(take_up)

    def _reconcile(self, spec: PipelineSpec) -> None:
        """Make the hosts fit the wish: keep those that stay, load new ones, close those that went."""
        before = {host.spec.id: host for host in self._hosts}
        hosts, to_load = [], []
        for stage in spec.stages:
            host = before.pop(stage.id, None)
            if host is not None and host.spec.kind != stage.kind:
                host.close()
                host = None
            if host is None:
                host = self._new_host(stage)
                if host.wants_loading():
                    to_load.append(host)
            elif host.spec != stage and host.change(stage):
                to_load.append(host)
            hosts.append(host)
        for gone in before.values():
            gone.close()
        self._hosts = hosts
        self._rebuild()
        for host in to_load:
            self._load(host)
        self._changed()
        if self.source_state.phase in (SourcePhase.PAUSED, SourcePhase.ENDED):
            self._refresh()

    def _new_host(self, stage: Any) -> StageHost:
        context = replace(self._context, stage_id=stage.id)
        host = StageHost(stage, self._registry, context, self._changed, self._publish)
        host.wait_at_least(self._least_patience_s)
        return host

    def _load(self, host: StageHost) -> None:
        self._loads = [thread for thread in self._loads if thread.is_alive()]
        self._loads.append(host.load(self._adopt))

    def _adopt(self, adopt: Callable[[], None]) -> None:
        """A stage has been loaded: put it to work between two frames, and show what it makes of a held picture."""

        def change() -> None:
            adopt()
            if self.source_state.phase in (SourcePhase.PAUSED, SourcePhase.ENDED):
                self._refresh()

        self.flow.between_frames(change)

    def _rebuild(self) -> None:
        steps: list[Step] = []
        lanes: dict[str, SideLane] = {}
        for host in self._hosts:
            # Where every frame counts, a slow stage must see each one, so it is not put aside.
            if host.info.lane == "side" and not self._inline:
                lane = self._lanes.get(host.spec.id)
                lanes[host.spec.id] = lane if lane and lane.host is host else SideLane(host)
                steps.append(SideStep(lanes[host.spec.id]))
            else:
                steps.append(StageStep(host))
        for stage_id, lane in self._lanes.items():
            if lanes.get(stage_id) is not lane:
                lane.stop()
        self._lanes = lanes
        if preparing := self._sinks.preparing:
            steps.append(PrepareStep(preparing))
        steps.append(EmitStep(self._emit))
        self.flow.set_steps(steps)

    def _refresh(self) -> None:
        # Pictures that wait will show the change themselves; one ahead of them would tell stages of the future.
        if self._last_raw is not None and not len(self.flow.intake):
            self.flow.preview(self._last_raw)

    def _is_guarded(self) -> bool:
        return bool(hiding_stages(self.spec, self._registry))

    # Sinks -------------------------------------------------------------------------------------------------------

    def add_sink(self, sink: Sink) -> None:
        """Start a sink between two frames."""

        def add() -> None:
            self._sinks.add(sink)
            self._rebuild()

        self.flow.between_frames(add)

    def remove_sink(self, sink: Sink) -> None:
        """Finish a sink between two frames."""

        def remove() -> None:
            self._sinks.remove(sink)
            self._rebuild()

        self.flow.between_frames(remove)

    # Telling -----------------------------------------------------------------------------------------------------

    @property
    def stage_states(self) -> tuple[StageState, ...]:
        """Every stage as it is, in pipeline order."""
        return tuple(host.state for host in self._hosts)

    def _changed(self) -> None:
        self._publish(PipelineChanged(self.spec, self.stage_states))

    def _source_changed(self, state: SourceState) -> None:
        if state.phase is SourcePhase.ENDED and self.capture.holds_at_end:
            self._wait_until_passed()
        self.source_state = state
        if state.phase is SourcePhase.FAILED or (state.phase is SourcePhase.ENDED and not self.capture.holds_at_end):
            # Told only after the last frame has passed, by _drained.
            self.flow.intake.close()
        else:
            self._publish(state)

    def _wait_until_passed(self) -> None:
        while (len(self.flow.intake) or self.flow.in_flight) and not self._stopping.wait(0.005):
            pass

    def _publish(self, event: EngineEvent) -> None:
        if not self._muted:
            self._publish_event(event)

    def stats(self) -> Stats:
        """Rates, ages, depths and counts as they are."""
        counts = self.counts()
        p50_ms, p95_ms = self._display.age.percentiles()
        overlay_age_s = self._display.overlay_age_s
        capture, analysed, shown = self._rates
        return Stats(
            capture_fps=capture.update(counts.captured),
            analysed_fps=analysed.update(counts.analysed),
            shown_fps=shown.update(counts.composed),
            queue_depth=len(self.flow.intake),
            in_flight=self.flow.in_flight,
            frame_age_p50_ms=p50_ms,
            frame_age_p95_ms=p95_ms,
            overlay_age_ms=0.0 if overlay_age_s is None else overlay_age_s * 1e3,
            counts=counts,
            stages=tuple(self._stats_of(host) for host in self._hosts),
            copies=self._copies.update(counts.analysed),
        )

    def _stats_of(self, host: StageHost) -> StageStats:
        lane = self._lanes.get(host.spec.id)
        return replace(host.stats(), age_ms=lane.age_ms) if lane is not None else host.stats()

    def counts(self) -> Counts:
        """What became of the pictures so far."""
        return Counts(
            captured=self.capture.captured,
            skipped=self.capture.skipped,
            superseded=self.flow.intake.superseded,
            analysed=self._analysed,
            composed=self._display.composed - self._composed_before,
            sink_lagged=self._sinks.lagged,
        )

    def _supervise(self) -> None:
        next_stats_s = 0.0
        while not self._stopping.wait(WATCH_EVERY_S):
            self.flow.check_overdue()
            for lane in list(self._lanes.values()):
                lane.check_overdue()
            if time.monotonic() >= next_stats_s:
                next_stats_s = time.monotonic() + STATS_EVERY_S
                self._publish(self.stats())


def _switches_differ(older: PipelineSpec, newer: PipelineSpec) -> bool:
    """True when a stage of both is on in one of them and off in the other."""
    on = {stage.id: stage.enabled for stage in newer.stages}
    return any(on.get(stage.id, stage.enabled) is not stage.enabled for stage in older.stages)
