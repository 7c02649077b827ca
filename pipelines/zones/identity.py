"""Which tracks are one object: what trackers split, double or swap is put together again before anything is counted.

Every object has a slot, a small number that is used again once the object is forgotten; its numbers are rows of the
arrays here, so that the work of a frame is done for all objects at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Gone", "Identities", "Seen", "Sightings"]

Float = NDArray[np.floating[Any]]
Int = NDArray[np.int64]

HANDOVER_S = 1.0
"""A track that begins where one ended, so many seconds later at most, is the same object."""
FORGET_S = 30.0
MOST_OBJECTS = 4096
"""With more than these, what is out of sight is forgotten at once."""
_CROWDED_S = 0.2
# Two tracks of one object: the second begins with at least this overlap, and is let go when it keeps below the other.
SAME_IOU = 0.65
APART_IOU = 0.4
APART_FRAMES = 3
# What a track's box and class tell against its being an object: for sides that differ by a factor e, and for a class
# that the object never had, in sizes of the object that it is away.
_BY_SIDES = 0.5
_BY_LABEL = 0.15
# Seconds over which the velocity of an object is smoothed.
_SMOOTH_S = 0.15


@dataclass(frozen=True)
class Seen:
    """The tracks of one frame; rows with a ``track_id`` below 0 are unconfirmed and do not count.

    ``xyxy`` (N, 4) and ``anchor_xy`` (N, 2) are in pixels of the source picture.
    """

    track_id: Int
    label: list[str]
    confidence: Float
    xyxy: Float
    anchor_xy: Float


@dataclass(frozen=True)
class Gone:
    """An object that is lost from now on, with where and when it was last seen."""

    slot: int
    t_s: float
    index: int
    xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class Sightings:
    """The objects of one frame: each once, with the row of ``Seen`` that stands for it.

    Attributes:
        slot: int64 (M,), of the object.
        row: int64 (M,), its row in ``Seen``.
        before_xy: float64 (M, 2), its anchor when it was seen last; NaN for a first sighting.
        sure: bool (M,), whether it went where it was expected to; a first sighting and a leap are not.
        born: slots that are new in this frame, each with the slot of the object it was taken for until now, or -1.
        lost: objects that had not been seen for long, before this frame.
        freed: slots of objects that are forgotten for good; they may be among ``born`` of a later frame.
        relabelled: slots whose majority label has changed, with the old label.
    """

    slot: Int
    row: Int
    before_xy: Float
    sure: NDArray[np.bool_]
    born: list[tuple[int, int]]
    lost: list[Gone]
    freed: list[int]
    relabelled: list[tuple[int, str]]


class Identities:
    """Keeps the objects of a scene. Used by one thread.

    Args:
        lost_s: seconds after which an object that is not seen is lost. It is known again by its number for
            ``FORGET_S`` seconds.
    """

    def __init__(self, lost_s: float = 2.0) -> None:
        self.lost_s = lost_s
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._slot_of: dict[int, int] = {}
        self._ids: dict[int, set[int]] = {}
        self._leader: dict[int, int] = {}
        self._votes: dict[int, dict[str, float]] = {}
        self._apart: dict[int, int] = {}
        self._free: list[int] = []
        self.label: dict[int, str] = {}
        self.capacity = 0
        self.used = np.zeros(0, np.bool_)
        self.lost = np.zeros(0, np.bool_)
        self.seen_s = np.zeros(0)
        self.seen_frame = np.zeros(0, np.int64)
        self.xyxy = np.zeros((0, 4))
        self.anchor_xy = np.zeros((0, 2))
        self._good_xy = np.zeros((0, 2))
        self._good_s = np.zeros(0)
        self._velocity = np.zeros((0, 2))
        self._count = np.zeros(0, np.int64)
        self._strikes = np.zeros(0, np.int64)

    def track_id(self, slot: int) -> int:
        """The number by which an object is known now."""
        return self._leader[slot]

    def update(self, t_s: float, index: int, seen: Seen) -> Sightings:
        """Take the tracks of the next frame, at media time ``t_s``."""
        lost, freed = self._age(t_s)
        rows = _once_each(seen)
        new = [row for row in rows if int(seen.track_id[row]) not in self._slot_of]
        leading, born = self._leading_rows(t_s, seen, [row for row in rows if row not in set(new)])
        born += self._placed(t_s, seen, leading, new)
        slots = np.array(list(leading), np.int64)
        at = np.array(list(leading.values()), np.int64)
        before_xy = np.where((self._count[slots] > 0)[:, None], self.anchor_xy[slots], np.nan)
        sure = self._moved(t_s, index, seen, slots, at)
        relabelled = [(slot, old) for slot, row in leading.items() if (old := self._voted(slot, seen, row))]
        return Sightings(slots, at, before_xy, sure, born, lost, freed, relabelled)

    # Objects ---------------------------------------------------------------------------------------------------------

    def _age(self, t_s: float) -> tuple[list[Gone], list[int]]:
        """The objects that are lost from now on, and slots of those that are forgotten."""
        unseen_s = t_s - self.seen_s
        crowded = int(self.used.sum()) > MOST_OBJECTS
        old = self.used & self.lost & (crowded | (unseen_s > max(FORGET_S, self.lost_s)))
        gone = np.flatnonzero(self.used & ~self.lost & (unseen_s > (_CROWDED_S if crowded else self.lost_s)))
        self.lost[gone] = True
        freed: list[int] = np.flatnonzero(old).tolist()
        for slot in freed:
            self._release(slot)
        return [self._gone(slot) for slot in gone.tolist()], freed

    def _gone(self, slot: int) -> Gone:
        left, top, right, bottom = self.xyxy[slot].tolist()
        return Gone(slot, float(self.seen_s[slot]), int(self.seen_frame[slot]), (left, top, right, bottom))

    def _release(self, slot: int) -> None:
        for track_id in self._ids.pop(slot):
            self._slot_of.pop(track_id, None)
            self._apart.pop(track_id, None)
        for table in (self._leader, self._votes, self.label):
            table.pop(slot, None)
        self.used[slot] = self.lost[slot] = False
        self._free.append(slot)

    def _add(self, track_id: int) -> int:
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self.used[slot], self.lost[slot] = True, False
        self._count[slot] = self._strikes[slot] = 0
        self._velocity[slot] = 0
        self._ids[slot], self._votes[slot] = set(), {}
        self._name(track_id, slot)
        return slot

    def _grow(self) -> None:
        old, self.capacity = self.capacity, max(2 * self.capacity, 64)
        for name, column in vars(self).items():
            if isinstance(column, np.ndarray):
                larger = np.zeros((self.capacity, *column.shape[1:]), column.dtype)
                larger[:old] = column
                setattr(self, name, larger)
        self._free = list(range(self.capacity - 1, old - 1, -1))

    def _name(self, track_id: int, slot: int) -> None:
        """Let a number stand for an object from now on, as its leading one."""
        if (before := self._slot_of.get(track_id)) is not None:
            self._ids[before].discard(track_id)
        self._slot_of[track_id] = slot
        self._ids[slot].add(track_id)
        self._leader[slot] = track_id
        self._apart.pop(track_id, None)

    def _voted(self, slot: int, seen: Seen, row: int) -> str:
        """Count a sighting's label; the old label when the majority has changed by it, else ""."""
        votes, label = self._votes[slot], seen.label[row]
        votes[label] = votes.get(label, 0.0) + max(float(seen.confidence[row]), 0.01)
        old = self.label.get(slot, "")
        if old == label or (old and votes[label] <= votes[old]):
            return ""
        self.label[slot] = label
        return old

    def _moved(self, t_s: float, index: int, seen: Seen, slots: Int, rows: Int) -> NDArray[np.bool_]:
        """Take the places of what is seen; whether each went where it was expected to."""
        xyxy, anchors = seen.xyxy[rows].astype(np.float64), seen.anchor_xy[rows].astype(np.float64)
        middle = _middle(xyxy)
        passed_s = np.maximum(t_s - self._good_s[slots], 1e-6)[:, None]
        count, velocity = self._count[slots], self._velocity[slots]
        step = middle - self._good_xy[slots]
        miss = np.hypot(*(step - velocity * passed_s).T)
        leapt = (count >= 3) & (miss > np.maximum(_size(xyxy), _size(self.xyxy[slots])))
        again = leapt & (self._strikes[slots] > 0)
        anchor_step = anchors - self.anchor_xy[slots]
        since_s = np.maximum(t_s - self.seen_s[slots], 1e-6)[:, None]
        off = np.hypot(*(anchor_step - velocity * since_s).T)
        sure: NDArray[np.bool_] = (count >= 3) & (off <= 0.5 * np.hypot(*anchor_step.T))

        good = slots[~leapt | again]
        weight = np.maximum(1 / np.maximum(count, 1), 1 - np.exp(-passed_s[:, 0] / _SMOOTH_S))[:, None]
        moving = velocity + weight * (step / passed_s - velocity)
        # The second leap in a row is where it is now; nothing is known of how it moves.
        moving[(count == 0) | again] = 0
        self._velocity[slots[~leapt | again]] = moving[~leapt | again]
        self._good_xy[good], self._good_s[good] = middle[~leapt | again], t_s
        self._count[slots] = np.where(again, 1, count + 1)
        self._strikes[slots] = np.where(leapt & ~again, 1, 0)
        self.xyxy[slots], self.anchor_xy[slots] = xyxy, anchors
        self.seen_s[slots], self.seen_frame[slots], self.lost[slots] = t_s, index, False
        return sure

    # Tracks to objects -----------------------------------------------------------------------------------------------

    def _leading_rows(self, t_s: float, seen: Seen, known: list[int]) -> tuple[dict[int, int], list[tuple[int, int]]]:
        """For each object that has known tracks in this frame, the row that stands for it; and objects split off."""
        of_slot: dict[int, list[int]] = {}
        for row in known:
            of_slot.setdefault(self._slot_of[int(seen.track_id[row])], []).append(row)
        leading: dict[int, int] = {}
        born: list[tuple[int, int]] = []
        for slot, rows in of_slot.items():
            lead = self._lead(t_s, seen, slot, rows)
            if lead is not None:
                leading[slot] = lead
            reference = seen.xyxy[[lead]] if lead is not None else self.xyxy[[slot]]
            for row in rows:
                if row != lead and self._is_apart(seen, row, reference):
                    split = self._add(int(seen.track_id[row]))
                    leading[split] = row
                    born.append((split, slot))
        return leading, born

    def _lead(self, t_s: float, seen: Seen, slot: int, rows: list[int]) -> int | None:
        """The row that stands for an object: its leading track, or a double of it that has not gone its own way."""
        for row in rows:
            if int(seen.track_id[row]) == self._leader[slot]:
                return row
        near = [row for row in rows if not self._apart.get(int(seen.track_id[row]))]
        if not near:
            return None
        expected = self._good_xy[slot] + self._velocity[slot] * (t_s - self._good_s[slot])
        lead = near[int(np.hypot(*(_middle(seen.xyxy[near]) - expected).T).argmin())]
        self._leader[slot] = int(seen.track_id[lead])
        return lead

    def _is_apart(self, seen: Seen, row: int, reference: Float) -> bool:
        """Whether a second track of an object has kept away from it, whose box is given, for some frames."""
        track_id = int(seen.track_id[row])
        near = float(_iou(seen.xyxy[[row]], reference)[0, 0]) >= APART_IOU
        self._apart[track_id] = 0 if near else self._apart.get(track_id, 0) + 1
        return self._apart[track_id] >= APART_FRAMES

    def _placed(self, t_s: float, seen: Seen, leading: dict[int, int], new: list[int]) -> list[tuple[int, int]]:
        """Find the objects of new tracks and of leaps, and note them in ``leading``; the objects that are new."""
        leaps = self._leaps(t_s, seen, leading)
        missing = [
            slot
            for slot in np.flatnonzero(self.used & ~self.lost & (t_s - self.seen_s <= HANDOVER_S)).tolist()
            if slot not in leading
        ]
        if not new and len(leaps) + len(missing) < 2:
            return []
        loose = new + [leading[slot] for slot in leaps]
        open_slots = missing + list(leaps)
        cost = self._costs(t_s, seen, loose, open_slots)
        # A leap keeps its number unless another object's place is far nearer.
        for at, own in enumerate(leaps.values()):
            far = cost[len(new) + at] > 0.5 * own
            cost[len(new) + at][far] = np.inf
        doubled = self._doubles(seen, new, list(leading.values()), cost[: len(new)])
        taken: dict[int, int] = {}
        for at, to in _greedy(cost):
            taken[loose[at]] = open_slots[to]
        for slot in leaps:
            if (row := leading[slot]) in taken or slot in taken.values():
                del leading[slot]
                if row not in taken:
                    new = [*new, row]
        for row, slot in taken.items():
            self._name(int(seen.track_id[row]), slot)
            leading[slot] = row
        born = []
        slot_of_row = {row: slot for slot, row in leading.items()}
        for row in new:
            if row in taken:
                continue
            track_id, same = int(seen.track_id[row]), doubled.get(row)
            if same is not None and same in slot_of_row:
                leader = self._leader[slot_of_row[same]]
                self._name(track_id, slot_of_row[same])
                self._leader[slot_of_row[same]] = leader
                continue
            slot = self._add(track_id)
            leading[slot], slot_of_row[row] = row, slot
            born.append((slot, -1))
        return born

    def _leaps(self, t_s: float, seen: Seen, leading: dict[int, int]) -> dict[int, float]:
        """Objects whose track is not where they were expected, with the distance in sizes."""
        if not leading:
            return {}
        slots, rows = np.array(list(leading)), list(leading.values())
        expected = self._good_xy[slots] + self._velocity[slots] * (t_s - self._good_s[slots])[:, None]
        miss = np.hypot(*(_middle(seen.xyxy[rows]) - expected).T) / _size(self.xyxy[slots])
        leapt = (self._count[slots] >= 3) & (miss > 0.75) & (t_s - self._good_s[slots] <= HANDOVER_S)
        return dict(zip(slots[leapt].tolist(), miss[leapt].tolist(), strict=True))

    def _costs(self, t_s: float, seen: Seen, rows: list[int], slots: list[int]) -> Float:
        """How badly each row fits each object, float64 (rows, slots), about 0..1; infinite where it cannot be it."""
        if not rows or not slots:
            return np.full((len(rows), len(slots)), np.inf)
        boxes, known = seen.xyxy[rows].astype(np.float64), self.xyxy[slots]
        gap_s = (t_s - self._good_s[slots])[:, None]
        # It went on as before, or slower, or stopped: it is on the way ahead.
        way = 1.3 * self._velocity[slots] * gap_s
        to = _middle(boxes)[:, None] - self._good_xy[slots]
        share = np.clip((to * way).sum(axis=2) / np.maximum((way * way).sum(axis=1), 1e-9), 0, 1)
        away = np.hypot(*np.moveaxis(to - share[..., None] * way, 2, 0))
        size = _size(known)
        grown = np.abs(np.log(_sides(boxes)[:, None] / _sides(known)))
        other = np.array([[self._unlike(slot, seen.label[row]) for slot in slots] for row in rows])
        reach = (0.6 - 0.15 * other) * size + 0.25 * np.hypot(*way.T)
        fits = (away <= reach) & (grown.max(axis=2) <= np.log(2))
        # Of several that it may be, the one that goes on as before.
        off = np.hypot(*np.moveaxis(to - way / 1.3, 2, 0))
        cost: Float = (0.7 * away + 0.3 * off) / size + _BY_SIDES * grown.sum(axis=2) + _BY_LABEL * other
        return np.where(fits, cost, np.inf)

    def _unlike(self, slot: int, label: str) -> float:
        """How unlike it is for an object to be called so: 0 for its usual label, 1 for one that it never had."""
        votes = self._votes[slot]
        return 1 - votes.get(label, 0.0) / max(votes.values())

    def _doubles(self, seen: Seen, new: list[int], known: list[int], cost: Float) -> dict[int, int]:
        """New tracks that lie on another one, with its row; they are barred from becoming a missing object."""
        doubled: dict[int, int] = {}
        others = list(known)
        for at, row in enumerate(new):
            if others:
                box, boxes = seen.xyxy[[row]], seen.xyxy[others]
                iou = _iou(box, boxes)[0]
                best = int(iou.argmax())
                away = np.hypot(*(_middle(box) - _middle(boxes[[best]]))[0]) / _size(box)[0]
                grown = np.abs(np.log(_sides(box) / _sides(boxes[[best]]))).sum()
                # Of two that begin together, the second is a double; of one that lies on an old track, the nearer fits.
                fits = np.inf if others[best] in new else cost[at].min(initial=np.inf)
                if iou[best] >= SAME_IOU and away + _BY_SIDES * grown <= fits:
                    doubled[row] = others[best]
                    cost[at] = np.inf
                    continue
            others.append(row)
        return doubled


def _once_each(seen: Seen) -> list[int]:
    """Confirmed rows, the surest first; of several with one number only the surest."""
    order = np.argsort(-seen.confidence, kind="stable").tolist()
    first: dict[int, int] = {}
    for row in order:
        track_id = int(seen.track_id[row])
        if track_id >= 0 and np.isfinite(seen.xyxy[row]).all():
            first.setdefault(track_id, row)
    return list(first.values())


def _greedy(cost: Float) -> list[tuple[int, int]]:
    """Pairs of rows and columns, the cheapest first, each used once."""
    pairs = []
    rows, columns = np.nonzero(np.isfinite(cost))
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for at in np.argsort(cost[rows, columns], kind="stable").tolist():
        row, column = int(rows[at]), int(columns[at])
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            pairs.append((row, column))
    return pairs


def _middle(xyxy: Float) -> Float:
    middle: Float = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    return middle


def _sides(xyxy: Float) -> Float:
    sides: Float = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1.0)
    return sides


def _size(xyxy: Float) -> Float:
    """Side of a square of the same area."""
    size: Float = np.sqrt(_sides(xyxy).prod(axis=1))
    return size


def _iou(one: Float, other: Float) -> Float:
    """Overlap of boxes, (N, M)."""
    shared = np.minimum(one[:, None, 2:], other[:, 2:]) - np.maximum(one[:, None, :2], other[:, :2])
    both = shared.clip(0).prod(axis=2)
    total = _sides(one).prod(axis=1)[:, None] + _sides(other).prod(axis=1) - both
    iou: Float = both / total
    return iou
