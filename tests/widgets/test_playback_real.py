"""The controls of a film over a real engine, a real file and a real window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.events import SourcePhase
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.sources.video_fakes import uneven_ms, write_video
from scenescope.widgets.main_window import MainWindow

# Files are written and decoded.
pytestmark = pytest.mark.slow

COUNT = 60


class Cinema:
    """A window with a film, and its controls."""

    def __init__(self, window: MainWindow, path: Path, qtbot: Any) -> None:
        self.window, self.qtbot, self.path = window, qtbot, path
        self.film = window.inspection.film
        self.seen: list[int] = []
        window.bridge.picture_changed.connect(self._saw)

    def _saw(self) -> None:
        self.seen.append(self.number)

    @property
    def number(self) -> int:
        picture = self.window.bridge.picture
        return -1 if picture is None else picture.frame_index

    def show(self) -> None:
        """Show the film, held, with its index."""
        self.window.show_source(VideoFile(self.path), str(self.path))
        self.qtbot.waitUntil(lambda: self.window.playback_bar.index is not None and self.number >= 0, timeout=20_000)
        self.window.engine.pause()
        self.qtbot.waitUntil(lambda: self.window.playback.phase is SourcePhase.PAUSED)

    def until(self, number: int) -> None:
        self.qtbot.waitUntil(lambda: self.number == number, timeout=10_000)


@pytest.fixture(params=["even", "uneven"])
def cinema(make_window: Any, qtbot: Any, tmp_path: Path, request: Any) -> Iterator[Cinema]:
    times_ms = uneven_ms(COUNT) if request.param == "uneven" else None
    path = write_video(tmp_path / "film.mkv", COUNT, (160, 120), times_ms=times_ms, g="12")
    made = Cinema(make_window(PipelineSpec()), path, qtbot)
    made.show()
    yield made
    made.film.close()


def test_jumps_steps_and_the_slider_reach_the_exact_picture(cinema: Cinema, qtbot: Any) -> None:
    bar, film = cinema.window.playback_bar, cinema.film
    assert bar.slider.maximum() == COUNT - 1
    film.ask_where()
    assert film._jump is not None
    for typed, number in (("#37", 37), ("0%", 0), ("100%", COUNT - 1), ("f20", 20)):
        film._jump.line.setText(typed)
        QTest.keyClick(film._jump.line, Qt.Key.Key_Return)
        cinema.until(number)
        qtbot.waitUntil(lambda number=number: bar.slider.value() == number)
        assert bar.frame.text() == f"#{number} / {COUNT}"
    for key, number in (
        (Qt.Key.Key_Left, 19),
        (Qt.Key.Key_Left, 18),
        (Qt.Key.Key_Right, 19),
        (Qt.Key.Key_End, COUNT - 1),
        (Qt.Key.Key_Home, 0),
    ):
        QTest.keyClick(bar.slider, key)
        cinema.until(number)
    QTest.keyClick(bar.slider, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    cinema.until(10)
    QTest.mouseClick(bar.slider, Qt.MouseButton.LeftButton, pos=QPoint(bar.slider.x_of(44), 12))
    cinema.until(bar.slider.value_at(bar.slider.x_of(44)))


def test_scrubbing_ends_at_the_last_place(cinema: Cinema, qtbot: Any) -> None:
    bar = cinema.window.playback_bar
    for value in (*range(5, 55, 3), 31):
        bar.slider.setValue(value)
    cinema.until(31)
    qtbot.waitUntil(lambda: bar.frame.text() == f"#31 / {COUNT}")
    assert len(cinema.seen) < 18


def test_a_loop_between_marks_shows_all_of_its_pictures_and_no_other(cinema: Cinema, qtbot: Any) -> None:
    film, engine = cinema.film, cinema.window.engine
    for number, mark in ((20, film.mark_in), (24, film.mark_out)):
        engine.seek_frame(number)
        cinema.until(number)
        mark()
    film.set_looping("loop", True)
    cinema.seen.clear()
    cinema.window.playback.toggle_pause()
    qtbot.waitUntil(lambda: len(cinema.seen) > 15, timeout=20_000)
    cinema.window.playback.toggle_pause()
    assert set(cinema.seen) == {20, 21, 22, 23, 24}
    # The same film again: the marks and the loop are still there.
    cinema.show()
    assert engine.loop is not None
    assert engine.loop[0] == pytest.approx(film.marks.span.in_s)


def test_the_preview_shows_the_picture_under_the_mouse(cinema: Cinema, qtbot: Any) -> None:
    slider, preview = cinema.window.playback_bar.slider, cinema.film.preview
    for x in range(30, slider.x_of(45), 15):
        QTest.mouseMove(slider, QPoint(x, 12))
    QTest.mouseMove(slider, QPoint(slider.x_of(45), 12))
    assert preview.isVisible()
    assert f"#{slider.value_at(slider.x_of(45))}" in preview.words.text()
    qtbot.waitUntil(lambda: not preview.picture.pixmap().isNull(), timeout=10_000)
    assert preview.picture.pixmap().size().toTuple() == (144, 108)
    assert cinema.window.focusWidget() is not preview
    slider.left.emit()
    assert not preview.isVisible()


def test_it_plays_backwards_and_forward_again(cinema: Cinema, qtbot: Any) -> None:
    playback, engine = cinema.window.playback, cinema.window.engine
    engine.seek_frame(40)
    cinema.until(40)
    cinema.seen.clear()
    playback.toggle_backwards()
    assert cinema.film.speed.currentText() == "◀ 1x"
    qtbot.waitUntil(lambda: cinema.number < 34, timeout=20_000)
    playback.toggle_backwards()
    qtbot.waitUntil(lambda: playback.held)
    assert cinema.seen == sorted(cinema.seen, reverse=True)
    held = cinema.number
    playback.toggle_pause()
    assert engine.rate == 1.0
    qtbot.waitUntil(lambda: cinema.number > held + 3, timeout=20_000)


def test_backwards_from_the_end_and_forward_from_the_beginning(cinema: Cinema, qtbot: Any) -> None:
    playback, engine = cinema.window.playback, cinema.window.engine
    engine.set_rate(16.0)
    playback.toggle_pause()
    qtbot.waitUntil(lambda: playback.phase is SourcePhase.ENDED, timeout=20_000)
    playback.toggle_backwards()
    assert engine.rate == -16.0
    cinema.until(0)
    qtbot.waitUntil(lambda: playback.phase is SourcePhase.PAUSED, timeout=20_000)
    playback.toggle_pause()
    assert engine.rate == 16.0
    qtbot.waitUntil(lambda: cinema.number > 0, timeout=20_000)
