"""When things were seen first and last, and which objects were there in between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scenescope.app.assistant.spans import MAX_EVIDENCE, SAME_S, Counted, Seen, Span
from scenescope.models import EventKind, LogEvent
from scenescope.models.language import Evidence
from scenescope.pipelines.scene_state import LabelMemory, SceneTrack

if TYPE_CHECKING:
    from scenescope.app.assistant.knowledge import Knowledge

__all__ = ["Stay", "busiest", "first_seen", "last_seen", "of_colour", "present", "stays", "track_seen"]

_Sighting = tuple[float, int, int | None, int | None, str]
"""Time, frame, track, event, label."""

# An object that was out of sight for longer is another one.
LOST_S = 2.0
_SIGHTINGS = tuple(kind for kind in EventKind if kind not in (EventKind.MARK, EventKind.CAPTION, EventKind.GAP))


@dataclass(frozen=True)
class Stay:
    """An object's time in a zone; ``end_s`` is None while it lasts. ``evidence`` is how it came in, or went."""

    track_id: int | None
    label: str
    start_s: float
    end_s: float | None
    evidence: Evidence

    def overlaps(self, span: Span) -> bool:
        """Whether it lasted at any time in a span."""
        return _overlaps(span, self.start_s, math.inf if self.end_s is None else self.end_s)


# First and last --------------------------------------------------------------------------------------------------


def first_seen(knowledge: Knowledge, labels: Sequence[str], colour: str, span: Span) -> Seen | None:
    """See :meth:`Knowledge.first_seen`."""
    session = knowledge.session
    found: list[_Sighting]
    if session is None:
        found = [(t.first_s, t.first_frame, t.track_id, None, t.label) for t in _in_scene(knowledge, labels, colour)]
        if not colour:
            known = _remembered(knowledge, labels)
            found += [(one.first_s, one.first_frame, one.first_track_id, None, label) for label, one in known]
        found = [row for row in found if span.holds(row[0])]
    else:
        ids = of_colour(knowledge, labels, colour) if colour else None
        some = [] if ids == () else knowledge.events(span, [EventKind.APPEAR], labels, limit=1, track_ids=ids or ())
        found = [(e.t_s, e.frame, e.track_id, e.id, e.label) for e in some]
    if not found:
        return None
    t_s, frame, track_id, event_id, label = min(found, key=lambda row: row[0])
    began_s = knowledge.scene.began_s if knowledge.is_open or session is None else session.start_s or 0.0
    return Seen(knowledge.evidence_at(frame, t_s, track_id, event_id), label, t_s <= began_s + SAME_S)


def last_seen(knowledge: Knowledge, labels: Sequence[str], colour: str, span: Span) -> Seen | None:
    """See :meth:`Knowledge.last_seen`."""
    session = knowledge.session
    there = _in_scene(knowledge, labels, colour)
    found: list[_Sighting] = [(t.last_s, t.last_frame, t.track_id, None, t.label) for t in there]
    if session is None or knowledge.log is None:
        if not colour:
            known = _remembered(knowledge, labels)
            found += [(one.last_s, one.last_frame, one.last_track_id, None, label) for label, one in known]
    else:
        ids = of_colour(knowledge, labels, colour) if colour else None
        if ids != ():
            some = knowledge.events(span, _SIGHTINGS, labels, limit=1, newest_first=True, track_ids=ids or ())
            found += [(e.t_s, e.frame, e.track_id, e.id, e.label) for e in some]
            wanted = None if ids is None else set(ids)
            records = [r for r in knowledge.log.tracks(session.id, labels) if wanted is None or r.track_id in wanted]
            found += [(r.last_s, r.last_frame, r.track_id, None, r.label) for r in records]
    found = [row for row in found if span.holds(row[0])]
    if not found:
        return None
    t_s, frame, track_id, event_id, label = max(found, key=lambda row: (row[0], row[3] is not None))
    return Seen(knowledge.evidence_at(frame, t_s, track_id, event_id), label)


def _in_scene(knowledge: Knowledge, labels: Sequence[str], colour: str) -> list[SceneTrack]:
    tracks = (*knowledge.scene.gone, *knowledge.scene.tracks)
    return [t for t in tracks if (not labels or t.label in labels) and colour in ("", t.colour)]


def _remembered(knowledge: Knowledge, labels: Sequence[str]) -> list[tuple[str, LabelMemory]]:
    memory = knowledge.scene.memory
    return [(label, memory[label]) for label in labels or memory if label in memory]


def track_seen(
    knowledge: Knowledge, track_id: int, span: Span, labels: Sequence[str] = ()
) -> tuple[Seen | None, Seen | None]:
    """When one object, if it is of these classes, was seen first and last, as far as that is in a span."""
    one = next((one for one in _times(knowledge, labels)[0] if one.track_id == track_id), None)
    if one is None:
        return None, None
    event = next(iter(knowledge.events(Span(), limit=1, track_ids=(track_id,))), None)
    label = "object" if event is None else event.label
    first = Seen(knowledge.evidence_at(one.first_frame, one.first_s, track_id, one.event_id), label)
    last = Seen(knowledge.evidence_at(one.last_frame, one.last_s, track_id), label)
    return (first if span.holds(one.first_s) else None, last if span.holds(one.last_s) else None)


def of_colour(knowledge: Knowledge, labels: Sequence[str], colour: str) -> tuple[int, ...]:
    """Track numbers of the objects of a colour."""
    session, log = knowledge.session, knowledge.log
    if session is None or log is None:
        return tuple(t.track_id for t in _in_scene(knowledge, labels, colour) if t.track_id is not None)
    log.colours.look(session.id, labels)
    return log.colours.tracks(session.id, colour)


# There -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Time:
    """From when to when an object was seen, with the frames of both moments."""

    track_id: int
    first_s: float
    first_frame: int
    last_s: float
    last_frame: int
    event_id: int | None = None


def present(knowledge: Knowledge, labels: Sequence[str], span: Span, track_ids: Sequence[int] | None = None) -> Counted:
    """How many different objects were seen in a span, whether they came in it or were there before; by track number.

    ``events`` counts besides them those that appeared without a number: where nothing tracks, nobody can tell whether
    two of them are one. With ``track_ids`` only these count.
    """
    seen, unnumbered = _times(knowledge, labels)
    there = [one for one in seen if _overlaps(span, one.first_s, one.last_s)]
    there.sort(key=lambda one: (one.first_s, one.track_id), reverse=True)
    nameless = [event for event in unnumbered if span.holds(event.t_s)]
    if track_ids is not None:
        wanted = set(track_ids)
        there, nameless = [one for one in there if one.track_id in wanted], []
    evidence = [_look_at(knowledge, span, one) for one in there]
    evidence += [knowledge.evidence(event) for event in reversed(nameless)]
    return Counted(len(there) + len(nameless), len(there), evidence=tuple(evidence[:MAX_EVIDENCE]))


def busiest(
    knowledge: Knowledge,
    labels: Sequence[str],
    width_s: float,
    kinds: Sequence[EventKind] = (),
    zones: Sequence[str] = (),
    lines: Sequence[str] = (),
) -> tuple[float, int, tuple[Evidence, ...]] | None:
    """The minute, or other length of time, with most different objects; the first of several.

    Minutes are counted from the beginning of the session: 0:00 to 1:00, and so on. Without ``kinds`` objects count
    that were there, else those that the events are about.

    Returns:
        Its start, how many objects, and where to look; None when there were none.
    """
    objects: dict[int, dict[int, Evidence]] = {}
    if kinds:
        for event in knowledge.events(Span(), kinds, labels, zones, lines, limit=-1):
            if event.track_id is not None:
                slot = int((event.t_s + SAME_S / 2) // width_s)
                objects.setdefault(slot, {}).setdefault(event.track_id, knowledge.evidence(event))
    else:
        for one in _times(knowledge, labels)[0]:
            first, last = (int((t_s + SAME_S / 2) // width_s) for t_s in (one.first_s, one.last_s))
            for slot in range(first, last + 1):
                span = Span(slot * width_s, (slot + 1) * width_s)
                objects.setdefault(slot, {})[one.track_id] = _look_at(knowledge, span, one)
    if not objects:
        return None
    best = max(sorted(objects), key=lambda slot: len(objects[slot]))
    newest = sorted(objects[best].values(), key=lambda one: -one.pts_s)
    return best * width_s, len(objects[best]), tuple(newest[:MAX_EVIDENCE])


def _times(knowledge: Knowledge, labels: Sequence[str]) -> tuple[list[_Time], list[LogEvent]]:
    """Every object of these classes with the time in which it was seen, and the appearances of those without number."""
    session, log = knowledge.session, knowledge.log
    if session is None or log is None:
        return [], []
    records = {record.track_id: record for record in log.tracks(session.id)}
    times = {
        number: _Time(number, one.first_s, one.first_frame, one.last_s, one.last_frame)
        for number, one in records.items()
        if not labels or one.label in labels
    }
    unnumbered, numbers, came, went = [], {}, set(), set()
    for event in knowledge.events(Span(), [EventKind.APPEAR, EventKind.VANISH], limit=-1):
        number, wanted = event.track_id, not labels or event.label in labels
        if number is None:
            unnumbered += [event] if event.kind is EventKind.APPEAR and wanted else []
            continue
        if event.kind is EventKind.APPEAR:
            numbers[event.label, event.frame] = number
            came.add(number)
        else:
            went.add(number)
        if number not in records and wanted:
            known = times.setdefault(number, _Time(number, event.t_s, event.frame, event.t_s, event.frame, event.id))
            times[number] = replace(known, last_s=event.t_s, last_frame=event.frame)
    _join(times, {number: one.label for number, one in records.items()}, came, went)
    # The log notes how long an object stays every few seconds only; of what is there now the scene knows more. After
    # a jump in a film the log counts on where the tracker begins anew.
    for track in _in_scene(knowledge, labels, ""):
        number = track.track_id
        if number is not None and not knowledge.scene.live:
            number = numbers.get((track.label, track.first_frame))
        there = None if number is None else times.get(number)
        if there is not None and track.last_s > there.last_s:
            times[there.track_id] = replace(there, last_s=track.last_s, last_frame=track.last_frame)
    return list(times.values()), unnumbered


def _join(times: dict[int, _Time], label: dict[int, str], came: set[int], went: set[int]) -> None:
    """Make one of two tracks of one object: the second has not come, and the first has not gone.

    So it is where a tracker has lost an object and found it in the same place, and where a film that was watched in
    parts has them joined.
    """
    for later in sorted(times.values(), key=lambda one: one.first_s):
        if later.track_id in came or later.track_id not in label:
            continue
        earlier = [
            one
            for one in times.values()
            if 0 < later.first_s - one.last_s <= LOST_S
            and one.track_id not in went
            and label.get(one.track_id) == label[later.track_id]
        ]
        if earlier:
            one = max(earlier, key=lambda one: one.last_s)
            del times[later.track_id]
            times[one.track_id] = replace(one, last_s=later.last_s, last_frame=later.last_frame)
            if later.track_id in went:
                went.add(one.track_id)


def _overlaps(span: Span, first_s: float, last_s: float) -> bool:
    return (span.start_s is None or last_s + SAME_S / 2 >= span.start_s) and (
        span.end_s is None or first_s + SAME_S / 2 < span.end_s
    )


def _look_at(knowledge: Knowledge, span: Span, one: _Time) -> Evidence:
    """The first picture of an object in a span, or the last; of one that was there all the time how it came."""
    late = not span.holds(one.first_s) and span.holds(one.last_s)
    frame, t_s = (one.last_frame, one.last_s) if late else (one.first_frame, one.first_s)
    return knowledge.evidence_at(frame, t_s, one.track_id, one.event_id)


# In zones --------------------------------------------------------------------------------------------------------


def stays(
    knowledge: Knowledge, labels: Sequence[str], zones: Sequence[str], track_ids: Sequence[int] = ()
) -> list[Stay]:
    """Stays in zones by their beginning, as far as the log tells; each zone has its own.

    A stay ends when the object leaves the zone. Where that is not in the log, since the picture jumped or the object
    was lost, it ends when the object was last seen, or lasts.
    """
    kinds = [EventKind.ZONE_ENTER, EventKind.ZONE_LEAVE]
    found: list[Stay] = []
    inside: dict[tuple[int | None, str], LogEvent] = {}
    for event in knowledge.events(Span(), kinds, labels, zones, limit=-1, track_ids=track_ids):
        key = event.track_id, event.zone
        entered = inside.pop(key, None)
        if event.kind is EventKind.ZONE_ENTER:
            if entered is not None:
                found.append(_unended(knowledge, entered, event.t_s))
            inside[key] = event
        elif entered is not None:
            found.append(_stay(knowledge, entered, entered.t_s, event.t_s))
        else:
            # It was in the zone when watching began, or after a jump.
            found.append(_stay(knowledge, event, event.t_s - (event.value or 0.0), event.t_s))
    found += [_unended(knowledge, entered, None) for entered in inside.values()]
    return sorted(found, key=lambda stay: stay.start_s)


def _stay(knowledge: Knowledge, event: LogEvent, start_s: float, end_s: float | None) -> Stay:
    return Stay(event.track_id, event.label, start_s, end_s, knowledge.evidence(event))


def _unended(knowledge: Knowledge, entered: LogEvent, before_s: float | None) -> Stay:
    """A stay without a leaving: it lasts while the object is there."""
    start_s, number = entered.t_s, entered.track_id
    now = [track for track in knowledge.scene.tracks if track.track_id == number and entered.zone in track.inside]
    if before_s is None and (number is None or now):
        return _stay(knowledge, entered, start_s, None)
    after = Span(start_s, before_s)
    gone = knowledge.events(after, [EventKind.VANISH], limit=1, track_ids=() if number is None else (number,))
    session, log = knowledge.session, knowledge.log
    record = log.track(session.id, number) if log is not None and session is not None and number is not None else None
    ends = [event.t_s for event in gone] or ([record.last_s] if record is not None and record.last_s > start_s else [])
    if not ends:
        return _stay(knowledge, entered, start_s, before_s)
    return _stay(knowledge, entered, start_s, ends[0] if before_s is None else min(ends[0], before_s))
