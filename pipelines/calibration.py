"""Camera calibration: what a camera does to straight lines, found from views of a board, and kept in a file.

::

    board = CalibrationBoard("charuco", (9, 6), square_mm=25)
    session = CalibrationSession(board)
    for image in pictures:
        print(session.look(image).advice)
    solution = session.solve()
    solution.calibration.save(Path("desk-camera.yaml"))
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from scenescope.models import SinkError, SpecError, StageError
from scenescope.pipelines.calibration_board import DICTIONARIES, BoardView, CalibrationBoard

__all__ = [
    "DICTIONARIES",
    "BoardView",
    "CalibrationBoard",
    "CalibrationSession",
    "CalibrationSolution",
    "CameraCalibration",
    "Look",
    "Need",
    "Verdict",
]

Float = NDArray[np.float64]
VERSION = 1
_LENGTHS = (4, 5, 8, 12, 14)
FEWEST_VIEWS = 6


@dataclass(frozen=True, eq=False)
class CameraCalibration:
    """A camera with its lens, as OpenCV's pinhole model has it.

    Attributes:
        size_wh: of the pictures it was made with, in pixels.
        matrix: float64 (3, 3), focal lengths and principal point in pixels; OpenCV puts the centre of the first pixel
            at (0, 0), half a pixel from where results have it.
        distortion: float64 (n,), k1, k2, p1, p2, k3, ... of Brown and Conrady; n is 4, 5, 8, 12 or 14.
        rms_px: how far the board's corners lie from where the model puts them, root mean square.
        board: what it was made with, for people.
        made_at: when, ISO 8601.
        views: how many views it was made from.

    Raises:
        SpecError: the numbers are not those of a camera.
    """

    size_wh: tuple[int, int]
    matrix: Float
    distortion: Float
    rms_px: float = 0.0
    board: str = ""
    made_at: str = ""
    views: int = 0

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, np.float64)
        distortion = np.array(self.distortion, np.float64).ravel()
        if matrix.shape != (3, 3) or len(distortion) not in _LENGTHS or len(self.size_wh) != 2 or min(self.size_wh) < 1:
            raise SpecError("A calibration has a size, a matrix of 3 x 3 and 4, 5, 8, 12 or 14 distortion values.")
        if not (np.isfinite(matrix).all() and np.isfinite(distortion).all() and min(matrix[0, 0], matrix[1, 1]) > 0):
            raise SpecError("The calibration has a focal length that is not positive, or values that are no numbers.")
        matrix.flags.writeable = distortion.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "distortion", distortion)

    @property
    def view_deg(self) -> tuple[float, float]:
        """Horizontal and vertical angle of view in degrees, distortion left aside."""
        angles = 2 * np.degrees(np.arctan(np.array(self.size_wh) / (2 * np.diag(self.matrix)[:2])))
        return float(angles[0]), float(angles[1])

    def for_size(self, size_wh: tuple[int, int]) -> Self:
        """The same camera giving pictures of another size but the same shape.

        Raises:
            StageError: the shape differs by more than a hundredth, so that the camera must have cut its picture.
        """
        if size_wh == self.size_wh:
            return self
        across, down = size_wh[0] / self.size_wh[0], size_wh[1] / self.size_wh[1]
        if abs(across / down - 1) > 0.01:
            raise StageError(
                f"The calibration is for pictures of {self.size_wh[0]}x{self.size_wh[1]}, "
                f"and these are {size_wh[0]}x{size_wh[1]}, of another shape.",
                hint="Calibrate the camera in the resolution in which it is used.",
                permanent=True,
            )
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        matrix = np.linalg.inv(half) @ np.diag([across, down, 1.0]) @ half @ self.matrix
        return replace(self, size_wh=size_wh, matrix=matrix)

    def straightened(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture, uint8 (H, W, 3), as the same camera without distortion would give it.

        Raises:
            StageError: it has not the shape of this camera's pictures.
        """
        camera = self.for_size((image.shape[1], image.shape[0]))
        return np.asarray(cv2.undistort(image, camera.matrix, camera.distortion), np.uint8)

    def save(self, path: Path) -> None:
        """Write JSON when the name ends so, else YAML.

        Raises:
            SinkError: the file cannot be written.
        """
        content = {"scenescope_calibration": VERSION, **asdict(self)}
        content |= {
            "size_wh": list(self.size_wh),
            "matrix": self.matrix.tolist(),
            "distortion": self.distortion.tolist(),
        }
        if path.suffix.lower() == ".json":
            text = json.dumps(content, indent=1) + "\n"
        else:
            text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SinkError(
                f"The calibration cannot be written to {path} ({error.strerror}).", hint="Choose another folder."
            ) from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            SpecError: there is no such file, or it holds no calibration of a known version.
        """
        again = "Choose a file that the calibration assistant made."
        try:
            # JSON is YAML too.
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SpecError(f"The calibration {path} cannot be read ({error.strerror}).", hint=again) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SpecError(f"{path} is not a calibration file.", hint=again) from error
        version = content.pop("scenescope_calibration", None) if isinstance(content, dict) else None
        if version is None:
            raise SpecError(f"{path} is not a calibration file.", hint=again)
        if version != VERSION:
            raise SpecError(f"{path} is a calibration of version {version}, not {VERSION}.", hint="Update Scenescope.")
        try:
            width, height = content.pop("size_wh")
            return cls(size_wh=(int(width), int(height)), **content)
        except (KeyError, TypeError, ValueError, SpecError) as error:
            raise SpecError(f"{path} is not a whole calibration: {error}", hint=again) from error


@dataclass(frozen=True, eq=False)
class CalibrationSolution:
    """A calibration, and how far it can be trusted.

    Attributes:
        calibration: the camera.
        view_rms_px: float64 (n,), the error of each view, NaN for one that was left out.
        left_out: how many views did not fit the others and were left out.
        focal_std_px: standard deviation of the two focal lengths.
    """

    calibration: CameraCalibration
    view_rms_px: Float
    left_out: int
    focal_std_px: tuple[float, float]

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        rms = self.calibration.rms_px
        grade = "Very good" if rms < 0.3 else "Good" if rms < 0.7 else "Usable" if rms < 1.5 else "Poor"
        cure = "" if rms < 1.5 else " Check that the board is flat and the number of squares right, and begin anew."
        out = f", {self.left_out} of {len(self.view_rms_px)} views left out" if self.left_out else ""
        return f"{grade}: corners fit within {rms:.2f} px{out}.{cure}"


class Verdict(StrEnum):
    """What a look at a picture came to."""

    NOTHING = "nothing"
    MOVING = "moving"
    BLURRED = "blurred"
    KNOWN = "known"
    NEW = "new"


@dataclass(frozen=True, eq=False)
class Look:
    """One picture judged: the board in it (None when not seen), and what to do next as a sentence."""

    verdict: Verdict
    advice: str
    view: BoardView | None = None


@dataclass(frozen=True)
class Need:
    """Something that the views together must show: whether they do, and what to do about it."""

    done: bool
    advice: str


# Thirds of the picture, in the order in which they are asked for: the corners tell most about the lens.
_THIRDS = {
    (0, 0): "to the top left",
    (2, 2): "to the bottom right",
    (2, 0): "to the top right",
    (0, 2): "to the bottom left",
    (0, 1): "to the left",
    (2, 1): "to the right",
    (1, 0): "to the top",
    (1, 2): "to the bottom",
    (1, 1): "to the middle",
}
_TILT_DEG = 15.0
_NEAR = 0.4


class CalibrationSession:
    """Collects views of a board until they tell enough, and solves for the camera. Used by one thread at a time.

    Views should differ in place, distance and tilt (Zhang, "A flexible new technique for camera calibration", 2000:
    without tilt the focal length cannot be told from the distance). Near-duplicates are refused by the distance
    between such features, as the assistant of ROS' camera_calibration does.

    Args:
        board: what is held before the camera.
        needed: how many views are wanted.

    Attributes:
        views: those taken so far.
    """

    def __init__(self, board: CalibrationBoard, needed: int = 12) -> None:
        self.board = board
        self.needed = max(needed, FEWEST_VIEWS)
        self.views: tuple[BoardView, ...] = ()
        self._features: list[Float] = []
        self._last: BoardView | None = None

    def look(self, image: NDArray[Any], take: bool = True) -> Look:
        """Judge a picture, uint8 (H, W, 3) BGR or (H, W); with ``take``, keep its view when it is new and still."""
        view = self.board.find(image)
        last, self._last = self._last, view
        if view is None:
            return Look(Verdict.NOTHING, "Show the board to the camera." if not self.views else self.advice)
        if _moved(last, view):
            return Look(Verdict.MOVING, "Hold the board still.", view)
        return self.add(view) if take else self.judge(view)

    def judge(self, view: BoardView) -> Look:
        """Whether a view is of use, and what to do next."""
        if self.views and view.size_wh != self.views[0].size_wh:
            raise StageError(
                f"The pictures were {self.views[0].size_wh[0]}x{self.views[0].size_wh[1]} and now are "
                f"{view.size_wh[0]}x{view.size_wh[1]}.",
                hint="Begin anew, and keep the camera's resolution.",
            )
        # A big picture can be less sharp and its corners are placed as well.
        if view.blur_px > 4.0 * max(max(view.size_wh) / 1280, 1.0):
            return Look(Verdict.BLURRED, "The board is blurred: hold it still, and give it more light.", view)
        features = _features(view)
        if any(np.abs(features - other).sum() < 0.2 for other in self._features):
            return Look(Verdict.KNOWN, self.advice, view)
        return Look(Verdict.NEW, self.advice, view)

    def add(self, view: BoardView) -> Look:
        """Take a view when it is of use; the advice is that for the next one."""
        judged = self.judge(view)
        if judged.verdict is Verdict.NEW:
            self.views += (view,)
            self._features.append(_features(view))
            return replace(judged, advice=self.advice)
        return judged

    def coverage(self, cells_wh: tuple[int, int] = (12, 9)) -> NDArray[np.int64]:
        """How many corners were seen in each part of the picture, int64 (rows, columns)."""
        columns, rows = cells_wh
        counts = np.zeros((rows, columns), np.int64)
        for view in self.views:
            at = ((view.points_xy + 0.5) / np.array(view.size_wh) * cells_wh).astype(int)
            at = np.clip(at, 0, np.array(cells_wh) - 1)
            np.add.at(counts, (at[:, 1], at[:, 0]), 1)
        return counts

    @property
    def needs(self) -> tuple[Need, ...]:
        """What the views must show, in the order in which it is asked for."""
        thirds = self.coverage((3, 3))
        features = np.array(self._features).reshape(-1, 5)
        yaw, pitch = (features[:, 3:] * 45).T
        return (
            *(Need(bool(thirds[y, x] >= 4), f"Move the board {where}.") for (x, y), where in _THIRDS.items()),
            Need(bool((yaw > _TILT_DEG).any()), "Tilt the board: its right edge nearer to the camera."),
            Need(bool((yaw < -_TILT_DEG).any()), "Tilt the board: its left edge nearer to the camera."),
            Need(bool((pitch > _TILT_DEG).any()), "Tilt the board: its bottom edge nearer to the camera."),
            Need(bool((pitch < -_TILT_DEG).any()), "Tilt the board: its top edge nearer to the camera."),
            Need(bool((features[:, 2] > _NEAR).any()), "Bring the board nearer, until it fills half of the picture."),
            Need(len(self.views) >= self.needed, "Show the board in other places and tilts."),
        )

    @property
    def ready(self) -> bool:
        """True when the views tell enough."""
        return all(need.done for need in self.needs)

    @property
    def advice(self) -> str:
        """What to do next."""
        return next((need.advice for need in self.needs if not need.done), "That is enough: solve.")

    def solve(self) -> CalibrationSolution:
        """The camera that fits the views best, in the least squares of its reprojection errors (``calibrateCamera``).

        Views whose error is above 1 px and three times the median are left out, and the rest is solved again.

        Raises:
            StageError: there are too few views, or they do not tell the camera.
        """
        if len(self.views) < FEWEST_VIEWS:
            raise StageError(
                f"{len(self.views)} views are too few to calibrate from.", hint=f"Take {FEWEST_VIEWS} or more."
            )
        calibration, errors, focal_std = self._solved(self.views)
        good = errors <= max(1.0, 3 * float(np.median(errors)))
        if not good.all() and good.sum() >= FEWEST_VIEWS:
            kept = tuple(view for view, fits in zip(self.views, good, strict=True) if fits)
            calibration, kept_errors, focal_std = self._solved(kept)
            errors = np.full(len(self.views), np.nan)
            errors[good] = kept_errors
        return CalibrationSolution(calibration, errors, int(np.isnan(errors).sum()), focal_std)

    def _solved(self, views: tuple[BoardView, ...]) -> tuple[CameraCalibration, Float, tuple[float, float]]:
        unclear = "More views, with the board tilted in several ways, will tell it."
        try:
            rms, matrix, distortion, _, _, std, _, errors = cv2.calibrateCameraExtended(
                [view.board_mm for view in views],
                [view.points_xy.reshape(-1, 1, 2) for view in views],
                views[0].size_wh,
                np.eye(3),
                np.zeros(5),
            )
            calibration = CameraCalibration(
                views[0].size_wh,
                np.asarray(matrix, np.float64),
                np.asarray(distortion, np.float64),
                float(rms),
                str(self.board),
                datetime.now(UTC).isoformat(timespec="seconds"),
                len(views),
            )
        except (cv2.error, SpecError) as error:
            raise StageError("The views do not tell what the camera is like.", hint=unclear) from error
        if not ((matrix[:2, 2] > 0) & (matrix[:2, 2] < views[0].size_wh)).all():
            raise StageError("The views give a lens that looks past the picture.", hint=unclear)
        return calibration, np.asarray(errors, np.float64).ravel(), (float(std[0, 0]), float(std[1, 0]))


def _features(view: BoardView) -> Float:
    """Centre x and y and size of a view as fractions of the picture, and its tilt to both sides by 45 degrees."""
    size = np.array(view.size_wh, np.float64)
    hull = cv2.contourArea(cv2.convexHull(view.points_xy))
    guess = np.array([[size.max(), 0, size[0] / 2], [0, size.max(), size[1] / 2], [0, 0, 1]])
    _, turn, _ = cv2.solvePnP(view.board_mm, view.points_xy, guess, np.zeros(4))
    # The board's z axis points away from the camera; seen from it, x to the right and y down.
    normal = cv2.Rodrigues(turn)[0][:, 2]
    yaw, pitch = np.degrees(np.arctan2(normal[:2], abs(normal[2])))
    return np.array([*(view.points_xy.mean(axis=0) / size), np.sqrt(hull / size.prod()), yaw / 45, pitch / 45])


def _moved(last: BoardView | None, view: BoardView) -> bool:
    """Whether the board is moving: its corners lie elsewhere than a look ago, by more than 1/200 of the width."""
    if last is None or last.size_wh != view.size_wh:
        return False
    _, old, new = np.intersect1d(last.corner_id, view.corner_id, return_indices=True)
    if len(old) == 0:
        return True
    away = np.linalg.norm(last.points_xy[old] - view.points_xy[new], axis=1)
    return bool(np.median(away) > max(view.size_wh) / 200)
