"""Fiducial markers: where they are, how they are turned, and things drawn upon them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Markers, StageError
from scenescope.pipelines import FilePath, Frame, Stage, StageContext, StageParams
from scenescope.pipelines.calibration import CameraCalibration
from scenescope.pipelines.stages.markers._augment import View, draw_axes, draw_cube, draw_picture
from scenescope.pipelines.stages.markers._corners import refined_quads

__all__ = ["FiducialMarkers"]

Family = Literal[
    "DICT_4X4_50",
    "DICT_4X4_100",
    "DICT_4X4_250",
    "DICT_4X4_1000",
    "DICT_5X5_50",
    "DICT_5X5_100",
    "DICT_5X5_250",
    "DICT_5X5_1000",
    "DICT_6X6_50",
    "DICT_6X6_100",
    "DICT_6X6_250",
    "DICT_6X6_1000",
    "DICT_7X7_50",
    "DICT_7X7_100",
    "DICT_7X7_250",
    "DICT_7X7_1000",
    "DICT_ARUCO_ORIGINAL",
    "DICT_ARUCO_MIP_36h12",
    "DICT_APRILTAG_16h5",
    "DICT_APRILTAG_25h9",
    "DICT_APRILTAG_36h10",
    "DICT_APRILTAG_36h11",
]


class FiducialMarkers(Stage, title="ArUco and AprilTag", group="Markers and codes"):
    """Find printed square markers, tell their number, place and turn in space, and draw upon them.

    Markers are found with OpenCV's detector (Garrido-Jurado et al. 2014; AprilTag: Olson 2011), their corners are
    where lines fitted to their edges cross, and the pose is the one of IPPE (Collins and Bartoli 2014) and SQPnP
    (Terzakis and Lourakis 2020) that fits them best after Levenberg-Marquardt refinement.
    Distances are only as good as the marker's size and the camera's calibration. The pose is measured in the picture
    of the source, so stages before this one may crop, turn and zoom.
    """

    class Params(StageParams):
        family: Family = Field("DICT_4X4_50", description="The set of markers that yours are from.")
        size_mm: float = Field(50.0, gt=0, le=10_000, description="Side of the black square of a marker.")
        only_id: int = Field(-1, ge=-1, description="The one marker to look for; -1 for all.")
        calibration: FilePath = Field(
            "", description="File that the calibration assistant made; empty to go by the angle."
        )
        straightened: bool = Field(False, description="The picture comes from Undistort with the same calibration.")
        field_of_view_deg: float = Field(
            60.0, ge=5, le=170, description="Horizontal angle of the camera, where there is no calibration."
        )
        draw: Literal["nothing", "axes", "cube", "picture"] = Field(
            "nothing", description="What is drawn upon every marker: x is red, y green, z blue."
        )
        picture: FilePath = Field(
            "", description="File of the picture that is laid on the markers; PNG may be transparent."
        )
        picture_times: float = Field(1.0, ge=0.1, le=10, description="Size of what is drawn, in sides of the marker.")
        inverted: bool = Field(False, description="Find white markers on black, too.")

    def needs_reopen(self, params: StageParams) -> bool:
        names = ("family", "calibration", "draw", "picture", "inverted")
        return any(getattr(params, name) != getattr(self.params, name) for name in names)

    def open(self, context: StageContext) -> None:
        settings = cv2.aruco.DetectorParameters()
        settings.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        settings.detectInvertedMarker = self.params.inverted
        self._settings = settings
        self._dictionary: Any = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.params.family))
        self._picture = _read_picture(self.params.picture) if self.params.draw == "picture" else None
        name = self.params.calibration.strip()
        self._calibration = CameraCalibration.load(Path(name).expanduser()) if name else None

    def process(self, frame: Frame) -> Frame:
        # A detector keeps buffers of its own, and this stage may be run on several frames at once.
        detector = cv2.aruco.ArucoDetector(self._dictionary, self._settings)
        grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), np.uint8)
        quads, numbers, _ = detector.detectMarkers(grey)
        corners = np.array(quads, np.float32).reshape(-1, 4, 2) + np.float32(0.5)
        corners = refined_quads(grey, corners, self._dictionary.markerSize + 2)
        ids = np.zeros(0, np.int64) if numbers is None else np.asarray(numbers, np.int64).ravel()
        if self.params.only_id >= 0:
            corners, ids = corners[ids == self.params.only_id], ids[ids == self.params.only_id]
        view = self._view(frame)
        poses = [view.pose(quad, self.params.size_mm / 1000) for quad in corners]
        found = Markers(
            quad_xy=corners,
            marker_id=ids,
            rotation_rad=np.array([rotation for rotation, _ in poses]),
            translation_m=np.array([translation for _, translation in poses]),
            family=self.params.family,
        )
        if self.params.draw != "nothing" and len(found):
            frame = frame.with_image(self._drawn_upon(frame.image, found, view))
        return frame.with_result(self.context.stage_id, found)

    def _view(self, frame: Frame) -> View:
        size_wh = frame.source_size_wh
        if self._calibration is not None:
            camera = self._calibration.for_size(size_wh)
            distortion = np.zeros(5) if self.params.straightened else camera.distortion
            return View(camera.matrix, distortion, frame.to_source)
        focal_px = size_wh[0] / 2 / np.tan(np.radians(self.params.field_of_view_deg) / 2)
        matrix = np.array([[focal_px, 0, (size_wh[0] - 1) / 2], [0, focal_px, (size_wh[1] - 1) / 2], [0, 0, 1]])
        return View(matrix, np.zeros(5), frame.to_source)

    def _drawn_upon(self, image: NDArray[np.uint8], found: Markers, view: View) -> NDArray[np.uint8]:
        canvas = image.copy()
        # Far ones first.
        for row in np.argsort(-found.translation_m[:, 2]).tolist():
            if self._picture is not None:
                draw_picture(canvas, self._picture, found.quad_xy[row], self.params.picture_times)
                continue
            pose = (found.rotation_rad[row], found.translation_m[row])
            draw = draw_axes if self.params.draw == "axes" else draw_cube
            draw(canvas, view, pose, self.params.size_mm / 1000 * self.params.picture_times)
        return canvas


def _read_picture(path: str) -> NDArray[np.uint8]:
    """A picture as uint8 (H, W, 4), BGR and opacity."""
    if not path:
        raise StageError("There is no picture to lay on the markers.", hint="Choose a file.", permanent=True)
    picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise StageError(f"{path} cannot be read as a picture.", hint="Choose a PNG or JPEG file.", permanent=True)
    if picture.dtype == np.uint16:
        picture = (picture / 257).astype(np.uint8)
    if picture.dtype != np.uint8:
        raise StageError(f"{path} holds {picture.dtype} values.", hint="Choose a PNG or JPEG file.", permanent=True)
    if picture.ndim == 3 and picture.shape[2] == 4:
        return np.asarray(picture, np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGRA if picture.ndim == 2 else cv2.COLOR_BGR2BGRA), np.uint8)
