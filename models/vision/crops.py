"""Turned square crops: a face with level eyes, an upright hand, an eye. See :func:`infer_crop`."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, cos, pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.results import ResultBatch
from scenescope.models.vision.inputs import tensor_of, warped
from scenescope.models.vision.tensor_model import TensorModel

__all__ = ["angle_of", "infer_crop", "mirrored", "turned_square"]

Matrix = NDArray[np.float64]
Point = Sequence[float] | NDArray[np.floating[Any]]


def turned_square(centre_xy: Point, side_px: float, angle_rad: float, size_wh: tuple[int, int]) -> Matrix:
    """The map from pixels of a square input to pixels of the picture, float64 (3, 3).

    Args:
        centre_xy: of the crop, in pixels of the picture.
        side_px: of the crop, in pixels of the picture.
        angle_rad: by which the crop's x axis is turned from the picture's; positive is clockwise, as y points down.
        size_wh: of the input in pixels.
    """
    scale = side_px / size_wh[0]
    c, s = cos(angle_rad) * scale, sin(angle_rad) * scale
    (x, y), (width, height) = centre_xy, size_wh
    return np.array(
        [
            [c, -s, x - (c * width - s * height) / 2],
            [s, c, y - (s * width + c * height) / 2],
            [0.0, 0.0, 1.0],
        ]
    )


def mirrored(to_picture: Matrix, width: int) -> Matrix:
    """The same crop seen in a mirror: its input's left and right, ``width`` pixels apart, change places."""
    flip = np.array([[-1.0, 0.0, width], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    matrix: Matrix = to_picture @ flip
    return matrix


def angle_of(from_xy: Point, to_xy: Point, upright_rad: float = 0.0) -> float:
    """By how much the direction from one point to another is turned from ``upright_rad``, in -pi..pi, clockwise."""
    angle = atan2(to_xy[1] - from_xy[1], to_xy[0] - from_xy[0]) - upright_rad
    return (angle + pi) % (2 * pi) - pi


def infer_crop(model: TensorModel, image: NDArray[np.uint8], to_picture: Matrix, **options: Any) -> ResultBatch:
    """What a network finds in a part of a picture, in pixels of the picture.

    Args:
        model: loaded.
        image: uint8 (H, W, 3) BGR.
        to_picture: float64 (3, 3), maps pixels of the network's input to those of the picture; outside it is black.
        options: of the decoder.
    """
    part, geometry = warped(image, model.spec, to_picture)
    outputs = model.forward({model.network.inputs[0].name: tensor_of(part, model.spec)})
    return model.postprocess(outputs, geometry, **options)
