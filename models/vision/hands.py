"""Hands in a video: palms are searched for, then hands are followed (Zhang et al., MediaPipe Hands, 2020)."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.people import Landmarks
from scenescope.models.vision.crops import angle_of, turned_square
from scenescope.models.vision.decoders.anchors import overlap
from scenescope.models.vision.decoders.palm import Palms
from scenescope.models.vision.inputs import tensor_of, warped
from scenescope.models.vision.tensor_model import TensorModel

__all__ = ["HAND_POINTS", "HAND_SKELETON", "Crop", "HandTracker", "Hands", "hand_boxes"]

Image = NDArray[np.uint8]

_FINGERS = ("index", "middle", "ring", "little")
HAND_POINTS = (
    "wrist",
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    *(f"{finger}_{joint}" for finger in _FINGERS for joint in ("mcp", "pip", "dip", "tip")),
)
HAND_SKELETON = (
    *((0, 1), (1, 2), (2, 3), (3, 4)),
    *((at, at + 1) for start in (5, 9, 13, 17) for at in range(start, start + 3)),
    *((0, 5), (5, 9), (9, 13), (13, 17), (0, 17)),
)
# The crop around a palm and the one around landmarks, as published: how much larger than the box, and how far towards
# the fingers in parts of the box.
_PALM_SCALE, _PALM_SHIFT = 2.6, 0.5
_HAND_SCALE, _HAND_SHIFT = 2.0, 0.1
# Points without the upper finger joints: they keep the crop calm while fingers move.
_CALM = np.array([0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18])
# Crops that overlap more look at the same hand.
_SAME_IOU = 0.5
_UPWARDS = -pi / 2


@dataclass(frozen=True, eq=False)
class Hands(Landmarks):
    """Hands with the 21 points of :data:`HAND_POINTS`.

    ``right`` float32 (N,) is the probability that it is a right hand; ``hand_id`` int64 (N,) stays the same while a
    hand is followed.
    """

    right: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32), metadata={"per_object": True})
    hand_id: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), metadata={"per_object": True})


def hand_boxes(hands: Hands, size_wh: tuple[int, int], margin: float = 0.1) -> NDArray[np.float32]:
    """Boxes (N, 4) around the points, larger by a part of their size on each side, within the picture."""
    if not len(hands):
        return np.empty((0, 4), np.float32)
    low, high = hands.xy.min(axis=1), hands.xy.max(axis=1)
    more = (high - low).max(axis=1, keepdims=True) * margin
    limits = np.array([*size_wh, *size_wh], np.float32)
    boxes: NDArray[np.float32] = np.clip(np.hstack([low - more, high + more]), 0, limits)
    return boxes


@dataclass(frozen=True)
class Crop:
    """A turned square of the picture: centre and side in pixels, angle clockwise from fingers up."""

    centre_xy: tuple[float, float]
    side_px: float
    angle_rad: float

    @classmethod
    def around_palm(cls, box_xyxy: NDArray[Any], points_xy: NDArray[Any]) -> Crop:
        """From a palm's box, which must not be cut off at the border, and its :data:`PALM_POINTS` (7, 2)."""
        side = float((box_xyxy[2:] - box_xyxy[:2]).max())
        angle = angle_of(points_xy[0], points_xy[2], _UPWARDS)
        x, y = (box_xyxy[:2] + box_xyxy[2:]) / 2
        return cls(_shifted(x, y, side * _PALM_SHIFT, angle), side * _PALM_SCALE, angle)

    @classmethod
    def around_hand(cls, xy: NDArray[Any]) -> Crop:
        """From the 21 points (21, 2) of the picture before."""
        knuckles = (xy[5] + xy[13]) / 4 + xy[9] / 2
        angle = angle_of(xy[0], knuckles, _UPWARDS)
        c, s = cos(angle), sin(angle)
        turned = xy[_CALM] @ np.array([[c, -s], [s, c]])
        low, high = turned.min(axis=0), turned.max(axis=0)
        x, y = np.array([[c, -s], [s, c]]) @ ((low + high) / 2)
        height, side = float(high[1] - low[1]), float((high - low).max())
        return cls(_shifted(x, y, height * _HAND_SHIFT, angle), side * _HAND_SCALE, angle)

    @property
    def xyxy(self) -> NDArray[np.float64]:
        """The square as if it were upright, to compare crops with."""
        x, y = self.centre_xy
        half = self.side_px / 2
        return np.array([x - half, y - half, x + half, y + half])


def _shifted(x: float, y: float, by_px: float, angle_rad: float) -> tuple[float, float]:
    """A point moved towards the fingers."""
    return float(x + sin(angle_rad) * by_px), float(y - cos(angle_rad) * by_px)


@dataclass(frozen=True)
class _Seen:
    """A hand of the latest picture, and where to look for it in the next one."""

    hand_id: int
    hand: Landmarks
    right: float
    crop: Crop


class HandTracker:
    """Finds hands and follows them. Remembers where they were, so pictures must come in order.

    A hand that was found is looked for where its points were; the whole picture is searched for palms only while fewer
    hands than wanted are followed, as published.

    Args:
        palms: a loaded network of the task "palm-detection".
        landmarks: a loaded network of the task "hand-landmarks".
    """

    def __init__(self, palms: TensorModel, landmarks: TensorModel) -> None:
        self._palms = palms
        self._landmarks = landmarks
        self._right = str(landmarks.card.options.get("right", ""))
        self._seen: list[_Seen] = []
        self._next_id = 1

    def reset(self) -> None:
        """Forget where the hands were."""
        self._seen = []

    def find(
        self, image: Image, most: int = 2, confidence: float = 0.5, presence: float = 0.5, mirrored: bool = False
    ) -> Hands:
        """Hands in the next picture, those longest followed first.

        Args:
            image: uint8 (H, W, 3) BGR.
            most: how many hands are wanted.
            confidence: less sure palms are not looked at.
            presence: where the network is less sure to see a hand, there is none.
            mirrored: True for a picture that shows people as a mirror does: left and right change names.
        """
        seen: list[_Seen] = []
        for before in self._seen[:most]:
            self._look(image, before.crop, before.hand_id, presence, seen)
        if len(seen) < most:
            (palms,) = self._palms.infer([image], confidence=confidence, clip=False)
            assert isinstance(palms, Palms)
            for box, points in zip(palms.xyxy, palms.points_xy, strict=True):
                crop = Crop.around_palm(box, points)
                if (
                    len(seen) < most
                    and not _known(crop, seen)
                    and self._look(image, crop, self._next_id, presence, seen)
                ):
                    self._next_id += 1
        self._seen = seen
        if not seen:
            return Hands(xy=np.empty((0, len(HAND_POINTS), 2), np.float32), names=HAND_POINTS, skeleton=HAND_SKELETON)
        right = np.array([one.right for one in seen], np.float32)
        return Hands(
            xy=np.concatenate([one.hand.xy for one in seen]),
            confidence=np.concatenate([one.hand.confidence for one in seen]),
            z=np.concatenate([one.hand.z for one in seen]),
            names=HAND_POINTS,
            skeleton=HAND_SKELETON,
            right=1 - right if mirrored else right,
            hand_id=np.array([one.hand_id for one in seen], np.int64),
        )

    def _look(self, image: Image, crop: Crop, hand_id: int, presence: float, seen: list[_Seen]) -> bool:
        """Add the hand in a part of the picture to ``seen``, if there is one and it is not there already."""
        model = self._landmarks
        to_picture = turned_square(crop.centre_xy, crop.side_px, crop.angle_rad, model.spec.size_wh)
        part, geometry = warped(image, model.spec, to_picture)
        outputs = model.forward({model.network.inputs[0].name: tensor_of(part, model.spec)})
        hand = model.postprocess(outputs, geometry, confidence=presence)
        assert isinstance(hand, Landmarks)
        if not len(hand):
            return False
        following = Crop.around_hand(hand.xy[0])
        if _known(following, seen):
            return False
        right = float(outputs[self._right].reshape(-1)[0]) if self._right in outputs else 0.5
        seen.append(_Seen(hand_id, hand, right, following))
        return True


def _known(crop: Crop, seen: list[_Seen]) -> bool:
    """True when a hand was found where the crop looks."""
    others = np.array([one.crop.xyxy for one in seen]).reshape(-1, 4)
    return bool((overlap(crop.xyxy, others) > _SAME_IOU).any())
