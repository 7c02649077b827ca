"""Networks that ask for the picture's size beside the picture, made into networks of one picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from scenescope.models.errors import ModelIncompatible
from scenescope.models.vision.network import Network, TensorInfo, Tensors
from scenescope.models.vision.placement import Placement

__all__ = ["of_one_picture"]

_SIZE = re.compile(r"(orig|target|image|img|im).*(size|shape)", re.IGNORECASE)


def of_one_picture(network: Network, name: str) -> Network:
    """The network itself if the picture is all that it takes; else one that gives it the picture's size as well.

    RT-DETR's own export (Zhao et al., 2023; github.com/lyuwenyu/RT-DETR) takes ``orig_target_sizes``, width and height
    of the picture that its boxes are to be measured in. It is told the input's size, so that boxes come out in pixels
    of the input, as from all other networks.

    Args:
        network: loaded.
        name: of the file, for the sentence.

    Raises:
        ModelIncompatible: it wants something else; the message says what.
    """
    if len(network.inputs) == 1:
        return network
    pictures = [info for info in network.inputs if len(info.shape) == 4]
    others = [info for info in network.inputs if info not in pictures]
    if len(pictures) == 1 and all(_is_size(info) for info in others):
        return _WithSize(network, pictures[0], others)
    names = ", ".join(info.name for info in network.inputs) or "none"
    raise ModelIncompatible(
        f"{name} has {len(network.inputs)} inputs ({names}); a picture and its size are all it can be given.",
        hint="Export it again so that the picture is its only input.",
    )


def _is_size(info: TensorInfo) -> bool:
    return bool(_SIZE.search(info.name)) and info.shape in ((2,), (1, 2), (None, 2))


class _WithSize(Network):
    """Fills in the size of the picture's input, width first."""

    def __init__(self, network: Network, picture: TensorInfo, sizes: list[TensorInfo]) -> None:
        self._network = network
        self._sizes = sizes
        self.inputs = (picture,)
        self.outputs = network.outputs
        self.metadata = network.metadata
        self.torch_device = network.torch_device

    @property
    def placement(self) -> Placement:  # type: ignore[override]
        """As the network's own, which may know it only after a run."""
        return self._network.placement

    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        shape = inputs[self.inputs[0].name].shape
        # Of (N, C, H, W) or (N, H, W, C): the channels are the fewest.
        height, width = shape[2:] if shape[1] <= 4 else shape[1:3]
        sizes = {
            info.name: np.array([width, height], info.dtype).reshape((2,) if info.shape == (2,) else (1, 2))
            for info in self._sizes
        }
        return self._network.run({**inputs, **sizes})

    def close(self) -> None:
        self._network.close()
