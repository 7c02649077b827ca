"""Stand-ins for hardware, for tests and for trying things out without it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["FakeCapture", "Step"]


class Step(Enum):
    """What a :class:`FakeCapture` does instead of giving a picture."""

    UNPLUG = "every grab fails from now on"
    HANG = "grab blocks until let_go is called, then fails"


class FakeCapture:
    """Behaves like ``cv2.VideoCapture`` on a camera that follows a script.

    Args:
        script: pictures, uint8 (H, W, 3) or (H, W), given one per grab, and :class:`Step` members. At its end the
            camera hangs, as one that stops sending does.
        opens: False for a camera that another program uses.
        rate_hz: the rate it says it has until it is told another.

    Attributes:
        settings: what was asked of it, by ``cv2.CAP_PROP_...`` number. Asking changes no picture: whether the size is
            granted is up to the script.
        released: True once the handle was given back.
    """

    def __init__(
        self, script: Iterable[NDArray[np.uint8] | Step], *, opens: bool = True, rate_hz: float = 30.0
    ) -> None:
        self.settings: dict[int, float] = {}
        self.released = False
        self._script = iter(script)
        self._opens = opens
        self._rate_hz = rate_hz
        self._picture: NDArray[np.uint8] | None = None
        self._unplugged = False
        self._let_go = threading.Event()

    def isOpened(self) -> bool:
        return self._opens and not self.released

    def set(self, propId: int, value: float) -> bool:  # noqa: N803
        self.settings[propId] = value
        return True

    def get(self, propId: int) -> float:  # noqa: N803
        if propId == cv2.CAP_PROP_FPS:
            return self.settings.get(propId, self._rate_hz)
        return self.settings.get(propId, 0.0)

    def grab(self) -> bool:
        """Take the next step of the script."""
        step = Step.UNPLUG if self._unplugged else next(self._script, Step.HANG)
        if isinstance(step, Step):
            if step is Step.HANG:
                self._let_go.wait()
            self._unplugged, self._picture = True, None
            return False
        self._picture = step
        return True

    def retrieve(self) -> tuple[bool, NDArray[np.uint8] | None]:
        return self._picture is not None, self._picture

    def release(self) -> None:
        self.released = True

    def let_go(self) -> None:
        """End a hang, as a driver does that gives up at last."""
        self._let_go.set()
