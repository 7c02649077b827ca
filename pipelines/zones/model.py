"""Zones and lines as people draw them: names and normalised points, kept in pipelines and in files of their own."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from scenescope.models import SpecError
from scenescope.pipelines.params import Point
from scenescope.pipelines.stage import params_problem

__all__ = ["CountLine", "Ground", "Zone", "ZoneSet"]

MOST_SHAPES = 100
MOST_POINTS = 200
MAX_FILE_BYTES = 1_000_000
# A triangle that covers less of the picture than this is a line.
LEAST_TURN = 1e-5

Name = Annotated[str, Field(min_length=1, max_length=60)]
Metres = Annotated[float, Field(gt=0, le=10_000)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Named(_Shape):
    name: Name


class Zone(_Named):
    """A polygon; ``points`` are (x, y) as fractions of width and height of the source picture.

    ``labels``: classes that count; all when empty. ``dwell_s``: staying longer than this is an event; None for never.
    """

    points: Annotated[tuple[Point, ...], Field(min_length=3, max_length=MOST_POINTS)]
    labels: tuple[str, ...] = ()
    dwell_s: Annotated[float, Field(gt=0, le=86_400)] | None = None


class CountLine(_Named):
    """A directed line; ``start`` and ``end`` are fractions of width and height of the source picture.

    Seen along the line from ``start`` to ``end``, a crossing from its left side to its right is ``forward``, the other
    way round ``backward``; both are words that the user may choose.
    """

    start: Point
    end: Point
    labels: tuple[str, ...] = ()
    forward: Name = "in"
    backward: Name = "out"

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.start == self.end:
            raise ValueError(f"the line '{self.name}' has no length: its two ends are one point")
        if self.forward == self.backward:
            raise ValueError(f"both directions of the line '{self.name}' are called '{self.forward}'")
        return self


class Ground(_Shape):
    """A rectangle on the ground as the camera sees it, to measure speed: its corners in order, and its real size.

    ``points``: four corners, clockwise as seen from above, as fractions of width and height; ``width_m`` is the length
    of the side from the first to the second corner, ``length_m`` that from the second to the third.
    """

    points: Annotated[tuple[Point, ...], Field(min_length=4, max_length=4)]
    width_m: Metres
    length_m: Metres

    @field_validator("points")
    @classmethod
    def _surround_an_area(cls, points: tuple[Point, ...]) -> tuple[Point, ...]:
        turns = [_turn(points[i], points[i - 3], points[i - 2]) for i in range(4)]
        right = sum(turn > 0 for turn in turns)
        if min(abs(turn) for turn in turns) < LEAST_TURN:
            raise ValueError("three corners of the ground lie in one line; pull them apart")
        if right == 2:
            raise ValueError("two sides of the ground cross each other; give its corners in order, all the way round")
        if right not in (0, 4):
            raise ValueError("one corner of the ground lies inside the other three; pull it out")
        return points


def _turn(a: Point, b: Point, c: Point) -> float:
    """Twice the area of a triangle, as a share of the picture; the sign tells which way round it is."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


class ZoneSet(_Shape):
    """All that is drawn on one scene. Names are unique over zones and lines.

    As a file, YAML or JSON::

        zones:
          - {name: entrance, points: [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9], [0.1, 0.9]], labels: [person], dwell_s: 10}
        lines:
          - {name: door, start: [0.5, 0.1], end: [0.5, 0.9], forward: in, backward: out}
        ground: {points: [[0.3, 0.4], [0.6, 0.4], [0.9, 0.9], [0.1, 0.9]], width_m: 7, length_m: 20}
    """

    zones: Annotated[tuple[Zone, ...], Field(max_length=MOST_SHAPES)] = ()
    lines: Annotated[tuple[CountLine, ...], Field(max_length=MOST_SHAPES)] = ()
    ground: Ground | None = None

    @field_validator("zones", "lines", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return () if value is None else value

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = Counter(shape.name for shape in (*self.zones, *self.lines))
        twice = next((name for name, times in names.items() if times > 1), None)
        if twice is not None:
            raise ValueError(f"two zones or lines are called '{twice}'")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of all zones and lines."""
        return tuple(shape.name for shape in (*self.zones, *self.lines))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file.

        Raises:
            SpecError: it is not there, not YAML or JSON, too large, or not zones; the message says what and where.
        """
        path = Path(path)
        hint = "See docs/video.md for what a file of zones looks like."
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise SpecError(f"{path} is too large for a file of zones.", hint=hint)
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SpecError(f"Cannot read {path}: {error.strerror or error}.", hint="Check the path.") from error
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            where = getattr(error, "problem_mark", None)
            line = f", line {where.line + 1}" if where is not None else ""
            raise SpecError(f"{path} is not YAML or JSON{line}.", hint=hint) from error
        if not isinstance(values, dict):
            raise SpecError(f"{path} has no 'zones' or 'lines'.", hint=hint)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SpecError(f"{path}: {params_problem(error)}.", hint=hint) from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, in one step.

        Raises:
            SpecError: it cannot be written there.
        """
        path = Path(path)
        text = yaml.safe_dump(self.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)
        scratch = path.with_name(path.name + ".part")
        try:
            scratch.write_text(text, encoding="utf-8")
            scratch.replace(path)
        except OSError as error:
            raise SpecError(f"Cannot write {path}: {error.strerror}.", hint="Choose another folder.") from error
