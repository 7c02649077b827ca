"""VisionModel: a network behind one small interface, whichever library runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import ResultBatch

__all__ = ["VisionModel", "open_model", "register"]

Image = NDArray[np.uint8]


class VisionModel(ABC):
    """A network that finds something in pictures.

    ``infer`` is ``preprocess``, ``forward``, ``postprocess``. After :meth:`load` all of them may be called from
    several threads at once.
    """

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    @abstractmethod
    def load(self, device: str = "auto", threads: ThreadBudget | None = None) -> None:
        """Read the weights and make ready to run.

        Args:
            device: "auto", "cpu", "cuda", ...; "auto" takes the fastest there is.
            threads: how many threads a call may use.

        Raises:
            ModelMissing, ModelIncompatible, RuntimeMissing: see there.
        """

    @abstractmethod
    def device(self) -> str:
        """Where it really runs, read back from the runtime after :meth:`load`."""

    @abstractmethod
    def preprocess(self, image: Image) -> tuple[dict[str, Any], Any]:
        """The network's inputs for one picture, and what :meth:`postprocess` needs to map results back.

        Args:
            image: uint8 (H, W, 3), BGR.
        """

    @abstractmethod
    def forward(self, inputs: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """The network's outputs by name."""

    @abstractmethod
    def postprocess(self, outputs: dict[str, NDArray[Any]], geometry: Any, **options: Any) -> ResultBatch:
        """Results in pixels of the picture."""

    def infer(self, images: Sequence[Image], **options: Any) -> list[ResultBatch]:
        """Results for each picture, uint8 (H, W, 3) BGR."""
        results = []
        for image in images:
            inputs, geometry = self.preprocess(image)
            results.append(self.postprocess(self.forward(inputs), geometry, **options))
        return results

    def close(self) -> None:
        """Release what :meth:`load` took."""


Key = tuple[str, str, str]
_makers: dict[Key, Callable[[], type[VisionModel]]] = {}


def register(architecture: str, task: str, runtime: str, maker: Callable[[], type[VisionModel]]) -> None:
    """Say which class runs an architecture; ``maker`` imports it, and is called when a model is opened."""
    _makers[(architecture, task, runtime)] = maker


def open_model(card: ModelCard) -> VisionModel:
    """The model that a card describes, not loaded yet.

    Raises:
        ModelIncompatible: nobody has registered a class for it.
    """
    maker = _makers.get((card.architecture, card.task, card.runtime))
    if maker is None:
        raise ModelIncompatible(f"{card.title}: no decoder for {card.architecture} ({card.task}) on {card.runtime}.")
    return maker()(card)


def _nanodet() -> type[VisionModel]:
    from scenescope.models.vision.nanodet import NanoDet

    return NanoDet


register("nanodet", "detection", "onnxruntime", _nanodet)
