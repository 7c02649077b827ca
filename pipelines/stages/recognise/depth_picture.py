"""Depth shown instead of the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import DenseMap
from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["DepthPicture"]


class DepthPicture(Stage, title="Depth as picture", group="Detect and recognise", kind="depth_picture"):
    """Show the depth that a stage before found in place of the picture, near things bright.

    It is a stage of its own because depth networks are slow: live, the newest depth there is is shown.
    """

    class Params(StageParams):
        colours: Literal["inferno", "magma", "viridis", "turbo", "bone"] = Field(
            "inferno", description="Which colours stand for far to near."
        )
        near_m: float = Field(0.0, ge=0, le=1000, description="So near is brightest; 0 and 0 take what there is.")
        far_m: float = Field(
            0.0, ge=0, le=1000, description="So far is darkest. Both are for networks that give metres."
        )

    def process(self, frame: Frame) -> Frame:
        latest = frame.latest(DenseMap)
        if latest is None or latest[1].kind != "depth" or not len(latest[1]):
            return frame
        name, depth = latest
        picture = cv2.applyColorMap(self._brightness(depth), getattr(cv2, f"COLORMAP_{self.params.colours.upper()}"))
        # warpPerspective puts pixel centres at whole numbers; ours lie half a pixel further.
        half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
        into = np.linalg.inv(half) @ depth.to_picture @ half
        spread = cv2.warpPerspective(picture, into, frame.size_wh, borderMode=cv2.BORDER_REPLICATE)
        # What is the picture now need not be laid over it again.
        rest = {name: replace(frame.results[name], value=depth[:0], to_source=frame.to_source)}
        return frame.with_image(spread).with_results(rest)

    def _brightness(self, depth: DenseMap) -> NDArray[np.uint8]:
        """uint8 (h, w), 255 for near."""
        values, p = depth.values[0], self.params
        low, high = float(values.min()), float(values.max())
        if depth.unit == "m":
            if p.far_m > p.near_m:
                low, high = p.near_m, p.far_m
            # Metres grow with distance, the values of networks without a unit with nearness.
            low, high = high, low
        span = high - low
        shares = (values - low) / span if span else np.zeros_like(values)
        return np.asarray(np.rint(np.clip(shares, 0, 1) * 255), np.uint8)
