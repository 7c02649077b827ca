"""Sampler: when a model looks, rule by rule on a clock of the test; and what counts as a change of the picture."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import Count, ZoneMeasures
from scenescope.pipelines import Frame
from scenescope.pipelines.events import SourcePhase, SourceState
from scenescope.pipelines.sampler import ChangeMeter, GlanceSink, Reason, Sampler, target_rate_hz, thumbnail_of
from scenescope.pipelines.source import SourceInfo

INFO = SourceInfo("camera", (64, 48), 30.0, live=True)
FILM = SourceState(SourcePhase.PLAYING, replace(INFO, live=False))
PLAIN = np.full((32, 32), 100, np.float32)
OTHER = PLAIN.copy()
OTHER[8:20, 8:20] = 200


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Desk:
    """A sampler with its clock."""

    def __init__(self, **more) -> None:
        self.clock = Clock()
        self.sampler = Sampler(clock=self.clock, **more)

    def wait(self, seconds: float, thumbnail: np.ndarray = PLAIN, happened: int = 0, busy: bool = False) -> list[str]:
        """Glance five times a second for so long, and look whenever it is due: at what times after the beginning."""
        began_s, looks = self.clock.now_s, []
        for _ in range(round(seconds * 5)):
            self.clock.now_s += 0.2
            self.sampler.see(thumbnail, happened)
            if not busy and self.sampler.begin(Reason.CHANGE):
                looks.append(f"change {self.clock.now_s - began_s:.1f}")
        return looks


def test_nothing_is_due_before_anything_is_seen() -> None:
    assert not Desk().sampler.begin(Reason.CHANGE)


def test_a_still_scene_is_described_once() -> None:
    assert Desk().wait(600) == ["change 0.2"]


def test_a_change_is_described_once_it_lasts_and_only_once() -> None:
    desk = Desk()
    desk.wait(10)
    assert desk.wait(60, OTHER) == ["change 0.8"]
    assert desk.wait(60, PLAIN) == ["change 0.8"]


def test_a_flash_is_no_change() -> None:
    desk = Desk()
    desk.wait(10)
    assert desk.wait(0.4, OTHER) + desk.wait(20) == []


def test_things_that_happen_are_a_change_though_the_picture_is_the_same() -> None:
    desk = Desk()
    desk.wait(10)
    assert desk.wait(10, happened=1) == ["change 0.2"]
    assert desk.wait(10, happened=1) == []


def test_changes_come_no_faster_than_the_interval() -> None:
    desk = Desk(most_a_minute=1000)
    desk.wait(10)
    looks = [look for at in range(100) for look in desk.wait(0.2, happened=at)]
    assert len(looks) == 7


@pytest.mark.parametrize(
    ("captions_s", "rate_hz", "target_hz", "expected_s"),
    [
        ([], 30, 30, 3.0),
        ([1.0], 30, 30, 3.0),
        ([2.6], 30, 30, 3.9),
        ([10.0], 30, 30, 15.0),
        ([10.0, 2.0], 30, 30, 9.0),
        ([], 27, 30, 3.0),
        ([], 26.9, 30, 6.0),
        ([10.0], 10, 30, 30.0),
        ([], 0, 30, 3.0),
        ([], 10, 0, 3.0),
        # A film at a quarter of its speed, a picture that is held, a camera in the dark.
        ([], 7.5, target_rate_hz(FILM, 0.25, 7.5), 3.0),
        ([], 3, target_rate_hz(FILM, -0.25, 3), 6.0),
        ([], 30, target_rate_hz(FILM, 4.0, 120), 3.0),
        ([], 2, target_rate_hz(replace(FILM, phase=SourcePhase.PAUSED), 1.0, 2), 3.0),
        ([], 2, target_rate_hz(replace(FILM, phase=SourcePhase.ENDED), 1.0, 2), 3.0),
        ([], 2, target_rate_hz(SourceState(SourcePhase.PLAYING), 1.0, 2), 3.0),
        ([], 14, target_rate_hz(SourceState(SourcePhase.PLAYING, INFO), 1.0, 15), 3.0),
        ([], 10, target_rate_hz(SourceState(SourcePhase.PLAYING, INFO), 1.0, 15), 6.0),
    ],
)
def test_the_interval_follows_the_model_and_the_pipeline(captions_s, rate_hz, target_hz, expected_s) -> None:
    sampler = Desk().sampler
    for caption_s in captions_s:
        sampler.captioned(caption_s)
    sampler.pace(rate_hz, target_hz)
    assert sampler.interval_s == pytest.approx(expected_s)


def test_a_pipeline_that_recovers_is_looked_at_as_often_as_before() -> None:
    sampler = Desk().sampler
    sampler.pace(10, 30)
    sampler.pace(30, 30)
    assert sampler.interval_s == 3.0


@pytest.mark.parametrize("wish_s", [0.0, 1.0, 2.9])
def test_no_look_but_the_users_comes_sooner_than_after_three_seconds(wish_s) -> None:
    desk = Desk(min_interval_s=wish_s)
    assert desk.sampler.interval_s == 3.0
    desk.sampler.min_interval_s = wish_s
    assert desk.wait(1) == ["change 0.2"]
    assert desk.wait(10, happened=1) == ["change 2.2"]


def test_a_long_interval_holds_longer_than_a_minute() -> None:
    desk = Desk(min_interval_s=300)
    assert desk.wait(1) == ["change 0.2"]
    assert desk.wait(400, happened=1) == ["change 299.2"]


@pytest.mark.parametrize("reason", [Reason.QUESTION, Reason.ASKED])
def test_what_the_user_wants_is_looked_at_at_once(reason) -> None:
    desk = Desk(most_a_minute=1)
    assert desk.wait(1) == ["change 0.2"]
    assert [desk.sampler.begin(reason) for _ in range(5)] == [True] * 5


def test_a_question_is_no_description_but_postpones_the_next_one() -> None:
    desk = Desk()
    assert desk.sampler.begin(Reason.QUESTION)
    assert desk.wait(10) == ["change 3.0"]


def test_a_description_that_was_asked_for_is_one() -> None:
    desk = Desk()
    desk.wait(0.2)
    assert desk.sampler.begin(Reason.ASKED)
    assert desk.wait(30) == []


def test_what_was_put_off_comes_once_in_its_time() -> None:
    desk = Desk()
    desk.wait(1)
    desk.sampler.put_off()
    assert desk.wait(30) == ["change 2.2"]


def test_a_change_that_has_gone_while_the_model_was_busy_is_not_described() -> None:
    desk = Desk()
    desk.wait(5)
    assert desk.wait(5, OTHER, busy=True) == []
    assert desk.wait(1, PLAIN, busy=True) + desk.wait(20) == []


def test_the_budget_is_for_any_minute() -> None:
    desk = Desk(most_a_minute=4)
    looks = []
    for at in range(600):
        looks += [desk.clock.now_s] if desk.wait(0.2, happened=at) else []
    assert len(looks) == 8
    for at, look_s in enumerate(looks[4:]):
        assert look_s - looks[at] >= 60 - 1e-6


@pytest.mark.parametrize(
    ("caption_s", "rate_hz", "apart_s"), [(0.0, 30, 3.0), (4.0, 30, 6.0), (0.0, 10, 6.0), (4.0, 10, 12.0)]
)
def test_a_watch_keeps_its_distance_to_watches_and_a_change_to_everything(caption_s, rate_hz, apart_s) -> None:
    desk = Desk()
    desk.sampler.captioned(caption_s)
    desk.sampler.pace(rate_hz, 30)
    assert desk.wait(0.2) == ["change 0.2"]
    # Descriptions leave a watch its look.
    assert desk.sampler.begin(Reason.WATCH)
    began_s = desk.clock.now_s
    for after_s in (0.0, apart_s - 0.1):
        desk.clock.now_s = began_s + after_s
        desk.sampler.see(PLAIN, 1)
        assert not desk.sampler.begin(Reason.WATCH)
        assert not desk.sampler.begin(Reason.CHANGE)
    desk.clock.now_s = began_s + apart_s
    assert desk.sampler.begin(Reason.WATCH)


def test_watches_keep_to_the_minute() -> None:
    desk = Desk(most_a_minute=4)
    looks = 0
    for _ in range(60):
        desk.clock.now_s += 1
        looks += desk.sampler.begin(Reason.WATCH)
    assert looks == 4


def test_of_many_threads_one_begins() -> None:
    sampler = Desk().sampler
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(sampler.begin, [Reason.WATCH] * 200)) == 1


def test_another_source_is_looked_at_anew_and_what_was_put_off_is_void() -> None:
    desk = Desk()
    desk.wait(10)
    desk.sampler.put_off()
    desk.sampler.reset()
    assert not desk.sampler.begin(Reason.CHANGE)
    assert desk.wait(1) == ["change 0.2"]


# What is a change ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"])
def photo(request, photos: Path) -> np.ndarray:
    return cv2.resize(cv2.imread(str(photos / request.param)), (640, 480), interpolation=cv2.INTER_AREA)


def counts(make: Callable[[int], np.ndarray], glances: int = 60) -> bool:
    meter = ChangeMeter()
    return any(meter.see(thumbnail_of(make(at)), at * 0.2) for at in range(glances))


def lit(photo: np.ndarray, gain: float) -> np.ndarray:
    return cv2.convertScaleAbs(photo, alpha=gain)


def moved(photo: np.ndarray, right: int, down: int = 0) -> np.ndarray:
    return np.roll(photo, (right, down), (1, 0))


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [3, 10, 30])
def test_noise_is_no_change(photo, sigma) -> None:
    rng = np.random.default_rng(5)
    assert not counts(lambda _: np.clip(photo + rng.normal(0, sigma, photo.shape), 0, 255).astype(np.uint8), 40)


def test_noise_in_a_small_dark_picture_is_no_change() -> None:
    rng = np.random.default_rng(6)
    dark = np.full((48, 64, 3), 20.0)
    assert not counts(lambda _: np.clip(dark + rng.normal(0, 15, dark.shape), 0, 255).astype(np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("gain", [0.5, 0.7, 1.2, 1.4])
def test_the_gain_of_a_camera_is_no_change(photo, gain) -> None:
    assert not counts(lambda at: lit(photo, gain if at > 20 else 1))


@pytest.mark.slow
def test_light_that_flickers_or_comes_and_goes_slowly_is_no_change(photo) -> None:
    assert not counts(lambda at: lit(photo, 1 + 0.2 * (at % 2)))
    assert not counts(lambda at: lit(photo, 1 - 0.6 * at / 60))
    assert not counts(lambda at: lit(photo, 0.6 + 0.7 * at / 75), 75)


@pytest.mark.slow
def test_a_shadow_that_creeps_over_the_picture_is_no_change(photo) -> None:
    def shaded(at: int) -> np.ndarray:
        shade = np.clip(1.5 - np.linspace(0, 1, 320) - at / 600, 0.6, 1)
        return (photo[::2, ::2] * shade[None, :, None]).astype(np.uint8)

    assert not counts(shaded, 300)


def test_a_camera_that_shakes_a_little_is_no_change(photo) -> None:
    rng = np.random.default_rng(7)
    assert not counts(lambda _: moved(photo, *rng.integers(-1, 2, 2)))


def test_one_strange_picture_is_no_change(photo) -> None:
    assert not counts(lambda at: 255 - photo if at in (20, 21) else photo)


def test_a_picture_that_moves_is_a_change(photo) -> None:
    assert counts(lambda at: moved(photo, 4 * at))
    assert counts(lambda at: moved(photo, 40 if at > 20 else 0))


def test_another_picture_is_a_change(photo) -> None:
    assert counts(lambda at: photo if at < 20 else photo[:, ::-1])
    assert counts(lambda at: photo if at < 20 else photo * 0)


def test_something_large_that_comes_is_a_change_and_so_is_its_going(photo) -> None:
    def with_box(at: int) -> np.ndarray:
        out = photo.copy()
        if 20 <= at < 40:
            out[100:300, 200:330] = (20, 230, 60)
        return out

    meter, told = ChangeMeter(), []
    for at in range(60):
        if meter.see(thumbnail_of(with_box(at)), at * 0.2):
            told.append(at)
            meter.settle()
    assert told == [23, 43]


@pytest.mark.parametrize("size_wh", [(1, 1), (5, 900), (33, 31), (3840, 2160)])
def test_pictures_of_any_size_are_glanced_at(size_wh) -> None:
    assert thumbnail_of(np.full((size_wh[1], size_wh[0], 3), 77, np.uint8)).shape == (32, 32)


# The sink ------------------------------------------------------------------------------------------------------------


def test_the_sink_glances_a_few_times_a_second_and_counts_what_happens() -> None:
    clock = Clock()
    sampler = Sampler(clock=clock)
    happened = [0]
    sink = GlanceSink(sampler, lambda: happened[0], clock=clock)
    sink.open(INFO)
    glances = []
    see = sampler.see
    sampler.see = lambda thumbnail, number: (glances.append(number), see(thumbnail, number))
    picture = np.full((48, 64, 3), 90, np.uint8)

    def play(frames: int, ways: int = 0) -> None:
        for index in range(frames):
            clock.now_s += 1 / 30
            frame = Frame(picture, index)
            if ways:
                line = ZoneMeasures(
                    name=("gate",),
                    points=(np.zeros((2, 2)),),
                    is_line=np.array([True]),
                    words=(("in", "out"),),
                    caption=("",),
                    occupancy=np.zeros(1),
                    most=np.zeros(1),
                    counts=((Count("in", "dog", ways),),),
                )
                frame = frame.with_result("zones", line)
            sink.write(frame)

    play(90)
    assert len(glances) == pytest.approx(15, abs=2)
    assert sampler.begin(Reason.CHANGE)
    clock.now_s += 10
    play(30)
    assert not sampler.begin(Reason.CHANGE)
    happened[0] = 1
    play(10)
    assert sampler.begin(Reason.CHANGE)
    clock.now_s += 10
    play(10, ways=2)
    assert glances[-1] == 3
    assert sampler.begin(Reason.CHANGE)
    sink.open(INFO)
    assert not sampler.begin(Reason.CHANGE)
