"""Boards that a camera is calibrated with: their picture for printing, and finding them in a camera's picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import SpecError

__all__ = ["DICTIONARIES", "BoardView", "CalibrationBoard"]

Float32 = NDArray[np.float32]
Image = NDArray[np.uint8]

DICTIONARIES: tuple[str, ...] = tuple(
    f"DICT_{bits}X{bits}_{count}" for bits in (4, 5, 6, 7) for count in (50, 100, 250, 1000)
)
# To look for a chessboard that is not there takes most of a second in a big picture, so it is done in a small one.
_SEARCH_PX = 800
_FEWEST_CORNERS = 8


@dataclass(frozen=True, eq=False)
class BoardView:
    """A board as one picture shows it.

    Attributes:
        points_xy: float32 (N, 2), inner corners in pixels as OpenCV counts them: the centre of the first is (0, 0).
        board_mm: float32 (N, 3), the same corners on the board, in millimetres from its top left; z is 0.
        corner_id: int64 (N,), number of each corner, row by row.
        size_wh: of the picture.
        blur_px: how many pixels a step from black to white takes; below 3 is sharp.
    """

    points_xy: Float32
    board_mm: Float32
    corner_id: NDArray[np.int64]
    size_wh: tuple[int, int]
    blur_px: float

    def __len__(self) -> int:
        return len(self.points_xy)


@dataclass(frozen=True)
class CalibrationBoard:
    """A flat board with a known pattern.

    A chessboard has to be seen whole. A ChArUco board (a chessboard with markers in its white squares) may be partly
    hidden or reach out of the picture, so that its corners come close to the picture's edges, where distortion is
    strongest.

    Attributes:
        kind: "charuco" or "chessboard".
        squares_wh: columns and rows of squares.
        square_mm: side of a square as printed, in millimetres.
        dictionary: which markers a ChArUco board has, one of ``DICTIONARIES``.

    Raises:
        SpecError: such a board cannot be made.
    """

    kind: Literal["charuco", "chessboard"] = "charuco"
    squares_wh: tuple[int, int] = (9, 6)
    square_mm: float = 25.0
    dictionary: str = "DICT_4X4_50"

    def __post_init__(self) -> None:
        columns, rows = self.squares_wh
        if not 4 <= min(columns, rows) <= max(columns, rows) <= 40:
            raise SpecError(f"A board of {columns} x {rows} squares is of no use.", hint="Take 4 to 40 squares a side.")
        if not 1 <= self.square_mm <= 1000:
            raise SpecError(f"Squares of {self.square_mm:g} mm are of no use.", hint="Take 1 to 1000 mm.")
        if self.kind == "charuco":
            if self.dictionary not in DICTIONARIES:
                raise SpecError(f"There are no markers called '{self.dictionary}'.", hint=f"Try {DICTIONARIES[0]}.")
            there = int(self.dictionary.rpartition("_")[2])
            if columns * rows // 2 > there:
                raise SpecError(
                    f"{columns} x {rows} squares need {columns * rows // 2} markers, "
                    f"but {self.dictionary} has {there}.",
                    hint="Take a dictionary with more markers, or fewer squares.",
                )

    def __str__(self) -> str:
        columns, rows = self.squares_wh
        text = f"{columns} x {rows} squares of {self.square_mm:g} mm"
        return f"ChArUco, {text}, {self.dictionary}" if self.kind == "charuco" else f"chessboard, {text}"

    @property
    def inner_wh(self) -> tuple[int, int]:
        """Columns and rows of inner corners, where four squares meet."""
        return self.squares_wh[0] - 1, self.squares_wh[1] - 1

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height of all squares together."""
        return self.squares_wh[0] * self.square_mm, self.squares_wh[1] * self.square_mm

    def corners_mm(self) -> Float32:
        """All inner corners in millimetres from the board's top left, float32 (N, 3), row by row."""
        columns, rows = self.inner_wh
        grid = np.mgrid[1 : columns + 1, 1 : rows + 1].T.reshape(-1, 2) * self.square_mm
        return np.hstack([grid, np.zeros((len(grid), 1))]).astype(np.float32)

    def picture(self, square_px: int = 100) -> Image:
        """The pattern itself without a margin, uint8 (rows * square_px, columns * square_px), black on white.

        A white margin of half a square has to be left around it.
        """
        columns, rows = self.squares_wh
        if self.kind == "charuco":
            drawn = _charuco(self).getBoard().generateImage((columns * square_px, rows * square_px))
            return np.asarray(drawn, np.uint8)
        squares = np.add.outer(np.arange(rows), np.arange(columns)) % 2
        return np.kron(squares, np.full((square_px, square_px), 255)).astype(np.uint8)

    def find(self, image: NDArray[Any]) -> BoardView | None:
        """The board in a picture, uint8 (H, W, 3) BGR or (H, W) grey; None when too little of it is seen.

        Chessboards are found by Duda and Frese, "Accurate Detection and Localization of Checkerboard Corners for
        Calibration" (BMVC 2018), ChArUco boards by their markers (Garrido-Jurado et al., 2014), both in OpenCV.
        """
        grey = np.asarray(image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        points, ids = self._find_charuco(grey) if self.kind == "charuco" else self._find_chessboard(grey)
        places = self.corners_mm()[ids]
        # Corners of one row alone say nothing about the board's plane.
        if len(ids) < _FEWEST_CORNERS or np.ptp(places[:, :2], axis=0).min() < 1.5 * self.square_mm:
            return None
        size_wh = (grey.shape[1], grey.shape[0])
        return BoardView(points, places, ids, size_wh, _blur_px(grey, points, _spacing_px(points)))

    def _find_charuco(self, grey: Image) -> tuple[Float32, NDArray[np.int64]]:
        corners, ids, _, _ = _charuco(self).detectBoard(grey)
        if ids is None or len(ids) == 0:
            return np.empty((0, 2), np.float32), np.empty(0, np.int64)
        return np.asarray(corners, np.float32).reshape(-1, 2), np.asarray(ids, np.int64).ravel()

    def _find_chessboard(self, grey: Image) -> tuple[Float32, NDArray[np.int64]]:
        shrink = min(_SEARCH_PX / max(grey.shape), 1.0)
        small_wh = (max(round(grey.shape[1] * shrink), 1), max(round(grey.shape[0] * shrink), 1))
        small = cv2.resize(grey, small_wh, interpolation=cv2.INTER_AREA) if shrink < 1 else grey
        try:
            found, corners = cv2.findChessboardCornersSB(small, self.inner_wh, flags=cv2.CALIB_CB_NORMALIZE_IMAGE)
        except cv2.error:  # a picture of a few pixels
            found, corners = False, None
        if not found or corners is None:
            return np.empty((0, 2), np.float32), np.empty(0, np.int64)
        points = np.asarray(corners, np.float32).reshape(-1, 2)
        if shrink < 1:
            larger = np.array([grey.shape[1] / small_wh[0], grey.shape[0] / small_wh[1]], np.float32)
            points = (points + np.float32(0.5)) * larger - np.float32(0.5)
            reach = max(int(_spacing_px(points) / 4), 2)
            criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 0.001)
            refined = cv2.cornerSubPix(grey, points.reshape(-1, 1, 2), (reach, reach), (-1, -1), criteria)
            points = np.asarray(refined, np.float32).reshape(-1, 2)
        return points, np.arange(len(points))


@lru_cache(maxsize=4)
def _charuco(board: CalibrationBoard) -> Any:
    """OpenCV's detector, which is slow to make."""
    markers = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))
    pattern = cv2.aruco.CharucoBoard(board.squares_wh, board.square_mm, 0.72 * board.square_mm, markers)
    return cv2.aruco.CharucoDetector(pattern)


def _spacing_px(points: Float32) -> float:
    """Distance between neighbouring corners: the median over the distances to the nearest one."""
    away = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(away, np.inf)
    return float(np.median(away.min(axis=1)))


def _blur_px(grey: Image, points: Float32, spacing_px: float) -> float:
    """Width of the black-white steps around the corners: contrast divided by the steepest slope, the median of all."""
    reach = int(np.clip(spacing_px / 3, 3, 12))
    middle = np.rint(points).astype(int)
    height, width = grey.shape
    inside = ((middle >= reach + 1) & (middle < np.array([width, height]) - reach - 1)).all(axis=1)
    if not inside.any():
        return 0.0
    across = np.arange(-reach - 1, reach + 2)
    xs, ys = middle[inside, 0], middle[inside, 1]
    patches = grey[ys[:, None, None] + across[None, :, None], xs[:, None, None] + across[None, None, :]]
    patches = patches.astype(np.float32)
    along_x = (patches[:, 1:-1, 2:] - patches[:, 1:-1, :-2]) / 2
    along_y = (patches[:, 2:, 1:-1] - patches[:, :-2, 1:-1]) / 2
    slope = np.hypot(along_x, along_y).reshape(len(xs), -1).max(axis=1)
    contrast = np.ptp(patches.reshape(len(xs), -1), axis=1)
    return float(np.median(contrast / np.maximum(slope, 1.0)))
