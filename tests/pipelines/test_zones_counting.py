"""Counting, from tracks alone: the truth of made-up scenes, and the rules one by one."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.zones.counter import CountSettings, SceneCounter
from scenescope.pipelines.zones.fakes import SIZE_WH, Faults, Scene, made_scene, seen_of
from scenescope.pipelines.zones.model import CountLine, Ground, Zone, ZoneSet

pytestmark = pytest.mark.slow

RATE_HZ = 30.0
LINE = CountLine(name="gate", start=(0.5, 0.2), end=(0.5, 0.8))
BOX = Zone(name="box", points=((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)))
WH = (1000, 1000)


def run(scene: Scene) -> tuple[SceneCounter, list[LogEvent]]:
    counter, events = SceneCounter(scene.shapes, SIZE_WH), []
    for index, seen in enumerate(scene.frames):
        events += counter.step(index / RATE_HZ, index, seen)
    return counter, events


def counted(counter: SceneCounter) -> Counter:
    found: Counter = Counter()
    for shape in (*counter.shapes.zones, *counter.shapes.lines):
        for (way, label), count in counter.tally.counts(shape.name, ()).items():
            found[shape.name, way, label] = count
    return found


@pytest.mark.parametrize("block", range(10))
def test_the_counts_of_spoiled_scenes_are_the_truth(block):
    """Flicker, id switches at the border, missing and -1 ids, doubles, wrong labels, jitter, stops, leaps."""
    wrong, total = {}, 0
    for seed in range(1000 + 20 * block, 1020 + 20 * block):
        scene = made_scene(seed, actors=4)
        counter, events = run(scene)
        total += sum(scene.counts.values())
        if counted(counter) != scene.counts:
            wrong[seed] = (scene.counts - counted(counter), counted(counter) - scene.counts)
        by_way = Counter((event.line or event.zone, event.kind, event.direction) for event in events)
        assert sum(by_way.values()) == sum(counted(counter).values()), "an event for every count"
        assert counter.occupancy == [0], "all have left"
    assert not wrong
    assert total > 20


def test_a_scene_without_faults_is_counted_exactly():
    none = Faults(0, 0, 0, 0, 0, 0, 0, 0)
    for seed in range(5):
        scene = made_scene(seed, none)
        assert counted(run(scene)[0]) == scene.counts


def test_the_same_tracks_give_the_same_events():
    one, other = (run(made_scene(7, actors=5))[1] for _ in range(2))
    assert one == other


# One rule at a time --------------------------------------------------------------------------------------------------


class Walk:
    """Feeds places of objects, 60 x 60 pixels, to a counter, frame by frame."""

    def __init__(self, shapes: ZoneSet, **settings) -> None:
        self.counter = SceneCounter(shapes, WH, CountSettings(**settings))
        self.index = 0
        self.events: list[LogEvent] = []

    def see(self, *objects: tuple[int, float, float], label: str = "car", t_s: float | None = None, size: float = 60):
        rows = [(i, label, 0.9, (x - size / 2, y - size, x + size / 2, y)) for i, x, y in objects]
        t_s = self.index / RATE_HZ if t_s is None else t_s
        self.events += self.counter.step(t_s, self.index, seen_of(rows))
        self.index += 1

    def go(self, track_id: int, *places: tuple[float, float], step: float = 8, label: str = "car"):
        for (x1, y1), (x2, y2) in pairwise(places):
            for part in np.linspace(0, 1, max(round(np.hypot(x2 - x1, y2 - y1) / step), 1), endpoint=False):
                self.see((track_id, x1 + part * (x2 - x1), y1 + part * (y2 - y1)), label=label)
        self.see((track_id, *places[-1]), label=label)
        return self

    def told(self) -> list[tuple[str, str]]:
        return [(event.kind.value, event.direction) for event in self.events]


def lines(*more: CountLine) -> ZoneSet:
    return ZoneSet(lines=(LINE, *more))


@pytest.mark.parametrize(
    ("start", "end", "way", "word"),
    [
        ((0.2, 0.5), (0.8, 0.5), ((500, 300), (500, 700)), "in"),
        ((0.2, 0.5), (0.8, 0.5), ((500, 700), (500, 300)), "out"),
        ((0.8, 0.5), (0.2, 0.5), ((500, 300), (500, 700)), "out"),
        ((0.5, 0.2), (0.5, 0.8), ((700, 500), (300, 500)), "in"),
        ((0.5, 0.2), (0.5, 0.8), ((300, 500), (700, 500)), "out"),
        ((0.2, 0.2), (0.8, 0.8), ((700, 300), (300, 700)), "in"),
    ],
    ids=["right, down", "right, up", "left, down", "down, leftwards", "down, rightwards", "slanted"],
)
def test_forward_is_from_the_left_side_to_the_right_seen_from_start_to_end(start, end, way, word):
    walk = Walk(ZoneSet(lines=(CountLine(name="l", start=start, end=end),))).go(1, *way)
    assert walk.told() == [("line_cross", word)]


def test_a_crossing_tells_the_frame_in_which_it_was_first_over_there():
    walk = Walk(lines()).go(4, (300, 500), (700, 500))
    (event,) = walk.events
    assert (event.line, event.track_id, event.label) == ("gate", 4, "car")
    # At frame 25 it stands on the line.
    assert event.frame == 26
    assert event.t_s == 26 / RATE_HZ
    assert event.xyxy == pytest.approx((478, 440, 538, 500))


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([(300, 500), (495, 500), (300, 500)], []),
        ([(300, 500), (505, 500), (300, 500)], []),
        ([(300, 500), (700, 500), (300, 500), (700, 500)], ["out", "in", "out"]),
        ([(300, 100), (700, 100)], []),
        ([(300, 100), (700, 100), (700, 500), (300, 500)], ["in"]),
        ([(300, 500), (700, 900), (700, 100), (300, 100)], ["out"]),
        ([(300, 790), (700, 790)], ["out"]),
        ([(300, 810), (700, 810)], []),
    ],
    ids=[
        "touch",
        "within the band",
        "to and fro",
        "past the end",
        "round",
        "through, back past",
        "at the end",
        "just past",
    ],
)
def test_only_a_way_over_the_segment_that_gets_clear_counts(places, words):
    assert [word for _, word in Walk(lines()).go(1, *places).told()] == words


def test_jitter_on_a_border_makes_no_events():
    rng = np.random.default_rng(1)
    walk = Walk(ZoneSet(zones=(BOX,), lines=(LINE,)))
    for _ in range(200):
        walk.see((1, 500 + rng.normal(0, 1.5), 600), (2, 250 + rng.normal(0, 1.5), 500), (3, 100, 100))
    assert [event for event in walk.events if event.track_id in (1, 2)] == [
        event for event in walk.events if event.kind is EventKind.ZONE_ENTER and event.track_id == 1
    ]
    assert counted(walk.counter) == {("box", 1, "car"): 1}


def test_a_leap_over_the_line_counts_at_once_and_an_outlier_does_not():
    leap = Walk(lines())
    for at in range(10):
        leap.see((1, 50 + 95 * at, 500))
    assert leap.told() == [("line_cross", "out")]
    outlier = Walk(lines())
    for at in range(30):
        outlier.see((1, 560 if at == 15 else 440 + 0.1 * at, 500))
    assert outlier.told() == []


def test_an_object_that_ends_just_over_the_line_has_crossed_when_it_is_lost():
    walk = Walk(lines(), lost_s=0.5)
    for x in (300, 302, 380, 560):
        walk.see((1, x, 500))
    assert walk.told() == []
    for _ in range(20):
        walk.see()
    assert walk.told() == [("line_cross", "out")]


def test_tracks_without_a_number_do_not_count():
    assert Walk(lines()).go(-1, (300, 500), (700, 500)).told() == []


def test_a_gap_on_the_line_counts_once():
    walk = Walk(lines()).go(1, (300, 500), (470, 500))
    for _ in range(20):
        walk.see()
    assert walk.go(1, (540, 500), (700, 500)).told() == [("line_cross", "out")]


@pytest.mark.parametrize("gap", [0, 1, 8, 20])
def test_an_id_switch_at_the_line_counts_once(gap):
    walk = Walk(lines()).go(1, (300, 500), (492, 500))
    for _ in range(gap):
        walk.see()
    x = 500 + 8 * gap
    assert walk.go(2, (x, 500), (700, 500)).told() == [("line_cross", "out")]


def test_a_new_object_somewhere_else_is_not_taken_for_the_one_that_is_gone():
    walk = Walk(lines()).go(1, (300, 500), (470, 500)).go(2, (700, 300), (600, 300))
    assert walk.told() == []


def test_two_tracks_that_swap_their_numbers_count_nothing():
    walk = Walk(lines())
    for at in range(40):
        a, b = (1, 2) if at < 20 else (2, 1)
        walk.see((a, 350 + at, 400), (b, 650 - at, 600))
    assert walk.told() == []


def test_two_tracks_of_one_object_count_once():
    walk = Walk(lines())
    for at in range(60):
        more = [(2, 304 + 7 * at, 503)] if 10 < at < 50 else []
        walk.see((1, 300 + 7 * at, 500), *more)
    assert walk.told() == [("line_cross", "out")]


def test_two_objects_side_by_side_count_twice():
    walk = Walk(lines())
    for at in range(60):
        walk.see((1, 300 + 7 * at, 500), (2, 300 + 7 * at, 570))
    assert walk.told() == [("line_cross", "out")] * 2


def test_the_label_is_that_of_the_majority_and_follows_when_it_changes():
    walk = Walk(lines())
    for at in range(120):
        walk.see((1, 300 + 4 * at, 500), label="truck" if at < 60 else "car")
    assert [event.label for event in walk.events] == ["truck"]
    assert counted(walk.counter) == {("gate", -1, "truck"): 1}
    for at in range(10):
        walk.see((1, 780 + at, 500), label="car")
    assert counted(walk.counter) == {("gate", -1, "car"): 1}


def test_a_shape_counts_only_its_classes():
    cars = CountLine(name="cars", start=LINE.start, end=LINE.end, labels=("car",))
    zone = Zone(name="bikes", points=BOX.points, labels=("bicycle",))
    walk = Walk(ZoneSet(zones=(zone,), lines=(cars,)), lost_s=30).go(1, (100, 500), (600, 500), label="bicycle")
    assert [event.kind for event in walk.events] == [EventKind.ZONE_ENTER]
    walk.go(2, (100, 400), (600, 400))
    assert [event.kind for event in walk.events] == [EventKind.ZONE_ENTER, EventKind.LINE_CROSS]


# Zones ---------------------------------------------------------------------------------------------------------------


def test_a_stay_is_told_with_its_length_and_once_when_it_gets_long():
    zone = Zone(name="box", points=BOX.points, dwell_s=2)
    walk = Walk(ZoneSet(zones=(zone,))).go(1, (100, 500), (500, 500))
    for _ in range(150):
        walk.see((1, 500, 500))
    assert walk.counter.occupancy == [1]
    (present,) = walk.counter.present
    assert present.dwell_s == pytest.approx((walk.index - 1 - 19) / RATE_HZ, abs=0.04)
    walk.go(1, (500, 500), (900, 500))
    assert [event.kind.value for event in walk.events] == ["zone_enter", "dwell", "zone_leave"]
    enter, dwell, leave = walk.events
    assert dwell.value == pytest.approx(2, abs=0.04)
    assert dwell.t_s == pytest.approx(enter.t_s + 2, abs=0.04)
    assert leave.value == pytest.approx(leave.t_s - enter.t_s)


def test_a_stay_does_not_get_long_on_the_way_out():
    """It stands just beyond the border, where it is not believed to have left yet."""
    walk = Walk(ZoneSet(zones=(Zone(name="box", points=BOX.points, dwell_s=2),))).go(1, (100, 500), (500, 500))
    while walk.index / RATE_HZ < walk.events[0].t_s + 1.9:
        walk.see((1, 748, 500))
    for _ in range(30):
        walk.see((1, 752, 500))
    walk.go(1, (752, 500), (900, 500))
    assert [event.kind.value for event in walk.events] == ["zone_enter", "zone_leave"]


def test_who_vanishes_inside_leaves_when_it_was_last_seen():
    walk = Walk(ZoneSet(zones=(BOX,)), lost_s=1).go(1, (100, 500), (500, 500))
    last = walk.index - 1
    for _ in range(20):
        walk.see()
    assert walk.counter.occupancy == [1], "out of sight for a moment"
    for _ in range(20):
        walk.see()
    assert walk.counter.occupancy == [0]
    assert [(e.kind, e.frame) for e in walk.events][1:] == [(EventKind.ZONE_LEAVE, last)]


def test_who_stands_inside_near_the_border_for_long_is_inside():
    walk = Walk(ZoneSet(zones=(BOX,))).go(1, (200, 500), (255, 500))
    for _ in range(90):
        walk.see((1, 255, 500))
    assert walk.told() == [("zone_enter", "")]


# Jumps and changes ---------------------------------------------------------------------------------------------------


def played(walk: Walk, first_s: float, end_s: float) -> None:
    """An object crosses the line at 1.0 s, and another one at 3.0 s."""
    for frame in range(round(first_s * RATE_HZ), round(end_s * RATE_HZ)):
        t_s = frame / RATE_HZ
        rows = [(n + 1, 500 + 250 * (t_s - at), 500.0) for n, at in enumerate((1.0, 3.0)) if abs(t_s - at) < 0.9]
        walk.index = frame
        walk.see(*rows, t_s=t_s)


@pytest.mark.parametrize(
    ("spans", "count"),
    [
        ([(0, 4)], 2),
        ([(0, 2), (0.5, 4)], 2),
        ([(0, 4), (2.0, 4), (2.0, 4)], 2),
        ([(0, 1.02), (3.5, 4)], 0),
        ([(0, 4), (0, 2)], 1),
        ([(2, 4), (0, 2)], 1),
        ([(0, 2), (6, 7), (2.0, 4)], 2),
    ],
    ids=["through", "back", "again", "over both", "from the start", "before the start", "the part left out"],
)
def test_every_moment_counts_once(spans, count):
    walk = Walk(lines())
    for span in spans:
        played(walk, *span)
    assert sum(counted(walk.counter).values()) == count


def test_a_jump_ends_stays_without_events_and_finds_who_is_there():
    walk = Walk(ZoneSet(zones=(BOX,))).go(1, (100, 500), (500, 500))
    walk.index = 1000
    for _ in range(30):
        walk.see((8, 500, 500))
    assert walk.told() == [("zone_enter", "")]
    assert walk.counter.occupancy == [1]
    assert counted(walk.counter) == {("box", 1, "car"): 1}


def test_playing_backwards_counts_nothing():
    walk = Walk(lines())
    for frame in range(300, 200, -1):
        walk.index = frame
        walk.see((1, 300 + 4 * (300 - frame), 500))
    assert walk.told() == []


def test_the_same_frame_again_changes_nothing():
    walk = Walk(lines(), confirm=2).go(1, (300, 500), (480, 500))
    for _ in range(5):
        walk.index -= 1
        walk.see((1, 530, 500))
    assert walk.told() == []


def test_a_shape_that_is_moved_over_an_object_makes_no_event_and_keeps_its_counts():
    other = CountLine(name="other", start=(0.9, 0.1), end=(0.9, 0.9))
    walk = Walk(ZoneSet(zones=(BOX,), lines=(LINE, other))).go(1, (100, 500), (600, 500))
    before = counted(walk.counter)
    for at in range(30):
        walk.see((1, 600, 500))
        moved = CountLine(name="gate", start=(0.5 + at / 100, 0.2), end=(0.5 + at / 100, 0.8))
        zone = (
            Zone(name="box", points=tuple((x + at / 60, y) for x, y in BOX.points if x + at / 60 <= 1) or BOX.points)
            if at < 15
            else BOX
        )
        walk.counter.change(ZoneSet(zones=(zone,), lines=(moved, other)), walk.counter.settings)
    assert counted(walk.counter) == before
    walk.go(1, (600, 500), (980, 500))
    assert counted(walk.counter)["gate", -1, "car"] == before["gate", -1, "car"] + 1
    assert counted(walk.counter)["other", -1, "car"] == 1


def test_a_renamed_shape_begins_at_zero_and_a_removed_one_is_forgotten():
    walk = Walk(lines()).go(1, (300, 500), (700, 500))
    renamed = CountLine(name="door", start=LINE.start, end=LINE.end)
    walk.counter.change(ZoneSet(lines=(renamed,)), walk.counter.settings)
    assert counted(walk.counter) == {}
    walk.counter.change(lines(), walk.counter.settings)
    assert counted(walk.counter) == {}


def test_a_line_that_takes_the_name_of_a_zone_does_not_take_its_counts():
    walk = Walk(ZoneSet(zones=(BOX,))).go(1, (100, 500), (500, 500))
    walk.counter.change(ZoneSet(lines=(CountLine(name="box", start=(0, 0), end=(1, 1)),)), walk.counter.settings)
    assert counted(walk.counter) == {}


def test_very_many_objects_are_not_kept_for_ever():
    walk = Walk(ZoneSet(zones=(BOX,)))
    for at in range(60):
        walk.see(*((200 * at + n, 20.0 * n % 1000, 40.0 * (n // 40)) for n in range(200)), size=8)
    assert walk.counter._objects.capacity <= 8192
    assert int(walk.counter._objects.used.sum()) < 6000


def test_broken_boxes_are_left_out():
    walk = Walk(lines())
    for at in range(50):
        walk.see((1, 300 + 8 * at, 500), (2, float("nan"), 500), (3, float("inf"), 1))
    assert walk.told() == [("line_cross", "out")]


# Speed ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [5, 15, 30, 120])
@pytest.mark.parametrize(("angle", "speed_mps"), [(0.0, 10.0), (1.2, 4.0), (1.57, 1.4)])
def test_the_speed_of_tracks_in_perspective_is_right_within_5_percent(rate_hz, angle, speed_mps):
    import cv2

    ground = Ground(points=((0.35, 0.3), (0.65, 0.3), (0.95, 0.9), (0.05, 0.9)), width_m=8, length_m=30)
    to_picture = cv2.getPerspectiveTransform(
        np.float32([[0, 0], [8, 0], [8, 30], [0, 30]]), np.float32(ground.points) * np.float32(WH)
    )
    counter = SceneCounter(ZoneSet(ground=ground), WH, CountSettings(limit_kmh=speed_mps * 3.6 * 1.2))
    rng = np.random.default_rng(2)
    speeds, events = [], []
    for index in range(round(2.5 * rate_hz)):
        t_s = index / rate_hz
        place = np.array([2.0, 3.0]) + t_s * speed_mps * np.array([np.sin(angle) * 0.8, np.cos(angle)]) / np.hypot(
            np.sin(angle) * 0.8, np.cos(angle)
        )
        x, y = cv2.perspectiveTransform(np.array([[place]]), to_picture.astype(np.float64))[0, 0]
        x, y = x + rng.normal(0, 0.3), y + rng.normal(0, 0.3)
        events += counter.step(t_s, index, seen_of([(1, "car", 0.9, (x - 20, y - 40, x + 20, y))]))
        if t_s > 0.9 and place[0] < 8 and place[1] < 27:
            speeds.append(counter.present[0].speed_mps)
    assert np.median(speeds) == pytest.approx(speed_mps, rel=0.05)
    assert not events


def test_who_is_too_fast_is_told_once():
    ground = Ground(points=((0, 0), (1, 0), (1, 1), (0, 1)), width_m=100, length_m=100)
    walk = Walk(ZoneSet(zones=(BOX,), ground=ground), limit_kmh=50)
    for at in range(100):
        walk.see((1, 100 + 8 * at, 500))
    (event,) = [event for event in walk.events if event.kind is EventKind.SPEED]
    assert event.value == pytest.approx(24, rel=0.02)
    assert walk.counter.present[0].speed_mps == pytest.approx(24, rel=0.02)
