"""Answers about a scene: every number and every time is looked up in it, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scenescope.app.assistant.grammar import Query
from scenescope.app.assistant.phrases import (
    EMPTY,
    MAX_EVIDENCE,
    Answer,
    at_most,
    capitalised,
    clause_of,
    duration,
    evidence_of,
    listed,
    moment,
    named,
    place,
    tags,
)
from scenescope.app.assistant.words import Target, Vocabulary, joined
from scenescope.models.language import Evidence
from scenescope.pipelines.scene_state import LabelMemory, SceneState, SceneTrack

__all__ = ["SceneAnswers"]

MAX_SENTENCES = 6
LATEST_EVENTS = 5


class SceneAnswers:
    """Answers the questions about one scene.

    Args:
        scene: what is known.
        words: for plurals and articles.
    """

    def __init__(self, scene: SceneState, words: Vocabulary) -> None:
        self._scene = scene
        self._words = words

    # Now ---------------------------------------------------------------------------------------------------------

    def count(self, query: Query) -> Answer:
        """How many there are."""

        def sentence(target: Target, tracks: list[SceneTrack]) -> str:
            several = len({track.label for track in tracks}) > 1
            which = f": {listed(tracks, self._words)}" if several else tags(track.track_id for track in tracks)
            return f"The detector sees {self._number(target, len(tracks))}{_where(query)} now{which}."

        return self._for_each(replace(query, targets=query.targets or (Target("object"),)), sentence)

    def present(self, query: Query) -> Answer:
        """Whether there is one."""

        def sentence(target: Target, tracks: list[SceneTrack]) -> str:
            if not tracks:
                return f"No: the detector sees {self._number(target, 0)}{_where(query)} now."
            what = self._number(target, len(tracks)) if target.colour else listed(tracks, self._words)
            # Whether it is a woman is just what cannot be said of a person.
            start = "It sees" if target.narrow else "Yes:"
            return f"{start} {what}{_where(query)}{tags(track.track_id for track in tracks)}."

        return self._for_each(query, sentence)

    def list_all(self, query: Query) -> Answer:
        """What there is."""
        tracks = self._select(Target("object"), query.zone)
        if not tracks:
            return Answer(f"The detector sees nothing{_where(query)} now." if query.zone else EMPTY, self._here())
        text = f"The detector sees {listed(tracks, self._words)}{_where(query)} now."
        if len(tracks) <= MAX_SENTENCES and not query.zone:
            text = " ".join([text, *map(self._whereabouts, tracks)])
        return Answer(text, evidence_of(tracks))

    def where(self, query: Query) -> Answer:
        """Where they are."""
        return self._about_each(query, self._whereabouts)

    def colour(self, query: Query) -> Answer:
        """What colour they are."""

        def sentence(track: SceneTrack) -> str:
            what = capitalised(named(track, self._words))
            return f"{what} is mostly {track.colour}." if track.colour else f"{what}: I could not tell its colour."

        answer = self._about_each(query, sentence)
        some = any(self._select(target) and not target.colour for target in query.targets)
        return replace(answer, text=f"{answer.text} Colours are rough guesses.") if some else answer

    def moving(self, query: Query) -> Answer:
        """Whether and where they move; without a target, what moves."""

        def sentence(track: SceneTrack) -> str:
            return (
                f"{capitalised(named(track, self._words))} is {_motion(track) or 'not followed well enough to tell'}."
            )

        if query.targets:
            return self._about_each(query, sentence)
        moving = [track for track in self._scene.tracks if track.motion.startswith("moving")]
        if moving:
            return Answer(at_most(list(map(sentence, moving)), MAX_SENTENCES), evidence_of(moving))
        if self._scene.tracks and not any(track.motion for track in self._scene.tracks):
            return Answer("I cannot tell: no object has been tracked long enough.", self._here())
        return Answer("Nothing is moving now.", self._here())

    # Before ------------------------------------------------------------------------------------------------------

    def how_long(self, query: Query) -> Answer:
        """For how long they have been there."""

        def sentence(track: SceneTrack) -> str:
            age = duration(self._scene.pts_s - track.first_s)
            since = "" if self._scene.live else f", since {moment(self._scene, track.first_s).removeprefix('at ')}"
            longer = ", or longer: it was there when I began to watch" if self._at_start(track.first_s) else ""
            return f"{capitalised(named(track, self._words))} has been here for {age}{since}{longer}."

        answer = self._about_each(query, sentence)
        tracks = [track for target in query.targets for track in self._select(target)]
        starts = dict.fromkeys(Evidence(track.first_frame, track.first_s, track.track_id) for track in tracks)
        return replace(answer, evidence=tuple(starts)[:MAX_EVIDENCE] or answer.evidence)

    def first_seen(self, query: Query) -> Answer:
        """When the first one appeared."""

        def sentence(target: Target, seen: LabelMemory) -> tuple[str, Evidence]:
            which = "" if target.track_id is not None else tags([seen.first_track_id])
            when = f"{moment(self._scene, seen.first_s)}{which}"
            start = capitalised(self._called(target))
            text = f"{start} was already there when I began to watch, {when}."
            if not self._at_start(seen.first_s):
                text = f"{start} first appeared {when}, as far as I have watched."
            return text, Evidence(seen.first_frame, seen.first_s, seen.first_track_id)

        return self._remembered(query, sentence)

    def last_seen(self, query: Query) -> Answer:
        """When the last one was seen."""

        def sentence(target: Target, seen: LabelMemory) -> tuple[str, Evidence]:
            tracks = self._select(target)
            if tracks:
                verb = "is" if len(tracks) == 1 else "are"
                things = [target.number or named(track, self._words) for track in tracks]
                told_apart = len(set(things)) == len(things) <= MAX_SENTENCES
                what = joined(things) if told_apart else self._number(target, len(tracks))
                return f"{capitalised(what)} {verb} in the picture now.", evidence_of(tracks)[0]
            which = "" if target.track_id is not None else tags([seen.last_track_id])
            text = f"{capitalised(self._called(target))} was last seen {moment(self._scene, seen.last_s)}{which}."
            return text, Evidence(seen.last_frame, seen.last_s, seen.last_track_id)

        return self._remembered(query, sentence)

    def changes(self, query: Query) -> Answer:
        """What happened last."""
        # An object that vanished is dated back to when it was last seen.
        latest = sorted(self._scene.events[-LATEST_EVENTS:], key=lambda event: event.pts_s)
        if not latest:
            began = moment(self._scene, self._scene.began_s)
            return Answer(f"Nothing has appeared or gone since I began to watch, {began}.", self._here())
        clauses = [(capitalised(moment(self._scene, event.pts_s)), clause_of(event, self._words)) for event in latest]
        evidence = dict.fromkeys(Evidence(event.frame_index, event.pts_s, event.track_id) for event in latest)
        return Answer(" ".join(f"{when} {what}." for when, what in clauses), tuple(evidence)[-MAX_EVIDENCE:])

    def known(self, query: Query) -> Answer:
        """What the detector can tell apart."""
        labels = self._scene.known_labels
        if query.targets:
            asked = [label for target in query.targets for label in target.labels or labels]
            notes = "".join(map(self._narrow_note, query.targets))
            return Answer(f"{notes}Yes: the detector knows {joined(list(dict.fromkeys(asked)))}.")
        return Answer(f"The detector knows {len(labels)} kinds of objects: {joined(labels)}.")

    # Parts of answers --------------------------------------------------------------------------------------------

    def _for_each(self, query: Query, sentence: Callable[[Target, list[SceneTrack]], str]) -> Answer:
        """One sentence a target, from the tracks that it means, with what limits its truth."""
        parts: list[str] = []
        shown: list[SceneTrack] = []
        for target in query.targets:
            tracks = self._select(target, query.zone)
            shown += tracks
            past = "" if tracks or query.zone else self._last_sentence(target)
            parts.append(self._narrow_note(target) + sentence(target, tracks) + past + self._colour_note(target))
        return Answer(" ".join(parts), evidence_of(shown) or self._here())

    def _about_each(self, query: Query, sentence: Callable[[SceneTrack], str]) -> Answer:
        """One sentence a track."""

        def sentences(target: Target, tracks: list[SceneTrack]) -> str:
            if tracks:
                return at_most(list(map(sentence, tracks)), MAX_SENTENCES)
            if target.number:
                return f"{capitalised(target.number)} is not in the picture now."
            return f"The detector sees {self._number(target, 0)} now."

        return self._for_each(query, sentences)

    def _remembered(self, query: Query, sentence: Callable[[Target, LabelMemory], tuple[str, Evidence]]) -> Answer:
        """One sentence a target, from what is remembered of it."""
        parts: list[str] = []
        evidence: list[Evidence] = []
        for target in query.targets:
            seen = self._memory(target)
            if seen is None:
                what = self._number(target, 0)
                began = moment(self._scene, self._scene.began_s)
                text = f"I remember {what}. I began to watch {began}."
            else:
                text, shown = sentence(target, seen)
                evidence.append(shown)
            parts.append(self._narrow_note(target) + text)
        return Answer(" ".join(parts), tuple(evidence[:MAX_EVIDENCE]))

    def _select(self, target: Target, zone: str = "") -> list[SceneTrack]:
        wanted = set(zone.split())
        return [track for track in self._scene.tracks if _is(track, target) and wanted <= set(track.zone.split())]

    def _memory(self, target: Target) -> LabelMemory | None:
        scene = self._scene
        if target.track_id is None and not target.colour:
            seen = [scene.memory[label] for label in target.labels or scene.memory if label in scene.memory]
        else:
            seen = [_as_memory(track) for track in (*scene.gone, *scene.tracks) if _is(track, target)]
        if not seen:
            return None
        last = max(seen, key=lambda memory: memory.last_s)
        first = min(seen, key=lambda memory: memory.first_s)
        return replace(first, last_s=last.last_s, last_frame=last.last_frame, last_track_id=last.last_track_id)

    def _last_sentence(self, target: Target) -> str:
        seen = self._memory(target)
        return f" {capitalised(self._called(target))} was last seen {moment(self._scene, seen.last_s)}." if seen else ""

    def _whereabouts(self, track: SceneTrack) -> str:
        motion = f", {_motion(track)}" if track.motion else ""
        return f"{capitalised(named(track, self._words))} is {place(track.zone)}{motion}."

    def _number(self, target: Target, number: int) -> str:
        if target.number:
            return target.number if number else f"no {target.number}"
        return self._words.counted(number, _word(target), target.colour)

    def _called(self, target: Target) -> str:
        return target.number or self._words.one(_word(target), target.colour)

    def _narrow_note(self, target: Target) -> str:
        if not target.narrow:
            return ""
        wide = joined([self._words.plural(label) for label in target.labels])
        return f"The detector cannot tell {self._words.one(target.word)} from other {wide}. "

    def _colour_note(self, target: Target) -> str:
        if not target.colour:
            return ""
        untold = sum(not track.colour for track in self._select(replace(target, colour="")))
        return f" Colours are rough guesses{f'; {untold} could not be told' if untold else ''}."

    def _at_start(self, pts_s: float) -> bool:
        return pts_s <= self._scene.began_s

    def _here(self) -> tuple[Evidence, ...]:
        return (Evidence(self._scene.frame_index, self._scene.pts_s),)


def _is(track: SceneTrack, target: Target) -> bool:
    right_one = target.track_id in (None, track.track_id)
    return right_one and (not target.labels or track.label in target.labels) and target.colour in ("", track.colour)


def _as_memory(track: SceneTrack) -> LabelMemory:
    first = (track.first_s, track.first_frame, track.track_id)
    return LabelMemory(*first, track.last_s, track.last_frame, track.track_id)


def _word(target: Target) -> str:
    """What to count it as: the detector's own word where there is one, so that the answer shows what was understood."""
    return target.labels[0] if len(target.labels) == 1 else target.word


def _motion(track: SceneTrack) -> str:
    return "not moving" if track.motion == "still" else track.motion


def _where(query: Query) -> str:
    return f" {place(query.zone)}" if query.zone else ""
