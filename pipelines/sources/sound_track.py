"""The sound that goes with the pictures of a file: whether there is any, and where its clock stands."""

from __future__ import annotations

import os
from dataclasses import dataclass

import av

from scenescope.pipelines.sources._pyav import pick_video_stream

__all__ = ["SoundTrack", "find_sound"]


@dataclass(frozen=True)
class SoundTrack:
    """A track of sound.

    Attributes:
        origin_s: when the first picture is shown, on the clock of a player that begins with the first stream of the
            file: ``position_s = pts_s + origin_s``.
        detail: codec and channels, for people.
    """

    origin_s: float
    detail: str


def find_sound(path: str | os.PathLike[str]) -> SoundTrack | None:
    """The sound of a video file; None when it has none, or when the file cannot be read."""
    try:
        with av.open(f"file:{os.fspath(path)}", metadata_errors="replace") as container:
            pictures = pick_video_stream(container)
            sound = container.streams.audio
            if pictures is None or pictures.codec_context is None or not sound or sound[0].codec_context is None:
                return None
            context = sound[0].codec_context
            origin_s = _first_picture_s(container, pictures) - (container.start_time or 0) / av.time_base
            return SoundTrack(origin_s, f"{context.name}, {context.layout.name}")
    except (av.FFmpegError, OSError, ValueError):
        return None


def _first_picture_s(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Time of the first picture that can be decoded, on the file's clock."""
    for packet in container.demux(stream):
        try:
            pictures = packet.decode()
        except EOFError:
            break
        except av.FFmpegError:
            continue
        for picture in pictures:
            return float(picture.pts * stream.time_base) if picture.pts is not None and stream.time_base else 0.0
    return 0.0
