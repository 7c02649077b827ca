"""Folders of models that can look at pictures: which there are, what they need, and which are not to be opened."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import Catalogue
from scenescope.models.catalogue.download import HUB
from scenescope.models.catalogue.offers import size_text
from scenescope.models.errors import ModelError, ModelIncompatible, ModelMissing, ModelRefused

__all__ = [
    "ARCHITECTURES",
    "TASK",
    "ModelFolder",
    "local_models",
    "model_folder",
    "offered_models",
    "require_memory",
    "suited",
]

TASK = "description"
"""What cards call it."""
ARCHITECTURES = ("idefics3",)
"""Of ``config.json``. SmolVLM is Idefics3."""

OVERHEAD_BYTES = 700_000_000
"""Of a process with PyTorch and transformers in it, without weights, while it looks at a picture."""

FEW_CORES = 4
"""With fewer, one is left to the video and the rest is busy with a picture for long."""
ROOM = 2.0
"""How many times the memory that a model needs should be free: the video and other programs need some too."""

_HINT = "A model folder holds config.json, the files of its tokenizer, and weights in .safetensors."
_AGAIN = "Download it again."
_TEXTS = (
    "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
    "tokenizer_config.json",
)  # fmt: skip
_MOST_TEXT_BYTES = 4 << 20
_MOST_HEADER_BYTES = 100 << 20  # the limit of the format, huggingface/safetensors
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class ModelFolder:
    """A folder that was looked at, and may be opened.

    Attributes:
        path: of the folder.
        title: for people: "SmolVLM-500M".
        licence: empty when nobody has told.
        size_bytes: of its weights.
        parameters: how many numbers they are.
        card: of the catalogue; None for a folder of the user's own.
    """

    path: Path
    title: str
    licence: str
    size_bytes: int
    parameters: int
    card: ModelCard | None = None

    @property
    def sha256(self) -> str:
        """The fingerprint that it must have; empty when nobody has told."""
        return self.card.sha256 if self.card is not None else ""

    def needed_bytes(self, on_cpu: bool = True) -> int:
        """Main memory that it needs: single precision on the CPU; elsewhere one part of the weights at a time."""
        return OVERHEAD_BYTES + (4 * self.parameters if on_cpu else self.size_bytes)


def local_models(catalogue: Catalogue) -> list[ModelFolder]:
    """The models of the catalogue that can describe pictures, largest first; those that cannot be used are left out."""
    found = []
    for card in catalogue.cards(TASK):
        try:
            found.append(model_folder(card.path, card))
        except ModelError:
            continue
    return sorted(found, key=lambda folder: (-folder.parameters, folder.title))


def suited(folders: Sequence[ModelFolder], free_bytes: int, cores: int) -> ModelFolder:
    """The model for this machine, where the user has not chosen one: the largest, on a weak machine the smallest.

    Weak is a machine with fewer than four cores, or one whose free memory is less than twice what the model needs.

    Args:
        folders: at least one.
        free_bytes: memory that may be taken.
        cores: that this process may use.
    """
    smallest, *larger = sorted(folders, key=lambda folder: folder.parameters)
    fitting = [folder for folder in larger if ROOM * folder.needed_bytes() <= free_bytes]
    return fitting[-1] if fitting and cores >= FEW_CORES else smallest


def offered_models(catalogue: Catalogue) -> list[tuple[ModelCard, str]]:
    """What could be downloaded: card, and in words what to know first: "SmolVLM-500M: 1.0 GB, Apache-2.0, from ..."."""
    return [
        (card, f"{card.title}: {size_text(card.download_size_bytes)}, {card.licence}, from {urlsplit(HUB).netloc}")
        for card in sorted(catalogue.available(TASK), key=lambda card: -card.download_size_bytes)
    ]


def model_folder(path: Path, card: ModelCard | None = None) -> ModelFolder:
    """Look at a folder, the user's own or a card's, without opening its weights.

    Raises:
        ModelMissing: it is no model folder.
        ModelIncompatible: another kind of model, or weights that are not whole.
        ModelRefused: it wants to run code: Python of its own, or pickles.
    """
    path = path.absolute()
    if not path.is_dir():
        raise ModelMissing(f"The folder {path.name} is not there.", hint="Choose another one, or download a model.")
    if not (path / "config.json").is_file():
        raise ModelMissing(f"{path.name} has no config.json.", hint=_HINT)
    texts = {name: _read_json(path / name) for name in _TEXTS if (path / name).is_file()}
    for name, content in texts.items():
        if asking := {"auto_map", "custom_generate", "trust_remote_code"} & set(_keys(content)):
            raise ModelRefused(
                f"{path.name} wants to run Python code of its own ({name}, '{min(asking)}').",
                hint="Choose a model without such code. SmolVLM has none.",
            )
    if (path / "adapter_config.json").exists():
        raise ModelRefused(f"{path.name} is an adapter, which loads another model.", hint="Choose a whole model.")
    kind = texts["config.json"].get("model_type")
    if kind not in ARCHITECTURES:
        raise ModelIncompatible(
            f"{path.name} is a model of another kind ({str(kind)[:40]}), which cannot be asked about pictures here.",
            hint="Choose SmolVLM-500M or SmolVLM-256M.",
        )
    files = _weights(path)
    parameters = sum(_parameters(file) for file in files)
    size_bytes = sum(file.stat().st_size for file in files)
    title, licence = (card.title, card.licence) if card is not None else (path.name, "")
    return ModelFolder(path, title, licence, size_bytes, parameters, card)


def require_memory(folder: ModelFolder, free_bytes: int, on_cpu: bool = True) -> None:
    """Go on only if the model fits into the memory that is free.

    Raises:
        ModelError: it does not; not permanent.
    """
    needed = folder.needed_bytes(on_cpu)
    if needed > free_bytes:
        raise ModelError(
            f"{folder.title} needs about {size_text(needed)} of memory, {size_text(free_bytes)} are free.",
            hint="Close other programs, or choose a smaller model.",
            permanent=False,
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_TEXT_BYTES:
            raise ValueError("it is too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError, RecursionError) as error:
        raise ModelIncompatible(f"{path.name} in {path.parent.name} cannot be read: {error}.", hint=_AGAIN) from error
    return content


def _keys(content: Any) -> Iterator[str]:
    """Names of all entries that say something, however deep."""
    waiting = [content]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict):
            yield from (key for key, value in entry.items() if value)
            waiting += entry.values()
        elif isinstance(entry, list):
            waiting += entry


def _weights(folder: Path) -> list[Path]:
    """The files that would be loaded: one, or those that the index names."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if not index.is_file():
        if any(path.suffix in _PICKLES for path in folder.iterdir()):
            raise ModelRefused(
                f"The weights in {folder.name} are pickles, which can run any code while they load.",
                hint="Choose a folder with .safetensors.",
            )
        raise ModelMissing(f"{folder.name} has no weights (model.safetensors).", hint=_HINT)
    named = _read_json(index).get("weight_map")
    names = sorted({str(name) for name in named.values()}) if isinstance(named, dict) else []
    for name in names:
        if not re.fullmatch(r"[\w][\w.-]*\.safetensors", name):
            raise ModelRefused(f"{index.name} in {folder.name} names a file elsewhere.", hint="Do not use this model.")
        if not (folder / name).is_file():
            raise ModelMissing(f"{folder.name} lacks {name}.", hint=_AGAIN)
    if not names:
        raise ModelIncompatible(f"{index.name} in {folder.name} names no weights.", hint=_AGAIN)
    return [folder / name for name in names]


def _parameters(file: Path) -> int:
    """How many numbers a file of safetensors holds, after a look at whether it is whole.

    The format: 8 bytes, the length of the header; a JSON object; the data
    (https://huggingface.co/docs/safetensors, "Format").
    """
    size = file.stat().st_size
    try:
        with file.open("rb") as content:
            (length,) = struct.unpack("<Q", content.read(8))
            if length > min(_MOST_HEADER_BYTES, size - 8):
                raise ValueError("its header is longer than the file")
            header = json.loads(content.read(length))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        ends = [int(entry["data_offsets"][1]) for entry in tensors]
        count = sum(math.prod(int(side) for side in entry["shape"]) for entry in tensors)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
        struct.error,
    ) as error:
        raise ModelIncompatible(f"{file.name} is not a file of safetensors: {error}.", hint=_AGAIN) from error
    if max(ends, default=0) != size - 8 - length:
        raise ModelIncompatible(f"{file.name} is not whole.", hint=_AGAIN)
    if not tensors or not 0 < count <= size:
        raise ModelIncompatible(f"{file.name} holds no weights.", hint=_AGAIN)
    return count
