"""Answers about when something happened and who it was, from the event log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scenescope.app.assistant import sightings
from scenescope.app.assistant.grammar import Query
from scenescope.app.assistant.log_parts import DID, LogParts, after, targets_of
from scenescope.app.assistant.log_phrases import TELLING, event_clause, quoted, target_word, who
from scenescope.app.assistant.phrases import Answer, at_most, capitalised, duration, tags
from scenescope.app.assistant.place_words import normalised
from scenescope.app.assistant.spans import MAX_EVIDENCE, SAME_S, Seen, Span
from scenescope.app.assistant.words import Target, joined
from scenescope.models import EventKind
from scenescope.models.language import Evidence

__all__ = ["LogTimes"]

MAX_SENTENCES = 6
LATEST_EVENTS = 5
MAX_TIMES = 4


class LogTimes(LogParts):
    """Who, when, how long, and what happened."""

    def who(self, query: Query, span: Span) -> Answer:
        """Which objects did something, or who did it first or last."""
        if missing := self._nothing_drawn(query):
            return missing
        assert query.kind is not None
        events = self._events_of(query, span)
        did, where = DID[query.kind], self._places(query)
        if not events:
            pairs = [(target, None) for target in targets_of(query)]
            return self._sentences(query, span, pairs, lambda target, _: (self._nothing(target, query, span), ()))
        if query.nth:
            event = events[0 if query.nth == "first" else -1]
            name = event.zone or event.line
            text = f"{capitalised(who(event, self._words))} {did} {quoted(name)} {query.nth}{after(span)}, "
            text += f"{self._at(event.t_s)}."
            return self._with_notes(Answer(text, (self._knowledge.evidence(event),)), span)
        latest = list({(event.track_id, event.label): event for event in events}.values())
        latest.sort(key=lambda event: -event.t_s)
        things = [f"{who(event, self._words)} {self._at(event.t_s)}" for event in latest]
        more = f" And {len(things) - MAX_SENTENCES} more." if len(things) > MAX_SENTENCES else ""
        text = f"{capitalised(joined(things[:MAX_SENTENCES]))} {did} {where}{after(span)}, latest first.{more}"
        if len(things) == 1:
            text = f"{capitalised(who(latest[0], self._words))} {did} {where}{after(span)}, {self._at(latest[0].t_s)}."
        return self._with_notes(Answer(text, self._evidence(latest)), span)

    def when(self, query: Query, span: Span) -> Answer:
        """When something did something: the first times, or the first or the last one."""
        if missing := self._nothing_drawn(query):
            return missing
        assert query.kind is not None
        did, where, nth = DID[query.kind], self._places(query), f" {query.nth}" if query.nth else ""

        def sentence(target: Target, _: None) -> tuple[str, tuple[Evidence, ...]]:
            events = self._events_of(replace(query, targets=(target,)), span)
            if not events:
                return self._nothing(target, query, span), ()
            if query.nth:
                events = [events[0 if query.nth == "first" else -1]]
            times = [f"{self._at(event.t_s)}{tags([event.track_id])}" for event in events]
            rest = len(times) - MAX_TIMES
            more = f", and {rest} more time{'s' if rest > 1 else ''}" if rest > 0 else ""
            shown = ", ".join(times[:MAX_TIMES]) if more else joined(times)
            text = f"{capitalised(self._called(target))} {did} {where}{nth}{after(span)} {shown}{more}."
            return text, self._evidence(events)

        return self._sentences(query, span, [(target, None) for target in targets_of(query)], sentence)

    def how_long_inside(self, query: Query, span: Span) -> Answer:
        """How long objects were in a zone, all their stays together."""
        if missing := self._nothing_drawn(query):
            return missing
        sentences: list[str] = []
        evidence: list[Evidence] = []
        now_s = self._knowledge.now_s
        for target in targets_of(query):
            for zone in query.zones or self._knowledge.names.zones:
                ids = self._ids(target)
                stays = [] if ids == () else sightings.stays(self._knowledge, target.labels, [zone], ids or ())
                by_track: dict[int | None, list[sightings.Stay]] = {}
                for stay in stays:
                    if stay.start_s <= now_s + SAME_S:
                        by_track.setdefault(stay.track_id, []).append(stay)
                if not by_track:
                    sentences.append(f"{capitalised(self._called(target))} was not in {quoted(zone)}.")
                for own in by_track.values():
                    total_s = sum(min(now_s if s.end_s is None else s.end_s, now_s) - s.start_s for s in own)
                    lasts = own[-1].end_s is None or own[-1].end_s > now_s + SAME_S
                    name, verb = capitalised(who(own[-1], self._words)), "has been" if lasts else "was"
                    often = f", in {len(own)} stays" if len(own) > 1 else ""
                    sentences.append(f"{name} {verb} in {quoted(zone)} for {duration(total_s)}{often}.")
                    evidence += [stay.evidence for stay in own]
        evidence.sort(key=lambda one: -one.pts_s)
        return Answer(f"{self._narrow(query)}{at_most(sentences, MAX_SENTENCES)}", tuple(evidence[:MAX_EVIDENCE]))

    # Seen --------------------------------------------------------------------------------------------------------

    def first_seen(self, query: Query, span: Span) -> Answer:
        """When the first one appeared."""

        def sentence(target: Target, seen: Seen) -> str:
            which = "" if target.track_id is not None else tags([seen.evidence.track_id])
            when = f"{self._at(seen.evidence.pts_s)}{which}"
            start = capitalised(self._called(target))
            if seen.since_start:
                return f"{start} was already there when I began to watch, {when}."
            return f"{start} first appeared{after(span)} {when}{'' if span.words else ', as far as I have watched'}."

        return self._seen(query, span, sentence, self._first, self._already(query, span))

    def last_seen(self, query: Query, span: Span) -> Answer | None:
        """When the last one was seen; of one that is there now the scene tells."""
        if query.period is None and any(map(self._is_there, query.targets)):
            return None

        def sentence(target: Target, seen: Seen) -> str:
            which = "" if target.track_id is not None else tags([seen.evidence.track_id])
            when = f"{self._at(seen.evidence.pts_s)}{which}"
            return f"{capitalised(self._called(target))} was last seen{after(span)} {when}."

        return self._seen(query, span, sentence, self._last, self._still(span))

    def text(self, query: Query, span: Span) -> Answer:
        """When a writing or a code was read."""
        wanted = query.text
        events = self._knowledge.events(span, [EventKind.TEXT, EventKind.CODE], limit=-1)
        found = [event for event in events if f" {wanted} " in f" {normalised(event.text)} "]
        if not found:
            return self._with_notes(Answer(f"I read no text {quoted(wanted)}{after(span)}."), span)
        event = found[-1 if query.nth == "last" else 0]
        kind = "code" if event.kind is EventKind.CODE else "text"
        times = f" (read {len(found)} times)" if len(found) > 1 else ""
        which = "last" if query.nth == "last" else "first"
        text = f"The {kind} {quoted(event.text)} was {which} read{after(span)} {self._at(event.t_s)}{times}."
        rest = [other for other in reversed(found) if other is not event]
        return self._with_notes(Answer(text, self._evidence([event, *rest])), span)

    def changes(self, query: Query, span: Span) -> Answer:
        """What happened: in a span, or last."""
        if query.period is None:
            # As far as the picture that is shown.
            span = self._knowledge.so_far()
        limit = MAX_SENTENCES if query.period is not None else LATEST_EVENTS
        total = self._knowledge.count(TELLING, span).events
        newest = query.period is None
        events = self._knowledge.events(span, TELLING, limit=limit, newest_first=newest)
        if not events:
            if newest:
                began = self._at(self._knowledge.scene.began_s if self._knowledge.is_open else 0.0)
                return self._with_notes(Answer(f"Nothing has happened since I began to watch, {began}."), Span())
            return self._with_notes(Answer(f"Nothing happened{after(span)}."), span)
        ordered = sorted(events, key=lambda event: (event.t_s, event.id or 0))
        size_wh = self._knowledge.session.size_wh if self._knowledge.session is not None else (0, 0)
        said = [f"{capitalised(self._at(e.t_s))} {event_clause(e, self._words, size_wh)}." for e in ordered]
        rest = "" if newest or total <= limit else f" And {total - limit} more."
        answer = Answer(f"{' '.join(said)}{rest}", self._evidence(ordered[::-1] if newest else ordered))
        return self._with_notes(answer, Span() if newest else span)

    # Parts -------------------------------------------------------------------------------------------------------

    def _seen(
        self,
        query: Query,
        span: Span,
        sentence: Callable[[Target, Seen], str],
        look_up: Callable[[Target, Span], Seen | None],
        edge: tuple[str, Span] | None,
    ) -> Answer:
        """One sentence a target, from when it was seen; what was there at the ``edge`` of the span was seen there."""

        def said(target: Target, _: None) -> tuple[str, tuple[Evidence, ...]]:
            if edge is not None and (there := self._present(target, edge[1])).objects:
                which = "" if target.number else tags(one.track_id for one in there.evidence)
                when = f"{self._at(edge[1].end_s or 0.0)}{which}"
                return f"{capitalised(self._called(target))} was {edge[0]} there {when}.", there.evidence
            seen = look_up(target, span)
            if seen is not None:
                return sentence(target, seen), (seen.evidence,)
            what = f"no {target.number}"
            if not target.number:
                what = self._words.counted(0, target_word(target), target.colour)
            if query.kind is EventKind.APPEAR and span.words:
                return f"{capitalised(what)} appeared{after(span)}.", ()
            if span.words:
                return f"I saw {what}{after(span)}.", ()
            began_s = self._knowledge.scene.began_s if self._knowledge.is_open else 0.0
            return f"I remember {what}. I began to watch {self._at(began_s)}.", ()

        return self._sentences(query, span, [(target, None) for target in targets_of(query)], said)

    @staticmethod
    def _already(query: Query, span: Span) -> tuple[str, Span] | None:
        """Just before a span; who asks when something appeared does not ask for what was there before."""
        if span.start_s is None or query.kind is EventKind.APPEAR:
            return None
        return "already", Span(span.start_s - SAME_S, span.start_s)

    def _still(self, span: Span) -> tuple[str, Span] | None:
        """The end of a span that is in the past."""
        if span.end_s is None or span.end_s >= self._knowledge.now_s:
            return None
        return "still", Span(span.end_s - SAME_S, span.end_s)

    def _first(self, target: Target, span: Span) -> Seen | None:
        if target.track_id is None:
            return self._knowledge.first_seen(target.labels, target.colour, span)
        return sightings.track_seen(self._knowledge, target.track_id, span, target.labels)[0]

    def _last(self, target: Target, span: Span) -> Seen | None:
        if target.track_id is None:
            return self._knowledge.last_seen(target.labels, target.colour, span)
        return sightings.track_seen(self._knowledge, target.track_id, span, target.labels)[1]

    def _is_there(self, target: Target) -> bool:
        return any(self._is(track, target) for track in self._knowledge.scene.tracks)
