"""Which numbers and times a sentence names, in digits or in words, and what each is a number of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from scenescope.app.assistant.checks_mentions import Mention
from scenescope.app.assistant.checks_text import Kind, Token
from scenescope.app.assistant.checks_words import Lexicon

__all__ = ["Bound", "Measure", "Number", "numbers"]

MAX_DIGITS = 30
MAX_WORDS_BETWEEN = 3
_MINUS = ("-", "\N{MINUS SIGN}")
_RANGE = ("to", "-", "\N{EN DASH}", "and", "or")
_COLUMNS_S = (3600.0, 60.0, 1.0)


class Measure(Enum):
    """What a number is a number of."""

    COUNT = auto()
    """Of the thing that ``Number.mention`` names."""
    PLAIN = auto()
    PERCENT = auto()
    TRACK = auto()
    FRAME = auto()
    DURATION = auto()
    """Seconds."""
    AGO = auto()
    """Seconds before now."""
    MOMENT = auto()
    """Media time in seconds."""
    CLOCK = auto()
    """``14:05``: media time in seconds, or the time of day."""


class Bound(Enum):
    """How a number is meant."""

    EQUAL = auto()
    MORE = auto()
    FEWER = auto()


@dataclass(frozen=True)
class Number:
    """A number that a sentence names.

    Attributes:
        value: in the unit of ``measure``.
        step: what its last digit stands for: 0.1 for "12.4", 60 for "2 min".
        measure: what it is a number of.
        first, end: its tokens in the sentence, without the unit.
        mention: for a count, what is counted.
        bound: "more than", "at most".
        ordinal: "the third".
        clock: read as a time of day, its seconds since midnight and what its last digit stands for.
    """

    value: float
    step: float
    measure: Measure
    first: int
    end: int
    mention: Mention | None = None
    bound: Bound = Bound.EQUAL
    ordinal: bool = False
    clock: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Value:
    value: float
    step: float
    end: int
    article: bool = False  # "one", "a": a number only before a unit
    ordinal: bool = False
    written: bool = False


def numbers(sentence: Sequence[Token], things: Sequence[Mention], words: Lexicon) -> list[Number]:
    """The numbers of a sentence, in its order."""
    return _Reader(sentence, things, words).all()


class _Reader:
    def __init__(self, sentence: Sequence[Token], things: Sequence[Mention], words: Lexicon) -> None:
        self._tokens = sentence
        self._words = words
        self._starts = {thing.first: thing for thing in things}
        self._ends = {thing.end: thing for thing in things}
        self._inside = {index for thing in things for index in range(thing.first, thing.end)}

    def all(self) -> list[Number]:
        found: list[Number] = []
        index = 0
        while index < len(self._tokens):
            number = None if index in self._inside else self._at(index)
            if number is not None:
                found.append(number)
            index = max(number.end, index + 1) if number else index + 1
        return found

    def _at(self, index: int) -> Number | None:
        token = self._tokens[index]
        if token.kind is Kind.CLOCK:
            return self._clock(index)
        if token.kind is Kind.TRACK:
            return Number(_digits(token.text.lstrip("# ")), 1, Measure.TRACK, index, index + 1)
        value = self._value(index)
        return self._classified(index, value) if value else None

    # Values ------------------------------------------------------------------------------------------------------

    def _value(self, index: int) -> _Value | None:
        token = self._tokens[index]
        if token.kind is Kind.NUMBER:
            return self._in_digits(index)
        word, words = token.text, self._words
        if token.kind is not Kind.WORD:
            return None
        if word in ("a", "an"):
            group = self._word(index + 1)
            if group in ("couple", "pair") and (self._word(index + 2) != "of" or index + 1 in self._inside):
                return None
            if group in words.groups and index + 1 not in self._inside:
                return self._in_words(index + 1, words.groups[group], index + 2)
            unit = self._word(index + 1) in words.units
            return _Value(1, 1, index + 1, article=True) if unit else None
        if word == "half":
            return self._half(index)
        if word in words.ordinals:
            counted = index + 1 in self._starts and word != "second"
            second = word == "second" and index + 1 in self._starts and self._word(index - 1) in ("a", "the")
            plain = word != "second" and self._word(index - 1) not in ("left", "right", "top", "bottom", "one", "two")
            return _Value(words.ordinals[word], 1, index + 1, ordinal=True) if counted or second or plain else None
        if word in words.alone:
            before_thing = self._counted(index + 1) is not None
            return _Value(words.alone[word], 1, index + 1) if before_thing or word != "both" else None
        if word in words.numbers:
            return self._in_words(index, None, index)
        return None

    def _in_digits(self, index: int) -> _Value:
        text = self._tokens[index].text
        decimals = len(text.partition(".")[2])
        value, step, end = _digits(text.replace(",", "")), 10.0**-decimals, index + 1
        following = self._word(end)
        if following in ("st", "nd", "rd", "th") and self._touches(end):
            return _Value(value, 1, end + 1, ordinal=True)
        if following in self._words.multipliers and (following != "k" or self._touches(end)):
            factor = self._words.multipliers[following]
            value, step, end = value * factor, step * factor, end + 1
        if self._is_minus(index - 1):
            value = -value
        return _Value(value, step, end)

    def _in_words(self, index: int, start: float | None, end: int) -> _Value:
        """As in "twenty-one", "two hundred and five", "two dozen", "a hundred"."""
        words = self._words
        total, current, only_one = 0.0, start or 0.0, self._tokens[index].text == "one" and start is None
        if start is None:
            current, end = words.numbers[self._tokens[index].text], index + 1
        while end < len(self._tokens):
            step = end + (self._tokens[end].text in ("-", "and") and (self._word(end) == "-" or current >= 100))
            word = self._word(step)
            if step in self._inside:
                break
            if word in words.multipliers and word != "k" and step == end:
                current, only_one = current * words.multipliers[word], False
                if current >= 1000:
                    total, current = total + current, 0.0
            elif word in words.numbers and _continues(current or total, words.numbers[word]):
                current, only_one = current + words.numbers[word], False
            else:
                break
            end = step + 1
        exact = self._words.has("exactly", self._word(index - 1))
        return _Value(total + current, 1, end, article=only_one and not exact, written=True)

    def _half(self, index: int) -> _Value | None:
        words, after = self._words, self._word(index + 1)
        if self._word(index - 1) in words.zones or self._word(index - 1) in ("other", "lower", "upper", "first"):
            return None
        if after == "a" and self._word(index + 2) in words.multipliers:
            return _Value(words.multipliers[self._word(index + 2)] / 2, 1, index + 3)
        if after in ("a", "an") and self._word(index + 2) in words.units:
            return _Value(0.5, 0.5, index + 2)
        return _Value(0.5, 0.01, index + 1)

    # What they are numbers of ------------------------------------------------------------------------------------

    def _classified(self, index: int, value: _Value) -> Number | None:
        words, end = self._words, value.end
        after, before = self._word(end), self._word(index - 1)
        if after == "-" and self._touches(end):
            after = self._word(end + 1)
        if not value.ordinal and after in words.units and end not in self._starts:
            return self._span(index, value)
        if value.article:
            return None
        factor = self._unit_of_range(end) or (words.units.get(before) if self._word(index - 2) == "at" else None)
        if factor is not None:
            measure = Measure.MOMENT if words.has("time_words", before) else Measure.DURATION
            return Number(value.value * factor, value.step * factor, measure, index, end)
        number = Number(value.value, value.step, Measure.PLAIN, index, end, bound=self._bound(index))
        if after == "%" or (after in ("percent", "per") and self._word(end + 1) != "person"):
            return _as(number, Measure.PERCENT)
        if words.has("frame_words", before):
            return _as(number, Measure.FRAME)
        if before in ("track", "tracks", "id", "ids"):
            return _as(number, Measure.TRACK)
        thing = self._counted(end) or self._counted_before(index, value)
        if thing is not None:
            return Number(
                value.value, value.step, Measure.COUNT, index, end, thing, number.bound, ordinal=value.ordinal
            )
        if value.ordinal:
            return Number(value.value, value.step, Measure.PLAIN, index, end, ordinal=True)
        if words.has("track_words", before) or (index in self._ends and not value.written):
            return _as(number, Measure.TRACK)
        if words.has("round", before) and number.value >= 100:
            return Number(number.value, _round_step(number.value, number.step), Measure.PLAIN, index, end)
        return number

    def _span(self, index: int, value: _Value) -> Number | None:
        """A length of time or a moment, of one or more units: "1 min 5 s ago"."""
        total = step = 0.0
        part: _Value | None = value
        end = index
        factor = 0.0
        while part is not None:
            end = part.end
            if self._word(end) == "-":
                end += 1
            factor = self._words.units[self._word(end)]
            total, step, end = total + part.value * factor, part.step * factor, end + 1
            after = end + (self._word(end) in ("and", ","))
            part = self._value(after) if after < len(self._tokens) and after not in self._inside else None
            if part and (part.article or part.ordinal or self._unit(part.end) is None):
                part = None
            if part and self._words.units[self._word(part.end)] >= factor:
                part = None
        if self._words.has("ago", self._word(end)):
            return Number(total, step, Measure.AGO, index, end)
        if value.article and step == value.step * factor:
            return None
        at = self._words.has("time_words", self._word(index - 1)) and self._word(index - 1) not in ("to", "and")
        into = self._words.has("after_time", self._word(end)) and self._word(end) != "in"
        moment = (at and self._word(index - 2) != "for") or into
        return Number(total, step, Measure.MOMENT if moment else Measure.DURATION, index, end)

    def _unit_of_range(self, index: int) -> float | None:
        """Seconds of the unit in "to 20 s", "- 20 s", which stands for the number before it too."""
        if self._word(index) not in _RANGE or index + 1 >= len(self._tokens):
            return None
        other = self._value(index + 1)
        return None if other is None or other.article else self._unit(other.end)

    def _clock(self, index: int) -> Number:
        text = self._tokens[index].text
        whole, _, decimals = text.partition(".")
        parts = [float(part) for part in whole.split(":")]
        seconds = sum(part * column for part, column in zip(parts, _COLUMNS_S[-len(parts) :], strict=True))
        of_day = sum(part * column for part, column in zip(parts, _COLUMNS_S, strict=False))
        half = self._word(index + 1)
        if half in ("am", "pm") or (half in ("a", "p") and self._word(index + 2) == "."):
            of_day = of_day % 43200 + (43200 if half[0] == "p" else 0)
        fraction, step = (float(f"0.{decimals}"), 10.0 ** -len(decimals)) if decimals else (0.0, 1.0)
        clock = (of_day, 60.0 if len(parts) == 2 else 1.0) if parts[0] < 24 and not decimals else None
        return Number(seconds + fraction, step, Measure.CLOCK, index, index + 1, clock=clock)

    def _counted(self, index: int) -> Mention | None:
        """The thing that a number before ``index`` counts: "two large dogs", "two of the dogs"."""
        for step in range(index, min(index + MAX_WORDS_BETWEEN + 1, len(self._tokens))):
            if step in self._starts:
                return self._starts[step]
            token = self._tokens[step]
            if token.text == "-" and self._touches(step):
                continue
            if token.kind is not Kind.WORD or step in self._inside or not self._may_stand_between(step):
                return None
        return None

    def _counted_before(self, index: int, value: _Value) -> Mention | None:
        """The thing in "cars: 3", "the number of cars is 3", "3 of them are cars"."""
        words, end = self._words, value.end
        them = self._word(end) == "of" and words.has("pronouns", self._word(end + 1))
        if them and self._word(end + 2) in ("is", "are", "was", "were"):
            return self._starts.get(end + 3)
        if value.ordinal or value.step != 1 or not words.has("count_links", self._word(index - 1)):
            return None
        return self._ends.get(index - 1)

    def _may_stand_between(self, index: int) -> bool:
        words, text = self._words, self._tokens[index].text
        if words.has("between", text):
            return True
        stops = any(words.has(group, text) for group in ("prepositions", "verbs", "clause_ends", "subjects", "ago"))
        return not (stops or text in words.units or text in words.numbers or text in ("and", "or", "a", "an", "times"))

    def _bound(self, index: int) -> Bound:
        if self._words.more.ending(self._tokens, index):
            return Bound.MORE
        return Bound.FEWER if self._words.fewer.ending(self._tokens, index) else Bound.EQUAL

    def _unit(self, index: int) -> float | None:
        return self._words.units.get(self._word(index))

    def _is_minus(self, index: int) -> bool:
        if index < 0 or self._tokens[index].text not in _MINUS:
            return False
        alone = index == 0 or self._tokens[index - 1].end < self._tokens[index].start
        return alone and self._tokens[index].end == self._tokens[index + 1].start

    def _touches(self, index: int) -> bool:
        return 0 < index < len(self._tokens) and self._tokens[index - 1].end == self._tokens[index].start

    def _word(self, index: int) -> str:
        return self._tokens[index].text if 0 <= index < len(self._tokens) else ""


def _continues(current: float, word: float) -> bool:
    """Whether a word adds to a number: "twenty-one", "hundred five", but not "two three"."""
    return (current % 10 == 0 and current % 100 >= 20 and 0 < word < 10) or (current >= 100 and current % 100 == 0)


def _digits(text: str) -> float:
    return float(text[:MAX_DIGITS])


def _as(number: Number, measure: Measure) -> Number:
    return Number(number.value, number.step, measure, number.first, number.end, bound=number.bound)


def _round_step(value: float, step: float) -> float:
    """What the last digit that is no nought stands for: 100 for 1,200."""
    while value % (step * 10) == 0 and step < value:
        step *= 10
    return step
