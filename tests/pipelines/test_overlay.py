"""The painter: what is drawn where, told apart by everybody, and never outside the picture."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scenescope.models import Detections, Keypoints, Labels, Masks, Texts, Tracks
from scenescope.pipelines.overlay import PALETTE, OverlayPainter, OverlayStyle, colour_of


def grey(width: int = 320, height: int = 200) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def painted(results, style: OverlayStyle | None = None, image: np.ndarray | None = None, **options) -> np.ndarray:
    image = grey() if image is None else image
    OverlayPainter(style).paint(image, results, **options)
    return image


def box(*xyxy: float, label: str = "person", confidence: float = 0.87) -> Detections:
    return Detections(
        xyxy=np.array([xyxy]), confidence=np.array([confidence]), class_id=np.array([0]), class_names=(label,)
    )


def test_a_box_is_drawn_on_its_edge_in_the_colour_of_its_class_with_a_dark_border():
    image = painted([("d", box(50, 60, 150, 160))], OverlayStyle(labels=False))
    assert tuple(image[60, 100]) == colour_of("person")
    assert tuple(image[110, 50]) == colour_of("person")
    assert image[57:64, 100].min() <= 20, "a dark border lies around it"
    assert (image[70:150, 60:140] == 128).all(), "inside nothing is drawn"


def test_a_label_stands_above_its_box_and_inside_the_picture():
    image = painted([("d", box(50, 60, 150, 160))])
    assert (image[40:58, 50:90] != 128).any()
    top = painted([("d", box(50, 0, 150, 100))])
    assert (top[0:20, 50:90] != 128).any(), "no room above: inside the picture all the same"


@pytest.mark.parametrize(
    "xyxy", [(-50, -50, 20, 20), (300, 180, 900, 700), (-500, -500, 900, 900), (319, 199, 320, 200), (5, 5, 5, 5)]
)
def test_boxes_that_leave_the_picture_are_cut_not_wrapped(xyxy):
    image = painted([("d", box(*xyxy, label="a label that is far too long for such a picture"))])
    assert image.shape == (200, 320, 3)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (20, 400)])
def test_tiny_pictures_are_survived(size):
    painted([("d", box(0, 0, 5, 5))], image=np.zeros((*size, 3), np.uint8))


def test_what_is_followed_is_not_drawn_twice():
    found = box(50, 60, 150, 160)
    tracks = Tracks(
        xyxy=found.xyxy + 20,
        confidence=found.confidence,
        class_id=found.class_id,
        class_names=("person",),
        track_id=np.array([3]),
        follows="d",
    )
    image = painted([("d", found), ("t", tracks)], OverlayStyle(labels=False))
    assert (image[60, 52:66] == 128).all(), "the followed box's own edge"
    assert tuple(image[80, 100]) == colour_of("person")


def test_every_kind_of_result_leaves_a_mark_and_can_be_turned_off():
    mask = np.zeros((1, 200, 320), np.uint8)
    mask[0, 50:100, 50:100] = 255
    classed = {"confidence": np.array([1.0]), "class_id": np.array([0]), "class_names": ("x",)}
    pose = Keypoints(xy=np.array([[[50, 50], [100, 100]]]), confidence=np.ones((1, 2)), skeleton=((0, 1),))
    tracks = Tracks(
        xyxy=np.array([[10, 10, 30, 30]]),
        track_id=np.array([1]),
        trail=(np.array([[20, 20], [200, 150.0]]),),
        **classed,
    )
    cases = [
        (Masks.from_full(mask, **classed), {"masks": False}, True),
        (pose, {"keypoints": False}, True),
        (tracks, {"trails": False, "boxes": False, "labels": False}, True),
        (Labels(**classed), {"labels": False}, True),
        (box(50, 50, 90, 90), {"boxes": False, "labels": False}, True),
        (
            Texts(quad_xy=np.array([[[9, 9], [60, 9], [60, 30], [9, 30]]]), text=("Ünï 中",), confidence=np.ones(1)),
            {},
            False,
        ),
    ]
    for value, off, silent in cases:
        assert (painted([("r", value)]) != 128).any(), type(value)
        if silent:
            assert (painted([("r", value)], OverlayStyle(**off)) == 128).all(), type(value)


def test_unsure_keypoints_are_left_out():
    pose = Keypoints(xy=np.array([[[50, 50], [100, 100]]]), confidence=np.array([[0.9, 0.1]]), skeleton=((0, 1),))
    image = painted([("p", pose)])
    assert (image[45:56, 45:56] != 128).any()
    assert (image[60:, 60:] == 128).all()


def test_the_same_results_give_the_same_pixels_and_sprites_do_not_pile_up():
    painter = OverlayPainter()
    first, again = grey(), grey()
    painter.paint(first, [("d", box(50, 60, 150, 160))])
    for n in range(2000):
        painter.paint(grey(), [("d", box(50, 60, 150, 160, label=f"label {n}"))])
    painter.paint(again, [("d", box(50, 60, 150, 160))])
    assert np.array_equal(first, again)
    assert len(painter._sprites) <= 512


def luminance(bgr) -> float:
    linear = [(c / 255 / 12.92) if c / 255 <= 0.03928 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in bgr]
    return 0.0722 * linear[0] + 0.7152 * linear[1] + 0.2126 * linear[2]


def contrast(a, b) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# Deuteranopia in linear RGB (Vienot, Brettel and Mollon, 1999).
DEUTERANOPIA_RGB = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])


def test_colours_are_told_apart_by_people_who_see_red_and_green_alike():
    seen = [DEUTERANOPIA_RGB @ (np.array(c[::-1]) / 255) ** 2.2 for c in PALETTE]
    for (i, a), (j, b) in itertools.combinations(enumerate(seen), 2):
        distance = np.linalg.norm(np.clip(a, 0, 1) ** (1 / 2.2) - np.clip(b, 0, 1) ** (1 / 2.2))
        assert distance > 0.12, (PALETTE[i], PALETTE[j])


@pytest.mark.parametrize("colour", PALETTE)
def test_label_text_is_readable_on_its_colour(colour):
    label = next(str(n) for n in range(1000) if colour_of(str(n)) == colour)
    sprite = OverlayPainter()._sprite(label, colour)
    darkest = sprite.reshape(-1, 3)[sprite.reshape(-1, 3).sum(axis=1).argmin()]
    lightest = sprite.reshape(-1, 3)[sprite.reshape(-1, 3).sum(axis=1).argmax()]
    assert max(contrast(darkest, colour), contrast(lightest, colour)) >= 4.5
