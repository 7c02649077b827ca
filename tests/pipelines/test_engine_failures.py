"""What fails is set aside and named; the picture goes on, and everything can be stopped from any state."""

from __future__ import annotations

import threading
import time

import pytest

from scenescope.models import SpecError
from scenescope.pipelines.events import (
    EngineEvent,
    EngineFault,
    FrameReady,
    SinkFailed,
    SourcePhase,
    SourceState,
    StageFailed,
    StagePhase,
)
from scenescope.pipelines.fakes import CollectingSink, FakeSource, Gate, InOrder
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.stage import Stage

pytestmark = pytest.mark.slow


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
    assert engine.stage_state("broken").phase is StagePhase.TRIPPED
    assert all(frame.image[0, 0, 0] == frame.index + 1 for frame in sink.frames), "the other stage went on"


def test_two_failures_in_a_row_do_not_trip(make):
    engine, watch = make(("broken", {"start": 3, "times": 2}), workers=1)
    engine.start(FakeSource(20))
    assert engine.wait(10)
    assert engine.stage_state("broken").phase is StagePhase.READY
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
    assert engine.stage_state("gate").phase is StagePhase.NOT_RESPONDING
    (failure,) = watch.of(StageFailed)
    assert failure.message == "Gate has not answered for 0.5 s."


class StatefulGate(Gate, title="Stateful gate", stateful=True):
    """Hangs on the pipeline thread itself."""


def test_a_stateful_stage_that_hangs_loses_its_thread_not_the_frames(make):
    sink = CollectingSink()
    engine, _ = make(("sgate", {"at": 5}), "inorder", sinks=[sink], extra={"sgate": StatefulGate})
    engine.start(FakeSource(40))
    assert engine.wait(10)
    assert sink.indices == list(range(40))
    assert [index for index, _ in InOrder.seen] == list(range(40))
    assert engine.stage_state("sgate").phase is StagePhase.NOT_RESPONDING


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
    watch.wait_for(lambda: engine.stage_state("gate").phase is StagePhase.NOT_RESPONDING)
    engine.retry("gate")
    watch.wait_for(lambda: engine.stage_state("gate").phase is StagePhase.READY)
    with pytest.raises(SpecError, match="no stage 'other'"):
        engine.retry("other")


def test_opening_happens_off_the_pipeline_thread_and_the_picture_goes_on_meanwhile(make):
    engine, watch = make(("gate", {"at": -1}))
    engine.start(FakeSource(None, live=True, rate_hz=100))
    watch.wait_for(lambda: len(watch.of(FrameReady)) > 20)
    assert engine.stage_state("gate").phase is StagePhase.LOADING
    Gate.opened.set()
    watch.wait_for(lambda: engine.stage_state("gate").phase is StagePhase.READY)


def test_a_file_is_shown_though_a_stage_never_finishes_loading(make, monkeypatch):
    monkeypatch.setattr("scenescope.pipelines.session.AWAIT_STAGES_S", 0.3)
    sink = CollectingSink()
    engine, _ = make(("gate", {"at": -1}), sinks=[sink])
    engine.start(FakeSource(10))
    assert engine.wait(10)
    assert sink.indices == list(range(10))
    assert engine.stage_state("gate").phase is StagePhase.LOADING


def test_a_changed_parameter_gives_a_tripped_stage_a_fresh_start(make):
    engine, watch = make(("broken", {}))
    engine.start(FakeSource(None, live=True, rate_hz=100))
    watch.wait_for(lambda: engine.stage_states and engine.stage_state("broken").phase is StagePhase.TRIPPED)
    engine.apply(engine.spec.with_params("broken", times=0))
    watch.wait_for(lambda: engine.stage_state("broken").phase is StagePhase.READY)


def test_a_stage_that_cannot_open_is_unavailable_and_the_others_run(make):
    sink = CollectingSink(keep_frames=True)
    engine, watch = make(("broken", {"in_open": True}), ("tint", {"add": 7}), sinks=[sink])
    engine.start(FakeSource(5))
    assert engine.wait(10)
    assert engine.stage_state("broken").phase is StagePhase.UNAVAILABLE
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
        watch.wait_for(lambda: engine.stage_states and engine.stage_state("gate").phase is StagePhase.LOADING)
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
