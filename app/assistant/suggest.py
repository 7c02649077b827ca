"""Which questions and menu entries come nearest to words that the rules do not understand, by shared words."""

from __future__ import annotations

from collections.abc import Sequence

from scenescope.app.assistant.grammar import Intent, normalised, parse
from scenescope.app.assistant.words import Vocabulary
from scenescope.pipelines.scene_state import SceneState

__all__ = ["Suggester"]

MAX_SUGGESTIONS = 4
MAX_MENU_ENTRIES = 2


class Suggester:
    """Finds questions that can be answered; every one it gives is understood by the grammar."""

    def __init__(self, words: Vocabulary) -> None:
        self._words = words

    def examples(self, scene: SceneState) -> tuple[str, ...]:
        """The first questions to ask about a scene."""
        return self._all(scene, self._label(scene))[:MAX_SUGGESTIONS]

    def nearest(self, question: str, scene: SceneState) -> tuple[str, ...]:
        """The questions that share most words with ``question``, filled up with the first ones."""
        asked = normalised(question)
        mentioned = self._words.mentioned(asked, scene.known_labels)
        choices = self._all(scene, mentioned[0] if mentioned else self._label(scene))
        wanted = self._content(asked)
        # Sorting keeps the order of equals, so without any shared word these are simply the first.
        ranked = sorted(choices, key=lambda choice: -len(wanted & self._content(normalised(choice))))
        return tuple(ranked[:MAX_SUGGESTIONS])

    def about(self, intent: Intent, label: str) -> str:
        """The question of this kind about ``label``."""
        filled = [self._filled(example, label) for example in self._words.examples if "{" in example]
        for text in filled:
            query = parse(text, self._words, (label,))
            if query is not None and query.intent is intent:
                return text
        return filled[0]

    def menu_entries(self, question: str, verb: str, menu: Sequence[str]) -> list[str]:
        """The entries of the menus that do what an order asks, those that share most words with it first."""
        keys, asked = {*verb.split(), *self._words.orders[verb]}, self._content(normalised(question))
        entries = {entry: self._content(normalised(entry)) for entry in menu}
        fitting = [entry for entry, words in entries.items() if keys & words]
        fitting.sort(key=lambda entry: -len((keys | asked) & entries[entry]))
        return fitting[:MAX_MENU_ENTRIES]

    def _all(self, scene: SceneState, label: str) -> tuple[str, ...]:
        usable = [example for example in self._words.examples if label or "{" not in example]
        return tuple(self._filled(example, label) for example in usable)

    def _label(self, scene: SceneState) -> str:
        """What is most frequent now, else what was seen before, else what the detector knows first."""
        return next(iter([*scene.counts, *scene.memory, *scene.known_labels]), "")

    def _filled(self, example: str, label: str) -> str:
        one = self._words.one(label)
        return example.format(labels=self._words.plural(label), a=one, the=f"the {one.partition(' ')[2]}")

    def _content(self, text: str) -> set[str]:
        """Words that carry meaning, without the endings of plurals."""
        words = set(text.split()) - self._words.unimportant
        return {word.removesuffix("s") if len(word) > 3 else word for word in words}
