"""Moving through a film: steps, jumps, rates, backwards, loops; and what becomes of the pictures on the way."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from scenescope.models import SourceError
from scenescope.pipelines.events import EngineFault, FrameReady, IndexProgress, SourcePhase, SourceState
from scenescope.pipelines.fakes import CollectingSink, FakeFilm, FakeSource

pytestmark = pytest.mark.slow


def shown(watch) -> list[int]:
    return [event.index for event in watch.of(FrameReady)]


def phases(watch) -> list[SourcePhase]:
    return [event.phase for event in watch.of(SourceState)]


@pytest.fixture
def play(make):
    """Play a film that is indexed already, paused at its first picture unless told otherwise."""

    def start(film=None, *stages, sinks=(), paused=True, **how):
        film = film or FakeFilm(**how)
        engine, watch = make(*(stages or ("boxes",)), sinks=sinks)
        engine.start(film, paced=True)
        if paused:
            engine.pause()
        watch.wait_for(lambda: engine.frame_index is not None and IndexProgress(1.0) in watch.events)
        if paused:
            engine.seek_frame(0)
            watch.wait_for(lambda: watch.of(FrameReady) and shown(watch)[-1] == 0)
            watch.wait_for(lambda: engine.counts.captured == engine.counts.analysed + engine.counts.superseded)
            watch.events.clear()
        return engine, watch, film

    return start


def test_a_paused_jump_shows_exactly_that_picture_with_its_own_box(play):
    engine, watch, _ = play()
    for go, number in [
        (lambda: engine.seek_frame(57), 57),
        (lambda: engine.step(), 58),
        (lambda: engine.step(-1), 57),
        (lambda: engine.step(-20), 37),
        (lambda: engine.step(9), 46),
        (lambda: engine.seek(0.3), 30),
        (lambda: engine.seek(0.301), 31),
        (lambda: engine.step(-400), 0),
        (lambda: engine.seek_frame(-3), 0),
        (lambda: engine.seek_frame(99), 99),
        (lambda: engine.seek(1e9), 99),
        (lambda: engine.step(-1), 98),
        (lambda: engine.seek_frame(10**9), 99),
    ]:
        watch.events.clear()
        go()
        watch.wait_for(lambda: watch.of(FrameReady))
        assert shown(watch) == [number]
        latest = engine.latest
        assert latest.index == number
        assert latest.results["boxes"].value.xyxy[0, 0] == number % 32, "the box is that picture's own"
        assert engine.source_state.phase is SourcePhase.PAUSED


def test_steps_add_up_and_none_is_lost(play):
    engine, watch, film = play()
    engine.seek_frame(50)
    watch.wait_for(lambda: shown(watch) == [50])
    film.may_read.clear()
    for _ in range(7):
        engine.step(-1)
    engine.step(2)
    film.may_read.set()
    watch.wait_for(lambda: shown(watch)[-1] == 45)
    for _ in range(5):
        engine.step()
    watch.wait_for(lambda: shown(watch)[-1] == 50)


def test_a_newer_jump_drops_the_one_that_is_being_decoded(play):
    engine, watch, film = play()
    film.may_read.clear()
    film.reading.clear()
    engine.seek_frame(10)
    assert film.reading.wait(5)
    for number in range(11, 90):
        engine.seek_frame(number)
    film.may_read.set()
    watch.wait_for(lambda: watch.of(FrameReady) and shown(watch)[-1] == 89)
    assert 10 not in shown(watch)
    assert len(film.asked) < 80, "not every one of them was begun"


def test_until_the_film_is_indexed_it_plays_on_and_jumps_wait(make):
    may_index = threading.Event()
    engine, watch = make("boxes")
    engine.start(FakeFilm(1000, may_index=may_index), paced=True)
    watch.wait_for(lambda: len(shown(watch)) > 3)
    engine.seek_frame(700)
    seen = len(shown(watch))
    watch.wait_for(lambda: len(shown(watch)) > seen + 3)
    assert shown(watch) == list(range(len(shown(watch))))
    assert engine.frame_index is None
    may_index.set()
    watch.wait_for(lambda: shown(watch)[-1] >= 700)
    progress = [event.done for event in watch.of(IndexProgress)]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    assert len(engine.frame_index) == 1000


def test_stopping_ends_the_indexing(make):
    engine, watch = make("boxes")
    engine.start(FakeFilm(1000, may_index=threading.Event()), paced=True)
    watch.wait_for(lambda: watch.of(IndexProgress))
    assert engine.stop(10)
    assert IndexProgress(1.0) not in watch.events


@pytest.mark.parametrize("error", [SourceError("gone"), OSError("gone"), RuntimeError("bug")])
def test_a_film_that_cannot_be_indexed_can_be_sought_in_by_time(make, error):
    class Unindexable(FakeFilm):
        def build_index(self, on_progress, cancelled):
            raise error

    engine, watch = make("boxes")
    engine.start(Unindexable(1000), paced=True)
    engine.seek(5.0)
    watch.wait_for(lambda: watch.of(FrameReady) and shown(watch)[-1] >= 500)
    engine.pause()
    watch.wait_for(lambda: engine.counts.captured == engine.counts.analysed + engine.counts.superseded)
    at = shown(watch)[-1]
    engine.step(-3)
    watch.wait_for(lambda: shown(watch)[-1] == at - 3)
    engine.set_rate(-1)
    assert engine.rate == 1, "without an index there is no way back"
    assert bool(watch.of(EngineFault)) is not isinstance(error, SourceError)
    assert watch.of(IndexProgress)[-1].done == 1.0, "nobody waits for it any longer"


def test_what_is_read_as_fast_as_it_goes_pays_for_no_index(make):
    film = FakeFilm(50)
    engine, watch = make("boxes")
    engine.start(film)
    assert engine.wait(10)
    assert shown(watch) == list(range(50))
    assert film.frame_index is None
    assert not watch.of(IndexProgress)


def test_backwards_to_the_beginning_and_on_from_the_end(play):
    sink = CollectingSink()
    engine, watch, _ = play(sinks=[sink], count=60, rate_hz=200)
    engine.seek_frame(40)
    watch.wait_for(lambda: shown(watch) == [40])
    engine.set_rate(-1)
    engine.resume()
    watch.wait_for(lambda: shown(watch)[-1] == 0)
    watch.wait_for(lambda: phases(watch)[-1] is SourcePhase.PAUSED)
    assert shown(watch) == list(range(40, -1, -1))
    engine.resume()
    watch.wait_for(lambda: len(shown(watch)) == 101)
    watch.wait_for(lambda: phases(watch)[-1] is SourcePhase.PAUSED)
    assert shown(watch)[41:] == list(range(59, -1, -1))
    assert engine.counts.skipped == 0
    assert engine.stop()
    assert sink.indices[-60:] == list(range(59, -1, -1))


def test_turning_round_while_playing_loses_no_picture(play):
    engine, watch, _ = play(count=400, rate_hz=100)
    engine.seek_frame(100)
    watch.wait_for(lambda: shown(watch) == [100])
    engine.resume()
    for turn in range(8):
        seen = len(shown(watch))
        watch.wait_for(lambda n=seen: len(shown(watch)) > n + 4)
        engine.set_rate(1.5 if turn % 2 else -1.5)
        if turn % 3 == 0:
            engine.pause()
            engine.resume()
    engine.pause()
    steps = np.diff(shown(watch))
    assert set(np.abs(steps).tolist()) == {1}, "from picture to picture, either way"
    assert {-1, 1} <= set(steps.tolist())


@pytest.mark.parametrize(("rate", "numbers"), [(1.0, range(20, 31)), (-2.0, range(30, 19, -1)), (0.5, range(20, 31))])
def test_a_loop_goes_round_either_way_and_loses_nothing(play, rate, numbers):
    engine, watch, _ = play(count=60, rate_hz=200)
    engine.set_loop(0.1, 0.15)
    engine.seek_frame(numbers[0])
    watch.wait_for(lambda: shown(watch) == [numbers[0]])
    engine.set_rate(rate)
    engine.resume()
    watch.wait_for(lambda: len(shown(watch)) >= 30)
    engine.pause()
    expected = [*numbers] * 4
    seen = shown(watch)[:30]
    assert seen == expected[:30]
    assert engine.loop == (0.1, 0.15)


def test_a_jump_may_leave_the_loop_and_the_loop_may_end(play):
    engine, watch, _ = play(count=80, rate_hz=200)
    engine.set_loop(0.2, 0.1)
    assert engine.loop == (0.1, 0.2), "in order"
    engine.seek_frame(60)
    engine.resume()
    watch.wait_for(lambda: phases(watch)[-1] is SourcePhase.ENDED)
    assert shown(watch) == list(range(60, 80)), "on to the end"
    engine.resume()
    watch.wait_for(lambda: shown(watch)[20:].count(20) >= 2)
    assert max(shown(watch)[20:]) == 40, "once inside it goes round"
    engine.set_loop(None, None)
    assert engine.loop is None
    watch.wait_for(lambda: phases(watch)[-1] is SourcePhase.ENDED)
    assert shown(watch)[-1] == 79


def test_an_out_mark_behind_the_picture_takes_it_back_into_the_loop(play):
    engine, watch, _ = play(count=400, rate_hz=100)
    engine.seek_frame(100)
    engine.resume()
    watch.wait_for(lambda: watch.of(FrameReady) and shown(watch)[-1] > 120)
    engine.set_loop(0.5, 1.1)
    watch.wait_for(lambda: 55 in shown(watch))
    numbers = shown(watch)
    assert numbers[numbers.index(50) :][:6] == list(range(50, 56))


def test_the_whole_film_goes_round_without_an_index_too(make):
    engine, watch = make("boxes")
    engine.start(FakeSource(30, rate_hz=300), paced=True)
    engine.set_loop(0.0, None)
    watch.wait_for(lambda: len(shown(watch)) >= 70)
    assert shown(watch)[:70] == [*range(30), *range(30), *range(10)]
    assert engine.loop == (0.0, float("inf"))


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0, -2.0])
def test_up_to_twice_as_fast_no_picture_is_lost_however_slow_a_stage_is(play, rate):
    sink = CollectingSink()
    engine, watch, _ = play(FakeFilm(40, rate_hz=200), ("slow", {"delay_s": 0.012}), sinks=[sink])
    engine.seek_frame(0 if rate > 0 else 39)
    watch.wait_for(lambda: len(shown(watch)) == 1)
    engine.set_rate(rate)
    engine.resume()
    watch.wait_for(lambda: len(shown(watch)) == 40)
    assert shown(watch) == list(range(40)) if rate > 0 else list(range(39, -1, -1))
    assert engine.counts.skipped == 0


@pytest.mark.slow
@pytest.mark.parametrize("rate", [16, -16])
def test_faster_than_the_machine_pictures_are_skipped_and_counted(play, rate):
    film = FakeFilm(3000, rate_hz=100)
    engine, watch, _ = play(film, ("slow", {"delay_s": 0.02}))
    engine.seek_frame(0 if rate > 0 else 2999)
    watch.wait_for(lambda: len(shown(watch)) == 1)
    engine.set_rate(rate)
    engine.resume()
    last = 2999 if rate > 0 else 0
    watch.wait_for(lambda: shown(watch)[-1] == last)
    steps = np.diff(shown(watch)) * np.sign(rate)
    assert steps.min() >= 1, "never back, never twice"
    assert len(shown(watch)) < 1500
    assert engine.counts.skipped == (steps - 1).sum(), "all that is missing is counted"


def test_rates_have_limits_and_nonsense_is_refused(play):
    engine, _, _ = play()
    for wished, granted in [(0.01, 0.1), (100, 16), (-0.01, -0.1), (-99, -16), (3, 3)]:
        engine.set_rate(wished)
        assert engine.rate == granted
    for nonsense in (0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="Cannot play at the rate"):
            engine.set_rate(nonsense)


def test_a_camera_minds_none_of_it(make):
    engine, watch = make("boxes")
    assert (engine.rate, engine.loop, engine.frame_index) == (1.0, None, None)
    engine.start(FakeSource(None, live=True, rate_hz=100))
    watch.wait_for(lambda: watch.of(FrameReady))
    engine.set_rate(4)
    engine.set_loop(1, 2)
    engine.seek_frame(3)
    engine.seek(1.0)
    engine.step(-5)
    seen = len(shown(watch))
    watch.wait_for(lambda: len(shown(watch)) > seen + 5)
    assert (engine.rate, engine.loop, engine.frame_index) == (1.0, None, None)
    assert shown(watch) == sorted(set(shown(watch)))


def test_pictures_that_cannot_be_decoded_are_stepped_over_either_way(play):
    engine, watch, _ = play(FakeFilm(60, rate_hz=200, bad=(20, 21, 59)))
    for go, number in [
        (lambda: engine.seek_frame(19), 19),
        (lambda: engine.step(), 22),
        (lambda: engine.step(-1), 19),
        (lambda: engine.seek_frame(20), 22),
        (lambda: engine.seek_frame(59), 58),
    ]:
        watch.events.clear()
        go()
        watch.wait_for(lambda: watch.of(FrameReady))
        assert shown(watch) == [number]


def test_a_film_that_breaks_off_is_held_there_and_one_can_go_back(play):
    engine, watch, _ = play(FakeFilm(60, rate_hz=200, fail_at=(40,)))
    engine.seek_frame(30)
    engine.resume()
    watch.wait_for(lambda: phases(watch)[-1] is SourcePhase.ENDED)
    assert watch.of(SourceState)[-1].message == "The fake camera was unplugged."
    assert shown(watch)[-1] == 39
    engine.pause()
    engine.step(-1)
    watch.wait_for(lambda: shown(watch)[-1] == 38)
    assert engine.source_state.phase is SourcePhase.PAUSED


def test_at_its_end_a_film_can_be_stepped_back_and_played_backwards(play):
    engine, watch, _ = play(count=30, rate_hz=200)
    engine.resume()
    watch.wait_for(lambda: phases(watch)[-1] is SourcePhase.ENDED)
    engine.pause()
    engine.step()
    engine.step(-1)
    watch.wait_for(lambda: shown(watch)[-1] == 28)
    engine.resume()
    watch.wait_for(lambda: phases(watch)[-1] is SourcePhase.ENDED)
    engine.set_rate(-2)
    watch.wait_for(lambda: shown(watch)[-1] == 0)
    assert shown(watch)[-29:] == list(range(28, -1, -1))


def test_the_same_numbers_come_back_after_a_restart(play, make):
    engine, watch, film = play()
    engine.start(film, paced=True)
    watch.wait_for(lambda: len(shown(watch)) > 3)
    assert shown(watch)[:3] == [0, 1, 2]
    assert engine.rate == 1.0
