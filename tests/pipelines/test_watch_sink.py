"""WatchSink: every kind of rule on scenes whose truth is written down, and what must never make it tell anything."""

from __future__ import annotations

from datetime import datetime
from functools import cache

import pytest

from scenescope.models import EventKind
from scenescope.pipelines import Frame
from scenescope.pipelines.log.fakes import CAMERA, FILE
from scenescope.pipelines.log.watched import WatchedSpotter
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.watches import WatchRule
from scenescope.pipelines.watches.fakes import Watcher, Who, said, scene, with_zones
from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet

pytestmark = pytest.mark.slow

LEFT = Zone(name="left", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
RIGHT = Zone(name="A", points=((0.5, 0), (1, 0), (1, 1), (0.5, 1)))
WIDE = Zone(name="wide", points=((0.4, 0), (1, 0), (1, 1), (0.4, 1)))
GATE = CountLine(name="gate", start=(0.5, 0), end=(0.5, 1))
SHAPES = ZoneSet(zones=(LEFT, RIGHT), lines=(GATE,))
RED, BLUE = (0, 0, 220), (220, 0, 0)

# Walks from x 60 to x 360 in 18 s: over x 200 at 10.4 s, and is seen on the right from 10.5 s on.
WALKER = Who("person", 2, 20, (60, 200), 1, to_xy=(360, 200))
# Is lost and found again under another number at 7 s, in zone A all the time.
TRUCK = Who("truck", 5, 12, (300, 100), 3, switch_s=7, bgr=RED)
# Flickers.
DOG = Who("dog", 1, 6, (60, 80), 9, missing=((2, 2.4), (3, 4)))
CAST = (WALKER, TRUCK, DOG)


def rule(trigger: str, **more) -> WatchRule:
    return WatchRule(name="w", trigger=trigger, **{"cooldown_s": 0, **more})


@cache
def all_frames() -> list[Frame]:
    return scene(CAST, 26)


@cache
def played_straight() -> list[Frame]:
    return with_zones(all_frames(), SHAPES)


@pytest.mark.parametrize(
    ("one", "times"),
    [
        (rule("appear"), [1.0, 2.0, 5.0]),
        (rule("appear", labels=("DOG",)), [1.0]),
        (rule("appear", labels=("dog", "truck")), [1.0, 5.0]),
        (rule("appear", labels=("cup",)), []),
        (rule("appear", colour="red"), [5.0]),
        (rule("appear", colour="blue"), []),
        (rule("appear", for_s=5), [7.0, 10.0]),
        (rule("appear", for_s=6.9), [8.9, 11.9]),
        (rule("vanish"), [5.9, 11.9, 19.9]),
        (rule("vanish", colour="red"), [11.9]),
        (rule("vanish", for_s=3), [8.9, 14.9, 22.9]),
        # At 20.9 s the person is out of sight, and might be the dog that comes back.
        (rule("vanish", for_s=15), [21.4]),
        (rule("zone_enter", zone="A"), [5.0, 10.5]),
        (rule("zone_enter", zone="A", labels=("person",)), [10.5]),
        (rule("zone_enter", zone="A", colour="red"), [5.0]),
        (rule("zone_enter", zone="nowhere"), []),
        (rule("zone_leave", zone="left"), [5.9, 10.4]),
        (rule("zone_leave", zone="A", labels=("truck",)), [11.9]),
        (rule("line_cross", line="gate"), [10.5]),
        (rule("line_cross", line="gate", direction="out"), [10.5]),
        (rule("line_cross", line="gate", direction="in"), []),
        (rule("dwell", zone="A", for_s=4), [9.0, 14.5]),
        (rule("dwell", zone="A", for_s=6.8), [11.8, 17.3]),
        (rule("dwell", zone="A", for_s=8, labels=("person",)), [18.5]),
        (rule("dwell", zone="A", for_s=4, colour="red"), [9.0]),
        (rule("dwell", zone="A", for_s=10), []),
        (rule("count", at_least=2, for_s=1), [3.5]),
        (rule("count", at_least=3), [5.5]),
        (rule("count", at_least=3, for_s=2.5), []),
        (rule("count", at_least=4), []),
        (rule("count", at_most=0), [21.4]),
        (rule("count", at_most=0, for_s=1), [22.4]),
        (rule("count", at_most=0, labels=("dog",)), [7.4]),
        (rule("count", at_least=1, colour="red"), [5.5]),
        (rule("count", at_least=2, zone="A"), [10.8]),
        # Numbers are those shown at the zone, where a change of sides is certain a little later than it happened.
        (rule("count", at_least=1, zone="A", labels=("person",)), [10.8]),
        (rule("count", at_most=0, zone="A"), [1.5, 22.0]),
    ],
)  # fmt: skip
def test_what_is_told_and_when(one, times) -> None:
    hits = Watcher(one).see(played_straight())
    assert [round(hit.pts_s, 3) for hit in hits] == times
    assert [hit.frame_index for hit in hits] == [round(time * 10) for time in times]


def test_a_hit_says_what_is_known_of_it() -> None:
    watcher = Watcher(
        WatchRule(name="in", trigger="zone_enter", zone="A", labels=("truck",), colour="red"),
        WatchRule(name="two", trigger="count", at_least=2, zone="A"),
        WatchRule(name="stay", trigger="dwell", zone="A", for_s=4, labels=("person",)),
    )
    entered, two, stayed = watcher.see(played_straight())
    assert entered.text == "A red truck entered zone A."
    assert entered.event is not None
    assert (entered.event.kind, entered.event.zone, entered.event.frame) == (EventKind.ZONE_ENTER, "A", 50)
    assert (entered.track_ids, entered.frame_index, entered.pts_s) == ((3,), 50, 5.0)
    assert (two.text, two.track_ids, two.event) == ("There are 2 objects in zone A.", (1, 4), None)
    assert (stayed.text, stayed.track_ids) == ("A person has been in zone A for 4 s.", (1,))
    assert list(watcher.sink.hits) == [entered, two, stayed]


@pytest.mark.parametrize(
    ("one", "times"),
    [
        (rule("appear"), [1.0, 2.0, 5.0]),
        (rule("vanish"), [5.9, 11.9, 19.9]),
        (rule("appear", for_s=5), [7.0, 10.0]),
        (rule("count", at_least=3), [5.5]),
        (rule("count", at_least=1, zone="A", labels=("person",)), [10.5]),
        (rule("appear", colour="red"), []),
        (rule("zone_enter", zone="A"), []),
    ],
)
def test_without_a_tracker_what_can_be_known_is_told(one, times) -> None:
    hits = Watcher(one).see(with_zones(scene(CAST, 26, tracked=False), SHAPES))
    assert [round(hit.pts_s, 3) for hit in hits] == times


def test_zones_that_overlap_have_stays_of_their_own() -> None:
    shapes = ZoneSet(zones=(WIDE, RIGHT))
    hits = Watcher(rule("dwell", zone="A", for_s=4)).see(with_zones(scene([WALKER], 26), shapes))
    assert said(hits) == [("w", 14.5)]


def test_still_pictures_are_taken_as_they_are() -> None:
    info = SourceInfo("pictures", (400, 300), 1.0, live=False, frame_count=10)
    who = Who("dog", 2, 6)
    frames = scene([who], 10, rate_hz=1)
    rules = {
        "in": rule("appear"),
        "out": rule("vanish"),
        "one": rule("count", at_least=1),
        "none": rule("count", at_most=0),
    }
    watcher = Watcher(*(one.model_copy(update={"name": name}) for name, one in rules.items()), info=info)
    assert sorted(said(watcher.see(frames))) == [("in", 2.0), ("none", 0.0), ("none", 6.0), ("one", 2.0), ("out", 5.0)]


# Cooldown, clock, edits -----------------------------------------------------------------------------------------------


def visits(*starts_s: float) -> list[Who]:
    return [Who("dog", start, start + 1, number=number) for number, start in enumerate(starts_s, 1)]


@pytest.mark.parametrize(
    ("cooldown_s", "times"), [(0, [1, 5, 9, 13]), (5, [1, 9]), (8, [1, 9]), (8.1, [1, 13]), (99, [1])]
)
def test_a_cooldown_is_media_time(cooldown_s, times) -> None:
    hits = Watcher(rule("appear", cooldown_s=cooldown_s)).see(scene(visits(1, 5, 9, 13), 18))
    assert [hit.pts_s for hit in hits] == times


@pytest.mark.parametrize(
    ("between", "clock", "told"),
    [
        (("08:00", "18:00"), (8, 0), True),
        (("08:00", "18:00"), (7, 59), False),
        (("08:00", "18:00"), (17, 59), True),
        (("08:00", "18:00"), (18, 0), False),
        (("22:00", "06:00"), (23, 30), True),
        (("22:00", "06:00"), (0, 0), True),
        (("22:00", "06:00"), (5, 59), True),
        (("22:00", "06:00"), (6, 0), False),
        (("22:00", "06:00"), (12, 0), False),
    ],
)
@pytest.mark.parametrize("info", [FILE, CAMERA])
def test_clock_times_may_cross_midnight(between, clock, told, info) -> None:
    watcher = Watcher(rule("appear", between=between), info=info)
    watcher.wall_s = datetime(2030, 5, 17, *clock).timestamp()
    assert bool(watcher.see(scene(visits(0), 1))) is told


def test_a_number_that_was_there_before_the_hour_is_told_when_it_strikes() -> None:
    watcher = Watcher(rule("count", at_least=1, between=("22:00", "06:00")))
    frames = scene([Who("dog", 0, 30)], 30)
    watcher.wall_s = datetime(2030, 5, 17, 21, 59, 59).timestamp()
    assert watcher.see(frames[:100]) == []
    watcher.wall_s += 2
    assert said(watcher.see(frames[100:])) == [("w", 10.0)]


def test_an_event_of_a_camera_has_its_time_of_day() -> None:
    watcher = Watcher(rule("vanish"), info=CAMERA)
    (hit,) = watcher.see(scene([Who("dog", 0, 3)], 8))
    # It is told at 4.4 s that it was last seen at 2.9 s; the clocks of this test stand still at 0.
    assert hit.pts_s == 2.9
    assert hit.wall_s == pytest.approx(watcher.wall_s + 2.9)


def test_an_edit_takes_effect_between_frames_and_leaves_the_others_alone() -> None:
    watcher = Watcher(
        WatchRule(name="stay", trigger="appear", for_s=8), WatchRule(name="other", trigger="count", at_least=1, for_s=5)
    )
    frames = scene([Who("dog", 1, 12)], 20)
    watcher.see(frames[:50])
    watcher.book.put(WatchRule(name="new", trigger="vanish"))
    watcher.book.put(WatchRule(name="other", trigger="count", at_least=1, for_s=6))
    watcher.book.put(WatchRule(name="stay", trigger="appear", for_s=8, question="Is it wet?", cooldown_s=3))
    hits = watcher.see(frames[50:])
    # "other" begins anew at 5 s, "stay" goes on with what it knows.
    assert said(hits) == [("stay", 9.0), ("other", 11.0), ("new", 11.9)]
    assert hits[0].rule.question == "Is it wet?"


def test_a_rule_that_is_off_tells_nothing_and_begins_anew_when_it_is_on() -> None:
    watcher = Watcher(rule("appear"))
    frames = scene(visits(1, 5, 9), 14)
    watcher.book.enable("w", False)
    assert watcher.see(frames[:70]) == []
    watcher.book.enable("w", True)
    assert said(watcher.see(frames[70:])) == [("w", 9.0)]


def test_what_is_there_when_a_watch_is_made_has_not_appeared() -> None:
    watcher = Watcher()
    frames = scene([Who("dog", 1, 20), Who("truck", 8, 20, (300, 200), 2)], 20)
    watcher.see(frames[:50])
    watcher.book.put(rule("appear"))
    assert said(watcher.see(frames[50:])) == [("w", 8.0)]


def test_a_listener_that_fails_does_not_end_the_watching(capsys) -> None:
    watcher = Watcher(rule("appear"))
    told = []

    def fail(hit) -> None:
        told.append(hit)
        raise RuntimeError("no")

    watcher.sink._on_hit = fail
    watcher.see(scene(visits(1, 5), 8))
    assert len(told) == 2
    assert "RuntimeError: no" in capsys.readouterr().err


# No false hits --------------------------------------------------------------------------------------------------------

EVERY = (
    WatchRule(name="appear", trigger="appear", cooldown_s=0),
    WatchRule(name="vanish", trigger="vanish", cooldown_s=0),
    WatchRule(name="enter", trigger="zone_enter", zone="A", cooldown_s=0),
    WatchRule(name="leave", trigger="zone_leave", zone="A", cooldown_s=0),
    WatchRule(name="cross", trigger="line_cross", line="gate", cooldown_s=0),
    WatchRule(name="stay", trigger="dwell", zone="A", for_s=4, cooldown_s=0),
    WatchRule(name="gone", trigger="vanish", for_s=3, cooldown_s=0),
    WatchRule(name="three", trigger="count", at_least=3, for_s=0.2, cooldown_s=0),
    WatchRule(name="none", trigger="count", at_most=0, for_s=0.5, cooldown_s=0),
)


def play(frames: list[Frame], *parts: tuple[int, int]) -> list[Frame]:
    """Frames as a player brings them that jumps from part to part."""
    return [frame for first, end in parts for frame in frames[first:end]]


@pytest.mark.parametrize(
    "parts",
    [
        [(0, 260), (0, 260)],
        [(0, 150), (30, 260)],
        [(0, 120), (115, 118), (110, 260)],
        [(0, 70), *[(40, 70)] * 6, (40, 260)],
        [(0, 260), *[(100, 130)] * 4],
        [(0, 110), (100, 101), (99, 100), (98, 99), (100, 260)],
    ],
    ids=["twice", "back", "back twice", "loop", "loop at the end", "steps back"],
)
def test_a_film_watched_again_tells_what_the_log_tells(parts) -> None:
    raw = all_frames()
    played = with_zones(play(raw, *parts), SHAPES)
    hits = Watcher(*EVERY).see(played)
    straight = set(said(Watcher(*EVERY).see(played_straight())))
    assert len(said(hits)) == len(set(said(hits)))
    # What lasts may be told later, or not at all where it was broken off, but never more often.
    for name in ("stay", "three", "none", "gone"):
        assert sum(hit.rule.name == name for hit in hits) <= sum(one[0] == name for one in straight)
    happened = [hit for hit in hits if hit.event is not None and hit.rule.name != "gone"]
    assert set(said(happened)) <= straight
    assert sorted((hit.rule.trigger, hit.pts_s) for hit in happened) == logged(played)


def logged(frames: list[Frame]) -> list[tuple[str, float]]:
    """What the event log keeps of what the rules wait for, after all that it takes back."""
    spotter, kept = WatchedSpotter(FILE), []
    for frame in frames:
        told = spotter.spot(frame)
        kept += told.events
        kept = [event for event in kept if event not in told.retracted]
    wanted = [one.trigger for one in EVERY]
    return sorted(
        (event.kind.value, event.t_s)
        for event in kept
        if event.kind.value in wanted and (event.zone, event.line) in (("", ""), ("A", ""), ("", "gate"))
    )


@pytest.mark.parametrize("parts", [[(60, 90)], [(0, 30), (60, 90)], [(0, 10), (70, 80), (62, 69), (80, 90)]])
def test_who_is_only_found_by_a_jump_has_not_appeared(parts) -> None:
    there = [Who("person", 0, 30, (60, 200), 1), Who("truck", 4, 30, (300, 200), 2)]
    watcher = Watcher(*(one for one in EVERY if one.name in ("appear", "vanish", "enter", "cross")))
    hits = watcher.see(with_zones(play(scene(there, 30), *parts), SHAPES))
    assert [hit for hit in hits if hit.pts_s > 0] == []


def test_a_jump_over_a_crossing_tells_nothing() -> None:
    assert Watcher(*EVERY[2:6]).see(with_zones(play(scene([WALKER], 26), (20, 90), (130, 160)), SHAPES)) == []


@pytest.mark.parametrize(("gap_s", "stays_s"), [(1.5, [4.0]), (3.0, [4.0, 44.3]), (20.0, [4.0, 44.3])])
def test_a_camera_that_was_paused_tells_nothing_of_the_pause(gap_s, stays_s) -> None:
    """Pictures come again after a gap; the detector misses the objects in the first of them."""
    there = [Who("person", 0, 90, (60, 200), 1), Who("truck", 0, 90, (300, 200), 2, missing=((40, 40.3),))]
    frames = [frame for frame in scene(there, 50) if not 40 - gap_s <= frame.pts_s < 40]
    hits = Watcher(*EVERY, info=CAMERA).see(with_zones(frames, SHAPES))
    # After a long gap it is a stay of its own, which has been seen for as long as is said.
    stays = [("stay", stay_s) for stay_s in stays_s]
    assert sorted(said(hits)) == [("appear", 0.0), ("appear", 0.0), ("enter", 0.0), *stays]


def test_who_has_left_during_a_short_gap_is_told_to_have_vanished() -> None:
    frames = [frame for frame in scene([Who("dog", 0, 8.2)], 15) if not 8 <= frame.pts_s < 10.5]
    assert said(Watcher(rule("vanish"), info=CAMERA).see(frames)) == [("w", 7.9)]


def test_a_detector_that_was_off_tells_nothing_of_that_time() -> None:
    there = [Who("person", 0, 90, (60, 200), 1), Who("dog", 20, 90, (200, 200), 2)]
    frames = scene(there, 40, blind=((10, 15), (18, 18.4), (25, 26.2)))
    watcher = Watcher(*(one for one in EVERY if one.name in ("appear", "vanish", "gone", "none")))
    assert said(watcher.see(frames)) == [("appear", 0.0), ("appear", 20.0)]


def test_a_detector_that_loads_late_finds_what_is_there_from_the_start() -> None:
    frames = scene([Who("person", 0, 90)], 10, blind=((0, 4),))
    assert said(Watcher(rule("appear"), info=CAMERA).see(frames)) == [("w", 4.0)]


def test_another_source_begins_anew() -> None:
    raw = scene([Who("person", 0, 90, (60, 200), 1)], 20)
    watcher = Watcher(*EVERY)
    first = watcher.see(with_zones(raw[:100], SHAPES))
    watcher.sink.close()
    watcher.sink.open(FILE)
    empty = watcher.see(with_zones(scene([], 20), SHAPES))
    assert said(first) == [("appear", 0.0)]
    assert said(empty) == [("none", 2.0)]
