"""Sink: where finished frames go: files, logs, the window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from scenescope.pipelines.frame import Frame
from scenescope.pipelines.source import SourceInfo

__all__ = ["Sink"]


class Sink(ABC):
    """Takes finished frames in order, on a thread of its own.

    ``lossless`` sinks get every frame and slow the pipeline down when they cannot keep up; the others get the newest
    and miss some. ``prepare`` is the part of the work that needs no order: it may run on several frames at once.
    All methods may raise :class:`~scenescope.models.SinkError`, which stops this sink, not the pipeline.

    A sink with ``captured = True`` (may be set per instance, before it is added) gets the pictures as they come from
    the source, before any stage and without results, at the source's rate; ``prepare`` then runs on its own thread.
    """

    lossless: ClassVar[bool] = True
    captured: bool = False

    def open(self, info: SourceInfo) -> None:
        """Called once, before the first frame, when the source is open."""

    def prepare(self, frame: Frame) -> Any:
        """Turn a frame into what ``write`` takes; by default the frame itself."""
        return frame

    @abstractmethod
    def write(self, prepared: Any) -> None:
        """Take what ``prepare`` made of the next frame, in the order of the source."""

    def close(self) -> None:
        """Finish, so that what was written is whole and readable. Called also after a failure or an interruption."""
