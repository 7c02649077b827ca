"""When each picture of a video file is shown: what seeking and numbering need, found by reading the file once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import av

__all__ = ["Timeline", "survey"]

ONE_PACKET_ONE_PICTURE = frozenset({"mov", "mp4", "matroska", "webm", "avi", "flv", "asf"})
"""Container formats in which packets can be counted instead of pictures; elsewhere one may hold half a picture."""


@dataclass(frozen=True)
class Timeline:
    """Presentation times of all pictures, and where decoding can start. Times are ticks of the stream's time base.

    Attributes:
        pts: of every picture, ascending.
        key_pts: of every key frame, ascending.
        key_dts: decoding times of the same key frames.
        timed: False when the file has no times, so that a picture is found by counting only.
    """

    pts: list[int]
    key_pts: list[int]
    key_dts: list[int]
    timed: bool = True


def survey(
    open_container: Callable[[], tuple[av.container.InputContainer, av.VideoStream]],
    first_pts: int,
    step: int,
    interrupted: Callable[[], bool],
) -> Timeline | None:
    """Read a file from beginning to end, without decoding it where its format allows that.

    Args:
        open_container: opens the file anew.
        first_pts: presentation time of the first picture that can be decoded; earlier ones do not count.
        step: usual distance of two pictures in ticks, for those without a time.
        interrupted: asked before every packet.

    Returns:
        None when interrupted.
    """
    for from_packets in (True, False):
        container, stream = open_container()
        with container:
            timeline: Timeline | None = None
            if not from_packets:
                timeline = _of_pictures(container, stream, first_pts, step, interrupted)
            elif not ONE_PACKET_ONE_PICTURE.isdisjoint(container.format.name.split(",")):
                timeline = _of_packets(container, stream, first_pts, interrupted)
        if interrupted():
            return None
        if timeline is not None:
            return timeline
    return None


def _of_packets(
    container: av.container.InputContainer, stream: av.VideoStream, first_pts: int, interrupted: Callable[[], bool]
) -> Timeline | None:
    """From the packets' times; None when one has none."""
    pts: list[int] = []
    keys: list[tuple[int, int]] = []
    try:
        for packet in container.demux(stream):
            if interrupted():
                return None
            if packet.size == 0:  # the mark of the end
                continue
            if packet.pts is None:
                return None
            if packet.is_keyframe:
                keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
            if packet.pts >= first_pts and not packet.is_discard and not packet.is_corrupt:
                pts.append(packet.pts)
    except (av.FFmpegError, OSError):
        pass  # the file breaks off here; reading it will say so
    keys.sort()
    return Timeline(sorted(pts), [key for key, _ in keys], [dts for _, dts in keys])


def _of_pictures(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    first_pts: int,
    step: int,
    interrupted: Callable[[], bool],
) -> Timeline:
    """From the decoded pictures: slower, and right for every format."""
    pts: list[int] = []
    keys: list[tuple[int, int]] = []
    timed = True
    try:
        for packet in container.demux(stream):
            if interrupted():
                break
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                continue
            for picture in pictures:
                if picture.pts is None:
                    timed = False
                    pts.append(pts[-1] + step if pts else first_pts)
                    continue
                pts.append(picture.pts)
                if picture.key_frame:
                    keys.append((picture.pts, picture.pts if picture.dts is None else picture.dts))
    except (av.FFmpegError, OSError):
        pass
    keys.sort()
    return Timeline(pts if not timed else sorted(pts), [key for key, _ in keys], [dts for _, dts in keys], timed)
