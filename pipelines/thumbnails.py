"""Thumbnailer: small pictures of a film for any time, as fast as they are asked for while the mouse moves."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from scenescope.models import SourceError
from scenescope.pipelines.slots import Closed, Mailbox
from scenescope.pipelines.sources._decoder import open_video
from scenescope.pipelines.sources._pyav import Orientation, orientation_of, square_size_wh

__all__ = ["Thumbnailer"]

Image = NDArray[np.uint8]
OnReady = Callable[[Image | None, float], None]

# How long may be decoded from the key frame towards the time asked for; then the picture reached is good enough.
PATIENCE_S = 0.12
MOST_KEPT = 256
# Times asked for are taken to be the same within this.
GRID_S = 0.1


class Thumbnailer:
    """Reads a file on a thread and in a container of its own, so that it disturbs nobody who plays it.

    Pictures are those of the nearest key frame before a time, or closer to it where that takes little time.

    Args:
        path: the video file; one that cannot be read gives None for every time.
        size_wh: the pictures fit into this, in pixels.
    """

    def __init__(self, path: Path, size_wh: tuple[int, int]) -> None:
        self._path = path
        self._size_wh = size_wh
        self._wishes: Mailbox[tuple[float, OnReady]] = Mailbox()
        self._newer = threading.Event()
        self._closed = threading.Event()
        self._kept: OrderedDict[int, tuple[Image, float]] = OrderedDict()
        self._container: av.container.InputContainer | None = None
        self._stream: av.VideoStream
        self._origin = 0
        self._base = Fraction(1, 1000)
        self._shape: tuple[int, int, Orientation] | None = None
        self._thread = threading.Thread(target=self._run, name="thumbnails", daemon=True)
        self._thread.start()

    def request(self, pts_s: float, on_ready: OnReady) -> None:
        """Ask for the picture at a time; a newer request replaces one that has not been answered, which never is.

        Args:
            pts_s: seconds since the first picture.
            on_ready: called on the thumbnailer's thread with a uint8 (h, w, 3) BGR picture and its own time in seconds,
                or with None and the time asked for.
        """
        self._newer.set()
        self._wishes.put((pts_s, on_ready))

    def close(self, timeout_s: float = 5.0) -> bool:
        """End the thread and close the file; True when it has ended in time."""
        self._closed.set()
        self._newer.set()
        self._wishes.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while True:
                wish = self._wishes.wait()
                if wish is None:
                    continue
                self._newer.clear()
                pts_s, on_ready = wish
                found = self._find(max(pts_s, 0.0))
                # A picture of a key frame is an answer even when a newer request has cut the search short.
                if not self._closed.is_set():
                    on_ready(*(found or (None, pts_s)))
        except Closed:
            pass
        finally:
            if self._container is not None:
                self._container.close()

    def _find(self, pts_s: float) -> tuple[Image, float] | None:
        slot = round(pts_s / GRID_S)
        if slot in self._kept:
            self._kept.move_to_end(slot)
            return self._kept[slot]
        try:
            if self._container is None:
                self._open()
            reached = self._decode_towards(pts_s)
        except (SourceError, av.FFmpegError, OSError, ValueError):
            return None
        if reached is None:
            return None
        picture, complete = reached
        assert picture.pts is not None
        found = self._small(picture), float((picture.pts - self._origin) * self._base)
        if complete:
            self._kept[slot] = found
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found

    def _open(self) -> None:
        container, self._stream = open_video(self._path)
        self._container = container
        self._base = Fraction(self._stream.time_base or self._base)
        first = next(container.decode(self._stream), None)
        self._origin = (first.pts if first is not None else None) or 0

    def _decode_towards(self, pts_s: float) -> tuple[av.VideoFrame, bool] | None:
        """The last picture at or before a time, or one on the way there, and whether no newer request came between."""
        assert self._container is not None
        target = round(pts_s / self._base) + self._origin
        self._container.seek(target, stream=self._stream)
        enough_s = time.monotonic() + PATIENCE_S
        best: av.VideoFrame | None = None
        for packet in self._container.demux(self._stream):
            if self._closed.is_set():
                return None
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                continue
            for picture in pictures:
                if picture.pts is None:
                    continue
                if best is not None and picture.pts > target:
                    return best, True
                best = picture
            if best is not None and (self._newer.is_set() or time.monotonic() >= enough_s):
                return best, not self._newer.is_set()
        return None if best is None else (best, True)

    def _small(self, picture: av.VideoFrame) -> Image:
        """The picture upright and with square pixels, as large as fits."""
        if self._shape is None:
            orientation = orientation_of(picture)
            wide, high = square_size_wh(picture.width, picture.height, float(self._stream.sample_aspect_ratio or 1))
            most_w, most_h = self._size_wh[::-1] if orientation.transpose else self._size_wh
            scale = min(most_w / wide, most_h / high)
            self._shape = max(round(wide * scale), 1), max(round(high * scale), 1), orientation
        width, height, orientation = self._shape
        small = picture.reformat(width, height, "bgr24", interpolation="AREA").to_ndarray()
        return np.ascontiguousarray(orientation.apply(np.asarray(small, np.uint8)))
