"""Sound for a recording: copied packet by packet from the file that is played, or coded anew where that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream

from scenescope.pipelines.sources._pyav import pick_video_stream

__all__ = ["SoundTrack", "first_picture_s"]

# Where coding anew is needed: what every player knows.
CODEC = "aac"
BIT_RATE_PER_CHANNEL = 80_000
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
RATES_HZ = (48_000, 44_100, 96_000, 88_200, 64_000, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
PACKED = {"mp4": "MP4", "matroska": "MKV"}
ADTS_BYTES = 7
# Containers with clocks of a millisecond round to one.
ROUNDING_S = 0.001


class SoundTrack:
    """The sound of a file, given out in spans of its media time.

    Times are those of :class:`~scenescope.pipelines.sources.video.VideoFile`: 0 is the file's first picture. A packet
    belongs to a span when it begins in it, so sound and picture agree to within one packet at the edges (21 ms for
    AAC), and exactly in between.

    Args:
        path: a media file.

    Attributes:
        note: a sentence when the sound is not copied as it is; empty otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note = ""
        self._container: av.container.InputContainer | None = None
        self._in: AudioStream
        self._out: AudioStream
        self._copies = True
        self._origin = Fraction(0)
        self._packets: Iterator[av.Packet[Any]] = iter(())
        self._held: av.Packet[Any] | None = None
        self._start = self._shift = Fraction(0)
        self._newest_dts: int | None = None
        self._adts = False

    def attach(self, out: av.container.OutputContainer) -> bool:
        """Add a stream to ``out``, before its first packet; False when there is no sound, or none that can be kept."""
        try:
            self._origin = first_picture_s(self.path)
            # "file:" keeps FFmpeg from taking part of a name for a protocol.
            self._container = av.open(f"file:{self.path}", metadata_errors="replace")
        except (av.FFmpegError, OSError):
            self.note = f"The sound of {self.path.name} cannot be read; it is left out."
            return False
        found = self._container.streams.best("audio")
        if found is None:
            return False
        assert isinstance(found, AudioStream)
        self._in = found
        context: AudioCodecContext | None = found.codec_context
        if context is None:
            self.note = f"There is no decoder for the sound of {self.path.name}; it is left out."
            return False
        name = context.codec.canonical_name
        try:
            self._out = out.add_stream_from_template(found)
        except (av.FFmpegError, ValueError):
            try:
                self._out = self._encoder(out)
            except (av.FFmpegError, ValueError):
                self.note = f"The sound ({name}) can be neither copied nor coded anew; it is left out."
                return False
            self._copies = False
            packed = PACKED.get(out.format.name, out.format.name)
            self.note = f"The sound ({name}) cannot go into {packed} as it is: it is coded as AAC."
        self._packets = self._demuxed()
        self._held = next(self._packets, None)
        if self._copies and name == "aac" and not context.extradata:
            self._set_up_adts()
        return True

    def _set_up_adts(self) -> None:
        """AAC of a broadcast tells its settings in front of every packet; a file tells them once.

        The header is that of ISO/IEC 13818-7, 6.2.1; what is told once, that of ISO/IEC 14496-3, 1.6.2.1.
        """
        header = bytes(self._held)[:ADTS_BYTES] if self._held is not None else b""
        if len(header) == ADTS_BYTES and header[0] == 0xFF and header[1] & 0xF6 == 0xF0:
            profile, rate, channels = header[2] >> 6, header[2] >> 2 & 0xF, (header[2] & 1) << 2 | header[3] >> 6
            settings = (profile + 1) << 11 | rate << 7 | channels << 3
            self._out.codec_context.extradata = settings.to_bytes(2)
            self._adts = True

    def _encoder(self, out: av.container.OutputContainer) -> AudioStream:
        context = self._in.codec_context
        # What the decoder calls "2 channels" the encoder wants to know by its place in the room.
        layout = LAYOUTS.get(context.channels, "stereo")
        rate = context.sample_rate if context.sample_rate in RATES_HZ else RATES_HZ[0]
        stream = out.add_stream(CODEC, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        stream.codec_context.bit_rate = BIT_RATE_PER_CHANNEL * stream.codec_context.channels
        return stream

    def begin(self, media_s: float, at_s: float) -> None:
        """Begin a span: what sounds at ``media_s`` of the file shall sound at ``at_s`` of the new one."""
        assert self._container is not None
        assert self._in.time_base is not None
        start = Fraction(media_s) + self._origin
        self._shift = Fraction(at_s) - start
        self._start = start - Fraction(ROUNDING_S)
        if media_s <= ROUNDING_S and self._newest_dts is None:
            return
        self._packets, self._held = iter(()), None
        try:
            self._container.seek(max(int(start / self._in.time_base), 0), stream=self._in)
            self._packets = self._demuxed()
        except (av.FFmpegError, OSError):
            self.note = f"{self.path.name} cannot be searched for its sound; the rest is without."

    def until(self, media_s: float) -> list[av.Packet[Any]]:
        """The packets of the span that begin before ``media_s``, and have not been given out."""
        end = Fraction(media_s) + self._origin - Fraction(ROUNDING_S)
        made: list[av.Packet[Any]] = []
        while (packet := self._held or next(self._packets, None)) is not None:
            assert packet.pts is not None
            assert packet.time_base is not None
            self._held = None
            at = packet.pts * packet.time_base
            if at >= end:
                self._held = packet
                break
            if at >= self._start:
                made += self._moved(packet) if self._copies else self._coded(packet)
        return made

    def finish(self) -> list[av.Packet[Any]]:
        """What an encoder still holds."""
        return [] if self._copies or self._newest_dts is None else self._out.encode(None)

    def close(self) -> None:
        """Let the file go."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _demuxed(self) -> Iterator[av.Packet[Any]]:
        assert self._container is not None
        packets = self._container.demux(self._in)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):
                return
            if packet is None:
                return
            if packet.pts is not None and packet.size:
                yield packet

    def _moved(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        assert packet.pts is not None
        assert packet.time_base is not None
        # Rounding must not put the first sound before the beginning.
        pts = max(round(packet.pts + self._shift / packet.time_base), 0)
        if self._newest_dts is not None and pts <= self._newest_dts:
            return []
        self._newest_dts = pts
        if self._adts:
            packet = _without_adts(packet)
        packet.pts = packet.dts = pts
        packet.stream = self._out
        return [packet]

    def _coded(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        made: list[av.Packet[Any]] = []
        try:
            frames = self._in.decode(packet)
        except (av.FFmpegError, EOFError):
            return []
        for frame in frames:
            if frame.pts is None or frame.time_base is None:
                continue
            pts = max(round(frame.pts + self._shift / frame.time_base), 0)
            if self._newest_dts is not None and pts <= self._newest_dts:
                continue
            frame.pts = self._newest_dts = pts
            made += self._out.encode(frame)
        return made


def _without_adts(packet: av.Packet[Any]) -> av.Packet[Any]:
    """The packet without its header, which is two bytes longer where it has a checksum."""
    data = bytes(packet)
    made: av.Packet[Any] = av.Packet(data[ADTS_BYTES if data[1] & 1 else ADTS_BYTES + 2 :])
    made.time_base, made.duration, made.is_keyframe = packet.time_base, packet.duration, True
    return made


def first_picture_s(path: Path) -> Fraction:
    """When the first picture that can be decoded is shown, by the file's own clock."""
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        stream = pick_video_stream(container)
        if stream is None or stream.codec_context is None:
            return Fraction(0)
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except EOFError:
                break
            except av.FFmpegError:
                continue
            if frames:
                return Fraction(frames[0].pts or 0) * (stream.time_base or 0)
    return Fraction(0)
