"""Mattes over time and over a background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.results import Masks

__all__ = ["full_alpha", "outlined", "over", "steadied"]

Alpha = NDArray[np.uint8]
Image = NDArray[np.uint8]


def _unsureness() -> Alpha:
    """Binary entropy of every alpha as 0..255: 0 for a sure pixel, 255 where inside and outside are as likely."""
    p = np.clip(np.arange(256) / 255, 1e-9, 1 - 1e-9)
    entropy = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    return np.rint(entropy * 255).astype(np.uint8)


_UNSURE = _unsureness()


def full_alpha(masks: Masks) -> Alpha:
    """All areas together, uint8 (H, W) of the picture's size."""
    width, height = masks.size_wh
    full = np.zeros((height, width), np.uint8)
    for alpha, (x, y) in zip(masks.alpha, masks.top_left_xy.tolist(), strict=True):
        part = full[y : y + alpha.shape[0], x : x + alpha.shape[1]]
        np.maximum(part, alpha, out=part)
    return full


def steadied(alpha: Alpha, previous: Alpha | None, share: float) -> Alpha:
    """A matte that flickers less: where it is unsure, it keeps ``share`` of the one before.

    Sure pixels follow at once, so nothing is dragged along (the idea of MediaPipe's segmentation smoothing).

    Args:
        alpha: uint8 (H, W).
        previous: of the picture before, already steadied; another size or None counts as none.
        share: 0..1.
    """
    if previous is None or previous.shape != alpha.shape or not share:
        return alpha
    kept = cv2.LUT(alpha, _UNSURE).astype(np.float32) * (share / 255)
    mixed = cv2.blendLinear(previous, alpha, kept, 1 - kept)
    return np.asarray(mixed, np.uint8)


def outlined(alpha: Alpha, confidence: float, softness_px: float) -> Alpha:
    """Inside where the network is at least that sure, outside elsewhere, and a soft edge between, uint8 (H, W).

    Args:
        alpha: uint8 (H, W), how sure it is, in 0..255.
        confidence: 0..1.
        softness_px: from fully inside to fully outside, about.
    """
    inside = (alpha >= round(255 * confidence)).astype(np.uint8) * np.uint8(255)
    if not softness_px:
        return inside
    return np.asarray(cv2.GaussianBlur(inside, (0, 0), softness_px / 4), np.uint8)


def over(image: Image, background: Image, alpha: Alpha) -> Image:
    """The picture where ``alpha`` is 255, the background where it is 0, a mixture between; uint8 (H, W, 3)."""
    weight = alpha.astype(np.float32) / 255
    return np.asarray(cv2.blendLinear(image, background, weight, 1 - weight), np.uint8)
