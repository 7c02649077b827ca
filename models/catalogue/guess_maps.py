"""Rules for outputs without boxes: maps, points, vectors, classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.catalogue.guess_reading import Reading, Seen
from scenescope.models.vision.decoders.areas import covers

__all__ = ["bar_codes", "classification", "coordinates", "known_shapes", "maps"]

Array = NDArray[Any]

_POINT_SETS = {17: "COCO's 17", 16: "MPII's 16", 21: "a hand's 21", 33: "BlazePose's 33", 68: "a face's 68"}


def known_shapes(seen: Seen) -> Iterator[Reading]:
    """MediaPipe's and MoveNet's networks, whose shapes nobody else has."""
    shapes = sorted(seen.shapes.values())
    if (1, 1, 17, 3) in shapes:
        yield Reading("pose", "movenet", "17 x (y, x, score), fractions", 0.97, "the output (1, 1, 17, 3) is MoveNet's")
    if (1, 6, 56) in shapes:
        yield Reading(
            "pose", "movenet-multi", "6 x 17 x (y, x, score) and a box", 0.97, "the output (1, 6, 56) is MoveNet's"
        )
    for values, task, architecture, what in (
        (16, "face-detection", "blazeface", "boxes and 6 points"),
        (18, "palm-detection", "palm", "boxes and 7 points"),
    ):
        if any(s[:1] == (1,) and s[2:] == (values,) and (1, s[1], 1) in shapes for s in shapes):
            why = f"{values} values and one score an anchor are those of {architecture}"
            yield Reading(task, architecture, f"{what} from anchors", 0.95, why)
    yield from _landmarks(seen)


def _landmarks(seen: Seen) -> Iterator[Reading]:
    sizes = sorted(value.size for value in seen.outputs[0].values())
    ones = sizes.count(1)
    if sizes.count(63) and ones:
        yield Reading(
            "hand-landmarks",
            "landmarks",
            "21 x (x, y, z) in pixels",
            0.93,
            "63 values and a presence: a hand's 21 points",
            {"points": [21], "presence": "probability"},
        )
    for points in (468, 478):
        if 3 * points in sizes and ones:
            yield Reading(
                "face-landmarks",
                "landmarks",
                f"{points} x (x, y, z) in pixels",
                0.95,
                f"{3 * points} values and a presence: a face mesh of {points} points",
                {"points": [points]},
            )
    if {213, 15} <= set(sizes):
        yield Reading(
            "iris-landmarks",
            "landmarks",
            "71 and 5 x (x, y, z) in pixels",
            0.95,
            "213 and 15 values: an eye's contour and its iris",
            {"points": [71, 5]},
        )


def maps(seen: Seen) -> Iterator[Reading]:
    """Outputs that cover the picture: areas, depth, heat maps."""
    shapes = seen.shapes
    fitting = {
        n: s for n, s in shapes.items() if len(s) in (3, 4) and s[0] == 1 and min(s[-2:]) >= 1 and np.prod(s) > 64
    }
    if not fitting or any(len(s) not in (3, 4) for s in shapes.values()):
        return
    name = next((n for n in fitting if n in ("out", "logits")), next(iter(fitting)))
    shape, values = fitting[name], seen.values(name)
    if len(shape) == 3 and not covers(shape[1:], seen.size_wh):
        return
    if len(shape) == 3:
        channels, last = 1, False
    else:
        last = covers(shape[1:3], seen.size_wh) and not covers(shape[2:], seen.size_wh)
        channels = shape[3] if last else shape[1]
        if not covers(shape[1:3] if last else shape[2:], seen.size_wh):
            return
    whole = not np.issubdtype(seen.outputs[0][name].dtype, np.floating)
    if whole and channels == 1:
        words, why = "class numbers", "whole numbers over the picture"
        yield Reading(
            "semantic-segmentation", "segmentation", words, 0.95, why, {}, seen.labels or int(values.max()) + 1
        )
    elif channels == 1:
        yield from _single_map(seen, shape, values)
    else:
        yield from _several_maps(seen, shape, values, channels, last)


def _single_map(seen: Seen, shape: tuple[int, ...], values: Array) -> Iterator[Reading]:
    low, high = float(values.min()), float(values.max())
    fraction = low >= 0 and high <= 1
    full = shape in ((1, seen.size_wh[1], seen.size_wh[0], 1), (1, 1, seen.size_wh[1], seen.size_wh[0]))
    # A matte is sure nearly everywhere; depth is spread.
    sure = float(((values < 0.1) | (values > 0.9)).mean()) if fraction else 0.0
    depth = 0.9 if seen.says("depth", "midas", "disparity", "dpt") else 0.6 if not fraction and low >= 0 else 0.35
    area = 0.9 if seen.says("seg", "matte", "mask", "alpha", "portrait") else 0.8 if sure > 0.6 else 0.45
    if fraction and full:
        yield Reading(
            "matte", "matte", "one probability a pixel", area, "one fraction a pixel, as large as the input", {}, 0
        )
    elif not fraction or area > 0.5:
        low_area = area if area >= 0.9 or fraction else 0.55 if low < 0 else 0.3
        why = "one value a pixel, above and below nought" if low < 0 else "one value a pixel"
        yield Reading(
            "semantic-segmentation", "segmentation", "one logit a pixel", low_area, why, {"probabilities": fraction}, 1
        )
    why = f"one value a pixel, {low:.2g} to {high:.2g}"
    yield Reading("depth", "depth", "one value a pixel", depth, why, {})


def _several_maps(seen: Seen, shape: tuple[int, ...], values: Array, channels: int, last: bool) -> Iterator[Reading]:
    height = shape[1] if last else shape[2]
    shrunk = round(seen.size_wh[1] / height)
    where = "last axis" if last else "second axis"
    points = channels in _POINT_SETS and shrunk in (2, 4)
    # Heat maps are nearly nothing nearly everywhere; scores of classes are not.
    flat = float((np.abs(values) < 0.1 * max(float(np.abs(values).max()), 1e-9)).mean())
    pose = 0.2
    if points:
        pose = 0.93 if seen.says("pose", "keypoint", "heatmap", "joint") or flat > 0.8 else 0.6
        pose = max(pose, 0.85) if channels == 17 else pose
        why = f"{channels} maps of a {shrunk}th of the input: {_POINT_SETS[channels]} points"
        yield Reading("pose", "heatmap-pose", "one heat map a point", pose, why, {}, 0)
    why = f"{channels} values a pixel along the {where}"
    scores = 0.92 if seen.says("seg", "deeplab", "fcn", "unet", "lraspp") or not points else 1.0 - pose
    probable = bool(values.min() >= 0 and values.max() <= 1)
    yield Reading(
        "semantic-segmentation",
        "segmentation",
        "one score a class and pixel",
        scores,
        why,
        {"probabilities": probable},
        channels,
    )


def bar_codes(seen: Seen) -> Iterator[Reading]:
    """SimCC: each point as two outputs along the axes."""
    shapes = list(seen.shapes.values())
    if len(shapes) == 2 and all(len(s) == 3 and s[0] == 1 for s in shapes) and shapes[0][1] == shapes[1][1]:
        (width, height), (a, b) = seen.size_wh, (shapes[0][2], shapes[1][2])
        if a * height == b * width and a >= width:
            why = f"two outputs along the axes for {shapes[0][1]} points: SimCC"
            yield Reading("pose", "heatmap-pose", "one bar code a point and axis", 0.95, why)


def coordinates(seen: Seen) -> Iterator[Reading]:
    """Points as numbers."""
    for name, shape in seen.shapes.items():
        points, per_point = 0, 0
        if len(shape) == 3 and shape[0] == 1 and shape[2] in (2, 3) and shape[1] >= 4 and len(seen.shapes) == 1:
            points, per_point, sure = shape[1], shape[2], 0.88
        elif len(shape) == 2 and shape[0] == 1 and len(seen.shapes) == 1:
            points, per_point = next(((p, n) for p in _POINT_SETS for n in (2, 3) if p * n == shape[1]), (0, 0))
            sure = 0.75 if seen.says("pose", "keypoint", "landmark", "joint") else 0.55
        if not points:
            continue
        values = seen.values(name)
        fractions = bool(np.abs(values.reshape(-1, per_point)[:, :2]).max() <= 2)
        options = {"order": "xy", "normalised": fractions, "values": per_point}
        words = f"{points} x (x, y{', score' if per_point == 3 else ''}) in {'fractions' if fractions else 'pixels'}"
        yield Reading("pose", "coordinate-pose", words, sure, f"{points} points of {per_point} values", options)


def classification(seen: Seen) -> Iterator[Reading]:
    """One value a class; or a vector that describes the picture."""
    flat = {n: s for n, s in seen.shapes.items() if int(np.prod(s)) == max(s, default=0) and np.prod(s) >= 2}
    if not flat or len(flat) != len([s for s in seen.shapes.values() if np.prod(s) >= 2]):
        return
    name = max(flat, key=lambda n: np.prod(flat[n]))
    values, count = seen.values(name).reshape(len(seen.outputs), -1), int(np.prod(flat[name]))
    shares = bool(values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() < 0.02)
    vector = count in (128, 192, 256, 384, 512, 1024, 1280, 2048) and not shares and not seen.labels
    words = "probabilities" if shares else "logits"
    sure = 0.97 if shares or count in (1000, 1001) or seen.labels == count else 0.45 if vector else 0.85
    why = f"{count} values that add up to 1" if shares else f"{count} values for the whole picture"
    if len(flat) == 1 or shares or seen.labels:
        yield Reading("classification", "classification", words, sure, why, {}, count)
    if vector:
        task = "face-descriptor" if seen.says("face", "arc") else "descriptor"
        if task == "face-descriptor":
            yield Reading(
                task, "descriptor", "a vector", 0.9, f"{count} values, and its name says face", {"size": count}
            )
