"""Palms with seven points each (Zhang et al., "MediaPipe Hands", 2020; Google MediaPipe, Apache-2.0)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scenescope.models.results import Detections
from scenescope.models.vision.decoders.anchored import Anchored

__all__ = ["PALM_POINTS", "Palm", "Palms"]

PALM_POINTS = ("wrist", "index_mcp", "middle_mcp", "ring_mcp", "little_mcp", "thumb_cmc", "thumb_mcp")


@dataclass(frozen=True, eq=False)
class Palms(Detections):
    """Boxes around palms, without the fingers: ``points_xy`` float32 (N, 7, 2) in pixels, as :data:`PALM_POINTS`."""

    points_xy: NDArray[np.floating[Any]] = field(
        default_factory=lambda: np.empty((0, len(PALM_POINTS), 2), np.float32), metadata={"per_object": True}
    )

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """Boxes and points in the coordinates of another picture."""
        mapped = self.points_xy @ matrix[:2, :2].T + matrix[:2, 2]
        scale = self.points_xy @ matrix[2, :2] + matrix[2, 2]
        return replace(super().warped(matrix), points_xy=(mapped / scale[..., None]).astype(np.float32))


class Palm(Anchored):
    """Decodes to :class:`Palms`."""

    label = "palm"
    points = len(PALM_POINTS)
    result = Palms
