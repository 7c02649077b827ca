"""A camera that is known exactly, to try calibration with: it renders a board through its lens."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.calibration import CalibrationBoard, CameraCalibration

__all__ = ["POSES", "FakeCamera"]

_FINER = 2

# Tilts about x and y in degrees, and where the board's middle is seen, as a fraction of the picture from its middle,
# and how many board widths it is away: what a patient person shows to a camera.
POSES: tuple[tuple[float, float, float, float, float], ...] = (
    (0, 0, 0.0, 0.0, 1.1),
    (25, 0, -0.2, -0.2, 1.4),
    (-25, 0, 0.2, 0.2, 1.4),
    (0, 25, 0.2, -0.2, 1.4),
    (0, -25, -0.2, 0.2, 1.4),
    (20, 20, -0.18, 0.0, 1.3),
    (-20, 20, 0.18, 0.0, 1.3),
    (20, -20, 0.0, 0.18, 1.3),
    (-20, -20, 0.0, -0.18, 1.3),
    (5, 5, -0.25, -0.25, 1.7),
    (5, -5, 0.25, 0.25, 1.7),
    (-5, 5, 0.25, -0.25, 1.7),
    (-5, -5, -0.25, 0.25, 1.7),
    (35, 10, 0.0, 0.0, 1.2),
    (-10, 35, 0.0, 0.0, 1.2),
)


class FakeCamera:
    """Renders a board as a camera with this calibration sees it, on a grey wall.

    Every pixel's ray is sent back through the lens (``cv2.undistortPoints``) and cut with the board's plane, which is
    another way than the one that calibration and undistortion go.
    """

    def __init__(self, camera: CameraCalibration) -> None:
        self.camera = camera
        width, height = camera.size_wh
        # Pixel centres of a picture twice as fine, in pixels of the real one.
        x, y = ((np.arange(n * _FINER) + 0.5) / _FINER - 0.5 for n in (width, height))
        pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 1, 2)
        criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 1e-4)
        rays = cv2.undistortPoints(pixels, camera.matrix, camera.distortion, criteria=criteria)
        self._rays = np.hstack([rays.reshape(-1, 2), np.ones((len(rays), 1))])

    def posed(
        self, board: CalibrationBoard, pose: tuple[float, float, float, float, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rotation (3, 3) and translation (3,) in mm that bring a board into a pose as ``POSES`` lists them."""
        tilt_x, tilt_y, across, down, away = pose
        turns = [cv2.Rodrigues(np.radians(tilt))[0] for tilt in ((tilt_x, 0.0, 0.0), (0.0, tilt_y, 0.0))]
        turn = np.asarray(turns[0] @ turns[1], np.float64)
        width, height = self.camera.size_wh
        # So far that the board is seen as wide as the picture, were the pose's distance 1.
        depth = away * board.size_mm[0] * self.camera.matrix[0, 0] / width
        at = np.array([across * width, down * height]) / np.diag(self.camera.matrix)[:2] * depth
        middle = np.array([*board.size_mm, 0.0]) / 2
        return turn, np.array([*at, depth]) - turn @ middle

    def picture(
        self, board: CalibrationBoard, rotation: NDArray[np.float64], translation_mm: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """What the camera shows, uint8 (H, W, 3) BGR."""
        square_px, margin_px = 60, 30
        paper = np.pad(board.picture(square_px), margin_px, constant_values=255)
        # Pixels of the paper from millimetres, pixel centres at whole numbers.
        scale = square_px / board.square_mm
        to_paper = np.array([[scale, 0, margin_px - 0.5], [0, scale, margin_px - 0.5], [0, 0, 1]])
        from_ray = to_paper @ np.linalg.inv(np.column_stack([rotation[:, 0], rotation[:, 1], translation_mm]))
        at = self._rays @ from_ray.T
        at = (at[:, :2] / at[:, 2:]).astype(np.float32)
        width, height = self.camera.size_wh
        shape = (height * _FINER, width * _FINER)
        fine = cv2.remap(
            paper,
            at[:, 0].reshape(shape),
            at[:, 1].reshape(shape),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(128,),
        )
        grey = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR).astype(np.uint8)
