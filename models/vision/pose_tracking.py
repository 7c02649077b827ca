"""One person followed by a crop around the last pose, as published with MoveNet (TensorFlow Hub's tutorial).

The network sees the person larger than in the whole picture, and finds the points more exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenescope.models.results import Keypoints
from scenescope.models.vision.crops import infer_crop, turned_square
from scenescope.models.vision.tensor_model import TensorModel

__all__ = ["PersonFollower"]

Image = NDArray[np.uint8]

# A point below it is not believed; without a shoulder and a hip above it, the whole picture is searched.
TORSO_CONFIDENCE = 0.2
SHOULDERS, HIPS = [5, 6], [11, 12]
# Half the crop's side over the farthest point of the torso, and of the body, from the middle of the hips.
TORSO_REACH, BODY_REACH = 1.9, 1.2


class PersonFollower:
    """Finds one person in pictures that follow each other. Used by one thread.

    Args:
        model: a loaded network for the pose of one person, in COCO's order of points.
    """

    def __init__(self, model: TensorModel) -> None:
        self._model = model
        self._crop: tuple[NDArray[np.float64], float] | None = None

    def forget(self) -> None:
        """Search the whole picture next time."""
        self._crop = None

    def find(self, image: Image, confidence: float) -> Keypoints:
        """The person's points, one row, or none when less sure than ``confidence``.

        Args:
            image: uint8 (H, W, 3) BGR.
            confidence: as the network's decoder takes it.
        """
        if self._crop is None:
            (pose,) = self._model.infer([image], confidence=confidence)
        else:
            centre, side = self._crop
            square = turned_square(centre, side, 0.0, self._model.spec.size_wh)
            pose = infer_crop(self._model, image, square, confidence=confidence)
        assert isinstance(pose, Keypoints)
        self._crop = _crop_around(pose, (image.shape[1], image.shape[0]))
        return pose


def _crop_around(pose: Keypoints, size_wh: tuple[int, int]) -> tuple[NDArray[np.float64], float] | None:
    """Centre and side in pixels of a square around the person; None for the whole picture."""
    if not len(pose):
        return None
    xy, sure = pose.xy[0].astype(np.float64), pose.confidence[0] > TORSO_CONFIDENCE
    if not (sure[SHOULDERS].any() and sure[HIPS].any()):
        return None
    centre = xy[HIPS].mean(axis=0)
    reach = max(
        TORSO_REACH * float(np.abs(xy[SHOULDERS + HIPS] - centre).max()),
        BODY_REACH * float(np.abs(xy[sure] - centre).max()),
    )
    # No farther than the farthest border: beyond it there is nothing to see.
    reach = min(reach, float(np.max([centre, np.array(size_wh) - centre])))
    return (centre, 2 * reach) if 1.0 < reach < max(size_wh) / 2 else None
