"""Which questions and menu entries come nearest to words that the rules do not understand, by shared words."""

from __future__ import annotations

from collections.abc import Sequence

from scenescope.app.assistant.grammar import Intent, normalised, parse
from scenescope.app.assistant.words import Vocabulary
from scenescope.pipelines.log.names import SessionNames
from scenescope.pipelines.scene_state import SceneState

__all__ = ["Suggester"]

MAX_SUGGESTIONS = 4
MAX_MENU_ENTRIES = 2
_NO_NAMES = SessionNames()
_ABOUT = ("{labels}", "{a}", "{the}")


class Suggester:
    """Finds questions that can be answered; every one it gives is understood by the grammar.

    ``names`` are the zones and lines of the session; None where no event log is kept, so that of the past nothing but
    what the scene remembers can be asked.
    """

    def __init__(self, words: Vocabulary) -> None:
        self._words = words

    def examples(self, scene: SceneState, names: SessionNames | None = None) -> tuple[str, ...]:
        """The first questions to ask about a scene."""
        return self.all(scene, names)[:MAX_SUGGESTIONS]

    def nearest(self, question: str, scene: SceneState, names: SessionNames | None = None) -> tuple[str, ...]:
        """The questions that share most words with ``question``, filled up with the first ones."""
        asked = normalised(question)
        mentioned = self._words.mentioned(asked, scene.known_labels)
        choices = self.all(scene, names, mentioned[0] if mentioned else "")
        wanted = self._content(asked)
        # Sorting keeps the order of equals, so without any shared word these are simply the first.
        ranked = sorted(choices, key=lambda choice: -len(wanted & self._content(normalised(choice))))
        return tuple(ranked[:MAX_SUGGESTIONS])

    def all(self, scene: SceneState, names: SessionNames | None = None, label: str = "") -> tuple[str, ...]:
        """Every question, about ``label`` or what is most frequent; those about the past where a log is kept."""
        label = label or self._label(scene) or next(iter(() if names is None else names.labels), "")
        drawn = names or _NO_NAMES
        examples = (*self._words.examples, *(() if names is None else self._words.log_examples))
        usable = [
            example
            for example in examples
            if (label or not any(slot in example for slot in _ABOUT))
            and (drawn.zones or "{zone}" not in example)
            and (drawn.lines or "{line}" not in example)
        ]
        return tuple(self._filled(example, label, drawn) for example in usable)

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

    def _label(self, scene: SceneState) -> str:
        """What is most frequent now, else what was seen before, else what the detector knows first."""
        return next(iter([*scene.counts, *scene.memory, *scene.known_labels]), "")

    def _filled(self, example: str, label: str, names: SessionNames = _NO_NAMES) -> str:
        one = self._words.one(label)
        zone, line = (f"'{some[0]}'" if some else "" for some in (names.zones, names.lines))
        return example.format(
            labels=self._words.plural(label), a=one, the=f"the {one.partition(' ')[2]}", zone=zone, line=line
        )

    def _content(self, text: str) -> set[str]:
        """Words that carry meaning, without the endings of plurals."""
        words = set(text.split()) - self._words.unimportant
        return {word.removesuffix("s") if len(word) > 3 else word for word in words}
