"""Circles."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from scenescope.models import Shapes
from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["HoughCircles"]

_CORNERS = 64


class HoughCircles(Stage, title="Circles (Hough)", group="Edges and shapes"):
    """Find circles: coins, wheels, pupils.

    OpenCV's gradient Hough transform in its later form (``HOUGH_GRADIENT_ALT``), in which a circle counts by the part
    of its outline that is seen.
    """

    class Params(StageParams):
        min_radius_px: int = Field(10, ge=2, le=5000, description="Smaller circles are left out.")
        max_radius_px: int = Field(200, ge=3, le=10000, description="Larger circles are left out.")
        min_distance_px: float = Field(20, ge=1, le=5000, description="Least distance between two centres.")
        roundness: float = Field(0.8, ge=0.3, le=0.99, description="How perfect a circle must be; 1 is perfect.")
        edge: int = Field(300, ge=30, le=2000, description="Strength of the edges that are followed (Scharr).")
        smooth_px: float = Field(1.5, ge=0, le=20, description="Blur before, against ragged edges.")
        most: int = Field(50, ge=1, le=1000, description="At most so many, the surest first.")
        look_at_px: int = Field(
            1280, ge=64, le=16384, description="A picture whose longest side is more is looked at in this size."
        )

    def process(self, frame: Frame) -> Frame:
        p = self.params
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        shrink = min(p.look_at_px / max(frame.size_wh), 1.0)
        if shrink < 1:
            grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        if p.smooth_px:
            grey = cv2.GaussianBlur(grey, (0, 0), p.smooth_px)
        circles = cv2.HoughCircles(
            grey,
            cv2.HOUGH_GRADIENT_ALT,
            1.5,
            max(p.min_distance_px * shrink, 1.0),
            param1=p.edge,
            param2=p.roundness,
            minRadius=round(p.min_radius_px * shrink),
            maxRadius=max(round(max(p.max_radius_px, p.min_radius_px) * shrink), 1),
        )
        scale = max(frame.size_wh) / max(grey.shape)
        found = np.reshape(() if circles is None else circles, (-1, 3))[: p.most].astype(np.float64)
        found[:, :2] += 0.5
        found *= scale
        around = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
        circle = np.stack([np.cos(around), np.sin(around)], axis=1)
        shapes = Shapes(
            points=tuple(found[:, None, :2] + found[:, 2, None, None] * circle),
            caption=tuple(f"r {radius:.0f} px" for radius in found[:, 2]),
            measures=found,
            measure_names=("centre_x_px", "centre_y_px", "radius_px"),
            closed=True,
            kind="circle",
        )
        return frame.with_result(self.context.stage_id, shapes)
