"""White balance: taking the colour of the light out of the picture."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["WhiteBalance"]

Float = NDArray[np.floating[Any]]
_LEVELS = np.arange(256)
# Clipped pixels have lost their colour, nearly black ones never had one.
_DARKEST, _LIGHTEST = 8, 247
_LOOKED_AT_PX = 50_000
_NEUTRAL_K = 6500.0


class WhiteBalance(Stage, title="White balance", group="Adjust"):
    """Take the colour of the light out of the picture, so that white is white.

    "Grey world" supposes that all things together are grey (Buchsbaum, 1980), "percentile" that the lightest and the
    darkest are (Limare et al., "Simplest Color Balance", IPOL 2011); both leave clipped and black pixels out of
    account. "Manual" undoes a light of the given temperature, in linear light.
    """

    class Params(StageParams):
        method: Literal["grey world", "percentile", "manual"] = Field(
            "percentile", description="What the colour of the light is told from."
        )
        strength_percent: float = Field(100, ge=0, le=100, description="How much of the change is made.")
        clip_percent: float = Field(1, ge=0, le=20, description="Percentile: pixels beyond white, and beyond black.")
        temperature_k: int = Field(
            6500, ge=2000, le=15000, title="Temperature of the light (K)", description="Manual: 2700 lamp, 6500 day."
        )
        tint_percent: float = Field(0, ge=-50, le=50, description="Manual: towards magenta, or green below zero.")

    def process(self, frame: Frame) -> Frame:
        p = self.params
        if p.method == "manual":
            tables = _linear_tables(_gains_for(p.temperature_k, p.tint_percent))
        else:
            seen = _telling(frame.image)
            if len(seen) == 0:
                return frame
            tables = _grey_world(seen) if p.method == "grey world" else _stretched(seen, p.clip_percent)
        mixed = _LEVELS[:, None] + (np.clip(tables, 0, 255) - _LEVELS[:, None]) * (p.strength_percent / 100)
        rounded = np.rint(mixed).astype(np.uint8)
        if np.array_equal(rounded, np.repeat(_LEVELS[:, None], 3, axis=1)):
            return frame
        return frame.with_image(cv2.LUT(frame.image, rounded.reshape(1, 256, 3)))


def _telling(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels that tell of the light, uint8 (N, 3): some of every part, without clipped and black ones."""
    step = max(int((image.shape[0] * image.shape[1] / _LOOKED_AT_PX) ** 0.5), 1)
    some = image[::step, ::step].reshape(-1, 3)
    chosen: NDArray[np.uint8] = some[(some.max(axis=1) <= _LIGHTEST) & (some.min(axis=1) >= _DARKEST)]
    return chosen


def _grey_world(seen: NDArray[np.uint8]) -> Float:
    mean = seen.mean(axis=0)
    gains = np.clip(mean.mean() / mean, 0.25, 4)
    return np.outer(_LEVELS, gains)


def _stretched(seen: NDArray[np.uint8], clip_percent: float) -> Float:
    low, high = np.percentile(seen, [clip_percent, 100 - clip_percent], axis=0)
    # All channels end where the lightest does, so that the picture keeps its brightness.
    bottom, top = low.min(), high.max()
    return np.asarray(bottom + (_LEVELS[:, None] - low) * ((top - bottom) / np.maximum(high - low, 1.0)))


def _linear_tables(gains: Float) -> Float:
    """Tables that multiply in linear light: sRGB is decoded, multiplied and encoded (IEC 61966-2-1)."""
    level = _LEVELS[:, None] / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4) * gains
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _gains_for(temperature_k: float, tint_percent: float) -> Float:
    """Factors for BGR that make this light neutral and keep the luma of grey."""
    gains = _white_bgr(_NEUTRAL_K) / _white_bgr(temperature_k) * [1.0, 1 - tint_percent / 100, 1.0]
    return np.asarray(gains / (gains @ [0.0722, 0.7152, 0.2126]))


def _white_bgr(temperature_k: float) -> Float:
    """Linear sRGB, as BGR, of a black body: the locus as polynomials by Kim et al. (US patent 7024034, 2002)."""
    t = 1000 / temperature_k
    x = np.polyval(
        [-0.2661239, -0.2343589, 0.8776956, 0.179910]
        if temperature_k <= 4000
        else [-3.0258469, 2.1070379, 0.2226347, 0.240390],
        t,
    )
    y = np.polyval(
        [-1.1063814, -1.34811020, 2.18555832, -0.20219683]
        if temperature_k <= 2222
        else [-0.9549476, -1.37418593, 2.09137015, -0.16748867]
        if temperature_k <= 4000
        else [3.0817580, -5.87338670, 3.75112997, -0.37001483],
        x,
    )
    to_rgb = np.array(
        [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
    )
    rgb = to_rgb @ [x / y, 1.0, (1 - x - y) / y]
    return np.asarray(np.maximum(rgb[::-1], 0.01))
