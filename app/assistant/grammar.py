"""The small grammar of the assistant's rules: which question is being asked, about what, where and when.

A question is understood whole or not at all: "How many people wear hats?" is not taken for "How many people?".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from scenescope.app.assistant.place_words import normalised, place_of, way_of
from scenescope.app.assistant.time_words import Period, split_period
from scenescope.app.assistant.words import Target, Vocabulary
from scenescope.models import EventKind
from scenescope.pipelines.log.names import SessionNames

__all__ = ["IN_TIME", "Intent", "Query", "normalised", "order_of", "parse"]


class Intent(StrEnum):
    """What can be asked; the names stand in ``resources/prompts/questions.yaml``."""

    COUNT = "count"
    PRESENT = "present"
    LIST = "list"
    WHERE = "where"
    HOW_LONG = "how long"
    FIRST_SEEN = "first seen"
    LAST_SEEN = "last seen"
    CHANGES = "changes"
    MOVING = "moving"
    COLOUR = "colour"
    KNOWN = "known"
    STAGES = "stages"
    LIVE = "live"
    HELP = "help"
    # About the past.
    COUNT_SEEN = "count seen"
    WAS_PRESENT = "was present"
    LIST_SEEN = "list seen"
    COUNT_EVENTS = "count events"
    WHO = "who"
    WHEN = "when"
    COUNT_INSIDE = "count inside"
    HOW_LONG_INSIDE = "how long inside"
    BUSIEST = "busiest"
    TEXT = "text"


_ZONED = (Intent.COUNT, Intent.PRESENT, Intent.LIST)
# Asked about any number of objects, so not about the one of a number.
_OF_SEVERAL = (Intent.COUNT, Intent.COUNT_SEEN)
# May be asked with "now".
_NOW = (Intent.COUNT, Intent.PRESENT, Intent.LIST, Intent.WHERE, Intent.HOW_LONG, Intent.CHANGES, Intent.MOVING,
        Intent.COLOUR, Intent.KNOWN, Intent.STAGES, Intent.LIVE, Intent.HELP, Intent.COUNT_INSIDE,
        Intent.HOW_LONG_INSIDE)  # fmt: skip
# What a question about now asks when a span of time is named with it.
IN_TIME = {
    Intent.COUNT: Intent.COUNT_SEEN,
    Intent.PRESENT: Intent.WAS_PRESENT,
    Intent.LIST: Intent.LIST_SEEN,
    **{intent: intent for intent in (Intent.FIRST_SEEN, Intent.LAST_SEEN, Intent.CHANGES, Intent.COUNT_SEEN,
                                     Intent.WAS_PRESENT, Intent.LIST_SEEN, Intent.COUNT_EVENTS, Intent.WHO,
                                     Intent.WHEN, Intent.COUNT_INSIDE, Intent.TEXT)},
}  # fmt: skip


@dataclass(frozen=True)
class Query:
    """A question that was understood.

    Attributes:
        intent: what is asked.
        targets: what about; empty when the question names nothing.
        zone: only what is in this part of the picture: "left", "top right", "centre".
        unknown: the phrase that names something which the detector does not know; then there are no targets.
        period: when; None when the question names no time.
        kind: which events.
        zones, lines: where, by the names that the user has given; empty for all.
        way: in which direction.
        unknown_place: the phrase that names a zone, line or direction that there is not; ``place_kind`` says which.
        nth: "first" or "last" when only one is asked for.
        unit_s: the length of time of which the busiest is asked for.
        text: the writing that is asked for.
    """

    intent: Intent
    targets: tuple[Target, ...] = ()
    zone: str = ""
    unknown: str = ""
    period: Period | None = None
    kind: EventKind | None = None
    zones: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    way: str = ""
    unknown_place: str = ""
    place_kind: str = ""
    nth: str = ""
    unit_s: float = 60.0
    text: str = ""

    @property
    def known(self) -> bool:
        """Whether all that it names is known."""
        return not self.unknown and not self.unknown_place


_NO_NAMES = SessionNames()
# Said out of politeness.
_PREFIX = re.compile(
    r"^(?:hey|hi|hello|ok|okay|so|and|well|please|now|then|assistant|(?:can|could|would|will) you|do you know"
    r"|(?:tell|show|give) me(?! (?:when|if|whenever) )|i (?:want|would like) to know|i (?:want|would like) you to"
    r"|let us|lets) (?:and )*"
)
# Goes without saying; the first ones only in a question about now.
_SUFFIX = re.compile(
    r"(?: and)* (?:(?P<now>right now|just now|now|currently|at the moment|at present)|please|thanks|thank you|in total"
    r"|altogether|here|there|visible|in view|in sight|in front of (?:the camera|you|me)"
    r"|(?:in|on|within) (?:the |this |my |your )?(?:picture|image|frame|scene|view|video|photo|screen|camera|room))$"
)
_SIDE = r"(?:top|bottom) (?:left|right)|left|right|top|bottom|centre|center|middle"
_ZONE = re.compile(
    rf"(?P<rest>.+?) (?:on|at|in) (?:the|your|my) (?P<zone>{_SIDE})(?:(?: hand)? (?:side|half|part|third|corner|area))?"
)
# All of them: that only one is there, or that another is not, is no answer to a question about these.
_ALL = re.compile(r"\b(?:all|everything)\b")
_OF_EACH = (Intent.COUNT, Intent.WHERE, Intent.COLOUR, Intent.HOW_LONG, Intent.MOVING, Intent.COUNT_SEEN,
            Intent.COUNT_EVENTS)  # fmt: skip
# Certain ones: that such can be recognised says nothing about them.
_CERTAIN = re.compile(r"(?:the|this|that|these|those|my|your|anyone|anybody|someone|somebody)\b")
_IS_X = re.compile(r"(?:is|are) (?P<x>.+)")


def parse(question: str, words: Vocabulary, known: tuple[str, ...], names: SessionNames = _NO_NAMES) -> Query | None:
    """Understand a question.

    Args:
        question: the user's words.
        words: what they can mean.
        known: the classes that the detector can tell apart.
        names: the zones, lines and directions that there are.

    Returns:
        What is asked; None when it is none of the questions of this grammar. When ``known`` is false of it, it names
        something that there is not.
    """
    grammar = _Grammar(words, known, names)
    unknown: Query | None = None
    for text, says_now in _readings(normalised(question)):
        query = grammar.match(text)
        if says_now and query is not None and (query.intent not in _NOW or query.period is not None):
            query = None
        if query is not None and query.known:
            return query
        unknown = _plainer(unknown, query)
        if (query := grammar.match_zoned(text)) is not None:
            return query
        for rest, period in split_period(text):
            for shorter, rest_says_now in _readings(rest):
                query = grammar.match(shorter)
                if query is not None and query.intent in IN_TIME and not rest_says_now:
                    query = replace(query, intent=IN_TIME[query.intent], period=period)
                    if query.known:
                        return query
                    unknown = _plainer(unknown, query)
    return unknown


def order_of(question: str, words: Vocabulary) -> str:
    """The verb of an order ("blur", "go to"); "" when the words are no order."""
    for text, _ in _readings(normalised(question)):
        for length in (3, 2, 1):
            verb = " ".join(text.split()[:length])
            if verb in words.orders:
                return verb
    return ""


def _readings(text: str) -> Iterator[tuple[str, bool]]:
    """The words as they are, then without what is only polite and what goes without saying; whether that said "now"."""
    while True:
        yield text, False
        ending, says_now = text, False
        while match := _SUFFIX.search(ending):
            ending, says_now = ending[: match.start()], says_now or match["now"] is not None
            yield ending, says_now
        shorter = _PREFIX.sub("", text, count=1)
        if shorter == text:
            return
        text = shorter


class _Grammar:
    """The forms of questions, with what can be named in them."""

    def __init__(self, words: Vocabulary, known: tuple[str, ...], names: SessionNames) -> None:
        self._words = words
        self._known = known
        self._names = names

    def match(self, text: str) -> Query | None:
        """What is asked, when the text is a question from beginning to end."""
        unknown: Query | None = None
        for entry, rule in _rules():
            match = rule.fullmatch(f"{text} ")
            if match is None:
                continue
            said = {name: phrase for name, phrase in match.groupdict().items() if phrase is not None}
            query = self._query(entry, said, text)
            if query is not None and query.known:
                return query
            unknown = _plainer(unknown, query)
        return unknown

    def match_zoned(self, text: str) -> Query | None:
        """A question about a part of the picture: "on the left"."""
        zoned = _ZONE.fullmatch(text)
        if zoned is None:
            return None
        query = self.match(zoned["rest"])
        if query is None and (inside := _IS_X.fullmatch(zoned["rest"])):
            query = self._about(Query(Intent.PRESENT), inside["x"])
        if query is None or query.intent not in _ZONED or not query.known:
            return None
        return replace(query, zone=zoned["zone"].replace("center", "centre").replace("middle", "centre"))

    def _query(self, entry: Query, said: dict[str, str], text: str) -> Query | None:
        query: Query | None = entry
        phrase = said.get("x")
        if phrase is None and text.startswith("who ") and entry.intent is not Intent.HELP:
            phrase = "someone"
        for kind, names in (("zone", self._names.zones), ("line", self._names.lines)):
            if query is not None and kind in said:
                if _ALL.match(said[kind]):
                    return None
                place = place_of(said[kind], names, kind)
                if place is None:
                    return None
                inside = kind == "zone"
                query = replace(query, zones=place.names) if inside else replace(query, lines=place.names)
                if place.unknown:
                    query = replace(query, unknown_place=place.unknown, place_kind=kind)
        if query is not None and "way" in said:
            way = way_of(said["way"], self._names.directions)
            query = replace(query, way=way) if way else replace(query, unknown_place=said["way"], place_kind="way")
        if query is not None and "nth" in said:
            query = replace(query, nth="first" if said["nth"] == "first" else "last")
        if query is not None and "unit" in said:
            query = replace(query, unit_s=3600.0 if said["unit"] == "hour" else 60.0)
        if query is not None and "text" in said:
            query = replace(query, text=said["text"])
        return query if query is None or phrase is None else self._about(query, phrase)

    def _about(self, query: Query, phrase: str) -> Query | None:
        certain = query.intent is Intent.KNOWN and _CERTAIN.match(phrase)
        if certain or (query.intent not in _OF_EACH and _ALL.search(phrase)):
            return None
        for parts in ([phrase], re.split(r" (?:and|or)(?: and)? ", phrase)):
            targets = [self._words.resolve(part, self._known) for part in parts]
            if all(targets):
                if query.intent in _OF_SEVERAL and any(one and one.track_id is not None for one in targets):
                    return None
                return replace(query, targets=tuple(target for target in targets if target))
        return replace(query, unknown=phrase)


def _plainer(one: Query | None, other: Query | None) -> Query | None:
    """Of two questions about unknown things the one that names it in fewer words."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda query: len(query.unknown or query.unknown_place))


@cache
def _rules() -> tuple[tuple[Query, re.Pattern[str]], ...]:
    """The forms of the resource file as regular expressions, which match the words and one space after each."""
    text = files("scenescope.resources").joinpath("prompts", "questions.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    groups = {name: members.replace(" |", "|") for name, members in content["groups"].items()}
    rules = []
    for entry in content["questions"]:
        kind = EventKind(entry["kind"]) if "kind" in entry else None
        # What is asked in the past tense is not about now, even where no time is named.
        period = Period() if entry.get("past") else None
        query = Query(Intent(entry["intent"]), period=period, kind=kind, nth=entry.get("nth", ""))
        rules += [(query, re.compile(_pattern(form, groups))) for form in entry["forms"]]
    return tuple(rules)


_SLOTS = {
    "nth": "first|last|latest|most recently",
    "unit": "minute|hour",
    "way": r"(?:to the |in the direction |towards )?\S+",
}


def _pattern(form: str, groups: dict[str, str]) -> str:
    def expand(text: str) -> str:
        return re.sub(r"\b[A-Z]+\b", lambda match: f"(?:{groups[match[0]]})", text)

    parts = []
    for token in re.findall(r"\[[^]]*\]|\([^)]*\)|\S+", form):
        if slot := re.fullmatch(r"\{(\w+)\}", token):
            parts.append(f"(?P<{slot[1]}>{_SLOTS.get(slot[1], '.+?')}) ")
        elif token.startswith("["):
            parts.append(f"(?:(?:{expand(token[1:-1])}) )?")
        else:
            parts.append(f"(?:{expand(token.strip('()'))}) ")
    return "".join(parts)
