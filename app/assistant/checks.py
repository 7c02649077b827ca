"""Claim checks: what a model said is compared with what the app knows before people read it.

A claim is a thing that a detector would find, a number, or a time. What nothing supports is named in a note; the times
that are right become evidence. A check finds claims by a small grammar of English: what it lets pass is not proved.
Only where it found a claim to be so does something vouch for a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from time import localtime

from scenescope.app.assistant.checks_facts import Known, Moment, Numbers, Result, known_from
from scenescope.app.assistant.checks_mentions import Mention, Said, mentions
from scenescope.app.assistant.checks_numbers import Bound, Measure, Number, numbers
from scenescope.app.assistant.checks_text import Kind, Token, is_english, sentences, tokens
from scenescope.app.assistant.checks_words import Forms, Lexicon, forms, lexicon
from scenescope.app.assistant.phrases import EMPTY, Answer
from scenescope.app.assistant.words import Vocabulary, joined, vocabulary
from scenescope.models.language import Description, Evidence, ToolResult
from scenescope.pipelines.scene_look import COLOURS
from scenescope.pipelines.scene_state import SceneState, SceneTrack

__all__ = ["Checked", "Doubt", "DoubtKind", "Facts", "check", "empty_scene_said"]

MAX_NOTED = 6
MAX_QUOTED_CHARS = 40
MAX_QUESTION_CHARS = 1000
MAX_EVIDENCE = 8
DAY_S = 86400.0


class DoubtKind(StrEnum):
    """What is wrong with a claim. The value begins its note."""

    OBJECT = "Not confirmed by the detector"
    COUNT = "The detector counts otherwise"
    NUMBER = "Not among what was looked up"
    TIME = "Nothing is known to have happened then"
    UNKNOWN = "Nothing here can confirm"
    """A thing of a class that other detectors know."""
    LANGUAGE = "Not checked, because it is not in English"
    UNWATCHED = "Nothing here can confirm what it names: no detector is running"


@dataclass(frozen=True)
class Doubt:
    """A claim that nothing supports: its words, and where they stand in the text; no span in a description's lists."""

    kind: DoubtKind
    words: str
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class Facts:
    """What a text may speak of.

    Attributes:
        scene: the scene as it was when the text was asked for.
        results: what tools gave in this turn. What a model saw in pictures does not belong here: it proves nothing.
        description: what else the model said, to be checked with the text.
        question: the user's words; lengths of time in them may be repeated.
        words: the vocabulary.
        known: what the detector can tell apart; that of the scene when empty.
        wall_s: for a live source, the Unix time of ``scene.pts_s``; with it times of the day can be checked.
        looked: the text says what a model sees; without a detector nothing vouches for any of it.
    """

    scene: SceneState = field(default_factory=SceneState)
    results: tuple[ToolResult, ...] = ()
    description: Description | None = None
    question: str = ""
    words: Vocabulary = field(default_factory=vocabulary)
    known: tuple[str, ...] = ()
    wall_s: float | None = None
    looked: bool = False


@dataclass(frozen=True)
class Checked:
    """A text that was checked.

    Attributes:
        text: as it was given.
        notes: a sentence for each kind of doubt.
        evidence: the moments that the text names, in its order.
        doubts: the claims that nothing supports.
        vouched: there is a claim that something supports.
        passed: nothing is in doubt; that is also so where nothing can be checked.
        confirmed: nothing is in doubt, and something vouches for it.
    """

    text: str
    notes: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    vouched: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing is in doubt."""
        return not self.doubts

    @property
    def confirmed(self) -> bool:
        """Whether all that can be checked was found to be so, and there was something to check."""
        return self.passed and self.vouched


def empty_scene_said(scene: SceneState) -> Answer | None:
    """What to say by rule where a detector watches and sees nothing; None when a model may describe the scene."""
    if not scene.watching or scene.tracks or sum(scene.counts.values()):
        return None
    return Answer(EMPTY, (Evidence(scene.frame_index, scene.pts_s),))


def check(text: str, facts: Facts) -> Checked:
    """Compare what a text claims with what is known. Never raises; takes time in proportion to the text."""
    if not is_english(text):
        doubt = Doubt(DoubtKind.LANGUAGE, _shown(text, (0, len(text))), (0, len(text)))
        return Checked(text, tuple(_notes([doubt])), (), (doubt,))
    checker = _Checker(facts)
    doubts, evidence = checker.text(text)
    vouched = checker.vouched
    if facts.description is not None:
        doubts += checker.description(facts.description)
    if (facts.looked or facts.description is not None) and not checker.can_see:
        doubts.append(Doubt(DoubtKind.UNWATCHED, "what it shows"))
    doubts = list(dict.fromkeys(doubts))
    return Checked(text, tuple(_notes(doubts)), tuple(dict.fromkeys(evidence))[:MAX_EVIDENCE], tuple(doubts), vouched)


def _notes(doubts: Sequence[Doubt]) -> Iterator[str]:
    for kind in DoubtKind:
        words = list(dict.fromkeys(doubt.words for doubt in doubts if doubt.kind is kind))
        if kind in (DoubtKind.LANGUAGE, DoubtKind.UNWATCHED) and words:
            yield f"{kind}."
        elif words:
            rest = [f"{len(words) - MAX_NOTED} more"] if len(words) > MAX_NOTED else []
            yield f"{kind}: {joined([*words[:MAX_NOTED], *rest])}."


class _Checker:
    """Checks texts against one set of facts.

    Attributes:
        vouched: something in them was found to be so.
    """

    def __init__(self, facts: Facts) -> None:
        scene = facts.scene
        labels = facts.known or scene.known_labels
        seen = dict.fromkeys([*labels, *scene.counts, *(track.label for track in scene.tracks), *scene.memory])
        self.vouched = False
        self._facts = facts
        self._tellable = set(seen)
        self._words: Lexicon = lexicon()
        self._forms: Forms = forms(facts.words, tuple(seen))
        self._known: Known = known_from(scene, facts.results, self._forms, self._words)
        self._asked = Numbers()
        for sentence in sentences(tokens(facts.question[:MAX_QUESTION_CHARS])):
            for number in numbers(sentence, [], self._words):
                if number.measure in (Measure.DURATION, Measure.AGO):
                    self._known.durations.add(number.value)
                self._asked.add(number.value)
        names = sorted((name for name in self._known.names if name), key=len, reverse=True)
        self._names = re.compile("|".join(map(re.escape, names))) if names else None

    @property
    def can_see(self) -> bool:
        """Whether something tells things apart, so that what is named can be confirmed."""
        return self._facts.scene.watching or bool(self._facts.results)

    def text(self, text: str) -> tuple[list[Doubt], list[Evidence]]:
        """What is doubtful in a text, and the moments that it names."""
        doubts: list[Doubt] = []
        evidence: list[Evidence] = []
        masked = self._masked(text)
        for sentence in sentences(tokens(text)):
            # A known name, "Line 1", is no claim of a number.
            sentence = [token for token in sentence if not (token.kind in _NUMERIC and masked[token.start])]
            things = mentions(sentence, self._forms, self._words)
            counts = numbers(sentence, things, self._words)
            counted = {id(number.mention) for number in counts if number.mention is not None}
            for thing in things:
                span = (sentence[thing.first].start, sentence[thing.end - 1].end)
                supported = self._supported(thing)
                self.vouched |= supported and bool(thing.target.labels)
                if thing.said is Said.CLAIMED and not supported:
                    doubts.append(Doubt(self._doubt(DoubtKind.OBJECT, thing), _shown(text, span), span))
                elif thing.said is Said.DENIED and id(thing) not in counted and self._is_there(sentence, thing):
                    span = (sentence[thing.first - 1].start, span[1])
                    doubts.append(Doubt(DoubtKind.COUNT, _shown(text, span), span))
            for number in counts:
                doubts += self._number(text, sentence, number, things, evidence)
        return sorted(doubts, key=lambda doubt: doubt.span or (0, 0)), evidence

    def description(self, description: Description) -> list[Doubt]:
        """What is doubtful in the lists of a description. The text that it saw is a quotation, and no claim."""
        doubts: list[Doubt] = []
        for seen in description.objects:
            phrase = " ".join([*seen.attributes, seen.label])
            found, _ = self.text(f"There is {phrase}.")
            if seen.track_id is not None and not self._known.ids.exactly(seen.track_id):
                found.append(Doubt(DoubtKind.NUMBER, f"#{seen.track_id}"))
            doubts += found
        for relation in (*description.relations, *description.uncertain):
            doubts += self.text(relation)[0]
        return [Doubt(doubt.kind, doubt.words) for doubt in doubts]

    # Things ------------------------------------------------------------------------------------------------------

    def _doubt(self, kind: DoubtKind, thing: Mention) -> DoubtKind:
        """The kind of a doubt about a thing: what no detector can tell, none has denied."""
        if not self.can_see:
            return DoubtKind.UNWATCHED
        labels = set(thing.target.labels)
        return kind if not labels or labels & self._tellable else DoubtKind.UNKNOWN

    def _supported(self, thing: Mention) -> bool:
        """Whether what is said of a thing is known to be so; nothing is of what is only spoken of."""
        labels, known = set(thing.target.labels), self._known
        if thing.said is Said.UNSAID:
            return False
        if thing.said is Said.DENIED:
            return self._is_missing(labels, thing.past)
        if not labels:
            return True
        if labels & {label for result in known.results for label in result.found}:
            return True
        if any(known.now[label] for label in labels):
            return True
        if thing.now:
            return False
        return bool(labels & (known.ever if thing.past else known.before))

    def _is_missing(self, labels: set[str], ever: bool) -> bool:
        """Whether a detector that watches would see such things and does not, or a tool has looked and found none."""
        known = self._known
        if labels & ({label for label in known.now if known.now[label]} | (known.ever if ever else set())):
            return False
        missing = {label for result in known.results for label in result.labels - result.found}
        return bool(labels & (missing | (self._tellable if self._facts.scene.watching else set())))

    def _is_there(self, sentence: Sequence[Token], thing: Mention) -> bool:
        """Whether "there are no dogs" is said of dogs that are there."""
        before = [token.text for token in sentence[max(thing.first - 3, 0) : thing.first]]
        after = [token.text for token in sentence[thing.end : thing.end + 3]]
        plain = before[-3:] in (["there", "is", "no"], ["there", "are", "no"])
        whole = not after or not after[0][0].isalpha() or after[0] in _HERE or after[-1] in _WHOLE
        return plain and whole and any(self._known.now[label] for label in thing.target.labels)

    # Numbers -----------------------------------------------------------------------------------------------------

    def _number(
        self, text: str, sentence: Sequence[Token], number: Number, things: Sequence[Mention], evidence: list[Evidence]
    ) -> Iterator[Doubt]:
        known, value, step = self._known, number.value, number.step
        kind = DoubtKind.NUMBER
        match number.measure:
            case Measure.COUNT:
                assert number.mention is not None
                fine, kind = self._count(sentence, number, things), self._doubt(DoubtKind.COUNT, number.mention)
            case Measure.TRACK:
                fine = known.ids.exactly(value)
            case Measure.FRAME:
                fine = known.frames.exactly(value)
            case Measure.PERCENT:
                fine = known.percent.has(value, step)
            case Measure.DURATION:
                fine = known.durations.has(value, step, up_to=1.0)
            case Measure.PLAIN:
                fine = self._plain(sentence, number, things)
            case _:
                shown = self._time(number)
                fine, kind = shown is not None, DoubtKind.TIME
                evidence += shown or ()
        said = number.mention.said if number.mention is not None else Said.CLAIMED
        # A length of time may be the user's own.
        repeated = number.measure is Measure.DURATION and self._asked.exactly(value)
        self.vouched |= fine and said is Said.CLAIMED and not repeated
        if not fine:
            span = (sentence[number.first].start, sentence[self._last(sentence, number)].end)
            yield Doubt(kind, _shown(text, span), span)

    def _plain(self, sentence: Sequence[Token], number: Number, things: Sequence[Mention]) -> bool:
        following = sentence[number.end].text if number.end < len(sentence) else ""
        then = sentence[number.end + 1].text if number.end + 1 < len(sentence) else ""
        keyed = [result.by_word[following] for result in self._known.results if following in result.by_word]
        if keyed and not (following in ("in", "on") and then in _ARTICLES):
            return any(_fits(one, number) for group in keyed for one in group)
        if self._known.counts(number.value, number.step):
            return True
        labels = {label for thing in things for label in thing.target.labels} or set(self._known.now)
        options = {label: self._qualified(sentence, {label}) for label in labels}
        everything = self._qualified(sentence, labels)
        return any(_fits(one, number) for one in (*everything, *(n for group in options.values() for n in group)))

    def _count(self, sentence: Sequence[Token], number: Number, things: Sequence[Mention]) -> bool:
        """Whether there are as many, or whether a tool has said so."""
        assert number.mention is not None
        known, target = self._known, number.mention.target
        if number.mention.said is not Said.CLAIMED:
            return known.counts(number.value, number.step) or self._asked.exactly(number.value)
        labels = set(target.labels) or set(known.now)
        allowed: set[float] = {float(sum(known.now[label] for label in labels))}
        allowed.update(self._qualified(sentence, labels))
        if number.mention.past:
            allowed.update(n for label in labels for n in known.happened.get(label, ()))
        for result in known.results:
            allowed.update(_counts_of(result, set(target.labels)))
        return any(_fits(one, number) for one in allowed)

    def _qualified(self, sentence: Sequence[Token], labels: set[str]) -> set[float]:
        """How many there are on the left, of a colour, moving: of what the sentence speaks of."""
        words = self._words
        told = {token.text for token in sentence}
        tests = [_in_zone(words.zones[word]) for word in told if word in words.zones]
        tests += [_of_colour(word) for word in told if word in COLOURS]
        if any(words.has("still", word) for word in told):
            tests.append(lambda track: track.motion == "still")
        if any(words.has("moving", word) for word in told):
            tests.append(lambda track: track.motion.startswith("moving"))
        tracks = [track for track in self._known.tracks if track.label in labels]
        numbers_ = {float(sum(map(test, tracks))) for test in tests}
        if len(tests) > 1:
            numbers_.add(float(sum(all(test(track) for test in tests) for track in tracks)))
        return numbers_ - {0.0}

    # Times -------------------------------------------------------------------------------------------------------

    def _time(self, number: Number) -> tuple[Evidence, ...] | None:
        """Where a time can be looked at; None when nothing is known of it."""
        value, step = number.value, number.step
        if number.measure is Measure.AGO:
            then_s = self._facts.scene.pts_s - value
            moment = self._known.moment(then_s - step, then_s + step / 2, then_s)
        else:
            moment = self._known.moment(value - step / 2, value + step, value) or self._of_day(number.clock)
        if moment is None:
            return None
        return () if moment.evidence is None else (moment.evidence,)

    def _of_day(self, clock: tuple[float, float] | None) -> Moment | None:
        """The moment at a time of the day."""
        wall_s, scene = self._facts.wall_s, self._facts.scene
        if clock is None or wall_s is None:
            return None
        now = localtime(wall_s)
        since_midnight_s = now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec + wall_s % 1
        began_s = scene.pts_s - (since_midnight_s - clock[0]) % DAY_S
        return self._known.moment(began_s, began_s + clock[1], began_s)

    def _last(self, sentence: Sequence[Token], number: Number) -> int:
        last = number.end - 1
        thing = number.mention
        return thing.end - 1 if thing is not None and thing.end > last else last

    def _masked(self, text: str) -> Sequence[bool]:
        masked = [False] * len(text)
        lowered = text.casefold()
        if self._names is not None and len(lowered) == len(text):
            for match in self._names.finditer(lowered):
                masked[match.start() : match.end()] = [True] * (match.end() - match.start())
        return masked


_NUMERIC = (Kind.NUMBER, Kind.CLOCK, Kind.TRACK)
_HERE = frozenset({"now", "here", "visible", "present", "anywhere", "currently", "and", "or", "but"})
_WHOLE = frozenset({"picture", "image", "scene", "view", "frame"})
_ARTICLES = frozenset({"the", "this", "a", "an", "total", "all", "view", "front", "sight"})


def _fits(there: float, number: Number) -> bool:
    """Whether there are as many as a number says."""
    if number.ordinal or number.bound is Bound.MORE:
        return there >= number.value
    if number.bound is Bound.FEWER:
        return there <= number.value
    return there == number.value or (there % 1 > 0 and abs(there - number.value) <= number.step / 2)


def _counts_of(result: Result, labels: set[str]) -> set[float]:
    """How many of some classes a tool has counted."""
    told = [result.counts[label] for label in labels if label in result.counts]
    if told:
        least = [min(group) for group in told]
        return set().union(*told) | ({sum(least)} if len(labels) > 1 else set())
    about = not labels or not result.labels or bool(labels & result.labels)
    return result.numbers if about else set()


def _in_zone(word: str) -> Callable[[SceneTrack], bool]:
    return lambda track: word in track.zone.split()


def _of_colour(colour: str) -> Callable[[SceneTrack], bool]:
    return lambda track: track.colour == colour


def _shown(text: str, span: tuple[int, int]) -> str:
    """Words of a text in one line, for a note."""
    words = " ".join(text[span[0] : span[1]].split())
    return words if len(words) <= MAX_QUOTED_CHARS else f"{words[: MAX_QUOTED_CHARS - 1]}…"
