"""TensorModel: a network of any runtime, with a card that says what goes in and a decoder that says what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard, checked_file
from scenescope.models.results import ResultBatch
from scenescope.models.vision.base import Image, VisionModel
from scenescope.models.vision.copies import COPIES
from scenescope.models.vision.decoders import Decoder, decoder_for
from scenescope.models.vision.inputs import Geometry, InputSpec, prepare
from scenescope.models.vision.network import Network
from scenescope.models.vision.one_picture import of_one_picture
from scenescope.models.vision.picture import Picture, prepare_on
from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.models.vision.runtimes import open_network

__all__ = ["TensorModel"]


class TensorModel(VisionModel):
    """Runs a card whose runtime takes tensors and whose architecture has a :class:`Decoder`.

    Attributes:
        spec: the network's input.
        network: after :meth:`load`.
        decoder: after :meth:`load`.
    """

    network: Network
    decoder: Decoder

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self.spec = InputSpec.from_dict(card.input, card.title)

    def load(self, options: LoadOptions | None = None) -> None:
        options = options or LoadOptions()
        network = open_network(self.card.runtime, checked_file(self.card), options, self.card.options)
        self.network = of_one_picture(network, self.card.file)
        self._input = self.network.inputs[0].name
        # The run on zeros is also the warm-up: the first picture need not wait for lazy set-up.
        shown = self.network.run_on_zeros({self._input: self.spec.shape})
        # Some runtimes know only after a run where they are.
        self.network.placement.checked(options, self.card.title)
        self.decoder = decoder_for(self.card, self.spec, shown)

    def placement(self) -> Placement:
        return self.network.placement

    def preprocess(self, image: Image) -> tuple[dict[str, Any], Geometry]:
        tensor, geometry = prepare(image, self.spec)
        return {self._input: tensor}, geometry

    def forward(self, inputs: dict[str, Any]) -> dict[str, NDArray[Any]]:
        outputs = self.network.run(inputs)
        if self.network.placement.device != "CPU":
            for value in inputs.values():
                if isinstance(value, np.ndarray):
                    COPIES.uploaded(value.nbytes)
            for output in outputs.values():
                COPIES.downloaded(output.nbytes)
        return outputs

    def look_at(self, picture: Picture, **options: Any) -> ResultBatch:
        if not self.network.torch_device:
            return super().look_at(picture, **options)
        tensor, geometry = prepare_on(picture.on(self.network.torch_device), self.spec)
        return self.postprocess(self.forward({self._input: tensor}), geometry, **options)

    def postprocess(self, outputs: dict[str, NDArray[Any]], geometry: Geometry, **options: Any) -> ResultBatch:
        return self.decoder.decode(outputs, geometry, **options)

    def close(self) -> None:
        if hasattr(self, "network"):
            self.network.close()
