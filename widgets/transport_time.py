"""Times of a film as people write and read them: clocks, timecodes, and where "1:02.5", "#1234" or "37%" lies."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from scenescope.pipelines.sources.frame_index import FrameIndex

__all__ = [
    "LONGEST_S",
    "NOTHING_TYPED",
    "FilmExtent",
    "Jump",
    "JumpUnit",
    "Target",
    "clock",
    "exact_clock",
    "parse_jump",
    "resolve",
    "timecode",
    "timecode_frame",
]

NOTHING_TYPED = "Type a time (1:02.5 or 1h2m), a frame (#1234) or a percentage (37%)."
LARGEST_FRAME = 10**9
LONGEST_S = 10**7
"""A film that is said to be longer than this, four months, is not."""
_DROP_RATES_HZ = {30: 30_000 / 1001, 60: 60_000 / 1001}


# Writing -------------------------------------------------------------------------------------------------------------


def clock(seconds: float) -> str:
    """Media time for people: "0:03.2", "1:02:03.4"."""
    return _clock(seconds, 1)


def exact_clock(seconds: float) -> str:
    """Media time to the millisecond: "0:03.217"."""
    return _clock(seconds, 3)


def _clock(seconds: float, digits: int) -> str:
    parts = round(max(seconds, 0.0) * 10**digits)
    whole, part = divmod(parts, 10**digits)
    hours, minutes = whole // 3600, whole // 60 % 60
    rest = f"{whole % 60:02d}.{part:0{digits}d}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def timecode(frame: int, rate_hz: float) -> str:
    """A frame's number as SMPTE ST 12-1 timecode, "00:01:02:12".

    At 29.97 and 59.94 Hz the first numbers of every minute but the tenth are left out, so that the code keeps step
    with the clock; a semicolon tells so.

    Args:
        frame: from 0.
        rate_hz: frames a second, above 0.
    """
    per_second = _nominal(rate_hz)
    dropped = _dropped(rate_hz)
    if dropped:
        per_minute, per_ten = per_second * 60 - dropped, per_second * 600 - dropped * 9
        tens, rest = divmod(frame, per_ten)
        frame += dropped * (9 * tens + max(rest - dropped, 0) // per_minute)
    seconds, part = divmod(frame, per_second)
    sign = ";" if dropped else ":"
    digits = len(str(per_second - 1))
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{sign}{part:0{max(digits, 2)}d}"


def timecode_frame(seconds: int, part: int, rate_hz: float) -> int:
    """The number of the frame with a timecode: the inverse of :func:`timecode`.

    Args:
        seconds: hours, minutes and seconds of the code together.
        part: its last field.
        rate_hz: frames a second, above 0.
    """
    minutes = seconds // 60
    return seconds * _nominal(rate_hz) + part - _dropped(rate_hz) * (minutes - minutes // 10)


def _nominal(rate_hz: float) -> int:
    return max(round(rate_hz), 1)


def _dropped(rate_hz: float) -> int:
    """Numbers left out a minute: 2 at 29.97 Hz, 4 at 59.94 Hz, else none."""
    nominal = _nominal(rate_hz)
    exact_hz = _DROP_RATES_HZ.get(nominal)
    return nominal // 15 if exact_hz is not None and abs(rate_hz - exact_hz) < 0.005 else 0


# Reading -------------------------------------------------------------------------------------------------------------


class JumpUnit(StrEnum):
    """What a typed number counts."""

    TIME = "time"
    FRAME = "frame"
    PERCENT = "percent"
    TIMECODE = "timecode"


@dataclass(frozen=True)
class Jump:
    """Where somebody wants to go: ``value`` in seconds, a frame's number, or percent; ``part`` of a timecode only."""

    unit: JumpUnit
    value: float
    part: int = 0


@dataclass(frozen=True)
class FilmExtent:
    """How far a film reaches, as far as it is known.

    Attributes:
        duration_s: its length.
        frame_count: its number of pictures.
        rate_hz: pictures a second, 0 when unknown.
        index: times of all its pictures.
    """

    duration_s: float | None = None
    frame_count: int | None = None
    rate_hz: float = 0.0
    index: FrameIndex | None = None

    @property
    def even(self) -> bool:
        """True when pictures can be counted by the clock."""
        return self.rate_hz > 0 and (self.index is None or self.index.constant_rate)


@dataclass(frozen=True)
class Target:
    """A place in the film: a picture's ``frame`` number when that is exact, else a time; ``words`` tell which."""

    words: str
    frame: int | None = None
    pts_s: float | None = None


_NUMBER = r"([0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)"
_FRAME = re.compile(r"(?:#|f|frame)\s*([0-9]+)")
_PERCENT = re.compile(rf"{_NUMBER}\s*%")
_MILLISECONDS = re.compile(rf"{_NUMBER}\s*ms")
_UNITS = re.compile(rf"(?:([0-9]+)\s*h)?\s*(?:([0-9]+)\s*m(?:in)?)?\s*(?:{_NUMBER}\s*s?)?")
_CLOCK = re.compile(rf"(?:([0-9]+):)?([0-9]+):{_NUMBER}")
_TIMECODE = re.compile(r"([0-9]+):([0-9]+):([0-9]+)[:;]([0-9]+)")


def parse_jump(text: str) -> Jump:
    """What is meant by "1:02.5", "62.5", "62.5s", "1h2m", "00:01:02:12", "#1234", "f1234" or "37%".

    Raises:
        ValueError: it means nothing; the message is a sentence for the user.
    """
    typed = text.strip().lower()
    if not typed:
        raise ValueError(NOTHING_TYPED)
    for pattern, meaning in _MEANINGS:
        if found := pattern.fullmatch(typed):
            return meaning(*found.groups())
    raise ValueError(f"'{text.strip()[:20]}' is no place in a film. {NOTHING_TYPED}")


def _frame(number: str) -> Jump:
    # A number of many digits is refused before it is made, which takes quadratic time.
    if len(number) > 12 or int(number) > LARGEST_FRAME:
        raise ValueError("No film has that many pictures.")
    return Jump(JumpUnit.FRAME, int(number))


def _percent(number: str) -> Jump:
    value = _decimal(number)
    if value > 100:
        raise ValueError("A film ends at 100%.")
    return Jump(JumpUnit.PERCENT, value)


def _timecode(hours: str, minutes: str, seconds: str, part: str) -> Jump:
    return Jump(JumpUnit.TIMECODE, _seconds(hours, minutes, seconds), int(part[:6]))


def _time(hours: str | None, minutes: str | None, seconds: str | None) -> Jump:
    return Jump(JumpUnit.TIME, _seconds(hours, minutes, seconds))


def _clock_time(hours: str | None, minutes: str, seconds: str) -> Jump:
    if hours is not None and _decimal(minutes) >= 60:
        raise ValueError("An hour has 60 minutes.")
    return Jump(JumpUnit.TIME, _seconds(hours, minutes, seconds, "60"))


def _seconds(hours: str | None, minutes: str | None, seconds: str | None, limit: str = "") -> float:
    rest = _decimal(seconds)
    if limit and rest >= float(limit):
        raise ValueError("A minute has 60 seconds.")
    total = _decimal(hours) * 3600 + _decimal(minutes) * 60 + rest
    if total > LONGEST_S:
        raise ValueError("No film is that long.")
    return total


def _decimal(number: str | None) -> float:
    return float(number.replace(",", ".")) if number else 0.0


_MEANINGS: tuple[tuple[re.Pattern[str], Callable[..., Jump]], ...] = (
    (_FRAME, _frame),
    (_PERCENT, _percent),
    (_MILLISECONDS, lambda number: Jump(JumpUnit.TIME, _seconds(None, None, number) / 1000)),
    (_CLOCK, _clock_time),
    (_TIMECODE, _timecode),
    (_UNITS, _time),
)


def resolve(jump: Jump, film: FilmExtent) -> Target:
    """Where a jump leads in this film: to the picture that is on the screen then.

    Raises:
        ValueError: there is no such place; the message is a sentence for the user.
    """
    count = len(film.index) if film.index is not None else film.frame_count
    if jump.unit is JumpUnit.TIMECODE:
        if film.rate_hz <= 0:
            raise ValueError("The rate of this film is unknown, and with it what the last part of a timecode means.")
        if jump.part >= _nominal(film.rate_hz):
            raise ValueError(f"A second of this film has {_nominal(film.rate_hz)} pictures.")
        if film.even:
            jump = Jump(JumpUnit.FRAME, timecode_frame(int(jump.value), jump.part, film.rate_hz))
        else:
            jump = Jump(JumpUnit.TIME, jump.value + jump.part / _nominal(film.rate_hz))
    if jump.unit is JumpUnit.FRAME:
        return _to_frame(int(jump.value), count, film)
    if jump.unit is JumpUnit.PERCENT:
        if film.index is not None and count:
            return _to_frame(round(jump.value / 100 * (count - 1)), count, film)
        if film.duration_s is None:
            raise ValueError("The length of this film is not known yet.")
        return _to_time(jump.value / 100 * film.duration_s, film)
    return _to_time(jump.value, film)


def _to_frame(frame: int, count: int | None, film: FilmExtent) -> Target:
    if frame < 0 or (count is not None and frame >= count):
        last = f"The last picture is #{count - 1}." if count else "There are no pictures."
        raise ValueError(f"There is no picture #{frame}. {last}")
    if film.index is None:
        return Target(f"Goes to picture #{frame}.", frame=frame)
    return Target(f"Goes to picture #{frame}, at {exact_clock(film.index.pts_s(frame))}.", frame=frame)


def _to_time(pts_s: float, film: FilmExtent) -> Target:
    length_s = film.index.duration_s if film.index is not None else film.duration_s
    if length_s is not None and pts_s > length_s:
        raise ValueError(f"The film is {clock(length_s)} long.")
    if film.index is None or not len(film.index):
        return Target(f"Goes to {exact_clock(pts_s)}.", pts_s=pts_s)
    frame = film.index.index_showing(pts_s)
    return Target(f"Goes to {exact_clock(pts_s)}, where picture #{frame} is shown.", frame=frame)
