"""Probe: what is in a video file, counted rather than believed, and what is wrong with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from scenescope.models import SourceError
from scenescope.pipelines.sources._decoder import Decoder, check_file, video_error
from scenescope.pipelines.sources._pyav import Orientation, orientation_of
from scenescope.pipelines.sources._timeline import Clock
from scenescope.pipelines.sources.frame_index import ROUNDING_TICKS, FrameIndex

__all__ = ["ProbeReport", "StreamFacts", "probe"]


@dataclass(frozen=True)
class StreamFacts:
    """One stream of a file; None for what is unknown or does not apply.

    Attributes:
        index: its number in the file.
        type: "video", "audio", "subtitle", "data" or "attachment".
        codec: FFmpeg's name of the codec.
        width, height: of the stored picture in pixels.
        pixel_format: FFmpeg's name.
        rate_hz: pictures a second as the container states them.
        sample_rate: sound samples a second.
        channels: of sound.
        language: as ISO 639-2, "eng".
        duration_s: as the container states it.
    """

    index: int
    type: str
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    pixel_format: str | None = None
    rate_hz: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    language: str | None = None
    duration_s: float | None = None


@dataclass(frozen=True)
class ProbeReport:
    """A video file as it is.

    Attributes:
        path: the file.
        container: FFmpeg's name of its format.
        duration_s: from the first picture to the end of the last.
        size_bytes: of the file.
        streams: all streams, in order.
        video_index: number of the stream that is shown.
        rotation_deg: by how much the stored picture is turned clockwise to be shown: 0, 90, 180 or 270.
        mirrored: whether it is mirrored left to right before that.
        sample_aspect_ratio: width of a stored pixel over its height, "4:3"; "1:1" for square ones.
        frame_count: pictures that can be decoded.
        constant_rate: whether all are equally long apart, within the rounding of the file's clock.
        rate_hz: pictures a second on average; 0 for a single picture.
        least_step_s, most_step_s: the shortest and longest time between two pictures; 0 for a single one.
        first_pts_s: time of the first picture by the file's own clock; None when it has no times.
        damage: what is wrong, a sentence each; empty for a sound file.
    """

    path: str
    container: str
    duration_s: float
    size_bytes: int
    streams: tuple[StreamFacts, ...]
    video_index: int
    rotation_deg: int
    mirrored: bool
    sample_aspect_ratio: str
    frame_count: int
    constant_rate: bool
    rate_hz: float
    least_step_s: float
    most_step_s: float
    first_pts_s: float | None
    damage: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it as what JSON can hold; what is None in a stream is left out."""
        facts = dataclasses.asdict(self)
        facts["streams"] = [{k: v for k, v in one.items() if v is not None} for one in facts["streams"]]
        facts["damage"] = list(self.damage)
        return facts


def probe(
    path: Path,
    on_progress: Callable[[float], None] = lambda done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ProbeReport:
    """Decode a file from beginning to end and report what was found.

    Args:
        path: the file.
        on_progress: told how much is done, 0 to 1.
        cancelled: asked before every packet.

    Raises:
        SourceError: it is no video, none of its pictures can be decoded, or it was cancelled.
    """
    path = Path(path)
    check_file(path)
    decoder = Decoder(path, cancelled)
    try:
        count = _Count(decoder)
        for _ in count.run(cancelled):
            on_progress(min(decoder.position / max(decoder.container.size, 1), 0.99))
        if cancelled():
            raise SourceError(f"Probing {path.name} was cancelled.")
        if not count.times:
            reason = "has a video track, but no picture in it can be decoded"
            raise video_error(path, reason, "Copy or download it again.")
        on_progress(1.0)
        return _report(path, decoder, count)
    finally:
        decoder.close()


class _Count:
    """Everything that is counted while a file is decoded."""

    def __init__(self, decoder: Decoder) -> None:
        self.times: list[int] = []
        self.orientation = Orientation()
        self.untimed = self.backwards = self.concealed = 0
        self.first_backwards_s = self.first_concealed_s = 0.0
        self.clock = Clock(decoder.step, decoder.by_dts)
        self._decoder = decoder
        self._newest: int | None = None

    def run(self, cancelled: Callable[[], bool]) -> Any:
        """Decode all; yields now and then."""
        while (picture := self._decoder.next(cancelled)) is not None:
            self._add(picture)
            if len(self.times) % 64 == 0:
                yield

    def _add(self, picture: av.VideoFrame) -> None:
        if not self.times:
            self.orientation = orientation_of(picture)
        ticks = self.clock.ticks(picture)
        seconds = float(ticks * self._decoder.time_base)
        if picture.pts is None:
            self.untimed += 1
        elif self._newest is not None and picture.pts <= self._newest:
            self.first_backwards_s = self.first_backwards_s if self.backwards else seconds
            self.backwards += 1
        self._newest = picture.pts
        if picture.is_corrupt:
            self.first_concealed_s = self.first_concealed_s if self.concealed else seconds
            self.concealed += 1
        self.times.append(ticks)


def _report(path: Path, decoder: Decoder, count: _Count) -> ProbeReport:
    base, stream = decoder.time_base, decoder.stream
    times = np.array(count.times, np.int64)
    index = FrameIndex(times, base, np.zeros(len(times), np.bool_))
    steps = np.diff(times)
    span = int(times[-1]) * base
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    rotation_deg, mirrored = _turned(count.orientation)
    origin = count.clock.origin
    return ProbeReport(
        path=str(path),
        container=decoder.container.format.name,
        duration_s=index.duration_s if len(times) > 1 else float(decoder.step * base),
        size_bytes=path.stat().st_size,
        streams=tuple(_facts(one) for one in decoder.container.streams),
        video_index=stream.index,
        rotation_deg=rotation_deg,
        mirrored=mirrored,
        sample_aspect_ratio=f"{aspect.numerator}:{aspect.denominator}",
        frame_count=len(times),
        constant_rate=index.constant_rate,
        rate_hz=float((len(times) - 1) / span) if span else 0.0,
        least_step_s=float(int(steps.min()) * base) if len(steps) else 0.0,
        most_step_s=float(int(steps.max()) * base) if len(steps) else 0.0,
        first_pts_s=None if origin is None or decoder.by_dts else float(origin * base),
        damage=tuple(_damage(decoder, count)),
    )


def _damage(decoder: Decoder, count: _Count) -> list[str]:
    last_s = float(count.times[-1] * decoder.time_base)
    found = []
    if decoder.cut_short:
        found.append(f"The file is cut short: it ends at {last_s:.2f} s, before its own structure does.")
    elif decoder.broken:
        found.append(f"The file cannot be read beyond {last_s:.2f} s.")
    elif decoder.lost > 0.75 * decoder.step:
        lost_s = float(decoder.lost * decoder.time_base)
        found.append(f"The last {lost_s:.2f} s, after {last_s:.2f} s, cannot be decoded.")
    if decoder.corrupt:
        found.append(f"{_many(decoder.corrupt, 'packet is', 'packets are')} marked as damaged by the container.")
    if decoder.undecodable:
        found.append(f"{_many(decoder.undecodable, 'packet', 'packets')} cannot be decoded.")
    if count.concealed:
        what = _many(count.concealed, "picture shows", "pictures show")
        found.append(f"{what} errors of decoding, the first at {count.first_concealed_s:.2f} s.")
    stated = decoder.stated_count
    if stated is not None and stated > len(count.times) and not decoder.cut_short:
        found.append(f"The container lists {stated} pictures; {len(count.times)} of them can be decoded.")
    if count.untimed:
        what = _many(count.untimed, "picture has", "pictures have")
        found.append(f"{what} no time of their own; one is taken to follow the other at the stated rate.")
    elif decoder.by_dts:
        found.append("The pictures have no times of presentation; they are taken to follow in the order of decoding.")
    elif count.backwards:
        what = "once" if count.backwards == 1 else f"{count.backwards} times"
        found.append(f"The times of the pictures jump back {what}, first at {count.first_backwards_s:.2f} s.")
    return found + _gaps(count.times, decoder.time_base)


def _gaps(times: list[int], base: Fraction) -> list[str]:
    """Few gaps among pictures that are all equally far apart otherwise: some were lost."""
    steps = np.diff(times)
    if len(steps) == 0:
        return []
    usual = int(np.median(steps))
    wide = np.flatnonzero(steps > 1.9 * usual)
    others = np.delete(steps, wide)
    if not 0 < len(wide) <= max(len(steps) // 100, 1) or others.max() - others.min() > ROUNDING_TICKS:
        return []
    at = int(wide[0])
    first_s, length_s = float(times[at] * base), float(int(steps[at]) * base)
    what = f"{_many(len(wide), 'gap', 'gaps')}, the first one of {length_s:.2f} s after {first_s:.2f} s"
    return [f"Pictures seem to be missing: {what}, where all others are {float(usual * base):.3f} s apart."]


def _many(number: int, one: str, more: str) -> str:
    return f"1 {one}" if number == 1 else f"{number} {more}"


def _turned(orientation: Orientation) -> tuple[int, bool]:
    """Degrees clockwise, and whether it is mirrored left to right before."""
    transpose, mirror_x, mirror_y = orientation
    if transpose:
        return (90 if mirror_x else 270), mirror_x == mirror_y
    return (180 if mirror_y else 0), mirror_x != mirror_y


def _facts(stream: av.stream.Stream) -> StreamFacts:
    context = getattr(stream, "codec_context", None)
    facts = StreamFacts(
        index=stream.index,
        type=stream.type,
        codec=None if context is None else context.name,
        language=None if stream.language == "und" else stream.language,
        duration_s=float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None,
    )
    if context is None:
        return facts
    if isinstance(stream, av.VideoStream):
        rate = stream.average_rate or stream.guessed_rate
        return dataclasses.replace(
            facts,
            width=context.width,
            height=context.height,
            pixel_format=context.pix_fmt,
            rate_hz=float(rate) if rate else None,
        )
    if isinstance(stream, av.AudioStream):
        return dataclasses.replace(facts, sample_rate=context.sample_rate, channels=context.channels)
    return facts
