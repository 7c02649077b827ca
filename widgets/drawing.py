"""Drawing a region or a line on the picture. No widget: the viewport feeds it and paints what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Drawing"]

Point = tuple[float, float]
REACH_PX = 9.0


@dataclass
class Drawing:
    """A polygon or a line in the making; ``points`` are fractions of the picture's width and height.

    Clicks add corners, corners can be dragged, a line is complete with its second point. Attributes:
        is_line: a directed line of two points instead of a polygon.
        cursor: where the mouse is, for the line that follows it.
    """

    is_line: bool
    points: list[Point] = field(default_factory=list)
    cursor: Point | None = None
    _held: int | None = None

    @classmethod
    def beginning_with(cls, is_line: bool, points: Sequence[Point]) -> Drawing:
        """Go on with a shape that is there already."""
        return cls(is_line, [(float(x), float(y)) for x, y in points])

    @property
    def complete(self) -> bool:
        """True when it can be finished."""
        return len(self.points) == 2 if self.is_line else len(self.points) >= 3

    @property
    def grows(self) -> bool:
        """True when a click adds a point."""
        return not self.is_line or len(self.points) < 2

    @property
    def help(self) -> str:
        """What to do next."""
        if self.is_line:
            return "Drag its ends; Enter takes the line, Esc leaves it" if self.complete else "Click its two ends; Esc"
        if self.complete:
            return "Click more corners or drag them; Enter or a double click takes the region, Esc leaves it"
        return "Click at least three corners; Backspace takes back the last, Esc leaves"

    def press(self, at: Point, pixel: Point) -> None:
        """A click at ``at``; ``pixel`` is the size of a pixel of the view, in the same fractions."""
        self.cursor = at
        self._held = self._near(at, pixel)
        if self._held is None and self.grows:
            self.points.append(_inside(at))
            self._held = len(self.points) - 1
        elif self._held is None and self.is_line:
            self.points = [_inside(at)]
            self._held = 0

    def move(self, at: Point) -> None:
        """The mouse moves, perhaps with a corner held."""
        self.cursor = at
        if self._held is not None:
            self.points[self._held] = _inside(at)

    def release(self) -> None:
        """The button is let go."""
        self._held = None

    def take_back(self) -> None:
        """Remove the last corner."""
        if self.points:
            self.points.pop()
        self._held = None

    def drop_double(self, pixel: Point) -> None:
        """A double click has set two corners on one place: keep one."""
        if len(self.points) > 3 and self._distance(self.points[-1], self.points[-2], pixel) < REACH_PX:
            self.points.pop()
        self._held = None

    def _near(self, at: Point, pixel: Point) -> int | None:
        distances = [(self._distance(point, at, pixel), number) for number, point in enumerate(self.points)]
        nearest = min(distances, default=None)
        return nearest[1] if nearest and nearest[0] <= REACH_PX else None

    @staticmethod
    def _distance(one: Point, other: Point, pixel: Point) -> float:
        """Distance in pixels of the view."""
        return float((((one[0] - other[0]) / pixel[0]) ** 2 + ((one[1] - other[1]) / pixel[1]) ** 2) ** 0.5)


def _inside(point: Point) -> Point:
    return min(max(point[0], 0.0), 1.0), min(max(point[1], 0.0), 1.0)
