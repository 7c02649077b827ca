"""From a picture to a network's input tensor, and the way back for what the network finds.

Coordinates are continuous: the centre of the first pixel is at (0.5, 0.5), in the picture and in the input alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.errors import ModelIncompatible

__all__ = ["Fit", "Geometry", "InputSpec", "Plan", "fitted", "plan", "prepare", "tensor_of", "warped"]

Image = NDArray[np.uint8]
Matrix = NDArray[np.float64]
Fit = Literal["letterbox", "letterbox top left", "stretch", "crop"]
Layout = Literal["NCHW", "NHWC"]
Colour = Literal["RGB", "BGR", "grey"]
DType = Literal["float32", "float16", "uint8", "int8", "int32"]


@dataclass(frozen=True)
class InputSpec:
    """What a network wants to be given.

    Attributes:
        size_wh: width and height of the input in pixels.
        layout: order of the axes; the batch has one picture.
        colour: order of the channels.
        dtype: of the tensor.
        mean, std: per channel in the order of ``colour``, in 0..255: the input is ``(x - mean) / std``. One value
            stands for all channels.
        fit: how a picture of another shape is fitted in: "letterbox" keeps its ratio and fills up on both sides,
            "letterbox top left" on the right or below, "stretch" does not keep it, "crop" keeps the middle.
        padding: what letterboxes are filled up with, in 0..255.
        crop_fraction: for "crop": part of the shorter side that is kept (224 of 256 is 0.875).
    """

    size_wh: tuple[int, int]
    layout: Layout = "NCHW"
    colour: Colour = "RGB"
    dtype: DType = "float32"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (255.0,)
    fit: Fit = "letterbox"
    padding: float = 114.0
    crop_fraction: float = 1.0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str = "The model") -> InputSpec:
        """The ``[input]`` table of a card.

        Raises:
            ModelIncompatible: a key or a value is none of those above; the message names it and the model.
        """
        known = {field.name for field in fields(cls)}
        for key in values:
            if key not in known:
                raise ModelIncompatible(f"{name}: its card has an unknown entry input.{key}.")
        choices = {"layout": Layout, "colour": Colour, "dtype": DType, "fit": Fit}
        for key, allowed in choices.items():
            if key in values and values[key] not in get_args(allowed):
                raise ModelIncompatible(f"{name}: input.{key} cannot be '{values[key]}' ({get_args(allowed)}).")
        if "size_wh" not in values:
            raise ModelIncompatible(f"{name}: its card does not say input.size_wh.")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list | tuple) else v for k, v in values.items()}
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """As :meth:`from_dict` takes it, with lists for tuples."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @property
    def channels(self) -> int:
        """1 for grey, else 3."""
        return 1 if self.colour == "grey" else 3

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the tensor."""
        width, height = self.size_wh
        return (1, self.channels, height, width) if self.layout == "NCHW" else (1, height, width, self.channels)


class Geometry(NamedTuple):
    """How a picture went into an input.

    ``to_picture`` float64 (3, 3) maps input pixels to picture pixels; ``input_wh`` and ``picture_wh`` are the sizes.
    """

    to_picture: Matrix
    input_wh: tuple[int, int]
    picture_wh: tuple[int, int]

    def points(self, xy: NDArray[Any]) -> NDArray[np.float32]:
        """Points of the input, (..., 2), as points of the picture."""
        matrix = self.to_picture
        mapped: NDArray[np.float32] = (xy @ matrix[:2, :2].T + matrix[:2, 2]).astype(np.float32)
        return mapped

    def boxes(self, xyxy: NDArray[Any], clip: bool = True) -> NDArray[np.float32]:
        """Boxes (N, 4) of an upright input as boxes of the picture, cut off at its borders unless ``clip`` is False."""
        mapped = self.points(np.asarray(xyxy, np.float64).reshape(-1, 2, 2)).reshape(-1, 4)
        if clip:
            limits = np.array([*self.picture_wh, *self.picture_wh], np.float32)
            mapped = np.clip(mapped, 0, limits)
        return mapped


def prepare(image: Image, spec: InputSpec) -> tuple[NDArray[Any], Geometry]:
    """The input tensor for a picture, uint8 (H, W, 3) BGR, and how it went in."""
    small, geometry = fitted(image, spec)
    return tensor_of(small, spec), geometry


class Plan(NamedTuple):
    """Where a picture goes in an input: scaled to ``size_wh``, its corner at (``left``, ``top``), negative if cut."""

    size_wh: tuple[int, int]
    left: int
    top: int
    geometry: Geometry


def plan(picture_wh: tuple[int, int], spec: InputSpec) -> Plan:
    """How a picture of this size is fitted in."""
    (width, height), (w, h) = spec.size_wh, picture_wh
    if spec.fit == "stretch":
        new_w, new_h = width, height
    elif spec.fit == "crop":
        # As torchvision's Resize and CenterCrop: the shorter side to the input's over crop_fraction, then the middle.
        scale = max(width / w, height / h) / spec.crop_fraction
        new_w, new_h = max(round(w * scale), width), max(round(h * scale), height)
    else:
        scale = min(width / w, height / h)
        new_w, new_h = max(round(w * scale), 1), max(round(h * scale), 1)
    top_left = spec.fit == "letterbox top left"
    left, top = (0, 0) if top_left else ((width - new_w) // 2, (height - new_h) // 2)
    sx, sy = w / new_w, h / new_h
    matrix = np.array([[sx, 0.0, -left * sx], [0.0, sy, -top * sy], [0.0, 0.0, 1.0]])
    return Plan((new_w, new_h), left, top, Geometry(matrix, spec.size_wh, picture_wh))


def fitted(image: Image, spec: InputSpec) -> tuple[Image, Geometry]:
    """The picture fitted into the input's size, still uint8 (h, w, 3) BGR, and how it went in."""
    (width, height), (h, w) = spec.size_wh, image.shape[:2]
    (new_w, new_h), left, top, geometry = plan((w, h), spec)
    if spec.fit == "crop":
        # Made smaller, pixels are averaged, as Pillow's antialiased bilinear filter does.
        smaller = cv2.INTER_AREA if new_w < w else cv2.INTER_LINEAR
        resized = cv2.resize(image, (new_w, new_h), interpolation=smaller)
        return np.ascontiguousarray(_picture(resized)[-top : height - top, -left : width - left]), geometry
    if (new_w, new_h) == spec.size_wh:
        return _picture(cv2.resize(image, spec.size_wh, interpolation=cv2.INTER_LINEAR)), geometry
    full = np.full((height, width, 3), spec.padding, np.uint8)
    # Straight into its place: one copy less.
    cv2.resize(image, (new_w, new_h), dst=full[top : top + new_h, left : left + new_w], interpolation=cv2.INTER_LINEAR)
    return full, geometry


def warped(image: Image, spec: InputSpec, to_picture: Matrix, border: float = 0.0) -> tuple[Image, Geometry]:
    """A part of the picture, possibly turned, as uint8 (h, w, 3) BGR of the input's size.

    Args:
        image: uint8 (H, W, 3) BGR.
        spec: of the input.
        to_picture: float64 (3, 3), maps input pixels to picture pixels; a similarity or affine map.
        border: what lies outside the picture, in 0..255.
    """
    # warpAffine puts pixel centres at whole numbers; ours lie half a pixel further.
    half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    matrix = np.linalg.inv(half) @ to_picture @ half
    part = cv2.warpAffine(
        image,
        matrix[:2],
        spec.size_wh,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(border, border, border),
    )
    return _picture(part), Geometry(to_picture, spec.size_wh, (image.shape[1], image.shape[0]))


def tensor_of(small: Image, spec: InputSpec) -> NDArray[Any]:
    """The tensor of a picture that has the input's size, uint8 (h, w, 3) BGR."""
    channels: list[Any]
    if spec.colour == "grey":
        channels = [cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)]
    else:
        channels = list(cv2.split(small))
        if spec.colour == "RGB":
            channels.reverse()
    count = len(channels)
    # (x - mean) / std as one multiply-add per channel.
    gain = (1.0 / np.resize(np.asarray(spec.std, np.float64), count)).astype(np.float32)
    bias = (-np.resize(np.asarray(spec.mean, np.float64), count) * gain).astype(np.float32)
    plain = bool((gain == 1).all() and (bias == 0).all())
    if plain and spec.layout == "NHWC":
        return np.ascontiguousarray(cv2.merge(channels).reshape(spec.shape)).astype(spec.dtype)
    tensor = np.empty(spec.shape, np.float32)
    planes = tensor[0] if spec.layout == "NCHW" else np.moveaxis(tensor[0], -1, 0)
    for plane, channel, factor, offset in zip(planes, channels, gain, bias, strict=True):
        np.multiply(channel, factor, out=plane)
        if offset:
            plane += offset
    return tensor if spec.dtype == "float32" else tensor.astype(spec.dtype)


def _picture(image: Any) -> Image:
    return np.asarray(image, np.uint8)
