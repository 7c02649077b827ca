"""The words of the claim checks: which phrases name things that a detector knows, and which phrases deny."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import yaml

from scenescope.app.assistant.checks_text import Kind, Token, tokens
from scenescope.app.assistant.words import Target, Vocabulary
from scenescope.models.catalogue import current

__all__ = ["Forms", "Lexicon", "Phrases", "forms", "lexicon"]

_BUNDLED_DETECTOR = "nanodet_g_416_coco"


class Phrases:
    """A set of phrases of one or more words, looked up in tokens.

    Args:
        phrases: as people write them.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for phrase in phrases:
            words = tuple(phrase.split())
            self._by_first.setdefault(words[0], []).append(words)

    def at(self, sentence: Sequence[Token], index: int) -> int:
        """How many tokens the longest phrase at ``index`` has; 0 when there is none."""
        found = 0
        for words in self._by_first.get(sentence[index].text, ()):
            if len(words) > found and all(
                index + step < len(sentence) and sentence[index + step].text == word for step, word in enumerate(words)
            ):
                found = len(words)
        return found

    def ending(self, sentence: Sequence[Token], end: int) -> bool:
        """Whether one ends just before ``end``."""
        return any(self.at(sentence, end - length) == length for length in (1, 2, 3) if end >= length)


class Lexicon:
    """The words of ``resources/prompts/claims.yaml``.

    Args:
        content: its sections.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.numbers: dict[str, float] = content["numbers"]
        self.multipliers: dict[str, float] = content["multipliers"]
        self.groups: dict[str, float] = content["groups"]
        self.alone: dict[str, float] = content["alone"]
        self.ordinals: dict[str, float] = content["ordinals"]
        self.units = {word: float(seconds) for seconds, words in content["units"].items() for word in words}
        self.hyphened: dict[str, str] = content["hyphened"]
        self.zones: dict[str, str] = content["zones"]
        self.compounds = frozenset(content["compounds"])
        self.idioms = frozenset(content["idioms"])
        self._sets = {name: frozenset(words) for name, words in content.items() if isinstance(words, list)}
        self.unsaid = Phrases(content["unsaid"])
        self.now = Phrases(content["now"])
        self.more = Phrases(content["more"])
        self.fewer = Phrases(content["fewer"])

    def is_grammar(self, word: str) -> bool:
        """Whether a word is no name of a thing in any sentence, even if a detector has a class of that name."""
        groups = ("prepositions", "verbs", "subjects", "no", "not", "articles")
        return word in self.numbers or any(word in self._sets[group] for group in groups)

    def has(self, group: str, word: str) -> bool:
        """Whether a word belongs to a group."""
        return word in self._sets[group]


class Forms:
    """The phrases that name things which a detector knows, or another would.

    Args:
        phrases: every form with what it means.
    """

    def __init__(self, phrases: Mapping[str, Target]) -> None:
        self._targets: dict[str, Target] = {}
        for phrase, target in phrases.items():
            key = " ".join(token.text for token in tokens(phrase) if token.kind is not Kind.MARK)
            if key and not lexicon().is_grammar(key):
                self._targets.setdefault(key, target)
        self._longest = max((key.count(" ") + 1 for key in self._targets), default=0)

    def at(self, sentence: Sequence[Token], index: int) -> tuple[Target, int] | None:
        """What the longest phrase at ``index`` means, and the index after it."""
        found: tuple[Target, int] | None = None
        key, end, words = "", index, 0
        while end < len(sentence) and words < self._longest:
            token = sentence[end]
            end += 1
            if token.kind is Kind.MARK:
                # "t-shirt" is one word.
                if token.text == "-" and key:
                    continue
                break
            words += 1
            key = f"{key} {token.text.removesuffix(chr(39) + 's')}".lstrip()
            target = self._targets.get(key)
            if target is not None:
                found = target, end
        return found

    def exactly(self, phrase: str) -> Target | None:
        """What a whole phrase means; None when it names nothing."""
        return self._targets.get(" ".join(token.text for token in tokens(phrase[:200]) if token.kind is not Kind.MARK))


@lru_cache(maxsize=16)
def forms(words: Vocabulary, known: tuple[str, ...]) -> Forms:
    """The forms of a vocabulary for a detector with the classes ``known``, and what others usually know."""
    usual = tuple(dict.fromkeys([*current().card(_BUNDLED_DETECTOR).labels, *words.labels]))
    return Forms({**words.forms(usual), **words.forms(known)})


@cache
def lexicon() -> Lexicon:
    """The built-in words, read once."""
    text = files("scenescope.resources").joinpath("prompts", "claims.yaml").read_text(encoding="utf-8")
    return Lexicon(yaml.safe_load(text))
