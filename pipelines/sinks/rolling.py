"""RollingBuffer: the last seconds of what was seen, ready to be saved at any moment.

Pictures are kept coded, as H.264 with a key frame every second. Measured at 1080p: 15 ms and 11 KB a picture, where
JPEG takes 6 ms but 75 KB or more; thirty seconds are 10 MB instead of 70, and saving them codes nothing anew.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from scenescope.models import SinkError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks._clock import FileTimes
from scenescope.pipelines.sinks._disk import create_new
from scenescope.pipelines.sinks._encoder import (
    FINE_TIME_BASE,
    EncoderChoice,
    Picture,
    PictureEncoder,
    Quality,
    choice_at_hand,
    i420_of,
    open_encoder,
)
from scenescope.pipelines.sinks._movie import Container, Moment, MovieFile
from scenescope.pipelines.sinks.video import FramePainter
from scenescope.pipelines.source import SourceInfo

__all__ = ["MOST_BYTES", "RollingBuffer", "Saved"]

KEY_EVERY_S = 1.0
SLACK_S = 1e-4
MOST_BYTES = 256_000_000


@dataclass(frozen=True)
class Saved:
    """A file that was saved: its length in seconds, its pictures, and what is to be said about its sound."""

    path: Path
    seconds: float
    frames: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    """One coded picture."""

    data: bytes
    ticks: int
    key: bool
    moment: Moment


@dataclass(frozen=True)
class _Coding:
    """How all pictures that are held are coded."""

    codec: str
    size_wh: tuple[int, int]
    rate_hz: float
    time_base: Fraction


class RollingBuffer(Sink):
    """Keeps the last pictures coded in memory, within bounds, and saves them without a pause.

    It holds ``seconds`` and up to one more, or fewer where they would take more than ``most_bytes``.

    Args:
        seconds: how many are kept.
        raw: keep pictures as they are captured; else analysed ones, without their overlay. Where a stage hides
            something, only those may be kept.
        most_bytes: never holds more.
        time_base: asked when the source is open: seconds per tick of its clock; None for 1/90,000 s.
        sound: asked when the source is open: the media file whose sound is saved with the pictures.
        overlay: keep analysed pictures with their overlay.
        choice: the encoder.
    """

    def __init__(
        self,
        seconds: float,
        *,
        raw: bool,
        most_bytes: int = MOST_BYTES,
        time_base: Callable[[], Fraction | None] = lambda: None,
        sound: Callable[[], Path | None] = lambda: None,
        overlay: bool = False,
        choice: Callable[[], EncoderChoice] = choice_at_hand,
    ) -> None:
        self.captured = raw
        self.wished_s = seconds
        self._most_bytes = most_bytes
        self._asked_time_base = time_base
        self._asked_sound = sound
        self._asked_choice = choice
        self._painted = FramePainter() if overlay and not raw else None
        self._lock = threading.Lock()
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._info: SourceInfo | None = None
        self._times: FileTimes | None = None
        self._encoder: PictureEncoder | None = None
        self._coding: _Coding | None = None
        self._time_base: Fraction | None = None
        self._sound: Path | None = None
        self._moments: dict[int, Moment] = {}
        self._last_ticks = -1
        self._over = False

    # The engine's side -------------------------------------------------------------------------------------------

    def open(self, info: SourceInfo) -> None:
        """Begin with the pictures of another source: those of the one before are let go."""
        self.clear()
        self._info = info
        self._times = FileTimes(info.live, info.rate_hz)
        self._time_base = self._asked_time_base()
        self._sound = None if info.live else self._asked_sound()
        self._encoder, self._moments, self._last_ticks = None, {}, -1

    def prepare(self, frame: Frame) -> tuple[int, Picture]:
        """Convert the picture for the encoder. May run on several frames at once."""
        image = frame.image if self._painted is None else self._painted(frame)
        return frame.index, Picture(i420_of(image), frame.pts_s)

    def write(self, prepared: Any) -> None:
        """Keep the next picture.

        Raises:
            SinkError: nothing here can encode.
        """
        index, picture = prepared
        assert self._times is not None
        assert self._info is not None
        moment = self._times.at(index, picture.pts_s)
        if self._over:
            return
        if self._encoder is None:
            self._begin(picture.size_wh)
        encoder = self._encoder
        assert encoder is not None
        ticks = max(round(Fraction(moment.t_s) / encoder.time_base), self._last_ticks + 1)
        self._last_ticks = ticks
        self._moments[ticks] = moment
        try:
            packets = encoder.encode(picture, ticks, key=not self._kept)
        except (av.FFmpegError, OSError) as error:
            raise SinkError(f"The last seconds cannot be kept: {error}.", hint="Switch the buffer off.") from error
        for packet in packets:
            self._keep(packet)

    def _begin(self, size_wh: tuple[int, int]) -> None:
        assert self._info is not None
        rate_hz = self._info.rate_hz or 30.0
        encoder, _ = open_encoder(
            self._asked_choice(),
            size_wh,
            rate_hz,
            self._time_base or FINE_TIME_BASE,
            quality=Quality.NORMAL,
            key_every_s=KEY_EVERY_S,
            immediate=True,
        )
        self._coding = _Coding(encoder.codec, size_wh, rate_hz, encoder.time_base)
        self._encoder = encoder

    def close(self) -> None:
        """What is kept can still be saved; the encoder is let go."""
        if self._encoder is not None:
            for packet in self._encoder.finish():
                self._keep(packet)
            self._encoder = None

    def _keep(self, packet: av.Packet[Any]) -> None:
        assert packet.pts is not None
        kept = _Kept(bytes(packet), packet.pts, packet.is_keyframe, self._moments.pop(packet.pts))
        with self._lock:
            if self._over or not (self._kept or kept.key):
                return
            self._make_room(kept)
            # Without its key frame, which has just been let go, a picture cannot be shown.
            if self._kept or kept.key:
                self._kept.append(kept)
                self._bytes += len(kept.data)

    def _make_room(self, kept: _Kept) -> None:
        """Let the oldest second go while the rest is enough, or memory is short."""
        while self._kept:
            second = next((at for at, one in enumerate(self._kept) if at and one.key), None)
            too_much = self._bytes + len(kept.data) > self._most_bytes
            enough = second is not None and kept.moment.t_s - self._kept[second].moment.t_s >= self.wished_s
            if not (too_much or enough):
                return
            for _ in range(len(self._kept) if second is None else second):
                self._bytes -= len(self._kept.popleft().data)

    # The user's side ---------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """How many are held."""
        with self._lock:
            return self._kept[-1].moment.t_s - self._kept[0].moment.t_s if self._kept else 0.0

    @property
    def bytes(self) -> int:
        """How much memory the coded pictures take."""
        return self._bytes

    def clear(self) -> None:
        """Forget all pictures."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def halt(self) -> None:
        """Forget all pictures, and keep none from now on, on whichever thread this is said."""
        with self._lock:
            self._over = True
            self._kept.clear()
            self._bytes = 0

    def save(
        self, folder: Path, stem: str, seconds: float | None = None, container: Container = Container.MP4
    ) -> Saved:
        """Write what is held to a new file, on the caller's thread; keeping goes on meanwhile.

        Args:
            folder: where to.
            stem: the file's name without its suffix; a number is added when there is one of that name.
            seconds: how many, or up to a second more: a movie begins with a key frame. All when None.
            container: how the file is packed.

        Raises:
            SinkError: nothing is held, or it cannot be written.
        """
        with self._lock:
            kept, coding = list(self._kept), self._coding
        if not kept or coding is None or self._info is None:
            raise SinkError("There is nothing to save yet.", hint="Start a source, and wait a little.")
        if seconds is not None:
            from_s = kept[-1].moment.t_s + 1 / coding.rate_hz - seconds
            begins = [at for at, one in enumerate(kept) if one.key and one.moment.t_s <= from_s + SLACK_S]
            kept = kept[begins[-1] :] if begins else kept
        file = create_new(folder, stem, f".{container}")
        movie = MovieFile(
            file,
            container,
            codec=coding.codec,
            size_wh=coding.size_wh,
            rate_hz=coding.rate_hz,
            time_base=coding.time_base,
            sound=self._sound,
        )
        time_base, first = coding.time_base, kept[0]
        duration = max(round(Fraction(1 / coding.rate_hz) / time_base), 1)
        try:
            for one, following in zip(kept, [*kept[1:], None], strict=True):
                duration = duration if following is None else following.ticks - one.ticks
                packet: av.Packet[Any] = av.Packet(len(one.data))
                packet.update(one.data)
                packet.pts = packet.dts = one.ticks - first.ticks
                packet.time_base, packet.duration, packet.is_keyframe = time_base, duration, one.key
                moment = Moment(one.moment.t_s - first.moment.t_s, one.moment.media_s, one.moment.span)
                over = following is not None and following.moment.span != one.moment.span
                movie.add(packet, moment, float(duration * time_base), over)
        finally:
            movie.close()
        length_s = float((kept[-1].ticks - first.ticks + duration) * time_base)
        return Saved(file.path, length_s, len(kept), movie.note)
