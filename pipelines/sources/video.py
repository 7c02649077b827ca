"""Video files: every picture once, in order of presentation, with the times that the file gives them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from scenescope.models import SourceError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.source import Source, SourceInfo
from scenescope.pipelines.sources import index_cache
from scenescope.pipelines.sources._decoder import PLAYABLE_HINT, Decoder, check_file, never, open_video, video_error
from scenescope.pipelines.sources._picture_cache import Numbered, PictureCache, cache_bytes
from scenescope.pipelines.sources._pyav import PictureConverter, codec_detail
from scenescope.pipelines.sources._reader import PictureReader
from scenescope.pipelines.sources._timeline import Timeline, survey
from scenescope.pipelines.sources.frame_index import FrameIndex

__all__ = ["VideoFile"]


class VideoFile(Source):
    """A video file, decoded with PyAV (FFmpeg); sound is ignored.

    ``index`` counts the file's pictures from 0, also after a seek and with ``start_s``; ``pts_s`` is the presentation
    time, 0.0 for the first picture. Once the file is indexed, pictures that cannot be decoded keep their numbers.
    Pictures are shown as the file asks for: upright, and with square pixels, an anamorphic one made larger in one
    direction. Interlaced pictures are shown as stored, both fields woven together.

    Args:
        path: the file.
        start_s: begin with the first picture at or after this time.
        end_s: end before the first picture at or after this time.
        keep_bytes: most memory for decoded pictures that are kept for steps back, once the file is indexed; by default
            384 MB, on small machines a twentieth of the memory.

    Attributes:
        time_base: seconds per tick of the file's clock, known once it is open: ``round(frame.pts_s / time_base)`` is
            exact, so a writer can keep the times of the original.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        start_s: float | None = None,
        end_s: float | None = None,
        keep_bytes: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.start_s = start_s
        self.end_s = end_s
        self.time_base = Fraction(1, 1000)
        self._keep_bytes = keep_bytes
        self._interrupted = threading.Event()
        self._reader: PictureReader | None = None
        self._convert = PictureConverter()
        self._held: Numbered | None = None
        self._next_number: int | None = 0
        self._last_ticks = 0
        self._frame_count: int | None = None

    def open(self) -> SourceInfo:
        """Open the file and decode its first picture.

        Raises:
            SourceError: missing, a folder, not readable, empty, incomplete, without pictures, or not a video.
        """
        self._interrupted.clear()
        self.close()
        check_file(self.path)
        decoder = Decoder(self.path, self._interrupted.is_set)
        self._reader = PictureReader(decoder)
        self._held = self._reader.next()
        if self._held is None:
            if self._interrupted.is_set():
                raise SourceError(f"Opening {self.path.name} was interrupted.", hint="Open it again.")
            reason = "has a video track, but no picture in it can be decoded"
            raise video_error(self.path, reason, PLAYABLE_HINT)
        stream = decoder.stream
        self.time_base = decoder.time_base
        self._next_number, self._last_ticks = 0, 0
        self._convert = PictureConverter(stream.sample_aspect_ratio)
        size_wh = self._convert(self._held.picture).shape[1::-1]
        rate = stream.average_rate or stream.guessed_rate or Fraction(0)
        self._frame_count = decoder.stated_count
        frame_count, duration_s = self._frame_count, decoder.duration_s
        if self.start_s:
            self.seek(self.start_s)
        if (index := self.frame_index) is not None:
            last = len(index) if self.end_s is None else index.index_at(self.end_s)
            frame_count = max(last - (len(index) if self._next_number is None else self._next_number), 0)
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
        numbered = self._next_picture()
        if numbered is None or self._interrupted.is_set():
            return None
        frame = self._frame(numbered)
        if self.end_s is not None and frame.pts_s >= self.end_s:
            self._held, self._next_number = numbered, numbered.number
            return None
        return frame

    def seek(self, pts_s: float) -> None:
        """Go on with the first picture at or after ``pts_s``, exactly; past the end, with nothing.

        Unless the file is indexed, the first seek reads through it once to learn when each picture is shown.
        """
        reader = self._opened()
        if reader.timeline is None:
            reader.timeline = self._survey(reader)
        if reader.timeline is None:  # interrupted
            return
        index = reader.timeline.index
        number = index.index_at(max(pts_s, self.start_s or 0.0))
        reader.decoder.broken = False
        self._held = reader.at(number) if number < len(index) else None
        if self._held is not None:
            self._next_number = self._held.number
            self._last_ticks = self._held.ticks - reader.decoder.step
        elif not self._interrupted.is_set():
            self._next_number = None

    def read_at(self, index: int, stale: Callable[[], bool] = never) -> Frame | None:
        """Picture number ``index`` exactly, decoded from the nearest key frame unless it is kept.

        Raises:
            SourceError: the picture cannot be decoded, or the file is not indexed.
        """
        reader = self._opened()
        if reader.timeline is None:
            raise SourceError(f"{self.path.name} is not indexed.", hint="Build its index first.")
        if not 0 <= index < len(reader.timeline.index):
            return None
        reader.focus(index)
        numbered = reader.kept(index) or reader.at(index, stale)
        if numbered is not None and numbered.number != index:
            numbered = None
        elif numbered is None and (stale() or self._interrupted.is_set()):
            return None
        if numbered is None:
            raise SourceError(f"Picture {index} of {self.path.name} cannot be decoded.", hint="Go on to the next one.")
        self._held = None
        return self._frame(numbered)

    def prepare_before(self, index: int, stale: Callable[[], bool]) -> None:
        """Decode in spare time what lies before picture ``index``, for playing backwards."""
        if self._reader is not None:
            self._reader.prepare_before(index, stale)

    @property
    def frame_index(self) -> FrameIndex | None:
        """Times of all pictures, once :meth:`build_index` or a seek has found them."""
        reader = self._reader
        return None if reader is None or reader.timeline is None else reader.timeline.index

    def build_index(self, on_progress: Callable[[float], None], cancelled: Callable[[], bool]) -> bool:
        """Find the times of all pictures, or take them from the index folder; from then on pictures are kept.

        May run on a thread of its own while the file is read on another.

        Returns:
            False when cancelled.
        """
        reader = self._opened()
        timeline = reader.timeline or index_cache.load(self.path, reader.origin, self.time_base)
        if timeline is None:
            timeline = self._survey(reader, on_progress, cancelled)
            if timeline is None:
                return False
            index_cache.save(self.path, timeline)
        reader.cache = PictureCache(cache_bytes() if self._keep_bytes is None else self._keep_bytes)
        reader.timeline = timeline
        on_progress(1.0)
        return True

    def interrupt(self) -> None:
        """Make a long seek or a search for decodable pictures end soon."""
        self._interrupted.set()

    def close(self) -> None:
        """Close the file."""
        self._held = None
        if self._reader is not None:
            self._reader.decoder.close()
            self._reader = None

    # Opening

    def _opened(self) -> PictureReader:
        if self._reader is None:
            raise SourceError(f"{self.path.name} is not open.", hint="Open it before seeking.")
        return self._reader

    def _survey(
        self,
        reader: PictureReader,
        on_progress: Callable[[float], None] = lambda done: None,
        cancelled: Callable[[], bool] = never,
    ) -> Timeline | None:
        decoder = reader.decoder
        return survey(
            lambda: open_video(self.path),
            reader.origin,
            decoder.step,
            decoder.by_dts,
            not decoder.cut_short,
            lambda: self._interrupted.is_set() or cancelled(),
            on_progress,
        )

    # Reading

    def _next_picture(self) -> Numbered | None:
        numbered, self._held = self._held, None
        if numbered is not None:
            return numbered
        reader, wanted = self._opened(), self._next_number
        if wanted is None:
            return None
        if reader.timeline is not None:
            reader.focus(wanted)
            if (kept := reader.kept(wanted)) is not None:
                return kept
            if reader.next_number != wanted:
                return reader.at(wanted) if wanted < len(reader.timeline.index) else None
        numbered = reader.next()
        if numbered is None and not self._interrupted.is_set():
            self._check_complete(reader.decoder)
        return numbered

    def _frame(self, numbered: Numbered) -> Frame:
        self._next_number, self._last_ticks = numbered.number + 1, numbered.ticks
        pts_s = float(numbered.ticks * self.time_base)
        return Frame(self._convert(numbered.picture), numbered.number, pts_s, time.monotonic(), self.path.name)

    def _check_complete(self, decoder: Decoder) -> None:
        """Raise when the pictures ended before the file should have."""
        all_seen = self._frame_count is not None and (self._next_number or 0) >= self._frame_count
        # Later packets than the last picture: they could not be decoded. The second field of an interlaced picture may
        # come as a packet of its own, half a step later.
        lost_tail = decoder.lost > 0.75 * decoder.step
        if decoder.broken or lost_tail or (decoder.cut_short and not all_seen):
            reached_s = float(max(self._last_ticks, 0) * self.time_base)
            decoder.forget_damage()
            raise video_error(
                self.path,
                f"breaks off at {reached_s:.2f} s: the rest is missing or damaged",
                "What came before it is complete. Copy or download the file again for the rest.",
            )
