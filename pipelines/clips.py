"""Clips and frames cut out of a video file, around moments that matter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

import cv2

from scenescope.models import ResultBatch, SinkError, SourceError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.overlay import OverlayStyle
from scenescope.pipelines.sinks._disk import GuardedFile, file_name_of, reported
from scenescope.pipelines.sinks._encoder import Picture, Quality, i420_of, software_choice
from scenescope.pipelines.sinks._movie import Container, Moment, MovieWriter
from scenescope.pipelines.sinks._remux import copy_span
from scenescope.pipelines.sinks.video import FramePainter
from scenescope.pipelines.sources.video import VideoFile

__all__ = [
    "ClipMode",
    "CutProgress",
    "Overlay",
    "SavedClip",
    "Span",
    "clip_path",
    "save_clip",
    "save_clips",
    "save_frames",
    "spans_around",
]

Overlay = Callable[[int], Mapping[str, ResultBatch] | None]
"""Gives what was found in picture number n, by the names of the stages; None when it was not analysed."""

IMAGE_SUFFIXES = ("png", "jpg")
JPEG_QUALITY = 95
TELL_EVERY_S = 0.1


class ClipMode(StrEnum):
    """How a clip is cut: packets copied as they are, from the key frame before; or coded anew, to the exact picture."""

    COPY = "copy"
    EXACT = "exact"


@dataclass(frozen=True)
class Span:
    """A part of a film, in seconds of its media time, with a name for people: from ``start_s``, before ``end_s``."""

    start_s: float
    end_s: float
    name: str = ""


@dataclass(frozen=True)
class CutProgress:
    """How far it has come.

    Attributes:
        done: 0 to 1.
        frames: pictures written.
        rate_hz: pictures written in a second.
        left_s: time that is left; None while nobody can know.
    """

    done: float
    frames: int
    rate_hz: float
    left_s: float | None


@dataclass(frozen=True)
class SavedClip:
    """A clip that was written: where its first picture was in the film, its pictures, and a note about its sound."""

    path: Path
    start_s: float
    frames: int
    note: str = ""


class _Meter:
    """Tells progress now and then, and raises when it is to end."""

    def __init__(self, told: Callable[[CutProgress], None], cancelled: Callable[[], bool]) -> None:
        self._told = told
        self._cancelled = cancelled
        self._begun_s = self._last_s = time.monotonic()
        self.frames = 0

    def at(self, done: float, more_frames: int = 0) -> None:
        """Note what was done, 0 to 1."""
        self.frames += more_frames
        if self._cancelled():
            raise _Cancelled
        now = time.monotonic()
        if done < 1 and now - self._last_s < TELL_EVERY_S:
            return
        self._last_s = now
        spent_s = max(now - self._begun_s, 1e-6)
        left_s = spent_s * (1 - done) / done if done > 0 else None
        self._told(CutProgress(min(done, 1.0), self.frames, self.frames / spent_s, left_s))


class _Cancelled(Exception):
    """The user does not want it any more."""


def spans_around(
    times_s: Iterable[float], before_s: float, after_s: float, duration_s: float | None = None
) -> list[Span]:
    """Spans from ``before_s`` before each time to ``after_s`` after it, inside the film; those that meet become one."""
    merged: list[Span] = []
    for at_s in sorted(times_s):
        start_s, end_s = max(at_s - before_s, 0.0), at_s + after_s
        if duration_s is not None:
            start_s, end_s = min(start_s, duration_s), min(end_s, duration_s)
        if merged and start_s <= merged[-1].end_s:
            merged[-1] = Span(merged[-1].start_s, max(end_s, merged[-1].end_s))
        elif end_s > start_s:
            merged.append(Span(start_s, end_s))
    return merged


def save_clip(
    path_in: Path,
    out: Path,
    start_s: float,
    end_s: float,
    *,
    mode: ClipMode = ClipMode.EXACT,
    overlay: Overlay | None = None,
    style: OverlayStyle | None = None,
    sound: bool = True,
    progress: Callable[[CutProgress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> SavedClip | None:
    """Cut a part out of a film, with its times and its sound; the clip's first picture is at 0.

    Args:
        path_in: the film.
        out: the clip, MP4 or MKV by its suffix; one that is there is replaced once the new one is whole.
        start_s: the first picture is the first at or after it; of a copy, the key frame at or before it.
        end_s: the last picture is the last before it.
        mode: how.
        overlay: what is drawn over the pictures; only for an exact clip.
        style: how it is drawn.
        sound: keep it.
        progress: told several times a second.
        cancelled: asked between pictures; True ends it, and leaves no file.

    Returns:
        None when it was cancelled.

    Raises:
        SourceError: the film cannot be read, or has no pictures there.
        SinkError: the clip cannot be written, or a copy cannot be packed like that.
    """
    made = save_clips(
        path_in,
        [Span(start_s, end_s)],
        lambda span, number: out,
        mode=mode,
        overlay=overlay,
        style=style,
        sound=sound,
        progress=progress,
        cancelled=cancelled,
    )
    return made[0] if made else None


def save_clips(
    path_in: Path,
    spans: Sequence[Span],
    name: Callable[[Span, int], Path],
    *,
    mode: ClipMode = ClipMode.EXACT,
    overlay: Overlay | None = None,
    style: OverlayStyle | None = None,
    sound: bool = True,
    progress: Callable[[CutProgress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[SavedClip]:
    """Cut several parts out of a film, one after the other.

    ``name`` gives the path of a clip by its span and its number, from 0; the rest is as for :func:`save_clip`.

    Returns:
        The clips that are whole: fewer than spans when it was cancelled.
    """
    for span in spans:
        if not 0 <= span.start_s < span.end_s:
            raise SinkError(
                f"A clip cannot go from {span.start_s:g} s to {span.end_s:g} s.", hint="Its end comes after its start."
            )
    if mode is ClipMode.COPY and overlay is not None:
        raise SinkError("A copy of the packets cannot have an overlay.", hint="Cut an exact clip.")
    meter = _Meter(progress, cancelled)
    whole_s = sum(span.end_s - span.start_s for span in spans)
    made: list[SavedClip] = []
    done_s = 0.0
    source = VideoFile(path_in)
    try:
        if mode is ClipMode.EXACT:
            source.open()
            if not source.build_index(lambda done: None, cancelled):
                raise _Cancelled
        for number, span in enumerate(spans):
            out = name(span, number)
            share = (done_s / whole_s, (span.end_s - span.start_s) / whole_s)
            if out.exists() and out.samefile(path_in):
                raise SinkError(f"{out} would be written over itself.", hint="Choose another name.")
            if mode is ClipMode.COPY:
                made.append(_copy(path_in, out, span, sound, meter, share))
            else:
                made.append(_exact(source, out, span, overlay, FramePainter(style), sound, meter, share))
            done_s += span.end_s - span.start_s
    except _Cancelled:
        return made
    finally:
        source.close()
    meter.at(1.0)
    return made


def clip_path(folder: Path, path_in: Path, span: Span, number: int, suffix: str = ".mp4") -> Path:
    """A name for a clip: "street clip 003 at 1-02-05.250 car.mp4"."""
    hours, rest = divmod(round(span.start_s * 1000), 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    at = f"{hours}-{minutes:02d}-{rest // 1000:02d}.{rest % 1000:03d}"
    return folder / f"{file_name_of(f'{path_in.stem} clip {number + 1:03d} at {at} {span.name}')}{suffix}"


def save_frames(
    path_in: Path,
    folder: Path,
    numbers: Iterable[int],
    *,
    suffix: str = "png",
    overlay: Overlay | None = None,
    style: OverlayStyle | None = None,
    progress: Callable[[CutProgress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Write pictures of a film as image files, "street frame 000123.png", each once, in the order of the film.

    ``numbers`` count its pictures from 0. ``folder`` is made when it is not there; files of these names are replaced.
    ``suffix`` is "png", which loses nothing, or "jpg"; the rest is as for :func:`save_clip`.

    Returns:
        What was written: fewer than asked for when it was cancelled.

    Raises:
        SourceError: the film cannot be read, or has no picture of that number.
        SinkError: they cannot be written.
    """
    if suffix not in IMAGE_SUFFIXES:
        raise SinkError(f"Pictures cannot be written as '{suffix}'.", hint=f"Choose {' or '.join(IMAGE_SUFFIXES)}.")
    wanted = sorted(set(numbers))
    meter = _Meter(progress, cancelled)
    painted = FramePainter(style)
    made: list[Path] = []
    source = VideoFile(path_in)
    try:
        source.open()
        if not source.build_index(lambda done: None, cancelled):
            return []
        for number in wanted:
            frame = source.read_at(number, cancelled) if number >= 0 else None
            if frame is None:
                meter.at(len(made) / len(wanted))
                raise SourceError(
                    f"{path_in.name} has no picture number {number}.",
                    hint=f"Its pictures are 0 to {len(source.frame_index or ()) - 1}.",
                )
            image = frame.image if overlay is None else painted(_with_results(frame, overlay))
            path = folder / f"{file_name_of(path_in.stem)} frame {number:06d}.{suffix}"
            # Not imwrite: it cannot write to paths outside the code page on Windows.
            encoded = cv2.imencode(f".{suffix}", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
            with reported(path):
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded.tobytes())
            made.append(path)
            meter.at(len(made) / len(wanted), 1)
    except _Cancelled:
        return made
    finally:
        source.close()
    return made


def _with_results(frame: Frame, overlay: Overlay) -> Frame:
    for name, value in (overlay(frame.index) or {}).items():
        frame = frame.with_result(name, value)
    return frame


@contextmanager
def _beside(out: Path) -> Iterator[GuardedFile]:
    """A file that takes the place of ``out`` once it is whole, and goes away when it is not."""
    draft = out.with_name(f".{out.name}.part")
    with reported(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        file = GuardedFile(draft)
    try:
        yield file
        with reported(out):
            file.close()
            draft.replace(out)
    finally:
        file.close()
        draft.unlink(missing_ok=True)


def _container_of(out: Path) -> Container:
    try:
        return Container(out.suffix.lower().removeprefix("."))
    except ValueError:
        raise SinkError(f"Clips cannot be written as '{out.name}'.", hint="Its name ends in .mp4 or .mkv.") from None


def _exact(
    source: VideoFile,
    out: Path,
    span: Span,
    overlay: Overlay | None,
    painted: FramePainter,
    sound: bool,
    meter: _Meter,
    share: tuple[float, float],
) -> SavedClip:
    container = _container_of(out)
    source.seek(span.start_s)
    frame = source.read()
    if frame is None or frame.pts_s >= span.end_s:
        meter.at(share[0])
        raise SourceError(
            f"{source.path.name} has no pictures between {span.start_s:g} s and {span.end_s:g} s.",
            hint="Choose a part inside the film.",
        )
    start_s = frame.pts_s
    index = source.frame_index
    rate_hz = len(index) / index.duration_s if index is not None and index.duration_s > 0 else 30.0
    with _beside(out) as file:
        # Nobody waits for a clip as for a camera: time goes into a small file.
        writer = MovieWriter(
            file,
            software_choice("Clips are coded in software, which is smaller."),
            rate_hz=rate_hz,
            time_base=Fraction(source.time_base),
            container=container,
            quality=Quality.HIGH,
            preset="veryfast",
            sound=source.path if sound else None,
        )
        try:
            while frame is not None and frame.pts_s < span.end_s:
                image = frame.image if overlay is None else painted(_with_results(frame, overlay))
                writer.write(Picture(i420_of(image), frame.pts_s), Moment(frame.pts_s - start_s, frame.pts_s))
                done = (frame.pts_s - span.start_s) / (span.end_s - span.start_s)
                meter.at(min(share[0] + share[1] * done, 0.999), 1)
                frame = source.read()
        finally:
            writer.close()
    return SavedClip(out, start_s, writer.frames, writer.note)


def _copy(path_in: Path, out: Path, span: Span, sound: bool, meter: _Meter, share: tuple[float, float]) -> SavedClip:
    container = _container_of(out)
    with _beside(out) as file:
        start_s, frames, note = copy_span(
            path_in,
            file,
            container,
            span.start_s,
            span.end_s,
            sound,
            lambda done: meter.at(min(share[0] + share[1] * done, 0.999), 1),
        )
    return SavedClip(out, start_s, frames, note)
