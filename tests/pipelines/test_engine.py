"""The engine's promises: nothing lost, nothing out of order, edits between frames, and honest numbers."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from scenescope.models import SpecError
from scenescope.pipelines.events import (
    EngineFault,
    FrameReady,
    PipelineChanged,
    SourcePhase,
    StageFailed,
    StagePhase,
    Stats,
)
from scenescope.pipelines.fakes import CollectingSink, FakeSource, InOrder
from scenescope.pipelines.params import StageParams
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.slots import DropPolicy
from scenescope.pipelines.stage import Stage

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_frame_once_in_order_through_parallel_and_stateful_stages(make, workers):
    sink = CollectingSink()
    engine, watch = make(
        ("slow", {"delay_s": 0.003, "jitter": 1.0}),
        "inorder",
        ("slow", {"delay_s": 0.002, "jitter": 1.0}),
        sinks=[sink],
        workers=workers,
    )
    engine.start(FakeSource(300))
    assert engine.wait(30)
    assert sink.indices == list(range(300))
    assert [index for index, _ in InOrder.seen] == list(range(300))
    assert len({thread for _, thread in InOrder.seen}) == 1, "a stateful stage belongs to one thread"
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
    turn, seen = 0, 0
    while not engine.wait(0.005):
        # A busy machine may take longer for a change than for this turn.
        if len(sink.indices) == seen:
            continue
        turn, seen = turn + 1, len(sink.indices)
        changed = base.added("tint").added("boxes") if turn % 2 else base
        engine.apply(changed.enabled("slow", turn % 3 != 0))
    assert sink.indices == list(range(1500))
    assert not watch.of(EngineFault)
    assert len(watch.of(PipelineChanged)) > 20


def test_edits_that_come_faster_than_they_are_taken_do_not_pile_up(make):
    taken: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    class Held(Stage, title="Held", group="Test"):
        """Keeps the first frame, and notes the edits that it is given."""

        class Params(StageParams):
            gain: int = 0

        def needs_reopen(self, params):
            taken.append(params.gain)
            return False

        def process(self, frame):
            begun.set()
            assert go_on.wait(10)
            return frame.with_image(frame.image * np.uint8(0) + np.uint8(self.params.gain))

    sink = CollectingSink(keep_frames=True)
    engine, watch = make("held", sinks=[sink], workers=1, extra={"held": Held})
    (stage,) = engine.spec.stages
    engine.start(FakeSource(3))
    assert begun.wait(10)
    edited = engine.spec
    for gain in range(1, 100):
        edited = edited.with_params(stage.id, gain=gain)
        # What is switched off on the way is switched off, since that gives a stage a fresh start.
        engine.apply(edited.enabled(stage.id, gain != 50))
    go_on.set()
    assert engine.wait(10)
    assert [int(frame.image[0, 0, 0]) for frame in sink.frames] == [0, 99, 99]
    assert taken == [99]
    told = watch.of(PipelineChanged)
    assert len(told) >= 99, "each wish is told at once"
    assert any(state.phase is StagePhase.DISABLED for event in told for state in event.stages)


class Network(Stage, title="Network", group="Test"):
    """Loads slowly and adds what its file says."""

    may_load = threading.Event()

    class Params(StageParams):
        file: str = "a"
        gain: int = 1

    def needs_reopen(self, params):
        return params.file != self.params.file

    def open(self, context):
        if self.params.file != "a":
            self.may_load.wait(10)
        self.loaded = {"a": 10, "b": 20}[self.params.file]

    def process(self, frame):
        return frame.with_image(frame.image * np.uint8(0) + np.uint8(self.loaded * self.params.gain))


@pytest.mark.parametrize(
    ("edits", "value"),
    [
        ([{"file": "b"}], 20),
        ([{"file": "b"}, {"file": "b", "gain": 3}], 60),
        ([{"gain": 2}, {"file": "b", "gain": 2}, {"gain": 4}], 40),
        ([{"file": "b"}, {"file": "a"}], 10),
    ],
)
def test_an_old_network_serves_until_the_new_one_is_loaded_and_the_last_wish_wins(make, edits, value):
    Network.may_load.clear()
    engine, watch = make("network", extra={"network": Network})
    engine.start(FakeSource(None, live=True, rate_hz=100))
    watch.wait_for(lambda: engine.latest is not None and engine.latest.image.max() == 10)
    base = engine.spec
    for edit in edits:
        engine.apply(base.with_params("network", **edit))
        seen = len(watch.of(FrameReady))
        watch.wait_for(lambda n=seen: len(watch.of(FrameReady)) > n + 3)
        assert engine.latest.edited, "the old one serves meanwhile"
    Network.may_load.set()
    watch.wait_for(
        lambda: engine.latest.image.max() == value and engine.stage_state("network").phase is StagePhase.READY
    )
    seen = len(watch.of(FrameReady))
    watch.wait_for(lambda: len(watch.of(FrameReady)) > seen + 20)
    assert engine.latest.image.max() == value, "and it stays"


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
    ages_ms = {one.stage_id: one.age_ms for one in engine.stats.stages}
    assert ages_ms["boxes"] is None
    # Found before the picture that shows it, and not longer ago than a round of the stage and its wait.
    assert 0 < ages_ms["far"] < 1500
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


def settled(engine) -> bool:
    """Every captured frame has been analysed or has given way to a newer one."""
    counts = engine.counts
    return counts.captured == counts.analysed + counts.superseded


def test_pause_step_resume_and_seek(make):
    engine, watch = make("boxes")
    engine.start(FakeSource(1000, rate_hz=100), paced=True)
    watch.wait_for(lambda: len(watch.of(FrameReady)) >= 5)
    engine.pause()
    watch.wait_for(lambda: engine.source_state.phase is SourcePhase.PAUSED)
    watch.wait_for(lambda: settled(engine))
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
    watch.wait_for(lambda: settled(engine))
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
    watch.wait_for(lambda: settled(engine))
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
