"""What MediaPipe's detectors share: boxes and points measured from anchors, and averaged where they overlap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Detections
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.anchors import blended, ssd_anchors
from scenescope.models.vision.decoders.boxes import cxcywh_to_xyxy, sigmoid
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["BLEND_IOU", "Anchored"]

BLEND_IOU = 0.3


class Anchored(Decoder):
    """Outputs: box and K points (1, N, 4 + 2 K) in pixels from the anchor's centre, logits (1, N, 1).

    A subclass says what is found: ``label``, how many ``points`` each has, and the type of ``result``, which has
    ``points_xy`` beside the columns of :class:`Detections`.
    """

    label: ClassVar[str]
    points: ClassVar[int]
    result: ClassVar[type[Any]]

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(card, spec, shown)
        self._anchors = ssd_anchors(spec.size_wh[0])
        names = {value.shape: name for name, value in shown.items()}
        count = len(self._anchors)
        try:
            self._boxes, self._scores = names[1, count, 4 + 2 * self.points], names[1, count, 1]
        except KeyError:
            raise ModelIncompatible(f"{card.file} has no {self.label} head of {count} anchors.") from None

    def decode(
        self,
        outputs: dict[str, NDArray[Any]],
        geometry: Geometry,
        *,
        confidence: float = 0.5,
        iou: float = BLEND_IOU,
        clip: bool = True,
        **options: Any,
    ) -> Detections:
        """What was found, in pixels of the picture, the surest first.

        Args:
            outputs: the network's.
            geometry: how the picture went in, upright.
            confidence: less sure ones are dropped.
            iou: boxes that overlap more are taken for one and averaged.
            clip: cut boxes off at the picture's borders.
            options: none.
        """
        sure = sigmoid(outputs[self._scores].reshape(-1))
        kept = np.flatnonzero(sure >= confidence)
        found = outputs[self._boxes].reshape(-1, 4 + 2 * self.points)[kept]
        centre = self._anchors[kept]
        boxes = cxcywh_to_xyxy(np.hstack([found[:, :2] + centre, found[:, 2:4]]))
        points = found[:, 4:].reshape(-1, self.points, 2) + centre[:, None]
        boxes, points, sure = blended(boxes, points, sure[kept], iou)
        made: Detections = self.result(
            xyxy=geometry.boxes(boxes, clip),
            points_xy=geometry.points(points),
            confidence=sure,
            class_id=np.zeros(len(sure), np.int64),
            class_names=(self.label,),
        )
        return made
