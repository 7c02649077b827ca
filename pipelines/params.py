"""Parameter types for stages. A parameter is declared once; forms, files, the command line and tools follow from it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Line", "Region", "StageParams"]

Unit = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Unit, Unit]


class StageParams(BaseModel):
    """Base of every stage's ``Params``: frozen, validated, and strict about unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Region(BaseModel):
    """A polygon drawn on the picture; ``points`` are (x, y) as fractions of width and height, so it fits any size."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    points: tuple[Point, ...] = ()

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if 0 < len(self.points) < 3:
            raise ValueError("a region needs at least three points, or none for the whole picture")
        return self


class Line(BaseModel):
    """A directed line drawn on the picture; ``start`` and ``end`` are (x, y) as fractions of width and height."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    start: Point = (0.0, 0.5)
    end: Point = (1.0, 0.5)
