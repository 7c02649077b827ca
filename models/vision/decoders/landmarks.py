"""Landmarks: the points of one thing in a crop, with depth, as MediaPipe's networks give them (face, iris, hand)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.people import Landmarks as LandmarkResult
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.boxes import sigmoid
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["Landmarks"]


class Landmarks(Decoder):
    """Outputs of 3 x K values: x, y, z in pixels of the input; perhaps one of a single value, the presence.

    ``card.options["points"]`` lists how many points the outputs have, in the order in which they are put together;
    ``card.options["presence"]`` is "logit" or "probability".
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(card, spec, shown)
        free = dict(shown)
        self._outputs = []
        for count in card.options.get("points", ()):
            name = next((name for name, value in free.items() if value.size == 3 * count), None)
            if name is None:
                raise ModelIncompatible(f"{card.file} has no output for {count} points.")
            self._outputs.append(name)
            del free[name]
        if not self._outputs:
            raise ModelIncompatible(f"{card.title}: its card does not say how many points there are.")
        self._presence = next((name for name, value in free.items() if value.size == 1), None)
        self._is_logit = card.options.get("presence", "logit") == "logit"

    def decode(
        self, outputs: dict[str, NDArray[Any]], geometry: Geometry, *, confidence: float = 0.0, **options: Any
    ) -> LandmarkResult:
        """One row of points in pixels of the picture, or none.

        Args:
            outputs: the network's.
            geometry: how the crop went in; it may be turned and mirrored.
            confidence: when the network is less sure that the thing is there at all, nothing is found.
            options: none.
        """
        points = np.concatenate([outputs[name].reshape(-1, 3) for name in self._outputs])
        sure = 1.0
        if self._presence is not None:
            value = outputs[self._presence].reshape(1)
            sure = float((sigmoid(value) if self._is_logit else value)[0])
        if sure < confidence:
            return LandmarkResult(xy=np.empty((0, len(points), 2), np.float32))
        side = np.sqrt(abs(np.linalg.det(geometry.to_picture[:2, :2])))
        return LandmarkResult(
            xy=geometry.points(points[None, :, :2]),
            confidence=np.full((1, len(points)), sure, np.float32),
            z=points[None, :, 2] * side,
        )
