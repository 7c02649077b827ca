"""The words of orders: how text is made plain, which forms there are, and numbers, lengths of time and clock times."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import yaml

__all__ = ["Form", "Lexicon", "clock_time", "duration_s", "lexicon", "number", "plain", "position_s", "span_phrase"]

_SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
_SMALL += "seventeen eighteen nineteen twenty"
_NUMBERS = {word: float(value) for value, word in enumerate(_SMALL.split())}
_TENS = {"thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "ninety": 90.0}
for _ten, _value in [("twenty", 20.0), *_TENS.items()]:
    _NUMBERS |= {_ten: _value} | {f"{_ten} {one}": _value + _NUMBERS[one] for one in _SMALL.split()[1:10]}
_DIGITS = r"\d{1,9}(?:\.\d{1,6})?|\.\d{1,6}"
_UNITS_S = {"h": 3600, "hour": 3600, "minute": 60, "m": 60, "second": 1, "s": 1, "ms": 0.001}
_LENGTH = re.compile(r"(?P<n>.+?) (?:(?P<word>hour|minute|second)s?|(?P<sign>h|ms|m|s))(?: and)? ")
_POSITION = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):(\d{2}(?:\.\d{1,3})?)")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?(?: (am|pm))?")
_GLUED = re.compile(r"(?<=\d)(?=(?:hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s|ms|px|am|pm)(?:\b|\d))")


def plain(text: str) -> str:
    """Lower case words with single spaces.

    A pause ("," ";" ":" or the end of a sentence) is a ",", a possessive a "'s" of its own; hyphens and underscores
    are spaces; percent signs, decimals, times as 0:12 and signs of numbers are kept.
    """
    text = unicodedata.normalize("NFKC", text).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    text = re.sub(r"\b(there|it|that|what|nobody|no one|who)'s\b", r"\1 is", text)
    text = re.sub(r"\b(i)'d\b", r"\1 would", text)
    text = re.sub(r"\blet's\b|\blets\b", "let us", text)
    text = re.sub(r"n't\b", " not", text)
    text = re.sub(r"(?<=\w)'s\b", " 's", re.sub(r"\bo'clock\b", " ", text))
    text = re.sub(r"[,;\n\r]|[.!]+(?=\s|$)|(?<!\d):|:(?!\d)", " , ", text)
    text = text.replace("%", " percent ").replace("&", " and ").replace("#", " #")
    text = re.sub(r"(?<=\w)[-_](?=\w)|_", " ", text)
    text = re.sub(r"(?<!\S)-(?=\.?\d)", "\0", text).replace("-", " ").replace("\0", "-")
    text = re.sub(r"\b(h|m|min|s)(?=\d)", r"\1 ", _GLUED.sub(" ", text))
    text = re.sub(r"(?<!\d)\.(?!\d)|'(?!s\b)|[^\w .,:#'=-]", " ", text)
    spelling = lexicon().spelling
    words = (spelling.get(word, word) for word in text.split())
    return re.sub(r"(?: ,)+(?= |$)", " ,", " ".join(words)).strip(" ,")


def number(words: str) -> float | None:
    """The value of "0.5", "-3", "five", "a hundred"; None when it is no number."""
    if re.fullmatch(rf"-?(?:{_DIGITS})", words):
        return float(words)
    return 100.0 if words in ("hundred", "a hundred", "one hundred") else _NUMBERS.get(words)


def duration_s(words: str) -> float | None:
    """Seconds of "10 seconds", "1 minute 30 s", "half a minute"; None when it is no length of time."""
    words = re.sub(r"^(?:the|about|around|another) ", "", words)
    half = re.fullmatch(r"(?:(?:a )?half(?: of)?(?: an?)?|(\d+|one|two|an?) and a half) (hour|minute|second)s?", words)
    if half:
        whole = (1.0 if half[1] in ("a", "an") else number(half[1]) or 0.0) if half[1] else 0.0
        return (whole + 0.5) * _UNITS_S[half[2]]
    at, total, rest = 0, 0.0, f"{words} "
    while at < len(rest):
        match = _LENGTH.match(rest, at)
        if match is None:
            return None
        count = 1.0 if match["n"] in ("a", "an") else number(match["n"])
        if count is None or count < 0:
            return None
        total += count * _UNITS_S[match["word"] or match["sign"]]
        at = match.end()
    return total


def position_s(words: str) -> float | None:
    """Seconds of "0:12" or "1:02:03"; None when it is none, or has 60 seconds or minutes."""
    match = _POSITION.fullmatch(words)
    if match is None:
        return None
    hours, minutes, seconds = int(match[1] or 0), int(match[2]), float(match[3])
    if seconds >= 60 or (match[1] and minutes >= 60):
        return None
    return hours * 3600 + minutes * 60 + seconds


def clock_time(words: str) -> tuple[str, bool] | None:
    """The time of "8:00", "6 pm", "noon" as "18:00", and False where morning or evening was not told ("6")."""
    words = {"noon": "12:00", "midnight": "0:00", "midday": "12:00"}.get(words, words)
    match = _CLOCK.fullmatch(words)
    if match is None:
        return None
    hour, minute, half = int(match[1]), int(match[2] or 0), match[3]
    if minute > 59 or hour > 24 or (hour == 24 and minute) or (half and not 1 <= hour <= 12):
        return None
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return f"{hour % 24:02}:{minute:02}", bool(half or match[2])


def span_phrase(seconds: float) -> str:
    """A length of time as it is said: "30 seconds", "2 minutes"."""
    if seconds >= 120 and seconds % 60 == 0:
        return f"{seconds / 60:g} minutes"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"


@dataclass(frozen=True)
class Form:
    """One way to say an order: its intent, its pattern, and whether it leaves anything open."""

    intent: str
    pattern: re.Pattern[str]
    open: bool


class Lexicon:
    """What ``resources/prompts/orders.yaml`` says.

    Attributes:
        forms: of all orders, and of the variants, whose intent is "variant N".
        aliases: kind of stage -> what people call it, in plain words.
        roles: word for what a stage does -> the kinds that do it.
        variants: kind, params and names of kinds with certain parameters.
        parameters: name of a parameter -> what people call it.
        panels, exports: name -> what people call it.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.spelling: dict[str, str] = content["spelling"]
        groups = {name: re.sub(r"\s*\|\s*", "|", members) for name, members in content["groups"].items()}
        for name in groups:  # A group may hold others that stand before it.
            groups[name] = re.sub(r"\b[A-Z]+\b", lambda match: f"(?:{groups[match[0]]})", groups[name])
        written = [(entry["intent"], form) for entry in content["orders"] for form in entry["forms"]]
        self.variants: list[dict[str, Any]] = content["variants"]
        for at, variant in enumerate(self.variants):
            written += [(f"variant {at}", form) for form in variant.get("forms", ())]
        self.forms = [Form(intent, re.compile(_pattern(form, groups)), "{" in form) for intent, form in written]
        self.aliases: dict[str, list[str]] = content["kinds"]
        self.roles: dict[str, list[str]] = content["roles"]
        self.parameters: dict[str, list[str]] = content["parameters"]
        self.panels: dict[str, list[str]] = content["panels"]
        self.exports: dict[str, list[str]] = content["exports"]
        self.examples: list[dict[str, Any]] = content["examples"]
        self.unimportant: frozenset[str] = frozenset(content["unimportant"])
        self.matches = lru_cache(maxsize=256)(self._matches)

    def _matches(self, text: str) -> tuple[tuple[Form, dict[str, str]], ...]:
        return tuple(self._find(text))

    def _find(self, text: str) -> Iterator[tuple[Form, dict[str, str]]]:
        for form in self.forms:
            match = form.pattern.fullmatch(f"{text} ")
            if match is not None:
                yield form, match.groupdict()


def _pattern(form: str, groups: Mapping[str, str]) -> str:
    def expand(text: str) -> str:
        return re.sub(r"\b[A-Z]+\b", lambda match: f"(?:{groups[match[0]]})", text)

    parts = []
    for token in re.findall(r"\[[^]]*\]|\([^)]*\)|\S+", form):
        if token.startswith("{"):
            parts.append(f"(?P<{token[1:-1]}>.+?) ")
        elif token.startswith("["):
            parts.append(f"(?:(?:{expand(token[1:-1])}) )?")
        else:
            parts.append(f"(?:{expand(token.strip('()'))}) ")
    return "".join(parts)


@cache
def lexicon() -> Lexicon:
    """The built-in orders, read once."""
    text = files("scenescope.resources").joinpath("prompts", "orders.yaml").read_text(encoding="utf-8")
    return Lexicon(yaml.safe_load(text))
