"""Key points of one object that fills the input: as peaks of heat maps, as two bar codes, or as coordinates.

Sources: Xiao et al., Simple baselines for pose estimation (2018); Zhang et al., DARK (2020), for places between cells;
Li et al., SimCC (2022), for one bar code along each axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Keypoints
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.movenet import COCO_NAMES, COCO_SKELETON
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["CoordinatePose", "HeatmapPose", "refined_peak"]

SMOOTHING_CELLS = 11
LEAST_MEAN = 0.1

Array = NDArray[Any]


class _OnePose(Decoder):
    """What both decoders share: one object, or none when its points are unsure on the whole."""

    def _keypoints(self, xy: Array, sure: Array, geometry: Geometry, confidence: float) -> Keypoints:
        good = np.isfinite(xy).all(axis=-1) & np.isfinite(sure)
        sure = np.where(good, np.clip(sure, 0, 1), 0).astype(np.float32)
        names = self.card.labels if len(self.card.labels) == len(xy) else ()
        coco = len(xy) == len(COCO_NAMES)
        found = Keypoints(
            xy=geometry.points(np.where(good[:, None], xy, 0))[None],
            confidence=sure[None],
            names=names or (COCO_NAMES if coco else ()),
            skeleton=COCO_SKELETON if coco else (),
        )
        return found if sure.mean() >= confidence else found[:0]


class HeatmapPose(_OnePose):
    """Heat maps (1, K, h, w) or (1, h, w, K), one a point; or two outputs (1, K, n x width) and (1, K, n x height).

    A cell's number times the stride is the number of its pixel, as in the published training targets, so the centre of
    cell i lies at ``i * stride + 0.5`` of the input.
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, Array]) -> None:
        super().__init__(card, spec, shown)
        width, height = spec.size_wh
        codes = {name: value.shape for name, value in shown.items() if value.ndim == 3 and len(value) == 1}
        maps = {name: value.shape for name, value in shown.items() if value.ndim == 4}
        self._codes: tuple[str, str] | None = None
        if len(codes) == 2 and not maps:
            (one, other), shapes = codes, list(codes.values())
            if shapes[0][1] != shapes[1][1] or shapes[0][2] * height != shapes[1][2] * width:
                raise ModelIncompatible(f"{card.file}: its two outputs are not bar codes along the axes of its input.")
            self._codes = (one, other)
            return
        if not maps:
            raise ModelIncompatible(f"{card.file} has no heat maps (1, points, h, w).")
        self._map = next(iter(maps))
        shape = maps[self._map]
        self._last = shape[2] * width != shape[3] * height

    def decode(
        self, outputs: dict[str, Array], geometry: Geometry, *, confidence: float = LEAST_MEAN, **options: Any
    ) -> Keypoints:
        """One object's points in pixels of the picture.

        Args:
            outputs: the network's.
            geometry: how the picture went in.
            confidence: if its points are less sure on average, there is no object.
            options: none.
        """
        size = np.array(self.spec.size_wh, np.float64)
        if self._codes is not None:
            codes = [np.nan_to_num(outputs[name][0].astype(np.float32), nan=-1e4) for name in self._codes]
            xy = np.stack([code.argmax(axis=1) for code in codes], axis=1) * (size / [c.shape[1] for c in codes])
            sure = np.minimum(*[code.max(axis=1) for code in codes])
            return self._keypoints(xy + 0.5, sure, geometry, confidence)
        maps = outputs[self._map][0].astype(np.float32)
        maps = np.nan_to_num(np.moveaxis(maps, -1, 0) if self._last else maps, nan=0.0, posinf=0.0, neginf=0.0)
        cells = np.array([refined_peak(heat) for heat in maps])
        stride = size / (maps.shape[2], maps.shape[1])
        return self._keypoints(cells * stride + 0.5, maps.max(axis=(1, 2)), geometry, confidence)


def refined_peak(heat: NDArray[np.float32]) -> tuple[float, float]:
    """Where a Gaussian peak has its top, (x, y) in cells with the centre of the first cell at 0.

    One step of Newton's method on the logarithm (DARK). Where that is not possible, a quarter of a cell towards the
    higher neighbour.
    """
    height, width = heat.shape
    y, x = np.unravel_index(int(heat.argmax()), heat.shape)
    if not (1 < x < width - 2 and 1 < y < height - 2) or heat[y, x] <= 0:
        return float(x), float(y)
    smooth = heat
    if heat.min() < 0 or (heat[y - 2 : y + 3, x - 2 : x + 3] <= 0).any():
        smooth = np.asarray(cv2.GaussianBlur(np.maximum(heat, 0), (SMOOTHING_CELLS, SMOOTHING_CELLS), 0), np.float32)
    log = np.log(np.maximum(smooth[y - 2 : y + 3, x - 2 : x + 3], 1e-10)).astype(np.float64)
    dx, dy = (log[2, 3] - log[2, 1]) / 2, (log[3, 2] - log[1, 2]) / 2
    dxx, dyy = (log[2, 4] - 2 * log[2, 2] + log[2, 0]) / 4, (log[4, 2] - 2 * log[2, 2] + log[0, 2]) / 4
    dxy = (log[3, 3] - log[1, 3] - log[3, 1] + log[1, 1]) / 4
    determinant = dxx * dyy - dxy * dxy
    if determinant > 1e-9 and dxx < 0:
        step_x, step_y = -(dyy * dx - dxy * dy) / determinant, -(dxx * dy - dxy * dx) / determinant
        if abs(step_x) <= 1 and abs(step_y) <= 1:
            return float(x + step_x), float(y + step_y)
    right, below = heat[y, x + 1] - heat[y, x - 1], heat[y + 1, x] - heat[y - 1, x]
    return float(x + 0.25 * np.sign(right)), float(y + 0.25 * np.sign(below))


class CoordinatePose(_OnePose):
    """Coordinates (1, K, 2), (1, K, 3), (1, 1, K, 3) or (1, K x 2), (1, K x 3), the third number a confidence.

    Options of the card: ``order`` ("xy", or "yx", which is assumed for (1, 1, K, 3) as MoveNet gives it),
    ``normalised`` (True when coordinates are fractions of the input; the same is assumed), ``values`` (2 or 3 numbers
    a point, where the shape does not say).
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, Array]) -> None:
        super().__init__(card, spec, shown)
        for name, value in shown.items():
            shape = value.shape
            if len(shape) in (3, 4) and shape[-1] in (2, 3) and value.size == shape[-1] * shape[-2]:
                self._points, self._values = name, shape[-1]
                break
            if len(shape) == 2 and shape[0] == 1 and any(shape[1] % n == 0 for n in (2, 3)):
                self._points = name
                self._values = int(card.options.get("values", _values_of(shape[1], len(card.labels))))
                break
        else:
            raise ModelIncompatible(f"{card.file} has no output of points (1, K, 2) or (1, K, 3).")
        movenet = shown[self._points].ndim == 4
        self._yx = card.options.get("order", "yx" if movenet else "xy") == "yx"
        self._normalised = bool(card.options.get("normalised", movenet))

    def decode(
        self, outputs: dict[str, Array], geometry: Geometry, *, confidence: float = LEAST_MEAN, **options: Any
    ) -> Keypoints:
        """One object's points in pixels of the picture.

        Args:
            outputs: the network's.
            geometry: how the picture went in.
            confidence: if its points are less sure on average, there is no object.
            options: none.
        """
        values = outputs[self._points].reshape(-1, self._values).astype(np.float32)
        xy = values[:, 1::-1] if self._yx else values[:, :2]
        xy = xy * np.array(self.spec.size_wh, np.float32) if self._normalised else xy
        sure = values[:, 2] if self._values == 3 else np.ones(len(xy), np.float32)
        return self._keypoints(xy, sure, geometry, confidence)


def _values_of(count: int, names: int) -> int:
    """Numbers a point in a flat output of ``count``: by the names of points, else by the sets that are in use."""
    if names and count in (2 * names, 3 * names):
        return count // names
    for points in (17, 16, 21, 33, 68, 98, 106, 468):
        if count in (2 * points, 3 * points):
            return count // points
    return 2 if count % 2 == 0 else 3
