"""Hands with the real networks: a photo of a pointing hand, and shaded 3-D hands, one per gesture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import load_card
from scenescope.models.vision.base import open_model
from scenescope.models.vision.gestures import GESTURES, LEAST_SCORE, gesture_scores
from scenescope.models.vision.hand_fakes import drawn
from scenescope.models.vision.hands import HAND_POINTS, HandTracker
from scenescope.models.vision.placement import LoadOptions


@pytest.fixture(scope="module")
def networks():
    opened = [open_model(load_card(name)) for name in ("palm_detection_lite_192", "hand_landmark_lite_224")]
    for network in opened:
        network.load(LoadOptions("cpu", threads=ThreadBudget(1, 2)))
    return opened


@pytest.fixture
def tracker(networks, monkeypatch):
    """A tracker whose ``searches`` counts how often the whole picture was searched."""
    palms, landmarks = networks
    made = HandTracker(palms, landmarks)
    made.searches = 0
    infer = palms.infer

    def counted(*args, **options):
        made.searches += 1
        return infer(*args, **options)

    monkeypatch.setattr(palms, "infer", counted)
    return made


@pytest.fixture(scope="module")
def pointing(bus) -> np.ndarray:
    """The part of another photo of the ultralytics package that shows a hand pointing to the right."""
    photo = cv2.imread(str(Path(bus).with_name("zidane.jpg")))
    assert photo is not None
    return np.ascontiguousarray(photo[250:700, 850:1250])


def told(hands) -> list[str]:
    scores = [gesture_scores(np.hstack([h.xy[0], h.z[0][:, None]])) for h in hands]
    return [GESTURES[int(s.argmax())] if s.max() >= LEAST_SCORE else "" for s in scores]


def test_a_photo_of_a_pointing_hand(tracker, pointing):
    hands = tracker.find(pointing)
    assert told(hands) == ["point"]
    at = dict(zip(HAND_POINTS, hands.xy[0], strict=True))
    # Read off the photo: the tip of the finger, and where the sleeve ends.
    assert np.abs(at["index_tip"] - (298, 164)).max() < 15
    assert np.abs(at["wrist"] - (140, 215)).max() < 35
    assert hands.confidence.min() > 0.9


def test_a_hand_that_is_followed_is_not_searched_for(tracker, pointing):
    first = tracker.find(pointing, most=1)
    for step in range(1, 6):
        moved = np.roll(pointing, (3 * step, -4 * step), axis=(0, 1))
        hands = tracker.find(moved, most=1)
        assert hands.hand_id.tolist() == [1]
        assert np.abs(hands.xy[0] - first.xy[0] - (-4 * step, 3 * step)).mean() < 4
    assert tracker.searches == 1
    # One hand more is wanted, so it is looked for in every picture; the first one stays itself.
    assert tracker.find(moved, most=2).hand_id.tolist() == [1]
    assert tracker.searches == 2


def test_a_hand_that_is_lost_is_searched_for_and_is_another_one_then(tracker, pointing):
    assert tracker.find(pointing, most=1).hand_id.tolist() == [1]
    assert len(tracker.find(np.zeros_like(pointing), most=1)) == 0
    assert tracker.find(pointing, most=1).hand_id.tolist() == [2]
    assert tracker.searches == 3


def test_two_hands_are_two(tracker, pointing):
    both = np.hstack([pointing[:, ::-1], pointing])
    for _ in range(2):
        hands = tracker.find(both)
        assert told(hands) == ["point", "point"]
        assert sorted(hands.hand_id.tolist()) == [1, 2]
        tips = sorted(hands.xy[:, HAND_POINTS.index("index_tip"), 0])
        assert tips[0] == pytest.approx(102, abs=15)
        assert tips[1] == pytest.approx(698, abs=15)
    # One is the mirror image of the other.
    assert abs(hands.right[0] - hands.right[1]) > 0.5


@pytest.mark.parametrize("photo", ["astronaut.png", "rocket.jpg", "coffee.png", "chelsea.png"])
def test_no_hand_is_seen_where_there_is_none(tracker, photos, photo):
    assert len(tracker.find(cv2.imread(str(photos / photo)))) == 0


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 900), (2000, 2)])
def test_pictures_of_any_shape_are_taken(tracker, size_wh):
    assert len(tracker.find(np.zeros((size_wh[1], size_wh[0], 3), np.uint8))) == 0


# The whole table is slow; one gesture is enough for the quick loop.
@pytest.mark.parametrize(
    "gesture", [pytest.param(name, marks=[pytest.mark.slow] if name != "victory" else []) for name in GESTURES]
)
def test_drawn_hands_make_the_gesture_they_make(tracker, gesture):
    picture = drawn(gesture)
    for _ in range(2):
        hands = tracker.find(picture, most=1)
        assert told(hands) == [gesture]
    assert tracker.searches == 1


@pytest.mark.slow
@pytest.mark.parametrize("gesture", ["fist", "point", "victory"])
def test_a_right_hand_is_told_from_a_left_one(tracker, gesture):
    picture = drawn(gesture)
    assert tracker.find(picture, most=1).right[0] > 0.7
    tracker.reset()
    assert tracker.find(picture, most=1, mirrored=True).right[0] < 0.3
    tracker.reset()
    assert tracker.find(np.ascontiguousarray(picture[:, ::-1]), most=1).right[0] < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("angle_deg", [60, 140, 250])
def test_drawn_hands_may_be_turned(tracker, angle_deg):
    wide = cv2.copyMakeBorder(drawn("victory"), 60, 60, 60, 60, cv2.BORDER_REPLICATE)
    turn = cv2.getRotationMatrix2D((140, 140), angle_deg, 1)
    upright = tracker.find(wide, most=1)
    tracker.reset()
    hands = tracker.find(cv2.warpAffine(wide, turn, (280, 280), borderMode=cv2.BORDER_REPLICATE), most=1)
    assert told(hands) == ["victory"]
    wanted = upright.xy[0] @ turn[:, :2].T + turn[:, 2]
    assert np.abs(hands.xy[0] - wanted).mean() < 6
