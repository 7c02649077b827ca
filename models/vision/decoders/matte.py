"""Mattes: for every pixel how likely it shows a person, as one smooth area."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Masks
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["Matte"]

_HALF = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])


class Matte(Decoder):
    """One output of the input's size, (1, H, W, 1) or (1, 1, H, W), a probability in 0..1.

    ``card.labels`` may name what is cut out; "person" unless it does.
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(card, spec, shown)
        width, height = spec.size_wh
        fitting = [
            name for name, value in shown.items() if value.shape in ((1, height, width, 1), (1, 1, height, width))
        ]
        if len(fitting) != 1:
            raise ModelIncompatible(f"{card.file} has no output of {width} x {height} pixels.")
        self._output = fitting[0]
        self._labels = card.labels or ("person",)

    def decode(
        self, outputs: dict[str, NDArray[Any]], geometry: Geometry, *, confidence: float = 0.5, **options: Any
    ) -> Masks:
        """One area with soft edges, of the picture's size; none when no pixel is sure.

        Args:
            outputs: the network's.
            geometry: how the picture went in.
            confidence: how sure the network must be of some pixel.
            options: none.
        """
        width, height = geometry.input_wh
        small = outputs[self._output].reshape(height, width)
        if not float(small.max()) >= confidence:
            return Masks(class_names=self._labels, size_wh=geometry.picture_wh)
        bytes_ = np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)
        into = np.linalg.inv(_HALF) @ geometry.to_picture @ _HALF
        alpha = cv2.warpAffine(bytes_, into[:2], geometry.picture_wh, borderMode=cv2.BORDER_REPLICATE)
        return Masks.from_full(
            np.asarray(alpha, np.uint8)[None],
            confidence=np.array([small[small >= confidence].mean()]),
            class_id=np.zeros(1, np.int64),
            class_names=self._labels,
        )
