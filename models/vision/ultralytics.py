"""Ultralytics: YOLO, RT-DETR, SAM and FastSAM checkpoints and exports, run by the library's own predictors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue.trust import require_trust
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Masks, ResultBatch
from scenescope.models.vision.base import Image
from scenescope.models.vision.library_model import LibraryModel, count_upload, placement_of
from scenescope.models.vision.placement import LoadOptions, Placement, not_offered
from scenescope.models.vision.runtimes.programs import check_saved_model, check_torchscript
from scenescope.models.vision.ultralytics_results import TASKS, to_results

__all__ = ["UltralyticsModel", "quiet_ultralytics"]

# Formats of Ultralytics that hold a graph and numbers. All others can be more than that.
_TAME = frozenset({"onnx", "openvino", "litert", "edgetpu", "coreml", "coreai", "mnn", "ncnn"})
_PICKLE = "It is a pickle, which can run any code while it loads"
_PROGRAM = "It holds a program, which may do more than compute"


def quiet_ultralytics() -> None:
    """Import Ultralytics and forbid it the network, pip and chatter, in this process; its settings stay as they are.

    What it does while it is imported is ruled by environment variables that the app sets: without ``YOLO_OFFLINE`` it
    asks a name server whether there is a network, without ``YOLO_CONFIG_DIR`` it writes settings into the user's own.
    """
    import ultralytics.utils
    from ultralytics.utils import checks, downloads, events

    for module in (ultralytics.utils, checks, downloads, events):
        for name in ("AUTOINSTALL", "ONLINE"):
            if hasattr(module, name):
                setattr(module, name, False)
    events.events.enabled = False
    ultralytics.utils.LOGGER.setLevel(logging.WARNING)


class UltralyticsModel(LibraryModel):
    """A checkpoint (.pt) or an export (.onnx, .torchscript, ...) of Ultralytics; the task is read from the file.

    ``options`` of a card: ``imgsz`` (longer side of the input in pixels; the network's own when it is not said).
    A checkpoint is a pickle and is opened only when the user trusts it.

    Options of :meth:`infer`: ``confidence`` (0.25), ``iou`` (0.7), ``top`` (5; of a classification), and for SAM and
    FastSAM the prompts ``boxes_xyxy`` (N, 4) and ``points_xy`` (N, 2) in pixels: each gives one area. Without a prompt
    SAM takes the whole picture as one box, FastSAM shows everything.

    The predictors keep the picture that they work on, so one call at a time goes through; others wait.
    """

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._lock = threading.RLock()

    def _check_trust(self, path: Path) -> None:
        """Goes by the format that Ultralytics itself takes the file for, which it looks for anywhere in its name."""
        quiet_ultralytics()
        from ultralytics.nn.autobackend import AutoBackend

        kind = AutoBackend._model_type(str(path))
        if kind is None and path.suffix.lower() != ".pth":
            raise ModelIncompatible(
                f"{path.name} is none of the formats of Ultralytics.",
                hint="It opens .pt checkpoints and what 'yolo export' writes.",
            )
        if kind == "torchscript":
            check_torchscript(path)
        elif kind == "saved_model":
            check_saved_model(path)
        elif kind not in _TAME:
            require_trust(path, _PICKLE if kind in ("pt", None) else _PROGRAM)

    def _open(self, path: Path, device: Any, options: LoadOptions) -> str:
        wrapper, self._family = _wrapper(path, self.card)
        self._task = str(wrapper.task)
        if self._task not in TASKS:
            raise ModelIncompatible(f"{self.card.title} is a network for {self._task}, which has no result here.")
        self._predictor = self._made(wrapper, device, options)
        self._names = self._class_names()
        return TASKS[self._task]

    def preprocess(self, image: Image) -> tuple[dict[str, Any], Any]:
        import torch

        # PyTorch warns of arrays that it must not write to, and a picture of the input's size is not copied.
        given = image if image.flags.writeable else image.copy()
        with torch.inference_mode():
            return {"images": count_upload(self._predictor.preprocess([given]))}, image

    def forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The network's raw outputs as PyTorch tensors: "raw" is what its predictor gives, "images" what went in."""
        import torch

        with self._lock, torch.inference_mode():
            return {"raw": self._predictor.inference(inputs["images"]), **inputs}

    def postprocess(self, outputs: dict[str, Any], geometry: Any, **options: Any) -> ResultBatch:
        import torch

        predictor, top = self._predictor, int(options.get("top", 5))
        with self._lock, torch.inference_mode():
            predictor.args.conf = float(options.get("confidence", 0.25))
            predictor.args.iou = float(options.get("iou", 0.7))
            predictor.batch = ([""], [geometry], [""])
            (result,) = predictor.postprocess(outputs["raw"], outputs["images"], [geometry])
            found = to_results(result, self._task, self._names, top)
        # SAM counts its areas, FastSAM has one class without a name.
        return replace(found, class_id=found.class_id * 0) if self._family and isinstance(found, Masks) else found

    def infer(self, images: Sequence[Image], **options: Any) -> list[ResultBatch]:
        with self._lock:
            if self._family == "sam":
                return [self._segment_prompts(image, options) for image in images]
            if self._family == "fastsam":
                self._predictor.set_prompts(_prompts(options))
            return super().infer(images, **options)

    def close(self) -> None:
        self.__dict__.pop("_predictor", None)

    def _segment_prompts(self, image: Image, options: dict[str, Any]) -> ResultBatch:
        """SAM: one area for every box and every point; the picture is encoded once."""
        import torch

        predictor, (height, width) = self._predictor, image.shape[:2]
        prompts = _prompts(options) or {"bboxes": [[0, 0, width, height]]}
        with torch.inference_mode():
            predictor.batch = ([""], [image], [""])
            inputs, _ = self.preprocess(image)
            predictor.features = predictor.get_im_features(inputs["images"])
            try:
                found = [predictor.inference(inputs["images"], **{kind: places}) for kind, places in prompts.items()]
            finally:
                predictor.reset_image()
            raw = tuple(torch.cat(parts) for parts in zip(*found, strict=True))
        return self.postprocess({"raw": raw, **inputs}, image, **options)

    def _made(self, wrapper: Any, device: Any, options: LoadOptions) -> Any:
        """The predictor that the library has for the model, loaded, with its input size settled."""
        own = 1024 if self._family == "sam" else wrapper.overrides.get("imgsz", 640)
        settings = {
            "task": self._task,
            "mode": "predict",
            "imgsz": self.card.options.get("imgsz", own),
            "quantize": 16 if options.half else None,
            "compile": options.compiled,
            # A compiled network would be compiled again for every shape of picture.
            "rect": not options.compiled,
            "verbose": False,
            "save": False,
        }
        predictor = wrapper._smart_load("predictor")(overrides=settings)
        # They report usage.
        predictor.callbacks.clear()
        predictor.args.device = device
        predictor.setup_model(wrapper.model, verbose=False)
        predictor.setup_source(np.zeros((64, 64, 3), np.uint8))
        return predictor

    def _uncompile(self) -> bool:
        compiled = self._predictor.model
        self._predictor.model = getattr(compiled, "_orig_mod", compiled)
        return self._predictor.model is not compiled

    def _class_names(self) -> tuple[str, ...]:
        if self._family:
            return ("object",)
        names = self._predictor.model.names
        return self.card.labels or tuple(str(names[i]) for i in sorted(names))

    def _read_placement(self, options: LoadOptions, reason: str) -> Placement:
        import torch

        model = self._predictor.model
        compiled = hasattr(model, "_orig_mod")
        backend = getattr(getattr(model, "_orig_mod", model), "backend", None)
        inner = model if backend is None else getattr(backend, "model", None)
        if isinstance(inner, torch.nn.Module):
            return placement_of(inner, options, reason, compiled)
        reason = reason or not_offered(options, "an export", half=bool(getattr(backend, "fp16", False)))
        session = getattr(backend, "session", None)
        if session is not None:
            first: str = session.get_providers()[0]
            return Placement(first.removesuffix("ExecutionProvider"), options.device, reason, "ONNX Runtime")
        return Placement(str(getattr(backend, "device", "cpu")).upper(), options.device, reason, str(model.format))


def _prompts(options: dict[str, Any]) -> dict[str, list[list[float]]]:
    """The places to segment, as SAM and FastSAM take them; those that were not given are left out."""
    boxes = np.asarray(options.get("boxes_xyxy", ()), np.float64).reshape(-1, 4)
    points = np.asarray(options.get("points_xy", ()), np.float64).reshape(-1, 2)
    return {kind: places.tolist() for kind, places in (("bboxes", boxes), ("points", points)) if len(places)}


def _wrapper(path: Path, card: ModelCard) -> tuple[Any, str]:
    """The library's class for a file, opened, and its family: "sam", "fastsam" or "" for those with classes."""
    from ultralytics.models.sam.build import sam_model_map

    ultralytics: Any = import_module("ultralytics")
    stem, architecture = path.stem.lower(), card.architecture.lower()
    if "fastsam" in stem or "fastsam" in architecture:
        return ultralytics.FastSAM(str(path)), "fastsam"
    if path.name in sam_model_map or architecture.startswith(("sam", "mobile_sam")) or stem.startswith("sam3"):
        return ultralytics.SAM(str(path)), "sam"
    return ultralytics.YOLO(str(path)), ""
