"""MoveNet: 17 points of one person, or of up to six (Google, Apache-2.0; model cards on TensorFlow Hub)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Keypoints
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["COCO_NAMES", "COCO_SKELETON", "MoveNet", "MoveNetMulti", "person_confidence"]

# Right and left are the person's own.
COCO_NAMES = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
COCO_SKELETON = (
    *((0, 1), (0, 2), (1, 3), (2, 4)),
    *((5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
    *((5, 11), (6, 12), (11, 12)),
    *((11, 13), (13, 15), (12, 14), (14, 16)),
)
POINTS = len(COCO_NAMES)


def person_confidence(confidence: NDArray[Any]) -> NDArray[np.float32]:
    """How sure it is that there is a person at all: the mean of its eight surest points, (N, 17) to (N,).

    Eight, so that head and shoulders alone are a person too.
    """
    best: NDArray[np.float32] = np.sort(confidence, axis=-1)[:, -8:].mean(axis=-1).astype(np.float32)
    return best


class MoveNet(Decoder):
    """Output (1, 1, 17, 3): y and x in 0..1 of the input, and confidence, in COCO's order of points."""

    shape: tuple[int, ...] = (1, 1, POINTS, 3)

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(card, spec, shown)
        fitting = [name for name, value in shown.items() if value.shape == self.shape]
        if len(fitting) != 1:
            raise ModelIncompatible(f"{card.file} has no output {self.shape} as MoveNet has.")
        self._output = fitting[0]

    def decode(
        self, outputs: dict[str, NDArray[Any]], geometry: Geometry, *, confidence: float = 0.25, **options: Any
    ) -> Keypoints:
        """Points in pixels of the picture, one row per person, the surest first.

        Args:
            outputs: the network's.
            geometry: how the picture, or a part of it, went in.
            confidence: less sure persons are dropped; single points are not.
            options: none.
        """
        points, sure = self._people(outputs[self._output][0])
        order = np.argsort(-sure, kind="stable")
        points = points[order[sure[order] >= confidence]]
        return Keypoints(
            xy=geometry.points(points[:, :, 1::-1] * np.array(geometry.input_wh, np.float32)),
            confidence=points[:, :, 2],
            names=COCO_NAMES,
            skeleton=COCO_SKELETON,
        )

    def _people(self, output: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(y, x, confidence) of every point, (N, 17, 3), and the confidence of every person, (N,)."""
        return output, person_confidence(output[:, :, 2])


class MoveNetMulti(MoveNet):
    """Output (1, 6, 56): per person 17 points as above, then a box and the person's confidence."""

    shape = (1, 6, 3 * POINTS + 5)

    def _people(self, output: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return output[:, : 3 * POINTS].reshape(-1, POINTS, 3), output[:, -1]
