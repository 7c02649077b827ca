"""What a timeline shows, as arrays: events and tracks of a session, which of them are wanted, and in which lane."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.log_events import EventKind
from scenescope.pipelines.log.records import EventColumns, TrackRecord

__all__ = [
    "EventFilter",
    "Group",
    "Lane",
    "TimelineData",
    "TrackColumns",
    "kind_of",
    "lanes_of",
    "merged",
    "no_events",
    "pack",
    "without",
]

# Beyond these a time is damage, not media: three hundred years.
MOST_SECONDS = 1e10
MOST_TRACK_ROWS = 12
CODED = ("kind", "label", "zone", "line")

Ints = NDArray[np.int64]


class Group(StrEnum):
    """Kinds of lanes, in the order in which they stand."""

    MARKS = "Marks"
    SCENES = "Scene changes"
    CLASSES = "Classes"
    ZONES = "Zones"
    LINES = "Lines"
    TRACKS = "Tracks"
    TEXT = "Text and codes"
    GAPS = "Dropped frames"
    LATENCY = "Stage time"


GROUPS = tuple(Group)
_GROUP_OF_KIND: dict[str, Group] = {
    EventKind.MARK: Group.MARKS,
    EventKind.SCENE_CHANGE: Group.SCENES,
    EventKind.CODE: Group.TEXT,
    EventKind.TEXT: Group.TEXT,
    EventKind.CAPTION: Group.TEXT,
    EventKind.GAP: Group.GAPS,
}


@dataclass(frozen=True, eq=False)
class TrackColumns:
    """Tracks as parallel arrays, sorted by their first moment.

    Attributes:
        track_id, first_frame: int64 (N,).
        first_s, last_s: float64 (N,); the last is never before the first.
        label: int32 (N,), indices into ``names``.
        row: int32 (N,), the row of the lane in which its bar lies; bars of a row overlap only when rows ran out.
    """

    track_id: Ints
    first_s: NDArray[np.float64]
    last_s: NDArray[np.float64]
    first_frame: Ints
    label: NDArray[np.int32]
    row: NDArray[np.int32]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.track_id)

    @classmethod
    def of(cls, tracks: Sequence[TrackRecord]) -> TrackColumns:
        """Those of the tracks that have a time."""
        first = np.array([one.first_s for one in tracks], np.float64)
        last = np.array([one.last_s for one in tracks], np.float64)
        kept = np.flatnonzero((np.abs(first) < MOST_SECONDS) & (np.abs(last) < MOST_SECONDS))
        order = kept[np.argsort(first[kept], kind="stable")]
        first, last = first[order], np.maximum(last[order], first[order])
        chosen = [tracks[at] for at in order]
        names = tuple(dict.fromkeys(one.label for one in chosen))
        code = {name: number for number, name in enumerate(names)}
        return cls(
            np.array([one.track_id for one in chosen], np.int64),
            first,
            last,
            np.array([one.first_frame for one in chosen], np.int64),
            np.array([code[one.label] for one in chosen], np.int32),
            pack(first, last, MOST_TRACK_ROWS),
            names,
        )


def pack(first_s: NDArray[np.float64], last_s: NDArray[np.float64], most: int) -> NDArray[np.int32]:
    """Rows, int32 (N,), such that bars of one row do not overlap, as long as ``most`` rows suffice.

    Greedy interval partitioning (Kleinberg and Tardos, Algorithm Design, 4.1): bars in the order of their beginnings,
    each into a free row, the lowest there is. Beyond ``most`` the row that is free soonest takes it.
    """
    rows = np.zeros(len(first_s), np.int32)
    free: list[int] = list(range(most))
    busy: list[tuple[float, int]] = []
    for at, (first, last) in enumerate(zip(first_s.tolist(), last_s.tolist(), strict=True)):
        while busy and busy[0][0] < first:
            heapq.heappush(free, heapq.heappop(busy)[1])
        row = heapq.heappop(free) if free else heapq.heappop(busy)[1]
        heapq.heappush(busy, (last, row))
        rows[at] = row
    return rows


def no_events() -> EventColumns:
    """Columns of no rows."""
    whole, real, code = np.zeros(0, np.int64), np.zeros(0, np.float64), np.zeros(0, np.int32)
    names: dict[str, tuple[str, ...]] = dict.fromkeys(CODED, ())
    return EventColumns(whole, real, real, whole, code, code, code, code, whole, names)


def _take(columns: EventColumns, rows: Any) -> EventColumns:
    arrays = ("id", "t_s", "end_s", "frame", "kind", "label", "zone", "line", "track_id")
    return replace(columns, **{name: getattr(columns, name)[rows] for name in arrays})


def cleaned(columns: EventColumns) -> EventColumns:
    """Events with a time that can be shown, sorted by it; an end before its beginning is taken for the beginning."""
    good = np.abs(columns.t_s) < MOST_SECONDS
    if not good.all():
        columns = _take(columns, good)
    if len(columns) and np.any(np.diff(columns.t_s) < 0):
        columns = _take(columns, np.argsort(columns.t_s, kind="stable"))
    ends = np.where(np.abs(columns.end_s) < MOST_SECONDS, np.maximum(columns.end_s, columns.t_s), columns.t_s)
    return replace(columns, end_s=ends)


def merged(old: EventColumns, new: EventColumns) -> EventColumns:
    """Both together, sorted by time; a row that is in both is taken from ``new``."""
    if not len(old):
        return cleaned(new)
    if not len(new):
        return old
    old = without(old, new.id)
    names, codes = {}, {}
    for column in CODED:
        words = dict.fromkeys((*old.names[column], *new.names[column]))
        number = {word: at for at, word in enumerate(words)}
        names[column] = tuple(words)
        lookup = np.array([number[word] for word in new.names[column]], np.int32)
        codes[column] = np.concatenate((getattr(old, column), lookup[getattr(new, column)]))
    plain = {
        column: np.concatenate((getattr(old, column), getattr(new, column)))
        for column in ("id", "t_s", "end_s", "frame", "track_id")
    }
    return cleaned(EventColumns(**plain, **codes, names=names))


def without(columns: EventColumns, ids: Any) -> EventColumns:
    """The columns without the rows of these ids."""
    gone = np.isin(columns.id, np.asarray(ids, np.int64))
    return _take(columns, ~gone) if gone.any() else columns


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted: every condition that is set must hold.

    Attributes:
        kinds: empty for all.
        label, zone, line: None for all.
        track_id: None for all.
        ids: of events that the log has found by their text; None for all.
        range_s: from (included) to (excluded); None for all.
    """

    kinds: frozenset[EventKind] = frozenset()
    label: str | None = None
    zone: str | None = None
    line: str | None = None
    track_id: int | None = None
    ids: frozenset[int] | None = None
    range_s: tuple[float, float] | None = None

    def mask(self, columns: EventColumns) -> NDArray[np.bool_]:
        """Bool (N,), True for what is wanted."""
        wanted = np.ones(len(columns), bool)
        if self.kinds:
            lookup = np.array([name in self.kinds for name in (*columns.names["kind"], "")], bool)
            wanted &= lookup[columns.kind]
        for column, word in (("label", self.label), ("zone", self.zone), ("line", self.line)):
            if word is not None:
                words = columns.names[column]
                wanted &= getattr(columns, column) == (words.index(word) if word in words else -1)
        if self.track_id is not None:
            wanted &= columns.track_id == self.track_id
        if self.ids is not None:
            wanted &= np.isin(columns.id, np.fromiter(self.ids, np.int64, len(self.ids)))
        if self.range_s is not None:
            wanted &= (columns.end_s >= self.range_s[0]) & (columns.t_s < self.range_s[1])
        return wanted

    def track_mask(self, tracks: TrackColumns) -> NDArray[np.bool_]:
        """Bool (N,), True for the tracks that are wanted; only label, number and range tell of them."""
        wanted = np.ones(len(tracks), bool)
        if self.label is not None:
            wanted &= tracks.label == (tracks.names.index(self.label) if self.label in tracks.names else -1)
        if self.track_id is not None:
            wanted &= tracks.track_id == self.track_id
        if self.range_s is not None:
            wanted &= (tracks.last_s >= self.range_s[0]) & (tracks.first_s < self.range_s[1])
        return wanted


@dataclass(frozen=True, eq=False)
class TimelineData:
    """Events and tracks of one session, and what follows from them."""

    columns: EventColumns = field(default_factory=no_events)
    tracks: TrackColumns = field(default_factory=lambda: TrackColumns.of(()))

    @cached_property
    def range_s(self) -> tuple[float, float]:
        """From the first moment to the last; (0, 0) when there is nothing."""
        begins = [a[0] for a in (self.columns.t_s, self.tracks.first_s) if len(a)]
        ends = [a.max() for a in (self.columns.end_s, self.tracks.last_s) if len(a)]
        return (float(min(begins)), float(max(ends))) if begins else (0.0, 0.0)

    @cached_property
    def keys(self) -> list[tuple[Group, str]]:
        """Group and name of every lane that has events or tracks, in the order in which they stand."""
        return self._places[0]

    @cached_property
    def order(self) -> Ints:
        """Rows of the events, int64 (N,), by lane, and by time in a lane."""
        return np.argsort(self._places[1], kind="stable")

    @cached_property
    def ordered_lane(self) -> NDArray[np.int32]:
        """int32 (N,), the lane of each row of ``order``."""
        return self._places[1][self.order]

    @cached_property
    def _places(self) -> tuple[list[tuple[Group, str]], NDArray[np.int32]]:
        """The lanes, and int32 (N,), the lane of each event: each is in one, by what tells most about it."""
        columns = self.columns
        words = columns.names
        by_kind = np.array([GROUPS.index(_GROUP_OF_KIND.get(name, Group.CLASSES)) for name in words["kind"]], np.int64)
        group = by_kind[columns.kind] if len(columns) else np.zeros(0, np.int64)
        plain = group == GROUPS.index(Group.CLASSES)
        name = np.where(plain, columns.label, 0).astype(np.int64)
        for column, kind in (("zone", Group.ZONES), ("line", Group.LINES)):
            named = np.array([bool(word) for word in words[column]] or [False], bool)
            codes: NDArray[np.int32] = getattr(columns, column)
            if len(columns):
                there = plain & named[codes]
                group[there], name[there] = GROUPS.index(kind), codes[there]
        wide = 1 + max((len(words[column]) for column in ("label", "zone", "line")), default=0)
        used, lane = np.unique(group * wide + name, return_inverse=True)
        keys = []
        for code in used.tolist():
            of = GROUPS[code // wide]
            named_by = {Group.CLASSES: "label", Group.ZONES: "zone", Group.LINES: "line"}.get(of)
            keys.append((of, words[named_by][code % wide] if named_by else ""))
        missing = [(Group.CLASSES, label) for label in self.tracks.names]
        if len(self.tracks):
            missing.append((Group.TRACKS, ""))
        all_keys = [*keys, *(key for key in missing if key not in set(keys))]
        ranked = sorted(range(len(all_keys)), key=lambda at: (GROUPS.index(all_keys[at][0]), all_keys[at][1]))
        place = np.empty(len(all_keys), np.int32)
        place[ranked] = np.arange(len(all_keys), dtype=np.int32)
        return [all_keys[at] for at in ranked], place[lane].astype(np.int32)


_KINDS = {kind.value: kind for kind in EventKind}


def kind_of(name: str) -> EventKind | None:
    """The kind of that name; None for one that this version does not know."""
    return _KINDS.get(name)


@dataclass(frozen=True, eq=False)
class Lane:
    """One lane.

    Attributes:
        group, name: which; the name is empty where a group has one lane only.
        rows: int64 (N,), its events in the columns, by time.
        tracks: int64 (M,), tracks of its class, or all of the lane of tracks, by their beginnings.
    """

    group: Group
    name: str
    rows: Ints
    tracks: Ints


def lanes_of(data: TimelineData, wanted: EventFilter) -> tuple[list[Lane], Ints]:
    """The lanes that hold something that is wanted, and the rows of all wanted events by time."""
    mask = wanted.mask(data.columns)
    kept = mask[data.order]
    rows = data.order[kept]
    bounds = np.searchsorted(data.ordered_lane[kept], np.arange(len(data.keys) + 1))
    good = wanted.track_mask(data.tracks)
    shown = np.flatnonzero(good)
    by_label = np.argsort(data.tracks.label[shown], kind="stable")
    label_bounds = np.searchsorted(data.tracks.label[shown][by_label], np.arange(len(data.tracks.names) + 1))
    number = {name: at for at, name in enumerate(data.tracks.names)}
    lanes = []
    for at, (group, name) in enumerate(data.keys):
        mine = rows[bounds[at] : bounds[at + 1]]
        tracks = shown[:0]
        if group is Group.TRACKS:
            tracks = shown
        elif group is Group.CLASSES and name in number:
            label = number[name]
            tracks = shown[by_label[label_bounds[label] : label_bounds[label + 1]]]
        if len(mine) or len(tracks):
            lanes.append(Lane(group, name, mine, tracks))
    return lanes, np.flatnonzero(mask)
