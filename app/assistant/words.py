"""The vocabulary of the assistant's rules: plurals, articles, and which of a detector's classes a phrase means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import yaml

from scenescope.pipelines.scene_look import COLOURS

__all__ = ["Target", "Vocabulary", "joined", "vocabulary"]

_EVERYTHING = frozenset({"object", "thing", "item", "everything", "anything", "something", "all", "stuff"})
_DETERMINERS = re.compile(r"^(?:(?:a|an|the|any|some|all|this|that|these|those|my|your|of) )+")
# One object by its number: "#3", "track 3", "person #3", "person no 3", "the person with id 3".
_NUMBERED = re.compile(
    r"(?:#|(?P<what>.+?)(?: (?:with (?:the )?)?(?:track|number|no|id))?(?: #)?) ?(?P<number>\d{1,9})"
)
_NUMBER_NOUNS = ("track", "number", "id")
_OTHER_COLOURS = {"gray": "grey", "violet": "purple", "cyan": "turquoise", "teal": "turquoise", "magenta": "pink"}
_TYPO_CUTOFF = 0.75


@dataclass(frozen=True)
class Target:
    """What a question is about.

    Attributes:
        word: what to call one of them.
        labels: the detector's classes that it covers; none means all.
        narrow: True when ``word`` says more than the detector can tell: a woman is found as a person.
        colour: only those of this colour.
        track_id: only this track, if it is of these classes.
    """

    word: str
    labels: tuple[str, ...] = ()
    narrow: bool = False
    colour: str = ""
    track_id: int | None = None

    @property
    def number(self) -> str:
        """Which object it is: "#3", "person #3"; "" when it may be several."""
        if self.track_id is None:
            return ""
        return f"{self.word} #{self.track_id}" if self.labels else f"#{self.track_id}"


class Vocabulary:
    """Words from a resource file. All methods take and give lower-case text without punctuation.

    Args:
        content: the sections of ``resources/prompts/words.yaml``.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.orders: dict[str, list[str]] = content["orders"]
        self.unimportant: frozenset[str] = frozenset(content["unimportant"])
        self.pronouns: frozenset[str] = frozenset(content["pronouns"])
        self.examples: tuple[str, ...] = tuple(content["examples"])
        self.log_examples: tuple[str, ...] = tuple(content["log_examples"])
        self._synonyms: dict[str, list[str]] = content["synonyms"]
        self._narrower: dict[str, list[str]] = content["narrower"]
        self._wider: dict[str, list[str]] = content["wider"]
        self._plurals: dict[str, str] = content["plurals"]
        self._counted: dict[str, list[str]] = content["counted"]
        self._index = lru_cache(maxsize=16)(self._make_index)

    # Saying ------------------------------------------------------------------------------------------------------

    def plural(self, word: str) -> str:
        """Several of them: "people" for "person", "pairs of skis" for "skis"."""
        if word in self._counted:
            return self._counted[word][1]
        return self._regular_plural(word)

    def singular(self, word: str) -> str:
        """What one of them is counted as: "pair of skis" for "skis"."""
        return self._counted[word][0] if word in self._counted else word

    def counted(self, number: int, word: str, colour: str = "") -> str:
        """With its number: "1 person", "2 red cars", "no cups"."""
        noun = self.singular(word) if number == 1 else self.plural(word)
        return " ".join(filter(None, ("no" if number == 0 else str(number), colour, noun)))

    def one(self, word: str, colour: str = "") -> str:
        """With its article: "a person", "an apple", "a red car"."""
        noun = f"{colour} {self.singular(word)}".strip()
        return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"

    def counts(self, counts: Iterable[tuple[str, int]], at_most: int = 8) -> str:
        """In one phrase: "2 people, 1 cup and 1 dog"."""
        parts = [self.counted(number, label) for label, number in counts]
        rest = len(parts) - at_most
        if rest > 1:
            parts = [*parts[:at_most], f"{rest} other kinds of objects"]
        return joined(parts)

    # Understanding -----------------------------------------------------------------------------------------------

    def resolve(self, phrase: str, known: tuple[str, ...]) -> Target | None:
        """What a phrase means to a detector with the classes ``known``; None when it means nothing to it."""
        phrase = _DETERMINERS.sub("", phrase).strip()
        index = self._index(known)
        if phrase in index:
            return index[phrase]
        if match := _NUMBERED.fullmatch(phrase):
            return self._numbered(match["what"], int(match["number"]), index)
        first, _, rest = phrase.partition(" ")
        colour = _OTHER_COLOURS.get(first, first)
        if colour in COLOURS and rest in index:
            target = index[rest]
            return Target(target.word, target.labels, target.narrow, colour)
        return None

    def _numbered(self, what: str | None, number: int, index: Mapping[str, Target]) -> Target | None:
        """The object of a number; None where what stands before it names no single thing: "people other than 3"."""
        target = Target("object") if what is None or what in _NUMBER_NOUNS else index.get(what)
        if target is None or what == self.plural(target.word) != target.word:
            return None
        return replace(target, track_id=number)

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes that detectors usually have, as far as there are words for them."""
        return tuple(dict.fromkeys([*self._synonyms, *self._narrower]))

    def forms(self, known: tuple[str, ...]) -> Mapping[str, Target]:
        """Every form of every word that means something to a detector with the classes ``known``."""
        return self._index(known)

    def similar(self, phrase: str, known: tuple[str, ...]) -> list[str]:
        """Classes that a misspelt phrase may have meant, likeliest first."""
        index = self._index(known)
        close = difflib.get_close_matches(_DETERMINERS.sub("", phrase), list(index), n=3, cutoff=_TYPO_CUTOFF)
        return list(dict.fromkeys(label for form in close for label in index[form].labels[:1]))

    def mentioned(self, phrase: str, known: tuple[str, ...]) -> list[str]:
        """Classes that are named somewhere in a phrase, in its order; the longest names win."""
        index, words, found = self._index(known), phrase.split(), []
        start = 0
        while start < len(words):
            for end in range(min(len(words), start + 3), start, -1):
                target = index.get(" ".join(words[start:end]))
                if target and len(target.labels) == 1:
                    found.append(target.labels[0])
                    start = end - 1
                    break
            start += 1
        return list(dict.fromkeys(found))

    def _make_index(self, known: tuple[str, ...]) -> dict[str, Target]:
        """Every form of every word that covers at least one known class. What is put in first wins."""
        by_name = {label.casefold(): label for label in known}
        index: dict[str, Target] = {}

        def put(words: Iterable[str], target: Target) -> None:
            for word in words:
                for form in (word, self._regular_plural(word), *self._counted.get(word, ())):
                    index.setdefault(form, target)

        for name, label in by_name.items():
            put([name], Target(label, (label,)))
        put(_EVERYTHING, Target("object"))
        for canonical, others in self._synonyms.items():
            family = [canonical, *others]
            for label in [by_name[word] for word in family if word in by_name][:1]:
                put(family, Target(label, (label,)))
        for canonical, narrower in self._narrower.items():
            wide = index.get(canonical)
            for word in narrower if wide else ():
                put([word], Target(word, wide.labels if wide else (), narrow=True))
        for word, members in self._wider.items():
            labels = dict.fromkeys(label for m in members if m in index for label in index[m].labels)
            if labels:
                put([word], Target(word, tuple(labels)))
        return index

    def _regular_plural(self, word: str) -> str:
        if word in self._plurals:
            return self._plurals[word]
        head, _, last = word.rpartition(" ")
        if head and last in self._plurals:
            return f"{head} {self._plurals[last]}"
        if re.search(r"[^aeiou]y$", word):
            return f"{word[:-1]}ies"
        return f"{word}es" if re.search(r"(?:s|x|z|ch|sh)$", word) else f"{word}s"


def joined(parts: Sequence[str]) -> str:
    """As an English list: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


@cache
def vocabulary() -> Vocabulary:
    """The built-in words, read once."""
    text = files("scenescope.resources").joinpath("prompts", "words.yaml").read_text(encoding="utf-8")
    return Vocabulary(yaml.safe_load(text))
