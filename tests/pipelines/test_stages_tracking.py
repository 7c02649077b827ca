"""One object drawn with the mouse, and the other ways of matching boxes; on pictures whose truth is known."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest

from scenescope.models import Detections, Tracks
from scenescope.pipelines import Frame, Region, StageContext
from scenescope.pipelines.stages.track.track import Track
from scenescope.pipelines.stages.track.track_one import TrackOne

pytestmark = pytest.mark.slow

RATE_HZ = 30.0
WIDTH, HEIGHT = 640, 480


def opened(cls, **params):
    stage = cls(cls.validated(params))
    stage.context = StageContext(stage_id="it", rate_hz=RATE_HZ)
    stage.open(stage.context)
    return stage


def overlap(a, b) -> float:
    """Intersection over union of two boxes."""
    shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


# One object ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scenery(photos):
    """A background, and a patch of another photo to move over it."""
    background = cv2.resize(cv2.imread(str(photos / "coffee.png")), (WIDTH, HEIGHT))
    patch = cv2.imread(str(photos / "chelsea.png"))[60:210, 130:330]
    return background, patch


def moved(scenery, seconds: float, hidden=()):
    """Frames with the patch on a winding way, growing and shrinking, with the true box or None while it is hidden."""
    background, patch = scenery
    rng = np.random.default_rng(3)
    grain = [rng.normal(0, 4, background.shape).astype(np.int16) for _ in range(7)]
    for index in range(round(seconds * RATE_HZ)):
        t = index / RATE_HZ
        width = 100 * (1 + 0.35 * np.sin(0.9 * t))
        height = width * patch.shape[0] / patch.shape[1]
        x, y = 320 + 190 * np.sin(0.8 * t), 240 + 120 * np.sin(1.3 * t)
        box = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        picture = background.copy()
        seen = not any(start <= t < end for start, end in hidden)
        if seen:
            scale = width / patch.shape[1]
            # Pixel centres at whole numbers here, half a pixel further in boxes.
            matrix = np.array([[scale, 0, box[0] + 0.5 * scale - 0.5], [0, scale, box[1] + 0.5 * scale - 0.5]])
            small = cv2.GaussianBlur(patch, (0, 0), 0.5 / scale)
            cv2.warpAffine(small, matrix, (WIDTH, HEIGHT), dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
        noisy = np.clip(picture + grain[index % len(grain)], 0, 255).astype(np.uint8)
        yield Frame(noisy, index, t), box if seen else None


def drawn_around(box) -> Region:
    (x1, y1), (x2, y2) = box[:2] / (WIDTH, HEIGHT), box[2:] / (WIDTH, HEIGHT)
    return Region(points=((x1, y1), (x2, y1), (x2, y2), (x1, y2)))


def followed(scenery, seconds, hidden=(), **params):
    """Truth and finding of every frame, after a region was drawn around the patch in the first one."""
    rows, stage = [], None
    for frame, truth in moved(scenery, seconds, hidden):
        stage = stage or opened(TrackOne, region=drawn_around(truth), **params)
        found = stage.process(frame).result("it")
        assert isinstance(found, Tracks)
        rows.append((frame.pts_s, truth, found))
    return rows


def share_on_target(rows) -> float:
    good = [len(f) == 1 and overlap(f.xyxy[0], truth) >= 0.6 for _, truth, f in rows if truth is not None]
    return sum(good) / len(good)


@pytest.mark.slow
def test_flow_stays_on_a_patch_that_moves_and_grows(scenery):
    rows = followed(scenery, 10)
    print(f"on target: {share_on_target(rows):.1%}")
    assert share_on_target(rows) >= 0.95
    assert {f.track_id.tolist()[0] for _, _, f in rows} == {1}
    assert rows[0][2].labels == ["object"]
    assert min(f.confidence[0] for _, _, f in rows) > 0.7


@pytest.mark.slow
def test_mil_stays_on_it_too(scenery):
    rows = followed(scenery, 3, method="mil", side_px=320, name="cat")
    print(f"on target: {share_on_target(rows):.1%}")
    assert share_on_target(rows) >= 0.95
    assert rows[-1][2].labels == ["cat"]


@pytest.mark.slow
def test_it_is_lost_while_hidden_and_found_again_elsewhere(scenery):
    rows = followed(scenery, 5, hidden=((1.5, 3.0),))
    while_hidden = [len(f) for _, truth, f in rows if truth is None]
    assert sum(while_hidden) <= 1, "at most one frame too late"
    after = [row for row in rows if row[0] >= 3.1]
    assert share_on_target(after) >= 0.95
    assert share_on_target(rows) >= 0.95
    assert rows[-1][2].track_id.tolist() == [1], "it is the same object"


def test_a_new_region_follows_something_else(scenery):
    clip = list(moved(scenery, 1))
    stage = opened(TrackOne, region=drawn_around(clip[0][1]))
    for frame, _ in clip[:10]:
        stage.process(frame)
    cup = np.array([130.0, 80, 250, 200])
    changed = TrackOne.validated({"region": drawn_around(cup).model_dump()})
    assert not stage.needs_reopen(changed)
    stage = stage.with_params(changed)
    for frame, _ in clip[10:]:
        found = stage.process(frame).result("it")
    assert overlap(found.xyxy[0], cup) > 0.9
    assert found.track_id.tolist() == [2]


def test_without_a_region_nothing_is_followed(scenery):
    stage = opened(TrackOne)
    assert [len(stage.process(frame).result("it")) for frame, _ in moved(scenery, 0.2)] == [0] * 6


def test_after_a_jump_and_in_another_size_it_is_looked_for(scenery):
    clip = list(moved(scenery, 3))
    stage = opened(TrackOne, region=drawn_around(clip[0][1]))
    for frame, _ in clip[:20]:
        stage.process(frame)
    for at in (85, 5):
        frame, truth = clip[at]
        found = stage.process(frame).result("it")
        assert overlap(found.xyxy[0], truth) > 0.6
    assert len(found.trail[0]) == 1, "the way before the jump is gone"
    frame, truth = clip[50]
    larger = Frame(cv2.resize(frame.image, None, fx=1.5, fy=1.5), 50, frame.pts_s)
    assert overlap(stage.process(larger).result("it").xyxy[0], truth * 1.5) > 0.6


def test_the_trail_is_its_way(scenery):
    rows = followed(scenery, 2, trail_s=1.0)
    trail = rows[-1][2].trail[0]
    assert 30 <= len(trail) <= 32
    truth = np.array([(truth[:2] + truth[2:]) / 2 for _, truth, _ in rows])[-len(trail) :]
    assert np.abs(trail - truth).max() < 6


@pytest.mark.parametrize("method", ["flow", "mil"])
def test_it_survives_any_picture(method):
    rng = np.random.default_rng(0)
    everything = Region(points=((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))
    stage = opened(TrackOne, region=everything, method=method, side_px=320)
    large = cv2.resize(rng.integers(0, 255, (27, 48, 3), np.uint8), (3840, 2160))
    pictures = [
        np.zeros((1, 1, 3), np.uint8),
        rng.integers(0, 255, (900, 1, 3), np.uint8),
        rng.integers(0, 255, (2, 4000, 3), np.uint8),
        np.zeros((90, 120, 3), np.uint8),
        rng.integers(0, 255, (90, 120, 3), np.uint8),
        np.full((90, 120, 3), 255, np.uint8),
        large,
        large[::-1].copy(),
        np.zeros((1, 1, 3), np.uint8),
        rng.integers(0, 255, (2, 4000, 3), np.uint8),
    ]
    for index, picture in enumerate(pictures):
        for repeat in range(2):
            out = stage.process(Frame(picture, 2 * index + repeat, (2 * index + repeat) / RATE_HZ))
            assert len(out.result("it")) <= 1


# Many objects -------------------------------------------------------------------------------------------------------

METHODS = ["bytetrack", "sort", "ocsort", "botsort"]


def boxes(*rows) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(
        xyxy=table[:, :4],
        confidence=table[:, 4],
        class_id=np.zeros(len(rows), np.int64),
        class_names=("person",),
    )


def numbers(stage, per_frame, pictures=None, rate_hz=RATE_HZ) -> list[list[int]]:
    blank = np.zeros((200, 400, 3), np.uint8)
    out = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for index, found in enumerate(per_frame):
            frame = Frame(blank if pictures is None else pictures[index], index, index / rate_hz)
            out.append(stage.process(frame.with_result("detect", found)).result("it").track_id.tolist())
    return out


@pytest.mark.parametrize("method", METHODS)
def test_two_objects_that_pass_keep_their_numbers(method):
    frames = [boxes((5 * i, 20, 5 * i + 40, 80, 0.9), (300 - 5 * i, 110, 340 - 5 * i, 180, 0.8)) for i in range(50)]
    out = numbers(opened(Track, method=method), frames)
    assert out[0] == [-1, -1]
    assert out[3:] == [[1, 2]] * 47


@pytest.mark.parametrize("method", METHODS)
def test_a_short_gap_keeps_the_number_and_a_long_one_does_not(method):
    moving = [boxes((3 * i, 20, 3 * i + 40, 80, 0.9)) for i in range(100)]
    short = moving[:20] + [boxes()] * 10 + moving[30:40]
    assert numbers(opened(Track, method=method, keep_lost_s=1.0), short)[-1] == [1]
    long = moving[:20] + [boxes()] * 45 + moving[65:75]
    assert numbers(opened(Track, method=method, keep_lost_s=1.0), long)[-1] == [2]


@pytest.mark.parametrize("method", METHODS)
def test_unsure_boxes_alone_start_no_track(method):
    frames = [boxes((4 * i, 20, 4 * i + 40, 80, 0.3)) for i in range(20)]
    assert {n for row in numbers(opened(Track, method=method, start_confidence=0.5), frames) for n in row} == {-1}


@pytest.mark.parametrize("method", METHODS)
def test_a_jump_back_and_another_size_start_anew(method):
    stage = opened(Track, method=method, confirm_frames=2)
    frames = [boxes((4 * i, 20, 4 * i + 40, 80, 0.9)) for i in range(10)]
    assert numbers(stage, frames)[-1] == [1]
    elsewhere = [boxes((200, 4 * i, 240, 4 * i + 60, 0.9)) for i in range(10)]
    assert numbers(stage, elsewhere)[-1] == [1]
    larger = Frame(np.zeros((400, 800, 3), np.uint8), 10, 10 / RATE_HZ).with_result("detect", frames[0])
    assert stage.process(larger).result("it").track_id.tolist() == [-1]


@pytest.mark.parametrize("method", METHODS)
def test_fewer_frames_a_second_make_no_difference_to_seconds(method):
    frames = [boxes((4 * i, 20, 4 * i + 60, 80, 0.9)) for i in range(15)]
    out = numbers(opened(Track, method=method, confirm_frames=2), frames, rate_hz=3.0)
    assert out[2:] == [[1]] * 13


def test_botsort_reckons_with_a_camera_that_jerks(photos):
    """The camera jerks to and fro; boxes stay on the same thing of the scene and jump in the picture."""
    scene = cv2.resize(cv2.imread(str(photos / "coffee.png")), (1000, 700))
    offsets = [(200, 150)] * 8 + [(200 + 45 * (i % 2), 150) for i in range(8)]
    pictures = [np.ascontiguousarray(scene[y : y + 400, x : x + 600]) for x, y in offsets]
    thing = np.array([450, 300, 490, 360])
    found = [boxes((*(thing - (x, y, x, y)), 0.9)) for x, y in offsets]
    out = numbers(opened(Track, method="botsort", confirm_frames=2), found, pictures)
    assert out[2:] == [[1]] * 14
    without = numbers(opened(Track, method="bytetrack", confirm_frames=2), found, pictures)
    assert without[-1] != [1]


def test_another_method_opens_another_tracker():
    stage = opened(Track)
    assert stage.needs_reopen(Track.validated({"method": "sort"}))
    assert not stage.needs_reopen(Track.validated({"trail_s": 3}))
