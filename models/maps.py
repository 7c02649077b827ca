"""Results that have a value for every pixel."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scenescope.models.results import _PER_OBJECT, ResultBatch

__all__ = ["DenseMap"]


@dataclass(frozen=True, eq=False)
class DenseMap(ResultBatch):
    """A value for every pixel: depth, a probability, the speed of motion.

    Attributes:
        values: one array, float32 (h, w), that covers the whole picture, often coarser than it; its length is 1.
        kind: what is measured, in one word: "depth", "motion", "heat".
        unit: "m", "px/frame", or "" for relative values.
        to_picture: float64 (3, 3), maps pixels of ``values`` to pixels of the picture.
    """

    values: tuple[NDArray[np.float32], ...] = field(default=(), metadata=_PER_OBJECT)
    kind: str = "map"
    unit: str = ""
    to_picture: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))

    @classmethod
    def covering(cls, values: NDArray[Any], size_wh: tuple[int, int], kind: str, unit: str = "") -> Self:
        """``values`` (h, w), stretched over a picture of ``size_wh`` pixels."""
        height, width = values.shape
        stretch = np.diag([size_wh[0] / width, size_wh[1] / height, 1.0])
        array = np.ascontiguousarray(values, np.float32)
        array.flags.writeable = False
        return cls((array,), kind, unit, stretch)

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """The same values over another picture; nothing is resampled until it is drawn."""
        return replace(self, to_picture=matrix @ self.to_picture)
