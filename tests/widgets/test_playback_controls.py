"""What the keys and buttons of a film do: speed, marks, loop, jumps, and the preview over the slider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QUndoStack
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from scenescope.pipelines import Frame, SourceInfo
from scenescope.pipelines.display import DisplayMode, ViewOptions
from scenescope.pipelines.events import IndexProgress, SourcePhase
from scenescope.pipelines.fakes import FakeFilm, FakeSource
from scenescope.pipelines.sources.frame_index import FrameIndex
from scenescope.widgets import film_controls
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.film_controls import FilmControls
from scenescope.widgets.film_fakes import FakeThumbnails, ToldEngine
from scenescope.widgets.playback import SPEEDS, Playback
from scenescope.widgets.playback_bar import PlaybackBar
from scenescope.widgets.settings import MemorySettings
from scenescope.widgets.transport_marks import Span

FILM = SourceInfo("film.mp4", (320, 180), 25.0, False, 250, 10.0)
LIVE = SourceInfo("camera", (320, 180), 25.0, True)
INDEX = FrameIndex(np.arange(250), Fraction(1, 25), np.ones(250, np.bool_))


class Desk:
    """A window with a film, and an engine that only listens."""

    def __init__(self, qtbot: Any, folder: Path) -> None:
        self.window = QWidget()
        qtbot.addWidget(self.window)
        self.engine = ToldEngine()
        self.bridge = EngineBridge(self.engine, self.window)
        self.settings = MemorySettings()
        self.stack = QUndoStack(self.window)
        self.playback = Playback(self.engine, self.settings, self.open, self.window)
        self.bar = PlaybackBar(self.window)
        self.bar.resize(900, 70)
        self.bridge.source_changed.connect(self.bar.show_state)
        self.folder = folder
        self.film = FilmControls(
            self.playback,
            self.bar,
            self.engine,
            self.bridge,
            self.settings,
            self.stack,
            self.window,
            thumbnails=FakeThumbnails,
        )
        self.qtbot = qtbot
        self.window.show()

    def open(self, text: str, **options: Any) -> FakeFilm:
        source = FakeFilm(count=250)
        source.path = self.folder / text  # type: ignore[attr-defined] - as the source of a file has it
        return source

    def show(self, text: str = "film.mp4", info: SourceInfo = FILM) -> None:
        self.playback.open_text(text)
        self.engine.tell(SourcePhase.PAUSED, info)
        self.settle()

    def picture(self, frame: int) -> None:
        """A picture comes to the window."""
        shown = self.engine.display.compose(
            Frame(np.zeros((18, 32, 3), np.uint8), frame, frame / 25, 0.0, "film"), None, DisplayMode.IN_STEP, VIEW
        )
        self.bridge.picture = replace(shown, pts_s=frame / 25)
        self.bridge.picture_changed.emit()

    def settle(self) -> None:
        """Wait until all that was told has arrived."""
        arrived: list[bool] = []
        self.bridge.post(lambda: arrived.append(True))
        self.qtbot.waitUntil(lambda: bool(arrived))

    def close(self) -> None:
        self.film.close()
        self.bridge.close()


VIEW = ViewOptions(size_wh=(32, 18))


@pytest.fixture
def desk(qtbot: Any, tmp_path: Path) -> Iterator[Desk]:
    FakeThumbnails.made.clear()
    made = Desk(qtbot, tmp_path)
    made.show()
    yield made
    made.close()


# Speed and direction -----------------------------------------------------------------------------------------------


def test_space_plays_forward_and_shift_space_backwards(desk: Desk) -> None:
    desk.playback.toggle_backwards()
    assert desk.engine.rate == -1.0
    assert desk.playback.phase is SourcePhase.PLAYING
    assert desk.film.speed.currentText() == "◀ 1x"
    desk.playback.toggle_backwards()
    assert desk.playback.held
    desk.playback.toggle_backwards()
    desk.playback.toggle_pause()
    assert desk.playback.held
    desk.playback.toggle_pause()
    assert (desk.engine.rate, desk.playback.phase) == (1.0, SourcePhase.PLAYING)
    assert desk.film.speed.currentText() == "1x"
    desk.playback.toggle_backwards()
    assert (desk.engine.rate, desk.playback.phase) == (-1.0, SourcePhase.PLAYING)


@pytest.mark.parametrize("sign", [1, -1])
def test_faster_and_slower_go_through_the_usual_speeds(desk: Desk, sign: int) -> None:
    desk.engine.set_rate(sign * 0.1)
    seen = [desk.engine.rate]
    for _ in SPEEDS:
        desk.playback.faster()
        seen.append(desk.engine.rate)
    assert seen == [sign * speed for speed in (*SPEEDS, SPEEDS[-1])]
    for _ in SPEEDS:
        desk.playback.slower()
    assert desk.engine.rate == sign * SPEEDS[0]
    desk.engine.set_rate(sign * 3.0)
    desk.playback.slower()
    assert desk.engine.rate == sign * 2.0
    desk.playback.normal_speed()
    assert desk.engine.rate == 1.0


def test_a_speed_from_elsewhere_is_shown(desk: Desk) -> None:
    desk.engine.set_rate(3.0)
    desk.engine.tell(SourcePhase.PLAYING)
    desk.settle()
    assert desk.film.speed.placeholderText() == "3x"
    desk.film.speed.activated.emit(7)
    assert desk.engine.rate == 2.0


def test_live_sources_have_no_speed_and_no_marks(desk: Desk) -> None:
    desk.show("film.mp4", LIVE)
    desk.picture(10)
    for wish in (desk.playback.faster, desk.playback.toggle_backwards, desk.film.mark_in, desk.playback.to_last):
        wish()
    assert (desk.engine.rate, desk.film.marks.span, desk.stack.count()) == (1.0, Span(), 0)
    assert not any(desk.film.states().values())


# Moving ------------------------------------------------------------------------------------------------------------


def test_keys_on_the_slider_move_the_film(desk: Desk) -> None:
    desk.picture(100)
    desk.engine.told.clear()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home):
        QTest.keyClick(desk.bar.slider, key)
    told = [call for call in desk.engine.told if call != ("pause",)]
    assert told == [("step", 1), ("step", -1), ("seek", 14.0), ("seek", 4.0), ("seek", 0.0)]


def test_skips_add_up_while_they_are_on_their_way(desk: Desk) -> None:
    desk.picture(25)
    desk.engine.told.clear()
    for _ in range(3):
        desk.film.skip(2.0)
    desk.picture(175)
    desk.film.skip(-5.0)
    assert desk.engine.told == [("seek", 3.0), ("seek", 5.0), ("seek", 7.0), ("seek", 2.0)]


@pytest.mark.parametrize(
    ("index", "info", "told"),
    [
        (INDEX, FILM, ("seek_frame", 249)),
        (None, FILM, ("seek_frame", 249)),
        (None, replace(FILM, frame_count=None), ("seek", 9.9)),
    ],
)
def test_the_end_is_the_last_picture(desk: Desk, index: Any, info: SourceInfo, told: Any) -> None:
    desk.engine.known = index
    desk.show("film.mp4", info)
    QTest.keyClick(desk.bar.slider, Qt.Key.Key_End)
    assert desk.engine.told[-1] == told


def test_the_index_makes_the_slider_exact_as_soon_as_it_is_there(desk: Desk) -> None:
    desk.picture(100)
    desk.engine._publish(IndexProgress(0.4))
    desk.settle()
    assert desk.bar.frame.text() == "#100, indexing 40 %"
    desk.engine.known = INDEX
    desk.engine._publish(IndexProgress(1.0))
    desk.settle()
    assert (desk.bar.slider.maximum(), desk.bar.slider.value(), desk.bar.frame.text()) == (249, 100, "#100 / 250")
    desk.bar.slider.setValue(17)
    assert desk.engine.told[-1] == ("seek_frame", 17)
    desk.engine.known = None
    desk.show("other.mp4")
    assert desk.bar.index is None


def test_an_index_that_nobody_told_of_is_found_with_the_next_picture(desk: Desk) -> None:
    desk.engine.known = INDEX
    desk.picture(7)
    assert desk.bar.frame.text() == "#7 / 250"


# Marks -------------------------------------------------------------------------------------------------------------


def test_marks_are_set_looped_and_taken_back(desk: Desk) -> None:
    film, stack = desk.film, desk.stack
    desk.picture(50)
    film.mark_in()
    desk.picture(100)
    film.mark_out()
    film.mark_out()
    assert film.marks.span == Span(2.0, 4.0)
    assert [stack.text(at) for at in range(stack.count())] == ["Set in mark", "Set out mark"]
    assert desk.bar.slider._marks == (200, 400)
    assert ("loop", 2.0, 4.0) not in desk.engine.told
    film.set_looping("loop", True)
    assert desk.engine.told[-1] == ("loop", 2.0, 4.0)
    stack.undo()
    assert (film.marks.span, desk.engine.told[-1]) == (Span(2.0, None), ("loop", 2.0, None))
    stack.undo()
    assert (film.marks.span, desk.engine.told[-1]) == (Span(), ("loop", 0.0, None))
    stack.redo()
    stack.redo()
    film.clear_marks()
    assert film.marks.span == Span()
    stack.undo()
    assert film.marks.span == Span(2.0, 4.0)
    film.set_looping("loop", False)
    assert desk.engine.told[-1] == ("loop", None, None)


def test_a_mark_on_the_wrong_side_takes_the_other_away(desk: Desk) -> None:
    for frame, mark, span in (
        (100, desk.film.mark_out, Span(None, 4.0)),
        (150, desk.film.mark_in, Span(6.0, None)),
        (150, desk.film.mark_out, Span(6.0, 6.0)),
        (50, desk.film.mark_out, Span(None, 2.0)),
    ):
        desk.picture(frame)
        mark()
        assert desk.film.marks.span == span


def test_every_film_has_its_own_marks(desk: Desk) -> None:
    desk.picture(50)
    desk.film.mark_in()
    desk.show("other.mp4")
    assert desk.film.marks.span == Span()
    assert not desk.film.states()["film.clear_marks"]
    desk.stack.undo()
    assert desk.film.marks.span == Span()
    desk.stack.redo()
    desk.show("film.mp4")
    assert desk.film.marks.span == Span(2.0, None)
    assert desk.film.states()["film.clear_marks"]


# Jumps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "typed", "told"),
    [
        (INDEX, "#123", ("seek_frame", 123)),
        (INDEX, "0:04.01", ("seek_frame", 100)),
        (INDEX, "50%", ("seek_frame", 124)),
        (None, "0:04.01", ("seek", 4.01)),
        (None, "50%", ("seek", 5.0)),
        (None, "f7", ("seek_frame", 7)),
    ],
)
def test_a_jump_is_typed(desk: Desk, index: FrameIndex | None, typed: str, told: Any) -> None:
    desk.engine.known = index
    desk.picture(0)
    desk.film.ask_where()
    dialog = desk.film._jump
    assert dialog is not None
    assert dialog.isVisible()
    assert not dialog.isModal()
    QTest.keyClicks(dialog.line, typed)
    assert dialog.words.text().startswith("Goes to ")
    QTest.keyClick(dialog.line, Qt.Key.Key_Return)
    assert desk.engine.told[-1] == told
    assert dialog.isVisible()
    QTest.keyClick(dialog.line, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_a_jump_that_leads_nowhere_says_so_and_does_nothing(desk: Desk) -> None:
    desk.engine.known = INDEX
    desk.picture(0)
    desk.film.ask_where()
    dialog = desk.film._jump
    assert dialog is not None
    before = list(desk.engine.told)
    for typed, words in (("#250", "There is no picture #250. The last picture is #249."), ("x", "'x' is no place")):
        dialog.line.setText(typed)
        assert dialog.words.text().startswith(words)
        assert dialog.words.objectName() == "problem"
        assert not dialog.go.isEnabled()
        QTest.keyClick(dialog.line, Qt.Key.Key_Return)
    assert desk.engine.told == before
    dialog.line.setText("#249")
    desk.show("camera", LIVE)
    QTest.keyClick(dialog.line, Qt.Key.Key_Return)
    assert ("seek_frame", 249) not in desk.engine.told


# Preview -----------------------------------------------------------------------------------------------------------


def test_the_preview_follows_the_mouse_with_the_newest_picture(desk: Desk) -> None:
    slider, preview = desk.bar.slider, desk.film.preview
    assert FakeThumbnails.made == []
    QTest.mouseMove(slider, QPoint(300, 10))
    first = preview.words.text()
    QTest.mouseMove(slider, QPoint(500, 10))
    assert preview.isVisible()
    assert preview.words.text() != first
    (maker,) = FakeThumbnails.made
    assert maker.path.name == "film.mp4"
    assert [pts_s for pts_s, _ in maker.asked] == sorted(pts_s for pts_s, _ in maker.asked)
    maker.answer()
    desk.settle()
    assert preview.picture.pixmap().toImage().pixelColor(5, 5).toTuple()[:3] == (0, 0, 255)
    slider.left.emit()
    assert not preview.isVisible()
    desk.show("other.mp4")
    assert maker.closed
    assert preview.picture.pixmap().isNull()


def test_a_picture_of_the_film_before_is_not_shown(desk: Desk) -> None:
    QTest.mouseMove(desk.bar.slider, QPoint(300, 10))
    (maker,) = FakeThumbnails.made
    desk.show("other.mp4")
    QTest.mouseMove(desk.bar.slider, QPoint(310, 10))
    maker.answer()
    desk.settle()
    assert desk.film.preview.picture.pixmap().isNull()


def test_nothing_is_previewed_that_a_stage_hides(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    preview = desk.film.preview
    QTest.mouseMove(desk.bar.slider, QPoint(300, 10))
    (maker,) = FakeThumbnails.made
    asked = len(maker.asked)
    monkeypatch.setattr(film_controls, "hiding_stages", lambda spec, registry: {"blur": "Blur faces"})
    maker.answer()
    desk.settle()
    assert preview.picture.pixmap().isNull()
    QTest.mouseMove(desk.bar.slider, QPoint(320, 10))
    assert preview.isVisible()
    assert preview.picture.isHidden()
    assert len(maker.asked) == asked


def test_what_is_no_file_has_a_time_but_no_picture(desk: Desk) -> None:
    desk.playback.show(FakeSource(count=250), "images")
    desk.engine.tell(SourcePhase.PLAYING, FILM)
    desk.settle()
    QTest.mouseMove(desk.bar.slider, QPoint(300, 10))
    assert desk.film.preview.words.text()
    assert desk.film.preview.picture.isHidden()
    assert FakeThumbnails.made == []


# Memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kept", "shown"), [("timecode", "timecode"), ("nonsense", "clock"), (7, "clock")])
def test_the_way_of_writing_times_is_remembered(desk: Desk, qtbot: Any, kept: Any, shown: str) -> None:
    desk.settings.set("playback.time_format", kept)
    bar = PlaybackBar(desk.window)
    other = FilmControls(
        desk.playback, bar, desk.engine, desk.bridge, desk.settings, desk.stack, desk.window, thumbnails=FakeThumbnails
    )
    assert bar.time.format == shown
    QTest.mouseClick(bar.time, Qt.MouseButton.LeftButton)
    assert desk.settings.get("playback.time_format") == bar.time.format.value
    other.close()
