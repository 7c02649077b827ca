"""The counts of zones and lines, by way and class."""

from __future__ import annotations

from collections import Counter

__all__ = ["Tally"]


class Tally:
    """Counts by shape, way and class. Used by one thread.

    An object counts for the class it has mostly been called: when that changes, what it was counted for follows.
    """

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[int, str]]] = {}
        self._of_slot: dict[int, Counter[tuple[str, int]]] = {}
        self.most: dict[str, int] = {}

    def clear(self) -> None:
        """Begin at zero."""
        self._counts.clear()
        self._of_slot.clear()
        self.most.clear()

    def keep(self, names: set[str]) -> None:
        """Drop the counts of all other shapes."""
        self._counts = {name: counts for name, counts in self._counts.items() if name in names}
        self.most = {name: most for name, most in self.most.items() if name in names}
        for entries in self._of_slot.values():
            for entry in [entry for entry in entries if entry[0] not in names]:
                del entries[entry]

    def add(self, name: str, way: int, slot: int, label: str) -> None:
        """An object went that way, +1 or -1, through the shape of that name."""
        self._counts.setdefault(name, Counter())[way, label] += 1
        self._of_slot.setdefault(slot, Counter())[name, way] += 1

    def relabel(self, slot: int, old: str, label: str) -> None:
        """An object turns out to be of another class."""
        for (name, way), count in self._of_slot.get(slot, Counter()).items():
            self._counts[name][way, old] -= count
            self._counts[name][way, label] += count

    def forget(self, slot: int) -> None:
        """An object is gone for good; its counts stay as they are."""
        self._of_slot.pop(slot, None)

    def settle(self) -> None:
        """All objects are gone for good."""
        self._of_slot.clear()

    def counts(self, name: str, labels: tuple[str, ...]) -> dict[tuple[int, str], int]:
        """By way and class, those of the wanted classes that are not zero; all classes where none is named."""
        counts = self._counts.get(name, Counter())
        return {key: count for key, count in sorted(counts.items()) if count and (not labels or key[1] in labels)}
