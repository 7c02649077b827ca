"""Decoder: the pictures of one video file as FFmpeg gives them, from the beginning or from a key frame."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av

from scenescope.models import SourceError
from scenescope.pipelines.sources._extent import begins_like_mp4, is_cut_short
from scenescope.pipelines.sources._pyav import pick_video_stream
from scenescope.pipelines.sources._timeline import Anchor

__all__ = ["PLAYABLE_HINT", "Decoder", "check_file", "open_video", "video_error"]

PLAYABLE_HINT = "Check that it plays in a video player, or convert it to MP4 (H.264)."


def never() -> bool:
    """Nobody loses interest."""
    return False


def video_error(path: Path, reason: str, hint: str) -> SourceError:
    """An error about a file that does not pass by itself."""
    return SourceError(f"{path.name} {reason}.", hint=hint, permanent=True)


def check_file(path: Path) -> None:
    """Raise what can be said about a file without looking into it.

    Raises:
        SourceError: missing, a folder, not readable, or empty.
    """
    if not path.exists():
        raise video_error(path, "does not exist", "Check the spelling of the path, and that its drive is connected.")
    if path.is_dir():
        raise video_error(path, "is a folder, not a video file", "Choose a file in it; a folder can hold images.")
    if not os.access(path, os.R_OK):
        raise video_error(path, "may not be read by this user", "Change its permissions, or copy it elsewhere.")
    if path.stat().st_size == 0:
        raise video_error(path, "is empty (0 bytes)", "Copy or download it again.")


def open_video(path: Path) -> tuple[av.container.InputContainer, av.VideoStream]:
    """Open a file and choose its moving picture.

    Raises:
        SourceError: not a video, incomplete, without pictures, or without a decoder for them.
    """
    try:
        # "file:" keeps FFmpeg from taking part of a name for a protocol.
        container = av.open(f"file:{path}", metadata_errors="replace")
    except PermissionError as error:
        raise video_error(path, "may not be read by this user", "Change its permissions.") from error
    except (av.FFmpegError, OSError) as error:
        if begins_like_mp4(path):
            raise video_error(
                path,
                "is incomplete: its table of contents (the moov atom) is missing",
                "Copy or download it again; if a recording broke off, a repair tool such as untrunc may help.",
            ) from error
        raise video_error(path, "is not a video, or is of an unknown format", PLAYABLE_HINT) from error
    stream = pick_video_stream(container)
    if stream is not None and stream.codec_context is not None:
        stream.thread_type = "SLICE"
        return container, stream
    has_sound, has_pictures = bool(container.streams.audio), bool(container.streams.video)
    container.close()
    if stream is not None:
        raise video_error(path, "is coded in a way for which there is no decoder here", PLAYABLE_HINT)
    if has_sound:
        raise video_error(path, "holds only sound, no pictures", "Choose a file with a video track.")
    if has_pictures:
        raise video_error(path, "is not a video but text", "Choose a video file.")
    raise video_error(path, "holds no pictures", PLAYABLE_HINT)


class Decoder:
    """Decoded pictures in order of presentation. Packets that cannot be decoded are passed over. Used by one thread.

    Args:
        path: the file.
        interrupted: asked before every packet; True ends the pictures early.

    Attributes:
        step: usual distance of two pictures in ticks of the stream.
        by_dts: see :class:`~scenescope.pipelines.sources._timeline.Clock`.
        cut_short: the file ends before its own outermost parts do.
        broken: reading failed before the file's end.
        lost: how many ticks the last packet that was read lies behind the last picture that came out.
        corrupt, undecodable: packets passed over because the container marks them, or the decoder refuses them.
        position: bytes of the file that have been read, about.
    """

    def __init__(self, path: Path, interrupted: Callable[[], bool]) -> None:
        self.path = path
        self.cut_short = is_cut_short(path)
        self.corrupt = self.undecodable = self.position = 0
        self._interrupted = interrupted
        self._open()
        rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.time_base = Fraction(self.stream.time_base or Fraction(1, 1000))
        self.step = max(round(1 / (rate * self.time_base)), 1)
        context = self.stream.codec_context
        self.by_dts = (
            self.container.format.name == "avi" and context.name in ("h264", "hevc") and bool(context.has_b_frames)
        )

    def _open(self) -> None:
        self.container, self.stream = open_video(self.path)
        self._start_over()

    def _start_over(self) -> None:
        """Decode from wherever the container is."""
        self._packets: Iterator[av.Packet[av.VideoStream]] = self.container.demux(self.stream)
        self._first: av.Packet[av.VideoStream] | None = None
        self._ready: deque[av.VideoFrame] = deque()
        self._over = self.broken = False
        self._newest_packet: int | None = None
        self._newest_picture: int | None = None

    def next(self, stale: Callable[[], bool] = never) -> av.VideoFrame | None:
        """The next picture; None at the end, and when interrupted or ``stale``, after which one can go on."""
        while not self._ready and not self._over:
            if self._interrupted() or stale():
                return None
            self._decode_one()
        if not self._ready:
            return None
        picture = self._ready.popleft()
        self._newest_picture = _later(self._newest_picture, picture.pts)
        return picture

    @property
    def over(self) -> bool:
        """True when all pictures have been given."""
        return self._over and not self._ready

    @property
    def lost(self) -> int:
        """See the class."""
        if self._newest_packet is None or self._newest_picture is None:
            return 0
        return max(self._newest_packet - self._newest_picture, 0)

    @property
    def stated_count(self) -> int | None:
        """The number of pictures, if the container's index has an entry for each of them, as MP4 and AVI have."""
        entries = self.stream.index_entries
        if self.cut_short or not self.stream.frames or len(entries) != self.stream.frames:
            return None
        return sum(not entry.is_discard for entry in entries)

    @property
    def duration_s(self) -> float | None:
        """Length as the container states it."""
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        whole = self.container.duration
        return whole / av.time_base if whole else None

    def forget_damage(self) -> None:
        """It has been told; from now on this is simply the end."""
        self.broken = self.cut_short = False
        self._newest_packet = None

    def begin_at(self, anchor: Anchor, stale: Callable[[], bool] = never) -> bool:
        """Go to a key frame, whose picture is the first complete one to come; False when given up as stale.

        The container's own seek lands where it likes: the packet is found by its times, or by counting from the
        beginning where the container cannot seek to it.
        """
        if anchor.packets_before > 0:
            # Some containers seek by presentation time, others by decoding time.
            for target in dict.fromkeys((anchor.pts, anchor.dts)):
                if target is not None and self._seek(target) and self._find(anchor, stale):
                    return True
                if stale() or self._interrupted():
                    return False
        self.restart()
        for _ in range(anchor.packets_before):
            if stale() or self._interrupted():
                return False
            self._next_packet()
        return True

    def restart(self) -> None:
        """Go to the beginning."""
        self.container.close()
        self._open()

    def close(self) -> None:
        """Close the file."""
        self._packets, self._ready, self._over = iter(()), deque(), True
        self.container.close()

    def _seek(self, ticks: int) -> bool:
        try:
            self.container.seek(ticks, stream=self.stream)
        except (av.FFmpegError, OSError):
            return False
        self._start_over()
        return True

    def _find(self, anchor: Anchor, stale: Callable[[], bool]) -> bool:
        """Pass over packets up to that of a key frame; False when reading began after it."""
        while not (stale() or self._interrupted()):
            packet = self._next_packet()
            if packet is None:
                return False
            if anchor.pts is not None and packet.pts is not None:
                if packet.is_keyframe and packet.pts == anchor.pts:
                    self._first = packet
                    return True
                if packet.is_keyframe and packet.pts > anchor.pts:
                    return False
            elif packet.dts is not None and anchor.dts is not None:
                if packet.dts == anchor.dts:
                    self._first = packet
                    return True
                if packet.dts > anchor.dts:
                    return False
        return False

    def _next_packet(self) -> av.Packet[av.VideoStream] | None:
        """The next packet of the file; None at its end."""
        try:
            packet = next(self._packets, None)
        except (av.FFmpegError, OSError):
            self.broken = self._over = True
            return None
        self._over = packet is None
        return packet

    def _decode_one(self) -> None:
        packet, self._first = self._first, None
        packet = packet or self._next_packet()
        if packet is None:
            return
        self.position = packet.pos or self.position
        if packet.pts is not None and not packet.is_discard:
            self._newest_packet = _later(self._newest_packet, packet.pts)
        self.corrupt += packet.is_corrupt
        if self.cut_short and packet.is_corrupt:
            return  # what a break leaves of a packet decodes to half a picture
        try:
            self._ready.extend(packet.decode())
        except EOFError:
            self._over = True
        except av.FFmpegError:
            self.undecodable += 1


def _later(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
