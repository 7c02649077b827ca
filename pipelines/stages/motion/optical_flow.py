"""Optical flow: where every pixel goes."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import DenseMap, ResultBatch, Shapes
from scenescope.pipelines import Frame, Stage, StageContext, StageParams
from scenescope.pipelines.stages._continuity import Continuity, small_grey

__all__ = ["OpticalFlow"]

Flow = NDArray[np.float32]

_PRESETS = {
    "fast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "balanced": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "exact": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
_WHEELS = {"twilight": cv2.COLORMAP_TWILIGHT, "rainbow": cv2.COLORMAP_HSV}
_REST = np.float32(40)
# OpenCV 5.0 crashes on flat pictures whose shorter side has less than 32 pixels.
_LEAST_SIDE_PX = 64


class OpticalFlow(Stage, title="Optical flow", group="Motion", stateful=True):
    """Show where every part of the picture moves, as arrows, as a map of the speed, or in colours.

    Dense inverse search (Kroeger et al., ECCV 2016) between this picture and the one before.
    """

    class Params(StageParams):
        show: Literal["arrows", "speed", "colours"] = Field(
            "arrows", description="Arrows over the picture, a map of the speed over it, or colours in its place."
        )
        palette: Literal["twilight", "rainbow"] = Field(
            "twilight", description="Colours of the directions; twilight is safe for the colour-blind."
        )
        quality: Literal["fast", "balanced", "exact"] = Field("balanced", description="Preset of the method.")
        side_px: int = Field(320, ge=64, le=1280, description="Longer side of the picture that is looked at.")
        still_px: float = Field(1.0, ge=0, le=50, description="Slower motion, in pixels a frame, has no arrow.")
        spacing_percent: float = Field(4.0, ge=1, le=50, description="Distance of the arrows, in % of the longer side.")
        arrow_times: float = Field(3.0, ge=0.5, le=50, description="How much longer than the motion an arrow is.")
        full_speed_px: float = Field(
            15.0, ge=0.5, le=500, description="Motion, in pixels a frame, that is shown in full colour."
        )

    def needs_reopen(self, params: StageParams) -> bool:
        return bool(params.quality != self.params.quality)  # type: ignore[attr-defined]

    def open(self, context: StageContext) -> None:
        self._method: Any = cv2.DISOpticalFlow.create(_PRESETS[self.params.quality])
        self._continuity = Continuity()
        self._before: NDArray[np.uint8] | None = None

    def process(self, frame: Frame) -> Frame:
        grey = small_grey(frame, self.params.side_px)
        before, self._before = self._before, grey
        flow = np.zeros((*grey.shape, 2), np.float32)
        if not self._continuity.broken(frame, grey) and before is not None and before.shape == grey.shape:
            flow = self._flow(before, grey)
            flow *= np.array(frame.size_wh, np.float32) / (grey.shape[1], grey.shape[0])
        if self.params.show == "colours":
            return frame.with_image(self._coloured(flow, frame.size_wh))
        return frame.with_result(self.context.stage_id, self._result(flow, frame.size_wh))

    def _flow(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Flow:
        height, width = before.shape
        bottom, right = max(_LEAST_SIDE_PX - height, 0), max(_LEAST_SIDE_PX - width, 0)
        a, b = (cv2.copyMakeBorder(p, 0, bottom, 0, right, cv2.BORDER_REPLICATE) for p in (before, after))
        return np.ascontiguousarray(self._method.calc(a, b, None)[:height, :width], np.float32)

    def _result(self, flow: Flow, size_wh: tuple[int, int]) -> ResultBatch:
        if self.params.show == "speed":
            return DenseMap.covering(np.linalg.norm(flow, axis=2), size_wh, "motion", "px/frame")
        return self._arrows(flow, size_wh)

    def _arrows(self, flow: Flow, size_wh: tuple[int, int]) -> Shapes:
        """One arrow for each cell of a grid, along the mean motion of the cell."""
        spacing_px = max(size_wh) * self.params.spacing_percent / 100
        columns, rows = (max(round(size / spacing_px), 1) for size in size_wh)
        columns, rows = min(columns, flow.shape[1]), min(rows, flow.shape[0])
        mean = np.asarray(cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA)).reshape(rows, columns, 2)
        speed = np.linalg.norm(mean, axis=2)
        y, x = np.nonzero(speed > self.params.still_px)
        start = (np.stack([x, y], axis=1) + 0.5) * np.array(size_wh) / (columns, rows)
        end = start + self.params.arrow_times * mean[y, x]
        return Shapes(
            points=tuple(np.stack([start, end], axis=1)),
            measures=np.column_stack([mean[y, x], speed[y, x]]),
            measure_names=("x_px_per_frame", "y_px_per_frame", "speed_px_per_frame"),
            arrow=True,
            kind="flow",
        )

    def _coloured(self, flow: Flow, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        """The direction as a colour on a wheel, the speed as its strength; what rests is dark grey."""
        speed = np.linalg.norm(flow, axis=2)
        turn = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1.0
        wheel = np.asarray(cv2.applyColorMap((turn * 255).astype(np.uint8), _WHEELS[self.params.palette]), np.float32)
        strength = np.clip(speed / self.params.full_speed_px, 0, 1)[..., None]
        small = (wheel * strength + _REST * (1 - strength)).astype(np.uint8)
        return np.asarray(cv2.resize(small, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
