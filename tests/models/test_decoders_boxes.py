"""Decoders of boxes: known boxes are encoded as each family writes them, and come back within half a pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scenescope.models import Detections, Keypoints, Masks, OrientedDetections
from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.vision.decoders import Decoder, decoder_for
from scenescope.models.vision.decoders.ssd import tell_apart
from scenescope.models.vision.decoders.yolo import grid_cells
from scenescope.models.vision.inputs import Geometry, InputSpec, prepare

LABELS = ("cat", "dog", "bird", "fish", "cow")
C = len(LABELS)
SPEC = InputSpec((320, 256))
PICTURE_WH = (800, 400)
# Left, top, right, bottom in the picture, and class. The second is a small one, the third another class over the first.
TRUTH = np.array([[100, 80, 420, 330], [600, 300, 640, 350], [110, 85, 430, 335]], np.float64)
CLASSES = np.array([1, 4, 2])
SCORES = np.array([0.9, 0.7, 0.6])


def card(architecture: str, task: str = "detection", labels: tuple[str, ...] = LABELS, **options: Any) -> ModelCard:
    return ModelCard("m", "M", "", task, architecture, "onnxruntime", "m.onnx", "", "", "", "", {}, labels, options)


def geometry() -> Geometry:
    return prepare(np.zeros((PICTURE_WH[1], PICTURE_WH[0], 3), np.uint8), SPEC)[1]


def in_input(xy: np.ndarray) -> np.ndarray:
    """Points of the picture as points of the input: a letterbox of 800 x 400 in 320 x 256."""
    return xy * 0.4 + np.array([0, 48])


def boxes_in_input() -> np.ndarray:
    return in_input(TRUTH.reshape(-1, 2, 2)).reshape(-1, 4)


def xywh(boxes: np.ndarray) -> np.ndarray:
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


def one_hot(scores: np.ndarray = SCORES) -> np.ndarray:
    table = np.zeros((len(scores), C))
    table[np.arange(len(scores)), CLASSES[: len(scores)]] = scores
    return table


CELLS = max(n for n in grid_cells(SPEC.size_wh) if grid_cells(SPEC.size_wh)[n] == (8, 16, 32))


def placed(rows: np.ndarray, count: int, repeat: bool = True) -> np.ndarray:
    """The rows among ``count`` empty ones; each twice, the second time a little less sure and moved by a pixel."""
    table = np.zeros((count, rows.shape[1]), np.float32)
    at = np.arange(len(rows)) * 7 + 11
    table[at] = rows
    if repeat:
        table[at + 1] = rows
        table[at + 1, 0] += 1
        table[at + 1, 4:] *= 0.9
    return table


def yolo_v5() -> dict[str, np.ndarray]:
    rows = np.hstack([xywh(boxes_in_input()), np.full((3, 1), 1.0), one_hot()])
    return {"output0": placed(rows, 3 * CELLS)[None]}


def yolo_v8() -> dict[str, np.ndarray]:
    return {"output0": placed(np.hstack([xywh(boxes_in_input()), one_hot()]), CELLS).T[None]}


def yolo_v8_fractions() -> dict[str, np.ndarray]:
    boxes = xywh(boxes_in_input()) / np.tile(SPEC.size_wh, 2)
    table = placed(np.hstack([boxes, one_hot()]), CELLS, repeat=False)
    return {"output0": table.T[None]}


def yolo_final() -> dict[str, np.ndarray]:
    rows = np.hstack([boxes_in_input(), SCORES[:, None], CLASSES[:, None]])
    return {"output0": placed(rows, 300, repeat=False)[None]}


def yolox() -> dict[str, np.ndarray]:
    table = np.zeros((CELLS, 5 + C), np.float32)
    start = 0
    for stride in (8, 16, 32):
        columns = SPEC.size_wh[0] // stride
        if stride == 16:
            for box, scores in zip(xywh(boxes_in_input()), one_hot(), strict=True):
                cell = np.floor(box[:2] / stride).astype(int)
                # One row for each cell: boxes with one centre would overwrite each other.
                row = start + cell[1] * columns + cell[0]
                row = row if table[row, 4] == 0 else row + 1
                corner = np.array([(row - start) % columns, (row - start) // columns])
                table[row] = [*(box[:2] / stride - corner), *np.log(box[2:] / stride), 1.0, *scores]
        start += columns * (SPEC.size_wh[1] // stride)
    return {"output": table[None]}


def ssd_tensorflow() -> dict[str, np.ndarray]:
    yxyx = (boxes_in_input() / np.tile(SPEC.size_wh, 2))[:, [1, 0, 3, 2]]
    return {
        "d:3": np.array([3.0], np.float32),
        "d:1": np.float32([[*CLASSES, 0]]),
        "d:0": np.float32([[*yxyx, [0, 0, 0, 0]]]),
        "d:2": np.float32([[*SCORES, 0.99]]),
    }


def ssd_torchvision() -> dict[str, np.ndarray]:
    return {
        "boxes": boxes_in_input().astype(np.float32),
        "labels": CLASSES.astype(np.int64) + 1,
        "scores": SCORES.astype(np.float32),
    }


def ssd_candidates() -> dict[str, np.ndarray]:
    scores = np.hstack([1 - SCORES[:, None], one_hot()])
    rows = placed(np.hstack([boxes_in_input() / np.tile(SPEC.size_wh, 2), scores]), 2000, repeat=False)
    return {"scores": rows[None, :, 4:], "boxes": rows[None, :, :4]}


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(np.clip(p, 1e-6, 1) / (1 - np.clip(p, 0, 1 - 1e-6)))


def centernet(last: bool = False) -> dict[str, np.ndarray]:
    heat = np.full((C, 64, 80), -8.0, np.float32)
    size, offset = np.zeros((2, 64, 80), np.float32), np.zeros((2, 64, 80), np.float32)
    for box, cls, score in zip(xywh(boxes_in_input()) / 4, CLASSES, SCORES, strict=True):
        x, y = np.floor(box[:2]).astype(int)
        heat[cls, y, x] = logit(score)
        heat[cls, y, x + 1] = logit(score * 0.9)
        size[:, y, x], offset[:, y, x] = box[2:], box[:2] - (x, y)
    maps = {"hm": heat, "wh": size, "reg": offset}
    return {name: (np.moveaxis(m, 0, -1) if last else m)[None] for name, m in maps.items()}


def detr_softmax() -> dict[str, np.ndarray]:
    logits = np.full((100, C + 1), -8.0, np.float32)
    logits[:, C] = 8.0
    logits[:3] = np.log(np.hstack([one_hot(), 1 - SCORES[:, None]]) + 1e-9)
    boxes = np.full((100, 4), 0.5, np.float32)
    boxes[:3] = xywh(boxes_in_input()) / np.tile(SPEC.size_wh, 2)
    return {"logits": logits[None], "pred_boxes": boxes[None]}


def rtdetr() -> dict[str, np.ndarray]:
    boxes = placed(xywh(boxes_in_input()) / np.tile(SPEC.size_wh, 2), 300, repeat=False)
    scores = placed(one_hot(), 300, repeat=False)
    return {"boxes": boxes[None], "scores": logit(scores).astype(np.float32)[None]}


def rtdetr_one() -> dict[str, np.ndarray]:
    rows = np.hstack([xywh(boxes_in_input()) / np.tile(SPEC.size_wh, 2), one_hot()])
    return {"output0": placed(rows, 300, repeat=False)[None]}


def rtdetr_final() -> dict[str, np.ndarray]:
    rows = np.hstack([xywh(boxes_in_input()) / np.tile(SPEC.size_wh, 2), SCORES[:, None], CLASSES[:, None]])
    return {"output0": placed(rows, 300, repeat=False)[None]}


Encode = Callable[[], dict[str, np.ndarray]]
HEADS: list[tuple[str, str, dict[str, Any], Encode]] = [
    ("YOLOv5", "yolo", {}, yolo_v5),
    ("YOLOv8", "yolo", {}, yolo_v8),
    ("YOLOv8 in fractions", "yolo", {"normalised": True}, yolo_v8_fractions),
    ("YOLO26", "yolo", {}, yolo_final),
    ("YOLOX", "yolo", {}, yolox),
    ("SSD of TensorFlow", "ssd", {}, ssd_tensorflow),
    ("SSD of torchvision", "ssd", {"first_class": 1}, ssd_torchvision),
    ("SSD candidates", "ssd", {"background": True}, ssd_candidates),
    ("CenterNet", "centernet", {}, centernet),
    ("CenterNet, channels last", "centernet", {}, lambda: centernet(last=True)),
    ("DETR", "detr", {}, detr_softmax),
    ("RT-DETR", "detr", {"scores": "sigmoid"}, rtdetr),
    ("RT-DETR in one", "detr", {"scores": "probability"}, rtdetr_one),
    ("RT-DETR, final", "detr", {}, rtdetr_final),
]
each_head = pytest.mark.parametrize(
    ("architecture", "options", "encode"), [h[1:] for h in HEADS], ids=[h[0] for h in HEADS]
)


def made(architecture: str, outputs: dict[str, np.ndarray], task: str = "detection", **options: Any) -> Decoder:
    return decoder_for(card(architecture, task, **options), SPEC, {k: np.zeros_like(v) for k, v in outputs.items()})


@each_head
def test_known_boxes_come_back(architecture: str, options: dict[str, Any], encode: Encode) -> None:
    outputs = encode()
    decoder = decoder_for(card(architecture, **options), SPEC, outputs)
    found = decoder.decode(outputs, geometry(), confidence=0.5, iou=0.6)
    assert isinstance(found, Detections)
    assert found.class_id.tolist() == CLASSES.tolist()
    np.testing.assert_allclose(found.confidence, SCORES, atol=2e-3)
    np.testing.assert_allclose(found.xyxy, TRUTH, atol=0.5)
    assert found.labels == ["dog", "cow", "bird"]


@each_head
def test_a_higher_threshold_drops_the_unsure(architecture: str, options: dict[str, Any], encode: Encode) -> None:
    outputs = encode()
    decoder = decoder_for(card(architecture, **options), SPEC, outputs)
    assert len(decoder.decode(outputs, geometry(), confidence=0.65, iou=0.6)) == 2
    assert len(decoder.decode(outputs, geometry(), confidence=0.95, iou=0.6)) == 0


@each_head
def test_nothing_and_nonsense_give_nothing(architecture: str, options: dict[str, Any], encode: Encode) -> None:
    outputs = encode()
    decoder = decoder_for(card(architecture, **options), SPEC, outputs)
    for value in (np.nan, np.inf, -np.inf):
        broken = {k: np.full_like(v, value) if v.dtype.kind == "f" and v.size > 1 else v for k, v in outputs.items()}
        found = decoder.decode(broken, geometry(), confidence=0.5, iou=0.6)
        assert np.isfinite(found.xyxy).all()
        assert np.isfinite(found.confidence).all()
    nothing = {k: np.full_like(v, -20) if v.min() < -1 else np.zeros_like(v) for k, v in outputs.items()}
    assert len(decoder.decode(nothing, geometry(), confidence=0.5, iou=0.6)) == 0


def test_overlapping_boxes_of_one_class_are_suppressed_as_far_as_wished() -> None:
    outputs = yolo_v8()
    decoder = made("yolo", outputs)
    assert len(decoder.decode(outputs, geometry(), confidence=0.5, iou=0.6)) == 3
    # The repeated ones lie a pixel aside: above that overlap both stay.
    assert len(decoder.decode(outputs, geometry(), confidence=0.5, iou=0.999)) == 6


def test_areas_of_a_segment_head() -> None:
    protos = np.full((4, 64, 80), -1.0, np.float32)
    protos[0, :, :40], protos[1, :, 40:] = 5.0, 5.0
    weights = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]], np.float64)
    rows = np.hstack([xywh(boxes_in_input()), one_hot(), weights])
    outputs = {"output0": placed(rows, CELLS, repeat=False).T[None], "output1": protos[None]}
    found = made("yolo", outputs, "instance-segmentation").decode(outputs, geometry(), confidence=0.5)
    assert isinstance(found, Masks)
    assert found.size_wh == PICTURE_WH
    assert found.class_id.tolist() == CLASSES.tolist()
    np.testing.assert_array_equal(found.top_left_xy, TRUTH[:, :2])
    # The first prototype is the left half of the input: 160 of 320, which is 400 of 800 in the picture.
    left = found.alpha[0]
    assert left.shape == (250, 320)
    assert (left[:, : 400 - 100 - 6] == 255).all()
    assert (left[:, 400 - 100 + 6 :] == 0).all()
    assert (found.alpha[1] == 255).all()


def test_points_of_a_pose_head() -> None:
    points = np.random.default_rng(3).uniform([100, 80], [420, 330], (3, 17, 2))
    values = np.concatenate([in_input(points), np.full((3, 17, 1), 0.8)], axis=2).reshape(3, -1)
    scores = SCORES[:, None]
    outputs = {"output0": placed(np.hstack([xywh(boxes_in_input()), scores, values]), CELLS, repeat=False).T[None]}
    decoder = decoder_for(card("yolo", "pose", ("person",)), SPEC, outputs)
    found = decoder.decode(outputs, geometry(), confidence=0.5, iou=0.95)
    assert isinstance(found, Keypoints)
    np.testing.assert_allclose(found.xy, points, atol=0.5)
    np.testing.assert_allclose(found.confidence, 0.8, atol=1e-6)
    assert found.names[5] == "left_shoulder"


@pytest.mark.parametrize("final", [False, True])
def test_oriented_boxes(final: bool) -> None:
    centre, angle = np.array([[400, 200], [200, 120]], np.float64), np.array([[0.5], [-0.3]])
    size = np.array([[200, 60], [40, 90]], np.float64)
    boxes = np.hstack([in_input(centre), size * 0.4])
    if final:
        rows = np.hstack([boxes, SCORES[:2, None], CLASSES[:2, None], angle])
        outputs = {"o": placed(rows, 300, repeat=False)[None]}
    else:
        outputs = {"o": placed(np.hstack([boxes, one_hot(SCORES[:2]), angle]), CELLS).T[None]}
    found = made("yolo", outputs, "oriented-detection").decode(outputs, geometry(), confidence=0.5)
    assert isinstance(found, OrientedDetections)
    assert found.class_id.tolist() == CLASSES[:2].tolist()
    for quad, c, (w, h), turn in zip(found.quad_xy, centre, size, angle[:, 0], strict=True):
        np.testing.assert_allclose(quad.mean(axis=0), c, atol=0.5)
        np.testing.assert_allclose(np.linalg.norm(quad[1] - quad[0]), w, atol=0.5)
        np.testing.assert_allclose(np.linalg.norm(quad[2] - quad[1]), h, atol=0.5)
        along = quad[1] - quad[0]
        np.testing.assert_allclose(np.arctan2(along[1], along[0]), turn, atol=1e-3)


def test_classes_and_scores_are_told_apart_by_type_name_and_value() -> None:
    classes, scores = np.float32([3, 1, 0]), np.float32([0.9, 0.5, 0.1])
    for columns in (
        {"a": scores, "b": classes.astype(np.int64)},
        {"detection_scores": scores, "detection_classes": classes},
        {"StatefulPartitionedCall:1": classes[None], "StatefulPartitionedCall:2": scores[None]},
        {"x": scores, "y": classes},
    ):
        found = tell_apart(columns)
        np.testing.assert_array_equal(found[0], classes)
        np.testing.assert_array_equal(found[1], scores)


@pytest.mark.parametrize("architecture", ["yolo", "ssd", "centernet", "detr"])
@pytest.mark.parametrize("shape", [(1, 10), (1, 3, 3, 7, 2), ()])
def test_outputs_of_another_family_are_refused_in_words(architecture: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelIncompatible, match=r"m\.onnx"):
        made(architecture, {"o": np.zeros(shape, np.float32)})
