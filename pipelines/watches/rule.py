"""Watch rules: what "tell me when ..." was understood as, in a form that is seen, edited and kept in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from scenescope.models import SpecError
from scenescope.pipelines.scene_look import COLOURS
from scenescope.pipelines.scene_state import clean_text
from scenescope.pipelines.stage import params_problem
from scenescope.pipelines.watches.words import place, plural, with_article

__all__ = ["Trigger", "WatchRule"]

DAY_S = 86_400

Trigger = Literal["appear", "vanish", "zone_enter", "zone_leave", "line_cross", "dwell", "count"]
Seconds = Annotated[float, Field(ge=0, le=DAY_S, allow_inf_nan=False)]
Label = Annotated[str, Field(min_length=1, max_length=60)]
Number = Annotated[int, Field(ge=0, le=100_000)]

_ZONED = ("zone_enter", "zone_leave", "dwell")
_HELD = ("appear", "vanish", "dwell", "count")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_OTHER_COLOURS = {"gray": "grey", "violet": "purple", "cyan": "turquoise", "magenta": "pink"}


class WatchRule(BaseModel):
    """What is waited for: detector, zone and time decide; a model is asked only to confirm.

    Attributes:
        name: what the user calls it; unique in a :class:`~scenescope.pipelines.watches.book.WatchBook`.
        trigger: what happens, in the words of the event log; "count" is a number of objects that is reached.
        labels: classes that it is about; all when empty.
        colour: only objects of this colour, one of :data:`~scenescope.pipelines.scene_look.COLOURS`; "" for any.
        zone: where; for a count "" stands for the whole picture.
        line, direction: which line, and the line's own word for the way over it; "" for both ways.
        at_least, at_most: for a count, bounds that the number must keep, both included.
        for_s: seconds of media time that it must last: a stay, a number, being there, being gone.
        between: clock times ("08:00", "18:00") within which it counts; they may cross midnight.
        question: asked of a model about the picture before the user is told; "" for none.
        cooldown_s: seconds of media time after a hit in which no other is told.
        enabled: whether it is on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=60)]
    trigger: Trigger
    labels: Annotated[tuple[Label, ...], Field(max_length=20)] = ()
    colour: str = ""
    zone: Annotated[str, Field(max_length=60)] = ""
    line: Annotated[str, Field(max_length=60)] = ""
    direction: Annotated[str, Field(max_length=60)] = ""
    at_least: Number | None = None
    at_most: Number | None = None
    for_s: Seconds = 0.0
    between: tuple[str, str] | None = None
    question: Annotated[str, Field(max_length=200)] = ""
    cooldown_s: Seconds = 10.0
    enabled: bool = True

    @field_validator("name", "question")
    @classmethod
    def _one_line(cls, value: str) -> str:
        value = " ".join(value.split())
        if not value.isprintable():
            raise ValueError("must be one line of printable characters")
        return value

    @field_validator("labels")
    @classmethod
    def _plain_labels(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(clean_text(label) for label in labels))

    @field_validator("colour")
    @classmethod
    def _known_colour(cls, colour: str) -> str:
        colour = colour.strip().lower()
        colour = _OTHER_COLOURS.get(colour, colour)
        if colour and colour not in COLOURS:
            raise ValueError(f"no such colour is told apart; choose one of {', '.join(COLOURS)}")
        return colour

    @field_validator("between", mode="before")
    @classmethod
    def _clock_times(cls, value: Any) -> Any:
        if not isinstance(value, (tuple, list)):
            return value
        times = tuple(_clock_time(one) for one in value)
        if len(times) == 2 and times[0] == times[1]:
            raise ValueError("begins and ends at the same time; leave it out for the whole day")
        return times

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        trigger = self.trigger
        if not self.name:
            raise ValueError("a watch needs a name")
        if trigger in _ZONED and not self.zone:
            raise ValueError(f"'{trigger}' needs a zone")
        if trigger in ("appear", "vanish", "line_cross") and self.zone:
            raise ValueError(f"'{trigger}' has no zone; use 'zone_enter', 'zone_leave', 'dwell' or 'count' for one")
        if trigger == "line_cross" and not self.line:
            raise ValueError("'line_cross' needs a line")
        if trigger != "line_cross" and (self.line or self.direction):
            raise ValueError(f"only 'line_cross' has a line and a direction, '{trigger}' has none")
        if trigger == "dwell" and not self.for_s:
            raise ValueError("'dwell' needs a time: set for_s to the seconds that a stay must last")
        if self.for_s and trigger not in _HELD:
            raise ValueError(f"'{trigger}' happens in a moment and cannot last; use 'dwell' for a stay in a zone")
        if trigger == "count" and self.at_least is None and self.at_most is None:
            raise ValueError("'count' needs a bound: set at_least, at_most or both")
        if trigger != "count" and (self.at_least is not None or self.at_most is not None):
            raise ValueError(f"only 'count' has bounds, '{trigger}' has none")
        if self.at_most is None and self.at_least == 0:
            raise ValueError("at least 0 is always so; set at_least to 1 or more")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at least {self.at_least} and at most {self.at_most} can never be so")
        return self

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The rule with these values.

        Raises:
            SpecError: they make no rule; the message says what is wrong.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            message = f"This cannot be watched for: {_problem(error)}."
            raise SpecError(message, hint="Change that and try again.") from error

    # Words -------------------------------------------------------------------------------------------------------

    @property
    def subject(self) -> str:
        """What it is about: "a red car", "a cat or a dog", "something"."""
        colour = f"{self.colour} " if self.colour else ""
        things = self.labels or (("thing",) if colour else ())
        return " or ".join(with_article(colour + label) for label in things) or "something"

    @property
    def sentence(self) -> str:
        """The rule in plain English: "When a truck enters zone A"."""
        text = f"When {self._happening()}"
        if self.between is not None:
            text += f", between {self.between[0]} and {self.between[1]}"
        return f'{text}, and a model says yes to "{self.question}"' if self.question else text

    def _happening(self) -> str:
        match self.trigger:
            case "appear":
                return f"{self.subject} appears" + (f" and is there for {self.for_s:g} s" if self.for_s else "")
            case "vanish":
                return f"{self.subject} vanishes" + (f" and stays away for {self.for_s:g} s" if self.for_s else "")
            case "zone_enter":
                return f"{self.subject} enters {place('zone', self.zone)}"
            case "zone_leave":
                return f"{self.subject} leaves {place('zone', self.zone)}"
            case "dwell":
                return f"{self.subject} stays in {place('zone', self.zone)} for {self.for_s:g} s"
            case "line_cross":
                way = f" ({self.direction})" if self.direction else ""
                return f"{self.subject} crosses {place('line', self.line)}{way}"
            case "count":
                where = f" in {place('zone', self.zone)}" if self.zone else ""
                held = f" for {self.for_s:g} s" if self.for_s else ""
                return f"there {self._number()}{where}{held}"

    def _number(self) -> str:
        low, high = self.at_least, self.at_most
        if high is None:
            return self._things(f"at least {low}", low)
        if high == 0:
            return self._things("no", 1)
        if low == high:
            return self._things(f"exactly {low}", low)
        return self._things(f"{low} to {high}" if low else f"at most {high}", high)

    def _things(self, words: str, number: int | None) -> str:
        colour = f"{self.colour} " if self.colour else ""
        nouns = self.labels or ("object",)
        things = " or ".join(nouns if number == 1 else map(plural, nouns))
        return f"{'is' if number == 1 else 'are'} {words} {colour}{things}"

    def reached(self, number: int) -> str:
        """For a count: what to say when it is reached, "There are 4 people in zone A."."""
        where = f" in {place('zone', self.zone)}" if self.zone else ""
        return f"There {self._things(str(number or 'no'), number)}{where}."


def _clock_time(value: Any) -> Any:
    # In YAML, 18:00 without quotes is the number 1080.
    if type(value) is int and 0 <= value < 24 * 60:
        return f"{value // 60:02d}:{value % 60:02d}"
    match = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be two times of the day, such as 08:00 and 18:30")
    return f"{int(match[1]):02d}:{match[2]}"


def _problem(error: ValidationError) -> str:
    """The first complaint; one about the whole rule is a sentence of its own."""
    first = error.errors()[0]
    return params_problem(error) if first["loc"] else first["msg"].removeprefix("Value error, ")
