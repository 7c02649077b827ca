"""Rules for outputs that hold boxes: YOLO, NanoDet, SSD, DETR, CenterNet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.catalogue.guess_labels import names_of
from scenescope.models.catalogue.guess_reading import Reading, Seen
from scenescope.models.vision.decoders.yolo import grid_cells

__all__ = ["boxes_and_scores", "centernet", "nanodet", "yolo"]

Array = NDArray[Any]


def nanodet(seen: Seen) -> Iterator[Reading]:
    """NanoDet: pairs of scores and distances for three strides."""
    cells = [(seen.size_wh[0] // s) * (seen.size_wh[1] // s) for s in (8, 16, 32)]
    by_cells: dict[int, list[int]] = {}
    for shape in seen.shapes.values():
        if len(shape) >= 2:
            by_cells.setdefault(int(np.prod(shape[:-1])), []).append(shape[-1])
    if not all(len(by_cells.get(n, ())) == 2 for n in cells):
        return
    both = set(by_cells[cells[0]])
    if len(both) != 2 or any(set(by_cells[n]) != both for n in cells):
        return
    bins = [n for n in both if n % 4 == 0 and 4 * 7 <= n <= 4 * 33 and n != 80] or [44]
    classes = next(iter(both - {bins[0]}))
    yield Reading(
        "detection", "nanodet", f"3 levels of {classes} scores and 4 x {bins[0] // 4} distances", 0.96,
        "pairs of outputs for strides 8, 16 and 32, as NanoDet has", {"bins": bins[0] // 4}, classes,
    )  # fmt: skip


def yolo(seen: Seen) -> Iterator[Reading]:
    """YOLO: one output of rows, and perhaps prototypes of areas."""
    rows = {name: shape for name, shape in seen.shapes.items() if len(shape) == 3 and shape[0] == 1 and min(shape) > 0}
    protos = [s for s in seen.shapes.values() if len(s) == 4 and s[0] == 1]
    if not rows:
        return
    name = max(rows, key=lambda n: np.prod(rows[n]))
    values, (a, b) = seen.values(name)[:, 0], rows[name][1:]
    cells = grid_cells(seen.size_wh)
    masks = min(protos[0][1], protos[0][3]) if len(protos) == 1 and len(seen.shapes) == 2 else 0
    if len(seen.shapes) > 1 and not masks:
        return
    if b in cells and 5 <= a != b:
        yield from _rows(
            seen, values.transpose(0, 2, 1), "v8", masks, f"{b} rows of {a}, one a cell, lie along the last axis"
        )
    if a in {3 * n for n in cells} and b >= 6:
        yield from _rows(seen, values, "v5", masks, f"{a} rows of {b}, three a cell")
    if a in cells and b >= 6:
        yield from _grid(seen, values, masks, f"{a} rows of {b}, one a cell")
    if a <= 1000 and b >= 6 and _final(values):
        yield from _final_rows(seen, values, masks)


def _rows(seen: Seen, values: Array, head: str, masks: int, why: str) -> Iterator[Reading]:
    """Candidates; ``values`` is (pictures, rows, columns)."""
    start = 4 if head == "v8" else 5
    options: dict[str, Any] = {"head": head}
    if values[..., :4].min() >= -0.5 and values[..., :4].max() <= 2:
        options["normalised"] = True
    words = "cx, cy, w, h, " + ("objectness, " if start == 5 else "") + "class scores"
    columns = values.shape[2] - start
    if masks and columns > masks:
        text = f"{words}, {masks} weights of areas"
        yield Reading(
            "instance-segmentation", "yolo", text, 0.95, f"{why}, and {masks} prototypes", options, columns - masks
        )
        return
    count, per_point = _keypoint_shape(seen, values[..., start:])
    if count:
        shape = [count, per_point]
        extra = {**options, "keypoint_shape": shape}
        known = 0.98 if "kpt_shape" in seen.metadata else 0.9
        classes = columns - count * per_point
        yield Reading(
            "pose", "yolo", f"{words}, {count} points", known, f"{why}; points follow the scores", extra, classes
        )
    if seen.task == "oriented-detection" or seen.says("obb"):
        yield Reading("oriented-detection", "yolo", f"{words}, angle", 0.9, why, options, columns - 1)
    fractions = values[..., start:].min() >= -0.01 and values[..., start:].max() <= 1.01
    yield Reading("detection", "yolo", words, 0.94 if fractions else 0.3, f"{why}: YOLO candidates", options, columns)


def _keypoint_shape(seen: Seen, scores: Array) -> tuple[int, int]:
    """Points and values a point behind the scores; (0, 0) when there are none."""
    said = names_of(seen.metadata.get("kpt_shape"))
    if len(said) == 2 and all(n.isdecimal() for n in said):
        return int(said[0]), int(said[1])
    # Coordinates are pixels, scores fractions.
    outside = np.flatnonzero((scores.max(axis=(0, 1)) > 2) | (scores.min(axis=(0, 1)) < -0.5))
    if not len(outside):
        return 0, 0
    rest = scores.shape[2] - int(outside[0])
    for per_point in (3, 2):
        if rest % per_point == 0 and rest // per_point >= 3:
            return rest // per_point, per_point
    return 0, 0


def _grid(seen: Seen, values: Array, masks: int, why: str) -> Iterator[Reading]:
    """One row a cell along the second axis: YOLOX as it is, YOLOX decoded, or YOLOv8 turned."""
    boxes, columns = values[..., :4], values.shape[2]
    pixels = boxes[..., 2:].min() >= 0 and boxes.max() > 0.2 * max(seen.size_wh)
    known = seen.labels or (80 if columns in (84, 85) else 0)
    eight = columns - 4 == known if known else False
    if pixels or (boxes.min() >= 0 and boxes.max() <= 1.5):
        yield from _rows(seen, values, "v8" if eight else "v5", masks, why)
    else:
        words = "offsets in cells, logarithms of sizes, objectness, class scores"
        yield Reading(
            "detection", "yolo", words, 0.9, f"{why}, not in pixels: a YOLOX grid", {"head": "grid"}, columns - 5
        )


def _final(values: Array) -> bool:
    """Whether rows are x1, y1, x2, y2, score, class, or with the centre first: what no threshold has to sort out."""
    score, cls = values[..., 4], values[..., 5]
    fractions = bool(score.min() >= -0.01 and score.max() <= 1.01)
    return fractions and bool((np.abs(cls - np.rint(cls)) < 1e-4).all()) and cls.min() >= -1


def _final_rows(seen: Seen, values: Array, masks: int) -> Iterator[Reading]:
    count, columns = values.shape[1:]
    boxes, more = values[..., :4], columns - 6
    classes = seen.labels or int(values[..., 5].max()) + 1
    rising = float(((boxes[..., 2] >= boxes[..., 0]) & (boxes[..., 3] >= boxes[..., 1])).mean())
    fractions = bool(boxes.min() >= -0.5 and boxes.max() <= 1.6)
    why = f"{count} rows of {columns} with a score and a whole number"
    if str(seen.metadata.get("head", "")) == "RTDETRDecoder" or (fractions and rising < 0.95 and not more):
        yield Reading(
            "detection",
            "detr",
            "cx, cy, w, h as fractions, score, class",
            0.93,
            f"{why}: RT-DETR",
            {"scores": "final"},
            classes,
        )
        return
    options = {"head": "end2end", **({"normalised": True} if fractions and boxes.max() > 0 else {})}
    words = "x1, y1, x2, y2, score, class"
    if masks and more == masks:
        text = f"{words}, {masks} weights of areas"
        yield Reading("instance-segmentation", "yolo", text, 0.95, f"{why}, and prototypes", options, classes)
    elif more == 1:
        yield Reading("oriented-detection", "yolo", "cx, cy, w, h, score, class, angle", 0.9, why, options, classes)
    elif more >= 6 and (more % 3 == 0 or more % 2 == 0):
        per_point = 3 if more % 3 == 0 else 2
        extra = {**options, "keypoint_shape": [more // per_point, per_point]}
        yield Reading("pose", "yolo", f"{words}, {more // per_point} points", 0.9, why, extra, classes)
    elif not more:
        yield Reading("detection", "yolo", words, 0.93, f"{why}: final YOLO rows", options, classes)


def boxes_and_scores(seen: Seen) -> Iterator[Reading]:
    """SSD and DETR: boxes in an output of their own."""
    shapes = seen.shapes
    boxes = [n for n, s in shapes.items() if s[-1:] == (4,) and len(s) in (2, 3)]
    if not boxes or len(shapes) < 2:
        yield from _queries_in_one(seen)
        return
    name = max(boxes, key=lambda n: len(shapes[n]))
    count = shapes[name][-2]
    columns = [n for n, s in shapes.items() if n != name and s in ((count,), (1, count))]
    values = seen.values(name)
    fractions = bool(values.size and values.min() >= -0.6 and values.max() <= 1.6)
    if len(columns) == 2:
        counted = any(np.prod(s) == 1 for n, s in shapes.items() if n not in columns)
        order = "yxyx" if counted else "xyxy"
        options = {"boxes": order, "normalised": fractions if values.size and values.any() else counted}
        if not counted and any("label" in n.lower() for n in columns):
            # torchvision and its like give 0 to nothing.
            options["first_class"] = 1 if seen.labels == 0 else 0
        words = "y1, x1, y2, x2" if counted else "x1, y1, x2, y2"
        yield Reading(
            "detection",
            "ssd",
            f"{words}; class; score",
            0.94,
            "boxes, classes and scores in outputs of their own",
            options,
            seen.labels,
        )
        return
    wide = [n for n, s in shapes.items() if n != name and len(s) == 3 and s[:2] == (1, count) and s[2] > 1]
    if len(wide) != 1:
        return
    scores = seen.values(wide[0])
    probable = bool(scores.min() >= 0 and scores.max() <= 1)
    classes = scores.shape[-1]
    if count <= 1000 and fractions:
        yield from _queries(seen, scores, probable, f"{count} queries with a box and {classes} values each")
    if probable and fractions:
        background = bool(np.abs(scores.sum(axis=-1) - 1).max() < 0.01)
        options = {"boxes": "xyxy", "normalised": True, "background": background}
        likely = 0.85 if count > 1000 else 0.3
        why = f"{count} candidates with a box and {classes} scores each"
        yield Reading(
            "detection", "ssd", "x1, y1, x2, y2 as fractions; class scores", likely, why, options, classes - background
        )


def _queries(seen: Seen, scores: Array, probable: bool, why: str) -> Iterator[Reading]:
    last = float((scores.argmax(axis=-1) == scores.shape[-1] - 1).mean())
    nothing = seen.labels + 1 == scores.shape[-1] if seen.labels else last > 0.5 and not probable
    sure = 0.9 if (seen.labels or last > 0.5 or probable or scores.shape[-2] == 300) else 0.75
    softmax = Reading(
        "detection", "detr", "cx, cy, w, h as fractions; logits, the last for nothing", sure if nothing else 0.4,
        f"{why}, the last for no object: DETR", {"scores": "softmax"}, scores.shape[-1] - 1,
    )  # fmt: skip
    kind = "probability" if probable else "sigmoid"
    single = Reading(
        "detection", "detr", f"cx, cy, w, h as fractions; {'probabilities' if probable else 'logits'} of each class",
        0.4 if nothing else sure, f"{why}: RT-DETR or Deformable DETR", {"scores": kind}, scores.shape[-1],
    )  # fmt: skip
    yield from (softmax, single) if not probable else (single,)


def _queries_in_one(seen: Seen) -> Iterator[Reading]:
    """RT-DETR with boxes and class scores side by side."""
    shapes = list(seen.shapes.values())
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1 or shapes[0][1] > 1000 or shapes[0][2] < 5:
        return
    count, columns = shapes[0][1:]
    values = seen.values(next(iter(seen.shapes)))
    if count in grid_cells(seen.size_wh) or values[..., :4].min() < 0 or values[..., :4].max() > 1.01:
        return
    scores = values[..., 4:]
    if columns == 6 and _final(values[:, 0]):
        return
    kind = "probability" if scores.min() >= 0 and scores.max() <= 1 else "sigmoid"
    why = f"{count} queries, each a box in fractions and {columns - 4} scores: RT-DETR"
    yield Reading(
        "detection", "detr", "cx, cy, w, h as fractions, class scores", 0.85, why, {"scores": kind}, columns - 4
    )


def centernet(seen: Seen) -> Iterator[Reading]:
    """CenterNet: a heat map with maps of two values beside it."""
    shapes = list(seen.shapes.values())
    if len(shapes) not in (2, 3) or any(len(s) != 4 or s[0] != 1 for s in shapes):
        return
    for axis in (1, 3):
        places = {s[2:] if axis == 1 else s[1:3] for s in shapes}
        twos = [s for s in shapes if s[axis] == 2]
        if len(places) == 1 and len(twos) >= len(shapes) - 1 and twos:
            heat = [s for s in shapes if s[axis] != 2]
            classes = heat[0][axis] if heat else 2
            why = f"a map of {classes} classes with maps of two values beside it"
            yield Reading("detection", "centernet", "peaks; sizes and offsets in cells", 0.93, why, {}, classes)
            return
