"""Answers about how much happened and who was there, from the event log."""

from __future__ import annotations

from scenescope.app.assistant import sightings
from scenescope.app.assistant.grammar import Query
from scenescope.app.assistant.log_parts import DID, LogParts, after, targets_of
from scenescope.app.assistant.log_phrases import places, quoted, target_word
from scenescope.app.assistant.phrases import Answer, capitalised, tags
from scenescope.app.assistant.spans import MAX_EVIDENCE, SAME_S, Counted, Span
from scenescope.app.assistant.words import Target
from scenescope.models import EventKind
from scenescope.models.language import Evidence
from scenescope.pipelines.scene_state import clean_text

__all__ = ["LogCounts"]

_NOUN = {EventKind.LINE_CROSS: "crossings", EventKind.ZONE_ENTER: "entries", EventKind.ZONE_LEAVE: "exits"}


class LogCounts(LogParts):
    """How many, whether, and when most."""

    def count_events(self, query: Query, span: Span) -> Answer:
        """How many crossed a line, entered or left a zone."""
        if missing := self._nothing_drawn(query):
            return missing
        assert query.kind is not None
        kind, ways = query.kind, (query.way,) if query.way else ()
        lines = query.lines or (self._lines_with(query.way) if kind is EventKind.LINE_CROSS else ())
        # A line tells its own numbers: who crossed two of them is one person on each.
        each = [(line,) for line in lines] if len(lines) > 1 else [query.lines]

        def sentence(target: Target, of: tuple[str, ...]) -> tuple[str, tuple[Evidence, ...]]:
            found = self._count(kind, span, target, query.zones, of, ways)
            where = places(query.zones or of or lines, kind)
            text = f"{self._number(target, found)} {DID[kind]} {where}{_often(found, kind)}"
            text += f" going {quoted(query.way)}" if query.way else ""
            text += f"{after(span)}{self._directions(found) if not query.way else ''}"
            return f"{capitalised(text)}.", found.evidence

        return self._sentences(query, span, [(target, of) for target in targets_of(query) for of in each], sentence)

    def count_seen(self, query: Query, span: Span) -> Answer:
        """How many different objects were there, or appeared in a span."""
        appeared = _of_comings(query)

        def sentence(target: Target, _: None) -> tuple[str, tuple[Evidence, ...]]:
            found = self._appeared(target, span) if appeared else self._present(target, span)
            if found.events and not found.objects:
                times = "once" if found.events == 1 else f"{found.events} times"
                text = f"{self._words.one(target_word(target))} appeared {times}{after(span)}; without a tracker "
                return f"{capitalised(text)}nobody can tell which of them are one.", found.evidence
            if appeared:
                text = f"{capitalised(self._number(target, found))} appeared{after(span)}"
                return f"{text}{tags(one.track_id for one in found.evidence)}.", found.evidence
            text = f"I saw {self._number(target, found, different=True)}{after(span) or ', as far as I have watched'}"
            return f"{text}{tags(one.track_id for one in found.evidence) if found.objects <= MAX_EVIDENCE else ''}.", (
                found.evidence
            )

        return self._sentences(query, span, [(target, None) for target in targets_of(query)], sentence)

    def was_present(self, query: Query, span: Span) -> Answer:
        """Whether one was there, or appeared in a span."""

        def sentence(target: Target, _: None) -> tuple[str, tuple[Evidence, ...]]:
            if _of_comings(query):
                found = self._appeared(target, span)
                text = f"{'Yes' if found.events else 'No'}: {self._number(target, found)} appeared{after(span)}"
                return f"{text}{tags(e.track_id for e in found.evidence)}.", found.evidence
            found = self._present(target, span)
            if not found.events:
                return f"No: I saw {self._number(target, found)}{after(span)}.", ()
            number = found.objects or found.events
            what = self._words.counted(number, target_word(target), target.colour)
            start = "I saw" if target.narrow else "Yes, I saw"
            return f"{start} {what}{after(span)}{tags(e.track_id for e in found.evidence)}.", found.evidence

        return self._sentences(query, span, [(target, None) for target in targets_of(query)], sentence)

    def list_seen(self, query: Query, span: Span) -> Answer:
        """What was there."""
        found = [(label, sightings.present(self._knowledge, [label], span)) for label in self._knowledge.names.labels]
        found = [(label, counted) for label, counted in found if counted.events]
        found.sort(key=lambda row: -row[1].events)
        if not found:
            return self._with_notes(Answer(f"I saw nothing that the detector knows{after(span)}."), span)
        what = self._words.counts((label, counted.objects or counted.events) for label, counted in found)
        evidence = tuple(counted.evidence[0] for _, counted in found)[:MAX_EVIDENCE]
        return self._with_notes(Answer(f"I saw {what}{after(span)}.", evidence), span)

    def count_inside(self, query: Query, span: Span) -> Answer:
        """How many are in a zone now, or were in it in a span."""
        if missing := self._nothing_drawn(query):
            return missing
        zones = query.zones or self._knowledge.names.zones
        now = query.period is None

        def sentence(target: Target, zone: str) -> tuple[str, list[Evidence]]:
            if now and self._knowledge.is_open:
                seen = self._inside_now(target, zone)
            else:
                moment = Span(self._knowledge.now_s, self._knowledge.now_s + SAME_S)
                seen = self._inside(target, zone, moment if now else span)
            verb = "is" if now and self._knowledge.is_open else "was"
            verb = verb if len(seen) == 1 or target.number else {"is": "are", "was": "were"}[verb]
            what = self._words.counted(len(seen), target_word(target), target.colour)
            if target.number and not seen:
                what = f"no {target.number}"
            when = (" now" if self._knowledge.is_open else " at the end") if now else after(span)
            text = f"{capitalised(what)} {verb} in {quoted(zone)}{when}{tags(one.track_id for one in seen)}."
            return text, seen[:MAX_EVIDENCE]

        pairs = [(target, zone) for target in targets_of(query) for zone in zones]
        return self._sentences(query, Span() if now else span, pairs, sentence)

    def busiest(self, query: Query, span: Span) -> Answer:
        """The minute or hour with most objects."""
        if query.kind is not None and (missing := self._nothing_drawn(query)):
            return missing
        unit = "hour" if query.unit_s == 3600 else "minute"
        kinds = () if query.kind is None else (query.kind,)
        found = sightings.busiest(self._knowledge, (), query.unit_s, kinds, query.zones, query.lines)
        if found is None:
            return self._with_notes(Answer(f"There is no busiest {unit}: nothing happened."), span)
        start_s, number, evidence = found
        did = "were there"
        if query.kind is not None:
            did = f"{DID[query.kind]} {self._places(query)}"
        if number == 1:
            did = did.replace("were", "was")
        when = f"from {self._time(start_s)} to {self._time(start_s + query.unit_s)}"
        what = self._words.counted(number, "object")
        return Answer(f"The busiest {unit} was {when}: {what} {did}.", evidence)

    def _lines_with(self, way: str) -> tuple[str, ...]:
        """The lines that can be crossed in a direction; all without one."""
        others = {line.name for line in self._knowledge.zone_set.lines if way not in (line.forward, line.backward)}
        return tuple(name for name in self._knowledge.names.lines if not way or name not in others)

    def _inside_now(self, target: Target, zone: str) -> list[Evidence]:
        tracks = [one for one in self._knowledge.scene.tracks if zone in one.inside and self._is(one, target)]
        return [Evidence(track.last_frame, track.last_s, track.track_id) for track in tracks]

    def _inside(self, target: Target, zone: str, span: Span) -> list[Evidence]:
        """The objects that were in a zone at any time in a span, newest first."""
        ids = self._ids(target)
        if ids == ():
            return []
        stays = sightings.stays(self._knowledge, target.labels, [zone], ids or ())
        during = {stay.track_id: stay.evidence for stay in stays if stay.overlaps(span)}
        return list(during.values())[::-1]

    def _appeared(self, target: Target, span: Span) -> Counted:
        return self._count(EventKind.APPEAR, span, target, (), (), ())

    def _number(self, target: Target, found: Counted, different: bool = False) -> str:
        word = target_word(target)
        number = found.objects or found.events
        if target.number:
            return target.number if number else f"no {target.number}"
        text = self._words.counted(number, word, target.colour)
        return text.replace(" ", " different ", 1) if different and number > 1 else text

    def _directions(self, found: Counted) -> str:
        """How many went each way: ": 2 in, 1 out (3 crossings)"."""
        ways = []
        for way, number in found.by_direction.items():
            times = found.events_by_direction[way]
            ways.append(f"{number} {clean_text(way)}{f' ({times} crossings)' if times != number else ''}")
        return f": {', '.join(ways)}" if ways else ""


def _of_comings(query: Query) -> bool:
    """Whether only those count that came in the span; in all the session that is all who were there."""
    return query.kind is EventKind.APPEAR and query.period is not None


def _often(found: Counted, kind: EventKind) -> str:
    """How often, where that is another number than of how many objects."""
    return f" ({found.events} {_NOUN[kind]})" if found.events != found.objects else ""
