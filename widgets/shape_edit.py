"""Taking hold of zones and lines on the picture and changing them. No widget: a layer of the viewport feeds it.

Points are fractions of the picture's width and height; ``pixel`` is the size of one pixel of the view in the same
fractions, so that what can be gripped is as large on every screen and at every zoom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet

__all__ = [
    "GROUND",
    "Grip",
    "Part",
    "changed",
    "free_name",
    "grip_at",
    "grips_of",
    "is_line",
    "moved",
    "names_of",
    "outline",
    "with_corner",
    "without",
    "without_corner",
]

Point = tuple[float, float]

GROUND = "\0ground"
"""Stands for the ground's rectangle where a shape is named; no zone can be called so on a keyboard."""

REACH_PX = 10.0
LEAST_CORNERS = 3


class Part(StrEnum):
    """What of a shape is held."""

    CORNER = "corner"
    EDGE = "edge"
    BODY = "body"


@dataclass(frozen=True)
class Grip:
    """A part of a shape: ``number`` counts its corners, or the edge behind that corner; 0 for the body."""

    shape: str
    part: Part
    number: int = 0


def outline(zones: ZoneSet, name: str) -> tuple[Point, ...]:
    """The corners of a zone or the ground, or the two ends of a line; empty when there is no such shape."""
    if name == GROUND:
        return zones.ground.points if zones.ground is not None else ()
    for zone in zones.zones:
        if zone.name == name:
            return zone.points
    for line in zones.lines:
        if line.name == name:
            return line.start, line.end
    return ()


def is_line(zones: ZoneSet, name: str) -> bool:
    """True for a counting line."""
    return any(line.name == name for line in zones.lines)


def names_of(zones: ZoneSet) -> Iterator[str]:
    """All shapes, those painted last first: they lie on top."""
    if zones.ground is not None:
        yield GROUND
    yield from (line.name for line in reversed(zones.lines))
    yield from (zone.name for zone in reversed(zones.zones))


def grips_of(zones: ZoneSet, name: str) -> list[Grip]:
    """The corners of a shape and then the whole of it, for going through them with a key."""
    return [*(Grip(name, Part.CORNER, i) for i in range(len(outline(zones, name)))), Grip(name, Part.BODY)]


def grip_at(zones: ZoneSet, at: Point, pixel: Point, first: str = "") -> Grip | None:
    """What is under the mouse: a corner within reach, else an edge, else the inside of a zone.

    Args:
        zones: all shapes.
        at: where the mouse is.
        pixel: size of a pixel of the view.
        first: the chosen shape, which goes before the others.
    """
    names = sorted(names_of(zones), key=lambda name: name != first)
    reach = _corner_under, _edge_under, _body_under
    for look in reach:
        for name in names:
            number = look(outline(zones, name), at, pixel, is_line(zones, name))
            if number is not None:
                part = (Part.CORNER, Part.EDGE, Part.BODY)[reach.index(look)]
                # A line has nothing inside: held between its ends it is moved as a whole.
                return Grip(name, Part.BODY) if part is Part.EDGE and is_line(zones, name) else Grip(name, part, number)
    return None


def moved(zones: ZoneSet, grip: Grip, by: Point) -> ZoneSet:
    """``zones`` with what is held shifted by (x, y), as far as the picture reaches."""
    points = list(outline(zones, grip.shape))
    if not points:
        return zones
    if grip.part is Part.CORNER:
        held = [grip.number]
    elif grip.part is Part.EDGE:
        held = [grip.number, (grip.number + 1) % len(points)]
    else:
        held = list(range(len(points)))
    dx = _within(by[0], [points[i][0] for i in held])
    dy = _within(by[1], [points[i][1] for i in held])
    for i in held:
        points[i] = (_rounded(points[i][0] + dx), _rounded(points[i][1] + dy))
    return _with_outline(zones, grip.shape, points)


def with_corner(zones: ZoneSet, grip: Grip, at: Point) -> tuple[ZoneSet, Grip]:
    """A zone with one more corner on the edge that is held, and the grip of that corner."""
    points = list(outline(zones, grip.shape))
    if grip.part is not Part.EDGE or not any(zone.name == grip.shape for zone in zones.zones):
        return zones, grip
    points.insert(grip.number + 1, (_rounded(min(max(at[0], 0.0), 1.0)), _rounded(min(max(at[1], 0.0), 1.0))))
    return _with_outline(zones, grip.shape, points), Grip(grip.shape, Part.CORNER, grip.number + 1)


def without_corner(zones: ZoneSet, grip: Grip) -> ZoneSet:
    """A zone without the corner that is held; the same when it would have fewer than three."""
    points = list(outline(zones, grip.shape))
    is_zone = any(zone.name == grip.shape for zone in zones.zones)
    if grip.part is not Part.CORNER or not is_zone or len(points) <= LEAST_CORNERS:
        return zones
    del points[grip.number]
    return _with_outline(zones, grip.shape, points)


def without(zones: ZoneSet, name: str) -> ZoneSet:
    """Without a shape."""
    if name == GROUND:
        return zones.model_copy(update={"ground": None})
    return zones.model_copy(
        update={
            "zones": tuple(zone for zone in zones.zones if zone.name != name),
            "lines": tuple(line for line in zones.lines if line.name != name),
        }
    )


def changed(zones: ZoneSet, name: str, /, **changes: Any) -> ZoneSet:
    """With some properties of one zone or line set to others.

    Raises:
        ValidationError: a value is not valid, or the new name is taken.
    """
    values = zones.model_dump()
    for shape in (*values["zones"], *values["lines"]):
        if shape["name"] == name:
            shape.update(changes)
            break
    return ZoneSet.model_validate(values)


def free_name(zones: ZoneSet, word: str) -> str:
    """The first of "Zone 1", "Zone 2", ... that is not taken."""
    taken = set(zones.names)
    return next(name for n in range(1, len(taken) + 2) if (name := f"{word} {n}") not in taken)


def _with_outline(zones: ZoneSet, name: str, points: Sequence[Point]) -> ZoneSet:
    corners = tuple(points)
    if name == GROUND and zones.ground is not None:
        return zones.model_copy(update={"ground": zones.ground.model_copy(update={"points": corners})})

    def of_zone(zone: Zone) -> Zone:
        return zone.model_copy(update={"points": corners}) if zone.name == name else zone

    def of_line(line: CountLine) -> CountLine:
        # Two ends on one point are no line; the end that is dragged stays where it was.
        if line.name != name or corners[0] == corners[1]:
            return line
        return line.model_copy(update={"start": corners[0], "end": corners[1]})

    return zones.model_copy(
        update={"zones": tuple(map(of_zone, zones.zones)), "lines": tuple(map(of_line, zones.lines))}
    )


def _within(by: float, values: Sequence[float]) -> float:
    """A shift cut so that none of ``values`` leaves 0..1."""
    return min(max(by, -min(values)), 1.0 - max(values))


def _rounded(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 5)


def _corner_under(points: Sequence[Point], at: Point, pixel: Point, line: bool) -> int | None:
    near = [(_distance_px(point, at, pixel), number) for number, point in enumerate(points)]
    return _nearest(near)


def _edge_under(points: Sequence[Point], at: Point, pixel: Point, line: bool) -> int | None:
    count = len(points) - 1 if line else len(points)
    near = [
        (_distance_px(_foot(points[i], points[(i + 1) % len(points)], at, pixel), at, pixel), i) for i in range(count)
    ]
    return _nearest(near)


def _body_under(points: Sequence[Point], at: Point, pixel: Point, line: bool) -> int | None:
    return 0 if not line and _inside(points, at) else None


def _nearest(near: list[tuple[float, int]]) -> int | None:
    best = min(near, default=None)
    return best[1] if best is not None and best[0] <= REACH_PX else None


def _distance_px(one: Point, other: Point, pixel: Point) -> float:
    return float((((one[0] - other[0]) / pixel[0]) ** 2 + ((one[1] - other[1]) / pixel[1]) ** 2) ** 0.5)


def _foot(a: Point, b: Point, at: Point, pixel: Point) -> Point:
    """The point of the segment from ``a`` to ``b`` that is nearest on the screen."""
    to_px: Callable[[Point], Point] = lambda p: (p[0] / pixel[0], p[1] / pixel[1])  # noqa: E731
    (ax, ay), (bx, by), (px, py) = to_px(a), to_px(b), to_px(at)
    length2 = (bx - ax) ** 2 + (by - ay) ** 2
    t = min(max(((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length2, 0.0), 1.0) if length2 else 0.0
    return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])


def _inside(points: Sequence[Point], at: Point) -> bool:
    """Even-odd rule."""
    inside = False
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], *points[:1]], strict=True):
        if (y1 > at[1]) != (y2 > at[1]) and at[0] < (x2 - x1) * (at[1] - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside
