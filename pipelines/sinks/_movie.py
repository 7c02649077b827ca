"""Movie files that can be played at any moment while they are written: MP4 in fragments, or Matroska."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from scenescope.pipelines.sinks._disk import GuardedFile, reported, trim_fragments
from scenescope.pipelines.sinks._encoder import (
    FINE_TIME_BASE,
    EncoderChoice,
    Picture,
    PictureEncoder,
    Quality,
    open_encoder,
)
from scenescope.pipelines.sinks._sound import SoundTrack

__all__ = ["Container", "Moment", "MovieFile", "MovieWriter"]


class Container(StrEnum):
    """How a movie is packed. MP4 keeps every time exactly; Matroska rounds times to milliseconds."""

    MP4 = "mp4"
    MKV = "mkv"


FORMATS = {Container.MP4: "mp4", Container.MKV: "matroska"}

# What is written so far can be played at any moment: a fragment for every key frame, and the usual table of contents
# instead when the file is finished. "delay_moov" keeps the time of the first picture when it is not zero.
OPTIONS = {
    Container.MP4: {"movflags": "frag_keyframe+delay_moov+hybrid_fragmented", "flush_packets": "1"},
    Container.MKV: {"cluster_time_limit": "1000", "flush_packets": "1"},
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a picture stands.

    Attributes:
        t_s: in the new file, from its beginning.
        media_s: in the file that it comes from; for sound.
        span: number of the run of pictures that follow each other in that file.
    """

    t_s: float
    media_s: float
    span: int = 0


class MovieFile:
    """A movie with one track of coded pictures, and the sound of the file that they come from.

    Args:
        file: open and empty; closed with the movie.
        container: how it is packed.
        codec: "h264" or "mpeg4".
        size_wh: of the pictures.
        rate_hz: about how many come in a second.
        time_base: seconds per tick of the pictures' times.
        sound: a media file whose sound goes with the pictures; None for silence.

    Raises:
        SinkError: it cannot be written.
    """

    def __init__(
        self,
        file: GuardedFile,
        container: Container,
        *,
        codec: str,
        size_wh: tuple[int, int],
        rate_hz: float,
        time_base: Fraction,
        sound: Path | None = None,
    ) -> None:
        self._file = file
        self._container = container
        self._sound: SoundTrack | None = None
        self._span: int | None = None
        self._closed = False
        self.note = ""
        with reported(file.path):
            # The codec's option, not the container's, would be asked for "flush_packets" first.
            self._out = av.open(file, "w", format=FORMATS[container], container_options=OPTIONS[container])
            self._pictures = self._out.add_mux_stream(
                codec, rate=Fraction(rate_hz).limit_denominator(1001), width=size_wh[0], height=size_wh[1]
            )
            self._pictures.time_base = time_base
            if sound is not None:
                track = SoundTrack(sound)
                if track.attach(self._out):
                    self._sound = track
                else:
                    track.close()
                self.note = track.note

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._file.path

    @property
    def written(self) -> int:
        """Bytes so far."""
        return self._file.written

    def add(self, packet: av.Packet[Any], moment: Moment, lasts_s: float, last_of_span: bool) -> None:
        """Take the next coded picture, whose ``duration`` is set, with the sound that goes with it.

        Raises:
            SinkError: the disk is full or gone.
        """
        packet.stream = self._pictures
        with reported(self.path):
            self._out.mux(packet)
            if self._sound is None:
                return
            if moment.span != self._span:
                self._span = moment.span
                # One picture of a span, as when a film is played backwards, would sound like a click.
                if last_of_span:
                    return
                self._sound.begin(moment.media_s, moment.t_s)
            for sound in self._sound.until(moment.media_s + lasts_s):
                self._out.mux(sound)

    def close(self) -> None:
        """Finish the file; after a failure, leave it as it is.

        Raises:
            SinkError: the disk is full or gone.
        """
        if self._closed:
            return
        self._closed = True
        try:
            with reported(self.path):
                if self._sound is not None and not self._file.closed:
                    for packet in self._sound.finish():
                        self._out.mux(packet)
        finally:
            if self._sound is not None:
                self.note = self._sound.note
                self._sound.close()
            try:
                with reported(self.path):
                    self._out.close()
            finally:
                self._file.close()
                if self._file.failed and self._container is Container.MP4 and self.path.is_file():
                    with reported(self.path):
                        trim_fragments(self.path)


class MovieWriter:
    """Pictures with their times in, a movie out.

    A picture is written when the next one comes, which says how long it lasts; the last one lasts as long as the one
    before. A picture whose size differs from the first one's is fitted into it.

    Args:
        file: open and empty.
        choice: the encoder.
        rate_hz: about how many pictures come in a second; 0 when nobody knows.
        time_base: seconds per tick in which the times are kept; None for 1/90,000 s.
        container: how it is packed.
        quality, preset: see :class:`~scenescope.pipelines.sinks._encoder.PictureEncoder`.
        sound: a media file whose sound goes with the pictures.

    Attributes:
        frames: pictures written.
        choice: the encoder at work, known with the first picture.
    """

    def __init__(
        self,
        file: GuardedFile,
        choice: EncoderChoice,
        *,
        rate_hz: float,
        time_base: Fraction | None = None,
        container: Container = Container.MP4,
        quality: Quality = Quality.NORMAL,
        preset: str = "ultrafast",
        sound: Path | None = None,
    ) -> None:
        self.frames = 0
        self.choice = choice
        self._file = file
        self._rate_hz = rate_hz or 30.0
        self._time_base = time_base or FINE_TIME_BASE
        self._container = container
        self._quality = quality
        self._preset = preset
        self._sound = sound
        self._encoder: PictureEncoder | None = None
        self._movie: MovieFile | None = None
        self._waiting: tuple[Picture, int, Moment] | None = None
        self._under_way: dict[int, tuple[int, Moment, bool]] = {}
        self._last_duration = 0

    @property
    def written(self) -> int:
        """Bytes so far."""
        return self._file.written

    @property
    def note(self) -> str:
        """What is to be said about the sound."""
        return self._movie.note if self._movie is not None else ""

    def write(self, picture: Picture, moment: Moment) -> None:
        """Encode the picture before this one, whose duration is known now.

        Raises:
            SinkError: the disk is full or gone, or nothing here can encode.
        """
        if self._encoder is None:
            self._begin(picture.size_wh)
        ticks = round(Fraction(moment.t_s) / self._time_base)
        if self._waiting is not None:
            before, before_ticks, before_moment = self._waiting
            # A jump back in time cannot be written; such a picture follows the one before at once.
            ticks = max(ticks, before_ticks + 1)
            over = moment.span != before_moment.span
            self._encode(before, before_ticks, ticks - before_ticks, before_moment, over)
        self._waiting = (picture, ticks, moment)

    def close(self) -> None:
        """Write the last picture and finish the file.

        Raises:
            SinkError: the disk is full or gone.
        """
        waiting, self._waiting = self._waiting, None
        movie, self._movie = self._movie, None
        try:
            if movie is not None and waiting is not None and self._encoder is not None and not self._file.closed:
                usual = max(round(Fraction(1 / self._rate_hz) / self._time_base), 1)
                picture, ticks, moment = waiting
                self._movie = movie
                self._encode(picture, ticks, self._last_duration or usual, moment, False)
                with reported(self._file.path):
                    self._mux(self._encoder.finish())
        finally:
            self._encoder = None
            self._movie = movie
            if movie is not None:
                movie.close()
            self._file.close()

    def _begin(self, size_wh: tuple[int, int]) -> None:
        self._encoder, self.choice = open_encoder(
            self.choice, size_wh, self._rate_hz, self._time_base, quality=self._quality, preset=self._preset
        )
        self._time_base = self._encoder.time_base
        self._movie = MovieFile(
            self._file,
            self._container,
            codec=self._encoder.codec,
            size_wh=size_wh,
            rate_hz=self._rate_hz,
            time_base=self._time_base,
            sound=self._sound,
        )

    def _encode(self, picture: Picture, ticks: int, duration: int, moment: Moment, over: bool) -> None:
        assert self._encoder is not None
        self._under_way[ticks] = (duration, moment, over)
        self._last_duration = duration
        with reported(self._file.path):
            self._mux(self._encoder.encode(picture, ticks))
        self.frames += 1

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        assert self._movie is not None
        for packet in packets:
            assert packet.pts is not None
            packet.duration, moment, over = self._under_way.pop(packet.pts)
            self._movie.add(packet, moment, float(packet.duration * self._time_base), over)
