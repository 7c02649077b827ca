"""DETR and its descendants, RT-DETR among them: a fixed set of queries, each an object or none.

Sources: Carion et al., DETR (2020); Zhu et al., Deformable DETR (2021); Zhao et al., RT-DETR (2024).
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
from scenescope.models.vision.decoders.boxes import cxcywh_to_xyxy, sigmoid
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["Detr"]

MOST_OBJECTS = 300

Array = NDArray[Any]


class Detr(Decoder):
    """Boxes (1, Q, 4), centre and size as fractions of the input, and classes (1, Q, C); or both in one output.

    One output of (1, Q, 6) holds box, score and class, as Ultralytics exports RT-DETR.
    ``card.options["scores"]`` says what the values of classes are: "softmax" for logits with "no object" in the last
    column (DETR), "sigmoid" for independent logits (Deformable DETR, RT-DETR), "probability". Where it is not given:
    "softmax" if there is one column more than labels, else told from the outputs for zeros.
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, Array]) -> None:
        super().__init__(card, spec, shown)
        rows = {name: value for name, value in shown.items() if value.ndim == 3 and len(value) == 1}
        boxes = [name for name, value in rows.items() if value.shape[2] == 4]
        wide = [name for name, value in rows.items() if value.shape[2] != 4] or boxes[1:]
        if not wide or (boxes and rows[boxes[0]].shape[1] != rows[wide[0]].shape[1]):
            raise ModelIncompatible(f"{card.file} has no queries with boxes and classes, as DETR has.")
        self._boxes = boxes[0] if boxes else None
        self._wide = wide[0]
        values = rows[self._wide][0]
        self._final = self._boxes is None and values.shape[1] == 6 and card.options.get("scores") in (None, "final")
        if self._boxes is None and values.shape[1] < 5:
            raise ModelIncompatible(f"{card.file} has no output of boxes (1, queries, 4).")
        scores = values if self._boxes else values[:, 4:]
        given = card.options.get("scores")
        if given is None and not self._final:
            if card.labels and scores.shape[1] == len(card.labels) + 1:
                given = "softmax"
            else:
                given = "probability" if scores.min() >= 0 and scores.max() <= 1 else "sigmoid"
        self.scores: str = given or "final"

    def decode(
        self, outputs: dict[str, Array], geometry: Geometry, *, confidence: float = 0.5, **options: Any
    ) -> Detections:
        """Boxes in pixels of the picture, the surest first.

        Args:
            outputs: the network's.
            geometry: how the picture went in.
            confidence: less sure queries are dropped.
            options: none; queries do not repeat each other, so nothing is suppressed.
        """
        wide = outputs[self._wide][0]
        boxes, scores = (outputs[self._boxes][0], wide) if self._boxes else (wide[:, :4], wide[:, 4:])
        if self._final:
            sure, classes = scores[:, 0], scores[:, 1]
            query = np.flatnonzero((sure >= confidence) & np.isfinite(classes))
            sure, class_id = sure[query], classes[query].astype(np.int64)
        else:
            probability = self._probability(np.nan_to_num(scores.astype(np.float32), nan=-1e4, posinf=1e4, neginf=-1e4))
            if self.scores == "softmax":
                query = np.flatnonzero(probability.max(axis=1) >= confidence)
                class_id = probability[query].argmax(axis=1)
            else:
                query, class_id = np.nonzero(probability >= confidence)
            sure = probability[query, class_id]
        found = boxes[query].astype(np.float32)
        good = np.flatnonzero(np.isfinite(found).all(axis=1) & np.isfinite(sure))
        best = good[np.argsort(-sure[good], kind="stable")][:MOST_OBJECTS]
        xyxy = cxcywh_to_xyxy(found[best]) * np.array(self.spec.size_wh * 2, np.float32)
        return Detections(
            xyxy=geometry.boxes(xyxy),
            confidence=np.clip(sure[best], 0, 1),
            class_id=class_id[best],
            class_names=self.card.labels,
        )

    def _probability(self, scores: Array) -> Array:
        if self.scores == "softmax":
            exp = np.exp(scores - scores.max(axis=1, keepdims=True))
            share: Array = exp[:, :-1] / exp.sum(axis=1, keepdims=True)
            return share
        return sigmoid(scores) if self.scores == "sigmoid" else np.clip(scores, 0, 1)
