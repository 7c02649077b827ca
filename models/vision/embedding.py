"""ImageEmbedder: pictures as vectors that are near each other when the pictures show something alike."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import ModelCard, checked_file, load_card
from scenescope.models.catalogue.catalogue import current
from scenescope.models.errors import ModelError
from scenescope.models.vision.inputs import InputSpec, prepare
from scenescope.models.vision.placement import LoadOptions
from scenescope.models.vision.runtimes import RUNTIMES, require
from scenescope.models.vision.runtimes.torchvision import TorchvisionNetwork

__all__ = ["ImageEmbedder"]

BUNDLED = "mobilenet_v2_imagenet1k_v1"
# Networks that were trained on pictures with their captions, CLIP (Radford et al., 2021) and SigLIP (Zhai et al.,
# 2023), know more kinds of things than those of ImageNet's 1,000 classes.
CAPTIONED = "zero-shot-classification"
AT_ONCE = 16

Image = NDArray[np.uint8]
Float = NDArray[np.float32]


class ImageEmbedder:
    """Embeddings of pictures, on the CPU, by the best network that is installed.

    That is one of the user's for pictures and captions (CLIP, SigLIP), else the bundled MobileNetV2 (Sandler et al.,
    2018), of which the mean of the last feature map is taken: what its classifier looks at. Networks differ in the
    length of their embeddings, and only those of one network can be compared.

    It is opened when it is first asked. All methods may be called from any thread.

    Args:
        threads: how many a call may use.
    """

    def __init__(self, threads: ThreadBudget | None = None) -> None:
        self._options = LoadOptions(device="cpu", threads=threads or ThreadBudget())
        self._lock = threading.Lock()
        self._network: _Embedding | None = None

    def available(self) -> str | None:
        """Why there can be no embeddings, in a sentence with its cure; None when there can. Opens nothing."""
        problem = None
        for card in _cards():
            try:
                require(card.runtime)
                return None
            except ModelError as error:
                problem = str(error)
        return problem or "There is no network for finding what looks alike."

    @property
    def name(self) -> str:
        """Title of the network, once it is open; of the one that would be tried first before."""
        with self._lock:
            if self._network is not None:
                return self._network.title
        return next((card.title for card in _cards() if not RUNTIMES[card.runtime].missing), "")

    def embed(self, images: Sequence[Image]) -> Float:
        """Unit-length float32 (N, D) for N pictures, uint8 (H, W, 3) BGR of any size.

        Raises:
            ModelError: no network can be used.
        """
        with self._lock:
            if self._network is None:
                self._network = _opened(self._options)
            parts = [self._network.run(images[at : at + AT_ONCE]) for at in range(0, len(images), AT_ONCE)]
        if not parts:
            return np.empty((0, 0), np.float32)
        found = np.concatenate(parts).astype(np.float32)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        unit: Float = found / np.maximum(length, np.finfo(np.float32).tiny)
        return unit

    def close(self) -> None:
        """Release the network; it is opened again when it is asked again."""
        with self._lock:
            network, self._network = self._network, None
            if network is not None:
                network.close()


class _Embedding(ABC):
    title: str

    @abstractmethod
    def run(self, images: Sequence[Image]) -> Float:
        """Vectors (N, D), of any length."""

    @abstractmethod
    def close(self) -> None: ...


class _Pooled(_Embedding):
    """The bundled classifier without its last layer."""

    def __init__(self, card: ModelCard, options: LoadOptions) -> None:
        require(card.runtime)
        self.title = card.title
        # All of the cut-out counts, also the ends of what is tall or wide.
        self._spec = replace(InputSpec.from_dict(card.input, card.title), fit="stretch")
        self._network = _Headless(checked_file(card), options, card.options)

    def run(self, images: Sequence[Image]) -> Float:
        batch = np.concatenate([prepare(image, self._spec)[0] for image in images])
        (features,) = self._network.run({self._network.inputs[0].name: batch}).values()
        return np.asarray(features, np.float32)

    def close(self) -> None:
        self._network.close()


class _Headless(TorchvisionNetwork):
    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        import torch

        super().__init__(path, load, options)
        self._module.classifier = torch.nn.Identity()


class _Captioned(_Embedding):
    """The half that looks of a network for pictures and captions."""

    def __init__(self, card: ModelCard, options: LoadOptions) -> None:
        from scenescope.models.vision.transformers import TransformersModel

        self.title = card.title
        self._model = TransformersModel(card)
        self._model.load(options)

    def run(self, images: Sequence[Image]) -> Float:
        vectors = []
        for image in images:
            # It insists on a caption, which does not change what it sees.
            inputs, _ = self._model.preprocess(image, ("a",))
            vectors.append(self._model.forward(inputs)["raw"].image_embeds.numpy()[0])
        return np.array(vectors, np.float32)

    def close(self) -> None:
        self._model.close()


def _cards() -> list[ModelCard]:
    captioned = [card for card in current().cards(CAPTIONED) if card.runtime == "transformers"]
    return [*captioned, load_card(BUNDLED)]


def _opened(options: LoadOptions) -> _Embedding:
    """The first that can be opened.

    Raises:
        ModelError: none can; it says why not the last one, which comes with Scenescope.
    """
    *captioned, bundled = _cards()
    for card in captioned:
        try:
            return _Captioned(card, options)
        except ModelError:
            # The models dialog shows what is wrong with it.
            continue
    return _Pooled(bundled, options)
