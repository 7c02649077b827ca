"""Drawn hands that real networks take for hands: for tests and for the stage's card.

A right hand as capsules that melt into each other, seen by marching rays through its distance field (Hart, "Sphere
tracing", 1996), with light, shadow and occlusion. x right, y down, z away; wrist to middle knuckle is about 1.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWN", "SIZE_PX", "drawn"]

SIZE_PX = 160

KNUCKLES = {
    "index": ((0.27, -0.98, 0), (0.44, 0.26, 0.22), 8, (0.115, 0.1, 0.09, 0.075)),
    "middle": ((0.07, -1.02, -0.02), (0.49, 0.31, 0.22), 1, (0.118, 0.105, 0.092, 0.078)),
    "ring": ((-0.13, -0.98, 0), (0.45, 0.29, 0.22), -6, (0.112, 0.098, 0.088, 0.073)),
    "little": ((-0.31, -0.87, 0.03), (0.35, 0.2, 0.19), -15, (0.1, 0.085, 0.075, 0.062)),
}
THUMBS = {
    "aside": [(0.22, -0.2, -0.05), (0.5, -0.42, -0.12), (0.74, -0.62, -0.14), (0.93, -0.82, -0.14)],
    "across": [(0.22, -0.2, -0.08), (0.42, -0.48, -0.22), (0.25, -0.68, -0.36), (0.02, -0.72, -0.4)],
    "up": [(0.22, -0.2, -0.08), (0.46, -0.42, -0.12), (0.78, -0.52, -0.12), (1.08, -0.56, -0.1)],
    "touching": [(0.22, -0.2, -0.08), (0.42, -0.42, -0.28), (0.44, -0.66, -0.5), (0.36, -0.86, -0.62)],
}
STRAIGHT, FOLDED, BENT = (4, 6, 4), (85, 100, 60), (55, 60, 30)
# Thumb, straight fingers, more fan of index and middle, yaw and roll of the hand. Seen straight from the front or the
# back, the network takes the folded fingers of such a smooth hand for short straight ones, so it is a bit turned.
DRAWN = {
    "open palm": ("aside", "index middle ring little", 0, 10, 0),
    "fist": ("across", "", 0, -30, 0),
    "point": ("across", "index", 0, 0, 0),
    "victory": ("across", "index middle", 8, -30, 0),
    "thumbs up": ("up", "", 0, -30, -90),
    "thumbs down": ("up", "", 0, -30, 90),
    "pinch": ("touching", "middle ring little", 0, -45, 0),
}


def _turned(axis: int, angle_deg: float) -> NDArray[Any]:
    vector = np.zeros(3)
    vector[axis] = np.radians(angle_deg)
    return cv2.Rodrigues(vector)[0]


def _capsules(gesture: str) -> list[tuple[NDArray[Any], NDArray[Any], float, float]]:
    """Ends and their radii."""
    thumb_name, straight, fan_more, yaw_deg, roll_deg = DRAWN[gesture]
    thumb = THUMBS[thumb_name]
    made: list[Any] = [((side, 0, 0.02), (side, 1.3, 0.05), 0.22, 0.28) for side in (-0.08, 0, 0.08)]
    for (name, (knuckle, bones, fan_deg, radii)), side in zip(KNUCKLES.items(), (0.1, 0.03, -0.05, -0.12), strict=True):
        bends = STRAIGHT if name in straight.split() else BENT if gesture == "pinch" else FOLDED
        fan = np.radians(fan_deg + fan_more * {"index": 1, "middle": -1}.get(name, 0))
        made.append(((side, -0.02, 0), knuckle, 0.19, 0.135))
        point, bend = np.array(knuckle, float), 0.0
        for at, (bone, more) in enumerate(zip(bones, np.radians(bends), strict=True)):
            bend += more
            step = np.array([np.sin(fan) * np.cos(bend), -np.cos(fan) * np.cos(bend), -np.sin(bend)])
            made.append((point, point + bone * step, radii[at], radii[at + 1]))
            point = point + bone * step
    made.append(((0.1, -0.1, -0.05), thumb[0], 0.17, 0.18))
    for at, ends in enumerate(((0.19, 0.135), (0.125, 0.11), (0.11, 0.085))):
        made.append((thumb[at], thumb[at + 1], *ends))
    turn = _turned(2, roll_deg) @ _turned(1, yaw_deg)
    return [(turn @ np.array(a, float), turn @ np.array(b, float), r, s) for a, b, r, s in made]


def _distance(at: NDArray[Any], parts: Any, melt: float = 0.035) -> NDArray[Any]:
    total = np.full(len(at), 9.0)
    for a, b, r, s in parts:
        along = np.clip((at - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        one = np.linalg.norm(at - a - along[:, None] * (b - a), axis=1) - (r + (s - r) * along)
        mix = np.clip(0.5 + 0.5 * (total - one) / melt, 0, 1)
        total = one * mix + total * (1 - mix) - melt * mix * (1 - mix)
    return total


@cache
def drawn(gesture: str) -> NDArray[Any]:
    """A picture of the gesture, uint8 (SIZE_PX, SIZE_PX, 3) BGR, in front of a blurred table."""
    parts = _capsules(gesture)
    centre = {-90: (-0.4, 0.0), 90: (0.4, 0.0)}.get(DRAWN[gesture][4], (0.05, -0.55))
    grid = ((np.arange(SIZE_PX) + 0.5) / SIZE_PX - 0.5) * 3.4
    x, y = np.meshgrid(grid + centre[0], grid + centre[1])
    at = np.stack([x, y, np.full_like(x, -2.0)], axis=-1).reshape(-1, 3)
    going = np.arange(len(at))
    for _ in range(40):
        step = _distance(at[going], parts)
        at[going, 2] += step * 0.95
        going = going[(step > 0.002) & (at[going, 2] < 2)]
    hit = at[:, 2] < 1.9
    skin = at[hit]
    slope = [_distance(skin + 0.004 * axis, parts) - _distance(skin - 0.004 * axis, parts) for axis in np.eye(3)]
    normal = np.stack(slope, axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    to_light = np.array([-0.4, -0.6, -0.7]) / np.linalg.norm([0.4, 0.6, 0.7])
    open_sky = np.clip(_distance(skin + 0.12 * normal, parts) / 0.12, 0, 1)
    lit, way = np.ones(len(skin)), np.full(len(skin), 0.03)
    for _ in range(8):
        free = _distance(skin + to_light * way[:, None], parts)
        lit, way = np.minimum(lit, np.clip(10 * free / way, 0, 1)), way + np.clip(free, 0.03, 0.2)
    shade = (0.35 + 0.65 * np.clip(normal @ to_light, 0, 1) * (0.4 + 0.6 * lit)) * (0.45 + 0.55 * open_sky)
    y, x = np.mgrid[0 : 1 : SIZE_PX * 1j, 0 : 1 : SIZE_PX * 1j]
    picture = (np.array([60, 70, 95]) * (0.7 + 0.5 * np.sin(3 * x + 5 * y))[..., None]).reshape(-1, 3)
    picture[hit] = np.array([118, 155, 212]) * shade[:, None] * 1.15
    picture = cv2.GaussianBlur(picture.reshape(SIZE_PX, SIZE_PX, 3), (0, 0), 0.6)
    noisy: NDArray[np.uint8] = np.clip(picture + np.random.default_rng(0).normal(0, 2.5, picture.shape), 0, 255).astype(
        np.uint8
    )
    return noisy
