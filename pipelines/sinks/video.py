"""annotated.mp4: the pictures with their overlay, at the times of the source."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.frame import Frame
from scenescope.pipelines.overlay import OverlayPainter, OverlayStyle
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks._disk import GuardedFile, reported
from scenescope.pipelines.sinks._encoder import (
    BT601,
    LIMITED_RANGE,
    EncoderChoice,
    Picture,
    encoder_name,
    i420_of,
    no_encoder,
)
from scenescope.pipelines.sinks._movie import Moment, MovieWriter
from scenescope.pipelines.source import SourceInfo

__all__ = ["BT601", "LIMITED_RANGE", "AnnotatedVideo", "FramePainter", "encoder_name"]

# Below this, labels cannot be read.
LEAST_SCALE = 0.75


class FramePainter:
    """Paints frames with what was found in them, on several threads at once.

    Args:
        style: what is drawn; its ``scale`` is set from the picture's height.
    """

    def __init__(self, style: OverlayStyle | None = None) -> None:
        self._style = style or OverlayStyle()
        self._painters = threading.local()

    def __call__(self, frame: Frame) -> NDArray[np.uint8]:
        """A painted copy of the picture, uint8 (H, W, 3) BGR."""
        image = frame.image.copy()
        results = [(name, frame.result(name)) for name in frame.results]
        painter = self._painter(frame.size_wh[1])
        painter.paint(image, [(name, value) for name, value in results if value is not None])
        return image

    def _painter(self, height: int) -> OverlayPainter:
        """This thread's painter, for pictures of ``height`` lines."""
        painter: OverlayPainter | None = getattr(self._painters, "painter", None)
        if painter is None:
            painter = self._painters.painter = OverlayPainter()
        painter.style = replace(self._style, scale=self._style.scale * max(height / 720, LEAST_SCALE))
        return painter


class AnnotatedVideo(Sink):
    """Writes the pictures with boxes, labels and trails as an MP4 file (H.264), each at its own time.

    Pictures with an odd width or height get one more column or row. A picture whose size differs from the first one's
    is fitted into it. The file can be played also when the process was killed: at most the last 2 s of pictures are
    lost. It is encoded in software: the same pictures give the same bytes.

    Args:
        path: the file; one that is there is replaced when the source opens.
        time_base: asked when the source is open: seconds per tick of the source's clock, so that its times are kept
            exactly; None for 1/90,000 s.
        style: what is drawn; its ``scale`` is set from the picture's height.
        audio_from: the media file that the pictures come from, whose sound is kept; None for silence.

    Attributes:
        frames: pictures written.
        note: a sentence when the sound could not be kept as it is.
    """

    def __init__(
        self,
        path: Path,
        time_base: Callable[[], Fraction | None] = lambda: None,
        style: OverlayStyle | None = None,
        audio_from: Path | None = None,
    ) -> None:
        self.path = path
        self.note = ""
        self._asked_time_base = time_base
        self._audio_from = audio_from
        self._painted = FramePainter(style)
        self._writer: MovieWriter | None = None
        self.frames = 0

    def open(self, info: SourceInfo) -> None:
        """Begin the file; its encoder starts with the first picture.

        Raises:
            SinkError: it cannot be written there, or there is no encoder.
        """
        self.frames, self.note = 0, ""
        name = encoder_name()
        if name is None:
            raise no_encoder()
        with reported(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = GuardedFile(self.path)
        self._writer = MovieWriter(
            file,
            EncoderChoice(name, False, "The same pictures give the same bytes."),
            rate_hz=info.rate_hz,
            time_base=self._asked_time_base(),
            sound=self._audio_from,
        )

    def prepare(self, frame: Frame) -> Picture:
        """Paint a copy of the picture and convert it for the encoder. May run on several frames at once."""
        return Picture(i420_of(self._painted(frame)), frame.pts_s)

    def write(self, prepared: Any) -> None:
        """Encode the picture before this one, whose duration is known now.

        Raises:
            SinkError: the disk is full or gone.
        """
        assert self._writer is not None
        picture: Picture = prepared
        self._writer.write(picture, Moment(picture.pts_s, picture.pts_s))
        self.frames = self._writer.frames

    def close(self) -> None:
        """Write the last picture, which is shown as long as the one before, and finish the file.

        Raises:
            SinkError: the disk is full or gone.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            finally:
                self.frames, self.note = writer.frames, writer.note
