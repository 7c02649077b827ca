"""What the answers about the past have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from scenescope.app.assistant import sightings
from scenescope.app.assistant.grammar import Intent, Query
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.log_phrases import places, target_word
from scenescope.app.assistant.phrases import Answer, at_most, capitalised, duration
from scenescope.app.assistant.spans import MAX_EVIDENCE, SAME_S, Counted, Span
from scenescope.app.assistant.words import Target, Vocabulary, joined
from scenescope.models import EventKind, LogEvent
from scenescope.models.language import Evidence, media_time
from scenescope.pipelines.scene_state import SceneTrack

__all__ = ["DID", "LogParts", "after", "targets_of"]

MAX_SENTENCES = 6
# A shorter time in which nothing was seen need not be told.
LEAST_GAP_S = 1.0
DID = {EventKind.LINE_CROSS: "crossed", EventKind.ZONE_ENTER: "entered", EventKind.ZONE_LEAVE: "left"}
_ABOUT_EVENTS = (Intent.COUNT_EVENTS, Intent.WHO, Intent.WHEN)

Of = TypeVar("Of")


class LogParts:
    """Answers the questions about one session at one moment.

    Args:
        knowledge: what is known, standing still: see ``Knowledge.at``.
        words: for plurals and articles.
    """

    def __init__(self, knowledge: Knowledge, words: Vocabulary) -> None:
        self._knowledge = knowledge
        self._words = words

    # Looking up --------------------------------------------------------------------------------------------------

    def _ids(self, target: Target) -> tuple[int, ...] | None:
        """The track numbers that a target means; None when any."""
        if target.track_id is not None:
            return (target.track_id,)
        return sightings.of_colour(self._knowledge, target.labels, target.colour) if target.colour else None

    def _count(
        self,
        kind: EventKind,
        span: Span,
        target: Target,
        zones: Sequence[str],
        lines: Sequence[str],
        ways: Sequence[str],
    ) -> Counted:
        ids = self._ids(target)
        if ids == ():
            return Counted()
        return self._knowledge.count([kind], span, target.labels, zones, lines, ways, ids or ())

    def _events_of(self, query: Query, span: Span) -> list[LogEvent]:
        """The events that a question means, by time."""
        assert query.kind is not None
        found: dict[int | None, LogEvent] = {}
        for target in targets_of(query):
            ids = self._ids(target)
            if ids == ():
                continue
            some = self._knowledge.events(
                span, [query.kind], target.labels, query.zones, query.lines, limit=-1, track_ids=ids or ()
            )
            found |= {event.id: event for event in some}
        return sorted(found.values(), key=lambda event: (event.t_s, event.id or 0))

    @staticmethod
    def _is(track: SceneTrack, target: Target) -> bool:
        """Whether a track is meant."""
        return (
            (not target.labels or track.label in target.labels)
            and target.colour in ("", track.colour)
            and target.track_id in (None, track.track_id)
        )

    def _present(self, target: Target, span: Span) -> Counted:
        ids = self._ids(target)
        return Counted() if ids == () else sightings.present(self._knowledge, target.labels, span, ids)

    def _named(self, kind: EventKind) -> tuple[str, ...]:
        """All zones or lines."""
        return self._knowledge.names.lines if kind is EventKind.LINE_CROSS else self._knowledge.names.zones

    def _evidence(self, events: Sequence[LogEvent]) -> tuple[Evidence, ...]:
        return tuple(self._knowledge.evidence(event) for event in events[:MAX_EVIDENCE])

    # Saying ------------------------------------------------------------------------------------------------------

    def _sentences(
        self,
        query: Query,
        span: Span,
        pairs: Sequence[tuple[Target, Of]],
        sentence: Callable[[Target, Of], tuple[str, Sequence[Evidence]]],
    ) -> Answer:
        """A sentence for each pair, and what limits their truth."""
        said = [sentence(target, of) for target, of in pairs]
        evidence = dict.fromkeys(one for _, some in said for one in some)
        newest = sorted(evidence, key=lambda one: -one.pts_s) if len(said) > 1 else list(evidence)
        text = f"{self._narrow(query)}{at_most([text for text, _ in said], MAX_SENTENCES)}{self._colours(query)}"
        return self._with_notes(Answer(text, tuple(newest[:MAX_EVIDENCE])), span)

    def _with_notes(self, answer: Answer, span: Span) -> Answer:
        """With what is not known of the span."""
        knowledge, notes = self._knowledge, ""
        scene = knowledge.scene
        gap_s = knowledge.unwatched_s(span)
        if gap_s >= LEAST_GAP_S:
            notes += f" Nothing was watched for {duration(gap_s)} of that time."
        if knowledge.live:
            began_s = scene.began_s if knowledge.is_open else 0.0
            if span.start_s is not None and span.start_s < began_s - LEAST_GAP_S:
                notes += f" I began to watch {self._at(began_s)}."
        else:
            if span.end_s is not None and span.end_s > knowledge.known_until_s() + LEAST_GAP_S:
                notes += f" I have seen the source only up to {media_time(knowledge.known_until_s())}."
            jumped = knowledge.is_open and scene.since_s > scene.began_s + SAME_S
            if jumped and (span.start_s or 0.0) < scene.since_s - SAME_S:
                notes += " The picture has jumped, so part of that time may not have been watched."
        return replace(answer, text=f"{answer.text}{notes}")

    def _with_doubt(self, answer: Answer, query: Query, span: Span) -> Answer:
        """With the objects whose colour is not known, where one was asked for: it may be theirs."""
        doubts = [
            self._words.counted(unknown, target_word(target))
            for target in query.targets
            if target.colour and (unknown := self._without_colour(target, query, span))
        ]
        if not doubts:
            return answer
        return replace(answer, text=f"{answer.text} I could not tell the colour of {joined(doubts)}.", sure=False)

    def _without_colour(self, target: Target, query: Query, span: Span) -> int:
        if query.intent in _ABOUT_EVENTS and query.kind is not None:
            ways = (query.way,) if query.way else ()
            return self._knowledge.without_colour(target.labels, span, [query.kind], query.zones, query.lines, ways)
        if query.intent is Intent.COUNT_INSIDE and query.period is None and self._knowledge.is_open:
            zones = set(query.zones or self._knowledge.names.zones)
            there = self._knowledge.scene.tracks
            return sum(
                not t.colour and t.label in (target.labels or (t.label,)) and not zones.isdisjoint(t.inside)
                for t in there
            )
        return self._knowledge.without_colour(target.labels, span)

    def _nothing_drawn(self, query: Query) -> Answer | None:
        """That there is no such zone or line at all."""
        is_line = query.kind is EventKind.LINE_CROSS
        if self._knowledge.names.lines if is_line else self._knowledge.names.zones:
            return None
        what = "line" if is_line else "zone"
        return Answer(f"There is no {what}. Draw one on the picture, with the stage 'Zones and lines' after a tracker.")

    def _nothing(self, target: Target, query: Query, span: Span) -> str:
        """That nothing of what was asked for has happened."""
        assert query.kind is not None
        what = f"{target.number} never" if target.number else self._words.counted(0, target_word(target), target.colour)
        return f"{capitalised(what)} {DID[query.kind]} {self._places(query)}{after(span)}."

    def _places(self, query: Query) -> str:
        assert query.kind is not None
        return places(query.zones or query.lines or self._named(query.kind), query.kind)

    def _called(self, target: Target) -> str:
        return target.number or self._words.one(target_word(target), target.colour)

    def _narrow(self, query: Query) -> str:
        """What the detector cannot tell of what was asked for."""
        notes = ""
        for target in query.targets:
            if target.narrow:
                wide = joined([self._words.plural(label) for label in target.labels])
                notes += f"The detector cannot tell {self._words.one(target.word)} from other {wide}. "
        return notes

    def _colours(self, query: Query) -> str:
        return " Colours are rough guesses." if any(target.colour for target in query.targets) else ""

    def _at(self, t_s: float) -> str:
        """When something was: "at 0:12.4" in a film, "3.0 s ago" for a camera, "at 14:30:05" when that is over."""
        if self._knowledge.live and self._knowledge.is_open:
            return f"{duration(self._knowledge.now_s - t_s)} ago"
        return f"at {self._time(t_s)}"

    def _time(self, t_s: float) -> str:
        """A moment: media time of a film, time of day of a camera."""
        wall_s = self._knowledge.wall_s(t_s)
        return media_time(t_s) if wall_s is None else f"{datetime.fromtimestamp(wall_s):%H:%M:%S}"


def targets_of(query: Query) -> tuple[Target, ...]:
    """What a question is about; everything, when it names nothing."""
    return query.targets or (Target("object"),)


def after(span: Span) -> str:
    """The words of a span after those before it: " in the last minute"."""
    return f" {span.words}" if span.words else ""
