"""What video files and streams share: finding the pictures in a container, and turning them into upright BGR arrays."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

__all__ = ["Orientation", "PictureConverter", "codec_detail", "orientation_of", "pick_video_stream", "square_size_wh"]

TEXT_CODECS = frozenset({"ansi", "bintext", "xbin", "idf"})
"""FFmpeg shows text files as pictures of letters; nobody means that by a video."""

WIDEST_PIXEL = 4.0
"""Pixels further from square than this are a mistake of the file."""

LEAST_STRETCH = 0.01
"""Pixels that are square up to this are shown as stored: nobody sees it, and nothing is blurred."""


class Orientation(NamedTuple):
    """How to set a stored picture upright: swap rows and columns first, then mirror."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright picture, uint8 (H, W, 3) or (W, H, 3) in, upright out."""
        if self.transpose:
            image = np.asarray(cv2.transpose(image), np.uint8)
        if self.mirror_x or self.mirror_y:
            image = np.asarray(cv2.flip(image, -1 if self.mirror_x and self.mirror_y else int(self.mirror_x)), np.uint8)
        return image


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """The orientation that the container's display matrix asks for (turns by 90 degrees and mirroring).

    The matrix maps a stored point (p, q) to (a p + c q, b p + d q) and is stored as a, b, u, c, d, v, x, y, w in 32-bit
    fixed point (libavutil/display.h).
    """
    try:
        matrix = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
    except ValueError:  # side data of a kind that PyAV has no name for
        matrix = None
    if matrix is None:
        return Orientation()
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    if abs(b) > abs(a):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)


class PictureConverter:
    """Turns decoded pictures into upright uint8 (H, W, 3) BGR arrays, with one reformatter kept for all of them.

    Args:
        pixel_aspect: width of a stored pixel over its height. Where it is not 1, pictures are made larger in one
            direction, so that all their detail stays and circles are round; None and nonsense count as 1.
    """

    def __init__(self, pixel_aspect: Fraction | None = None) -> None:
        self._reformatter = av.video.reformatter.VideoReformatter()
        aspect = float(pixel_aspect or 1)
        self._pixel_aspect = aspect if WIDEST_PIXEL >= aspect >= 1 / WIDEST_PIXEL else 1.0
        self._orientation: Orientation | None = None

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """The picture as a C-contiguous array; the orientation of the first one holds for all."""
        if self._orientation is None:
            self._orientation = orientation_of(frame)
        # One thread: more of them cost more than they gain, and the cores belong to the stages.
        stored = np.asarray(self._reformatter.reformat(frame, format="bgr24", threads=1).to_ndarray(), np.uint8)
        if abs(self._pixel_aspect - 1) > LEAST_STRETCH:
            stored = np.asarray(cv2.resize(stored, square_size_wh(frame.width, frame.height, self._pixel_aspect)))
        return np.ascontiguousarray(self._orientation.apply(stored))


def square_size_wh(width: int, height: int, pixel_aspect: float) -> tuple[int, int]:
    """Size of a picture once its pixels are square; one side stays as it is, the other grows."""
    if pixel_aspect >= 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def pick_video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The stream with the moving picture: the largest, not a cover image, not text; None when there is none.

    A stream that this build of FFmpeg cannot decode has no ``codec_context``; it is chosen only when all are like that.
    """
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
        and (stream.codec_context is None or stream.codec_context.name not in TEXT_CODECS)
    ]
    return max(moving, key=_decodable_size, default=None)


def _decodable_size(stream: av.VideoStream) -> int:
    context = stream.codec_context
    return -1 if context is None else context.width * context.height


def codec_detail(stream: av.VideoStream) -> str:
    """Codec and pixel format, for people: "h264, yuv420p"."""
    context = stream.codec_context
    return ", ".join(part for part in (context.name, context.pix_fmt) if part)
