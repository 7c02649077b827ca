"""The engine's promises: nothing lost, nothing out of order, nothing that stops the picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from scenescope.models import SpecError
from scenescope.models.budget import ThreadBudget
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import (
    EngineEvent,
    EngineFault,
    FrameReady,
    PipelineChanged,
    SinkFailed,
    SourcePhase,
    SourceState,
    StageFailed,
    StagePhase,
    Stats,
)
from scenescope.pipelines.fakes import CollectingSink, FakeSource, Gate, fake_registry
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.slots import DropPolicy
from scenescope.pipelines.stage import Stage


class Watch:
    """Keeps the events of an engine and waits for one."""

    def __init__(self, engine: Engine) -> None:
        self.events: list[EngineEvent] = []
        self._new = threading.Condition()
        engine.subscribe(self._add)

    def _add(self, event: EngineEvent) -> None:
        with self._new:
            self.events.append(event)
            self._new.notify_all()

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def wait_for(self, condition, timeout_s: float = 10.0) -> None:
        with self._new:
            assert self._new.wait_for(condition, timeout_s), f"not seen; faults: {self.of(EngineFault)}"


@pytest.fixture
def make() -> Iterator:
    """Engines with fake stages, stopped at the end."""
    engines = []
    registry = fake_registry()
    Gate.opened.clear()
    Gate.entered.clear()

    def build(*stages, sinks=(), workers: int = 2, extra: dict[str, type[Stage]] | None = None):
        for name, cls in (extra or {}).items():
            registry.add(name, cls)
        spec = PipelineSpec()
        for stage in stages:
            kind, params = stage if isinstance(stage, tuple) else (stage, {})
            spec = spec.added(kind, params)
        engine = Engine(spec, sinks=sinks, registry=registry, budget=ThreadBudget(workers, 1))
        engines.append(engine)
        return engine, Watch(engine)

    yield build
    Gate.opened.set()
    for engine in engines:
        assert engine.stop(10)


def phase_of(engine: Engine, stage_id: str) -> StagePhase:
    return next(state.phase for state in engine.stage_states if state.stage_id == stage_id)


class Stateful(Stage, title="Order", group="Test", stateful=True):
    """Notes the order of frames and the threads that bring them."""

    seen: list[tuple[int, int]]

    def open(self, context) -> None:
        type(self).seen = []

    def process(self, frame):
        self.seen.append((frame.index, threading.get_ident()))
        return frame


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_frame_once_in_order_through_parallel_and_stateful_stages(make, workers):
    sink = CollectingSink()
    engine, watch = make(
        ("slow", {"delay_s": 0.003, "jitter": 1.0}),
        "order",
        ("slow", {"delay_s": 0.002, "jitter": 1.0}),
        sinks=[sink],
        workers=workers,
        extra={"order": Stateful},
    )
    engine.start(FakeSource(300))
    assert engine.wait(30)
    assert sink.indices == list(range(300))
    assert [index for index, _ in Stateful.seen] == list(range(300))
    assert len({thread for _, thread in Stateful.seen}) == 1, "a stateful stage belongs to one thread"
    assert [event.index for event in watch.of(FrameReady)] == list(range(300))
    assert (sink.opened, sink.closed) == (1, 1)
    assert engine.counts.captured == engine.counts.analysed == 300
    assert engine.counts.dropped == 0


def test_stateless_stages_run_on_several_frames_at_once(make):
    class Meeting(Stage, title="Meeting", group="Test"):
        """Returns only when two frames are inside together."""

        barrier = threading.Barrier(2)

        def process(self, frame):
            self.barrier.wait(5)
            return frame

    sink = CollectingSink()
    engine, watch = make("meeting", sinks=[sink], extra={"meeting": Meeting})
    engine.start(FakeSource(20))
    assert engine.wait(20)
    assert sink.indices == list(range(20))
    assert not watch.of(StageFailed)


def test_a_stage_that_raises_is_tripped_after_three_and_the_picture_goes_on(make):
    sink = CollectingSink(keep_frames=True)
    engine, watch = make(("broken", {"start": 10}), ("tint", {"add": 1}), sinks=[sink], workers=1)
    engine.start(FakeSource(50))
    assert engine.wait(10)
    assert sink.indices == list(range(50))
    failures = watch.of(StageFailed)
    assert [f.frame_index for f in failures] == [10, 11, 12]
    assert [f.tripped for f in failures] == [False, False, True]
    assert failures[0].message == "Broken failed: ValueError: cannot do frame 10"
    assert phase_of(engine, "broken") is StagePhase.TRIPPED
    assert all(frame.image[0, 0, 0] == frame.index + 1 for frame in sink.frames), "the other stage went on"


def test_two_failures_in_a_row_do_not_trip(make):
    engine, watch = make(("broken", {"start": 3, "times": 2}), workers=1)
    engine.start(FakeSource(20))
    assert engine.wait(10)
    assert phase_of(engine, "broken") is StagePhase.READY
    assert len(watch.of(StageFailed)) == 2


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("float", "Invert returned float64 (48, 64): bug in the stage."),
        ("none", "Invert returned NoneType instead of a Frame: bug in the stage."),
        ("index", "Invert returned frame 1 for frame 0: bug in the stage."),
        (
            "size",
            "Invert returned a picture of 64x10 for one of 64x48 without saying where its pixels came from: "
            "bug in the stage.",
        ),
    ],
)
def test_a_stage_that_breaks_the_contract_is_tripped_at_once_and_named(make, how, message):
    sink = CollectingSink()
    engine, watch = make(("wrong", {"how": how}), sinks=[sink], workers=1)
    engine.start(FakeSource(10))
    assert engine.wait(10)
    assert sink.indices == list(range(10))
    (failure,) = watch.of(StageFailed)
    assert failure.message == message
    assert failure.tripped


def test_a_stage_that_writes_into_the_picture_is_told_so(make):
    engine, watch = make(("wrong", {"how": "writes"}), workers=1)
    engine.start(FakeSource(5))
    assert engine.wait(10)
    assert "read-only" in watch.of(StageFailed)[0].message
    assert "copy it" in watch.of(StageFailed)[0].hint


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stage_that_hangs_is_set_aside_and_no_frame_is_lost(make, workers):
    sink = CollectingSink()
    engine, watch = make(("gate", {"at": 5}), ("tint", {}), sinks=[sink], workers=workers)
    engine.start(FakeSource(40))
    assert engine.wait(10), "the frames go on while the stage still hangs"
    assert not Gate.opened.is_set()
    assert sink.indices == list(range(40))
    assert phase_of(engine, "gate") is StagePhase.NOT_RESPONDING
    (failure,) = watch.of(StageFailed)
    assert failure.message == "Gate has not answered for 0.5 s."


class StatefulGate(Gate, title="Stateful gate", stateful=True):
    """Hangs on the pipeline thread itself."""


def test_a_stateful_stage_that_hangs_loses_its_thread_not_the_frames(make):
    sink = CollectingSink()
    engine, _ = make(("sgate", {"at": 5}), "order", sinks=[sink], extra={"sgate": StatefulGate, "order": Stateful})
    engine.start(FakeSource(40))
    assert engine.wait(10)
    assert sink.indices == list(range(40))
    assert [index for index, _ in Stateful.seen] == list(range(40))
    assert phase_of(engine, "sgate") is StagePhase.NOT_RESPONDING


def test_removing_a_stage_while_it_hangs_keeps_the_picture_going(make):
    engine, watch = make(("gate", {"at": 5}), workers=1)
    engine.start(FakeSource(None, live=True, rate_hz=100))
    watch.wait_for(lambda: any(event.index == 4 for event in watch.of(FrameReady)))
    engine.apply(engine.spec.removed("gate"))
    watch.wait_for(lambda: any(event.index > 60 for event in watch.of(FrameReady)))
    assert engine.stage_states == ()


def test_retry_loads_a_stage_again(make):
    engine, watch = make(("gate", {"at": 5}))
    engine.start(FakeSource(None, live=True, rate_hz=100))
    watch.wait_for(lambda: phase_of(engine, "gate") is StagePhase.NOT_RESPONDING)
    engine.retry("gate")
    watch.wait_for(lambda: phase_of(engine, "gate") is StagePhase.READY)
    with pytest.raises(SpecError, match="no stage 'other'"):
        engine.retry("other")


def test_opening_happens_off_the_pipeline_thread_and_the_picture_goes_on_meanwhile(make):
    engine, watch = make(("gate", {"at": -1}))
    engine.start(FakeSource(None, live=True, rate_hz=100))
    watch.wait_for(lambda: len(watch.of(FrameReady)) > 20)
    assert phase_of(engine, "gate") is StagePhase.LOADING
    Gate.opened.set()
    watch.wait_for(lambda: phase_of(engine, "gate") is StagePhase.READY)


def test_a_stage_that_cannot_open_is_unavailable_and_the_others_run(make):
    sink = CollectingSink(keep_frames=True)
    engine, watch = make(("broken", {"in_open": True}), ("tint", {"add": 7}), sinks=[sink])
    engine.start(FakeSource(5))
    assert engine.wait(10)
    assert phase_of(engine, "broken") is StagePhase.UNAVAILABLE
    assert watch.of(StageFailed)[0].message == "Broken failed: RuntimeError: no such device"
    assert [int(frame.image[0, 0, 0]) for frame in sink.frames] == [7, 8, 9, 10, 11]


def test_a_missing_plugin_is_a_placeholder_that_keeps_its_parameters(make):
    sink = CollectingSink()
    engine, _ = make(("from-the-moon", {"x": 1}), sinks=[sink])
    engine.start(FakeSource(5))
    assert engine.wait(10)
    assert sink.indices == list(range(5))
    (state,) = engine.stage_states
    assert state.phase is StagePhase.UNAVAILABLE
    assert state.message == "There is no stage called 'from-the-moon'."
    assert engine.spec.stages[0].params == {"x": 1}


def test_edits_between_frames_lose_none_and_every_frame_sees_one_pipeline(make):
    """200 edits while 2,000 frames pass: each frame is tinted by both stages of one version, or by none."""
    sink = CollectingSink(keep_frames=True)
    engine, watch = make(("tint", {"add": 0}), ("slow", {"delay_s": 0.0005}), sinks=[sink])
    spec = engine.spec.added("tint", {"add": 0})
    engine.apply(spec)
    engine.start(FakeSource(2000))
    value = 0
    while not engine.wait(0.01):
        value = (value + 1) % 100
        engine.apply(spec.with_params("tint", add=value).with_params("tint-2", add=value))
    assert sink.indices == list(range(2000))
    added = [(int(f.image[0, 0, 0]) - f.index) % 256 for f in sink.frames]
    assert all(a % 2 == 0 for a in added), "a frame was seen by two versions of the pipeline"
    assert len(set(added)) > 5, "the edits were taken while frames passed"
    assert not watch.of(StageFailed)


def test_stages_can_come_and_go_while_frames_pass(make):
    sink = CollectingSink()
    engine, watch = make(("slow", {"delay_s": 0.001}), sinks=[sink])
    base = engine.spec
    engine.start(FakeSource(1500))
    turn = 0
    while not engine.wait(0.005):
        turn += 1
        changed = base.added("tint").added("boxes") if turn % 2 else base
        engine.apply(changed.enabled("slow", turn % 3 != 0))
    assert sink.indices == list(range(1500))
    assert not watch.of(EngineFault)
    assert len(watch.of(PipelineChanged)) > 20


def test_an_invalid_edit_changes_nothing(make):
    engine, _ = make(("tint", {"add": 5}))
    before = engine.spec
    with pytest.raises(SpecError, match=r"Stage 'tint': Tint: add: must be less than or equal to 255, not 300"):
        engine.apply(before.with_params("tint", add=300))
    with pytest.raises(SpecError, match="there is no parameter 'ad'"):
        engine.apply(before.with_params("tint", ad=3))
    assert engine.spec is before


def test_newest_drops_what_is_stale_and_counts_it(make):
    engine, watch = make(("slow", {"delay_s": 0.1}))
    engine.start(FakeSource(60, live=True, rate_hz=60))
    watch.wait_for(lambda: engine.source_state.phase is SourcePhase.ENDED and engine.wait(0))
    counts = engine.counts
    assert counts.captured == 60
    assert counts.analysed + counts.superseded == 60
    assert counts.superseded > 30
    ready = [event.index for event in watch.of(FrameReady)]
    assert ready == sorted(set(ready))


def test_newest_analyses_the_newest(make):
    """An analysed frame is never older than one stage time plus one frame interval, however long it runs."""
    sink_ages: list[float] = []

    class Age(Sink):
        lossless = False

        def write(self, prepared) -> None:
            sink_ages.append(time.monotonic() - prepared.captured_s)

    engine, _ = make(("slow", {"delay_s": 0.1}), sinks=[Age()])
    engine.start(FakeSource(90, live=True, rate_hz=30))
    assert engine.wait(20)
    # Generous where the machine is busy; an unbounded queue would be seconds behind by now.
    assert np.median(sink_ages) < 0.2


def test_bounded_age_never_analyses_what_waited_longer(make):
    ages = []

    class Note(Stage, title="Note", group="Test"):
        """Note how old a frame is when it arrives."""

        def process(self, frame):
            ages.append(time.monotonic() - frame.captured_s)
            time.sleep(0.05)
            return frame

    engine, _ = make("note", workers=1, extra={"note": Note})
    engine.start(FakeSource(60, live=True, rate_hz=100), policy=DropPolicy.bounded_age(0.2))
    assert engine.wait(20)
    counts = engine.counts
    assert counts.analysed + counts.superseded == counts.captured == 60
    assert counts.superseded > 0
    assert max(ages) < 0.2 + 0.1


def test_a_side_lane_does_not_hold_up_the_main_lane_and_its_age_is_known(make):
    class Far(Stage, title="Far", group="Test", lane="side"):
        """A slow network that reports one box."""

        def process(self, frame):
            from scenescope.models import Detections

            time.sleep(0.15)
            return frame.with_result(
                self.context.stage_id, Detections(xyxy=[[0, 0, 9, 9]], confidence=[1], class_id=[0], class_names=("a",))
            )

    sink = CollectingSink(keep_frames=True)
    engine, watch = make("far", "boxes", sinks=[sink], extra={"far": Far})
    engine.start(FakeSource(60, live=True, rate_hz=60))
    assert engine.wait(20)
    assert engine.counts.analysed > 45, "the main lane kept the source's rate"
    carried = [(f.index, f.results["far"].stamp.index) for f in sink.frames if "far" in f.results]
    assert carried
    assert all(found_in < index for index, found_in in carried)
    assert [b for _, b in carried] == sorted(b for _, b in carried), "results get newer"
    assert len({b for _, b in carried}) >= 3
    assert not watch.of(EngineFault)


def test_where_every_frame_counts_a_side_stage_sees_each_one(make):
    class Far(Stage, title="Far", group="Test", lane="side"):
        """Reports the frame's own number."""

        def process(self, frame):
            from scenescope.models import Labels

            return frame.with_result("far", Labels(confidence=[1], class_id=[frame.index]))

    sink = CollectingSink(keep_frames=True)
    engine, _ = make("far", sinks=[sink], extra={"far": Far})
    engine.start(FakeSource(30))
    assert engine.wait(10)
    assert [int(f.results["far"].value.class_id[0]) for f in sink.frames] == list(range(30))


def test_a_privacy_stage_fails_closed(make):
    class Hide(Stage, title="Hide", group="Test", privacy=True):
        """Always fails."""

        def process(self, frame):
            raise RuntimeError("no")

    def stripes(image, index):
        image[:, ::2] = 255
        image[:, 1::2] = 0

    sink = CollectingSink(keep_frames=True)
    engine, _ = make("hide", sinks=[sink], extra={"hide": Hide})
    engine.start(FakeSource(20, paint=stripes))
    assert engine.wait(10)
    assert len(sink.frames) == 20
    for frame in sink.frames:
        assert frame.image.max() < 200, "the stripes can no longer be seen"
        assert frame.image.min() > 50


def test_a_sink_that_fails_stops_alone(make):
    class Full(Sink):
        closed = 0

        def write(self, prepared) -> None:
            if prepared.index == 3:
                raise OSError(28, "No space left on device")

        def close(self) -> None:
            type(self).closed += 1

    good = CollectingSink()
    engine, watch = make("boxes", sinks=[Full(), good])
    engine.start(FakeSource(50))
    assert engine.wait(10)
    assert good.indices == list(range(50))
    (failure,) = watch.of(SinkFailed)
    assert failure.message == "Full failed: OSError: [Errno 28] No space left on device"
    assert Full.closed == 1


def test_sinks_prepare_in_parallel_and_write_in_order(make):
    class Prepared(Sink):
        written: list[int] = []
        threads: set[int] = set()

        def prepare(self, frame):
            self.threads.add(threading.get_ident())
            time.sleep(0.002 * (frame.index % 3))
            return frame.index

        def write(self, prepared) -> None:
            self.written.append(prepared)

    engine, _ = make("boxes", sinks=[Prepared()])
    engine.start(FakeSource(60))
    assert engine.wait(10)
    assert Prepared.written == list(range(60))
    assert len(Prepared.threads) == 2


def test_sinks_can_be_added_and_removed_while_frames_pass(make):
    late = CollectingSink()
    engine, watch = make("boxes")
    engine.start(FakeSource(None, live=True, rate_hz=200))
    watch.wait_for(lambda: len(watch.of(FrameReady)) > 10)
    engine.add_sink(late)
    watch.wait_for(lambda: len(late.indices) > 10)
    engine.remove_sink(late)
    watch.wait_for(lambda: late.closed == 1)
    assert late.indices == sorted(set(late.indices))


def test_an_unplugged_camera_comes_back_with_the_same_count(make):
    source = FakeSource(200, live=True, rate_hz=200, fail_at=(50,))
    engine, watch = make("boxes")
    engine.start(source)
    assert engine.wait(20)
    phases = [state.phase for state in watch.of(SourceState)]
    assert phases[:2] == [SourcePhase.OPENING, SourcePhase.PLAYING]
    (lost,) = [state for state in watch.of(SourceState) if state.phase is SourcePhase.RECONNECTING]
    assert lost.message == "The fake camera was unplugged."
    assert lost.hint == "Plug it in again."
    assert lost.retry_in_s == 0.5
    assert source.opened == 2
    assert engine.counts.captured == 200


def test_a_source_that_fails_says_why_and_the_engine_can_go_on(make):
    sink = CollectingSink()
    engine, watch = make("boxes", sinks=[sink])
    engine.start(FakeSource(50, fail_at=(20,)))
    assert engine.wait(10)
    state = watch.of(SourceState)[-1]
    assert state.phase is SourcePhase.FAILED
    assert state.message == "The fake camera was unplugged."
    assert sink.indices == list(range(20)), "what was read before is not lost"
    engine.start(FakeSource(10))
    assert engine.wait(10)
    assert sink.indices == [*range(20), *range(10)]


def test_pause_step_resume_and_seek(make):
    engine, watch = make("boxes")
    engine.start(FakeSource(1000, rate_hz=100), paced=True)
    watch.wait_for(lambda: len(watch.of(FrameReady)) >= 5)
    engine.pause()
    watch.wait_for(lambda: engine.source_state.phase is SourcePhase.PAUSED)
    watch.wait_for(lambda: engine.counts.captured == engine.counts.analysed)
    held = engine.counts.captured
    engine.step()
    watch.wait_for(lambda: engine.counts.captured == held + 1)
    engine.seek(5.0)
    watch.wait_for(lambda: watch.of(FrameReady)[-1].index == 500)
    engine.resume()
    watch.wait_for(lambda: watch.of(FrameReady)[-1].index > 505)


@pytest.mark.parametrize(("piles_up", "read_on"), [(False, False), (True, True)])
def test_a_paused_camera_rests_and_a_paused_stream_is_read_on(make, piles_up, read_on):
    read = []
    source = FakeSource(None, live=True, rate_hz=100, paint=lambda image, index: read.append(index))
    source.piles_up = piles_up
    engine, watch = make("boxes")
    engine.start(source)
    watch.wait_for(lambda: len(watch.of(FrameReady)) > 5)
    engine.pause()
    watch.wait_for(lambda: engine.counts.captured == engine.counts.analysed)
    held = engine.counts.captured
    already = len(read)
    seen = len(watch.of(Stats))
    watch.wait_for(lambda: len(watch.of(Stats)) >= seen + 2)
    assert engine.counts.captured == held, "nothing is let through"
    assert (len(read) > already + 5) is read_on
    engine.resume()
    watch.wait_for(lambda: engine.counts.captured > held + 5)


def test_a_played_file_waits_at_its_end_for_a_jump_back(make):
    sink = CollectingSink()
    engine, watch = make("boxes", sinks=[sink])
    engine.start(FakeSource(20, rate_hz=200), paced=True)
    watch.wait_for(lambda: engine.source_state.phase is SourcePhase.ENDED)
    assert [event.index for event in watch.of(FrameReady)] == list(range(20)), "told after the last frame"
    engine.seek(0.05)
    watch.wait_for(lambda: len(watch.of(FrameReady)) == 30)
    watch.wait_for(lambda: engine.source_state.phase is SourcePhase.ENDED)
    engine.resume()
    watch.wait_for(lambda: len(watch.of(FrameReady)) == 50)
    assert engine.stop()
    assert sink.indices == [*range(20), *range(10, 20), *range(20)]


def test_an_edit_shows_on_a_paused_picture(make):
    engine, watch = make(("tint", {"add": 0}))
    sink = CollectingSink()
    engine.add_sink(sink)
    engine.start(FakeSource(100, rate_hz=50), paced=True)
    watch.wait_for(lambda: len(watch.of(FrameReady)) >= 3)
    engine.pause()
    watch.wait_for(lambda: engine.source_state.phase is SourcePhase.PAUSED)
    watch.wait_for(lambda: engine.counts.captured == engine.counts.analysed)
    before = engine.latest
    engine.apply(engine.spec.with_params("tint", add=100))
    watch.wait_for(lambda: engine.latest is not before)
    after = engine.latest
    assert after.index == before.index
    assert int(after.image[0, 0, 0]) == int(before.image[0, 0, 0]) + 100
    engine.stop()
    assert sink.indices == list(range(before.index + 1)), "a picture shown again is not recorded again"


def test_stats_come_four_times_a_second_and_name_every_stage(make):
    engine, watch = make(("slow", {"delay_s": 0.005}), "boxes")
    engine.display.on_picture = lambda: None
    engine.start(FakeSource(None, live=True, rate_hz=50))
    watch.wait_for(lambda: len(watch.of(Stats)) >= 5 and watch.of(Stats)[-1].analysed_fps > 30)
    stats = watch.of(Stats)[-1]
    assert [stage.stage_id for stage in stats.stages] == ["slow", "boxes"]
    assert 5 <= stats.stages[0].p50_ms <= stats.stages[0].p95_ms
    assert stats.stages[0].calls > 10
    assert stats.counts.captured >= stats.counts.analysed > 0
    assert stats.frame_age_p95_ms > 0


@pytest.mark.parametrize("when", ["at once", "opening", "playing", "paused", "hanging", "loading", "ended", "failed"])
def test_stop_is_clean_from_any_state(make, when):
    sink = CollectingSink()
    stages = {"hanging": [("gate", {"at": 3})], "loading": [("gate", {"at": -1})]}.get(when, ["boxes"])
    engine, watch = make(*stages, sinks=[sink])
    count = 5 if when == "ended" else None
    source = FakeSource(count, live=when != "ended", rate_hz=100, fail_at=())
    if when == "failed":
        source = FakeSource(10, fail_at=(2,))
    engine.start(source)
    if when == "playing":
        watch.wait_for(lambda: watch.of(FrameReady))
    elif when == "paused":
        engine.pause()
        watch.wait_for(lambda: engine.source_state.phase is SourcePhase.PAUSED)
    elif when == "hanging":
        assert Gate.entered.wait(10)
    elif when == "loading":
        watch.wait_for(lambda: engine.stage_states and phase_of(engine, "gate") is StagePhase.LOADING)
    elif when in ("ended", "failed"):
        assert engine.wait(10)
    if when in ("hanging", "loading"):
        threading.Timer(0.2, Gate.opened.set).start()
    assert engine.stop(10)
    assert sink.opened == sink.closed
    assert not engine.running
    engine.start(FakeSource(3))
    assert engine.wait(10), "it can be started again"


def test_stopping_does_not_wait_for_a_stage_that_hangs_unless_asked_to(make):
    engine, watch = make(("gate", {"at": 3}))
    engine.start(FakeSource(None, live=True, rate_hz=100))
    assert Gate.entered.wait(10)
    started_s = time.monotonic()
    assert not engine.stop(timeout_s=0)
    assert time.monotonic() - started_s < 0.4, "the stage hangs for 30 s, its patience is half a second"
    assert watch.of(SourceState)[-1].phase is SourcePhase.STOPPED
    Gate.opened.set()
    again = FakeSource(3)
    engine.start(again)
    assert engine.wait(10)
    assert again.opened == 1


def test_the_same_source_can_be_started_again(make):
    sink = CollectingSink()
    engine, watch = make("boxes", sinks=[sink])
    source = FakeSource(None, rate_hz=100)
    engine.start(source, paced=True)
    watch.wait_for(lambda: len(sink.indices) > 5)
    engine.start(source, paced=True)
    watch.wait_for(lambda: sink.indices.count(0) == 2)
    assert source.opened == 2


def test_a_new_source_waits_until_the_old_one_has_let_go(make):
    engine, watch = make("boxes")
    first, second = FakeSource(None, live=True, rate_hz=50), FakeSource(None, live=True, rate_hz=50)
    engine.start(first)
    watch.wait_for(lambda: watch.of(FrameReady))
    engine.start(second)
    watch.wait_for(lambda: second.opened == 1)
    assert first.closed >= 1


def test_a_listener_that_raises_harms_nobody(make, capsys):
    engine, watch = make("boxes")

    def bad(event: EngineEvent) -> None:
        raise RuntimeError("listener")

    engine.subscribe(bad)
    engine.start(FakeSource(5))
    assert engine.wait(10)
    assert len(watch.of(FrameReady)) == 5
    assert watch.of(EngineFault)
    assert "RuntimeError: listener" in capsys.readouterr().err
