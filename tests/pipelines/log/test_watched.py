"""WatchedSpotter: however somebody jumps to and fro in a file, the events are those of watching it once."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import pytest

from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.log.fakes import FILE, frame, rows_of, said, texts
from scenescope.pipelines.log.watched import WatchedSpotter

pytestmark = pytest.mark.slow

LENGTH = 600
# Who is where, and from which frame to which.
CAST = [
    ("person", (10, 30, 30, 60), 0, 250),
    ("dog", (90, 60, 110, 80), 40, 330),
    ("cup", (50, 10, 60, 20), 120, 140),
    ("person", (60, 30, 80, 60), 200, 420),
    ("dog", (5, 60, 25, 85), 310, 600),
    ("cup", (100, 10, 115, 25), 480, 600),
]
"""Ends are excluded."""


class Player:
    """Plays the scene as a tracker sees it: after a jump back its numbers begin again with 1."""

    def __init__(self, with_texts: bool = False) -> None:
        self.spotter = WatchedSpotter(FILE)
        self.log: list[LogEvent] = []
        self.frames: list[int] = []
        self.numbers: dict[int, set[int]] = {}
        self._ids: dict[int, int] = {}
        self._last = -1
        self._texts = with_texts

    def play(self, start: int, end: int, step: int = 1) -> Player:
        for index in range(start, end, step):
            if index < self._last:
                self._ids = {}
            self._last = index
            here = [n for n, (_, _, first, last) in enumerate(CAST) if first <= index < last]
            for n in here:
                self._ids.setdefault(n, len(self._ids) + 1)
            rows = rows_of(tuple((self._ids[n], *CAST[n][:2]) for n in here))
            told = self.spotter.spot(
                frame(index, rows, texts("EXIT") if self._texts and 100 <= index < 130 else texts())
            )
            self.log += told.events
            for event in told.retracted:
                self.log.remove(event)
            if told.frame is not None:
                self.frames.append(index)
                for n, number in zip(here, told.frame.results["stage-0"].value.track_id.tolist(), strict=True):
                    self.numbers.setdefault(number, set()).add(n)
        return self

    def counts(self) -> Counter[tuple[str, str]]:
        return Counter((event.kind.value, event.label) for event in self.log)


@cache
def truth() -> Counter[tuple[str, str]]:
    return Player().play(0, LENGTH).counts()


def test_watching_straight_through_is_the_truth():
    player = Player().play(0, LENGTH)
    appeared = [(index / 10, label) for label, _, index, _ in CAST]
    vanished = [((end - 1) / 10, label) for label, _, _, end in CAST if end < LENGTH]
    events = said(player.log)
    assert sorted((t, label) for kind, t, label in events if kind == "appear") == sorted(appeared)
    assert sorted((t, label) for kind, t, label in events if kind == "vanish") == sorted(vanished)
    assert player.spotter.finish() == []


@pytest.mark.parametrize(
    "parts",
    [
        [(0, 200), (50, LENGTH)],
        [(0, 300), (0, LENGTH)],
        [(0, 122), (60, LENGTH)],
        [(0, 130), (128, LENGTH)],
        [(0, 320), (100, 200), (10, 50), (300, 400), (150, LENGTH)],
        [(0, LENGTH), (0, LENGTH)],
        [(0, 100), (300, 500), (90, LENGTH)],
        [(0, 100), (300, LENGTH), (100, 300)],
        [(300, LENGTH), (0, 310)],
        [(0, 50), (150, 160), (400, 500), (20, LENGTH)],
        [(0, 200), (300, 400), (500, LENGTH), (390, 520), (150, 310)],
        [(0, 100), (300, 302), (100, LENGTH)],
        [(0, 200), (199, 100, -1), (200, LENGTH)],
        [(0, 200), (450, 300, -1), (150, LENGTH)],
        [(0, 200), (200, 210), (0, 5), (210, LENGTH)],
    ],
    ids=str,
)
def test_jumping_to_and_fro_changes_no_count(parts):
    player = Player()
    for part in parts:
        player.play(*part)
    assert player.counts() == truth()
    assert player.spotter.finish() == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_any_way_of_watching_all_of_it_gives_the_true_counts(seed):
    rng = random.Random(seed)
    player = Player()
    for _ in range(rng.randrange(1, 12)):
        start = rng.randrange(LENGTH)
        player.play(start, min(start + rng.randrange(1, 200), LENGTH))
    player.play(0, LENGTH)
    assert player.counts() == truth()
    # A number of a track is of one object.
    assert all(len(objects) == 1 for objects in player.numbers.values())


def test_a_text_is_told_once():
    player = Player(with_texts=True).play(0, 110).play(50, 300).play(0, 300)
    assert player.frames == list(range(300))
    assert [event.text for event in player.log if event.kind is EventKind.TEXT] == ["EXIT"]


def test_what_was_not_watched_is_a_gap_in_the_end():
    player = Player().play(0, 100).play(300, 400).play(500, 502)
    (gap,) = player.spotter.finish()
    assert (gap.t_s, gap.frame, gap.end_s, gap.value) == (9.9, 99, 30.0, pytest.approx(20.1))


def test_a_step_at_a_time_and_the_same_frame_again():
    player = Player()
    for index in range(30):
        player.play(index, index + 1)
        player.play(index, index + 1)
    assert said(player.log) == [("appear", 0.0, "person")]
