"""Every stage that comes along, on real pictures: frame in, frame out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenescope.models import Detections, ModelMissing, RuntimeMissing, SpecError, Tracks
from scenescope.models.vision.placement import Placement
from scenescope.pipelines import STAGES, Frame, StageContext
from scenescope.pipelines.stages.adjust.blur import Blur
from scenescope.pipelines.stages.edges.canny import Canny
from scenescope.pipelines.stages.recognise.detect import Detect
from scenescope.pipelines.stages.track.track import Track


@pytest.fixture
def astronaut(photos) -> Frame:
    return Frame(cv2.imread(str(photos / "astronaut.png")))


def opened(cls, **context):
    def make(**params):
        stage = cls(cls.validated(params))
        stage.context = StageContext(stage_id=cls.info.kind, **context)
        stage.open(stage.context)
        return stage

    return make


# These load a framework of their own.
HEAVY = ("classify", "read_text")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] if kind in HEAVY else []) for kind in STAGES.names()]
)
def test_every_stage_declares_itself_and_takes_a_frame(kind, astronaut):
    cls = STAGES.get(kind)
    assert cls.info.title
    assert cls.info.summary
    assert cls.info.group != "Other"
    for name, field in cls.Params.model_fields.items():
        assert field.description, f"{kind}.{name} says what it does"
    model = cls.Params.model_fields.get("model")
    if model is not None and model.default == "":
        # No network for it comes with Scenescope: it says how to get one.
        with pytest.raises(ModelMissing, match="no network is chosen") as caught:
            opened(cls)()
        assert "scenescope models get" in caught.value.hint
        return
    stage = opened(cls)()
    try:
        out = stage.process(astronaut)
    finally:
        stage.close()
    assert out.index == astronaut.index
    assert out.size_wh == astronaut.size_wh


def test_canny_shows_edges_only(astronaut):
    out = opened(Canny)(low=100, high=200).process(astronaut)
    assert set(np.unique(out.image)) == {0, 255}
    fewer = opened(Canny)(low=200, high=255).process(astronaut)
    assert 0 < (fewer.image > 0).mean() < (out.image > 0).mean() < 0.2


def test_blur_takes_away_detail_and_keeps_brightness(astronaut):
    out = opened(Blur)(sigma_px=4.0).process(astronaut)
    sharp, soft = (cv2.Laplacian(f.image, cv2.CV_64F).var() for f in (astronaut, out))
    assert soft < sharp / 20
    assert abs(float(out.image.mean()) - float(astronaut.image.mean())) < 1


def test_detect_finds_the_person_and_keeps_only_what_is_wanted(astronaut):
    found = opened(Detect)().process(astronaut).result("detect")
    assert "person" in found.labels
    only = opened(Detect)(only=["cat"]).process(astronaut).result("detect")
    assert len(only) == 0
    sure = opened(Detect)(confidence=0.99).process(astronaut).result("detect")
    assert len(sure) == 0


def test_detect_says_where_it_runs_and_reopens_only_for_another_network_or_device():
    stage = opened(Detect)()
    assert stage.placement() == Placement("CPU", "auto")
    assert not stage.needs_reopen(Detect.validated({"confidence": 0.9}))
    assert stage.needs_reopen(Detect.validated({"device": "cpu"}))
    stage.close()
    assert stage.placement() is None


def test_detect_refuses_a_device_that_is_not_there():
    with pytest.raises(RuntimeMissing, match="no provider for 'cuda'") as caught:
        opened(Detect)(device="cuda", strict_device=True)
    assert caught.value.hint


def test_detect_falls_back_to_the_processor_and_says_so():
    placement = opened(Detect)(device="cuda").placement()
    assert placement.device == "CPU"
    assert placement.problem.startswith("Runs on CPU: ONNX Runtime has no provider for 'cuda' here")


def test_a_wrong_parameter_is_named_with_its_limit():
    with pytest.raises(SpecError, match=r"Detect objects: confidence: must be less than or equal to 1, not 3"):
        Detect.validated({"confidence": 3})


# Tracking -----------------------------------------------------------------------------------------------------------


def boxes(*rows: tuple[float, float, float, float, float]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(
        xyxy=table[:, :4],
        confidence=table[:, 4],
        class_id=np.zeros(len(rows), np.int64),
        class_names=("person",),
    )


def run_track(stage, per_frame, rate_hz: float = 30.0) -> list[Tracks]:
    image = np.zeros((200, 400, 3), np.uint8)
    out = []
    for index, found in enumerate(per_frame):
        frame = Frame(image, index, index / rate_hz).with_result("detect", found)
        out.append(stage.process(frame).result("track"))
    return out


def test_two_objects_that_pass_keep_their_numbers():
    frames = [boxes((5 * i, 20, 5 * i + 40, 80, 0.9), (300 - 5 * i, 110, 340 - 5 * i, 180, 0.8)) for i in range(50)]
    tracks = run_track(opened(Track)(confirm_frames=3), frames)
    assert [t.track_id.tolist() for t in tracks[:2]] == [[-1, -1], [-1, -1]]
    assert all(t.track_id.tolist() == [1, 2] for t in tracks[2:])
    for found, track in zip(frames, tracks, strict=True):
        assert np.array_equal(found.xyxy, track.xyxy), "rows stay where the detector put them"


def test_a_short_gap_keeps_the_number_and_a_long_one_does_not():
    moving = [boxes((3 * i, 20, 3 * i + 40, 80, 0.9)) for i in range(100)]
    short = moving[:20] + [boxes()] * 10 + moving[30:40]
    assert run_track(opened(Track)(keep_lost_s=1.0), short)[-1].track_id.tolist() == [1]
    long = moving[:20] + [boxes()] * 45 + moving[65:75]
    assert run_track(opened(Track)(keep_lost_s=1.0), long)[-1].track_id.tolist() == [2]


def test_an_unsure_box_carries_a_track_on():
    frames = [boxes((4 * i, 20, 4 * i + 40, 80, 0.9 if i < 10 or i > 20 else 0.2)) for i in range(30)]
    tracks = run_track(opened(Track)(), frames)
    assert {i for t in tracks[5:] for i in t.track_id.tolist()} == {1}


def test_unsure_boxes_alone_start_no_track():
    frames = [boxes((4 * i, 20, 4 * i + 40, 80, 0.3)) for i in range(20)]
    assert {i for t in run_track(opened(Track)(start_confidence=0.5), frames) for i in t.track_id.tolist()} == {-1}


def test_frames_that_were_dropped_do_not_end_a_track():
    """Live: only every tenth frame is analysed, and the times say so."""
    frames = [boxes((4 * i, 20, 4 * i + 60, 80, 0.9)) for i in range(15)]
    tracks = run_track(opened(Track)(confirm_frames=2), frames, rate_hz=3.0)
    assert all(t.track_id.tolist() == [1] for t in tracks[2:])


def test_a_jump_back_in_time_starts_anew():
    stage = opened(Track)(confirm_frames=1)
    run_track(stage, [boxes((4 * i, 20, 4 * i + 40, 80, 0.9)) for i in range(10)])
    again = run_track(stage, [boxes((200 + 4 * i, 20, 240 + 4 * i, 80, 0.9)) for i in range(10)])
    assert again[-1].track_id.tolist() == [1]
    assert again[-1].trail[0][:, 0].min() > 200, "the old trail is gone"


def test_the_trail_is_the_way_of_the_last_seconds():
    frames = [boxes((3 * i, 20, 3 * i + 40, 80, 0.9)) for i in range(60)]
    last = run_track(opened(Track)(trail_s=1.0), frames)[-1]
    trail = last.trail[0]
    assert 29 <= len(trail) <= 32
    assert trail[-1].tolist() == [3 * 59 + 20, 50]
    assert (np.diff(trail[:, 0]) == 3).all()


def test_without_detections_there_is_nothing_to_track():
    frame = Frame(np.zeros((20, 20, 3), np.uint8))
    assert opened(Track)().process(frame) is frame
    empty = opened(Track)().process(frame.with_result("detect", Detections()))
    assert len(empty.result("track")) == 0


def test_the_overlay_knows_which_boxes_were_followed():
    (tracks,) = run_track(opened(Track)(), [boxes((0, 0, 40, 40, 0.9))])
    assert tracks.follows == "detect"
