"""A frame number that a program can read back from the picture, and a person too.

``burn`` draws a dark strip along the bottom: on its left a block of 2 x 24 grey cells, beside it the number in digits.
All places are fractions of the picture, so ``read`` finds the cells again after scaling. 24 bits of number are guarded
by a CRC-16, so a picture torn or blended from two frames reads as None, not as a wrong number.

The block, by columns: two finder columns (light over dark, dark over light), 20 columns of data filled row by row
(number, then checksum, most significant bit first), two finder columns. The eight finder cells are also the reference
for what light and dark mean in this picture.
"""

from __future__ import annotations

from binascii import crc_hqx
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["STRIP_HEIGHT", "burn", "read"]

Image = NDArray[np.uint8]

STRIP_HEIGHT = 1 / 15
"""Height of the strip as a part of the picture's height."""

NUMBER_BITS, CHECK_BITS, ROWS, COLUMNS = 24, 16, 2, 24
FINDER = np.array([[1, 0], [0, 1]], np.uint8)

# Left, top, right, bottom of the block of cells, as parts of the picture's width and height.
LEFT, RIGHT = 0.0125, 0.0125 + 0.2625
TOP, BOTTOM = 1 - 0.8 * STRIP_HEIGHT, 1 - 0.2 * STRIP_HEIGHT

PANEL, DARK, LIGHT = 20, 44, 206
LEAST_CONTRAST = 40.0
"""Grey levels between light and dark below which nothing is read: well above the noise of strong compression."""


def burn(image: Image, index: int) -> Image:
    """Draw the strip with the code and the digits of ``index`` into a picture.

    Args:
        image: writable uint8 (H, W, 3), changed in place. At least 320 pixels wide for a code that can be read.
        index: 0 or more; counted modulo 2**24 in the code.

    Returns:
        ``image`` itself.
    """
    height, width = image.shape[:2]
    image[round(height * (1 - STRIP_HEIGHT)) :] = PANEL
    rows, columns = _cell_of_pixel(width, height)
    top, left = round(TOP * height), round(LEFT * width)
    shades = np.where(_cells(index), LIGHT, DARK).astype(np.uint8)
    image[top : top + len(rows), left : left + len(columns)] = shades[rows[:, None], columns][:, :, None]
    write(image, f"#{index:06d}", RIGHT + 0.015, (225, 225, 225))
    return image


def read(image: NDArray[Any]) -> int | None:
    """The number burnt into a picture.

    Args:
        image: uint8 (H, W), (H, W, 3) BGR or (H, W, 4) BGRX, whole (not cropped), of any size.

    Returns:
        The number modulo 2**24, or None when there is none or it cannot be trusted.
    """
    grey = image if image.ndim == 2 else image[..., 1]
    height, width = grey.shape
    if width < 160 or height < 90:
        return None
    means = np.array([[_cell_mean(grey, row, column) for column in range(COLUMNS)] for row in range(ROWS)])
    reference = np.concatenate([means[:, :2], means[:, -2:]], axis=1)
    light = np.concatenate([FINDER, FINDER], axis=1).astype(bool)
    bright, dim = reference[light], reference[~light]
    contrast = float(bright.mean() - dim.mean())
    if contrast < LEAST_CONTRAST:
        return None
    level = (means - dim.mean()) / contrast
    finder_level = np.concatenate([level[:, :2], level[:, -2:]], axis=1)
    if np.abs(finder_level - light).max() > 0.35 or (np.abs(level - 0.5) < 0.12).any():
        return None
    bits = (level[:, 2:-2] > 0.5).astype(np.uint8).reshape(-1)
    value = int.from_bytes(np.packbits(bits).tobytes(), "big")
    number = value >> CHECK_BITS
    return number if _checksum(number) == value & 0xFFFF else None


def write(image: Image, text: str, x: float, colour_bgr: tuple[int, int, int]) -> None:
    """Write into the strip, in place, with the left edge at ``x`` (part of the picture's width)."""
    height, width = image.shape[:2]
    size = max(round(height * STRIP_HEIGHT * 0.42), 8)
    line = np.concatenate([_glyph(character, size, colour_bgr) for character in text], axis=1)
    left, top = round(x * width), round(height * (1 - STRIP_HEIGHT / 2)) - len(line) // 2
    area = image[top : top + len(line), left : left + line.shape[1]]
    area[:] = line[: area.shape[0], : area.shape[1]]


def _checksum(number: int) -> int:
    return crc_hqx(number.to_bytes(NUMBER_BITS // 8, "big"), 0xFFFF)


def _cells(index: int) -> NDArray[np.uint8]:
    """The block as 0 and 1, uint8 (2, 24)."""
    number = index % (1 << NUMBER_BITS)
    value = number << CHECK_BITS | _checksum(number)
    bits = np.unpackbits(np.frombuffer(value.to_bytes((NUMBER_BITS + CHECK_BITS) // 8, "big"), np.uint8))
    return np.concatenate([FINDER, bits.reshape(ROWS, -1), FINDER], axis=1)


@lru_cache(maxsize=4)
def _cell_of_pixel(width: int, height: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For the rows and columns of pixels that the block covers: the cell that each lies in."""
    top, bottom, left, right = round(TOP * height), round(BOTTOM * height), round(LEFT * width), round(RIGHT * width)
    rows = ((np.arange(top, bottom) + 0.5) / height - TOP) / (BOTTOM - TOP) * ROWS
    columns = ((np.arange(left, right) + 0.5) / width - LEFT) / (RIGHT - LEFT) * COLUMNS
    return rows.astype(int).clip(0, ROWS - 1), columns.astype(int).clip(0, COLUMNS - 1)


def _cell_mean(grey: NDArray[Any], row: int, column: int) -> float:
    """Mean of the inner half of a cell, where scaling and compression have mixed in least of its neighbours."""
    height, width = grey.shape
    cell_w, cell_h = (RIGHT - LEFT) / COLUMNS, (BOTTOM - TOP) / ROWS
    x1, x2 = ((LEFT + (column + part) * cell_w) * width for part in (0.3, 0.7))
    y1, y2 = ((TOP + (row + part) * cell_h) * height for part in (0.3, 0.7))
    inner = grey[int(y1) : max(int(y2), int(y1) + 1), int(x1) : max(int(x2), int(x1) + 1)]
    return float(inner.mean())


@lru_cache(maxsize=256)
def _glyph(character: str, height: int, colour_bgr: tuple[int, int, int]) -> Image:
    """A character on the panel, in a box of fixed width; drawn large and scaled down so that it looks smooth."""
    scale, font = 4, cv2.FONT_HERSHEY_DUPLEX
    thickness = max(scale * height // 9, 1)
    unit = cv2.getFontScaleFromHeight(font, height * scale, thickness)
    (wide, _), _ = cv2.getTextSize("0", font, unit, thickness)
    (own, _), _ = cv2.getTextSize(character, font, unit, thickness)
    size_wh = max(wide, own) // scale + 1, round(height * 1.3)
    box = np.full((size_wh[1] * scale, size_wh[0] * scale, 3), PANEL, np.uint8)
    start = (box.shape[1] - own) // 2, round(height * 1.12) * scale
    cv2.putText(box, character, start, font, unit, colour_bgr, thickness)
    return np.asarray(cv2.resize(box, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
