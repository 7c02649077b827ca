"""What a form needs to know of each parameter, read from its declaration. No widgets here."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from scenescope.models.catalogue import current
from scenescope.models.vision.devices import devices
from scenescope.pipelines import Line, ModelOf, Region
from scenescope.pipelines.params import LAST, DeviceChoice, FileChoice
from scenescope.pipelines.stage import params_problem
from scenescope.pipelines.zones.model import ZoneSet

__all__ = ["FieldKind", "ParamField", "checked", "describe", "json_values", "title_of"]

Choices = tuple[tuple[Any, str], ...]

UNITS = {
    "px": "px",
    "s": "s",
    "ms": "ms",
    "deg": "°",
    "hz": "Hz",
    "fps": "fps",
    "percent": "%",
    "db": "dB",
    "m": "m",
    "mm": "mm",
}
_ACRONYMS = {"iou": "IoU", "id": "ID", "fps": "FPS", "rgb": "RGB", "hsv": "HSV", "url": "URL", "nms": "NMS", "qr": "QR"}


class FieldKind(StrEnum):
    """Which editor a parameter gets."""

    INTEGER = "integer"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "choice"
    NAMES = "names"
    TEXT = "text"
    REGION = "region"
    LINE = "line"
    FILE = "file"
    ZONES = "zones"
    YAML = "yaml"


@dataclass(frozen=True)
class ParamField:
    """One parameter as a form shows it.

    Attributes:
        name: in the file.
        title, unit, description: for people.
        kind: of editor.
        default: as JSON holds it; None when it must be given.
        optional: True when None is allowed.
        minimum, maximum: inclusive bounds of a number; None without one.
        step: of a number's arrows and slider.
        decimals: shown of a number.
        choices: JSON value and title of each choice.
    """

    name: str
    title: str
    unit: str
    kind: FieldKind
    description: str
    default: Any
    optional: bool = False
    minimum: float | None = None
    maximum: float | None = None
    step: float = 1
    decimals: int = 0
    choices: tuple[tuple[Any, str], ...] = ()


def title_of(name: str) -> tuple[str, str]:
    """Title and unit of a parameter: ``keep_lost_s`` gives ("Keep lost", "s")."""
    words = name.split("_")
    unit = UNITS.get(words[-1], "") if len(words) > 1 else ""
    words = words[:-1] if unit else words
    shown = [_ACRONYMS.get(word, word) for word in words]
    return " ".join([shown[0][:1].upper() + shown[0][1:], *shown[1:]]), unit


def describe(params: type[BaseModel]) -> tuple[ParamField, ...]:
    """Every parameter of a stage, in the order of its declaration, with those marked ``LAST`` at the end."""
    fields = sorted(params.model_fields.items(), key=lambda item: item[1].json_schema_extra == LAST)
    return tuple(_field(name, info) for name, info in fields)


def json_values(params: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """What each parameter is when ``given`` is what the file says, as JSON holds it.

    A value that is not valid is kept as it is, so that a form can show it.
    """
    values = {field.name: given.get(field.name, field.default) for field in describe(params)}
    try:
        return {**values, **params.model_validate(given).model_dump(mode="json")}
    except ValidationError:
        return values


def checked(params: type[BaseModel], given: dict[str, Any], name: str, value: Any) -> tuple[Any, str]:
    """``value`` for parameter ``name`` as a file would keep it, and what is wrong with it, if anything."""
    try:
        valid = params.model_validate({**given, name: value})
    except ValidationError as error:
        sentence = params_problem(error).removeprefix(f"{name}: ")
        return value, sentence[:1].upper() + sentence[1:]
    return valid.model_dump(mode="json")[name], ""


def _field(name: str, info: FieldInfo) -> ParamField:
    annotation, constraints = _unwrapped(info.annotation, list(info.metadata))
    annotation, optional = _without_none(annotation)
    annotation, constraints = _unwrapped(annotation, constraints)
    kind, choices = _offered(constraints) or _kind(annotation)
    title, unit = title_of(name)
    raw = info.get_default(call_default_factory=True) if not info.is_required() else None
    low, high, step, decimals = _numbers(kind, constraints)
    return ParamField(
        name=name,
        title=info.title or title,
        unit=unit,
        kind=kind,
        description=info.description or "",
        default=None if raw is PydanticUndefined else to_jsonable_python(raw),
        optional=optional,
        minimum=low,
        maximum=high,
        step=step,
        decimals=decimals,
        choices=choices,
    )


def _unwrapped(annotation: Any, constraints: list[Any]) -> tuple[Any, list[Any]]:
    """Look inside ``Annotated``, collecting the bounds that are declared there."""
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        constraints = [*constraints, *_flat(more)]
    return annotation, constraints


def _flat(metadata: list[Any]) -> Iterator[Any]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from item.metadata
        else:
            yield item


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        if len(rest) == 1 and len(rest) < len(get_args(annotation)):
            return rest[0], True
    return annotation, False


def _offered(constraints: list[Any]) -> tuple[FieldKind, Choices] | None:
    """The choices of a text that names something of this computer: a network of the catalogue, a device, a file."""
    for item in constraints:
        if isinstance(item, ModelOf):
            cards = [card for task in item.tasks for card in current().cards(task)]
            return FieldKind.CHOICE, tuple((card.name, card.title) for card in cards)
        if isinstance(item, DeviceChoice):
            return FieldKind.CHOICE, devices()
        if isinstance(item, FileChoice):
            return FieldKind.FILE, ()
    return None


def _kind(annotation: Any) -> tuple[FieldKind, Choices]:
    origin = get_origin(annotation)
    if origin is Literal:
        return FieldKind.CHOICE, tuple((value, _shown(value)) for value in get_args(annotation))
    if origin in (tuple, list) and get_args(annotation)[0] is str and get_args(annotation)[1:] in ((), (...,)):
        return FieldKind.NAMES, ()
    if not isinstance(annotation, type):
        return FieldKind.YAML, ()
    if issubclass(annotation, Enum):
        return FieldKind.CHOICE, tuple((to_jsonable_python(item), _shown(item.name.lower())) for item in annotation)
    for base, kind in (
        (bool, FieldKind.SWITCH),
        (int, FieldKind.INTEGER),
        (float, FieldKind.NUMBER),
        (str, FieldKind.TEXT),
        (Path, FieldKind.FILE),
        (Region, FieldKind.REGION),
        (Line, FieldKind.LINE),
        (ZoneSet, FieldKind.ZONES),
    ):
        if issubclass(annotation, base):
            return kind, ()
    return FieldKind.YAML, ()


def _shown(value: Any) -> str:
    return str(value).replace("_", " ")


def _numbers(kind: FieldKind, constraints: list[Any]) -> tuple[float | None, float | None, float, int]:
    """Inclusive bounds, step and decimals of a number."""
    if kind not in (FieldKind.INTEGER, FieldKind.NUMBER):
        return None, None, 1, 0
    low = high = multiple = None
    for item in constraints:
        if isinstance(item, Ge | Gt):
            low = float(item.ge if isinstance(item, Ge) else item.gt)  # type: ignore[arg-type]
        elif isinstance(item, Le | Lt):
            high = float(item.le if isinstance(item, Le) else item.lt)  # type: ignore[arg-type]
        elif isinstance(item, MultipleOf):
            multiple = float(item.multiple_of)  # type: ignore[arg-type]
    step = multiple or (1.0 if kind is FieldKind.INTEGER else _nice_step(low, high))
    # The first value inside an open bound is one step away from it.
    if any(isinstance(item, Gt) for item in constraints) and low is not None:
        low += step
    if any(isinstance(item, Lt) for item in constraints) and high is not None:
        high -= step
    decimals = 0 if kind is FieldKind.INTEGER else max(0, -math.floor(math.log10(step)))
    return low, high, step, decimals


def _nice_step(low: float | None, high: float | None) -> float:
    """A power of ten that cuts the range into fifty to five hundred steps."""
    if low is None or high is None or high <= low:
        return 0.1
    return float(min(10.0 ** math.floor(math.log10((high - low) / 50)), 1.0))
