"""PictureCache: decoded pictures around the one at hand, so that a step back need not decode again."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

import av
import psutil

__all__ = ["Numbered", "PictureCache", "cache_bytes"]

MOST_BYTES = 384 * 2**20
# Of the machine's memory at most this part: 8 GB have room for all of it.
PART_OF_MEMORY = 1 / 20
MOST_PICTURES = 2048
# Going back, pictures behind count as this much further away than those ahead: they were seen already.
SEEN_WEIGHT = 4


class Numbered(NamedTuple):
    """A decoded picture with its number and its time in ticks since the first."""

    number: int
    ticks: int
    picture: av.VideoFrame


def cache_bytes() -> int:
    """How much memory may hold decoded pictures on this machine."""
    return min(MOST_BYTES, int(psutil.virtual_memory().total * PART_OF_MEMORY))


class PictureCache:
    """Pictures by number, as the decoder gave them; those furthest from where one is give way. Used by one thread."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._pictures: dict[int, tuple[Numbered, int]] = {}
        self._numbers: list[int] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, number: object) -> bool:
        return number in self._pictures

    def get(self, number: int) -> Numbered | None:
        """Picture ``number`` if it is kept."""
        kept = self._pictures.get(number)
        return None if kept is None else kept[0]

    def put(self, one: Numbered, focus: int, backwards: bool) -> None:
        """Keep a picture unless it is itself the one that must give way.

        Args:
            one: the picture.
            focus: the number that one is at.
            backwards: whether lower numbers are wanted next.
        """
        if one.number in self._pictures:
            return
        size = sum(plane.buffer_size for plane in one.picture.planes)
        self._pictures[one.number] = one, size
        self._bytes += size
        insort(self._numbers, one.number)
        while self._numbers and (self._bytes > self._most_bytes or len(self._numbers) > MOST_PICTURES):
            self._drop(self._furthest(focus, backwards))

    def run_below(self, number: int) -> int:
        """How many pictures are kept without a gap right before ``number``."""
        at = low = bisect_left(self._numbers, number)
        while low > 0 and self._numbers[low - 1] == number - (at - low) - 1:
            low -= 1
        return at - low

    def capacity(self) -> int:
        """About how many pictures find room."""
        if not self._numbers:
            return 1
        return max(min(self._most_bytes * len(self._numbers) // max(self._bytes, 1), MOST_PICTURES), 1)

    def _furthest(self, focus: int, backwards: bool) -> int:
        lowest, highest = self._numbers[0], self._numbers[-1]
        above = (highest - focus) * (SEEN_WEIGHT if backwards else 1)
        return highest if above > focus - lowest else lowest

    def _drop(self, number: int) -> None:
        self._bytes -= self._pictures.pop(number)[1]
        del self._numbers[bisect_left(self._numbers, number)]
