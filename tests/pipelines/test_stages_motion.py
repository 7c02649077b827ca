"""Motion, optical flow, camera motion and stabilising, on photos that the tests move in a known way."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from scenescope.models import DenseMap, Detections, Masks, Shapes
from scenescope.pipelines import Frame, StageContext
from scenescope.pipelines.stages.motion._estimate import Similarity, similarity_between
from scenescope.pipelines.stages.motion.camera_motion import CameraMotion
from scenescope.pipelines.stages.motion.motion import Motion
from scenescope.pipelines.stages.motion.optical_flow import OpticalFlow
from scenescope.pipelines.stages.motion.stabilise import Stabilise

pytestmark = pytest.mark.slow

RATE_HZ = 30.0
SIZE_WH = (480, 360)
CENTRE = (240.0, 180.0)
# Pixel centres lie at whole numbers plus one half; warpAffine puts them at whole numbers.
HALF = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])


def opened(cls, **params):
    stage = cls(cls.validated(params))
    stage.context = StageContext(stage_id="it", rate_hz=RATE_HZ)
    stage.open(stage.context)
    return stage


def frames(pictures, rate_hz: float = RATE_HZ):
    return [Frame(picture, index, index / rate_hz) for index, picture in enumerate(pictures)]


@pytest.fixture(scope="module")
def scene(photos) -> np.ndarray:
    """A large photo to move a camera over, 1200x800."""
    photo = cv2.imread(str(photos / "coffee.png"))
    return cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)


def seen(scene: np.ndarray, to_scene: np.ndarray, size_wh=SIZE_WH) -> np.ndarray:
    """What a camera sees whose pixels ``to_scene`` maps to the scene's."""
    matrix = np.linalg.inv(HALF) @ to_scene @ HALF
    return cv2.warpAffine(scene, matrix[:2], size_wh, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def camera_at(x: float, y: float, turn_deg: float = 0.0, zoom: float = 1.0, size_wh=SIZE_WH) -> np.ndarray:
    """Pixels of the camera to pixels of the scene, for a camera whose top left corner is at (x, y) when not turned."""
    placed = Similarity(x, y, float(np.radians(turn_deg)), -float(np.log(zoom)))
    return placed.matrix((size_wh[0] / 2, size_wh[1] / 2))


# Motion -------------------------------------------------------------------------------------------------------------


def still_with_patches(scene, boxes_of, noise=3.0):
    """The same view with noise, and bright patches in it at the boxes of every frame."""
    view = seen(scene, camera_at(300, 200))
    rng = np.random.default_rng(5)
    grain = [rng.normal(0, noise, view.shape).astype(np.int16) for _ in range(7)]
    for index, boxes in enumerate(boxes_of):
        picture = np.clip(view + grain[index % len(grain)], 0, 255).astype(np.uint8)
        for x1, y1, x2, y2 in boxes:
            picture[y1:y2, x1:x2] = 255 - view[y1:y2, x1:x2]
        yield picture


def overlap(a, b) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("method", ["mog2", "knn"])
def test_motion_boxes_lie_around_what_moves(scene, method):
    truth = [[]] * 45 + [[(20 + 6 * i, 100, 80 + 6 * i, 160), (400 - 5 * i, 250, 440 - 5 * i, 330)] for i in range(20)]
    stage = opened(Motion, method=method, warm_up_s=1.0, shadows=False)
    found = [stage.process(f).result("it") for f in frames(still_with_patches(scene, truth))]
    assert all(len(one) == 0 for one in found[:45]), "noise is no motion"
    for boxes, one in zip(truth[48:], found[48:], strict=True):
        assert isinstance(one, Detections)
        assert one.labels == ["motion"] * 2
        for box in boxes:
            assert max(overlap(box, other) for other in one.xyxy.tolist()) > 0.75


def test_small_things_are_left_out_and_nothing_is_said_while_it_learns(scene):
    truth = [[]] * 30 + [[(5 * i, 250, 5 * i + 60, 310), (300, 2 * i, 312, 2 * i + 12)] for i in range(40)]
    stage = opened(Motion, warm_up_s=1.0, min_area_percent=0.5)
    found = [stage.process(f).result("it") for f in frames(still_with_patches(scene, truth))]
    # 60x60 is 2.1 % of the picture, 12x12 is 0.08 %.
    assert all(len(one) == 1 for one in found[40:])
    assert all(abs(one.size_wh[0] - 60).max() < 15 for one in found[40:])
    learning = opened(Motion, warm_up_s=2.4)
    quiet = [len(learning.process(f).result("it")) for f in frames(still_with_patches(scene, truth))]
    assert not any(quiet[:71])


@pytest.mark.slow
def test_what_comes_to_rest_becomes_background_after_the_history(scene):
    def seconds_until_quiet(method, history_s, rate_hz):
        truth = [[]] * round(3 * rate_hz) + [[(200, 150, 260, 210)]] * round(5 * rate_hz)
        stage = opened(Motion, method=method, history_s=history_s)
        out = [len(stage.process(f).result("it")) for f in frames(still_with_patches(scene, truth), rate_hz)]
        assert out[round(3 * rate_hz) + 1] == 1
        return max(i for i, count in enumerate(out) if count) / rate_hz - 3

    assert seconds_until_quiet("mog2", 30.0, 8.0) > 4.8, "still there at the end"
    for method in ("mog2", "knn"):
        for rate_hz in (8.0, 16.0):
            assert seconds_until_quiet(method, 2.0, rate_hz) == pytest.approx(2.0, abs=0.7)


def test_the_moving_area_is_a_mask(scene):
    truth = [[]] * 40 + [[(100 + 5 * i, 100, 180 + 5 * i, 200)] for i in range(5)]
    stage = opened(Motion, areas=True, shadows=False, side_px=240)
    last = [stage.process(f) for f in frames(still_with_patches(scene, truth))][-1]
    masks = last.result("it.area")
    assert isinstance(masks, Masks)
    assert masks.size_wh == SIZE_WH
    full = np.zeros((SIZE_WH[1], SIZE_WH[0]), bool)
    (x, y), alpha = masks.top_left_xy[0].tolist(), masks.alpha[0]
    full[y : y + alpha.shape[0], x : x + alpha.shape[1]] = alpha > 127
    expected = np.zeros_like(full)
    expected[100:200, 120:200] = True
    assert (full & expected).sum() / (full | expected).sum() > 0.8


def test_motion_starts_anew_after_a_cut_and_a_jump_back(scene, photos):
    stage = opened(Motion, warm_up_s=0.5)
    here, there = seen(scene, camera_at(300, 200)), cv2.resize(cv2.imread(str(photos / "astronaut.png")), SIZE_WH)
    counts = [len(stage.process(f).result("it")) for f in frames([here] * 30 + [there] * 30)]
    assert counts == [0] * 60
    assert len(stage.process(Frame(here, 0, 0.0)).result("it")) == 0


# Camera motion ------------------------------------------------------------------------------------------------------


MOVES = [
    # x_px, y_px, turn_deg, zoom of the camera's step
    (7.0, -4.0, 0.0, 1.0),
    (-12.5, 3.25, 0.0, 1.0),
    (0.0, 0.0, 2.0, 1.0),
    (0.0, 0.0, 0.0, 1.03),
    (5.0, 5.0, -1.5, 0.98),
    (0.0, 0.0, 0.0, 1.0),
]


@pytest.mark.parametrize(("x", "y", "turn", "zoom"), MOVES)
def test_camera_motion_is_measured_to_a_tenth_of_a_pixel(scene, x, y, turn, zoom):
    stage = opened(CameraMotion)
    start = camera_at(300, 200)
    step = Similarity(x, y, float(np.radians(turn)), -float(np.log(zoom))).matrix(CENTRE)
    first, second = frames([seen(scene, start), seen(scene, start @ step)])
    assert len(stage.process(first).result("it")) == 0
    shown = stage.process(second).result("it")
    assert isinstance(shown, Shapes)
    assert shown.measure_names == ("pan_x_px", "pan_y_px", "roll_deg", "zoom_percent")
    pan_x, pan_y, roll, zoomed = shown.measures[0].tolist()
    assert (pan_x, pan_y) == pytest.approx((x, y), abs=0.1)
    assert roll == pytest.approx(turn, abs=0.05)
    assert zoomed == pytest.approx(100 * (zoom - 1), abs=0.1)
    arrow = shown.points[0]
    assert (arrow[1] - arrow[0]).tolist() == pytest.approx([10 * pan_x, 10 * pan_y], abs=1e-3)
    expected = "camera: still" if (x, y, turn, zoom) == (0, 0, 0, 1) else None
    assert expected is None or shown.caption == (expected,)


def test_things_that_move_by_themselves_have_no_say(scene):
    first, second = seen(scene, camera_at(300, 200)), seen(scene, camera_at(304, 200))
    for picture, x in ((first, 100), (second, 118)):
        picture[80:220, x : x + 160] = scene[20:160, 600:760]
    grey = [cv2.cvtColor(p, cv2.COLOR_BGR2GRAY) for p in (first, second)]
    motion = Similarity.of(similarity_between(*grey, SIZE_WH), CENTRE)
    assert motion.values() == pytest.approx((-4, 0, 0, 0), abs=0.1)


def test_without_anything_to_follow_the_camera_says_nothing():
    stage = opened(CameraMotion)
    blank = np.full((360, 480, 3), 90, np.uint8)
    assert [len(stage.process(f).result("it")) for f in frames([blank] * 3)] == [0, 0, 0]


# Optical flow -------------------------------------------------------------------------------------------------------


def test_flow_of_a_known_shift(scene):
    pictures = [seen(scene, camera_at(300 + 6 * i, 200 - 3 * i)) for i in range(2)]
    stage = opened(OpticalFlow, show="speed", quality="exact", side_px=480)
    first, second = (stage.process(f).result("it") for f in frames(pictures))
    assert isinstance(second, DenseMap)
    assert (second.kind, second.unit) == ("motion", "px/frame")
    assert not first.values[0].any()
    assert float(np.median(second.values[0])) == pytest.approx(np.hypot(6, 3), abs=0.15)


def test_arrows_point_where_things_go_and_stand_on_the_picture(scene):
    pictures = [seen(scene, camera_at(300 + 6 * i, 200)) for i in range(2)]
    stage = opened(OpticalFlow, arrow_times=2.0, still_px=2.0, spacing_percent=10.0)
    arrows = [stage.process(f).result("it") for f in frames(pictures)][-1]
    assert arrows.arrow
    assert 40 <= len(arrows) <= 80, "ten columns, eight rows; plain parts may rest"
    starts = np.array([line[0] for line in arrows.points])
    assert (starts > 0).all()
    assert (starts < SIZE_WH).all()
    steps = np.array([line[1] - line[0] for line in arrows.points])
    assert np.median(steps, axis=0).tolist() == pytest.approx([-12, 0], abs=1)
    assert np.median(arrows.measures, axis=0).tolist() == pytest.approx([-6, 0, 6], abs=0.6)


def test_colours_tell_the_direction_and_rest_is_grey(scene):
    still = seen(scene, camera_at(300, 200))
    shown = []
    for palette in ("twilight", "rainbow"):
        for x in (6, -6, 0):
            stage = opened(OpticalFlow, show="colours", palette=palette, full_speed_px=6.0)
            pictures = frames([still, seen(scene, camera_at(300 + x, 200))])
            shown.append([stage.process(f) for f in pictures][-1].image)
    for right, left, rest in (shown[:3], shown[3:]):
        middle = [np.median(p.reshape(-1, 3), axis=0) for p in (right, left, rest)]
        assert np.abs(middle[0] - middle[1]).max() > 60
        assert middle[2].tolist() == [40, 40, 40]


# Stabilise ----------------------------------------------------------------------------------------------------------


def shaken(scene, count=150, shake_px=6.0, shake_deg=0.5, pan_px_s=20.0, seed=1):
    """Frames of a slow pan with a shaking hand, and the true maps from their pixels to the scene's."""
    rng = np.random.default_rng(seed)
    kernel = np.hanning(5) / np.hanning(5).sum()
    shake = np.stack([np.convolve(rng.normal(size=count), kernel, "same") for _ in range(3)], axis=1)
    shake *= np.array([shake_px, shake_px, shake_deg]) / shake.std(axis=0)
    for index, (x, y, turn) in enumerate(shake):
        t = index / RATE_HZ
        truth = camera_at(280 + pan_px_s * t + x, 200 + 0.3 * pan_px_s * t + y, turn)
        yield Frame(seen(scene, truth), index, t), truth


def shake_of(maps) -> float:
    """What is left of the way of five points of the picture when their mean over a second is taken away, RMS px."""
    points = np.array([[60, 60, 1], [420, 60, 1], [420, 300, 1], [60, 300, 1], [240, 180, 1]], np.float64)
    way = np.array([(to_scene @ points.T).T[:, :2] for to_scene in maps])
    half = round(RATE_HZ / 2)
    rest = [way[i] - way[i - half : i + half + 1].mean(axis=0) for i in range(half, len(way) - half)]
    return float(np.sqrt((np.array(rest) ** 2).sum(axis=-1).mean()))


def jerk_of(pictures) -> float:
    """The change of the shift between neighbouring pictures, by phase correlation, RMS px."""
    grey = [cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).astype(np.float32)[40:-40, 40:-40] for p in pictures]
    window = cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_32F)
    shifts = np.array([cv2.phaseCorrelate(a, b, window)[0] for a, b in pairwise(grey)])
    return float(np.sqrt((np.diff(shifts, axis=0) ** 2).sum(axis=1).mean()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("params", "shake"),
    [
        ({}, {}),
        ({}, {"seed": 2, "shake_px": 3.0, "shake_deg": 0.2, "pan_px_s": 40.0}),
        ({"border": "mirror"}, {"seed": 3, "shake_px": 9.0, "pan_px_s": 0.0}),
    ],
)
def test_the_stabiliser_removes_four_fifths_of_a_known_shake(scene, params, shake):
    stage = opened(Stabilise, **params)
    before, after, shown, given = [], [], [], []
    for frame, to_scene in shaken(scene, **shake):
        out = stage.process(frame)
        assert out.size_wh == frame.size_wh
        before.append(to_scene)
        after.append(to_scene @ out.to_source)
        given.append(frame.image)
        shown.append(out.image)
    settled = round(2 * RATE_HZ)
    left = shake_of(after[settled:]) / shake_of(before[settled:])
    print(f"shake removed: {1 - left:.1%}")
    assert left < 0.2
    # The picture itself says the same as the map that the stage gives.
    assert jerk_of(shown[settled:]) < 0.2 * jerk_of(given[settled:])


def test_the_map_of_the_stabiliser_tells_where_its_pixels_came_from(scene):
    stage = opened(Stabilise, margin_percent=20.0)
    for frame, _ in shaken(scene, count=20):
        out = stage.process(frame)
    expected = seen(frame.image, out.to_source)
    inner = np.s_[20:-20, 20:-20]
    assert np.abs(out.image[inner].astype(int) - expected[inner]).max() <= 2
    corners = np.array([[0, 0, 1], [480, 0, 1], [480, 360, 1], [0, 360, 1]]) @ out.to_source.T
    assert (corners[:, :2] >= -1e-6).all(), "no border shows"
    assert (corners[:, :2] <= np.array(SIZE_WH) + 1e-6).all()


def test_a_pan_goes_on_and_does_not_fall_behind(scene):
    stage = opened(Stabilise)
    maps = []
    for i in range(90):
        to_scene = camera_at(250 + 2 * i, 200)
        maps.append(to_scene @ stage.process(Frame(seen(scene, to_scene), i, i / RATE_HZ)).to_source)
    middle = np.array([(m @ (*CENTRE, 1))[0] for m in maps]) - CENTRE[0]
    assert middle[-1] == pytest.approx(250 + 2 * 89, abs=6)
    assert np.diff(middle)[45:] == pytest.approx(2, abs=0.5)


def test_the_stabiliser_starts_anew_after_a_jump_back_a_cut_and_another_size(scene, photos):
    fresh = opened(Stabilise).process(Frame(seen(scene, camera_at(300, 200)))).to_source
    other = cv2.resize(cv2.imread(str(photos / "astronaut.png")), SIZE_WH)
    for after in (
        Frame(seen(scene, camera_at(300, 200)), 0, 0.0),
        Frame(other, 21, 21 / RATE_HZ),
        Frame(seen(scene, camera_at(300, 200), (200, 100)), 21, 21 / RATE_HZ),
    ):
        stage = opened(Stabilise)
        for frame, _ in shaken(scene, count=20, shake_px=12.0):
            out = stage.process(frame)
        assert not np.allclose(out.to_source, fresh)
        anew = stage.process(after).to_source
        middle = (after.size_wh[0] / 2, after.size_wh[1] / 2)
        assert Similarity.of(anew, middle).values() == pytest.approx((0, 0, 0, np.log(0.9)), abs=1e-9)


# All of them --------------------------------------------------------------------------------------------------------


def odd_pictures():
    rng = np.random.default_rng(0)
    return {
        "one pixel": np.zeros((1, 1, 3), np.uint8),
        "a column": rng.integers(0, 255, (900, 1, 3), np.uint8),
        "a strip": rng.integers(0, 255, (2, 4000, 3), np.uint8),
        "black": np.zeros((120, 160, 3), np.uint8),
        "white": np.full((120, 160, 3), 255, np.uint8),
        "noise": rng.integers(0, 255, (90, 700, 3), np.uint8),
        "4k": cv2.resize(rng.integers(0, 255, (54, 96, 3), np.uint8), (3840, 2160)),
    }


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (Motion, {"areas": True, "warm_up_s": 0.0}),
        (Motion, {"method": "knn", "areas": True, "warm_up_s": 0.0}),
        (CameraMotion, {}),
        (OpticalFlow, {}),
        (OpticalFlow, {"show": "speed", "quality": "fast"}),
        (OpticalFlow, {"show": "colours", "quality": "exact"}),
        (Stabilise, {}),
        (Stabilise, {"border": "black", "margin_percent": 0.0}),
    ],
)
def test_every_stage_survives_any_picture(cls, params):
    stage = opened(cls, **params)
    index = 0
    for name, picture in odd_pictures().items():
        for shown in (picture, picture, np.ascontiguousarray(picture[::-1])):
            out = stage.process(Frame(shown, index, index / RATE_HZ))
            assert out.image.shape == picture.shape, name
            for _, result in out.in_source_pixels():
                assert len(result.value) >= 0
            index += 1
        # The same frame once more, as when a parameter is changed while the source is paused.
        stage.process(Frame(shown, index - 1, (index - 1) / RATE_HZ))
    stage.close()
