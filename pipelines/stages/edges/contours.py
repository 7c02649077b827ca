"""Outlines of areas, with measurements."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Shapes
from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Contours"]

_BGR = ("blue", "green", "red")


class Contours(Stage, title="Contours", group="Edges and shapes"):
    """Outline areas that are lighter or darker than a threshold, and measure them.

    Outlines are followed by Suzuki and Abe (1985). The area is the exact number of pixels, by Pick's theorem; the
    perimeter is that of the outline without its staircase (Douglas and Peucker, 1 px), half a pixel outside the
    middles of its pixels; circularity is 4 pi area / perimeter², 1 for a disc; solidity is the area divided by that
    of its convex hull; the orientation is that of the longest extent, clockwise from the right, by second moments.
    """

    class Params(StageParams):
        channel: Literal["grey", "red", "green", "blue", "saturation"] = Field("grey", description="What is looked at.")
        areas: Literal["light", "dark"] = Field("light", description="Outline what is lighter, or what is darker.")
        automatic: bool = Field(True, description="Take the threshold from the picture (Otsu).")
        level: int = Field(127, ge=0, le=255, description="The threshold when it is not automatic.")
        smooth_px: float = Field(1.0, ge=0, le=20, description="Blur before the threshold, against ragged outlines.")
        holes: bool = Field(False, description="Also outline holes, and areas in them.")
        min_area_px2: float = Field(200, ge=0, title="Smallest area (px²)", description="Smaller ones are left out.")
        max_area_px2: float | None = Field(
            None, ge=0, title="Largest area (px²)", description="Larger ones are left out."
        )
        most: int = Field(200, ge=1, le=5000, description="At most so many, the largest first.")
        simplify_px: float = Field(0, ge=0, le=50, description="How far the drawn outline may leave the exact one.")
        captions: bool = Field(False, description="Write the area beside each outline.")

    def process(self, frame: Frame) -> Frame:
        p = self.params
        mode = cv2.RETR_CCOMP if p.holes else cv2.RETR_EXTERNAL
        lines, tree = cv2.findContours(self.binary(frame.image), mode, cv2.CHAIN_APPROX_SIMPLE)
        holes = tree[0, :, 3] >= 0 if tree is not None else np.empty(0, bool)
        areas = np.array([_area_px2(line, hole) for line, hole in zip(lines, holes, strict=True)])
        fits = (areas >= p.min_area_px2) & (areas <= (p.max_area_px2 or np.inf))
        chosen = [i for i in np.argsort(-areas, kind="stable").tolist() if fits[i]][: p.most]
        measures = np.array([_measures(lines[i], areas[i], bool(holes[i])) for i in chosen], np.float32)
        drawn = [cv2.approxPolyDP(lines[i], p.simplify_px, True) if p.simplify_px else lines[i] for i in chosen]
        shapes = Shapes(
            points=tuple(line.reshape(-1, 2) + np.float32(0.5) for line in drawn),
            caption=tuple(f"{areas[i]:.0f} px2" for i in chosen) if p.captions else (),
            measures=measures.reshape(-1, 6),
            measure_names=("area_px2", "perimeter_px", "circularity", "solidity", "orientation_deg", "is_hole"),
            closed=True,
            kind="contour",
        )
        return frame.with_result(self.context.stage_id, shapes)

    def binary(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What is outlined, uint8 (H, W), 255 inside."""
        p = self.params
        if p.channel in _BGR:
            grey = cv2.extractChannel(image, _BGR.index(p.channel))
        elif p.channel == "saturation":
            grey = cv2.extractChannel(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), 1)
        else:
            grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        if p.smooth_px:
            grey = cv2.GaussianBlur(grey, (0, 0), p.smooth_px)
        kind = cv2.THRESH_BINARY if p.areas == "light" else cv2.THRESH_BINARY_INV
        found = cv2.threshold(grey, p.level, 255, kind | (cv2.THRESH_OTSU if p.automatic else 0))[1]
        return np.asarray(found, np.uint8)


def _area_px2(line: NDArray[Any], hole: bool) -> float:
    """How many pixels an outline through the middles of pixels encloses: with its own, or for a hole without them."""
    points = line[:, 0]
    on_it = np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum()
    return float(cv2.contourArea(line) + (1 - on_it / 2 if hole else 1 + on_it / 2))


def _measures(line: NDArray[Any], area_px2: float, hole: bool) -> tuple[float, ...]:
    perimeter = cv2.arcLength(cv2.approxPolyDP(line, 1.0, True), True)
    # Half a pixel further out or in, a closed outline is longer or shorter by pi (Steiner's formula).
    perimeter = max(perimeter + (-np.pi if hole else np.pi), 1.0)
    hull = cv2.contourArea(cv2.convexHull(line))
    moments = cv2.moments(line)
    turned = 0.5 * np.degrees(np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"]))
    circularity = min(4 * np.pi * area_px2 / perimeter**2, 1.0)
    solidity = cv2.contourArea(line) / hull if hull > 0 else 1.0
    return area_px2, perimeter, circularity, solidity, float(turned), float(hole)
