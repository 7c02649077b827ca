"""Somebody who sends pictures, to whom, and pictures to send. For tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from scenescope.app.assistant.outgoing import Outgoing
from scenescope.app.settings import Settings
from scenescope.models.language import Picture, Reach
from scenescope.pipelines.log.talk import EgressRecord

__all__ = ["FAR", "HERE", "HOST", "NEAR", "Desk", "nobody", "picture", "pixels"]

HOST = "vision.example"
FAR = Reach.INTERNET
NEAR = Reach.YOUR_NETWORK
HERE = Reach.THIS_COMPUTER


Image = npt.NDArray[np.uint8]


def picture(index: int = 7, size_wh: tuple[int, int] = (320, 240)) -> Picture:
    """One of noise, another for every number, with that number and time."""
    noise = np.random.default_rng(index).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    image = cv2.GaussianBlur(noise, (0, 0), 2)
    return Picture(cv2.imencode(".jpg", image)[1].tobytes(), index, index / 10, size_wh)


def pixels(one: Picture) -> Image:
    """What can be seen in it: (height, width, 3), BGR."""
    image = cv2.imdecode(np.frombuffer(one.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8, copy=False)


def nobody(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Finds no face."""
    return np.empty((0, 4))


class Desk:
    """An Outgoing with settings of its own and the list of what was noted.

    Args:
        path: the folder of the settings.
        more: as for :class:`Outgoing`.
    """

    def __init__(self, path: Path, **more: Any) -> None:
        self.settings = Settings(path / "settings.json")
        self.noted: list[EgressRecord] = []
        self.outgoing = Outgoing(
            self.settings, self.noted.append, **{"faces": nobody, "wall_clock": lambda: 1234.5, **more}
        )
