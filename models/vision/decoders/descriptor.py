"""Descriptors: numbers that are alike for pictures of the same face, and far apart for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import ResultBatch
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["Descriptor", "Descriptors"]


@dataclass(frozen=True, eq=False)
class Descriptors(ResultBatch):
    """``vector`` float32 (N, D), of length 1: the product of two is the cosine of the angle between them."""

    vector: NDArray[np.float32] = field(
        default_factory=lambda: np.empty((0, 0), np.float32), metadata={"per_object": True}
    )

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """A descriptor has no place, so it stays as it is."""
        return self


class Descriptor(Decoder):
    """One output of ``card.options["size"]`` numbers for each picture; other outputs are never read.

    FaceRes also has outputs that guess age and gender: nothing here looks at them.
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(card, spec, shown)
        self._size = int(card.options.get("size", 0))
        fitting = [name for name, value in shown.items() if value.shape[-1:] == (self._size,)]
        if len(fitting) != 1:
            raise ModelIncompatible(f"{card.file} has no output of {self._size} numbers, as its card says.")
        self._output = fitting[0]

    def decode(self, outputs: dict[str, NDArray[Any]], geometry: Geometry, **options: Any) -> Descriptors:
        """The descriptor of the picture, one row.

        Args:
            outputs: the network's.
            geometry: not needed.
            options: none.
        """
        vector = np.asarray(outputs[self._output], np.float32).reshape(-1, self._size)
        length = np.linalg.norm(vector, axis=1, keepdims=True)
        return Descriptors(vector=vector / np.maximum(length, 1e-12))
