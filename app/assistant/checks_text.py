"""Text that a model wrote, as tokens that know where they stand in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

__all__ = ["Kind", "Token", "is_english", "sentences", "tokens"]

MAX_SENTENCE_TOKENS = 200
_SENTENCE_ENDS = frozenset(".!?…\n")
_PATTERN = re.compile(
    r"""(?P<clock>(?<![\w:.])\d{1,4}:\d{2}(?::\d{2})?(?:\.\d{1,9})?(?!\d|:\d|\.\d))
      | (?P<track>\#\s?\d+)
      | (?P<name>[^\W\d_]+\d\w*)
      | (?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,]) | \d+(?:\.\d+)? | (?<![\w.])\.\d+)
      | (?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)
      | (?P<mark>[^\w\s]|\n)""",
    re.VERBOSE,
)
_APOSTROPHES = "\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}\N{PRIME}\N{ACUTE ACCENT}"
_FOREIGN_SHARE = 0.3


class Kind(Enum):
    """What a token is."""

    WORD = auto()
    NUMBER = auto()
    """In digits; one that is written out is a word."""
    CLOCK = auto()
    TRACK = auto()
    """``#7``."""
    NAME = auto()
    """Letters and digits: ``H264``."""
    MARK = auto()


_KINDS = {kind.name.lower(): kind for kind in Kind}


class Token(NamedTuple):
    """A word, a number or a mark; ``text`` in lower case, ``start`` and ``end`` in the text as it was given."""

    kind: Kind
    text: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """All of them, in the order of the text. Takes time in proportion to its length."""
    folded, origins = _folded(text)
    found = []
    for match in _PATTERN.finditer(folded):
        kind = _KINDS[match.lastgroup or "mark"]
        start, end = match.span()
        span = (start, end) if origins is None else (origins[start], origins[end - 1] + 1)
        found.append(Token(kind, match.group(), *span))
    return found


def sentences(parts: Sequence[Token]) -> Iterator[list[Token]]:
    """Sentences with the mark that ends them; what goes on without an end is cut."""
    sentence: list[Token] = []
    for token in parts:
        sentence.append(token)
        if token.text in _SENTENCE_ENDS or len(sentence) >= MAX_SENTENCE_TOKENS:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def is_english(text: str) -> bool:
    """Whether a text may be English by its letters. Others cannot be checked."""
    letters = sum(char.isalpha() for char in text)
    foreign = 0 if text.isascii() else sum(char.isalpha() and not char.isascii() for char in _folded(text)[0])
    return foreign <= _FOREIGN_SHARE * letters


def _folded(text: str) -> tuple[str, list[int] | None]:
    """Lower case and compatible forms (full-width digits, ligatures), without what cannot be seen.

    Returns:
        The text, and for each of its characters the index that it had; None when they are the same.
    """
    if text.isascii():
        return text.lower(), None
    chars: list[str] = []
    origins: list[int] = []
    for index, char in enumerate(text):
        if char.isascii():
            form = char.lower()
        elif char in _APOSTROPHES:
            form = "'"
        elif unicodedata.category(char) in ("Cf", "Mn"):
            continue
        elif unicodedata.category(char) in ("Nl", "No"):
            form = f" {unicodedata.numeric(char, 0.0):g} "
        elif char.isdecimal():
            form = str(unicodedata.decimal(char))
        else:
            form = _plain(unicodedata.normalize("NFKC", char).casefold())
        chars.append(form)
        origins += [index] * len(form)
    return "".join(chars), origins


def _plain(text: str) -> str:
    """Without accents: "canapé" and "canape" are one word."""
    return "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")
