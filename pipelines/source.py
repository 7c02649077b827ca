"""Source: where pictures come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scenescope.models import SourceError
from scenescope.pipelines.frame import Frame

if TYPE_CHECKING:
    from scenescope.pipelines.sources.frame_index import FrameIndex

__all__ = ["DeviceFormat", "DeviceInfo", "Source", "SourceInfo"]


@dataclass(frozen=True)
class DeviceFormat:
    """A picture size and rate that a camera offers."""

    size_wh: tuple[int, int]
    rate_hz: float

    def __str__(self) -> str:
        return f"{self.size_wh[0]}x{self.size_wh[1]} at {self.rate_hz:g} fps"


@dataclass(frozen=True)
class DeviceInfo:
    """A camera: ``stable_id`` names the same device after it was unplugged and plugged in again."""

    stable_id: str
    name: str
    formats: tuple[DeviceFormat, ...] = ()
    is_default: bool = False


@dataclass(frozen=True)
class SourceInfo:
    """What is known of a source once it is open.

    Attributes:
        name: for people: the file's name, the camera's name, the stream's address without its password.
        size_wh: size of its pictures in pixels, after rotation.
        rate_hz: frames a second; the average when it varies; 0 when unknown.
        live: True when pictures come at their own pace and cannot be asked for again.
        frame_count: number of pictures, None when unknown or endless.
        duration_s: length, None when unknown or endless.
        detail: codec or format, for people.
    """

    name: str
    size_wh: tuple[int, int]
    rate_hz: float
    live: bool
    frame_count: int | None = None
    duration_s: float | None = None
    detail: str = ""


class Source(ABC):
    """Pictures, one after the other. Used by one thread, except :meth:`interrupt`.

    ``open``, then ``read`` until it returns None, then ``close``. All three raise
    :class:`~scenescope.models.SourceError` with a sentence that names the file or device and the reason. A source can
    be opened again after ``close``; a live one goes on counting its frames where it stopped.

    ``live`` says that pictures come at their own pace; ``piles_up``, that those which nobody reads wait on the way, as
    in a network stream, so that it is read also while paused.
    """

    live: bool = False
    piles_up: bool = False

    @abstractmethod
    def open(self) -> SourceInfo:
        """Make ready to read; the first picture is the first one of the source, or of its ``start_s``."""

    @abstractmethod
    def read(self) -> Frame | None:
        """The next picture, waiting for it if it must; None at the end.

        ``index`` and ``pts_s`` are the source's own; ``captured_s`` is ``time.monotonic()`` when the picture arrived.
        """

    def seek(self, pts_s: float) -> None:
        """Make the next ``read`` return the first picture at or after ``pts_s`` seconds. Files only.

        Raises:
            SourceError: it is not ``seekable``.
        """
        raise SourceError(f"{type(self).__name__} cannot go to another time.", permanent=True)

    def read_at(self, index: int, stale: Callable[[], bool] = lambda: False) -> Frame | None:
        """Picture number ``index`` exactly; the next ``read`` goes on behind it. Only with a :attr:`frame_index`.

        Args:
            index: from 0; past the end there is None.
            stale: asked while it takes long; True when the picture is not wanted any more, which gives None.

        Raises:
            SourceError: the picture cannot be decoded, or this kind of source has no numbers to ask for.
        """
        raise SourceError(f"{type(self).__name__} cannot go to a picture by its number.", permanent=True)

    def build_index(self, on_progress: Callable[[float], None], cancelled: Callable[[], bool]) -> bool:
        """Learn the times of all pictures of an open file, after which there is a :attr:`frame_index`.

        The one method that may run on a thread of its own beside the one that reads.

        Args:
            on_progress: told how much is done, 0 to 1.
            cancelled: asked while it takes long.

        Returns:
            False when cancelled, and where there is nothing to learn.
        """
        return False

    def prepare_before(self, index: int, stale: Callable[[], bool]) -> None:
        """Use spare time to make pictures before ``index`` quick to read; ends soon once it is ``stale``."""

    @property
    def frame_index(self) -> FrameIndex | None:
        """Times of all pictures of a file, once they are known; None before, and for all else."""
        return None

    @property
    def seekable(self) -> bool:
        """True when :meth:`seek` can be asked for."""
        return not self.live and type(self).seek is not Source.seek

    def interrupt(self) -> None:
        """Make a waiting ``read`` or ``open`` return or raise soon. Called from any thread, at any time."""

    def close(self) -> None:
        """Release the device or file. Safe to call twice."""

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame
