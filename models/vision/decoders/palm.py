"""Palms with seven points each (Zhang et al., "MediaPipe Hands", 2020; Google MediaPipe, Apache-2.0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Detections
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.anchors import blended, ssd_anchors
from scenescope.models.vision.decoders.boxes import cxcywh_to_xyxy, sigmoid
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["PALM_POINTS", "Palm", "Palms"]

PALM_POINTS = ("wrist", "index_mcp", "middle_mcp", "ring_mcp", "little_mcp", "thumb_cmc", "thumb_mcp")
BLEND_IOU = 0.3
VALUES = 4 + 2 * len(PALM_POINTS)


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


class Palm(Decoder):
    """Outputs: box and points (1, N, 18) in pixels from the anchor's centre, logits (1, N, 1)."""

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(card, spec, shown)
        self._anchors = ssd_anchors(spec.size_wh[0])
        names = {value.shape: name for name, value in shown.items()}
        count = len(self._anchors)
        try:
            self._boxes, self._scores = names[1, count, VALUES], names[1, count, 1]
        except KeyError:
            raise ModelIncompatible(f"{card.file} has no palm head of {count} anchors.") from None

    def decode(
        self,
        outputs: dict[str, NDArray[Any]],
        geometry: Geometry,
        *,
        confidence: float = 0.5,
        iou: float = BLEND_IOU,
        clip: bool = True,
        **options: Any,
    ) -> Palms:
        """Palms in pixels of the picture, the surest first.

        Args:
            outputs: the network's.
            geometry: how the picture went in, upright.
            confidence: less sure palms are dropped.
            iou: boxes that overlap more are taken for one palm and averaged.
            clip: cut boxes off at the picture's borders.
            options: none.
        """
        sure = sigmoid(outputs[self._scores].reshape(-1))
        kept = np.flatnonzero(sure >= confidence)
        found = outputs[self._boxes].reshape(-1, VALUES)[kept]
        centre = self._anchors[kept]
        boxes = cxcywh_to_xyxy(np.hstack([found[:, :2] + centre, found[:, 2:4]]))
        points = found[:, 4:].reshape(-1, len(PALM_POINTS), 2) + centre[:, None]
        boxes, points, sure = blended(boxes, points, sure[kept], iou)
        return Palms(
            xyxy=geometry.boxes(boxes, clip),
            points_xy=geometry.points(points),
            confidence=sure,
            class_id=np.zeros(len(sure), np.int64),
            class_names=("palm",),
        )
