"""SSD and all that gives boxes, classes and scores in outputs of their own.

Sources: Liu et al., SSD (2016); the TensorFlow Object Detection API's exports; torchvision's detection networks.
"""

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

__all__ = ["Ssd", "tell_apart"]

CONFIDENCE = 0.3
NMS_IOU = 0.6

Array = NDArray[Any]


class Ssd(Decoder):
    """Boxes with scores, in one of two forms, told by the shapes.

    *Final*: boxes (1, N, 4) or (N, 4), one class and one score a box, each (1, N) or (N,), and perhaps how many boxes
    count, (1,). The order of outputs differs from export to export, so classes and scores are told apart by type, name
    and value. *Candidates*: boxes (1, N, 4) and a score for every class, (1, N, C), which are still to be suppressed.

    Options of the card: ``boxes`` ("yxyx" as TensorFlow has them, which is assumed where a count is given, or "xyxy",
    "xywh" with the centre first), ``normalised`` (True when they are fractions of the input; assumed for yxyx),
    ``first_class`` (the number of the first label, 0), ``background`` (True when the first column of scores is that
    of nothing).
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, Array]) -> None:
        super().__init__(card, spec, shown)
        boxes = [name for name, value in shown.items() if 2 <= value.ndim <= 4 and value.shape[-1] == 4]
        if not boxes:
            raise ModelIncompatible(f"{card.file} has no output of boxes (N, 4).")
        self._boxes = max(boxes, key=lambda name: shown[name].ndim)
        count = _squeezed(shown[self._boxes]).shape[0]
        rest = {n: v for n, v in shown.items() if n != self._boxes}
        self._columns = [
            n for n, v in rest.items() if v.ndim <= 2 and v.shape[-1] == count and v.shape[:-1] in ((), (1,))
        ]
        self._counts = [n for n, v in rest.items() if v.size == 1 and n not in self._columns]
        wide = [n for n, v in rest.items() if v.ndim == 3 and v.shape[1] == count and v.shape[2] > 1]
        self._scores = wide[0] if wide and len(self._columns) < 2 else None
        if self._scores is None and len(self._columns) < 2:
            raise ModelIncompatible(f"{card.file} has boxes, but no output of classes or scores that go with them.")
        order = card.options.get("boxes") or ("yxyx" if self._counts else "xyxy")
        self._order = str(order)
        self._normalised = bool(card.options.get("normalised", self._order == "yxyx" or self._scores is not None))

    def decode(
        self,
        outputs: dict[str, Array],
        geometry: Geometry,
        *,
        confidence: float = CONFIDENCE,
        iou: float = NMS_IOU,
        **options: Any,
    ) -> Detections:
        """Boxes in pixels of the picture, the surest first.

        Args:
            outputs: the network's.
            geometry: how the picture went in.
            confidence: less sure boxes are dropped.
            iou: of two boxes of a class that overlap more, the surer one is kept; used for candidates only.
            options: none.
        """
        boxes = _squeezed(outputs[self._boxes])
        if self._scores is not None:
            scores = outputs[self._scores][0]
            scores = scores[:, 1:] if self.card.options.get("background") else scores
            index, class_id = np.nonzero(scores >= confidence)
            boxes, sure = boxes[index], scores[index, class_id]
        else:
            classes, scores = tell_apart({name: outputs[name] for name in self._columns})
            given = float(outputs[self._counts[0]].reshape(-1)[0]) if self._counts else len(scores)
            count = int(given) if np.isfinite(given) else 0
            index = np.flatnonzero(scores[:count] >= confidence)
            boxes, sure = boxes[index], scores[index]
            numbers = np.where(np.isfinite(classes[index]), classes[index], -1).astype(np.int64)
            class_id = numbers - int(self.card.options.get("first_class", 0))
        xyxy = self._xyxy(boxes)
        good = np.isfinite(xyxy).all(axis=1) & np.isfinite(sure)
        xyxy, sure, class_id = xyxy[good], np.clip(sure[good], 0, 1), class_id[good]
        final = self._scores is None
        kept = np.argsort(-sure, kind="stable") if final else suppressed(xyxy, sure, class_id, iou)
        return Detections(
            xyxy=geometry.boxes(xyxy[kept]),
            confidence=sure[kept],
            class_id=class_id[kept],
            class_names=self.card.labels,
        )

    def _xyxy(self, boxes: Array) -> Array:
        """Left, top, right, bottom in pixels of the input, float32 (N, 4)."""
        boxes = boxes.astype(np.float32)
        if self._order == "yxyx":
            boxes = boxes[:, [1, 0, 3, 2]]
        elif self._order == "xywh":
            half = boxes[:, 2:] / 2
            boxes = np.hstack([boxes[:, :2] - half, boxes[:, :2] + half])
        width, height = self.spec.size_wh
        return boxes * np.array([width, height, width, height], np.float32) if self._normalised else boxes


def tell_apart(columns: Mapping[str, Array]) -> tuple[Array, Array]:
    """Classes and scores, each (N,), of outputs that may be either."""
    flat = {name: value.reshape(-1) for name, value in columns.items()}
    whole = {name: not np.issubdtype(value.dtype, np.floating) for name, value in flat.items()}
    if len(set(whole.values())) == 1:
        whole = {n: any(word in n.lower() for word in ("class", "label")) and "score" not in n.lower() for n in flat}
    if sum(whole.values()) != 1:
        # Scores are fractions, classes whole numbers.
        safe = {n: np.nan_to_num(v, posinf=0.0, neginf=0.0) for n, v in flat.items()}
        fraction = {n: float(np.abs(v - np.rint(v)).sum()) + float((v > 1).sum() == 0) for n, v in safe.items()}
        least = min(fraction, key=lambda n: fraction[n])
        whole = {name: name == least for name in flat}
    classes = next(flat[name] for name, is_class in whole.items() if is_class)
    scores = next(flat[name] for name, is_class in whole.items() if not is_class)
    return classes, scores


def _squeezed(boxes: Array) -> Array:
    """(1, N, 4), (1, N, 1, 4) or (N, 4) as (N, 4)."""
    return boxes.reshape(-1, 4)
