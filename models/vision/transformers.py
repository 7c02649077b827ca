"""transformers: Hugging Face model folders for pictures, run with the library's own processors; never downloads."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue.trust import require_trust
from scenescope.models.errors import ModelIncompatible, ModelMissing
from scenescope.models.results import ResultBatch
from scenescope.models.vision.base import Image
from scenescope.models.vision.library_model import LibraryModel, count_upload, on_host, placement_of
from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.models.vision.transformers_tasks import TASKS, Reading, tasks_of

__all__ = ["TransformersModel"]

# Width and height of the picture, and of what the network is shown.
Sizes = tuple[tuple[int, int], tuple[int, int]]

_CODE = "It brings Python code of its own, which runs when it is loaded"
_PICKLE = "Its weights are pickles, which can run any code while they load"
_FOLDER_HINT = "A model folder holds config.json, preprocessor_config.json and model.safetensors."


class TransformersModel(LibraryModel):
    """A folder as ``save_pretrained`` writes it; the task is the card's, or read from ``config.json``.

    Code that comes with a model and weights that are pickles are taken only when the user trusts the folder.
    ``options`` of a card: ``template`` (of a sentence about a prompt, for zero-shot classification).

    Options of :meth:`infer`: ``confidence``, ``top`` (5; of a classification), and ``prompts`` for tasks that are asked
    in words: nothing is found where nothing is asked.
    """

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        # Tokenizers remember how they padded last.
        self._lock = threading.Lock()

    def _check_trust(self, path: Path) -> None:
        self._code, self._pickles = _risks(path)
        for risky, risk in ((self._code, _CODE), (self._pickles, _PICKLE)):
            if risky:
                require_trust(path, risk)

    def preprocess(self, image: Image, prompts: Sequence[str] = ()) -> tuple[dict[str, Any], Sizes]:
        padded = _wide_enough(image)
        given: dict[str, Any] = {"images": np.ascontiguousarray(padded[..., ::-1])}
        if self._task.prompted:
            given |= self._texts(prompts)
        with self._lock:
            inputs = self._processor(**given, return_tensors="pt", input_data_format="channels_last")
        return {name: self._placed(tensor) for name, tensor in inputs.items()}, (_size(image), _size(padded))

    def forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The library's ``ModelOutput`` as "raw", its tensors on the host: not all of its readers can do without."""
        import torch

        with torch.inference_mode():
            outputs = self._run(**inputs)
        tensors = {name: on_host(value) for name, value in outputs.items() if isinstance(value, torch.Tensor)}
        return {"raw": type(outputs)(**tensors)}

    def postprocess(self, outputs: dict[str, Any], geometry: Any, **options: Any) -> ResultBatch:
        import torch

        (size_wh, padded_wh), prompts = geometry, tuple(options.get("prompts", ()))
        config = self._model.config
        reading = Reading(self._processor, config, outputs["raw"], size_wh, padded_wh, self._names, prompts, options)
        with torch.inference_mode():
            return self._task.read(reading)

    def infer(self, images: Sequence[Image], **options: Any) -> list[ResultBatch]:
        prompts = tuple(options.get("prompts", ()))
        if self._task.prompted and not prompts:
            assert self._task.empty is not None
            return [self._task.empty for _ in images]
        results = []
        for image in images:
            inputs, geometry = self.preprocess(image, prompts)
            results.append(self.postprocess(self.forward(inputs), geometry, **options))
        return results

    def close(self) -> None:
        for name in ("_model", "_run", "_processor"):
            self.__dict__.pop(name, None)

    def _open(self, path: Path, device: Any, options: LoadOptions) -> str:
        import torch

        transformers: Any = import_module("transformers")
        transformers.utils.logging.disable_progress_bar()
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": self._code}
        config = transformers.AutoConfig.from_pretrained(path, **local)
        tasks = tasks_of(config)
        task = self.card.task or next(iter(tasks), "")
        if task not in tasks:
            can = f"can be used for {', '.join(tasks)}" if tasks else "is not for pictures, or not known here"
            wanted = f", not for {task}" if task and tasks else ""
            raise ModelIncompatible(f"{self.card.title} ({_architecture(config)}) {can}{wanted}.")
        self._task = TASKS[task]
        kind = transformers.AutoProcessor if self._task.prompted else transformers.AutoImageProcessor
        self._processor = kind.from_pretrained(path, **local)
        # The CPU has half precision in name only: it is slow there, and some operators lack it.
        half = options.half and device.type != "cpu"
        model = getattr(transformers, tasks[task]).from_pretrained(
            path,
            config=config,
            dtype=torch.float16 if half else torch.float32,
            use_safetensors=not self._pickles,
            **local,
        )
        self._model = self._run = model.to(device).eval()
        labels = getattr(config, "id2label", None) or {}
        self._names = self.card.labels or tuple(str(labels.get(i, i)) for i in range(max(labels, default=-1) + 1))
        if options.compiled:
            self._run = torch.compile(self._model)
        return task

    def _read_placement(self, options: LoadOptions, reason: str) -> Placement:
        return placement_of(self._model, options, reason, compiled=self._run is not self._model)

    def _placed(self, tensor: Any) -> Any:
        """On the network's device, and in its precision unless it is whole numbers: tokens, masks."""
        model = self._model
        return count_upload(tensor.to(model.device, dtype=model.dtype if tensor.is_floating_point() else None))

    def _uncompile(self) -> bool:
        compiled, self._run = self._run is not self._model, self._model
        return compiled

    def _texts(self, prompts: Sequence[str]) -> dict[str, Any]:
        """The prompts as the network's processor takes them."""
        if self._task is TASKS["zero-shot-detection"]:
            # Grounding DINO puts full stops between prompts, and takes those that have one for a whole text.
            return {"text": [[prompt.replace(".", " ").strip().lower() for prompt in prompts]]}
        template = str(self.card.options.get("template", "This is a photo of {}."))
        texts = [template.format(prompt) for prompt in prompts]
        if "siglip" in self._model.config.model_type:
            # It was trained on sentences filled up to this length.
            return {"text": texts, "padding": "max_length", "max_length": 64, "truncation": True}
        return {"text": texts, "padding": True, "truncation": True}


def _size(image: Image) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _wide_enough(image: Image) -> Image:
    """The picture, continued to the right and below so that no processor makes a side of no pixels of it."""
    import cv2

    width, height = _size(image)
    least = max(32, max(width, height) // 8)
    right, below = max(least - width, 0), max(least - height, 0)
    if not right and not below:
        return image
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def _risks(folder: Path) -> tuple[bool, bool]:
    """Whether a model folder brings code of its own that is needed, and whether its weights are pickles.

    Raises:
        ModelMissing: it is no model folder.
        ModelIncompatible: its config.json cannot be read.
    """
    known = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        code = "auto_map" in config and config.get("model_type") not in known
    except OSError as error:
        raise ModelMissing(f"{folder.name} is not a folder with a config.json.", hint=_FOLDER_HINT) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise ModelIncompatible(f"config.json in {folder.name} cannot be read: {error}.", hint=_FOLDER_HINT) from error
    return code, not any(folder.glob("*.safetensors")) and any(folder.glob("*.bin"))


def _architecture(config: Any) -> str:
    return ", ".join(getattr(config, "architectures", None) or (str(config.model_type),))
