"""Parameter types for stages. A parameter is declared once; forms, files, the command line and tools follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

__all__ = [
    "LAST",
    "Device",
    "DeviceChoice",
    "FileChoice",
    "FilePath",
    "Line",
    "ModelOf",
    "Point",
    "Region",
    "StageParams",
]

# As ``json_schema_extra`` of a field: forms show it after the others.
LAST: dict[str, JsonValue] = {"last": True}

Unit = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Unit, Unit]


class StageParams(BaseModel):
    """Base of every stage's ``Params``: frozen, validated, and strict about unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


@dataclass(frozen=True)
class ModelOf:
    """Marks a text parameter as the name of a network of the catalogue that does one of ``tasks``.

    ``model: Annotated[str, ModelOf("detection")] = Field("nanodet_g_416_coco", ...)``. A form offers those there are.
    """

    tasks: tuple[str, ...]

    def __init__(self, *tasks: str) -> None:
        object.__setattr__(self, "tasks", tasks)


@dataclass(frozen=True)
class FileChoice:
    """Marks a text parameter as the path of a file; a form has a button to choose one. Empty stands for none."""


FilePath = Annotated[str, FileChoice()]


@dataclass(frozen=True)
class DeviceChoice:
    """Marks a text parameter as a device; a form offers those that this machine has."""


Device = Annotated[
    str,
    DeviceChoice(),
    Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps|tensorrt|openvino|coreml|directml)$"),
]


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
