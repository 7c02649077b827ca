"""Watches on made-up scenes that are spoiled as trackers spoil them, against what is true of those scenes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from scenescope.models import Tracks
from scenescope.pipelines import Frame
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.watches import WatchRule
from scenescope.pipelines.watches.fakes import RATE_HZ, Watcher, Who, said, scene, with_zones
from scenescope.pipelines.zones.fakes import LABELS, SIZE_WH, Scene, made_scene

pytestmark = pytest.mark.slow

INFO = SourceInfo("made up", SIZE_WH, 30.0, live=False)
GREY = np.full((SIZE_WH[1], SIZE_WH[0], 3), 128, np.uint8)
RULES = (
    WatchRule(name="yard in", trigger="zone_enter", zone="yard", cooldown_s=0),
    WatchRule(name="yard out", trigger="zone_leave", zone="yard", cooldown_s=0),
    WatchRule(name="gate in", trigger="line_cross", line="gate", direction="in", cooldown_s=0),
    WatchRule(name="gate out", trigger="line_cross", line="gate", direction="out", cooldown_s=0),
    WatchRule(name="stay", trigger="dwell", zone="yard", for_s=1.5, cooldown_s=0),
)


def frames_of(made: Scene) -> list[Frame]:
    frames = []
    for index, seen in enumerate(made.frames):
        classes = np.array([LABELS.index(label) for label in seen.label], int)
        found = Tracks(
            xyxy=seen.xyxy, confidence=seen.confidence, class_id=classes, class_names=LABELS, track_id=seen.track_id
        )
        frames.append(Frame(GREY, index, index / 30, index / 30).with_result("track", found))
    return with_zones(frames, made.shapes)


@pytest.mark.parametrize("seed", range(3000, 3012))
def test_every_way_is_told_once_in_spite_of_flicker_switches_and_doubles(seed) -> None:
    made = made_scene(seed, actors=4)
    hits = Watcher(*RULES, info=INFO).see(frames_of(made))
    told = Counter(hit.rule.name for hit in hits)
    true: Counter[str] = Counter()
    for (shape, way, _), number in made.counts.items():
        true[f"{shape} {'in' if way > 0 else 'out'}"] += number
    assert {name: told[name] for name in true} == dict(true)
    # A stay is long when it is over after more than its time; one that is just as long may be either.
    lengths = [hit.event.value for hit in hits if hit.rule.name == "yard out"]
    assert sum(length > 1.7 for length in lengths) <= told["stay"] <= sum(length >= 1.5 for length in lengths)


def random_cast(rng: np.random.Generator) -> list[Who]:
    """Objects far from each other, each there once or twice, long enough to be seen, with misses of the detector."""
    cast = []
    for place in range(4):
        end_s = 0.0
        for visit in range(int(rng.integers(1, 3))):
            start_s = round(end_s + float(rng.uniform(3, 6)), 1)
            end_s = round(start_s + float(rng.uniform(3, 8)), 1)
            # The first and the last moments are seen, or nobody could say when they were.
            at_s = round(float(rng.uniform(start_s + 0.8, end_s - 1.5)), 1)
            missing = ((at_s, at_s + 0.4),) if rng.random() < 0.7 else ()
            switch_s = at_s + 0.4 if missing and rng.random() < 0.5 else float("inf")
            label = ("person", "dog", "truck")[int(rng.integers(0, 3))]
            number = 10 * place + 2 * visit + 1
            cast.append(Who(label, start_s, end_s, (50 + 100 * place, 200), number, switch_s, missing))
    return cast


def first_and_last(who: Who) -> tuple[float, float]:
    times = [index / RATE_HZ for index in range(400) if who.box_at(index / RATE_HZ + 1e-9) is not None]
    return times[0], times[-1]


@pytest.mark.parametrize("seed", range(12))
def test_who_comes_and_goes_is_told_once_at_the_right_time(seed) -> None:
    cast = random_cast(np.random.default_rng(seed))
    rules = [
        WatchRule(name=f"{trigger} {label}", trigger=trigger, labels=(label,), cooldown_s=0)
        for trigger in ("appear", "vanish")
        for label in ("person", "dog", "truck")
    ]
    hits = Watcher(*rules).see(scene(cast, 40))
    true = [(f"appear {who.label}", round(first_and_last(who)[0], 3)) for who in cast]
    true += [(f"vanish {who.label}", round(first_and_last(who)[1], 3)) for who in cast]
    assert sorted(said(hits)) == sorted(true)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("least", [2, 3])
def test_a_number_is_told_once_for_each_time_it_lasts(seed, least) -> None:
    cast = random_cast(np.random.default_rng(seed))
    for_s = 1.0
    (hits,) = [
        Watcher(WatchRule(name="n", trigger="count", at_least=least, for_s=for_s, cooldown_s=0)).see(scene(cast, 40))
    ]
    # Who is seen counts from half a second after it came, and until it was missed for a second and a half.
    spans = [(first + 0.5, last + 1.5) for first, last in map(first_and_last, cast)]
    expected, since_s, told = [], None, False
    for index in range(400):
        t_s = index / RATE_HZ
        if sum(begin - 1e-6 <= t_s < end - 1e-6 for begin, end in spans) < least:
            since_s, told = None, False
            continue
        since_s = t_s if since_s is None else since_s
        if not told and t_s - since_s >= for_s - 1e-6:
            told = True
            expected.append(t_s)
    assert [round(hit.pts_s, 3) for hit in hits] == [pytest.approx(t_s) for t_s in expected]
