"""annotated.mp4: the pictures with their overlay, at the times of the source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from scenescope.models import SinkError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.overlay import OverlayPainter, OverlayStyle
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import SourceInfo

__all__ = ["AnnotatedVideo", "encoder_name"]

Image = NDArray[np.uint8]

FINE_TIME_BASE = Fraction(1, 90_000)
KEY_FRAME_EVERY_S = 2.0

# What is written so far can be played at any moment: a fragment for every key frame, and the usual table of contents
# instead when the file is finished. "delay_moov" keeps the time of the first picture when it is not zero.
MP4_OPTIONS = {"movflags": "frag_keyframe+delay_moov+hybrid_fragmented", "flush_packets": "1"}

# Below this, labels cannot be read.
LEAST_SCALE = 0.75

# Measured at 1080p: ultrafast takes 15 ms a frame, superfast 27, veryfast 40. Without B-frames pictures come out in the
# order in which they go in, which keeps every time exact.
X264_OPTIONS: dict[str, object] = {"preset": "ultrafast", "crf": "23", "bf": "0"}

# MPEG-4 part 2 counts time in at most 65,535 parts of a second.
MPEG4_TIME_BASE = Fraction(1, 60_000)
MPEG4_OPTIONS: dict[str, object] = {"qscale": "3", "flags": "+qscale", "global_quality": str(3 * 118)}

# OpenCV's I420 is BT.601 with limited range: said in the file, or players would guess BT.709 for large pictures.
BT601, LIMITED_RANGE = 6, 1


def encoder_name() -> str | None:
    """The encoder that annotated video is written with: "libx264", else "mpeg4"; None when there is neither."""
    return next((name for name in ("libx264", "mpeg4") if name in av.codecs_available and _can_encode(name)), None)


def _can_encode(name: str) -> bool:
    try:
        av.Codec(name, "w")
    except (av.FFmpegError, ValueError):
        return False
    return True


@dataclass(frozen=True)
class _Picture:
    """A painted picture ready for the encoder: uint8 (3/2 h, w), I420, with even w and h."""

    i420: Image
    pts_s: float

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.i420.shape[1], self.i420.shape[0] * 2 // 3


class AnnotatedVideo(Sink):
    """Writes the pictures with boxes, labels and trails as an MP4 file (H.264), each at its own time.

    Pictures with an odd width or height get one more column or row. A picture whose size differs from the first one's
    is fitted into it. The file can be played also when the process was killed: at most the last 2 s of pictures are
    lost.

    Args:
        path: the file; one that is there is replaced when the source opens.
        time_base: asked when the source is open: seconds per tick of the source's clock, so that its times are kept
            exactly; None for 1/90,000 s.
        style: what is drawn; its ``scale`` is set from the picture's height.
    """

    def __init__(
        self,
        path: Path,
        time_base: Callable[[], Fraction | None] = lambda: None,
        style: OverlayStyle | None = None,
    ) -> None:
        self.path = path
        self.frames = 0
        self._asked_time_base = time_base
        self._style = style or OverlayStyle()
        self._painters = threading.local()
        self._container: av.container.OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._rate_hz = 30.0
        self._time_base = FINE_TIME_BASE
        self._size_wh = (0, 0)
        self._waiting: tuple[_Picture, int] | None = None
        self._durations: dict[int, int] = {}
        self._last_duration = 0

    def open(self, info: SourceInfo) -> None:
        """Begin the file; its encoder starts with the first picture.

        Raises:
            SinkError: it cannot be written there, or there is no encoder.
        """
        self.frames = 0
        self._stream, self._waiting, self._durations, self._last_duration = None, None, {}, 0
        self._rate_hz = info.rate_hz or 30.0
        self._time_base = self._asked_time_base() or FINE_TIME_BASE
        with self._reported():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # "file:" keeps FFmpeg from taking part of a name for a protocol.
            self._container = av.open(f"file:{self.path}", "w", format="mp4", options=MP4_OPTIONS)

    def prepare(self, frame: Frame) -> _Picture:
        """Paint a copy of the picture and convert it for the encoder. May run on several frames at once."""
        image = frame.image.copy()
        painter = self._painter(frame.size_wh[1])
        results = [(name, frame.result(name)) for name in frame.results]
        painter.paint(image, [(name, value) for name, value in results if value is not None])
        return _Picture(_i420(image), frame.pts_s)

    def _painter(self, height: int) -> OverlayPainter:
        """This thread's painter, for pictures of ``height`` lines."""
        painter: OverlayPainter | None = getattr(self._painters, "painter", None)
        if painter is None:
            painter = self._painters.painter = OverlayPainter()
        painter.style = replace(self._style, scale=self._style.scale * max(height / 720, LEAST_SCALE))
        return painter

    def write(self, prepared: Any) -> None:
        """Encode the picture before this one, whose duration is known now.

        Raises:
            SinkError: the disk is full or gone.
        """
        picture: _Picture = prepared
        with self._reported():
            if self._stream is None:
                self._stream = self._start_stream(picture.size_wh)
            ticks = round(Fraction(picture.pts_s) / self._time_base)
            if self._waiting is not None:
                before, before_ticks = self._waiting
                # A jump back in time cannot be written; such a picture follows the one before at once.
                ticks = max(ticks, before_ticks + 1)
                self._encode(before, before_ticks, ticks - before_ticks)
            self._waiting = (picture, ticks)

    def close(self) -> None:
        """Write the last picture, which is shown as long as the one before, and finish the file.

        Raises:
            SinkError: the disk is full or gone.
        """
        container = self._container
        if container is None:
            return
        try:
            with self._reported():
                if self._stream is not None and self._waiting is not None:
                    usual = round(Fraction(1 / self._rate_hz) / self._time_base)
                    self._encode(*self._waiting, self._last_duration or max(usual, 1))
                    self._mux(self._stream.encode(None))
        finally:
            self._container = self._stream = self._waiting = None
            with self._reported():
                container.close()

    # Encoding ----------------------------------------------------------------------------------------------------

    def _start_stream(self, size_wh: tuple[int, int]) -> VideoStream:
        name = encoder_name()
        if name is None or self._container is None:
            raise SinkError(
                "This build of PyAV can encode neither H.264 nor MPEG-4 video.", hint="pip install --upgrade av"
            )
        if name == "mpeg4":
            self._time_base = max(self._time_base, MPEG4_TIME_BASE)
        rate = Fraction(self._rate_hz).limit_denominator(1001)
        stream = self._container.add_stream(name, rate=rate)
        assert isinstance(stream, VideoStream)
        self._size_wh = size_wh
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.options = X264_OPTIONS if name == "libx264" else MPEG4_OPTIONS
        context: VideoCodecContext = stream.codec_context
        stream.time_base = context.time_base = self._time_base
        context.gop_size = max(round(KEY_FRAME_EVERY_S * self._rate_hz), 1)
        context.max_b_frames = 0
        context.colorspace = context.color_primaries = context.color_trc = BT601
        context.color_range = LIMITED_RANGE
        return stream

    def _encode(self, picture: _Picture, ticks: int, duration: int) -> None:
        assert self._stream is not None
        i420 = picture.i420 if picture.size_wh == self._size_wh else _fitted(picture.i420, self._size_wh)
        frame = VideoFrame.from_ndarray(i420, format="yuv420p")
        frame.pts, frame.time_base = ticks, self._time_base
        self._durations[ticks] = self._last_duration = duration
        self._mux(self._stream.encode(frame))
        self.frames += 1

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        assert self._container is not None
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, self._last_duration)
            self._container.mux(packet)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn what FFmpeg and the system say into a sentence."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise SinkError(
                f"Cannot write {self.path}: {error.strerror or error}.",
                hint="Choose another folder, or make room on the disk.",
            ) from error


def _i420(image: Image) -> Image:
    """BGR (h, w, 3) as I420, made even by repeating the last column or row."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    converted: Image = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)  # type: ignore[assignment]
    return converted


def _fitted(i420: Image, size_wh: tuple[int, int]) -> Image:
    """The picture as large as it fits into ``size_wh``, centred on black."""
    image = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
    scale = min(size_wh[0] / image.shape[1], size_wh[1] / image.shape[0])
    width, height = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    canvas = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    left, top = (size_wh[0] - width) // 2, (size_wh[1] - height) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return _i420(canvas)
