"""Where each object is in relation to each zone and line, with hysteresis: rows are slots, columns are shapes.

A side is believed when an object is clear of the border by a margin, in two or more sightings or in one to which its
motion led; what happens within the margin is flicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.zones.geometry import LineGeometry, ZoneGeometry
from scenescope.pipelines.zones.identity import Gone

__all__ = ["Change", "LineStates", "Look", "ZoneStates"]

Float = NDArray[np.floating[Any]]
Int = NDArray[np.int64]
# Who keeps to one side of a border for so long is on that side, however near it.
SETTLE_S = 2.0


@dataclass(frozen=True)
class Look:
    """The objects that are seen in one frame.

    Attributes:
        t_s, index: of the frame.
        slot: int64 (M,).
        xy: float64 (M, 2), where each stands, in pixels of the source picture.
        before_xy: float64 (M, 2), where each stood when it was seen last; NaN for a first sighting.
        margin_px: float64 (M,), how far from a border it must be to be clear of it.
        sure: bool (M,), whether it went where its motion led.
        xyxy: float64 (M, 4), their boxes.
    """

    t_s: float
    index: int
    slot: Int
    xy: Float
    before_xy: Float
    margin_px: Float
    sure: NDArray[np.bool_]
    xyxy: Float


@dataclass(frozen=True)
class Change:
    """An object changed sides; ``t_s``, ``index`` and ``xyxy`` are of the frame in which it was first over there.

    ``way`` is +1 for into a zone or forward over a line, -1 for the other. ``began_s``: when the stay that is over
    began.
    """

    slot: int
    column: int
    way: int
    t_s: float
    index: int
    xyxy: tuple[float, float, float, float]
    began_s: float = 0.0


class _Table:
    """Arrays with a row for each slot and a column for each shape, by name."""

    def __init__(self, columns: int, **kinds: tuple[type, tuple[int, ...]]) -> None:
        self._kinds = kinds
        for name, (dtype, trailing) in kinds.items():
            setattr(self, name, np.zeros((0, columns, *trailing), dtype))

    def grow(self, capacity: int) -> None:
        """Have rows for so many slots."""
        for name in self._kinds:
            column = getattr(self, name)
            if len(column) < capacity:
                larger = np.zeros((capacity, *column.shape[1:]), column.dtype)
                larger[: len(column)] = column
                setattr(self, name, larger)

    def rearrange(self, sources: Sequence[int | None]) -> None:
        """Have these columns: each one of the former, or an empty one for None."""
        for name in self._kinds:
            old = getattr(self, name)
            new = np.zeros((len(old), len(sources), *old.shape[2:]), old.dtype)
            for to, source in enumerate(sources):
                if source is not None:
                    new[:, to] = old[:, source]
            setattr(self, name, new)

    def clear(self, slots: int | list[int] | slice) -> None:
        """Know nothing about these slots."""
        for name in self._kinds:
            getattr(self, name)[slots] = 0


class ZoneStates(_Table):
    """Who is in which zone.

    Args:
        geometry: of the zones.
        confirm: how many sightings clear of the border make a change.
    """

    inside: NDArray[np.bool_]
    entered_s: Float
    dwelt: NDArray[np.bool_]
    _over: NDArray[np.bool_]
    _run: Int
    _t_s: Float
    _index: Int
    _xyxy: Float

    def __init__(self, geometry: ZoneGeometry, confirm: int) -> None:
        self.geometry = geometry
        self.confirm = confirm
        super().__init__(
            len(geometry.polygons),
            inside=(bool, ()),
            entered_s=(float, ()),
            dwelt=(bool, ()),
            _over=(bool, ()),
            _run=(int, ()),
            _t_s=(float, ()),
            _index=(int, ()),
            _xyxy=(float, (4,)),
        )

    def place(self, slots: list[int], xy: Float, t_s: float, columns: list[int]) -> None:
        """Believe in which of these zones objects are now, without a change of sides that would be counted."""
        if not slots or not columns:
            return
        at = np.ix_(slots, columns)
        inside = (self.geometry.depth(xy) > 0)[:, columns]
        self.entered_s[at] = np.where(inside & self.inside[at], self.entered_s[at], t_s)
        self.dwelt[at] &= inside
        self.inside[at] = inside
        self._over[at] = False
        self._run[at] = 0

    def staying(self, slots: Int) -> NDArray[np.bool_]:
        """Bool (M, zones), who is in which zone and not on the way out, for all that is known."""
        return self.inside[slots] & ~self._over[slots]

    def step(self, look: Look) -> list[Change]:
        """Take the next frame; who went in or out."""
        slot = look.slot
        depth = self.geometry.depth(look.xy)
        over = (depth > 0) != self.inside[slot]
        begun = over & ~self._over[slot]
        first_s = np.where(begun, look.t_s, self._t_s[slot])
        first_index = np.where(begun, look.index, self._index[slot])
        run = np.where(over, self._run[slot], 0)
        clear = over & (np.abs(depth) > look.margin_px[:, None])
        run = run + clear
        settled = over & (look.t_s - first_s >= SETTLE_S)
        changed = (clear & look.sure[:, None]) | (clear & (run >= self.confirm)) | settled
        self._t_s[slot], self._index[slot] = first_s, first_index
        rows, columns = np.nonzero(begun)
        self._xyxy[slot[rows], columns] = look.xyxy[rows]
        self._over[slot], self._run[slot] = over & ~changed, np.where(changed, 0, run)
        return [self._change(int(slot[row]), int(column)) for row, column in zip(*np.nonzero(changed), strict=True)]

    def _change(self, slot: int, column: int) -> Change:
        at = (slot, column)
        began_s, t_s = float(self.entered_s[at]), float(self._t_s[at])
        entering = not self.inside[at]
        self.inside[at] = entering
        if entering:
            self.entered_s[at], self.dwelt[at] = t_s, False
        left, top, right, bottom = self._xyxy[at].tolist()
        return Change(
            slot, column, 1 if entering else -1, t_s, int(self._index[at]), (left, top, right, bottom), began_s
        )

    def lose(self, gone: Gone) -> list[Change]:
        """An object is out of sight: it leaves where it was, when it was last seen there."""
        slot, left = gone.slot, []
        for column in np.flatnonzero(self.inside[slot]).tolist():
            if self._over[slot, column]:
                left.append(self._change(slot, column))
            else:
                began_s = float(self.entered_s[slot, column])
                left.append(Change(slot, column, -1, gone.t_s, gone.index, gone.xyxy, began_s))
        self.clear(slot)
        return left


class LineStates(_Table):
    """Who is on which side of which line.

    Args:
        geometry: of the lines.
        confirm: how many sightings clear of the line make a crossing.
    """

    side: Int
    _net: Int
    _run: Int
    _t_s: Float
    _index: Int
    _xyxy: Float

    def __init__(self, geometry: LineGeometry, confirm: int) -> None:
        self.geometry = geometry
        self.confirm = confirm
        super().__init__(
            len(geometry.start),
            side=(int, ()),
            _net=(int, ()),
            _run=(int, ()),
            _t_s=(float, ()),
            _index=(int, ()),
            _xyxy=(float, (4,)),
        )

    def inherit(self, slot: int, parent: int) -> None:
        """An object that was taken for another one until now was on the same sides."""
        self.side[slot] = self.side[parent]

    def place(self, slots: list[int], xy: Float, margin_px: Float, columns: list[int]) -> None:
        """Believe on which side of these lines objects are now, without a crossing that would be counted."""
        if not slots or not columns:
            return
        at = np.ix_(slots, columns)
        offset = self.geometry.offset(xy)[:, columns]
        self.side[at] = np.where(np.abs(offset) > margin_px[:, None], np.sign(offset), 0)
        self._net[at] = self._run[at] = 0

    def step(self, look: Look) -> list[Change]:
        """Take the next frame; who crossed."""
        slot, before_xy = look.slot, look.before_xy
        offset, before = self.geometry.offset(look.xy), self.geometry.offset(before_xy)
        known = np.isfinite(before)
        way = np.where(offset >= 0, 1, -1)
        hit = known & self.geometry.hits(before_xy, look.xy, before, offset)
        net = self._net[slot] + np.where(hit, way, 0)
        rows, columns = np.nonzero(hit)
        self._t_s[slot[rows], columns] = look.t_s
        self._index[slot[rows], columns] = look.index
        self._xyxy[slot[rows], columns] = look.xyxy[rows]

        side = self.side[slot]
        clear = np.abs(offset) > look.margin_px[:, None]
        away = (side != 0) & (way != side)
        run = np.where(away, self._run[slot] + clear, 0)
        arrived = away & clear & (look.sure[:, None] | (run >= self.confirm))
        counted = arrived & (net == way)
        # Clear of the line on the side it was on, or on a first one: what it did in between comes to nothing.
        settled = arrived | (clear & ~away)
        self.side[slot] = np.where(settled, way, side)
        self._net[slot] = np.where(settled, 0, net)
        self._run[slot] = np.where(settled, 0, run)
        return [
            self._change(int(slot[row]), int(column), int(way[row, column]))
            for row, column in zip(*np.nonzero(counted), strict=True)
        ]

    def _change(self, slot: int, column: int, way: int) -> Change:
        at = (slot, column)
        left, top, right, bottom = self._xyxy[at].tolist()
        return Change(slot, column, way, float(self._t_s[at]), int(self._index[at]), (left, top, right, bottom))

    def lose(self, slot: int) -> list[Change]:
        """An object is out of sight: where its last sighting was clear beyond a line, it has crossed."""
        side = self.side[slot]
        crossed = np.flatnonzero((self._run[slot] > 0) & (self._net[slot] == -side) & (side != 0)).tolist()
        gone = [self._change(slot, column, -int(side[column])) for column in crossed]
        self.side[slot, crossed] *= -1
        self._net[slot, crossed] = self._run[slot, crossed] = 0
        return gone
