"""Orders that set a parameter of a stage: which one is meant, and its value as the stage itself understands it."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from scenescope.app.assistant.orders_names import (
    Order,
    OrderContext,
    Unclear,
    bare,
    find_labels,
    find_stages,
    quoted,
    stage_name,
)
from scenescope.app.assistant.orders_words import lexicon, number, plain
from scenescope.app.assistant.words import joined
from scenescope.pipelines.params import FileChoice
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.stage import params_problem

__all__ = ["HANDLERS"]

Reading = Order | Unclear | None
Handler = Callable[[Mapping[str, str], OrderContext], Reading]
Found = tuple[StageSpec, str]

_UNITS = {
    "px": ("px", "pixel", "pixels"),
    "s": ("s", "second", "seconds"),
    "percent": ("percent",),
    "deg": ("degree", "degrees"),
    "kmh": ("km h", "kmh"),
    "m": ("m", "metres", "meters"),
    "mm": ("mm", "millimetres"),
    "k": ("k", "kelvin"),
}
_ON = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
_ANY_UNIT = re.compile(rf"(-?[\d.]+|[a-z ]+) ({'|'.join(form for forms in _UNITS.values() for form in forms)})")


def _set(slots: Mapping[str, str], context: OrderContext) -> Reading:
    found = _find(slots["target"], context, f"to {slots['value']}")
    if found is None or isinstance(found, Unclear):
        return found
    return _given(*found, slots["value"], context)


def _moved_to(slots: Mapping[str, str], context: OrderContext, sign: int) -> Reading:
    """To a value that is not on the wrong side of the one as it is."""
    order = _set(slots, context)
    if not isinstance(order, Order):
        return order
    args = order.calls[0][1]
    stage = next(one for one in context.spec.stages if one.id == args["stage_id"])
    now, then = stage.params.get(args["name"], _fields(stage, context)[args["name"]].default), args["value"]
    if not _is_number(now) or not _is_number(then):
        return Unclear("Only numbers are raised and lowered.", (order.says,))
    if sign * (then - now) < 0:
        way = "less" if sign > 0 else "more"
        return Unclear(f"It is {_shown(now)} now, so {_shown(then)} is {way}.", (order.says,))
    return order


def _given(stage: StageSpec, name: str, words: str, context: OrderContext) -> Reading:
    field = _fields(stage, context)[name]
    value = _value(words, name, field, context)
    spoken = f"the {_spoken(name)} of {stage_name(stage, context)}"
    if isinstance(value, Unclear):
        return value
    if value is None:
        return Unclear(f"{quoted(words)} cannot be the value of {spoken}. {_range(field)}".strip(), ())
    return _checked(stage, name, value, spoken, context)


def _checked(stage: StageSpec, name: str, value: Any, spoken: str, context: OrderContext) -> Order | Unclear:
    try:
        context.kinds[stage.kind].params.model_validate({**stage.params, name: value})
    except ValidationError as error:
        return Unclear(f"That does not fit {spoken}: {params_problem(error)}.")
    shown = joined([str(one) for one in value]) if isinstance(value, list) else _shown(value)
    args = {"stage_id": stage.id, "name": name, "value": value}
    return Order((("set_stage_param", args),), f"Set {spoken} to {shown or 'all'}")


def _by(slots: Mapping[str, str], context: OrderContext, sign: int) -> Reading:
    """Exact with an amount; without one, steps of a tenth of the range are offered."""
    found = _find(slots["target"], context, "")
    if found is None or isinstance(found, Unclear):
        return found
    stage, name = found
    field, title = _fields(stage, context)[name], stage_name(stage, context)
    now = stage.params.get(name, field.default)
    spoken = f"the {_spoken(name)} of {title}"
    if not _is_number(now):
        return Unclear(f"{spoken[:1].upper()}{spoken[1:]} is not a number. {_range(field)}".strip())
    words = slots.get("value")
    if words is not None:
        amount = _amount(words, now, name, field)
        if amount is None or amount == 0:
            return Unclear(f"{quoted(words)} is no amount for {spoken}.")
        if amount < 0:
            way = "Lower" if sign > 0 else "Raise"
            return Unclear("Up or down?", (f"{way} {spoken} by {words.removeprefix('-')}",))
        value = _rounded(now + sign * amount, field, exact=not words.endswith(" percent"))
        if value == now:
            return Unclear(f"{quoted(words)} is too little to change {spoken}, which is {_shown(now)}.")
        return _checked(stage, name, value, spoken, context)
    low, high = _bounds(field)
    if low is None or high is None:
        return Unclear(f"By how much? {spoken[:1].upper()}{spoken[1:]} is {now:g} now.")
    steps = [_rounded(min(high, max(low, now + sign * (high - low) * part)), field) for part in (0.1, 0.2)]
    offered = tuple(f"Set {spoken} to {_shown(step)}" for step in dict.fromkeys(steps) if step != now)
    return Unclear(
        f"To which value? {spoken[:1].upper()}{spoken[1:]} is {now:g} now, from {low:g} to {high:g}.", offered
    )


def _switch(slots: Mapping[str, str], context: OrderContext, on: bool) -> Reading:
    """Yes-or-no parameters: "turn on the heat map of zones"."""
    found = _find(slots["target"], context, "on" if on else "off")
    if not isinstance(found, tuple) or _fields(found[0], context)[found[1]].annotation is not bool:
        return None
    stage, name = found
    return _checked(stage, name, on, f"the {_spoken(name)} of {stage_name(stage, context)}", context)


# Which one -------------------------------------------------------------------------------------------------------


def _find(phrase: str, context: OrderContext, tail: str) -> Found | Unclear | None:
    """The one parameter that a phrase names: "confidence of the detector", "detector confidence", "confidence"."""
    found: list[Found] = []
    for stage_phrase, name in _splits(phrase):
        stages = find_stages(stage_phrase, context) if stage_phrase else list(context.spec.stages)
        for stage in stages:
            found += [(stage, field) for field in _named(bare(name), stage, context)]
        if found:
            break
    found = list({(stage.id, name): (stage, name) for stage, name in found}.values())
    if len(found) == 1:
        return found[0]
    if not found:
        return _no_such(phrase, context)
    names = [f"the {_spoken(name)} of {stage_name(stage, context)}" for stage, name in found]
    return Unclear(
        f"{quoted(phrase)} may be {joined(names)}. Which one?", tuple(f"Set {name} {tail}" for name in names)
    )


def _splits(phrase: str) -> Iterator[tuple[str, str]]:
    """(stage, parameter) as the phrase may say them; the stage is "" when it names none."""
    for word in ("of", "in", "for", "on", "from"):
        name, found, stage = phrase.partition(f" {word} ")
        if found:
            yield stage, name
    owner, found, name = phrase.partition(" 's ")
    if found:
        yield owner, name
    words = phrase.split()
    for at in range(1, len(words)):
        yield " ".join(words[:at]), " ".join(words[at:])
    yield "", phrase


def _named(name: str, stage: StageSpec, context: OrderContext) -> list[str]:
    """Parameters of a stage with this name; one that is called exactly so wins over other names."""
    fields = _fields(stage, context)
    forms = {field: {plain(field), _spoken(field)} for field in fields}
    exact = [field for field in fields if name in forms[field]]
    return exact or [field for field in fields if name in lexicon().parameters.get(field, ())]


def _no_such(phrase: str, context: OrderContext) -> Unclear | None:
    for stage_phrase, name in _splits(phrase):
        stages = find_stages(stage_phrase, context) if stage_phrase else []
        if len(stages) == 1 and stages[0].kind in context.kinds:
            known = [_spoken(field) for field in _fields(stages[0], context)]
            title = stage_name(stages[0], context)
            has = f"It has {joined(known[:12])}." if known else "It has none."
            return Unclear(f"{title} has no parameter {quoted(bare(name))}. {has}")
    return None


def _fields(stage: StageSpec, context: OrderContext) -> dict[str, FieldInfo]:
    kind = context.kinds.get(stage.kind)
    return dict(kind.params.model_fields) if kind is not None else {}


def _spoken(name: str) -> str:
    """The name without its unit: "sigma" for ``sigma_px``."""
    head, _, unit = name.rpartition("_")
    return plain(head if head and (unit in _UNITS or unit in ("hz", "ms", "iou", "px2")) else name)


# Values ----------------------------------------------------------------------------------------------------------


def _value(words: str, name: str, field: FieldInfo, context: OrderContext) -> Any:
    """A value in words as JSON holds it; None when it is none for this parameter."""
    kinds = _types(field)
    if any(isinstance(mark, FileChoice) for mark in field.metadata) or Path in kinds:
        return Unclear("Files are chosen by you alone, in the form of the stage.")
    if bool in kinds:
        return _ON.get(words)
    if choices := [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]:
        spoken = _ANY_UNIT.sub(r"\1", words)
        return next((choice for choice in choices if plain(str(choice)) in (words, spoken)), None)
    if int in kinds or float in kinds:
        amount = _number(words, name, field)
        return None if amount is None else _rounded(amount, field, exact=True)
    if any(get_origin(kind) is tuple and get_args(kind)[0] is str for kind in kinds):
        labels = find_labels(words, context, "Detect only {}")
        return labels if isinstance(labels, Unclear) else list(labels)
    if re.fullmatch(r"#[0-9a-f]{6}", words) or name == "device":
        return words
    return Unclear(f"The {_spoken(name)} is set in the form of the stage.")


def _types(field: FieldInfo) -> list[Any]:
    kind = field.annotation
    return list(get_args(kind)) if get_origin(kind) in (Union, types.UnionType) else [kind]


def _number(words: str, name: str, field: FieldInfo) -> float | None:
    """With a unit only where it is the parameter's own; a share of 1 may be said in percent."""
    match = _ANY_UNIT.fullmatch(words)
    amount = number(match[1] if match else words)
    if amount is None or match is None:
        return amount
    own = name.rpartition("_")[2]
    if match[2] in _UNITS.get(own, ()):
        return amount
    return round(amount / 100, 9) if match[2] == "percent" and _bounds(field)[1] in (1, 0.99, 0.95) else None


def _amount(words: str, now: float, name: str, field: FieldInfo) -> float | None:
    """By how much: a percentage is one of the value as it is, unless the parameter is itself in percent."""
    if points := re.fullmatch(r"(.+?) (?:percent(?:age)? )?points?", words):
        return _number(f"{points[1]} percent", name, field)
    share = re.fullmatch(r"(.+) percent", words)
    if share is None or name.rpartition("_")[2] == "percent":
        return _number(words, name, field)
    percent = number(share[1])
    return None if percent is None else abs(now) * percent / 100


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rounded(value: float, field: FieldInfo, exact: bool = False) -> int | float:
    """As the field holds it; ``exact`` leaves what is no whole number for the check to refuse."""
    value = round(value, 6)
    if int in _types(field) and (not exact or value == int(value)):
        return round(value)
    return value


def _bounds(field: FieldInfo) -> tuple[Any, Any]:
    low = next((mark.ge for mark in field.metadata if isinstance(mark, Ge)), None)
    high = next((mark.le for mark in field.metadata if isinstance(mark, Le)), None)
    return low, high


def _range(field: FieldInfo) -> str:
    choices = [str(choice) for kind in _types(field) if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices:
        return f"It may be {' or '.join((', '.join(choices[:-1]), choices[-1])) if choices[1:] else choices[0]}."
    low, high = _bounds(field)
    return f"It goes from {low:g} to {high:g}." if low is not None and high is not None else ""


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


HANDLERS: dict[str, Handler] = {
    "set": _set,
    "raise to": lambda slots, context: _moved_to(slots, context, 1),
    "lower to": lambda slots, context: _moved_to(slots, context, -1),
    "more": lambda slots, context: _by(slots, context, 1),
    "less": lambda slots, context: _by(slots, context, -1),
    "switch on": lambda slots, context: _switch(slots, context, True),
    "switch off": lambda slots, context: _switch(slots, context, False),
}
