from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from scenescope.pipelines import thumbnails
from scenescope.pipelines.sources import code_marker
from scenescope.pipelines.sources.video_fakes import write_video
from scenescope.pipelines.thumbnails import Thumbnailer

pytestmark = pytest.mark.slow

SIZE_WH = (320, 180)


class Answers:
    """Waits for answers."""

    def __init__(self) -> None:
        self.got: list[tuple[np.ndarray | None, float]] = []
        self._new = threading.Condition()

    def __call__(self, image: np.ndarray | None, pts_s: float) -> None:
        with self._new:
            self.got.append((image, pts_s))
            self._new.notify_all()

    def wait(self, count: int) -> tuple[np.ndarray | None, float]:
        with self._new:
            assert self._new.wait_for(lambda: len(self.got) >= count, 10)
            return self.got[-1]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", 100, (320, 180), g="10", bf="2")


@pytest.fixture
def made():
    open_ones: list[Thumbnailer] = []

    def make(path: Path, size_wh: tuple[int, int] = SIZE_WH) -> Thumbnailer:
        open_ones.append(Thumbnailer(path, size_wh))
        return open_ones[-1]

    yield make
    for one in open_ones:
        assert one.close()


def test_a_picture_for_any_time(film: Path, made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "PATIENCE_S", 10.0)
    small, answers = made(film), Answers()
    for count, (pts_s, number) in enumerate([(0.0, 0), (2.0, 50), (1.0, 25), (2.03, 50), (3.96, 99), (99.0, 99)], 1):
        small.request(pts_s, answers)
        image, own_s = answers.wait(count)
        assert image.shape == (180, 320, 3)
        assert image.dtype == np.uint8
        assert own_s == pytest.approx(number * 0.04)
        assert code_marker.read(image) == number
    small.request(-5, answers)
    assert answers.wait(7)[1] == 0


def test_without_patience_the_key_frame_will_do(film: Path, made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "PATIENCE_S", 0.0)
    small, answers = made(film), Answers()
    small.request(1.76, answers)
    image, own_s = answers.wait(1)
    assert code_marker.read(image) == round(own_s / 0.04)
    assert 1.59 < own_s <= 1.76


def test_the_newest_request_wins_and_answers_are_kept(film: Path, made) -> None:
    small, answers = made(film), Answers()
    busy, go_on = threading.Event(), threading.Event()

    def hold(image: np.ndarray | None, pts_s: float) -> None:
        busy.set()
        go_on.wait(10)

    small.request(0.0, hold)
    assert busy.wait(10)
    for number in range(60):
        small.request(number / 25, answers)
    go_on.set()
    first = answers.wait(1)
    assert len(answers.got) == 1
    assert first[1] == pytest.approx(59 / 25)
    small.request(59 / 25, answers)
    assert answers.wait(2)[0] is first[0], "not decoded again"


@pytest.mark.parametrize(
    ("how", "shape"),
    [
        ({"rotation": (90, False, False)}, (180, 101, 3)),
        ({"pixel_aspect": Fraction(4, 3)}, (135, 320, 3)),
        ({"pixel_aspect": Fraction(1, 2)}, (180, 160, 3)),
    ],
)
def test_they_look_as_the_film_does(tmp_path: Path, made, how: dict, shape: tuple) -> None:
    small, answers = made(write_video(tmp_path / "film.mp4", 3, (640, 360), **how)), Answers()
    small.request(0.0, answers)
    assert answers.wait(1)[0].shape == shape


@pytest.mark.parametrize("data", [None, b"", b"hello" * 999, b"\x00\x00\x00\x20ftypisom" + bytes(999)])
def test_a_broken_file_has_no_pictures_and_says_nothing(tmp_path: Path, made, data: bytes | None) -> None:
    path = tmp_path / "broken.mp4"
    if data is not None:
        path.write_bytes(data)
    small, answers = made(path), Answers()
    for count in (1, 2):
        small.request(1.5, answers)
        assert answers.wait(count) == (None, 1.5)


def test_a_file_that_breaks_off_gives_what_it_has(tmp_path: Path, made, film: Path) -> None:
    path = write_video(tmp_path / "film.mkv", 100, (320, 180), g="10")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    small, answers = made(path), Answers()
    small.request(0.4, answers)
    assert answers.wait(1)[0] is not None
    small.request(3.9, answers)
    answers.wait(2)


def test_closing_twice_and_asking_after_it(film: Path, made) -> None:
    small = made(film)
    assert small.close()
    small.request(0.0, lambda image, pts_s: pytest.fail("closed"))
