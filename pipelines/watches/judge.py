"""Judges: decide by one rule each, frame by frame, whether what is waited for has happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.log.spotter import Present
from scenescope.pipelines.watches.rule import WatchRule
from scenescope.pipelines.watches.words import place, with_article

__all__ = ["EPSILON_S", "GRACE_S", "Found", "Judge", "Moment", "ZoneNow", "judge_of"]

EPSILON_S = 1e-6
# What is found so soon after a jump was there before.
GRACE_S = 0.5
# Before an object that flickers is known to be there, or gone, no number is told.
SETTLE_S = 1.5
# The colour of an object is looked at a few times; one that is not known by then never will be.
COLOUR_WITHIN_S = 1.0
# Something may be about to be seen again for ever; so long is waited for it to be certain.
CERTAIN_WITHIN_S = 3.0
# Stays that began within so little of each other, in one zone, are told as one.
SAME_STAY_S = 0.02
MOST_PENDING = 200
MOST_STAYS = 200


@dataclass(frozen=True)
class Found:
    """Something that a rule waits for: at which frame, by which tracks, and in words.

    ``event`` is that of the log; None for what the log does not hold, which is a number that was reached or a stay.
    """

    t_s: float
    frame: int
    track_ids: tuple[int, ...]
    text: str
    event: LogEvent | None = None


@dataclass(frozen=True)
class ZoneNow:
    """A zone in this frame: its corners (n, 2) in pixels of the source picture, and how many objects are in it."""

    points: NDArray[np.float32]
    occupancy: int

    def depth(self, xy: tuple[float, float]) -> float:
        """How far inside the zone a point is, in pixels; negative outside."""
        return float(cv2.pointPolygonTest(self.points, xy, True))


@dataclass(frozen=True)
class Stander:
    """An object that a zones stage sees: where it stands, in pixels of the source, and its stays by zone."""

    track_id: int
    xy: tuple[float, float]
    stay_s: Mapping[str, float]


@dataclass
class Moment:
    """What is known at one frame, as far as any rule asks.

    Attributes:
        t_s, frame: which frame.
        events: what has become certain with it.
        landed: what came before does not count: it is the first frame, or playback has jumped to it.
        landed_s: when that last was so; ``from_start`` when that was the beginning of the source.
        fresh: it was not judged before; of a film that is watched again, only events are judged.
        seeing: a stage reports objects.
        stills: a source of still pictures, which are taken as they are.
        zones: by name; ``zones_since_s`` tells since when each is looked at.
        standers: objects that a zones stage sees.
        look_for, look_up, certain: give ``present``, ``colours`` and ``certain_s``, when a rule asks for them.
    """

    t_s: float
    frame: int
    events: Sequence[LogEvent]
    landed: bool
    landed_s: float
    from_start: bool
    fresh: bool
    seeing: bool
    stills: bool
    zones: Mapping[str, ZoneNow]
    zones_since_s: Mapping[str, float]
    standers: Sequence[Stander]
    look_for: Callable[[], list[Present]]
    look_up: Callable[[], dict[int, str]]
    certain: Callable[[], float]

    @cached_property
    def present(self) -> list[Present]:
        """The objects that are there, also those out of sight for a moment."""
        return self.look_for()

    @cached_property
    def colours(self) -> dict[int, str]:
        """Colours by track number."""
        return self.look_up()

    @cached_property
    def certain_s(self) -> float:
        """No object will be said to have appeared or vanished before."""
        return self.certain()

    def was_there_before(self, event: LogEvent) -> bool:
        """Whether something was only found because it is looked at from now on."""
        since_s = self.landed_s
        if event.kind is EventKind.ZONE_ENTER:
            since_s = self.zones_since_s.get(event.zone, since_s)
        elif event.kind is not EventKind.APPEAR:
            return False
        watched = self.from_start and since_s == self.landed_s
        return not watched and since_s <= event.t_s + EPSILON_S <= since_s + GRACE_S + 2 * EPSILON_S


class Judge:
    """Decides by one rule. What it knows lasts until the rule is changed or playback jumps.

    Args:
        rule: what is waited for.
    """

    def __init__(self, rule: WatchRule) -> None:
        self.rule = rule

    def judge(self, moment: Moment, in_time: bool) -> list[Found]:
        """What is found at the next frame; ``in_time`` tells whether the clock is within the rule's times."""
        raise NotImplementedError

    def _wants(self, label: str) -> bool:
        wanted = self.rule.labels
        return not wanted or label.casefold() in {name.casefold() for name in wanted}


@dataclass
class _Pending:
    """An event that may become a hit: once its object's colour is known, or once it has lasted."""

    event: LogEvent
    told_s: float
    in_time: bool
    track_id: int | None = None
    back_by_s: float = field(default=float("-inf"))


class _EventJudge(Judge):
    """Events of the log: appear, vanish, enter, leave, cross."""

    def __init__(self, rule: WatchRule) -> None:
        super().__init__(rule)
        self._pending: list[_Pending] = []

    def judge(self, moment: Moment, in_time: bool) -> list[Found]:
        if moment.landed:
            self._pending.clear()
        # While a film is watched again, what is pending waits for where watching left off.
        waiting = [] if moment.fresh else self._pending
        self._pending = self._pending if moment.fresh else []
        for event in moment.events:
            self._come_back(event)
            if self._is_wanted(event, moment):
                pending = _Pending(event, moment.t_s, in_time, event.track_id, event.t_s + self.rule.for_s)
                if event.t_s < moment.landed_s:
                    # Whoever is seen again right after a gap has not vanished in it.
                    pending.back_by_s = max(pending.back_by_s, moment.landed_s + GRACE_S)
                self._pending.append(pending)
        found = []
        for pending in self._pending:
            match self._verdict(pending, moment):
                case True:
                    found.append(self._found(pending.event, moment))
                case None:
                    waiting.append(pending)
        self._pending = waiting[-MOST_PENDING:]
        return found

    def _is_wanted(self, event: LogEvent, moment: Moment) -> bool:
        rule = self.rule
        if event.kind is not EventKind(rule.trigger) or not self._wants(event.label):
            return False
        if rule.zone and event.zone != rule.zone:
            return False
        if rule.line and (event.line != rule.line or rule.direction not in ("", event.direction)):
            return False
        return not moment.was_there_before(event)

    def _come_back(self, event: LogEvent) -> None:
        """Forget that something has vanished when it appears again in time."""
        if self.rule.trigger != "vanish" or event.kind is not EventKind.APPEAR:
            return
        for pending in self._pending:
            if pending.event.label == event.label and pending.event.t_s < event.t_s <= pending.back_by_s + EPSILON_S:
                self._pending.remove(pending)
                return

    def _verdict(self, pending: _Pending, moment: Moment) -> bool | None:
        """Whether it is a hit; None while that is not certain."""
        if not pending.in_time:
            return False
        coloured = self._has_colour(pending, moment) if self.rule.colour else True
        lasting = self._lasts(pending, moment)
        if coloured is False or lasting is False:
            return False
        return True if coloured and lasting else None

    def _has_colour(self, pending: _Pending, moment: Moment) -> bool | None:
        if pending.track_id is None:
            return False
        colour = moment.colours.get(pending.track_id, "")
        if not colour and moment.t_s - pending.told_s < COLOUR_WITHIN_S:
            return None
        return colour == self.rule.colour

    def _lasts(self, pending: _Pending, moment: Moment) -> bool | None:
        event = pending.event
        if event.kind is EventKind.APPEAR and self.rule.for_s:
            present = self._object(pending, moment.present)
            if present is None:
                return False
            return True if present.last_s - event.t_s >= self.rule.for_s - EPSILON_S else None
        if event.kind is EventKind.VANISH and pending.back_by_s > event.t_s:
            over_s = moment.t_s - pending.back_by_s
            certain = moment.certain_s >= pending.back_by_s - EPSILON_S or over_s >= CERTAIN_WITHIN_S
            return True if over_s >= -EPSILON_S and certain else None
        return True

    def _object(self, pending: _Pending, present: list[Present]) -> Present | None:
        """What has appeared, also when the tracker has given it another number."""
        for one in present:
            if one.track_id == pending.track_id is not None:
                return one
        taken = {other.track_id for other in self._pending}
        for one in present:
            if one.first_frame == pending.event.frame and (one.track_id is None or one.track_id not in taken):
                pending.track_id = one.track_id
                return one
        return None

    def _found(self, event: LogEvent, moment: Moment) -> Found:
        rule = self.rule
        who = _one(rule, event.label)
        what = {
            "appear": f"{who} has been there for {rule.for_s:g} s" if rule.for_s else f"{who} appeared",
            "vanish": f"{who} has been gone for {rule.for_s:g} s" if rule.for_s else f"{who} vanished",
            "zone_enter": f"{who} entered {place('zone', event.zone)}",
            "zone_leave": f"{who} left {place('zone', event.zone)}",
            "line_cross": f"{who} crossed {place('line', event.line)} ({event.direction})",
        }[rule.trigger]
        tracks = () if event.track_id is None else (event.track_id,)
        if rule.for_s:
            return Found(moment.t_s, moment.frame, tracks, f"{what}.", event)
        return Found(event.t_s, event.frame, tracks, f"{what}.", event)


class _StayJudge(Judge):
    """Stays in a zone that have become long: told while the object is seen there, each stay once."""

    def __init__(self, rule: WatchRule) -> None:
        super().__init__(rule)
        self._told_s: deque[float] = deque(maxlen=MOST_STAYS)

    def judge(self, moment: Moment, in_time: bool) -> list[Found]:
        rule = self.rule
        zone = moment.zones.get(rule.zone)
        if zone is None or not moment.fresh or not in_time:
            return []
        found = []
        for stander in moment.standers:
            stay_s = stander.stay_s.get(rule.zone, 0.0)
            # Who is beyond the border may be on the way out, though that is not certain yet.
            if stay_s < rule.for_s - EPSILON_S or zone.depth(stander.xy) <= 0:
                continue
            began_s = moment.t_s - stay_s
            told = any(abs(began_s - other) <= SAME_STAY_S for other in self._told_s)
            label = None if told else self._label(stander, moment)
            if label is None:
                continue
            self._told_s.append(began_s)
            text = f"{_one(rule, label)} has been in {place('zone', rule.zone)} for {rule.for_s:g} s."
            found.append(Found(moment.t_s, moment.frame, (stander.track_id,), text))
        return found

    def _label(self, stander: Stander, moment: Moment) -> str | None:
        """What it is, if that and its colour are wanted."""
        for one in moment.present:
            if one.track_id == stander.track_id:
                wanted = self._wants(one.label) and self.rule.colour in ("", one.colour)
                return one.label if wanted else None
        return None


class _CountJudge(Judge):
    """A number of objects that is reached, and kept for long enough; told again only after it was lost."""

    def __init__(self, rule: WatchRule) -> None:
        super().__init__(rule)
        self._armed = True
        self._since_s: float | None = None
        self._inside: dict[int, frozenset[str]] = {}

    def judge(self, moment: Moment, in_time: bool) -> list[Found]:
        if not moment.fresh:
            return []
        if moment.landed:
            self._since_s = None
            self._inside.clear()
        settled = moment.stills or moment.t_s - moment.landed_s >= SETTLE_S - EPSILON_S
        zone_there = not self.rule.zone or self.rule.zone in moment.zones
        counted = self._counted(moment) if moment.seeing and zone_there else None
        if counted is None or not settled:
            self._since_s = None
            return []
        number, tracks = counted
        rule = self.rule
        enough = rule.at_least is None or number >= rule.at_least
        if not (in_time and enough and (rule.at_most is None or number <= rule.at_most)):
            self._armed, self._since_s = True, None
            return []
        self._since_s = moment.t_s if self._since_s is None else self._since_s
        if not self._armed or moment.t_s - self._since_s < rule.for_s - EPSILON_S:
            return []
        self._armed = False
        return [Found(moment.t_s, moment.frame, tracks, rule.reached(number))]

    def _counted(self, moment: Moment) -> tuple[int, tuple[int, ...]] | None:
        rule = self.rule
        wanted = [one for one in moment.present if self._wants(one.label) and rule.colour in ("", one.colour)]
        if rule.zone:
            # Who is out of sight for a moment is where it was.
            there = {one.track_id for one in moment.present}
            self._inside = {number: zones for number, zones in self._inside.items() if number in there}
            self._inside.update((stander.track_id, frozenset(stander.stay_s)) for stander in moment.standers)
            wanted = [one for one in wanted if self._is_in_zone(one, moment)]
        tracks = tuple(sorted(one.track_id for one in wanted if one.track_id is not None))
        if rule.zone and not rule.labels and not rule.colour:
            # The number that is shown at the zone.
            return moment.zones[rule.zone].occupancy, tracks
        return len(wanted), tracks

    def _is_in_zone(self, one: Present, moment: Moment) -> bool:
        if one.track_id is None:
            left, _, right, bottom = one.xyxy
            return moment.zones[self.rule.zone].depth(((left + right) / 2, bottom)) > 0
        return self.rule.zone in self._inside.get(one.track_id, ())


def judge_of(rule: WatchRule) -> Judge:
    """The judge of a rule."""
    kinds: dict[str, type[Judge]] = {"dwell": _StayJudge, "count": _CountJudge}
    return kinds.get(rule.trigger, _EventJudge)(rule)


def _one(rule: WatchRule, label: str) -> str:
    words = with_article(f"{rule.colour} {label or 'object'}".strip())
    return words[0].upper() + words[1:]
