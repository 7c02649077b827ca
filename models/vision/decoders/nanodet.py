"""NanoDet: an anchor-free one-stage detector with generalised focal loss (RangiLyu/nanodet, Apache-2.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Detections
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.boxes import suppressed
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["NanoDet"]

STRIDES = (8, 16, 32)
NMS_IOU = 0.6


class NanoDet(Decoder):
    """Outputs for strides 8, 16, 32: class scores (n, classes) in 0..1 and box sides (n, 4 x bins).

    A side is a distribution over the distance from the cell's centre in strides (Li et al., Generalized Focal Loss,
    2020). ``card.options["bins"]`` is how many distances there are, 11 unless it says otherwise.
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(card, spec, shown)
        self._bins = int(card.options.get("bins", 11))
        shapes = {name: value.reshape(-1, value.shape[-1]).shape for name, value in shown.items() if value.ndim > 1}
        self._levels = []
        for stride in STRIDES:
            cells = (spec.size_wh[0] // stride) * (spec.size_wh[1] // stride)
            score = [n for n, shape in shapes.items() if shape == (cells, len(card.labels))]
            box = [n for n, shape in shapes.items() if shape == (cells, 4 * self._bins)]
            if len(score) != 1 or len(box) != 1:
                raise ModelIncompatible(f"{card.file} has no NanoDet head of stride {stride}.")
            self._levels.append((score[0], box[0], stride, _cell_centres(spec.size_wh, stride)))

    def decode(
        self,
        outputs: dict[str, NDArray[Any]],
        geometry: Geometry,
        *,
        confidence: float = 0.3,
        iou: float = NMS_IOU,
        **options: Any,
    ) -> Detections:
        """Boxes in pixels of the picture, the surest first.

        Args:
            outputs: the network's.
            geometry: how the picture went in.
            confidence: less sure boxes are dropped.
            iou: of two boxes of a class that overlap more, the surer one is kept.
            options: none.
        """
        boxes, scores, classes = [], [], []
        for score_name, box_name, stride, centres in self._levels:
            score = outputs[score_name].reshape(-1, outputs[score_name].shape[-1])
            # Threshold first: of 3,549 cells a few dozen remain, and only their distributions are decoded.
            # One cell may report several classes, as in the published decoder: keeping only the likeliest class of
            # each cell found "car" in 37 % instead of 56 % of the frames of a top-down clip that show one.
            cell, cls = np.nonzero(score >= confidence)
            if not len(cell):
                continue
            sides = _expected_distance(outputs[box_name].reshape(-1, 4, self._bins)[cell]) * stride
            centre = centres[cell]
            boxes.append(np.hstack([centre - sides[:, :2], centre + sides[:, 2:]]))
            scores.append(score[cell, cls])
            classes.append(cls)
        if not boxes:
            return Detections(class_names=self.card.labels)
        xyxy, sure, class_id = np.vstack(boxes), np.concatenate(scores), np.concatenate(classes)
        kept = suppressed(xyxy, sure, class_id, iou)
        return Detections(
            xyxy=geometry.boxes(xyxy[kept]),
            confidence=sure[kept],
            class_id=class_id[kept],
            class_names=self.card.labels,
        )


def _cell_centres(size_wh: tuple[int, int], stride: int) -> NDArray[np.float32]:
    """Centres (x, y) of the cells of one stride, row by row, float32 (n, 2)."""
    y, x = np.mgrid[0 : size_wh[1] // stride, 0 : size_wh[0] // stride]
    centres: NDArray[np.float32] = ((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride).astype(np.float32)
    return centres


def _expected_distance(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax over the last axis, then the expected bin: (n, 4, bins) to (n, 4)."""
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    mean: NDArray[np.float32] = exp @ np.arange(exp.shape[-1], dtype=np.float32) / exp.sum(axis=-1)
    return mean
