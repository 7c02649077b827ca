"""When each picture of a video file is shown and where decoding can begin, found by reading the file once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.sources.frame_index import FrameIndex

__all__ = ["NO_TIME", "Anchor", "Clock", "Timeline", "survey"]

Opened = tuple[av.container.InputContainer, av.VideoStream]
Ticks = NDArray[np.int64]

NO_TIME = int(np.iinfo(np.int64).min)
"""Stands for "none" among ticks."""

ONE_PACKET_ONE_PICTURE = frozenset({"mov", "mp4", "matroska", "webm", "avi", "flv", "asf", "mpegts", "gif"})
"""Container formats in which packets can be counted instead of pictures; elsewhere one may hold half a picture."""

HIDDEN_PICTURES = frozenset({"vp8", "mpeg4"})
"""Codecs with packets that give no picture: VP8's alternate references, MPEG-4's "not coded" frames."""

TELL_EVERY_S = 0.1


@dataclass(frozen=True)
class Anchor:
    """A key frame: the number of its picture, the times of its packet, and how many packets come before that one."""

    number: int
    pts: int | None
    dts: int | None
    packets_before: int


@dataclass(frozen=True, eq=False)
class Timeline:
    """All that exact seeking needs to know about a file.

    Attributes:
        index: times of the pictures.
        origin: presentation time of the first picture in the file's own ticks.
        anchors: int64 (K, 4): number, pts, dts and packets before of every key frame, by ascending number; the first
            one has number 0.
    """

    index: FrameIndex
    origin: int
    anchors: Ticks

    def number_of(self, pts: int | None) -> int | None:
        """Number of the picture with the file's own time ``pts``; None when there is none or the file has no times."""
        if pts is None or not self.index.timed:
            return None
        at = int(np.searchsorted(self.index.pts, pts - self.origin))
        return at if at < len(self.index) and int(self.index.pts[at]) == pts - self.origin else None

    def anchor_before(self, number: int, back: int = 0) -> Anchor:
        """The last key frame at or before a picture, or the one that lies ``back`` key frames before that."""
        at = int(np.searchsorted(self.anchors[:, 0], number, side="right")) - 1
        number, pts, dts, packets_before = self.anchors[max(at - back, 0)].tolist()
        return Anchor(number, None if pts == NO_TIME else pts, None if dts == NO_TIME else dts, packets_before)


class Clock:
    """Gives pictures their times when they come in order; later ones never get earlier times.

    A picture without a time follows one step after the last. Where times jump back, as in recordings put end to end,
    they go on one step later and keep their distances from there.

    Args:
        step: usual distance of two pictures in ticks.
        by_dts: the file has no presentation times (H.264 with B-frames in AVI), and FFmpeg's guesses are out of order;
            the decoder gives its pictures the times of the packets that complete them.
    """

    def __init__(self, step: int, by_dts: bool) -> None:
        self.origin: int | None = None
        self.regular = not by_dts
        self._step = step
        self._by_dts = by_dts
        self._shift = 0
        self._last = -step

    def ticks(self, picture: av.VideoFrame) -> int:
        """Presentation time of the next picture, in ticks since the first."""
        raw = picture.dts if self._by_dts else picture.pts
        if raw is None:
            self.regular = False
            self._last += self._step
            return self._last
        if self.origin is None:
            self.origin = raw
        ticks = raw - self.origin + self._shift
        if ticks <= self._last:
            self.regular = False
            self._shift += self._last + self._step - ticks
            ticks = self._last + self._step
        self._last = ticks
        return ticks

    def go_on_after(self, ticks: int) -> None:
        """The picture before the next one had this time."""
        self._last = ticks


def survey(
    open_container: Callable[[], Opened],
    origin: int,
    step: int,
    by_dts: bool,
    keep_corrupt: bool,
    interrupted: Callable[[], bool],
    on_progress: Callable[[float], None] = lambda done: None,
) -> Timeline | None:
    """Read a file from beginning to end, without decoding it where its format and its times allow that.

    Args:
        open_container: opens the file anew.
        origin: presentation time of the first picture that can be decoded; earlier ones do not count.
        step: usual distance of two pictures in ticks.
        by_dts: see :class:`Clock`.
        keep_corrupt: whether packets count that the container marks as damaged.
        interrupted: asked before every packet.
        on_progress: told ten times a second how much is done, 0 to 1.

    Returns:
        None when interrupted.
    """
    for from_packets in (True, False):
        container, stream = open_container()
        with container:
            assert stream.time_base is not None
            tell = _Progress(container.size, on_progress)
            timeline: Timeline | None = None
            if not from_packets:
                timeline = _of_pictures(container, stream, step, by_dts, keep_corrupt, interrupted, tell)
            elif not by_dts and _counts_by_packets(container, stream):
                timeline = _of_packets(container, stream, origin, step, keep_corrupt, interrupted, tell)
        if interrupted():
            return None
        if timeline is not None:
            return timeline
    return None


def _counts_by_packets(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    formats = container.format.name.split(",")
    hides = stream.codec_context.name in HIDDEN_PICTURES and formats[0] not in ("mov", "mpegts")
    return not hides and not ONE_PACKET_ONE_PICTURE.isdisjoint(formats)


def _of_packets(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    origin: int,
    step: int,
    keep_corrupt: bool,
    interrupted: Callable[[], bool],
    tell: _Progress,
) -> Timeline | None:
    """From the packets' times; None where those cannot be trusted: missing, twice, jumping back, half a step apart."""
    pts: list[int] = []
    keys: list[tuple[int, int, int]] = []
    newest, count = NO_TIME, 0
    try:
        for packet in container.demux(stream):
            if interrupted():
                return None
            if packet.size == 0:  # the mark of the end
                continue
            if packet.pts is None:
                return None
            if packet.is_keyframe:
                if packet.pts <= newest:
                    return None
                keys.append((packet.pts, NO_TIME if packet.dts is None else packet.dts, count))
            newest = max(newest, packet.pts)
            if packet.pts >= origin and not packet.is_discard and (keep_corrupt or not packet.is_corrupt):
                pts.append(packet.pts)
            count += 1
            tell(packet.pos)
    except (av.FFmpegError, OSError):
        pass  # the file breaks off here; reading it will say so
    times = np.sort(np.array(pts, np.int64)) - origin
    steps = np.diff(times)
    if len(times) == 0 or times[0] != 0 or (len(steps) and steps.min() <= 0):
        return None
    if container.format.name == "mpegts" and len(steps) and steps.min() < 0.75 * step:
        return None  # the fields of an interlaced picture come as packets of their own
    rows = [(int(np.searchsorted(times, key - origin)), key, dts, before) for key, dts, before in keys]
    return _timeline(times, stream, origin, rows, timed=True)


def _of_pictures(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    step: int,
    by_dts: bool,
    keep_corrupt: bool,
    interrupted: Callable[[], bool],
    tell: _Progress,
) -> Timeline | None:
    """From the decoded pictures: slower, and right for every format."""
    clock = Clock(step, by_dts)
    times: list[int] = []
    key_numbers: list[int] = []
    key_packets: list[tuple[int, int, int]] = []
    count = 0
    try:
        for packet in container.demux(stream):
            if interrupted():
                return None
            if packet.size and packet.is_keyframe:
                marks = (NO_TIME if packet.pts is None else packet.pts, NO_TIME if packet.dts is None else packet.dts)
                key_packets.append((*marks, count))
            count += packet.size > 0
            tell(packet.pos)
            if packet.is_corrupt and not keep_corrupt:
                continue
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                continue
            for picture in pictures:
                if picture.key_frame:
                    key_numbers.append(len(times))
                times.append(clock.ticks(picture))
    except (av.FFmpegError, OSError):
        pass
    if not times:
        return None
    if len(key_numbers) == len(key_packets):
        rows = [(number, *marks) for number, marks in zip(key_numbers, key_packets, strict=True)]
    elif clock.regular:
        pts = np.array(times, np.int64) + (clock.origin or 0)
        rows = [(int(np.searchsorted(pts, mark[0])), *mark) for mark in key_packets if mark[0] in pts]
    else:
        rows = []
    return _timeline(np.array(times, np.int64), stream, clock.origin or 0, rows, clock.regular)


def _timeline(
    times: Ticks, stream: av.VideoStream, origin: int, rows: list[tuple[int, int, int, int]], timed: bool
) -> Timeline:
    rows = sorted(row for row in rows if row[0] < len(times))
    if not rows or rows[0][0] > 0:
        rows.insert(0, (0, NO_TIME, NO_TIME, 0))
    anchors = np.array(rows, np.int64)
    is_key = np.zeros(len(times), np.bool_)
    is_key[anchors[:, 0]] = True
    assert stream.time_base is not None
    return Timeline(FrameIndex(times, Fraction(stream.time_base), is_key, timed), origin, anchors)


class _Progress:
    """Tells how far into a file packets come, not too often."""

    def __init__(self, size_bytes: int, told: Callable[[float], None]) -> None:
        self._size_bytes = max(size_bytes, 1)
        self._told = told
        self._next_s = time.monotonic() + TELL_EVERY_S
        self._calls = 0

    def __call__(self, position: int | None) -> None:
        self._calls += 1
        if self._calls % 64 or position is None or (now := time.monotonic()) < self._next_s:
            return
        self._next_s = now + TELL_EVERY_S
        self._told(min(position / self._size_bytes, 0.99))
