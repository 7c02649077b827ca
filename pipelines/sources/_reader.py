"""PictureReader: numbered pictures of an open video file, one after the other or any by its number."""

from __future__ import annotations

from collections.abc import Callable

import av

from scenescope.pipelines.sources._decoder import Decoder, never
from scenescope.pipelines.sources._picture_cache import Numbered, PictureCache
from scenescope.pipelines.sources._timeline import Anchor, Clock, Timeline

__all__ = ["PictureReader"]

# A picture that key frames so far back do not lead to cannot be decoded.
MOST_KEY_FRAMES_BACK = 3
# Decoding this many pictures takes less than seeking.
NEAR_PICTURES = 8


class PictureReader:
    """Numbers what a decoder gives. Used by one thread; ``timeline`` may be set by another.

    Without a timeline pictures are counted and go one way. With one, a picture's number is its place in the file, also
    where pictures before it cannot be decoded, and any picture can be asked for.

    Args:
        decoder: at the beginning of its file.

    Attributes:
        timeline: what :func:`~scenescope.pipelines.sources._timeline.survey` found.
        cache: where decoded pictures are kept; None keeps none.
        next_number: of the picture that the decoder gives next.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.timeline: Timeline | None = None
        self.cache: PictureCache | None = None
        self.next_number = 0
        self._clock = Clock(decoder.step, decoder.by_dts)
        self._from: Anchor | None = None
        self._instead: dict[int, int | None] = {}
        self._focus = 0
        self._backwards = False

    @property
    def origin(self) -> int:
        """Presentation time of the first picture, in the file's own ticks."""
        return self._clock.origin or 0

    def next(self, stale: Callable[[], bool] = never) -> Numbered | None:
        """The decoder's next picture; None at the end, and when interrupted or ``stale``."""
        while (picture := self.decoder.next(stale)) is not None:
            numbered = self._numbered(picture)
            if numbered is not None:
                self.next_number = numbered.number + 1
                if self.cache is not None:
                    self.cache.put(numbered, self._focus, self._backwards)
                return numbered
        return None

    def kept(self, number: int) -> Numbered | None:
        """Picture ``number`` if it need not be decoded."""
        return None if self.cache is None else self.cache.get(number)

    def focus(self, number: int) -> None:
        """The picture that is wanted now; those near it are kept."""
        self._backwards, self._focus = number < self._focus, number

    def at(self, number: int, stale: Callable[[], bool] = never) -> Numbered | None:
        """Picture ``number``, or the first one after it that can be decoded; None past the end, or when given up.

        There must be a timeline.
        """
        assert self.timeline is not None
        back = -1 if self._leads_to(number) else 0
        if number in self._instead:
            instead = self._instead[number]
            return None if instead is None else self.at(instead, stale)
        if (kept := self.kept(number)) is not None:
            return kept
        while True:
            anchor = self.timeline.anchor_before(number, max(back, 0))
            if back >= 0 and not self._begin_at(anchor, stale):
                return None
            found = self._decode_to(number, stale)
            if found is not None and found.number == number:
                return found
            if found is None and not self.decoder.over:
                return None
            if back == MOST_KEY_FRAMES_BACK or (back >= 0 and anchor.packets_before == 0):
                self._instead[number] = None if found is None else found.number
                return found
            back += 1

    def prepare_before(self, number: int, stale: Callable[[], bool]) -> None:
        """Decode pictures before ``number`` as long as nothing else is wanted, if few of them are left."""
        if self.cache is None or self.timeline is None:
            return
        left = self.cache.run_below(number)
        wanted = number - left - 1
        if wanted >= 0 and left <= self.cache.capacity() // 3 and wanted not in self._instead:
            self.at(wanted, stale)

    def _leads_to(self, number: int) -> bool:
        """Whether decoding on from here is the shortest way to a picture."""
        assert self.timeline is not None
        key = self.timeline.anchor_before(number).number
        return self.next_number <= number and key <= self.next_number + NEAR_PICTURES

    def _begin_at(self, anchor: Anchor, stale: Callable[[], bool]) -> bool:
        begun = self.decoder.begin_at(anchor, stale)
        self._from = anchor if anchor.packets_before else None
        # Given up on the way there, the decoder leads nowhere.
        self.next_number = anchor.number if begun else len(self.timeline.index) if self.timeline else 0
        return begun

    def _decode_to(self, number: int, stale: Callable[[], bool]) -> Numbered | None:
        """Decode up to a picture, or the first one after it; None at the end, or when given up."""
        while (numbered := self.next(stale)) is not None:
            if numbered.number >= number:
                return numbered
            if stale():
                return None
        return None

    def _numbered(self, picture: av.VideoFrame) -> Numbered | None:
        """Number and time of the decoder's next picture; None for one that does not count.

        Those that come out before the key frame with which decoding began refer to pictures that were not decoded.
        """
        timeline = self.timeline
        if timeline is None:
            return Numbered(self.next_number, self._clock.ticks(picture), picture)
        index, number = timeline.index, self.next_number
        if index.timed:
            known = timeline.number_of(picture.pts)
            if known is None or (self._from is not None and known < self._from.number):
                return None
            number = known
        elif self._from is not None and number == self._from.number and not picture.key_frame:
            return None
        beyond = number - len(index) + 1
        ticks = int(index.pts[number]) if beyond <= 0 else int(index.pts[-1]) + beyond * self.decoder.step
        return Numbered(number, ticks, picture)
