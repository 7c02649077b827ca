"""CenterNet: objects as peaks of a heat map (Zhou et al., Objects as Points, 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Detections
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.boxes import sigmoid
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["CenterNet"]

MOST_PEAKS = 100

Array = NDArray[Any]


class CenterNet(Decoder):
    """Outputs a heat map (1, C, h, w), sizes (1, 2, h, w) and offsets (1, 2, h, w), all in cells; or channels last.

    A peak is a cell that is the largest of its 3 x 3 neighbours. The two-channel outputs are told apart by their
    names ("wh", "size" against "reg", "off"), else the first is the size, as published. Options of the card:
    ``probabilities`` (True when the heat map is in 0..1 already; otherwise told from the outputs for zeros).
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, Array]) -> None:
        super().__init__(card, spec, shown)
        maps = {name: value.shape for name, value in shown.items() if value.ndim == 4}
        axis = 1 if all(shape[2] * spec.size_wh[0] == shape[3] * spec.size_wh[1] for shape in maps.values()) else 3
        self._last = axis == 3
        cells = {shape[1:3] if self._last else shape[2:] for shape in maps.values()}
        two = [name for name, shape in maps.items() if shape[axis] == 2]
        named = [name for name in two if _says(name, "hm", "heat", "center", "score")]
        wide = [name for name in maps if name not in two] or named or two[:1]
        two = [name for name in two if name != wide[0]] if wide else two
        if len(maps) < 2 or len(cells) != 1 or not wide or not two:
            raise ModelIncompatible(f"{card.file} has no heat map with sizes beside it, as CenterNet has.")
        self._heat = wide[0]
        self._size = next((n for n in two if _says(n, "wh", "size")), None) or next(
            (n for n in two if not _says(n, "off", "reg")), two[0]
        )
        self._offset = next((n for n in two if n != self._size), None)
        height, width = cells.pop()
        self._stride_xy = np.array([spec.size_wh[0] / width, spec.size_wh[1] / height], np.float32)
        heat = shown[self._heat]
        self._logits = not card.options.get("probabilities", bool(heat.min() >= 0 and heat.max() <= 1))

    def decode(
        self, outputs: dict[str, Array], geometry: Geometry, *, confidence: float = 0.3, **options: Any
    ) -> Detections:
        """Boxes in pixels of the picture, the surest first.

        Args:
            outputs: the network's.
            geometry: how the picture went in.
            confidence: lower peaks are dropped.
            options: none; peaks need no suppression of overlapping boxes.
        """
        maps = {name: np.moveaxis(v[0], -1, 0) if self._last else v[0] for name, v in outputs.items() if v.ndim == 4}
        heat = np.nan_to_num(maps[self._heat].astype(np.float32), nan=-np.inf)
        heat = sigmoid(heat) if self._logits else heat
        around = np.stack([cv2.dilate(np.ascontiguousarray(layer), np.ones((3, 3), np.uint8)) for layer in heat])
        class_id, y, x = np.nonzero((heat >= confidence) & (heat == around))
        sure = heat[class_id, y, x]
        best = np.argsort(-sure, kind="stable")[:MOST_PEAKS]
        class_id, y, x, sure = class_id[best], y[best], x[best], np.clip(sure[best], 0, 1)
        offset = maps[self._offset][:, y, x].T if self._offset else np.full((len(x), 2), 0.5, np.float32)
        centre = np.stack([x, y], axis=1) + offset
        half = maps[self._size][:, y, x].T / 2
        good = np.isfinite(centre).all(axis=1) & np.isfinite(half).all(axis=1)
        centre, half, sure, class_id = centre[good], half[good], sure[good], class_id[good]
        xyxy = np.hstack([centre - half, centre + half]) * np.tile(self._stride_xy, 2)
        return Detections(
            xyxy=geometry.boxes(xyxy),
            confidence=sure,
            class_id=class_id,
            class_names=self.card.labels,
        )


def _says(name: str, *words: str) -> bool:
    return any(word in name.lower() for word in words)
