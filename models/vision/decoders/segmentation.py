"""Semantic segmentation: a class for every pixel (Long et al., Fully convolutional networks, 2015, and all since)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Masks
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.areas import covers, picture_in_map, resampled
from scenescope.models.vision.decoders.boxes import sigmoid
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["Segmentation"]

LEAST_SHARE = 0.0005
"""Part of the picture below which a class is not worth an area."""
MOST_AREAS = 32
_NOTHING = ("background", "_background_", "__background__", "unlabeled", "unlabelled")

Array = NDArray[Any]


class Segmentation(Decoder):
    """Scores (1, C, h, w) or (1, h, w, C), or class numbers (1, h, w), (1, 1, h, w), (1, h, w, 1) as whole numbers.

    A single channel of real numbers is one area, soft at its edge; it is taken for logits when the network gives
    values outside 0..1, or as ``card.options["probabilities"]`` says. ``card.options["background"]`` is the class that
    is nothing; otherwise it is the one whose label says so, and of two classes the first.
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, Array]) -> None:
        super().__init__(card, spec, shown)
        maps = [
            name
            for name, value in shown.items()
            if len(value.shape) == 4 or (len(value.shape) == 3 and covers(value.shape[1:], spec.size_wh))
            if len(value) == 1
        ]
        if not maps:
            raise ModelIncompatible(f"{card.file} has no output map of classes.")
        # Networks with a helper head for training give that one second.
        named = [name for name in maps if name in ("out", "logits", "output")]
        self._map = (named or maps)[0]
        value = shown[self._map]
        self._numbers = not np.issubdtype(value.dtype, np.floating)
        self._last = value.ndim == 4 and _channels_last(value.shape, spec, len(card.labels))
        self.classes = 0 if self._numbers else (1 if value.ndim == 3 else value.shape[3 if self._last else 1])
        names = [label.lower() for label in card.labels]
        found = [names.index(word) for word in _NOTHING if word in names]
        two = 0 if self.classes == 2 else None
        self.background = card.options.get("background", found[0] if found else two)
        self._logits = not card.options.get("probabilities", bool(value.min() >= 0 and value.max() <= 1))

    def decode(
        self, outputs: dict[str, Array], geometry: Geometry, *, confidence: float = 0.5, **options: Any
    ) -> Masks:
        """One area for each class that is there, the largest first.

        Args:
            outputs: the network's.
            geometry: how the picture went in.
            confidence: of several classes, an area that is less sure on the whole is dropped; of a single channel,
                the probability below which a pixel does not belong to it.
            options: none.
        """
        value = outputs[self._map]
        value = np.moveaxis(value[0], -1, 0) if self._last else value.reshape(-1, *value.shape[-2:])
        if self._numbers:
            return self._areas_of_numbers(value[0], geometry)
        scores = np.nan_to_num(value.astype(np.float32), nan=0.0, posinf=1e4, neginf=-1e4)
        if len(scores) == 1:
            return self._single(scores[0], geometry, confidence)
        return self._areas_of_scores(scores, geometry, confidence)

    def _single(self, scores: Array, geometry: Geometry, confidence: float) -> Masks:
        probability = sigmoid(scores) if self._logits else np.clip(scores, 0, 1)
        full = resampled(probability, geometry)
        full[full < confidence] = 0
        if not (full > 0).any():
            return self._masks([], [], [], geometry)
        return self._masks([(full * 255).astype(np.uint8)], [float(full[full > 0].mean())], [0], geometry)

    def _areas_of_numbers(self, numbers: Array, geometry: Geometry) -> Masks:
        shown = numbers[picture_in_map(numbers.shape, geometry)]
        present = [c for c in _by_size(shown.astype(np.int64)) if c != self.background]
        areas = [resampled(np.where(numbers == c, 1.0, -1.0), geometry) > 0 for c in present]
        return self._masks([np.where(a, 255, 0).astype(np.uint8) for a in areas], [1.0] * len(areas), present, geometry)

    def _areas_of_scores(self, scores: Array, geometry: Geometry, confidence: float) -> Masks:
        winner = scores.argmax(axis=0)
        part = picture_in_map(winner.shape, geometry)
        total = np.exp(scores - scores.max(axis=0)).sum(axis=0) if self._logits else np.ones(winner.shape, np.float32)
        # Between the best and the second best the border runs where their difference is nought.
        first_two = np.partition(scores, -2, axis=0)[-2:]
        areas, sure, classes = [], [], []
        for c in _by_size(winner[part]):
            won = winner[part] == c
            probability = (1.0 / total[part] if self._logits else np.clip(scores[c][part], 0, 1))[won].mean()
            if c == self.background or probability < confidence:
                continue
            margin = np.where(winner == c, scores[c] - first_two[0], scores[c] - first_two[1])
            areas.append(np.where(resampled(margin, geometry) > 0, 255, 0).astype(np.uint8))
            sure.append(float(probability))
            classes.append(c)
        return self._masks(areas, sure, classes, geometry)

    def _masks(self, areas: list[Array], sure: list[float], classes: list[int], geometry: Geometry) -> Masks:
        names = self.card.labels
        if not areas:
            return Masks(size_wh=geometry.picture_wh, class_names=names)
        return Masks.from_full(
            np.stack(areas), confidence=np.array(sure), class_id=np.array(classes), class_names=names
        )


def _by_size(numbers: Array) -> list[int]:
    """Classes in a map of numbers that take up enough of it, the largest first."""
    values, counts = np.unique(numbers, return_counts=True)
    enough = counts >= LEAST_SHARE * numbers.size
    return [int(c) for c in values[enough][np.argsort(-counts[enough], kind="stable")][:MOST_AREAS]]


def _channels_last(shape: tuple[int, ...], spec: InputSpec, labels: int) -> bool:
    """Whether (1, h, w, C) rather than (1, C, h, w): by the number of labels, else by the shape of the input."""
    if labels and shape[1] != shape[3] and labels in (shape[1], shape[3]):
        return labels == shape[3]
    width, height = spec.size_wh
    first, last = shape[2] * width == shape[3] * height, shape[1] * width == shape[2] * height
    return last if first != last else shape[3] < shape[1] or (shape[3] == shape[1] and spec.layout == "NHWC")
