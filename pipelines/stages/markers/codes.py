"""QR codes and bar codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Texts
from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Codes"]

Grey = NDArray[np.uint8]
Float = NDArray[np.float64]

# Of what looks like a code and cannot be read at first, so many are looked at once more.
_MOST_SECOND_LOOKS = 8
_STRAIGHT_PX, _RIM_PX = 300, 60


class Codes(Stage, title="QR and bar codes", group="Markers and codes", lane="side"):
    """Read QR codes and the bar codes of goods (EAN-13, EAN-8, UPC-A, UPC-E), several in one picture.

    OpenCV's detectors. QR codes that they find and cannot read, small ones or those seen at a slant, are straightened,
    enlarged and read once more. A code is reported only when its error correction or its check digit agrees, and its
    confidence is always 1. Corners begin at the upper left: of the code itself for QR codes, as it lies in the picture
    for bar codes.
    """

    class Params(StageParams):
        qr: bool = Field(True, description="Read QR codes.")
        bars: bool = Field(True, description="Read bar codes.")
        second_look: bool = Field(True, description="Straighten and enlarge QR codes that cannot be read at first.")
        side_px: int = Field(1920, ge=320, le=8192, description="Longer side of the picture that is looked at.")

    def process(self, frame: Frame) -> Frame:
        width, height = frame.size_wh
        scale = min(self.params.side_px / max(width, height), 1.0)
        grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), np.uint8)
        if scale < 1:
            size = (max(round(width * scale), 1), max(round(height * scale), 1))
            grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
        found = [*(_qr_codes(grey, self.params.second_look) if self.params.qr else ())]
        found += _bar_codes(grey) if self.params.bars else ()
        kept = _each_once(found)
        # Pixel centres lie at whole numbers for OpenCV, and half a pixel further for us.
        scaled = np.array([(quad + 0.5) * (width / grey.shape[1], height / grey.shape[0]) for _, quad in kept])
        texts = Texts(quad_xy=scaled, text=tuple(text for text, _ in kept), confidence=np.ones(len(kept)), coded=True)
        return frame.with_result(self.context.stage_id, texts)


def _qr_codes(grey: Grey, second_look: bool) -> Iterator[tuple[str, Float]]:
    # Detectors are made here: the stage may be run on several frames at once.
    readers: list[Any] = [cv2.QRCodeDetectorAruco(), cv2.QRCodeDetector()]
    _, texts, quads, _ = readers[0].detectAndDecodeMulti(grey)
    unread = 0
    for text, corners in zip(texts, () if quads is None else quads, strict=True):
        quad = np.asarray(corners, np.float64).reshape(4, 2)
        if not text and second_look and unread < _MOST_SECOND_LOOKS:
            unread += 1
            straight = _straightened(grey, quad)
            text = next(filter(None, (_decoded(reader, straight) for reader in readers)), "")
        if text:
            yield text, quad


def _bar_codes(grey: Grey) -> Iterator[tuple[str, Float]]:
    # No second look here: the one check digit lets a tenth of all misreadings pass.
    _, texts, quads, _ = cv2.barcode.BarcodeDetector().detectAndDecodeMulti(grey)
    for text, corners in zip(texts, () if quads is None else quads, strict=True):
        if text:
            quad = np.asarray(corners, np.float64).reshape(4, 2)
            yield text, np.roll(quad, -int(quad.sum(axis=1).argmin()), axis=0)


def _decoded(reader: Any, straight: Grey) -> str:
    try:
        text: str = reader.detectAndDecode(straight)[0]
    except (cv2.error, UnicodeDecodeError):
        return ""
    return text


def _straightened(grey: Grey, quad: Float) -> Grey:
    """What lies in ``quad``, upright and enlarged, with a rim around it."""
    sides = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    size = np.array([max(sides[0], sides[2]), max(sides[1], sides[3])])
    size = np.maximum(size * max(_STRAIGHT_PX / max(size.max(), 1), 1), 8)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    to_straight = cv2.getPerspectiveTransform(quad.astype(np.float32), (square * size + _RIM_PX).astype(np.float32))
    shape = (round(size[0]) + 2 * _RIM_PX, round(size[1]) + 2 * _RIM_PX)
    return np.asarray(
        cv2.warpPerspective(grey, to_straight, shape, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _each_once(found: list[tuple[str, Float]]) -> list[tuple[str, Float]]:
    """Without those that say the same in the same place."""
    kept: list[tuple[str, Float]] = []
    for text, quad in found:
        middle = quad.mean(axis=0)
        again = (
            other == text and cv2.pointPolygonTest(place.astype(np.float32), (middle[0], middle[1]), False) >= 0
            for other, place in kept
        )
        if not any(again):
            kept.append((text, quad))
    return kept
