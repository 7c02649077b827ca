"""Zones, lines and directions in words: "zone A", "the line 'door'", "inwards"."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Place", "normalised", "place_of", "similar_names", "way_of"]

MAX_QUESTION_CHARS = 500
_TYPO_CUTOFF = 0.75
_DETERMINER = re.compile(r"^(?:the|a|an|any|some|this|that|my|your|our|all|of) ")
_NOUNS = {"zone": "zone|zones|area|areas|region|regions", "line": "line|lines|counting line|tripwire"}
_WAYS = {"in": "in|inward|inwards|inside|into it", "out": "out|outward|outwards|outside|out of it"}
_CONTRACTIONS = {
    r"\b(what|where|who|when|how|there|it|that)'s\b": r"\1 is",
    r"\b(what|where|who|there)s\b": r"\1 is",
    r"\b(what|where|who|when|how|there|they|you|many)'re\b": r"\1 are",
    r"\bi'm\b": "i am",
}


@dataclass(frozen=True)
class Place:
    """Zones or lines that a phrase means.

    Attributes:
        names: as the user has called them; empty for all, where the phrase names none: "the line".
        unknown: what the phrase calls it, when there is none of that name.
    """

    names: tuple[str, ...] = ()
    unknown: str = ""


def normalised(question: str) -> str:
    """Lower case, no punctuation but "#" and that of numbers and times, contractions written out, single spaces."""
    text = unicodedata.normalize("NFKC", question[:MAX_QUESTION_CHARS]).casefold()
    text = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    for short, full in _CONTRACTIONS.items():
        text = re.sub(short, full, text)
    text = re.sub(r"(?<=\b[^\W\d])\.(?=[^\W\d]\b)|'", "", text)
    text = text.replace(",", " and ").replace("&", " and ").replace("#", " #")
    return " ".join(re.sub(r"(?<=\d)([:.])(?=\d)|[^\w# ]|_", lambda match: match[1] or " ", text).split())


def place_of(phrase: str, names: Sequence[str], kind: str) -> Place | None:
    """What zone or line a phrase means; None when it need not be one at all.

    Args:
        phrase: as :func:`normalised` makes it.
        names: of those that there are; letters are not told from capitals.
        kind: "zone" or "line".
    """
    noun = _NOUNS[kind]
    readings = [phrase]
    while (shorter := _DETERMINER.sub("", readings[-1])) != readings[-1]:
        readings.append(shorter)
    called: list[str] = []
    for bare in readings:
        named = re.fullmatch(rf"(?:{noun}) (?:called |named )?(.+)", bare)
        called += [named[1]] if named else []
        named = re.fullmatch(rf"(.+) (?:{noun})", bare)
        # "The A zone" is one that is called A, "a zone" is any.
        called += [named[1]] if named and not (bare == phrase and named[1] in ("a", "an")) else []
    for wanted in (*readings, *called):
        meant = tuple(name for name in names if normalised(name) == wanted)
        if meant:
            return Place(meant)
    if re.fullmatch(noun, readings[-1]):
        return Place()
    if called:
        return Place(unknown=min(called, key=len))
    return Place(unknown=readings[-1]) if similar_names(readings[-1], names) else None


def similar_names(phrase: str, names: Sequence[str]) -> list[str]:
    """Names that a misspelt phrase may have meant, likeliest first."""
    forms = {normalised(name): name for name in names}
    return [forms[form] for form in difflib.get_close_matches(phrase, list(forms), n=3, cutoff=_TYPO_CUTOFF)]


def way_of(phrase: str, directions: Sequence[str]) -> str | None:
    """The direction of a line that a phrase means, in the words of the line; None when it is none of them."""
    bare = re.sub(r"^(?:to the|in the direction|towards) ", "", phrase)
    for way in directions:
        word = normalised(way)
        if bare in (word, f"{word}ward", f"{word}wards") or re.fullmatch(_WAYS.get(word, "(?!)"), bare):
            return way
    return None
