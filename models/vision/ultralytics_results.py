"""What Ultralytics finds, as Scenescope's result types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from scenescope.models.maps import DenseMap
from scenescope.models.results import Detections, Keypoints, Labels, Masks, ResultBatch
from scenescope.models.shapes import OrientedDetections
from scenescope.models.vision.copies import COPIES
from scenescope.models.vision.decoders.movenet import COCO_NAMES, COCO_SKELETON

__all__ = ["TASKS", "to_results"]

# Ultralytics' tasks as cards spell them.
TASKS = {
    "detect": "detection",
    "segment": "instance-segmentation",
    "semantic": "semantic-segmentation",
    "pose": "pose",
    "obb": "oriented-detection",
    "classify": "classification",
    "depth": "depth",
}


_PARTS = ("boxes", "masks", "probs", "keypoints", "obb", "semantic_mask", "depth")


def to_results(result: Any, task: str, names: tuple[str, ...], top: int = 5) -> ResultBatch:
    """One ``ultralytics.engine.results.Results`` as the type of its task.

    Args:
        result: for one picture; its tensors may lie on any device.
        task: as Ultralytics calls it.
        names: of the classes.
        top: how many labels of a picture to keep.
    """
    for name in _PARTS:
        part = getattr(result, name)
        if part is not None and part.data.device.type != "cpu":
            COPIES.downloaded(part.data.nbytes)
    result = result.cpu().numpy()
    height, width = result.orig_shape
    return _MAKERS[task](result, names, (int(width), int(height)), top)


def _classed(boxes: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {"confidence": boxes.conf, "class_id": boxes.cls, "class_names": names}


def _detections(result: Any, names: tuple[str, ...], size_wh: tuple[int, int], top: int) -> Detections:
    # RT-DETR's boxes reach out of the picture now and then.
    return Detections(xyxy=np.clip(result.boxes.xyxy, 0, [*size_wh, *size_wh]), **_classed(result.boxes, names))


def _oriented(result: Any, names: tuple[str, ...], size_wh: tuple[int, int], top: int) -> OrientedDetections:
    return OrientedDetections(quad_xy=result.obb.xyxyxyxy, **_classed(result.obb, names))


def _keypoints(result: Any, names: tuple[str, ...], size_wh: tuple[int, int], top: int) -> Keypoints:
    points = result.keypoints.data
    count, known = points.shape[1], points.shape[2] == 3
    person = count == len(COCO_NAMES)
    return Keypoints(
        xy=points[..., :2] if len(points) else np.empty((0, count, 2)),
        confidence=points[..., 2] if known else np.ones(points.shape[:2]),
        names=COCO_NAMES if person else (),
        skeleton=COCO_SKELETON if person else (),
    )


def _labels(result: Any, names: tuple[str, ...], size_wh: tuple[int, int], top: int) -> Labels:
    likeliest = np.argsort(-result.probs.data, kind="stable")[:top]
    return Labels(confidence=result.probs.data[likeliest], class_id=likeliest, class_names=names)


def _masks(result: Any, names: tuple[str, ...], size_wh: tuple[int, int], top: int) -> Masks:
    if result.masks is None or not len(result.masks):
        return Masks(class_names=names, size_wh=size_wh)
    areas = (result.masks.data > 0).astype(np.uint8) * 255
    (height, width), (h, w) = size_wh[::-1], areas.shape[1:]
    if (h, w) == (height, width):
        return Masks.from_full(areas, **_classed(result.boxes, names))
    # They are as large as the network's input, borders of the letterbox included (ultralytics.utils.ops.scale_masks).
    gain = min(w / width, h / height)
    new_w, new_h = max(round(width * gain), 1), max(round(height * gain), 1)
    x, y = round((w - new_w) / 2 - 0.1), round((h - new_h) / 2 - 0.1)
    found = Masks.from_full(areas[:, y : y + new_h, x : x + new_w], **_classed(result.boxes, names))
    return replace(found.warped(np.diag([width / new_w, height / new_h, 1.0])), size_wh=size_wh)


def _areas(result: Any, names: tuple[str, ...], size_wh: tuple[int, int], top: int) -> Masks:
    classes = result.semantic_mask.data.astype(int)
    if len(names) == 1:
        # Two values, and the only class is 1.
        classes = np.where(classes == 1, 0, -1)
    present = np.unique(classes)
    present = present[(present >= 0) & (present < len(names))]
    if not len(present):
        return Masks(class_names=names, size_wh=size_wh)
    areas = (classes[None] == present[:, None, None]).astype(np.uint8) * 255
    return Masks.from_full(areas, confidence=np.ones(len(present)), class_id=present, class_names=names)


def _depth(result: Any, names: tuple[str, ...], size_wh: tuple[int, int], top: int) -> DenseMap:
    return DenseMap.covering(result.depth.data, size_wh, "depth", "m")


_MAKERS: dict[str, Callable[[Any, tuple[str, ...], tuple[int, int], int], ResultBatch]] = {
    "detect": _detections,
    "obb": _oriented,
    "pose": _keypoints,
    "classify": _labels,
    "segment": _masks,
    "semantic": _areas,
    "depth": _depth,
}
