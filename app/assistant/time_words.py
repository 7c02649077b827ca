"""Spans of time in words: "in the last 5 minutes", "since 14:30", "between 0:10 and 0:20", "so far"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.spans import SAME_S, Span
from scenescope.models.language import media_time

__all__ = ["Moment", "NoSuchTime", "Period", "duration_s", "span_of", "split_period"]

_ENDS = ("start", "end", "at")

DAY_S = 86_400.0
JUST_NOW_S = 10.0


@dataclass(frozen=True)
class Moment:
    """A moment as it was said.

    Attributes:
        media_s: media time that it would be.
        clock_s: seconds since midnight that it would be; None when it cannot be a time of day.
        width_s: how long the moment lasts that was named: "0:12" is a second, "0:12.4" a tenth, "14:30" of a clock a
            minute.
        clock_width_s: the same by the clock.
    """

    media_s: float | None = None
    clock_s: float | None = None
    width_s: float = 1.0
    clock_width_s: float = 60.0


@dataclass(frozen=True)
class Period:
    """A span of time as it was said; what of it is None was not said.

    Attributes:
        last_s: so many seconds up to now.
        start, end: between two moments, the first included and the second not.
        at: this moment, as long as it lasts.
        today: since midnight.
        so_far: from the beginning until now.
    """

    last_s: float | None = None
    start: Moment | None = None
    end: Moment | None = None
    at: Moment | None = None
    today: bool = False
    so_far: bool = False


class NoSuchTime(ValueError):
    """A span that makes no sense for this session; the message says why, in a sentence."""


# Numbers ---------------------------------------------------------------------------------------------------------

# fmt: off
_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on
_VALUES = {"a": 1, "an": 1, **{w: n for n, w in enumerate(_ONES)}, **{w: 10 * n for n, w in enumerate(_TENS, 2)}}
_WORD = rf"(?:(?:{'|'.join(_TENS)})(?: (?:{'|'.join(_ONES[1:10])}))?|{'|'.join(sorted(_ONES, key=len, reverse=True))})"
_NUMBER = rf"(?:\d{{1,6}}(?:\.\d{{1,3}})?|{_WORD})"
_UNITS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600}
_UNIT = r"(?:seconds|second|secs|sec|s|minutes|minute|mins|min|m|hours|hour|hrs|hr|h)\b"
_PART = (
    rf"(?:half an? {_UNIT}|a half {_UNIT}|half {_UNIT}|(?:a )?quarter of an? {_UNIT}|three quarters of an? {_UNIT}"
    rf"|{_NUMBER} and a half {_UNIT}|an? {_UNIT} and a half|{_NUMBER} ?{_UNIT}|an? {_UNIT})"
)
_LENGTH = rf"{_PART}(?:(?: and)? {_PART}){{0,2}}"
_SHARES = (
    (re.compile(rf"(?:a )?half (?:an? )?(?P<u>{_UNIT})"), lambda n: 0.5),
    (re.compile(rf"(?:a )?quarter of an? (?P<u>{_UNIT})"), lambda n: 0.25),
    (re.compile(rf"three quarters of an? (?P<u>{_UNIT})"), lambda n: 0.75),
    (re.compile(rf"(?P<n>{_NUMBER}) and a half (?P<u>{_UNIT})"), lambda n: n + 0.5),
    (re.compile(rf"an? (?P<u>{_UNIT}) and a half"), lambda n: 1.5),
    (re.compile(rf"(?P<n>{_NUMBER}|an?) ?(?P<u>{_UNIT})"), lambda n: n),
)


def _number(words: str) -> float:
    return float(words) if words[:1].isdigit() else float(sum(_VALUES[word] for word in words.split()))


def duration_s(words: str) -> float | None:
    """A length of time in seconds: "five minutes", "half a minute", "1 min 30 s"; None when it is none."""
    if not re.fullmatch(_LENGTH, words):
        return None
    total, rest = 0.0, words
    while rest:
        for pattern, value in _SHARES:
            match = pattern.match(rest)
            if match:
                number = match.groupdict().get("n")
                unit = match["u"] if match["u"] in _UNITS else match["u"].removesuffix("s")
                total += value(_number(number) if number else 1.0) * _UNITS[unit]
                rest = re.sub(r"^(?: and)? ", "", rest[match.end() :])
                break
        else:
            return None
    return total


# Moments ---------------------------------------------------------------------------------------------------------

_DIGITS = r"\d{1,3}:\d{2}(?::\d{2})?(?:\.\d{1,3})?(?: ?(?:am|pm))?|\d{1,2} ?(?:am|pm)|\d{1,2} o clock"
_NAMED = r"noon|midday|midnight|the (?:very )?(?:start|beginning)"
_SECOND = rf"(?:second|minute) {_NUMBER}|{_LENGTH}(?: in| into (?:it|the (?:video|film|clip|recording)))?"
_MOMENT = rf"(?:{_DIGITS}|{_NAMED}|{_SECOND})"


def moment_of(words: str) -> Moment | None:
    """A moment: "0:12", "1:02:03.5", "14:30", "2 pm", "12 seconds", "minute 3", "noon"; None when it is none."""
    if words in ("noon", "midday", "midnight"):
        return Moment(clock_s=0.0 if words == "midnight" else DAY_S / 2)
    if re.fullmatch(r"the (?:very )?(?:start|beginning)", words):
        return Moment(0.0)
    if match := re.fullmatch(r"(\d{1,2})(?: ?(am|pm)| o clock)", words):
        clock_s = _clock_s(int(match[1]), 0, 0.0, match[2] or "")
        return None if clock_s is None else Moment(clock_s=clock_s)
    if match := re.fullmatch(r"(\d{1,3}):(\d\d)(?::(\d\d))?(\.\d{1,3})?(?: ?(am|pm))?", words):
        first, second, third, part, half = match.groups()
        fraction = float(part or 0)
        if int(second) > 59 or int(third or 0) > 59:
            return None
        clock_s = _clock_s(int(first), int(second), int(third or 0) + fraction, half or "")
        if half:
            return None if clock_s is None else Moment(clock_s=clock_s, clock_width_s=1.0 if third else 60.0)
        seconds = int(first) * 60 + int(second)
        media_s = (seconds if third is None else seconds * 60 + int(third)) + fraction
        width_s = 10.0 ** -(len(part) - 1) if part else 1.0
        # A tenth of a second is told by the player, not by a clock on a wall.
        return Moment(media_s, None if part else clock_s, width_s, 1.0 if third else 60.0)
    if match := re.fullmatch(rf"(second|minute) ({_NUMBER})", words):
        unit_s = 60 if match[1] == "minute" else 1
        return Moment(_number(match[2]) * unit_s, width_s=float(unit_s))
    length = re.sub(r" in(?:to (?:it|the (?:video|film|clip|recording)))?$", "", words)
    length_s = duration_s(length)
    return None if length_s is None else Moment(length_s)


def _clock_s(hours: int, minutes: int, seconds: float, half: str) -> float | None:
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half == "pm" else 0)
    return None if hours > 23 else hours * 3600 + minutes * 60 + seconds


# Periods ---------------------------------------------------------------------------------------------------------

_WITHIN = r"(?:(?:with)?in|over|during|from)"
_TRAIL = r"(?: of the (?:video|film|clip|recording))?"
_PERIODS = tuple(
    re.compile(form)
    for form in (
        rf"(?:{_WITHIN} )?(?:the |these )?(?:last|past|previous) (?:(?P<last>{_LENGTH})|(?P<unit>second|minute|hour))",
        rf"{_WITHIN} the first (?:(?P<first>{_LENGTH})|(?P<first_unit>second|minute|hour)){_TRAIL}",
        rf"(?:between|from) (?P<start>{_MOMENT}) (?:and|to|till|until|up to) (?P<end>{_MOMENT}){_TRAIL}",
        rf"between (?P<start_number>{_NUMBER}) and (?P<end_number>{_NUMBER}) (?P<both>{_UNIT}){_TRAIL}",
        rf"since (?P<last>{_LENGTH})(?: ago)?",
        rf"(?:since|after|from) (?P<start>{_MOMENT})(?: on| onwards?)?{_TRAIL}",
        rf"(?:before|until|till|up to) (?P<end>{_MOMENT}){_TRAIL}",
        rf"at (?P<at>{_MOMENT}){_TRAIL}",
        r"(?P<just_now>just now)",
        r"(?P<today>today|this day)",
        r"(?P<so_far>so far|until now|till now|up to now|ever|yet|since you (?:began|started)(?: to watch| watching)?"
        r"|since the (?:camera|video|film|source) was opened)",
        r"(?P<all>(?:in|over|during) the (?:whole|entire) (?:video|film|clip|recording|session|log|time)"
        r"|in total|overall)",
    )
)


def split_period(text: str) -> Iterator[tuple[str, Period]]:
    """What is left of a question without its span of time, and the span; every way to read it, the longest first.

    The span is at the end, or at the beginning. ``text`` is as :func:`~scenescope.app.assistant.grammar.normalised`
    makes it.
    """
    words = text.split(" ")
    for start in range(1, len(words)):
        period = _period(" ".join(words[start:]))
        if period is not None:
            yield " ".join(words[:start]), period
    for end in range(len(words) - 1, 0, -1):
        period = _period(" ".join(words[:end]))
        if period is not None:
            yield re.sub("^and ", "", " ".join(words[end:])), period


def _period(text: str) -> Period | None:
    for form in _PERIODS:
        match = form.fullmatch(text)
        if match is None:
            continue
        said = {name: words for name, words in match.groupdict().items() if words is not None}
        period = _made(said)
        if period is not None:
            return period
    return None


def _made(said: dict[str, str]) -> Period | None:
    if "just_now" in said:
        return Period(last_s=JUST_NOW_S)
    if said.keys() & {"last", "unit"}:
        last_s = duration_s(said.get("last") or f"a {said['unit']}")
        return Period(last_s=last_s) if last_s else None
    if said.keys() & {"first", "first_unit"}:
        first_s = duration_s(said.get("first") or f"a {said['first_unit']}")
        return Period(start=Moment(0.0), end=Moment(first_s)) if first_s else None
    if "both" in said:
        said = {"start": f"{said['start_number']} {said['both']}", "end": f"{said['end_number']} {said['both']}"}
    start, end, at = (moment_of(said[name]) if name in said else None for name in _ENDS)
    if said.keys() & set(_ENDS):
        found = dict(zip(_ENDS, (start, end, at), strict=True))
        understood = all(found[name] is not None for name in _ENDS if name in said)
        return Period(start=start, end=end, at=at) if understood else None
    return Period(today="today" in said, so_far="so_far" in said)


# Meaning ---------------------------------------------------------------------------------------------------------


def span_of(period: Period | None, knowledge: Knowledge) -> Span:
    """The part of a session that was meant.

    For a camera a time such as "14:30" is a time of day, by the clock as it shows now: the latest such time that is
    not in the future. For a film it is media time.

    Raises:
        NoSuchTime: it makes no sense for this session.
    """
    if period is None or period == Period():
        return knowledge.span()
    if period.last_s is not None:
        return knowledge.span(last_s=period.last_s)
    if period.so_far:
        return knowledge.so_far()
    if period.today:
        midnight_s = knowledge.midnight_s()
        if midnight_s is None:
            raise NoSuchTime("A film has no time of day, so there is no 'today' in it.")
        return knowledge.so_far(midnight_s, "today")
    moments = [moment for moment in (period.start, period.end, period.at) if moment is not None]
    by_clock = knowledge.has_clock and all(moment.clock_s is not None for moment in moments)
    if not by_clock and any(moment.media_s is None for moment in moments):
        raise NoSuchTime("A film has no time of day. Say a time of the film, such as 0:30.")
    return _by_clock(period, knowledge) if by_clock else _by_media(period, knowledge)


def _by_media(period: Period, knowledge: Knowledge) -> Span:
    if period.at is not None:
        at_s = period.at.media_s or 0.0
        return knowledge.span(start_s=at_s, end_s=at_s + period.at.width_s, words=f"at {media_time(at_s)}")
    start_s = None if period.start is None else period.start.media_s
    end_s = None if period.end is None else period.end.media_s
    if start_s is not None and end_s is not None:
        if start_s == end_s:
            raise NoSuchTime(f"There is no time between {media_time(start_s)} and {media_time(end_s)}.")
        return knowledge.span(start_s=min(start_s, end_s), end_s=max(start_s, end_s))
    if start_s is not None:
        now_s = knowledge.now_s
        if start_s > now_s + SAME_S:
            raise NoSuchTime(f"{media_time(start_s)} is later than now, which is {media_time(now_s)}.")
        return knowledge.so_far(start_s, f"since {media_time(start_s)}")
    return knowledge.span(end_s=end_s)


def _by_clock(period: Period, knowledge: Knowledge) -> Span:
    now_wall_s = knowledge.wall_s(knowledge.now_s)
    assert now_wall_s is not None

    def latest(clock_s: float, not_after_s: float) -> float:
        today_s = knowledge.clock_wall_s(now_wall_s, clock_s)
        return today_s if today_s <= not_after_s else knowledge.clock_wall_s(now_wall_s, clock_s, -1)

    def media_s(wall_s: float) -> float:
        found = knowledge.media_s(wall_s)
        assert found is not None
        return found

    def shown(moment: Moment) -> str:
        hours, rest = divmod(moment.clock_s or 0.0, 3600)
        minutes, seconds = divmod(rest, 60)
        return f"{int(hours)}:{int(minutes):02d}" + (f":{int(seconds):02d}" if moment.clock_width_s < 60 else "")

    if period.at is not None and period.at.clock_s is not None:
        start_s = media_s(latest(period.at.clock_s, now_wall_s))
        return knowledge.span(start_s=start_s, end_s=start_s + period.at.clock_width_s, words=f"at {shown(period.at)}")
    start, end = period.start, period.end
    if start is None or start.clock_s is None:
        assert end is not None
        assert end.clock_s is not None
        return knowledge.span(end_s=media_s(latest(end.clock_s, now_wall_s)), words=f"before {shown(end)}")
    start_wall_s = latest(start.clock_s, now_wall_s)
    if end is None or end.clock_s is None:
        return knowledge.so_far(media_s(start_wall_s), f"since {shown(start)}")
    end_wall_s = knowledge.clock_wall_s(start_wall_s, end.clock_s)
    if end_wall_s <= start_wall_s:
        end_wall_s = knowledge.clock_wall_s(start_wall_s, end.clock_s, 1)
    words = f"between {shown(start)} and {shown(end)}"
    return knowledge.span(start_s=media_s(start_wall_s), end_s=media_s(end_wall_s), words=words)
