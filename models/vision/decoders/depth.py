"""Depth from a single picture (Ranftl et al., MiDaS, 2020, and all since)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.maps import DenseMap
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.areas import covers, map_to_picture, picture_in_map
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["Depth"]

Array = NDArray[Any]


class Depth(Decoder):
    """One map: (1, 1, h, w), (1, h, w) or (1, h, w, 1).

    ``card.options["unit"]`` is "m" for networks that measure; others give values without a unit, the larger the nearer
    or the farther, as they were trained.
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, Array]) -> None:
        super().__init__(card, spec, shown)
        maps = {name: _map_of(value) for name, value in shown.items()}
        fitting = [name for name, values in maps.items() if values is not None and covers(values.shape, spec.size_wh)]
        if not fitting:
            raise ModelIncompatible(f"{card.file} has no output map with one value a pixel.")
        self._map = fitting[0]

    def decode(self, outputs: dict[str, Array], geometry: Geometry, **options: Any) -> DenseMap:
        """A value for every part of the picture.

        Args:
            outputs: the network's.
            geometry: how the picture went in; what was filled up round it is cut off.
            options: none.
        """
        values = _map_of(outputs[self._map])
        assert values is not None
        rows, columns = picture_in_map(values.shape, geometry)
        cut = values[rows, columns].astype(np.float32)
        finite = np.isfinite(cut)
        cut = np.where(finite, cut, cut[finite].mean() if finite.any() else 0.0)
        corner = np.array([[1.0, 0.0, columns.start], [0.0, 1.0, rows.start], [0.0, 0.0, 1.0]])
        cut = np.ascontiguousarray(cut, np.float32)
        cut.flags.writeable = False
        matrix = map_to_picture(values.shape, geometry) @ corner
        return DenseMap((cut,), kind="depth", unit=str(self.card.options.get("unit", "")), to_picture=matrix)


def _map_of(value: Array) -> Array | None:
    """(h, w) of an output that is one map."""
    shape = value.shape
    if len(shape) == 3 and shape[0] == 1 and min(shape[1:]) > 1:
        one: Array = value[0]
        return one
    if len(shape) == 4 and shape[0] == 1 and 1 in (shape[1], shape[3]) and shape[2] > 1:
        two: Array = value[0, 0] if shape[1] == 1 else value[0, ..., 0]
        return two
    return None
