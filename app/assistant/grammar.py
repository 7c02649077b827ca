"""The small grammar of the assistant's rules: which question is being asked, and about what.

A question is understood whole or not at all: "How many people wear hats?" is not taken for "How many people?".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from scenescope.app.assistant.words import Target, Vocabulary

__all__ = ["Intent", "Query", "normalised", "order_of", "parse"]

MAX_QUESTION_CHARS = 500


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


_ZONED = (Intent.COUNT, Intent.PRESENT, Intent.LIST)


@dataclass(frozen=True)
class Query:
    """A question that was understood.

    Attributes:
        intent: what is asked.
        targets: what about; empty when the question names nothing.
        zone: only what is in this part of the picture: "left", "top right", "centre".
        unknown: the phrase that names something which the detector does not know; then there are no targets.
    """

    intent: Intent
    targets: tuple[Target, ...] = ()
    zone: str = ""
    unknown: str = ""


_CONTRACTIONS = {
    r"\b(what|where|who|when|how|there|it|that)'s\b": r"\1 is",
    r"\b(what|where|who|there)s\b": r"\1 is",
    r"\b(what|where|who|when|how|there|they|you|many)'re\b": r"\1 are",
    r"\bi'm\b": "i am",
}
# Said out of politeness.
_PREFIX = re.compile(
    r"^(?:hey|hi|hello|ok|okay|so|and|well|please|now|then|assistant|(?:can|could|would|will) you|do you know"
    r"|(?:tell|show|give) me(?! (?:when|if|whenever) )|i (?:want|would like) to know|i (?:want|would like) you to"
    r"|let us|lets) (?:and )*"
)
# Goes without saying.
_SUFFIX = re.compile(
    r"(?: and)* (?:please|thanks|thank you|right now|just now|now|currently|at the moment|at present|in total"
    r"|altogether|here|there|visible|in view|in sight|in front of (?:the camera|you|me)"
    r"|(?:in|on|within) (?:the |this |my |your )?(?:picture|image|frame|scene|view|video|photo|screen|camera|room))$"
)
_SIDE = r"(?:top|bottom) (?:left|right)|left|right|top|bottom|centre|center|middle"
_ZONE = re.compile(
    rf"(?P<rest>.+?) (?:on|at|in) (?:the|your|my) (?P<zone>{_SIDE})(?:(?: hand)? (?:side|half|part|third|corner|area))?"
)
_IS_X = re.compile(r"(?:is|are) (?P<x>.+)")


def normalised(question: str) -> str:
    """Lower case, no punctuation but "#", contractions written out, single spaces."""
    text = unicodedata.normalize("NFKC", question[:MAX_QUESTION_CHARS]).casefold()
    text = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    for short, full in _CONTRACTIONS.items():
        text = re.sub(short, full, text)
    text = re.sub(r"(?<=\b\w)\.(?=\w\b)|'", "", text).replace(",", " and ").replace("&", " and ").replace("#", " #")
    return " ".join(re.sub(r"[^\w# ]|_", " ", text).split())


def parse(question: str, words: Vocabulary, known: tuple[str, ...]) -> Query | None:
    """Understand a question.

    Args:
        question: the user's words.
        words: what they can mean.
        known: the classes that the detector can tell apart.

    Returns:
        What is asked; None when it is none of the questions of this grammar.
    """
    unknown: Query | None = None
    for text in _readings(normalised(question)):
        query = _match(text, words, known)
        if query is not None and not query.unknown:
            return query
        unknown = _plainer(unknown, query)
        zoned = _ZONE.fullmatch(text)
        if zoned is None:
            continue
        query = _match(zoned["rest"], words, known)
        if query is None and (inside := _IS_X.fullmatch(zoned["rest"])):
            query = _about(Intent.PRESENT, inside["x"], words, known)
        if query is not None and query.intent in _ZONED and not query.unknown:
            zone = zoned["zone"].replace("center", "centre").replace("middle", "centre")
            return Query(query.intent, query.targets, zone)
    return unknown


def order_of(question: str, words: Vocabulary) -> str:
    """The verb of an order ("blur", "go to"); "" when the words are no order."""
    for text in _readings(normalised(question)):
        for length in (3, 2, 1):
            verb = " ".join(text.split()[:length])
            if verb in words.orders:
                return verb
    return ""


def _readings(text: str) -> Iterator[str]:
    """The words as they are, then without what is only polite and what goes without saying."""
    while True:
        yield text
        ending = text
        while (shorter := _SUFFIX.sub("", ending)) != ending:
            yield shorter
            ending = shorter
        shorter = _PREFIX.sub("", text, count=1)
        if shorter == text:
            return
        text = shorter


def _match(text: str, words: Vocabulary, known: tuple[str, ...]) -> Query | None:
    unknown: Query | None = None
    for intent, rule in _rules():
        match = rule.fullmatch(f"{text} ")
        if match is None:
            continue
        phrase = match.groupdict().get("x")
        if phrase is None and intent is Intent.PRESENT:
            phrase = "someone"  # The question was "who".
        query = Query(intent) if phrase is None else _about(intent, phrase, words, known)
        if not query.unknown:
            return query
        unknown = _plainer(unknown, query)
    return unknown


def _plainer(one: Query | None, other: Query | None) -> Query | None:
    """Of two questions about unknown things the one that names it in fewer words."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda query: len(query.unknown))


def _about(intent: Intent, phrase: str, words: Vocabulary, known: tuple[str, ...]) -> Query:
    for parts in ([phrase], re.split(r" (?:and|or)(?: and)? ", phrase)):
        targets = [words.resolve(part, known) for part in parts]
        if all(targets):
            return Query(intent, tuple(target for target in targets if target))
    return Query(intent, unknown=phrase)


@cache
def _rules() -> tuple[tuple[Intent, re.Pattern[str]], ...]:
    """The forms of the resource file as regular expressions, which match the words and one space after each."""
    text = files("scenescope.resources").joinpath("prompts", "questions.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    groups = {name: members.replace(" |", "|") for name, members in content["groups"].items()}
    rules = [
        (Intent(entry["intent"]), re.compile(_pattern(form, groups)))
        for entry in content["questions"]
        for form in entry["forms"]
    ]
    return tuple(rules)


def _pattern(form: str, groups: dict[str, str]) -> str:
    def expand(text: str) -> str:
        return re.sub(r"\b[A-Z]+\b", lambda match: f"(?:{groups[match[0]]})", text)

    parts = []
    for token in re.findall(r"\[[^]]*\]|\([^)]*\)|\S+", form):
        if token == "{x}":
            parts.append("(?P<x>.+?) ")
        elif token.startswith("["):
            parts.append(f"(?:(?:{expand(token[1:-1])}) )?")
        else:
            parts.append(f"(?:{expand(token.strip('()'))}) ")
    return "".join(parts)
