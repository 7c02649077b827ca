"""Which things a sentence names, and whether it says that they are there, denies it, or only speaks of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from scenescope.app.assistant.checks_text import Kind, Token
from scenescope.app.assistant.checks_words import Forms, Lexicon
from scenescope.app.assistant.words import Target

__all__ = ["Mention", "Said", "mentions"]

_ENDS = frozenset(";:.!?()[]\n…\N{EM DASH}\N{EN DASH}")
_QUOTES = frozenset("\"'`«»\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}")
_WHOLE = frozenset({"picture", "image", "scene", "view", "frame", "sight", "video", "shot", "camera", "screen"})
_DEFINITE = frozenset({"the", "this", "that", "these", "those", "his", "her", "its", "their", "my", "your", "with"})
MAX_LIST_TOKENS = 8
MAX_SUBJECT_TOKENS = 8


class Said(Enum):
    """What a sentence says of a thing."""

    CLAIMED = auto()
    DENIED = auto()
    UNSAID = auto()
    """It is asked for, supposed, quoted: nothing is said of it."""


@dataclass(frozen=True)
class Mention:
    """A thing that a sentence names.

    Attributes:
        target: what it means.
        first, end: its tokens in the sentence.
        said: what is said of it.
        past: something that was is told.
        now: it is plainly said to be there now.
    """

    target: Target
    first: int
    end: int
    said: Said
    past: bool
    now: bool


def mentions(sentence: Sequence[Token], forms: Forms, words: Lexicon) -> list[Mention]:
    """The things that a sentence names, in its order."""
    reader = _Reader(sentence, words)
    found = []
    index = 0
    while index < len(sentence):
        match = None if sentence[index].kind is Kind.MARK else forms.at(sentence, index)
        if match is None:
            index += 1
            continue
        target, end = match
        if reader.is_thing(index, end):
            said = reader.said(index, end)
            found.append(Mention(target, index, end, said, reader.past(index), reader.now(index)))
        index = end
    return found


class _Reader:
    """What is said where in one sentence."""

    def __init__(self, sentence: Sequence[Token], words: Lexicon) -> None:
        self._tokens = sentence
        self._words = words
        asked = bool(sentence) and sentence[-1].text == "?"
        self._said = [Said.UNSAID if asked else Said.CLAIMED] * len(sentence)
        self._past = any(words.has("past", token.text) or token.kind is Kind.CLOCK for token in sentence)
        self._now = [False] * len(sentence)
        self._past_here = [False] * len(sentence)
        self._read()

    def said(self, first: int, end: int) -> Said:
        if end + 1 < len(self._tokens) and self._touches(end) and self._tokens[end].text == "-":
            part = self._words.hyphened.get(self._tokens[end + 1].text)
            if part is not None:
                return Said.DENIED if part == "denied" else Said.UNSAID
        return self._said[first]

    def past(self, index: int) -> bool:
        return self._past and not self.now(index)

    def now(self, index: int) -> bool:
        return self._now[index] and not self._past_here[index]

    def is_thing(self, first: int, end: int) -> bool:
        """Whether a phrase that names a thing does so here: "orange" does not in "an orange car"."""
        words, sentence = self._words, self._tokens
        last = sentence[end - 1].text
        following = sentence[end].text if end < len(sentence) else "."
        before = sentence[first - 1].text if first else ""
        if f"{last} {following}" in words.compounds or f"{before} {last}" in words.idioms:
            return False
        if end - first > 1 or not words.has("ambiguous", last):
            return True
        counted = words.has("determiners", before) or before in words.numbers or before[:1].isdigit()
        counted = counted or (first == 0 and following == ":")
        counted = counted or (last.endswith("s") and (before.endswith("s") or words.has("verbs", before)))
        settled = (
            not following[0].isalpha()
            or any(words.has(group, following) for group in ("prepositions", "verbs", "clause_ends"))
            or following in ("and", "or", "nor", "that", "which", "not", "of", "as", "too", "so")
            or following.endswith(("ing", "ed"))
            or (before in ("a", "an") and following.endswith("s"))
            or last.endswith("s")
        )
        return settled and counted

    # Scopes ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        for begin, end in self._clauses():
            past = any(self._words.has("past", token.text) for token in self._tokens[begin:end])
            now = any(self._words.now.at(self._tokens, index) for index in range(begin, end))
            self._past_here[begin:end] = [past] * (end - begin)
            self._now[begin:end] = [now] * (end - begin)
        for index, token in enumerate(self._tokens):
            if token.kind is Kind.MARK:
                self._quote(index)
                continue
            length = self._words.unsaid.at(self._tokens, index)
            if length:
                self._mark(index + length, self._end_of_unsaid(index + length), Said.UNSAID)
            elif self._denies(index):
                self._deny(index)

    def _denies(self, index: int) -> bool:
        word = self._word(index)
        groups = ("no", "not", "absent", "nothing")
        return word.endswith("n't") or any(self._words.has(group, word) for group in groups)

    def _deny(self, index: int) -> None:
        word, following = self._word(index), self._word(index + 1)
        if self._words.has("absent", word):
            self._deny_subject(index)
        elif word == "no" and following == "longer":
            self._deny_verb(index, index + 2)
        elif self._words.has("not_denied", following) or (word == "nothing" and following == "other"):
            return
        elif self._words.has("nothing", word) or (word == "no" and following == "one"):
            self._deny_unknown(index + 1)
        elif self._words.has("no", word):
            self._mark(index + 1, self._end_of_nouns(index + 1, word), Said.DENIED)
        else:
            self._deny_verb(index, index + 1)

    def _deny_verb(self, index: int, after: int) -> None:
        """After "is not" what follows is denied, and what stands before it if it is said not to exist."""
        self._mark(after, self._end_of_not(after), Said.DENIED)
        while self._word(after) in ("be", "been", "being", "currently", "even", "really", "actually", "any", "yet"):
            after += 1
        if self._words.has("exist", self._word(after)) and (
            self._word(after) not in ("in", "on") or self._word(after + 2) in _WHOLE or self._word(after + 1) in _WHOLE
        ):
            self._deny_subject(index)
            if self._word(after + 1) == ":":
                self._mark(after + 2, self._end_of_not(after + 2), Said.DENIED)

    def _deny_unknown(self, index: int) -> None:
        """After "nobody" what has no definite article is denied."""
        unknown = False
        for step in range(index, self._end_of_not(index)):
            text = self._tokens[step].text
            unknown = text in ("a", "an", "any") or (unknown and text not in _DEFINITE)
            if unknown:
                self._mark(step, step + 1, Said.DENIED)

    def _deny_subject(self, index: int) -> None:
        begin = index
        while begin > 0 and index - begin < MAX_SUBJECT_TOKENS and not self._is_end(begin - 1):
            begin -= 1
        self._mark(begin, index, Said.DENIED)

    def _mark(self, begin: int, end: int, said: Said) -> None:
        for index in range(begin, min(end, len(self._tokens))):
            if self._said[index] is Said.CLAIMED:
                self._said[index] = said

    def _quote(self, index: int) -> None:
        """Words in quotation marks that are read off something."""
        if self._tokens[index].text not in _QUOTES:
            return
        before = self._word(index - 1) or self._word(index - 2)
        if self._words.has("reads", before):
            end = index + 1
            while end < len(self._tokens) and self._tokens[end].text not in _QUOTES:
                end += 1
            self._mark(index + 1, end, Said.UNSAID)

    # Where they end ----------------------------------------------------------------------------------------------

    def _end_of_unsaid(self, index: int) -> int:
        while index < len(self._tokens) and not self._is_end(index):
            if self._tokens[index].text == "," and self._new_clause(index + 1):
                break
            index += 1
        return index

    def _end_of_not(self, index: int) -> int:
        while index < len(self._tokens) and not self._is_end(index):
            text = self._tokens[index].text
            if text == "," and not self._list_goes_on(index + 1):
                break
            if text in ("and", "so", "then") and self._new_clause(index + 1):
                break
            index += 1
        return index

    def _end_of_nouns(self, index: int, cue: str) -> int:
        """The end of "dog", "dogs, cats or horses", "sign of a dog"."""
        words = self._words
        while index < len(self._tokens):
            text = self._tokens[index].text
            if text == ",":
                if not self._list_goes_on(index + 1):
                    break
            elif text == "and":
                if cue == "no" and self._word(index + 1) != "no":
                    break
            elif (
                self._is_end(index)
                or any(words.has(group, text) for group in ("prepositions", "verbs"))
                or text in ("that", "which", "who")
            ):
                break
            index += 1
        return index

    def _list_goes_on(self, index: int) -> bool:
        """Whether a list with "or" goes on after a comma: "cats or horses", "cats, horses or cows"."""
        for step in range(index, min(index + MAX_LIST_TOKENS, len(self._tokens))):
            text = self._tokens[step].text
            if text in ("or", "nor"):
                return True
            if text != "," and (self._is_end(step) or self._words.has("verbs", text) or text == "and"):
                return False
        return False

    def _new_clause(self, index: int) -> bool:
        """Whether words have a subject and a verb of their own, or are none at all."""
        if self._words.has("subjects", self._word(index)):
            return True
        for step in range(index, min(index + MAX_LIST_TOKENS, len(self._tokens))):
            if self._is_end(step) or self._tokens[step].text in (",", "or", "nor"):
                return False
            if self._words.has("verbs", self._tokens[step].text):
                return True
        return False

    def _clauses(self) -> Iterator[tuple[int, int]]:
        begin = 0
        for index in range(len(self._tokens)):
            cut = self._is_end(index) or self._tokens[index].text == ","
            if cut or (self._tokens[index].text == "and" and self._new_clause(index + 1)):
                yield begin, index
                begin = index
        yield begin, len(self._tokens)

    def _is_end(self, index: int) -> bool:
        token = self._tokens[index]
        if token.kind is not Kind.MARK:
            return self._words.has("clause_ends", token.text)
        return token.text in _ENDS or (token.text == "-" and not self._touches(index))

    def _touches(self, index: int) -> bool:
        """Whether a token follows on the one before it without a space."""
        return index > 0 and self._tokens[index - 1].end == self._tokens[index].start

    def _word(self, index: int) -> str:
        return self._tokens[index].text if 0 <= index < len(self._tokens) else ""
