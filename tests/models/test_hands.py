"""Hands without a network: the palm decoder against a plain one, crops against geometry, gestures by table."""

from __future__ import annotations

import numpy as np
import pytest

from scenescope.models import ModelIncompatible
from scenescope.models.cards import load_card
from scenescope.models.vision.crops import turned_square
from scenescope.models.vision.decoders.palm import PALM_POINTS, Palm, Palms
from scenescope.models.vision.gestures import GESTURES, LEAST_SCORE, SteadyGesture, gesture_scores
from scenescope.models.vision.hands import HAND_POINTS, HAND_SKELETON, Crop, Hands, hand_boxes
from scenescope.models.vision.inputs import Geometry, InputSpec, prepare

SPEC = InputSpec((192, 192), "NHWC")
SHOWN = {"a": np.zeros((1, 2016, 18), np.float32), "b": np.zeros((1, 2016, 1), np.float32)}


# The palm decoder ----------------------------------------------------------------------------------------------------


def plain_decoder(boxes, logits, confidence, iou):
    """Straight from the description: one loop over cells, one over candidates, weighted suppression by hand."""
    anchors = []
    for cells, per_cell in ((24, 2), (12, 6)):
        for row in range(cells):
            for column in range(cells):
                anchors += [((column + 0.5) / cells * 192, (row + 0.5) / cells * 192)] * per_cell
    rows = []
    for (ax, ay), values, logit in zip(anchors, boxes, logits, strict=True):
        score = 1 / (1 + np.exp(-min(max(float(logit), -100), 100)))
        if score >= confidence:
            cx, cy, w, h = values[0] + ax, values[1] + ay, values[2], values[3]
            points = [p for k in range(7) for p in (values[4 + 2 * k] + ax, values[5 + 2 * k] + ay)]
            rows.append((score, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, *points]))
    rows.sort(key=lambda row: -row[0])
    found = []
    while rows:
        first = rows[0][1]
        near, far = [], []
        for row in rows:
            box = row[1]
            w = min(first[2], box[2]) - max(first[0], box[0])
            h = min(first[3], box[3]) - max(first[1], box[1])
            shared = max(w, 0) * max(h, 0)
            areas = (first[2] - first[0]) * (first[3] - first[1]) + (box[2] - box[0]) * (box[3] - box[1])
            (near if shared / (areas - shared) > iou or row is rows[0] else far).append(row)
        total = sum(score for score, _ in near)
        found.append((rows[0][0], [sum(s * b[i] for s, b in near) / total for i in range(18)]))
        rows = far
    return found


@pytest.mark.parametrize("seed", range(3))
def test_palm_decoder_equals_a_plain_one(seed):
    rng = np.random.default_rng(seed)
    boxes = rng.normal(0, 12, (1, 2016, 18)).astype(np.float32)
    boxes[0, :, 2:4] = rng.uniform(20, 60, (2016, 2))
    logits = rng.normal(-3, 1.6, (1, 2016, 1)).astype(np.float32)
    palm = Palm(load_card("palm_detection_lite_192"), SPEC, SHOWN)
    same = Geometry(np.eye(3), (192, 192), (192, 192))
    found = palm.decode({"a": boxes, "b": logits}, same, confidence=0.6, iou=0.3, clip=False)
    wanted = plain_decoder(boxes[0].astype(np.float64), logits[0, :, 0], 0.6, 0.3)
    assert len(found) == len(wanted) > 5
    assert np.allclose(found.confidence, [score for score, _ in wanted], atol=1e-5)
    assert np.allclose(found.xyxy, [row[:4] for _, row in wanted], atol=1e-3)
    assert np.allclose(found.points_xy.reshape(-1, 14), [row[4:] for _, row in wanted], atol=1e-3)
    assert set(found.labels) == {"palm"}


def test_palms_are_in_pixels_of_the_picture_and_can_be_cut_off():
    boxes = np.zeros((1, 2016, 18), np.float32)
    logits = np.full((1, 2016, 1), -20, np.float32)
    boxes[0, 0, :6], logits[0, 0] = (0, 0, 40, 40, 10, 20), 5
    palm = Palm(load_card("palm_detection_lite_192"), SPEC, SHOWN)
    _, geometry = prepare(np.zeros((384, 384, 3), np.uint8), SPEC)
    outputs = {"a": boxes, "b": logits}
    # The first anchor is at (4, 4) of the input, which shows the picture at half its size.
    assert palm.decode(outputs, geometry, clip=False).xyxy.tolist() == [[-32, -32, 48, 48]]
    found = palm.decode(outputs, geometry)
    assert found.xyxy.tolist() == [[0, 0, 48, 48]]
    assert found.points_xy[0, 0].tolist() == [28, 48]
    moved = found.warped(np.array([[2.0, 0, 5], [0, 2, 6], [0, 0, 1]]))
    assert isinstance(moved, Palms)
    assert moved.points_xy[0, 0].tolist() == [61, 102]
    assert len(palm.decode({"a": boxes, "b": logits - 50}, geometry)) == 0


def test_another_head_is_refused():
    with pytest.raises(ModelIncompatible, match="no palm head of 2016 anchors"):
        Palm(load_card("palm_detection_lite_192"), SPEC, {"a": np.zeros((1, 896, 16))})


# Crops ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle_deg", [0, 35, 90, 180, -120])
def test_the_crop_around_a_palm_has_the_wrist_below_and_the_fingers_above(angle_deg):
    turn = rotation(angle_deg)
    centre = np.array([300.0, 200.0])
    points = np.zeros((len(PALM_POINTS), 2))
    points[0], points[2] = centre + turn @ [0, 50], centre + turn @ [0, -50]
    crop = Crop.around_palm(np.array([*(centre - 50), *(centre + 50)]), points)
    assert crop.side_px == pytest.approx(260)
    to_picture = turned_square(crop.centre_xy, crop.side_px, crop.angle_rad, (224, 224))
    seen = (np.linalg.inv(to_picture) @ np.array([[*points[0], 1], [*points[2], 1], [*centre, 1]]).T)[:2].T
    # The box's centre lies half a box below the crop's: 50 of 260 pixels.
    assert np.allclose(seen[:, 0], 112, atol=1e-6)
    assert np.allclose(seen[:, 1] - 112, np.array([100, 0, 50]) / 260 * 224, atol=1e-6)


@pytest.mark.parametrize("angle_deg", [0, 35, 90, 180, -120])
def test_the_crop_around_landmarks_turns_and_moves_with_the_hand(angle_deg):
    hand = posed("open palm")[:, :2]
    still = Crop.around_hand(hand)
    moved = hand @ rotation(angle_deg).T * 3 + (500, 400)
    crop = Crop.around_hand(moved)
    assert crop.side_px == pytest.approx(3 * still.side_px, rel=1e-6)
    assert np.allclose(rotation(angle_deg) @ still.centre_xy * 3 + (500, 400), crop.centre_xy, atol=1e-6)
    turned = np.degrees(crop.angle_rad - still.angle_rad) - angle_deg
    assert (turned + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
    inside = np.abs(moved - crop.centre_xy).max()
    assert inside < crop.side_px * 0.72, "the whole hand is in the crop, fingers as well"


def test_names_and_bones_fit_the_points():
    assert len(HAND_POINTS) == len(set(HAND_POINTS)) == 21
    assert HAND_POINTS[4] == "thumb_tip"
    assert HAND_POINTS[17] == "little_mcp"
    assert sorted({at for bone in HAND_SKELETON for at in bone}) == list(range(21))


def test_the_box_of_a_hand_holds_its_points_and_stays_in_the_picture():
    points = np.array([[[10, 20], [60, 40], *([[30, 30]] * 19)]], np.float32)
    hands = Hands(
        xy=points,
        confidence=np.ones((1, 21)),
        z=np.zeros((1, 21)),
        right=np.ones(1, np.float32),
        hand_id=np.ones(1, np.int64),
    )
    assert hand_boxes(hands, (62, 100)).tolist() == [[5, 15, 62, 45]]
    assert hand_boxes(hands[:0], (62, 100)).shape == (0, 4)


# Gestures ------------------------------------------------------------------------------------------------------------

STRAIGHT, FOLDED = (4, 6, 4), (80, 105, 60)
THUMBS = {
    "aside": [(22, -20, -5), (50, -42, -12), (74, -62, -14), (93, -82, -14)],
    "across": [(22, -20, -8), (42, -48, -22), (25, -68, -36), (2, -72, -40)],
    "up": [(22, -20, -8), (46, -42, -12), (78, -52, -12), (108, -56, -10)],
    "touching": [(22, -20, -8), (42, -42, -28), (44, -66, -50), (31, -90, -66)],
}
FINGERS = {
    "index": ((27, -98, 0), (44, 26, 22), 8),
    "middle": ((7, -102, -2), (49, 31, 22), 1),
    "ring": ((-13, -98, 0), (45, 29, 22), -6),
    "little": ((-31, -87, 3), (35, 20, 19), -15),
}
POSES = {
    "open palm": ("aside", "index middle ring little"),
    "fist": ("across", ""),
    "point": ("across", "index"),
    "victory": ("across", "index middle"),
    "thumbs up": ("up", ""),
    "thumbs down": ("up", ""),
    "pinch": ("touching", "middle ring little"),
}
# How the hand is turned for the gesture that depends on it: the thumb points to the right in an upright hand.
UPRIGHT_DEG = {"thumbs up": -80, "thumbs down": 100}


def rotation(angle_deg: float) -> np.ndarray:
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[c, -s], [s, c]])


def posed(gesture: str) -> np.ndarray:
    """The 21 points (21, 3) of a right hand, palm towards the camera, from lengths of bones and angles of joints."""
    thumb, straight = POSES[gesture]
    points = [np.zeros(3), *(np.array(point, float) for point in THUMBS[thumb])]
    for name, (knuckle, bones, fan_deg) in FINGERS.items():
        bends = STRAIGHT if name in straight.split() else (55, 60, 30) if gesture == "pinch" else FOLDED
        point, bend, fan = np.array(knuckle, float), 0.0, np.radians(fan_deg)
        points.append(point)
        for bone, more in zip(bones, np.radians(bends), strict=True):
            bend += more
            point = point + bone * np.array([np.sin(fan) * np.cos(bend), -np.cos(fan) * np.cos(bend), -np.sin(bend)])
            points.append(point)
    return np.array(points)


def told(xyz: np.ndarray) -> str:
    scores = gesture_scores(xyz)
    return GESTURES[int(scores.argmax())] if scores.max() >= LEAST_SCORE else ""


@pytest.mark.parametrize("gesture", GESTURES)
@pytest.mark.parametrize("turned_deg", [0, 20, -20])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("size", [0.2, 1.0, 7.0])
def test_every_gesture_of_either_hand_turned_and_of_any_size(gesture, turned_deg, mirrored, size):
    hand = posed(gesture)
    hand[:, :2] = hand[:, :2] @ rotation(UPRIGHT_DEG.get(gesture, 0) + turned_deg).T
    if mirrored:
        hand = hand * (-1, 1, 1)
    assert told(hand * size + (300, 200, 0)) == gesture


@pytest.mark.parametrize("gesture", [name for name in GESTURES if name not in UPRIGHT_DEG])
@pytest.mark.parametrize("turned_deg", range(0, 360, 45))
def test_only_thumbs_know_up_and_down(gesture, turned_deg):
    hand = posed(gesture)
    hand[:, :2] = hand[:, :2] @ rotation(turned_deg).T
    assert told(hand) == gesture


def test_a_thumb_to_the_side_is_neither_up_nor_down():
    assert told(posed("thumbs up")) == ""


@pytest.mark.parametrize("stretched", ["middle", "index little", "index middle ring"])
def test_other_hands_are_no_gesture(stretched, monkeypatch):
    monkeypatch.setitem(POSES, "other", ("across", stretched))
    assert told(posed("other")) == ""


def test_points_that_coincide_are_no_gesture():
    assert np.isfinite(gesture_scores(np.zeros((21, 3)))).all()


def test_a_new_gesture_must_last_before_it_is_told():
    palm, fist = (np.eye(len(GESTURES), dtype=np.float32)[at] for at in (0, 1))
    steady = SteadyGesture(steady_s=0.15)
    seen = [palm] * 4 + [fist] + [palm] * 2 + [fist] * 5
    out = [steady.update(scores, index * 0.1)[0] for index, scores in enumerate(seen)]
    assert out == [-1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]


def test_a_gesture_is_not_lost_to_one_that_is_hardly_better():
    steady = SteadyGesture(steady_s=0.0, margin=0.15)
    scores = np.zeros(len(GESTURES), np.float32)
    scores[0] = 0.8
    assert steady.update(scores, 0.0)[0] == 0
    scores[:2] = 0.55, 0.65
    assert steady.update(scores, 0.1)[0] == 0
    scores[:2] = 0.4, 0.65
    assert steady.update(scores, 0.2)[0] == 1
    assert steady.update(np.zeros(len(GESTURES), np.float32), 0.3) == (-1, 0.0)
