"""Which rows a timeline has, and how high they are. No Qt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scenescope.widgets.timeline_data import Group, Lane, TimelineData
from scenescope.widgets.timeline_words import one_line

__all__ = ["Bars", "Row", "arrange", "row_at"]

LANE_PX = 20
HEAD_PX = 20
CLOSED_PX = 16
CURVE_PX = 40
BAR_PX = 7
PAD_PX = 3

_ALONE = frozenset({Group.MARKS, Group.SCENES, Group.TRACKS, Group.TEXT, Group.GAPS, Group.LATENCY})


@dataclass(frozen=True, eq=False)
class Bars:
    """Tracks in one line, ``top_px`` below the top of their row; as ``timeline_raster.bars`` wants them."""

    top_px: int
    first_s: NDArray[np.float64]
    last_s: NDArray[np.float64]
    label: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the picture.

    Attributes:
        group, name: as of the lane; an empty name stands for the whole group.
        title: what its header says.
        top, height: in pixels from the top of the first row.
        rows, tracks: as of the lane.
        closed: the group is collapsed into this row.
        head: it is where the group is opened and closed.
        packed: tracks lie in rows of their own.
        data: what the rows are of.
    """

    group: Group
    name: str
    title: str
    top: int
    height: int
    rows: NDArray[np.int64]
    tracks: NDArray[np.int64]
    closed: bool = False
    head: bool = False
    packed: bool = False
    data: TimelineData = field(default_factory=TimelineData, repr=False)

    @cached_property
    def t_s(self) -> NDArray[np.float64]:
        """Times of its events, ascending."""
        return self.data.columns.t_s[self.rows]

    @cached_property
    def stretches_s(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Beginnings and ends of the events that last, each ascending."""
        end_s = self.data.columns.end_s[self.rows]
        lasting = end_s > self.t_s
        return self.t_s[lasting], np.sort(end_s[lasting])

    @cached_property
    def presence_s(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Beginnings and ends of its tracks, each ascending."""
        tracks = self.data.tracks
        return tracks.first_s[self.tracks], np.sort(tracks.last_s[self.tracks])

    @cached_property
    def bars(self) -> list[Bars]:
        """Its tracks, packed, from the top."""
        tracks = self.data.tracks
        places = tracks.row[self.tracks]
        made = []
        for place in np.unique(places).tolist():
            mine = self.tracks[places == place]
            last_s = np.maximum.accumulate(tracks.last_s[mine])
            made.append(Bars(PAD_PX + place * BAR_PX, tracks.first_s[mine], last_s, tracks.label[mine]))
        return made

    @property
    def key(self) -> tuple[Group, str]:
        """By which it is found again."""
        return self.group, self.name

    @property
    def bare(self) -> bool:
        """It is the header of the lanes below it, and shows nothing itself."""
        return self.head and not self.closed and self.group not in _ALONE

    @property
    def bottom(self) -> int:
        """Where the next row begins."""
        return self.top + self.height


def arrange(
    lanes: Sequence[Lane],
    data: TimelineData,
    collapsed: Collection[Group],
    hidden: Collection[Group],
    drops: bool = False,
    curve: bool = False,
) -> list[Row]:
    """The rows of these lanes, from the top.

    Args:
        lanes: in order.
        data: what they are of.
        collapsed: groups that are one low row.
        hidden: groups that are not there.
        drops: frames were dropped, so there is a lane for them even without events.
        curve: the time of the stages is known.
    """
    nothing = np.zeros(0, np.int64)
    by_group: dict[Group, list[Lane]] = {group: [] for group in Group}
    for lane in lanes:
        by_group[lane.group].append(lane)
    if drops and not by_group[Group.GAPS]:
        by_group[Group.GAPS] = [Lane(Group.GAPS, "", nothing, nothing)]
    if curve:
        by_group[Group.LATENCY] = [Lane(Group.LATENCY, "", nothing, nothing)]
    made: list[Row] = []
    top = 0
    for group, mine in by_group.items():
        if not mine or group in hidden:
            continue
        closed = group in collapsed
        if closed or group in _ALONE:
            rows = np.sort(np.concatenate([lane.rows for lane in mine]))
            tracks = np.unique(np.concatenate([lane.tracks for lane in mine]))
            height = CLOSED_PX if closed else _height(group, tracks, data)
            packed = group is Group.TRACKS and not closed
            title = f"{group.value} ({len(mine)})" if group not in _ALONE else group.value
            made.append(Row(group, "", title, top, height, rows, tracks, closed, True, packed, data))
            top += height
            continue
        made.append(
            Row(group, "", f"{group.value} ({len(mine)})", top, HEAD_PX, nothing, nothing, head=True, data=data)
        )
        top += HEAD_PX
        for lane in mine:
            title = one_line(lane.name) or "(no name)"
            made.append(Row(group, lane.name, title, top, LANE_PX, lane.rows, lane.tracks, data=data))
            top += LANE_PX
    return made


def _height(group: Group, tracks: NDArray[np.int64], data: TimelineData) -> int:
    if group is Group.TRACKS:
        deepest = int(data.tracks.row[tracks].max()) + 1 if len(tracks) else 1
        return max(deepest * BAR_PX + 2 * PAD_PX, LANE_PX)
    return CURVE_PX if group is Group.LATENCY else LANE_PX


def row_at(rows: Sequence[Row], y_px: float) -> Row | None:
    """The row at a height; None below the last and above the first."""
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if rows[middle].bottom <= y_px:
            low = middle + 1
        else:
            high = middle
    return rows[low] if low < len(rows) and rows[low].top <= y_px else None
