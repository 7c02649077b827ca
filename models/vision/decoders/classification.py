"""Classification: one score for each class, of the whole picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Labels
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.boxes import sigmoid
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["Classification"]

_ACTIVATIONS = ("none", "softmax", "sigmoid")


class Classification(Decoder):
    """An output of one score for each class: (1, classes), (classes,), (1, classes, 1, 1) or (1, 1, 1, classes).

    ``card.options["activation"]`` is what makes probabilities of the scores: "softmax", "sigmoid" (classes that do not
    exclude each other), or "none" if they are probabilities. Without it, scores of 0..1 are, and others get a softmax.
    A network with one class more than the card has labels gives "background" first, as TensorFlow's do.
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(card, spec, shown)
        wanted = (len(card.labels), len(card.labels) + 1)
        flat = {name: value for name, value in shown.items() if value.size == max(value.shape, default=0) > 1}
        fitting = [name for name, value in flat.items() if value.size in wanted] if card.labels else list(flat)
        if not fitting:
            shapes = ", ".join(str(value.shape) for value in shown.values())
            raise ModelIncompatible(
                f"{card.file} has no output of {wanted[0] or 'several'} class scores; its outputs are {shapes}.",
                hint="Give the model as many labels as it has classes.",
            )
        self._name = fitting[0]
        self._skipped = int(bool(card.labels) and shown[self._name].size == wanted[1])
        scores = shown[self._name]
        guess = "none" if scores.min() >= 0 and scores.max() <= 1 else "softmax"
        self.activation = str(card.options.get("activation", guess))
        if self.activation not in _ACTIVATIONS:
            raise ModelIncompatible(f"{card.title}: options.activation must be one of {', '.join(_ACTIVATIONS)}.")

    def decode(self, outputs: dict[str, NDArray[Any]], geometry: Geometry, *, top: int = 5, **options: Any) -> Labels:
        """The likeliest classes, the likeliest first.

        Args:
            outputs: the network's.
            geometry: not needed; a label belongs to the whole picture.
            top: how many.
            options: none.
        """
        scores = np.nan_to_num(outputs[self._name].reshape(-1).astype(np.float32))
        if self.activation == "softmax":
            scores = np.exp(scores - scores.max())
            scores /= scores.sum()
        elif self.activation == "sigmoid":
            scores = sigmoid(scores)
        scores = scores[self._skipped :]
        best = np.argsort(-scores, kind="stable")[: max(top, 0)]
        return Labels(confidence=scores[best], class_id=best, class_names=self.card.labels)
