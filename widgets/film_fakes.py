"""An engine that only listens, and small pictures that come when they are told to: for tests of the film's controls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from scenescope.pipelines import Source, SourceInfo
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import SourcePhase, SourceState
from scenescope.pipelines.sources.frame_index import FrameIndex

__all__ = ["FakeThumbnails", "ToldEngine"]


class ToldEngine(Engine):
    """Remembers what it was told, and plays nothing."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.state = SourceState(SourcePhase.STOPPED)
        self.known: FrameIndex | None = None
        self.speed = 1.0
        self.span: tuple[float, float] | None = None
        super().__init__()

    @override
    def start(self, source: Source, **options: Any) -> None:
        self.told.append(("start",))

    @override
    def pause(self) -> None:
        self.told.append(("pause",))
        self.tell(SourcePhase.PAUSED)

    @override
    def resume(self) -> None:
        self.told.append(("resume",))
        self.tell(SourcePhase.PLAYING)

    @override
    def step(self, frames: int = 1) -> None:
        self.told.append(("step", frames))

    @override
    def seek(self, pts_s: float) -> None:
        self.told.append(("seek", pts_s))

    @override
    def seek_frame(self, index: int) -> None:
        self.told.append(("seek_frame", index))

    @override
    def set_rate(self, rate: float) -> None:
        self.speed = rate

    @override
    def set_loop(self, start_s: float | None, end_s: float | None) -> None:
        self.told.append(("loop", start_s, end_s))
        self.span = None if start_s is None else (start_s, 10.0 if end_s is None else end_s)

    @property
    @override
    def rate(self) -> float:
        return self.speed

    @property
    @override
    def loop(self) -> tuple[float, float] | None:
        return self.span

    @property
    @override
    def frame_index(self) -> FrameIndex | None:
        return self.known

    @property
    @override
    def source_state(self) -> SourceState:
        return self.state

    @property
    @override
    def running(self) -> bool:
        return self.state.phase is not SourcePhase.STOPPED

    def tell(self, phase: SourcePhase, info: SourceInfo | None = None) -> None:
        """Be in this phase, and say so."""
        self.state = SourceState(phase, info or self.state.info)
        self._publish(self.state)


class FakeThumbnails:
    """Makes blue pictures when it is told to."""

    made: ClassVar[list[FakeThumbnails]] = []

    def __init__(self, path: Path, size_wh: tuple[int, int]) -> None:
        self.path, self.size_wh, self.closed = path, size_wh, False
        self.asked: list[tuple[float, Callable[[NDArray[np.uint8] | None, float], None]]] = []
        FakeThumbnails.made.append(self)

    def request(self, pts_s: float, on_ready: Callable[[NDArray[np.uint8] | None, float], None]) -> None:
        """Remember what is wished."""
        self.asked.append((pts_s, on_ready))

    def answer(self) -> None:
        """Make the picture that was wished last: 160 x 90, blue."""
        pts_s, on_ready = self.asked[-1]
        on_ready(np.full((90, 160, 3), (255, 0, 0), np.uint8), pts_s)

    def close(self, timeout_s: float = 0.0) -> None:
        """Remember that it is over."""
        self.closed = True
