"""A part of a film packed anew without coding it anew."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from scenescope.models import SinkError, SourceError
from scenescope.pipelines.sinks._disk import GuardedFile, reported
from scenescope.pipelines.sinks._movie import FORMATS, Container
from scenescope.pipelines.sinks._sound import SoundTrack, first_picture_s
from scenescope.pipelines.sources._pyav import pick_video_stream

__all__ = ["copy_span"]


def copy_span(
    path_in: Path,
    file: GuardedFile,
    container: Container,
    start_s: float,
    end_s: float,
    sound: bool,
    told: Callable[[float], None],
) -> tuple[float, int, str]:
    """Copy packets from the key frame at or before ``start_s`` up to ``end_s``; the first picture is then at 0.

    A few pictures after ``end_s`` come along where earlier ones are coded from them. ``told`` is called for every
    picture with what is done, 0 to 1; what it raises ends it.

    Returns:
        Media time of the first picture in seconds, number of pictures, and a note about the sound.

    Raises:
        SourceError: the film cannot be read, or has no pictures there.
        SinkError: its pictures cannot be packed like that, or the disk is full.
    """
    try:
        origin = first_picture_s(path_in)
        source = av.open(f"file:{path_in}", metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise SourceError(
            f"{path_in.name} cannot be read: {error.strerror or error}.", hint="Check that it plays in a video player."
        ) from error
    track = SoundTrack(path_in)
    with source, reported(file.path):
        stream = pick_video_stream(source)
        if stream is None or stream.time_base is None:
            raise SourceError(f"{path_in.name} holds no pictures.", hint="Choose a film.")
        out = av.open(file, "w", format=FORMATS[container])
        try:
            try:
                copied = out.add_stream_from_template(stream, opaque=True)
            except (av.FFmpegError, ValueError) as error:
                name = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
                raise SinkError(
                    f"Its pictures ({name}) cannot go into {container.upper()} as they are.",
                    hint="Write MKV, or cut an exact clip.",
                ) from error
            has_sound = sound and track.attach(out)
            source.seek(int((Fraction(start_s) + origin) / stream.time_base), stream=stream)
            first: int | None = None
            first_s, newest_s, frames = 0.0, -1.0, 0
            for packet in source.demux(stream):
                if packet.pts is None or packet.dts is None or not packet.size:
                    continue
                at_s = float(packet.pts * stream.time_base - origin)
                if first is None:
                    if not packet.is_keyframe:
                        continue
                    if at_s >= end_s:
                        break
                    first, first_s = packet.pts, at_s
                    if has_sound:
                        track.begin(first_s, 0.0)
                # Pictures shown before the key frame are coded from what is not there.
                if packet.pts < first:
                    continue
                if float(packet.dts * stream.time_base - origin) >= end_s:
                    break
                frames, newest_s = frames + 1, max(newest_s, at_s)
                packet.pts, packet.dts = packet.pts - first, packet.dts - first
                _mux(out, packet, copied)
                if has_sound:
                    out.mux(track.until(min(at_s, end_s)))
                told((at_s - start_s) / (end_s - start_s))
            if newest_s < start_s:
                raise SourceError(
                    f"{path_in.name} has no pictures between {start_s:g} s and {end_s:g} s.",
                    hint="Choose a part inside the film.",
                )
            if has_sound:
                out.mux([*track.until(end_s), *track.finish()])
        finally:
            track.close()
            out.close()
    return first_s, frames, track.note


def _mux(out: av.container.OutputContainer, packet: av.Packet[Any], stream: av.VideoStream) -> None:
    packet.stream = stream
    out.mux(packet)
