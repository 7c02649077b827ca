"""What each task of transformers needs: its Auto class, what it is given, and what its outputs mean here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.maps import DenseMap
from scenescope.models.results import Detections, Labels, Masks, ResultBatch

__all__ = ["TASKS", "Reading", "Task", "tasks_of"]


@dataclass(frozen=True)
class Reading:
    """What is needed to read a network's outputs.

    Attributes:
        processor: of the library; it has the ``post_process_...`` functions.
        config: of the network.
        outputs: as the network gave them.
        size_wh: of the picture, in pixels.
        padded_wh: of what the network was shown: the picture, continued to the right and below where it is too narrow.
        names: of the classes.
        prompts: what was asked for; empty for networks with classes of their own.
        options: of ``infer``.
    """

    processor: Any
    config: Any
    outputs: Any
    size_wh: tuple[int, int]
    padded_wh: tuple[int, int]
    names: tuple[str, ...]
    prompts: tuple[str, ...]
    options: dict[str, Any]

    def confidence(self, default: float) -> float:
        """Results that are less sure are left out."""
        return float(self.options.get("confidence", default))

    @property
    def target_sizes(self) -> list[tuple[int, int]]:
        """Height and width of the results, as the library wants them."""
        return [(self.padded_wh[1], self.padded_wh[0])]

    def cropped(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values (..., h, w) for what the network was shown, cut to the picture."""
        return values[..., : self.size_wh[1], : self.size_wh[0]]


@dataclass(frozen=True)
class Task:
    """A task of cards.

    Attributes:
        tables: the library's lists of networks that can do it.
        read: makes results of its outputs.
        prompted: whether it is asked in words; ``empty`` is the answer to no question.
    """

    tables: tuple[str, ...]
    read: Callable[[Reading], ResultBatch]
    prompted: bool = False
    empty: ResultBatch | None = None


def tasks_of(config: Any) -> dict[str, str]:
    """What a network can be used for, the likeliest first, and the Auto class for it.

    Read from the names of its classes in the configuration, ``architectures`` and ``auto_map``.
    """
    from transformers.models.auto import modeling_auto

    classes, own = set(getattr(config, "architectures", None) or ()), getattr(config, "auto_map", None) or {}
    found: dict[str, str] = {}
    for name, task in TASKS.items():
        for table in task.tables:
            entry = getattr(modeling_auto, f"MODEL_FOR_{table}_MAPPING_NAMES").get(config.model_type, ())
            known = {entry} if isinstance(entry, str) else set(entry)
            if classes & known or _AUTO[table] in own:
                found.setdefault(name, _AUTO[table])
    return found


def _columns(found: Any, names: tuple[str, ...]) -> dict[str, Any]:
    ids, confidence = _array(found["labels"]).astype(int), _array(found["scores"])
    return {"confidence": confidence, "class_id": ids, "class_names": names}


def _boxes(found: Any, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    clipped: NDArray[np.float32] = np.clip(_array(found["boxes"]).reshape(-1, 4), 0, [*size_wh, *size_wh])
    return clipped


def _detection(reading: Reading) -> Detections:
    (found,) = reading.processor.post_process_object_detection(
        reading.outputs, threshold=reading.confidence(0.5), target_sizes=reading.target_sizes
    )
    return Detections(xyxy=_boxes(found, reading.size_wh), **_columns(found, reading.names))


def _prompted_detection(reading: Reading) -> Detections:
    (found,) = _called(
        reading.processor.post_process_grounded_object_detection,
        reading.outputs,
        threshold=reading.confidence(0.25),
        text_threshold=reading.confidence(0.25),
        target_sizes=reading.target_sizes,
        text_labels=[list(reading.prompts)],
    )
    boxes, confidence = _boxes(found, reading.size_wh), _array(found["scores"])
    # Grounding DINO tells the words that it saw, which may be a part of a prompt or of two: meant is the prompt that is
    # most like them. Others tell the prompt.
    asked, seen = ([_words(text) for text in texts] for texts in (reading.prompts, found["text_labels"]))
    alike = np.array([[len(a & b) / max(len(a | b), 1) for a in asked] for b in seen]).reshape(len(seen), len(asked))
    all_found = Detections(
        xyxy=boxes, confidence=confidence, class_id=alike.argmax(axis=1), class_names=reading.prompts
    )
    return all_found[alike.max(axis=1) > 0]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _classification(reading: Reading) -> Labels:
    logits = reading.outputs.logits[0]
    several = reading.config.problem_type == "multi_label_classification" or len(logits) == 1
    return _labels(logits.sigmoid() if several else logits.softmax(-1), reading.names, reading)


def _prompted_classification(reading: Reading) -> Labels:
    logits = reading.outputs.logits_per_image[0]
    # SigLIP was trained to judge each prompt by itself, CLIP to choose among them.
    single = "siglip" in reading.config.model_type
    return _labels(logits.sigmoid() if single else logits.softmax(-1), reading.prompts, reading)


def _labels(scores: Any, names: tuple[str, ...], reading: Reading) -> Labels:
    values = _array(scores)
    likeliest = np.argsort(-values, kind="stable")[: int(reading.options.get("top", 5))]
    likeliest = likeliest[values[likeliest] >= reading.confidence(0.0)]
    return Labels(confidence=values[likeliest], class_id=likeliest, class_names=names)


def _instances(reading: Reading) -> Masks:
    (found,) = _called(
        reading.processor.post_process_instance_segmentation,
        reading.outputs,
        threshold=reading.confidence(0.5),
        target_sizes=reading.target_sizes,
        return_binary_maps=True,
    )
    segments = found["segments_info"]
    if not segments:
        return Masks(class_names=reading.names, size_wh=reading.size_wh)
    areas = reading.cropped(_array(found["segmentation"]))
    if areas.ndim == 2:
        areas = np.stack([areas == segment["id"] for segment in segments])
    return Masks.from_full(
        (areas > 0).astype(np.uint8) * 255,
        confidence=np.array([segment["score"] for segment in segments]),
        class_id=np.array([segment["label_id"] for segment in segments]),
        class_names=reading.names,
    )


def _areas(reading: Reading) -> Masks:
    (classes,) = reading.processor.post_process_semantic_segmentation(
        reading.outputs, target_sizes=reading.target_sizes
    )
    classes = reading.cropped(_array(classes).astype(int))
    present = np.unique(classes)
    confidence = _class_confidence(reading.outputs, present)
    kept = (present < len(reading.names)) & (confidence >= reading.confidence(0.0))
    if not kept.any():
        return Masks(class_names=reading.names, size_wh=reading.size_wh)
    areas = (classes[None] == present[kept][:, None, None]).astype(np.uint8) * 255
    return Masks.from_full(areas, confidence=confidence[kept], class_id=present[kept], class_names=reading.names)


def _class_confidence(outputs: Any, present: NDArray[Any]) -> NDArray[np.float32]:
    """How probable every present class is, on the mean of the pixels where it is the likeliest one."""
    import torch

    if "logits" in outputs:
        shares = outputs.logits[0].softmax(0)
    else:
        # Queries with a class and an area each, as in "Per-Pixel Classification is Not All You Need", section 3.4.
        classes = outputs.class_queries_logits[0].softmax(-1)[:, :-1]
        scores = torch.einsum("qc,qhw->chw", classes, outputs.masks_queries_logits[0].sigmoid())
        shares = scores / scores.sum(0, keepdim=True).clamp(min=1e-6)
    best, winner = (_array(part) for part in shares.max(0))
    means = [float(best[winner == i].mean()) if (winner == i).any() else float(best.min()) for i in present]
    return np.array(means, np.float32)


# Networks whose values are metres; those of the others have no unit, and larger is nearer.
_METRIC = ("zoedepth", "depth_pro", "glpn")


def _depth(reading: Reading) -> DenseMap:
    (found,) = reading.processor.post_process_depth_estimation(reading.outputs, reading.target_sizes)
    config = reading.config
    metric = config.model_type in _METRIC or getattr(config, "depth_estimation_type", "") == "metric"
    values = np.nan_to_num(reading.cropped(_array(found["predicted_depth"])))
    return DenseMap.covering(values, reading.size_wh, "depth", "m" if metric else "")


def _called(function: Callable[..., Any], outputs: Any, **options: Any) -> Any:
    """``function``, given those options that it knows; they differ from network to network."""
    known = inspect.signature(function).parameters
    return function(outputs, **{name: value for name, value in options.items() if name in known})


def _array(tensor: Any) -> NDArray[Any]:
    array: NDArray[Any] = np.asarray(tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else tensor)
    return array


# The library's tables of networks, and the Auto classes that open them.
_AUTO = {
    "OBJECT_DETECTION": "AutoModelForObjectDetection",
    "ZERO_SHOT_OBJECT_DETECTION": "AutoModelForZeroShotObjectDetection",
    "IMAGE_CLASSIFICATION": "AutoModelForImageClassification",
    "ZERO_SHOT_IMAGE_CLASSIFICATION": "AutoModelForZeroShotImageClassification",
    "UNIVERSAL_SEGMENTATION": "AutoModelForUniversalSegmentation",
    "INSTANCE_SEGMENTATION": "AutoModelForInstanceSegmentation",
    "SEMANTIC_SEGMENTATION": "AutoModelForSemanticSegmentation",
    "DEPTH_ESTIMATION": "AutoModelForDepthEstimation",
}

TASKS: dict[str, Task] = {
    "detection": Task(("OBJECT_DETECTION",), _detection),
    "zero-shot-detection": Task(("ZERO_SHOT_OBJECT_DETECTION",), _prompted_detection, True, Detections()),
    "classification": Task(("IMAGE_CLASSIFICATION",), _classification),
    "zero-shot-classification": Task(("ZERO_SHOT_IMAGE_CLASSIFICATION",), _prompted_classification, True, Labels()),
    "instance-segmentation": Task(("UNIVERSAL_SEGMENTATION", "INSTANCE_SEGMENTATION"), _instances),
    "semantic-segmentation": Task(("SEMANTIC_SEGMENTATION", "UNIVERSAL_SEGMENTATION"), _areas),
    "depth": Task(("DEPTH_ESTIMATION",), _depth),
}
