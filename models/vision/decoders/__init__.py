"""Decoders: what the output tensors of a family of networks mean. One file a family; told by shapes, not by names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import ResultBatch
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["DECODERS", "Decoder", "decoder_for"]

_HERE = "scenescope.models.vision.decoders"

# Architecture, as cards spell it, to module:class. Imported when a model is opened.
DECODERS: dict[str, str] = {
    "nanodet": f"{_HERE}.nanodet:NanoDet",
    "blazeface": f"{_HERE}.blazeface:BlazeFace",
    "palm": f"{_HERE}.palm:Palm",
    "movenet": f"{_HERE}.movenet:MoveNet",
    "movenet-multi": f"{_HERE}.movenet:MoveNetMulti",
    "matte": f"{_HERE}.matte:Matte",
    "landmarks": f"{_HERE}.landmarks:Landmarks",
    "descriptor": f"{_HERE}.descriptor:Descriptor",
    "classification": f"{_HERE}.classification:Classification",
    "yolo": f"{_HERE}.yolo:Yolo",
    "ssd": f"{_HERE}.ssd:Ssd",
    "centernet": f"{_HERE}.centernet:CenterNet",
    "detr": f"{_HERE}.detr:Detr",
    "segmentation": f"{_HERE}.segmentation:Segmentation",
    "heatmap-pose": f"{_HERE}.pose:HeatmapPose",
    "coordinate-pose": f"{_HERE}.pose:CoordinatePose",
    "depth": f"{_HERE}.depth:Depth",
}


class Decoder(ABC):
    """Turns the output tensors of one network into results.

    Args:
        card: of the network; ``card.options`` may hold what the shapes cannot tell.
        spec: of its input.
        shown: outputs for zeros, by name: a look at their shapes.

    Raises:
        ModelIncompatible: the outputs are not those of this family; the message says what was looked for.
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> None:
        self.card = card
        self.spec = spec

    @abstractmethod
    def decode(self, outputs: dict[str, NDArray[Any]], geometry: Geometry, **options: Any) -> ResultBatch:
        """Results in pixels of the picture."""


def decoder_for(card: ModelCard, spec: InputSpec, shown: Mapping[str, NDArray[Any]]) -> Decoder:
    """The decoder of a card's architecture.

    Raises:
        ModelIncompatible: there is none, or the outputs do not fit it.
    """
    where = DECODERS.get(card.architecture)
    if where is None:
        raise ModelIncompatible(
            f"{card.title}: nothing here decodes the outputs of '{card.architecture}'.",
            hint=f"Known are {', '.join(sorted(DECODERS))}.",
        )
    module, name = where.split(":")
    made: Decoder = getattr(import_module(module), name)(card, spec, shown)
    return made
