"""What a network wants to be given: layout and size from its shape, values and colours by convention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from scenescope.models.catalogue.guess_reading import Reading
from scenescope.models.vision.inputs import DType, InputSpec
from scenescope.models.vision.network import TensorInfo

__all__ = [
    "COLOURS",
    "NORMALISATIONS",
    "USUAL_SIZES",
    "Likely",
    "dtype_of",
    "fits",
    "layouts",
    "likely_values",
    "sizes",
    "with_values",
]

_RGB_MEAN, _RGB_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
# In the order of RGB, in 0..255: the input is (x - mean) / std.
NORMALISATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "0..1": ((0.0,), (255.0,)),
    "-1..1": ((127.5,), (127.5,)),
    "0..255": ((0.0,), (1.0,)),
    "ImageNet": (_RGB_MEAN, _RGB_STD),
    "Caffe": ((123.68, 116.779, 103.939), (1.0,)),
}
COLOURS = ("RGB", "BGR")


def with_values(spec: InputSpec, normalisation: str, colour: str) -> InputSpec:
    """The same input with other values."""
    mean, std = NORMALISATIONS[normalisation]
    if colour == "BGR":
        mean, std = mean[::-1], std[::-1]
    return replace(spec, mean=mean, std=std, colour=colour)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Likely:
    """A value, how likely it is, and why."""

    value: Any
    confidence: float
    why: str


def layouts(
    info: TensorInfo, file_shape: Sequence[int | None] | None
) -> list[tuple[Likely, tuple[int | None, int | None], int]]:
    """Layouts that an input may have, each with (width, height), None where free, and its channels."""
    shape = tuple(info.shape) if any(info.shape) else tuple(file_shape or info.shape)
    if len(shape) != 4:
        return []
    found = []
    for layout, channel, rows, columns in (("NCHW", 1, 2, 3), ("NHWC", 3, 1, 2)):
        count = shape[channel]
        size = (shape[columns], shape[rows])
        if count in (1, 3) and all(side is None or side > 4 for side in size):
            why = f"its input is {_text(shape)}: the {'second' if channel == 1 else 'last'} number is the channels'"
            found.append((Likely(layout, 0.98 if count == 3 else 0.9, why), size, count))
    if not found and all(shape[axis] is None for axis in (1, 3)):
        found = [
            (Likely("NCHW", 0.6, "its input may have any shape; most networks take this one"), (None, None), 3),
            (Likely("NHWC", 0.4, "its input may have any shape"), (None, None), 3),
        ]
    return found


def _text(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if side is None else str(side) for side in shape) + ")"


MOST_PIXELS = 1 << 26
"""Of an input: larger ones are not for pictures."""


def sizes(size: tuple[int | None, int | None], said: Any) -> list[Likely]:
    """Sizes to try, (width, height), the likeliest first; none when no picture is so large."""
    width, height = size
    if (width or 1) * (height or 1) > MOST_PIXELS:
        return []
    if width and height:
        return [Likely((width, height), 0.99, "its input has this size and no other")]
    found = []
    if isinstance(said, int | float):
        said = (said, said)
    if isinstance(said, list | tuple) and len(said) == 2 and all(isinstance(n, int) and n > 0 for n in said):
        # Written as height and width.
        found.append(Likely((said[1], said[0]), 0.97, "the file's metadata says so (imgsz)"))
    usual = (224, 256, 320, 640, 192, 128, 512, 416, 299, 96)
    return [*found, *(Likely((width or n, height or n), 0.4, "it takes several sizes") for n in usual)]


USUAL_SIZES = {
    "classification": (224, 224),
    "yolo": (640, 640),
    "detr": (640, 640),
    "ssd": (320, 320),
    "centernet": (512, 512),
    "segmentation": (512, 512),
    "depth": (384, 384),
    "heatmap-pose": (192, 256),
    "movenet-multi": (256, 256),
}


def dtype_of(info: TensorInfo) -> str:
    """Of the tensor to give: integers that are scaled inside are given as real numbers."""
    return info.dtype if info.dtype in get_args(DType) and info.dtype != "int8" else "float32"


# By convention --------------------------------------------------------------------------------------------------------


def likely_values(reading: Reading, spec: InputSpec, metadata: Mapping[str, Any]) -> dict[tuple[str, str], Likely]:
    """How likely each (normalisation, colour) is before it is tried; the sum is 1."""
    if spec.dtype in ("uint8", "int32"):
        why = f"it takes whole numbers ({spec.dtype}), so the picture goes in as it is"
        return _weighted({"0..255": 1.0}, {"RGB": 0.95, "BGR": 0.05}, why)
    if "ultralytics" in str(metadata.get("author", "")).lower() or {"stride", "names"} <= set(metadata):
        why = "networks of Ultralytics take RGB in 0..1"
        return _weighted({"0..1": 1.0}, {"RGB": 0.99, "BGR": 0.01}, why)
    norms, colours, why = _CONVENTIONS.get(reading.architecture, _CONVENTIONS["classification"])
    if reading.options.get("head") == "grid":
        norms, colours, why = (
            {"0..255": 0.8, "0..1": 0.15, "ImageNet": 0.05},
            {"BGR": 0.8, "RGB": 0.2},
            "YOLOX takes BGR in 0..255",
        )
    elif reading.architecture == "detr" and reading.options.get("scores") == "softmax":
        norms, why = {"ImageNet": 0.8, "0..1": 0.15, "-1..1": 0.05}, "DETR takes ImageNet's mean and deviation"
    elif spec.layout == "NHWC" and reading.architecture in _OF_BOTH_WORLDS:
        norms = {"-1..1": 0.5, "0..1": 0.3, "0..255": 0.15, "ImageNet": 0.03, "Caffe": 0.02}
        why = "channels come last, as in TensorFlow, whose networks mostly take -1..1"
    return _weighted(norms, colours, why)


_RGB = {"RGB": 0.93, "BGR": 0.07}
_OF_BOTH_WORLDS = ("classification", "segmentation", "depth", "heatmap-pose", "ssd", "coordinate-pose", "descriptor")
_IMAGENET = {"ImageNet": 0.72, "0..1": 0.18, "-1..1": 0.06, "0..255": 0.03, "Caffe": 0.01}
_UNIT = {"0..1": 0.9, "-1..1": 0.04, "0..255": 0.03, "ImageNet": 0.03}
_CONVENTIONS: dict[str, tuple[dict[str, float], dict[str, float], str]] = {
    "classification": (_IMAGENET, _RGB, "networks of PyTorch mostly take ImageNet's mean and deviation"),
    "segmentation": (_IMAGENET, _RGB, "networks of PyTorch mostly take ImageNet's mean and deviation"),
    "heatmap-pose": (_IMAGENET, _RGB, "networks of PyTorch mostly take ImageNet's mean and deviation"),
    "depth": (_IMAGENET, _RGB, "networks of PyTorch mostly take ImageNet's mean and deviation"),
    "centernet": ({"ImageNet": 0.7, "0..1": 0.15, "0..255": 0.15}, {"BGR": 0.5, "RGB": 0.5}, "CenterNet takes it"),
    "nanodet": ({"ImageNet": 0.9, "0..1": 0.05, "0..255": 0.05}, {"BGR": 0.9, "RGB": 0.1}, "NanoDet takes it"),
    "yolo": (_UNIT, _RGB, "YOLO networks take 0..1"),
    "detr": ({"0..1": 0.7, "ImageNet": 0.25, "-1..1": 0.05}, _RGB, "RT-DETR takes 0..1"),
    "ssd": ({"0..1": 0.6, "-1..1": 0.2, "ImageNet": 0.15, "0..255": 0.05}, _RGB, "most such networks take 0..1"),
    "blazeface": ({"-1..1": 0.9, "0..1": 0.1}, _RGB, "BlazeFace takes -1..1"),
    "palm": (_UNIT, _RGB, "MediaPipe's palm network takes 0..1"),
    "landmarks": (_UNIT, _RGB, "MediaPipe's landmark networks take 0..1"),
    "matte": (_UNIT, _RGB, "mattes mostly take 0..1"),
    "movenet": ({"0..255": 0.9, "0..1": 0.1}, _RGB, "MoveNet takes 0..255"),
    "movenet-multi": ({"0..255": 0.9, "0..1": 0.1}, _RGB, "MoveNet takes 0..255"),
    "descriptor": ({"0..255": 0.4, "-1..1": 0.4, "0..1": 0.1, "ImageNet": 0.1}, _RGB, "descriptors have no rule"),
}  # fmt: skip


def _weighted(norms: Mapping[str, float], colours: Mapping[str, float], why: str) -> dict[tuple[str, str], Likely]:
    return {(n, c): Likely((n, c), p * q, why) for n, p in norms.items() for c, q in colours.items()}


def fits(reading: Reading) -> tuple[str, float, Likely]:
    """How pictures of another shape go in, what fills the rest, and how sure that is."""
    a, task = reading.architecture, reading.task
    if a == "classification":
        return "crop", 0.0, Likely("crop", 0.8, "classifiers are trained on the middle of pictures")
    if a == "nanodet":
        return (
            "letterbox top left",
            0.0,
            Likely("letterbox top left", 0.7, "NanoDet's decoder fills up at the right and below"),
        )
    if a == "yolo":
        where = "letterbox top left" if reading.options.get("head") == "grid" else "letterbox"
        return where, 114.0, Likely(where, 0.85, "YOLO networks are trained on grey letterboxes")
    if task in ("pose", "face-detection", "palm-detection", "hand-landmarks", "face-landmarks", "iris-landmarks"):
        return "letterbox", 0.0, Likely("letterbox", 0.8, "shapes of people must not be stretched")
    return "stretch", 0.0, Likely("stretch", 0.65, "networks for such outputs are mostly given stretched pictures")
