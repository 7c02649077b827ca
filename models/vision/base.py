"""VisionModel: a network behind one small interface, whichever library runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible, PluginError
from scenescope.models.results import ResultBatch
from scenescope.models.vision.decoders import DECODERS
from scenescope.models.vision.picture import Picture
from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.models.vision.runtimes import RUNTIMES

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
    def load(self, options: LoadOptions | None = None) -> None:
        """Read the weights and make ready to run.

        Raises:
            ModelMissing, ModelIncompatible: see there.
            RuntimeMissing: its library is not installed, or ``options.strict`` forbids the only device there is.
        """

    @abstractmethod
    def placement(self) -> Placement:
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

    def look_at(self, picture: Picture, **options: Any) -> ResultBatch:
        """Results for a picture that other networks look at too; one that runs on a device may share the copy there."""
        return self.infer([picture.image], **options)[0]

    def close(self) -> None:
        """Release what :meth:`load` took."""


Key = tuple[str, str, str]
_makers: dict[Key, Callable[[], type[VisionModel]]] = {}


def register(architecture: str, task: str, runtime: str, maker: Callable[[], type[VisionModel]]) -> None:
    """Say which class runs an architecture; ``maker`` imports it, and is called when a model is opened.

    "*" stands for every architecture or task of a runtime.
    """
    _makers[(architecture, task, runtime)] = maker


def open_model(card: ModelCard) -> VisionModel:
    """The model that a card describes, not loaded yet.

    Looked for are, in this order: what :func:`register` was told, plugins (entry points of ``scenescope.vision``,
    named after the architecture), and decoders for any runtime that takes tensors.

    Raises:
        ModelIncompatible: nobody has a class for it.
        PluginError: the plugin that has cannot be imported.
    """
    a, t, r = card.architecture, card.task, card.runtime
    for key in ((a, t, r), (a, "*", r), ("*", t, r), ("*", "*", r)):
        if key in _makers:
            return _makers[key]()(card)
    for entry in entry_points(group="scenescope.vision"):
        if entry.name == card.architecture:
            try:
                made: VisionModel = entry.load()(card)
            except Exception as error:
                raise PluginError(f"The plugin for '{a}' cannot be imported: {error}.") from error
            return made
    if (info := RUNTIMES.get(r)) is not None and info.network and a in DECODERS:
        from scenescope.models.vision.tensor_model import TensorModel

        return TensorModel(card)
    raise ModelIncompatible(f"{card.title}: there is no decoder for {a} ({t}) on {r}.")


def _ultralytics() -> type[VisionModel]:
    from scenescope.models.vision.ultralytics import UltralyticsModel

    return UltralyticsModel


def _transformers() -> type[VisionModel]:
    from scenescope.models.vision.transformers import TransformersModel

    return TransformersModel


register("*", "*", "ultralytics", _ultralytics)
register("*", "*", "transformers", _transformers)
