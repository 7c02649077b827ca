"""Words for how a box looks and moves: the name of its colour, the direction it goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["COLOURS", "colour_name", "motion_name"]

COLOURS = (
    "black", "grey", "white", "red", "orange", "brown", "yellow", "green", "turquoise", "blue", "purple", "pink",
)  # fmt: skip

MAX_SAMPLES_ALONG = 24
WINDOW_S = 1.0
SHORTEST_WINDOW_S = 0.3
# In lengths of the object a second: below, the jitter of a detector's boxes cannot be told from movement.
SLOWEST_MOVE = 0.25
SLOWEST_GROWTH = 0.15


def colour_name(image: NDArray[np.uint8], xyxy: tuple[float, float, float, float]) -> str:
    """The colour that covers most of the middle of a box; "" when there is nothing to look at.

    Args:
        image: uint8 (H, W, 3), BGR.
        xyxy: the box as fractions of width and height.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = xyxy
    # The middle three fifths: the rim of a box shows mostly what is behind the object.
    inset_x, inset_y = (x2 - x1) / 5, (y2 - y1) / 5
    left, right = (int(min(max(x, 0), 1) * width) for x in (x1 + inset_x, x2 - inset_x))
    top, bottom = (int(min(max(y, 0), 1) * height) for y in (y1 + inset_y, y2 - inset_y))
    step_x, step_y = max((right - left) // MAX_SAMPLES_ALONG, 1), max((bottom - top) // MAX_SAMPLES_ALONG, 1)
    sample = image[top:bottom:step_y, left:right:step_x]
    if not sample.size:
        return ""
    hsv = cv2.cvtColor(np.ascontiguousarray(sample), cv2.COLOR_BGR2HSV).reshape(-1, 3).astype(np.int16)
    hue, saturation, value = hsv[:, 0], hsv[:, 1], hsv[:, 2]  # Hue runs from 0 to 179.
    grey = (saturation < 45) | (value < 45)
    warm = (hue >= 6) & (hue < 22)
    index = COLOURS.index
    names = np.select(
        [
            grey & (value < 60),
            grey & (value < 190),
            grey,
            ((hue < 6) | (hue >= 172)) & (saturation < 120) & (value > 150),
            (hue < 6) | (hue >= 172),
            warm & (value < 170),
            warm,
            hue < 34,
            hue < 80,
            hue < 98,
            hue < 130,
            hue < 150,
        ],
        [
            index("black"), index("grey"), index("white"), index("pink"), index("red"), index("brown"),
            index("orange"), index("yellow"), index("green"), index("turquoise"), index("blue"), index("purple"),
        ],
        default=index("pink"),
    )  # fmt: skip
    return COLOURS[int(np.bincount(names, minlength=len(COLOURS)).argmax())]


def motion_name(path: Sequence[tuple[float, tuple[float, float, float, float]]], aspect: float = 1.0) -> str:
    """How an object moves in the picture: "still", or "moving left", "right", "up", "down", "closer" or "away".

    A box that grows comes closer. Speeds are slopes of straight lines fitted to the last second, in lengths of the
    object a second, so they mean the same near and far.

    Args:
        path: (time in seconds, box as fractions of width and height), oldest first.
        aspect: width over height of the picture.

    Returns:
        The words; "" when the path is too short to tell.
    """
    recent = [point for point in path if point[0] >= path[-1][0] - WINDOW_S]
    if len(recent) < 3 or recent[-1][0] - recent[0][0] < SHORTEST_WINDOW_S:
        return ""
    # Plain floats: for a dozen points they are ten times as fast as arrays.
    boxes = [(x1 * aspect, y1, x2 * aspect, y2) for _, (x1, y1, x2, y2) in recent]
    lengths = [math.sqrt(max((x2 - x1) * (y2 - y1), 1e-9)) for x1, y1, x2, y2 in boxes]
    mean_time, mean_length = fmean(time for time, _ in recent), fmean(lengths)
    centred = [time - mean_time for time, _ in recent]
    spread = sum(t * t for t in centred)

    def slope(values: list[float]) -> float:
        return sum(t * value for t, value in zip(centred, values, strict=True)) / spread

    right = slope([(x1 + x2) / 2 for x1, _, x2, _ in boxes]) / mean_length
    down = slope([(y1 + y2) / 2 for _, y1, _, y2 in boxes]) / mean_length
    closer = slope([math.log(length) for length in lengths])
    if max(abs(right), abs(down)) >= SLOWEST_MOVE and max(abs(right), abs(down)) >= abs(closer):
        if abs(right) >= abs(down):
            return "moving right" if right > 0 else "moving left"
        return "moving down" if down > 0 else "moving up"
    if abs(closer) >= SLOWEST_GROWTH:
        return "moving closer" if closer > 0 else "moving away"
    return "still"
