"""Straight lines."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from scenescope.models import Shapes
from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["HoughLines"]


class HoughLines(Stage, title="Straight lines (Hough)", group="Edges and shapes"):
    """Find straight lines along the picture's edges.

    Edges by Canny, lines by the progressive probabilistic Hough transform (Matas et al., 2000). Angles are clockwise
    from the right, above -90 to 90 degrees.
    """

    class Params(StageParams):
        edge_low: int = Field(50, ge=0, le=255, description="Weaker edges are dropped.")
        edge_high: int = Field(150, ge=0, le=255, description="Stronger edges are always kept.")
        votes: int = Field(60, ge=1, le=2000, description="How many edge pixels must agree on a line.")
        min_length_px: float = Field(50, ge=1, le=5000, description="Shorter lines are left out.")
        max_gap_px: float = Field(5, ge=0, le=500, description="Gaps up to this are bridged.")
        step_deg: float = Field(0.5, ge=0.1, le=5, description="How finely angles are told apart.")
        most: int = Field(200, ge=1, le=5000, description="At most so many, the longest first.")
        look_at_px: int = Field(
            1280, ge=64, le=16384, description="A picture whose longest side is more is looked at in this size."
        )

    def process(self, frame: Frame) -> Frame:
        p = self.params
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        shrink = min(p.look_at_px / max(frame.size_wh), 1.0)
        if shrink < 1:
            grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        lines = cv2.HoughLinesP(
            cv2.Canny(grey, p.edge_low, p.edge_high),
            1,
            np.radians(p.step_deg),
            max(round(p.votes * shrink), 1),
            minLineLength=p.min_length_px * shrink,
            maxLineGap=p.max_gap_px * shrink,
        )
        # The shrunk size is rounded, so each axis has a scale of its own.
        scale = np.array(frame.size_wh) / np.array([grey.shape[1], grey.shape[0]])
        ends = (np.reshape(() if lines is None else lines, (-1, 2, 2)) + 0.5) * scale
        along = ends[:, 1] - ends[:, 0]
        length = np.hypot(along[:, 0], along[:, 1])
        angle = 90 - np.mod(90 - np.degrees(np.arctan2(along[:, 1], along[:, 0])), 180)
        longest = np.argsort(-length, kind="stable")[: p.most]
        shapes = Shapes(
            points=tuple(ends[longest]),
            measures=np.stack([length, angle], axis=1)[longest],
            measure_names=("length_px", "angle_deg"),
            kind="line",
        )
        return frame.with_result(self.context.stage_id, shapes)
