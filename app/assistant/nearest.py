"""Which questions and orders come nearest to words that no grammar understands: to be clicked, never to be done."""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.orders import MAX_ORDER_CHARS, Order, OrderContext, parse_order
from scenescope.app.assistant.orders_names import stage_name, zone_word
from scenescope.app.assistant.orders_words import lexicon, plain
from scenescope.pipelines.log.records import SearchHit

__all__ = ["Embed", "Near", "Nearest", "told_of"]

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Sentences to float32 (N, D), one row of unit length for each."""

MOST_SUGGESTIONS = 4
MOST_OF_ONE_KIND = 2
MOST_ROWS = 4000
MOST_MOMENTS = 2
# Most of what is found by its meaning only may be things that come and go.
MOST_HITS = 20
# Least cosine of sentence embeddings, and of sets of words, at which something is called near.
LEAST_COSINE = 0.35
LEAST_OVERLAP = 0.3


@dataclass(frozen=True)
class Near:
    """What to offer.

    Attributes:
        found: something is near; otherwise ``suggestions`` are only the first examples.
        suggestions: questions and orders that are understood exactly, the nearest first.
    """

    found: bool
    suggestions: tuple[str, ...]


@dataclass(frozen=True)
class _Candidate:
    """A suggestion, what else it is known by, and what it was made from."""

    text: str
    like: tuple[str, ...] = ()
    made_from: str = ""


class Nearest:
    """Ranks what can be asked and ordered by meaning, or by shared words where there is no model for meaning.

    Args:
        embed: gives sentences their vectors; None compares words. It is asked once for every sentence.
    """

    def __init__(self, embed: Embed | None = None) -> None:
        self._embed = embed
        self._rows: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def to(self, text: str, context: OrderContext, questions: Sequence[str] = ()) -> Near:
        """What comes nearest to ``text``.

        Args:
            text: the user's own words.
            context: what there is to be named.
            questions: questions that can be answered now, the most usual first.
        """
        text = text.strip()[:MAX_ORDER_CHARS]
        said = plain(text)
        candidates = [*(_Candidate(question) for question in questions), *_orders(said, context)]
        if not said or not candidates:
            return Near(False, self._first(questions, context))
        if self._embed is None:
            scores, least = [_overlap(said, candidate) for candidate in candidates], LEAST_OVERLAP
        else:
            scores, least = self._likeness(text, candidates), LEAST_COSINE
        # Sorting keeps the order of equals.
        ranked = sorted(zip(scores, candidates, strict=True), key=lambda pair: -pair[0])
        near = [candidate for score, candidate in ranked if score >= least]
        chosen = self._chosen(near, context, questions)
        return Near(True, chosen) if chosen else Near(False, self._first(questions, context))

    def _first(self, questions: Sequence[str], context: OrderContext) -> tuple[str, ...]:
        """The first questions and orders, half and half."""
        orders = self._chosen(list(_orders("", context))[: 2 * MOST_SUGGESTIONS], context, ())
        return (*questions[:2], *orders)[:MOST_SUGGESTIONS]

    def _chosen(
        self, candidates: Sequence[_Candidate], context: OrderContext, questions: Sequence[str]
    ) -> tuple[str, ...]:
        """The first that are understood exactly, and no more than two of one kind."""
        chosen: list[str] = []
        kinds: Counter[str] = Counter()
        for candidate in candidates:
            if candidate.made_from and kinds[candidate.made_from] == MOST_OF_ONE_KIND:
                continue
            if candidate.text in questions or isinstance(parse_order(candidate.text, context), Order):
                chosen.append(candidate.text)
                kinds[candidate.made_from] += 1
            if len(chosen) == MOST_SUGGESTIONS:
                break
        return tuple(chosen)

    def _likeness(self, text: str, candidates: Sequence[_Candidate]) -> list[float]:
        """Cosine of ``text`` with the likest wording of each candidate."""
        wordings = [(at, words) for at, one in enumerate(candidates) for words in (one.text, *one.like)]
        rows = self._vectors([words for _, words in wordings])
        cosines = rows @ self._vectors([text])[0]
        best = np.full(len(candidates), -1.0, np.float32)
        np.maximum.at(best, [at for at, _ in wordings], cosines)
        return [float(score) for score in best]

    def _vectors(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        assert self._embed is not None
        with self._lock:
            new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._rows]
            if new:
                self._rows.update(zip(new, self._embed(new), strict=True))
            rows = np.stack([self._rows[sentence] for sentence in sentences])
            for sentence in sentences:
                self._rows.move_to_end(sentence)
            while len(self._rows) > MOST_ROWS:
                self._rows.popitem(last=False)
        return rows


def told_of(sought: str, knowledge: Knowledge) -> list[SearchHit]:
    """Captions, marks and read words of the session that come nearest to a moment, the best first.

    Raises:
        SinkError: the log cannot be read.
    """
    # In the order of the words, and the verb without its ending: "the door opens" is also where "a door opened".
    stems = (_content(word) for word in plain(sought).split())
    hits = knowledge.search(" ".join(stem for stem, *_ in filter(None, stems)), MOST_HITS)
    return [hit for hit in hits if hit.text][:MOST_MOMENTS]


def _orders(said: str, context: OrderContext) -> Iterator[_Candidate]:
    """The examples of ``orders.yaml``, filled in with what there is; what the user named goes first."""
    for example in lexicon().examples:
        order, like = example["order"], tuple(example["like"])
        slots = set(re.findall(r"{(\w+)}", " ".join((order, *like))))
        for filling in _fillings(slots, said, context):
            yield _Candidate(order.format(**filling), tuple(one.format(**filling) for one in like), order)


def _fillings(slots: set[str], said: str, context: OrderContext) -> Iterator[dict[str, str]]:
    """Values for the slots of one example: one filling for each stage, kind or watch, none where nothing fits."""
    stages = context.spec.stages
    words, label = context.words, _label(said, context)
    fixed: dict[str, str] = {}
    if slots & {"labels", "a"}:
        if not label:
            return
        fixed |= {"labels": words.plural(label), "a": words.one(label)}
    if "zone" in slots:
        if not context.zones.zones:
            return
        fixed["zone"] = zone_word(_named(said, [zone.name for zone in context.zones.zones]))
    if "line" in slots:
        if not context.zones.lines:
            return
        fixed["line"] = f"the line {_named(said, [line.name for line in context.zones.lines])}"
    if "track" in slots:
        if not context.track_ids:
            return
        fixed["track"] = str(context.track_ids[0])
    if "kind" in slots:
        for kind in context.kinds.values():
            yield {**fixed, "kind": kind.title, "about": kind.summary, "names": ", ".join(kind.names)}
        return
    several = {
        "stage": [stage for stage in stages if stage.enabled],
        "off": [stage for stage in stages if not stage.enabled],
        "detector": [stage for stage in stages if stage.kind == "detect"],
    }
    for slot, found in several.items():
        if slot in slots:
            yield from ({**fixed, slot: stage_name(stage, context)} for stage in found)
            return
    if "watch" in slots:
        yield from ({**fixed, "watch": name} for name in context.watches)
        return
    yield fixed


def _label(said: str, context: OrderContext) -> str:
    """The class that the words name, else the first one that is known."""
    return next(iter([*context.words.mentioned(said, context.known_labels), *context.known_labels]), "")


def _named(said: str, names: Sequence[str]) -> str:
    """The name that the words hold, else the first; a name of one letter only after "zone" or "line"."""
    for name in names:
        key = re.escape(plain(name))
        if re.search(rf"\b(?:zone|area|line) {key}\b" if len(plain(name)) == 1 else rf"\b{key}\b", said):
            return name
    return names[0]


def _overlap(said: str, candidate: _Candidate) -> float:
    """Shared words as the cosine of two sets, for the likest wording."""
    asked = _content(said)
    best = 0.0
    for wording in (candidate.text, *candidate.like):
        words = _words_of(wording)
        if asked and words:
            best = max(best, len(asked & words) / float(np.sqrt(len(asked) * len(words))))
    return best


@lru_cache(maxsize=MOST_ROWS)
def _words_of(wording: str) -> frozenset[str]:
    return _content(plain(wording))


def _content(text: str) -> frozenset[str]:
    """Words that carry meaning, without the commonest endings."""
    unimportant = lexicon().unimportant
    words = (re.sub(r"(?<=\w{3})(?:ing|ed|s)$", "", word) for word in text.split() if word not in unimportant)
    return frozenset(word for word in words if word.isalnum())
