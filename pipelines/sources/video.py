"""Video files: every picture once, in order of presentation, with the times that the file gives them."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path

import av

from scenescope.models import SourceError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.source import Source, SourceInfo
from scenescope.pipelines.sources._extent import begins_like_mp4, is_cut_short
from scenescope.pipelines.sources._pyav import PictureConverter, codec_detail, pick_video_stream
from scenescope.pipelines.sources._timeline import Timeline, survey

__all__ = ["VideoFile"]

PLAYABLE_HINT = "Check that it plays in a video player, or convert it to MP4 (H.264)."


class VideoFile(Source):
    """A video file, decoded with PyAV (FFmpeg); sound is ignored.

    ``index`` counts the file's pictures from 0, also after a seek and with ``start_s``; ``pts_s`` is the presentation
    time, 0.0 for the first picture. In a damaged file the index after a seek counts pictures that cannot be decoded.

    Args:
        path: the file.
        start_s: begin with the first picture at or after this time.
        end_s: end before the first picture at or after this time.

    Attributes:
        time_base: seconds per tick of the file's clock, known once it is open: ``round(frame.pts_s / time_base)`` is
            exact, so a writer can keep the times of the original.
    """

    def __init__(self, path: str | os.PathLike[str], start_s: float | None = None, end_s: float | None = None) -> None:
        self.path = Path(path)
        self.start_s = start_s
        self.end_s = end_s
        self.time_base = Fraction(1, 1000)
        self._interrupted = threading.Event()
        self._container: av.container.InputContainer | None = None
        self._stream: av.VideoStream
        self._convert = PictureConverter()
        self._pictures: Iterator[av.VideoFrame] = iter(())
        self._held: av.VideoFrame | None = None
        self._timeline: Timeline | None = None
        self._origin = 0
        self._step = 1
        self._next_index = 0
        self._last_ticks = -1
        self._frame_count: int | None = None
        self._cut_short = False
        self._newest_pts = 0
        self._unreadable = False

    def open(self) -> SourceInfo:
        """Open the file and decode its first picture.

        Raises:
            SourceError: missing, a folder, not readable, empty, incomplete, without pictures, or not a video.
        """
        self._interrupted.clear()
        self.close()
        self._check_file()
        self._restart()
        stream = self._stream
        assert self._held is not None
        size_wh = self._convert(self._held).shape[1::-1]
        rate = stream.average_rate or stream.guessed_rate or Fraction(0)
        self._frame_count = self._count_in_header()
        frame_count, duration_s = self._frame_count, self._duration_s()
        if self.start_s:
            self.seek(self.start_s)
        if self._timeline is not None:
            last = len(self._timeline.pts) if self.end_s is None else self._index_at(self.end_s)
            frame_count = max(last - self._next_index, 0)
        elif self.end_s is not None:
            frame_count = None
        if duration_s is not None:
            duration_s = max(min(duration_s, self.end_s or duration_s) - (self.start_s or 0.0), 0.0)
        return SourceInfo(
            name=self.path.name,
            size_wh=(size_wh[0], size_wh[1]),
            rate_hz=float(rate),
            live=False,
            frame_count=frame_count,
            duration_s=duration_s,
            detail=codec_detail(stream),
        )

    def read(self) -> Frame | None:
        """The next picture; None at the end, or when interrupted.

        Raises:
            SourceError: the rest of the file is missing or damaged; all that could be decoded has been given out.
        """
        picture = self._next_picture()
        if picture is None or self._interrupted.is_set():
            return None
        ticks = self._ticks(picture)
        pts_s = float(ticks * self.time_base)
        if self.end_s is not None and pts_s >= self.end_s:
            self._held = picture
            return None
        frame = Frame(self._convert(picture), self._next_index, pts_s, time.monotonic(), self.path.name)
        self._next_index += 1
        self._last_ticks = ticks
        return frame

    def seek(self, pts_s: float) -> None:
        """Go on with the first picture at or after ``pts_s``, exactly; past the end, with nothing.

        The first seek reads through the file once to learn when each picture is shown.
        """
        if self._container is None:
            raise SourceError(f"{self.path.name} is not open.", hint="Open it before seeking.")
        index = self._index_at(max(pts_s, self.start_s or 0.0))
        timeline = self._timeline
        if timeline is None:  # interrupted
            return
        if index >= len(timeline.pts):
            self._pictures, self._held, self._unreadable, self._cut_short = iter(()), None, False, False
            self._newest_pts, self._last_ticks = self._origin, timeline.pts[-1] - self._origin
        else:
            self._go_to(timeline, index)
        self._next_index = index

    def interrupt(self) -> None:
        """Make a long seek or a search for decodable pictures end soon."""
        self._interrupted.set()

    def close(self) -> None:
        """Close the file."""
        self._pictures, self._held, self._timeline = iter(()), None, None
        if self._container is not None:
            self._container.close()
            self._container = None

    # Opening

    def _check_file(self) -> None:
        """Raise what can be said about the file without looking into it."""
        path = self.path
        if not path.exists():
            raise self._error("does not exist", "Check the spelling of the path, and that its drive is connected.")
        if path.is_dir():
            raise self._error("is a folder, not a video file", "Choose a file in it; a folder can hold images.")
        if not os.access(path, os.R_OK):
            raise self._error("may not be read by this user", "Change its permissions, or copy it elsewhere.")
        if path.stat().st_size == 0:
            raise self._error("is empty (0 bytes)", "Copy or download it again.")

    def _restart(self) -> None:
        """Open the container, and decode up to the first picture, which is held for the next ``read``."""
        if self._container is not None:
            self._container.close()
        self._container, self._stream = self._open_container()
        assert self._stream.time_base is not None
        self.time_base = self._stream.time_base
        rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        self._step = max(round(1 / (rate * self.time_base)), 1)
        self._cut_short = is_cut_short(self.path)
        self._last_ticks, self._next_index = -self._step, 0
        self._pictures = self._decoded(self._container, self._stream)
        self._held = next(self._pictures, None)
        if self._held is None:
            if self._interrupted.is_set():
                raise SourceError(f"Opening {self.path.name} was interrupted.", hint="Open it again.")
            raise self._error("has a video track, but no picture in it can be decoded", PLAYABLE_HINT)
        self._origin = self._held.pts or 0

    def _open_container(self) -> tuple[av.container.InputContainer, av.VideoStream]:
        try:
            # "file:" keeps FFmpeg from taking part of a name for a protocol.
            container = av.open(f"file:{self.path}", metadata_errors="replace")
        except PermissionError as error:
            raise self._error("may not be read by this user", "Change its permissions.") from error
        except (av.FFmpegError, OSError) as error:
            if begins_like_mp4(self.path):
                raise self._error(
                    "is incomplete: its table of contents (the moov atom) is missing",
                    "Copy or download it again; if a recording broke off, a repair tool such as untrunc may help.",
                ) from error
            raise self._error("is not a video, or is of an unknown format", PLAYABLE_HINT) from error
        stream = pick_video_stream(container)
        if stream is not None and stream.codec_context is not None:
            stream.thread_type = "SLICE"
            return container, stream
        has_sound, has_pictures = bool(container.streams.audio), bool(container.streams.video)
        container.close()
        if stream is not None:
            raise self._error("is coded in a way for which there is no decoder here", PLAYABLE_HINT)
        if has_sound:
            raise self._error("holds only sound, no pictures", "Choose a file with a video track.")
        if has_pictures:
            raise self._error("is not a video but text", "Choose a video file.")
        raise self._error("holds no pictures", PLAYABLE_HINT)

    def _error(self, reason: str, hint: str) -> SourceError:
        return SourceError(f"{self.path.name} {reason}.", hint=hint, permanent=True)

    def _count_in_header(self) -> int | None:
        """The number of pictures, if the container's index has an entry for each of them, as MP4 and AVI have."""
        entries = self._stream.index_entries
        if self._cut_short or not self._stream.frames or len(entries) != self._stream.frames:
            return None
        return sum(not entry.is_discard for entry in entries)

    def _duration_s(self) -> float | None:
        assert self._container is not None
        if self._stream.duration:
            return float(self._stream.duration * self.time_base)
        return self._container.duration / av.time_base if self._container.duration else None

    # Decoding

    def _decoded(self, container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
        """Pictures in order of presentation. Packets that cannot be decoded are passed over."""
        self._unreadable, self._newest_pts = False, self._origin
        packets = container.demux(stream)
        while not self._interrupted.is_set():
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):
                self._unreadable = True
                return
            if packet is None:
                return
            if packet.pts is not None and not packet.is_discard:
                self._newest_pts = max(self._newest_pts, packet.pts)
            if self._cut_short and packet.is_corrupt:
                continue  # what a break leaves of a packet decodes to half a picture
            try:
                pictures = packet.decode()
            except EOFError:
                return
            except av.FFmpegError:
                continue
            yield from pictures

    def _next_picture(self) -> av.VideoFrame | None:
        picture, self._held = self._held, None
        if picture is None:
            picture = next(self._pictures, None)
        if picture is None and not self._interrupted.is_set():
            self._check_complete()
        return picture

    def _check_complete(self) -> None:
        """Raise when the pictures ended before the file should have."""
        all_seen = self._frame_count is not None and self._next_index >= self._frame_count
        # Later packets than the last picture: they could not be decoded. The second field of an interlaced picture may
        # come as a packet of its own, half a step later.
        lost_tail = self._newest_pts - self._origin - self._last_ticks > 0.75 * self._step
        if self._unreadable or lost_tail or (self._cut_short and not all_seen):
            reached_s = float(max(self._last_ticks, 0) * self.time_base)
            self._unreadable, self._cut_short, self._newest_pts = False, False, self._origin
            raise self._error(
                f"breaks off at {reached_s:.2f} s: the rest is missing or damaged",
                "What came before it is complete. Copy or download the file again for the rest.",
            )

    def _ticks(self, picture: av.VideoFrame) -> int:
        """Presentation time in ticks since the first picture; a picture without a time follows one step later."""
        return picture.pts - self._origin if picture.pts is not None else self._last_ticks + self._step

    # Seeking

    def _index_at(self, pts_s: float) -> int:
        """Number of the first picture at or after a time; the current one when interrupted while finding out."""
        if self._timeline is None:
            self._timeline = survey(self._open_container, self._origin, self._step, self._interrupted.is_set)
        if self._timeline is None:
            return self._next_index
        # A hundredth of a tick absorbs what a time loses as a float.
        ticks = ceil(Fraction(pts_s) / self.time_base - Fraction(1, 100))
        return bisect_left(self._timeline.pts, ticks + self._origin)

    def _go_to(self, timeline: Timeline, index: int) -> None:
        """Decode up to picture ``index`` and hold it, from the nearest place that leads there."""
        if not timeline.timed:
            self._restart()
            while self._next_index < index and self._next_picture() is not None:
                self._next_index += 1
            self._last_ticks = timeline.pts[index] - self._origin - self._step
            return
        target = timeline.pts[index]
        key = bisect_right(timeline.key_pts, target) - 1
        near = index >= self._next_index and (key < 0 or timeline.key_pts[key] <= self._origin + self._last_ticks)
        if near and self._advance_to(target):
            return
        for start in self._starts(timeline, key):
            self._seek_container(start)
            if self._advance_to(target):
                return
        self._restart()
        self._advance_to(target)

    def _starts(self, timeline: Timeline, key: int) -> Iterator[int]:
        """Times to give to the container's own seek, the best first.

        Some containers seek by presentation time, others by decoding time, and an index may be off; then the key frame
        before that is tried.
        """
        for number in range(key, max(key - 2, -1), -1):
            yield timeline.key_pts[number]
            yield timeline.key_dts[number]

    def _seek_container(self, pts: int) -> None:
        assert self._container is not None
        self._pictures, self._held = iter(()), None
        try:
            self._container.seek(pts, stream=self._stream)
        except (av.FFmpegError, OSError):
            return
        self._pictures = self._decoded(self._container, self._stream)

    def _advance_to(self, pts: int) -> bool:
        """Decode until the picture at ``pts`` and hold it; False when decoding began after it or ended before it."""
        while (picture := self._held or next(self._pictures, None)) is not None:
            self._held = None
            if picture.pts is not None and picture.pts >= pts:
                self._held = picture
                return picture.pts == pts
        return False
