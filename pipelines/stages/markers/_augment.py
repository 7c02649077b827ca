"""Drawing in perspective upon markers: axes, a cube, a picture."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Pose", "View", "draw_axes", "draw_cube", "draw_picture"]

Float = NDArray[np.float64]
Image = NDArray[np.uint8]
# Rodrigues vector and translation in metres, from the marker's frame to the camera's.
Pose = tuple[Float, Float]

# Fixed-point digits of OpenCV's drawing functions.
_SHIFT = 4
_AXES_BGR = ((0, 0, 230), (0, 180, 0), (230, 80, 0))
_CUBE_BGR = np.array((0, 159, 230), np.float64)
# Corners of a cube that stands on the marker: bottom 0 to 3, top 4 to 7.
_CUBE = np.array(
    [(x, y, z) for z in (0, 1) for x, y in ((-0.5, 0.5), (0.5, 0.5), (0.5, -0.5), (-0.5, -0.5))], np.float64
)
_FACES = ((4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
_FACE_LIGHT = (1.0, 0.8, 0.65, 0.5, 0.65)
_UNIT_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


@dataclass(frozen=True)
class View:
    """How the camera sees, and where its pixels are in the picture at hand.

    Attributes:
        matrix: float64 (3, 3), the camera's matrix for the source picture, first pixel at (0, 0).
        distortion: float64 (n,), OpenCV's coefficients.
        to_source: float64 (3, 3), maps pixels of the picture at hand to those of the source.
    """

    matrix: Float
    distortion: Float
    to_source: Float

    def pose(self, quad_xy: NDArray[np.float32], size_m: float) -> Pose:
        """The pose of a square marker from its corners, float32 (4, 2) in pixels of the picture at hand.

        The marker's frame has its origin in the middle, x to the right, y up and z towards the viewer. What cannot be
        solved is NaN.
        """
        half = size_m / 2
        model = np.array([[-half, half, 0], [half, half, 0], [half, -half, 0], [-half, -half, 0]])
        corners = _mapped(quad_xy.astype(np.float64), self.to_source) - 0.5
        poses: list[Pose] = []
        # A marker seen small or far has two poses that fit almost alike; IPPE gives both, but OpenCV 5.0's gives
        # nonsense for one that is seen exactly from the front, which SQPnP does not.
        for method in (cv2.SOLVEPNP_IPPE_SQUARE, cv2.SOLVEPNP_SQPNP):
            with contextlib.suppress(cv2.error):
                _, *found, _ = cv2.solvePnPGeneric(model, corners, self.matrix, self.distortion, flags=method)
                poses += [self._refined(model, corners, first) for first in zip(*found, strict=True)]
        seen = [(float(np.linalg.norm(self._seen(model, pose) - corners)), pose) for pose in poses if pose[1][2] > 0]
        return min(seen, key=lambda one: one[0])[1] if seen else (np.full(3, np.nan), np.full(3, np.nan))

    def _refined(self, model: Float, corners: Float, first: Pose) -> Pose:
        pose = cv2.solvePnPRefineLM(model, corners, self.matrix, self.distortion, *first)
        rotation, translation = (np.asarray(vector, np.float64).ravel() for vector in pose)
        return rotation, translation

    def _seen(self, points_m: Float, pose: Pose) -> Float:
        """Points in the source picture, the first pixel at (0, 0)."""
        seen, _ = cv2.projectPoints(points_m, *pose, self.matrix, self.distortion)
        return np.asarray(seen, np.float64).reshape(-1, 2)

    def project(self, points_m: Float, pose: Pose) -> Float | None:
        """Where points of the marker's frame, float64 (N, 3), are seen, float64 (N, 2); None if one is behind."""
        rotation, translation = pose
        if not np.isfinite(rotation).all() or not np.isfinite(translation).all():
            return None
        if ((points_m @ cv2.Rodrigues(rotation)[0].T + translation)[:, 2] <= 0).any():
            return None
        return _mapped(self._seen(points_m, pose) + 0.5, np.asarray(np.linalg.inv(self.to_source)))


def draw_axes(image: Image, view: View, pose: Pose, size_m: float) -> None:
    """Draw the marker's x, y and z axis in red, green and blue, half a side long."""
    ends = np.vstack([np.zeros(3), np.eye(3) * size_m / 2])
    seen = view.project(ends, pose)
    if seen is None:
        return
    origin, *tips = _fixed(seen).tolist()
    width = max(round(np.linalg.norm(seen - seen[0], axis=1).max() / 25), 1)
    for tip, colour in zip(tips, _AXES_BGR, strict=True):
        cv2.line(image, origin, tip, colour, width, cv2.LINE_AA, _SHIFT)


def draw_cube(image: Image, view: View, pose: Pose, size_m: float) -> None:
    """Draw a cube that stands on the marker, its faces shaded, far ones first."""
    corners = _CUBE * size_m
    seen = view.project(corners, pose)
    if seen is None:
        return
    depth = (corners @ cv2.Rodrigues(pose[0])[0].T + pose[1])[:, 2]
    for at in sorted(range(len(_FACES)), key=lambda i: -float(depth[list(_FACES[i])].mean())):
        face = _fixed(seen[list(_FACES[at])])
        blue, green, red = (_CUBE_BGR * _FACE_LIGHT[at]).tolist()
        cv2.fillConvexPoly(image, face, (blue, green, red), cv2.LINE_AA, _SHIFT)
        cv2.polylines(image, [face], True, (20, 20, 20), 1, cv2.LINE_AA, _SHIFT)


def draw_picture(image: Image, picture: Image, quad_xy: NDArray[np.float32], times: float) -> None:
    """Lay a picture on a marker, in the middle of it and as large as it fits.

    Args:
        image: uint8 (H, W, 3), is drawn upon.
        picture: uint8 (h, w, 4), BGR and opacity.
        quad_xy: float32 (4, 2), the marker's corners.
        times: how many sides of the marker the longer side of the picture covers.
    """
    height, width = picture.shape[:2]
    wide, high = times * width / max(width, height), times * height / max(width, height)
    onto_marker = np.array([[wide / width, 0, 0.5 - wide / 2], [0, high / height, 0.5 - high / 2], [0, 0, 1]])
    to_image = cv2.getPerspectiveTransform(_UNIT_SQUARE, quad_xy) @ onto_marker
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64) @ to_image.T
    if (corners[:, 2] <= 1e-6).any():
        # It reaches beyond the horizon.
        return
    hull = corners[:, :2] / corners[:, 2:]
    left, top = np.maximum(np.floor(hull.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(hull.max(axis=0)).astype(int) + 1, image.shape[1::-1])
    if left >= right or top >= bottom:
        return
    # A large picture on a small marker is made small first, or it would glitter.
    sides = np.linalg.norm(np.roll(hull, -1, axis=0) - hull, axis=1)
    shrink = min(max(sides[[0, 2]].max() / width, sides[[1, 3]].max() / height), 1.0)
    size = (max(round(width * shrink), 1), max(round(height * shrink), 1))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    # Pixel centres lie at whole numbers for OpenCV, and half a pixel further for us.
    to_part = _shifted(-left - 0.5, -top - 0.5) @ to_image @ np.diag([width / size[0], height / size[1], 1.0])
    laid = cv2.warpPerspective(small, to_part @ _shifted(0.5, 0.5), (right - left, bottom - top)).astype(np.float32)
    # Beyond its rim the picture is black and clear; so only the opacity that was laid down counts.
    inside = cv2.warpPerspective(
        np.ones(small.shape[:2], np.float32), to_part @ _shifted(0.5, 0.5), (right - left, bottom - top)
    )[..., None]
    opacity = laid[..., 3:] / 255
    part = image[top:bottom, left:right]
    colour = laid[..., :3] / np.maximum(inside, 1e-3)
    part[:] = np.clip(part * (1 - opacity) + colour * opacity + 0.5, 0, 255).astype(np.uint8)


def _shifted(x: float, y: float) -> Float:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _mapped(xy: Float, matrix: Float) -> Float:
    homogeneous = xy @ matrix[:, :2].T + matrix[:, 2]
    mapped: Float = homogeneous[:, :2] / homogeneous[:, 2:]
    return mapped


def _fixed(xy: Float) -> NDArray[np.int32]:
    """Points as OpenCV's drawing functions take them; far outside they are held where int32 does not overflow."""
    return np.rint((np.clip(xy, -1e5, 1e5) - 0.5) * (1 << _SHIFT)).astype(np.int32)
