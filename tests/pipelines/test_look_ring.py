"""LookRing: which pictures are kept and given out, and that what is hidden is never among them."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from scenescope.models.language import Picture
from scenescope.pipelines import Frame, StageContext, StageSpec
from scenescope.pipelines.events import StagePhase
from scenescope.pipelines.fakes import FakeFilm, FakeSource, fake_registry
from scenescope.pipelines.look_ring import KEPT_S, LookRing, jpeg_of
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.stage import Stage

pytestmark = pytest.mark.slow

INFO = SourceInfo("clip", (64, 48), 10.0, live=False)
BRIGHT = 200


def frame(index: int, pts_s: float | None = None, level: int = 100, size_wh: tuple[int, int] = (64, 48)) -> Frame:
    image = np.full((size_wh[1], size_wh[0], 3), level, np.uint8)
    return Frame(image, index, index / 10 if pts_s is None else pts_s)


def played(ring: LookRing, first: int, end: int) -> None:
    for index in range(first, end):
        ring.write(frame(index))


def times(pictures: tuple[Picture, ...]) -> list[float]:
    return [round(picture.pts_s, 3) for picture in pictures]


def level_of(picture: Picture) -> float:
    return float(cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR).mean())


@pytest.fixture
def ring() -> LookRing:
    ring = LookRing()
    ring.open(INFO)
    return ring


def test_an_empty_ring_gives_nothing(ring: LookRing) -> None:
    assert ring.newest() is None
    assert ring.pictures() == ()
    assert ring.nearest(0.0) is None


def test_one_picture_a_second_of_the_last_half_minute(ring: LookRing) -> None:
    played(ring, 0, 605)
    kept = ring.pictures(most=100)
    assert times(kept)[:-1] == [float(second) for second in range(30, 61)]
    assert times(kept)[-1] == 60.4
    assert [picture.frame_index for picture in kept[:3]] == [300, 310, 320]


def test_the_newest_is_the_frame_written_last(ring: LookRing) -> None:
    played(ring, 0, 14)
    newest = ring.newest()
    assert newest is not None
    assert (newest.frame_index, newest.pts_s, newest.size_wh) == (13, 1.3, (64, 48))
    assert ring.newest() is newest, "coded once"


@pytest.mark.parametrize(
    ("last_s", "most", "expected"),
    [
        (None, 1, [10.0]),
        (None, 2, [0.0, 10.0]),
        (None, 3, [0.0, 5.0, 10.0]),
        (None, 20, [float(second) for second in range(11)]),
        (2.0, 8, [8.0, 9.0, 10.0]),
        (0.0, 8, [10.0]),
        (5.0, 2, [5.0, 10.0]),
    ],
)
def test_pictures_are_spread_evenly_with_the_newest_last(ring: LookRing, last_s, most, expected) -> None:
    played(ring, 0, 101)
    assert times(ring.pictures(last_s, most)) == expected


@pytest.mark.parametrize(
    ("pts_s", "within_s", "expected"),
    [(5.0, 0.75, 5.0), (5.4, 0.75, 5.0), (5.6, 0.75, 6.0), (11.0, 0.75, None), (11.0, 1.0, 10.0), (5.4, 0.3, None)],
)
def test_the_nearest_picture(ring: LookRing, pts_s, within_s, expected) -> None:
    played(ring, 0, 101)
    found = ring.nearest(pts_s, within_s)
    assert (None if found is None else found.pts_s) == expected


def test_a_jump_back_clears_and_a_jump_ahead_keeps_what_is_recent(ring: LookRing) -> None:
    played(ring, 0, 50)
    ring.write(frame(150))
    assert times(ring.pictures(most=50)) == [0.0, 1.0, 2.0, 3.0, 4.0, 15.0]
    ring.write(frame(20))
    assert times(ring.pictures()) == [2.0]


def test_another_source_clears(ring: LookRing) -> None:
    played(ring, 0, 50)
    ring.open(INFO)
    assert ring.pictures() == ()
    assert ring.bytes == 0


@pytest.mark.parametrize(
    ("size_wh", "expected"),
    [
        ((64, 48), (64, 48)),
        ((1920, 1080), (512, 288)),
        ((1080, 1920), (288, 512)),
        ((4000, 2), (512, 1)),
        ((1, 1), (1, 1)),
    ],
)
def test_pictures_are_made_small_and_never_larger(size_wh, expected) -> None:
    data, size = jpeg_of(np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    assert size == expected
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[1::-1] == expected


def test_memory_is_bounded(ring: LookRing) -> None:
    small = LookRing(most_bytes=100_000)
    noise = np.random.default_rng(1).integers(0, 256, (512, 512, 3), np.uint8)
    for index in range(60):
        small.write(Frame(noise, index, float(index)))
        assert small.bytes <= 100_000
    for index in range(60):
        ring.write(Frame(noise, index, float(index)))
    assert len(ring.pictures(most=100)) == KEPT_S + 1


def test_no_frame_is_kept_alive_but_the_newest(ring: LookRing) -> None:
    frames = [frame(index) for index in range(30)]
    alive = [weakref.ref(one) for one in frames]
    for one in frames:
        ring.write(one)
        ring.newest()
    del frames, one
    gc.collect()
    assert [ref() is not None for ref in alive] == [False] * 29 + [True]
    ring.clear()
    gc.collect()
    assert alive[-1]() is None


# Privacy -------------------------------------------------------------------------------------------------------------

FACES = StageSpec(id="hide", kind="hide")
MORE = StageSpec(id="hide", kind="hide", params={"what": "all"})
PLATES = StageSpec(id="hide-2", kind="hide")


def hidden_frame(index: int, *by: StageSpec) -> Frame:
    return Frame(frame(index).image, index, index / 10, hidden_by=by)


@pytest.mark.parametrize(
    ("wished", "passed", "shown"),
    [
        ((), (), True),
        ((), (FACES,), True),
        ((FACES,), (), False),
        ((FACES,), (FACES,), True),
        ((FACES,), (PLATES,), False),
        ((FACES, PLATES), (FACES,), False),
        ((FACES, PLATES), (FACES, PLATES), True),
        ((MORE,), (FACES,), False),
    ],
)
def test_a_frame_needs_the_proof_of_every_wished_stage_as_it_is_wished(wished, passed, shown) -> None:
    ring = LookRing(lambda: wished)
    ring.open(INFO)
    ring.write(hidden_frame(0, *passed))
    ring.write(hidden_frame(5, *passed))
    assert (ring.newest() is not None) is shown
    assert len(ring.pictures()) == (2 if shown else 0)
    assert (ring.nearest(0.0) is not None) is shown


def test_what_was_taken_before_is_not_given_out_from_the_moment_of_the_wish() -> None:
    wished: list[StageSpec] = []
    ring = LookRing(lambda: tuple(wished))
    ring.open(INFO)
    played(ring, 0, 30)
    wished.append(FACES)
    assert ring.newest() is None
    assert ring.pictures() == ()
    assert ring.bytes > 0
    ring.drop_unhidden()
    assert ring.bytes == 0
    # A frame that waited for the sink meanwhile.
    ring.write(frame(30))
    ring.write(hidden_frame(31, FACES))
    assert [picture.frame_index for picture in ring.pictures()] == [31]
    wished.clear()
    assert len(ring.pictures()) == 1, "what is hidden needs not be, and may be looked at"


def test_a_wish_that_comes_while_a_picture_is_coded_wins() -> None:
    wished: list[StageSpec] = []
    asked = iter([False] * 2 + [True] * 100)
    ring = LookRing(lambda: (FACES,) if next(asked) else tuple(wished))
    ring.open(INFO)
    ring.write(frame(0))
    assert ring.bytes == 0


class Hide(Stage, title="Hide", group="Test", privacy=True):
    """Makes every picture black, once it is allowed to open."""

    may_open = threading.Event()

    def open(self, context: StageContext) -> None:
        self.may_open.wait(10)

    def process(self, frame: Frame) -> Frame:
        return frame.with_image(frame.image * 0)


def bright(image: np.ndarray, index: int) -> None:
    image[:] = BRIGHT


@pytest.fixture
def registry():
    Hide.may_open.clear()
    registry = fake_registry()
    registry.add("hide", Hide)
    yield registry
    Hide.may_open.set()


def test_at_an_engine_nothing_unhidden_is_given_out(make: Callable, registry) -> None:
    engine, watch = make(extra={"hide": Hide})
    ring = LookRing.at(engine, registry)
    engine.start(FakeSource(count=None, rate_hz=50, live=True, paint=bright))
    watch.wait_for(lambda: ring.pictures())
    assert level_of(ring.pictures()[0]) == pytest.approx(BRIGHT, abs=2)
    engine.apply(engine.spec.added("hide"))
    assert (ring.newest(), ring.pictures(), ring.bytes) == (None, (), 0)
    # While it loads, the whole picture is hidden, and none is taken.
    watch.wait_for(lambda: engine.stage_state("hide").phase is StagePhase.LOADING)
    seen = engine.latest.index
    watch.wait_for(lambda: engine.latest.index > seen + 5)
    assert (ring.newest(), ring.pictures()) == (None, ())
    Hide.may_open.set()
    watch.wait_for(lambda: ring.pictures())
    assert max(level_of(picture) for picture in ring.pictures()) < 2
    engine.apply(engine.spec.enabled("hide", False))
    watch.wait_for(lambda: (newest := ring.newest()) is not None and level_of(newest) > 150)
    ring.detach()
    assert (ring.newest(), ring.pictures()) == (None, ())


def test_while_paused_the_picture_after_an_edit_is_the_newest(make: Callable, registry) -> None:
    Hide.may_open.set()
    engine, watch = make(extra={"hide": Hide})
    ring = LookRing.at(engine, registry)
    engine.start(FakeFilm(count=100, rate_hz=50, paint=bright), paced=True)
    watch.wait_for(lambda: ring.newest() is not None)
    engine.pause()
    engine.apply(engine.spec.added("hide"))
    watch.wait_for(lambda: (newest := ring.newest()) is not None and level_of(newest) < 2)
    assert ring.pictures()[-1] == ring.newest()
    ring.detach()
