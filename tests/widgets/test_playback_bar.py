"""The bar below the picture: slider, time, speed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QAction, QColor, QImage, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QListWidget, QSlider, QToolButton, QVBoxLayout, QWidget

from scenescope.pipelines import SourceInfo
from scenescope.pipelines.events import SourcePhase, SourceState
from scenescope.pipelines.sources.frame_index import FrameIndex
from scenescope.widgets.keys import KeyGuard
from scenescope.widgets.playback_bar import PlaybackBar
from scenescope.widgets.speed_box import SpeedBox, speed_words
from scenescope.widgets.theme import DARK, LIGHT, palette, stylesheet
from scenescope.widgets.time_button import TimeFormat

FILM = SourceInfo("film.mp4", (320, 180), 25.0, False, 250, 10.0)
LIVE = SourceInfo("camera", (320, 180), 25.0, True)
UNEVEN = FrameIndex(np.array([0, 1, 2, 50, 51, 100], np.int64), Fraction(1, 10), np.ones(6, np.bool_))


@pytest.fixture
def bar(qtbot: Any) -> PlaybackBar:
    made = PlaybackBar()
    qtbot.addWidget(made)
    made.resize(900, 70)
    made.show_state(SourceState(SourcePhase.PLAYING, FILM))
    made.show()
    qtbot.waitExposed(made)
    return made


def test_without_an_index_the_slider_counts_time(bar: PlaybackBar, qtbot: Any) -> None:
    assert bar.slider.maximum() == 1000
    bar.show_position(4.0, force=True, frame=100)
    assert bar.slider.value() == 400
    assert bar.time.text() == "0:04.0 / 0:10.0"
    assert bar.frame.text() == "#100"
    with qtbot.waitSignal(bar.seek_requested) as told:
        bar.slider.setValue(700)
    assert told.args == [7.0]


@pytest.mark.parametrize("duration_s", [1e-9, 1e6, 1e12, 1e300])
def test_a_length_that_cannot_be_is_survived(bar: PlaybackBar, duration_s: float) -> None:
    bar.show_state(SourceState(SourcePhase.PLAYING, SourceInfo("film", (8, 8), 25.0, False, None, duration_s)))
    for pts_s in (-5.0, 1e15):
        bar.show_position(pts_s, force=True, frame=2**40)
    bar.show_marks(-1.0, 1e15, True)
    bar.slider.grab()
    bar.show_index(FrameIndex(np.zeros(0, np.int64), Fraction(1, 10), np.zeros(0, np.bool_)))
    bar.show_position(1.0, force=True)
    assert bar.slider.maximum() == 0


@pytest.mark.parametrize(
    ("widget", "key", "kept"),
    [
        (QListWidget, Qt.Key.Key_Home, True),
        (QListWidget, Qt.Key.Key_BracketLeft, True),
        (QSlider, Qt.Key.Key_End, True),
        (QSlider, Qt.Key.Key_Space, False),
        (QSlider, Qt.Key.Key_BracketLeft, False),
        (QToolButton, Qt.Key.Key_Space, True),
        (QToolButton, Qt.Key.Key_Home, False),
    ],
)
def test_keys_of_the_film_leave_others_their_own(qtbot: Any, qapp: Any, widget: Any, key: Any, kept: bool) -> None:
    window, part = QWidget(), widget()
    qtbot.addWidget(window)
    QVBoxLayout(window).addWidget(part)
    part.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    guard = KeyGuard(qapp, window)
    window.show()
    window.activateWindow()
    part.setFocus()
    qtbot.waitUntil(part.hasFocus)
    text = {Qt.Key.Key_Space: " ", Qt.Key.Key_BracketLeft: "["}.get(key, "")
    event = QKeyEvent(QEvent.Type.ShortcutOverride, key, Qt.KeyboardModifier.NoModifier, text)
    event.ignore()
    qapp.sendEvent(part, event)
    assert event.isAccepted() is kept
    guard.deleteLater()


def test_with_an_index_it_counts_pictures(bar: PlaybackBar, qtbot: Any) -> None:
    bar.show_position(5.0, force=True, frame=3)
    bar.show_index(UNEVEN)
    assert (bar.slider.minimum(), bar.slider.maximum(), bar.slider.value()) == (0, 5, 3)
    assert bar.frame.text() == "#3 / 6"
    with qtbot.waitSignal(bar.frame_requested) as told:
        bar.slider.setValue(5)
    assert told.args == [5]
    assert bar.extent.index is UNEVEN
    assert bar.extent.duration_s == pytest.approx(14.9)
    bar.show_index(None)
    assert bar.slider.maximum() == 1000


@pytest.mark.parametrize("value", range(6))
def test_every_picture_has_its_place_on_the_slider(bar: PlaybackBar, value: int) -> None:
    bar.show_index(UNEVEN)
    assert bar.slider.value_at(bar.slider.x_of(value)) == value
    bar.show_position(UNEVEN.pts_s(value), force=True, frame=value)
    assert bar.slider.value() == value


def test_the_way_of_the_index_is_told_beside_the_number(bar: PlaybackBar) -> None:
    bar.show_position(4.0, force=True, frame=100)
    bar.show_index(None, 0.404)
    assert bar.frame.text() == "#100, indexing 40 %"
    bar.show_index(UNEVEN, None)
    assert bar.frame.text() == "#100 / 6"


def test_scrubbing_tells_the_first_place_at_once_and_then_the_newest(bar: PlaybackBar, qtbot: Any) -> None:
    told: list[float] = []
    bar.seek_requested.connect(told.append)
    for value in (100, 200, 300, 400):
        bar.slider.setValue(value)
    assert told == [1.0]
    qtbot.waitUntil(lambda: len(told) == 2)
    assert told == [1.0, 4.0]
    qtbot.waitUntil(lambda: not bar._seek_soon.isActive())
    assert told == [1.0, 4.0]


def test_the_handle_waits_for_pictures_from_where_it_was_put(bar: PlaybackBar, qtbot: Any) -> None:
    bar.show_position(1.0, force=True)
    bar.slider.setValue(800)
    bar.show_position(1.04, force=True)
    assert bar.slider.value() == 800
    bar.show_position(8.0, force=True)
    bar.show_position(8.04, force=True)
    assert bar.slider.value() == 804


def test_the_last_place_is_shown_for_certain(bar: PlaybackBar, qtbot: Any) -> None:
    for number in range(50):
        bar.show_position(number / 25, frame=number)
    qtbot.waitUntil(lambda: bar.frame.text() == "#49")
    assert bar.time.text().startswith("0:02.0")


@pytest.mark.parametrize(
    ("key", "keys", "signal", "told"),
    [
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, "stepped", 1),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier, "stepped", -1),
        (Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier, "stepped", 1),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier, "stepped", -10),
        (Qt.Key.Key_PageUp, Qt.KeyboardModifier.NoModifier, "skipped", 10.0),
        (Qt.Key.Key_PageDown, Qt.KeyboardModifier.NoModifier, "skipped", -10.0),
        (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier, "end_wished", False),
        (Qt.Key.Key_End, Qt.KeyboardModifier.NoModifier, "end_wished", True),
    ],
)
def test_keys_of_the_slider(bar: PlaybackBar, qtbot: Any, key: Any, keys: Any, signal: str, told: object) -> None:
    with qtbot.waitSignal(getattr(bar.slider, signal)) as heard:
        QTest.keyClick(bar.slider, key, keys)
    assert heard.args == [told]
    assert bar.slider.value() == 0


def test_a_click_beside_the_handle_goes_there_and_the_mouse_is_followed(bar: PlaybackBar, qtbot: Any) -> None:
    bar.show_index(UNEVEN)
    x = bar.slider.x_of(4)
    with qtbot.waitSignal(bar.hovered) as heard:
        QTest.mouseMove(bar.slider, QPoint(x, 10))
    assert heard.args[:2] == [5.1, 4]
    assert heard.args[2] == bar.slider.mapToGlobal(QPoint(x, 0))
    with qtbot.waitSignal(bar.frame_requested) as told:
        QTest.mouseClick(bar.slider, Qt.MouseButton.LeftButton, pos=QPoint(x, 10))
    assert told.args == [4]


def test_a_click_on_the_time_writes_it_another_way(bar: PlaybackBar) -> None:
    bar.show_position(3.24, force=True, frame=81)
    texts = []
    for _ in range(4):
        texts.append(bar.time.text())
        QTest.mouseClick(bar.time, Qt.MouseButton.LeftButton)
        assert bar.frame.text() == "#81"
    assert texts == ["0:03.2 / 0:10.0", "0:03.240", "00:00:03:06", "0:03.2 / 0:10.0"]


def test_timecode_of_pictures_that_do_not_come_evenly_follows_the_clock(bar: PlaybackBar) -> None:
    bar.show_index(UNEVEN)
    bar.time.set_format(TimeFormat.TIMECODE)
    bar.show_position(5.1, force=True, frame=4)
    assert bar.time.text() == "00:00:05:02"
    bar.show_state(SourceState(SourcePhase.PLAYING, SourceInfo("pictures", (8, 8), 0.0, False, None, 20.0)))
    bar.show_position(5.1, force=True, frame=4)
    assert bar.time.text() == "0:05.100"


def test_live_has_its_badge_and_no_film_controls(bar: PlaybackBar, qtbot: Any) -> None:
    plain, film = QAction("Play"), QAction("Backwards")
    bar.add_actions([plain])
    bar.add_actions([film], film_only=True)
    box = SpeedBox()
    bar.add_film_part(box)
    buttons = {b.defaultAction(): b for b in (bar._buttons.itemAt(at).widget() for at in range(bar._buttons.count()))}
    qtbot.waitUntil(lambda: all(part.isVisible() for part in (*buttons.values(), box, bar.slider, bar.frame)))
    bar.show_state(SourceState(SourcePhase.PLAYING, LIVE))
    assert buttons[plain].isVisible()
    assert bar.live.isVisible()
    assert not any(part.isVisible() for part in (buttons[film], box, bar.slider, bar.frame))
    bar.show_state(SourceState(SourcePhase.STOPPED, FILM))
    assert bar.state.text() == "Stopped"
    assert not bar.slider.isVisible()
    assert (bar.time.text(), bar.frame.text()) == ("", "")


def test_the_tab_key_goes_from_left_to_right(bar: PlaybackBar, qtbot: Any) -> None:
    box = SpeedBox()
    bar.add_film_part(box)
    actions = [QAction("Play"), QAction("Stop")]
    bar.add_actions(actions)
    names = ["Position in the film", "Play", "Stop", "Speed", "Time"]
    bar.slider.setFocus()
    qtbot.waitUntil(bar.slider.hasFocus)
    for name in names:
        focused = bar.focusWidget()
        assert focused is not None
        assert focused.accessibleName() == name
        QTest.keyClick(focused, Qt.Key.Key_Tab)


def test_a_narrow_bar_leaves_out_what_matters_less(bar: PlaybackBar) -> None:
    spare, kept = SpeedBox(), SpeedBox()
    bar.add_film_part(spare, spare=True)
    bar.add_film_part(kept)
    bar.resize(320, 70)
    assert not spare.isVisible()
    assert kept.isVisible()
    bar.resize(1200, 70)
    assert spare.isVisible()


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_marks_and_focus_are_painted(bar: PlaybackBar, qtbot: Any, colours: Any, qapp: Any) -> None:
    qapp.setPalette(palette(colours))
    qapp.setStyleSheet(stylesheet(colours))
    slider = bar.slider

    def count(colour: str) -> int:
        """Pixels near this colour; edges are mixed with what lies below."""
        picture = slider.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        size = (picture.height(), picture.bytesPerLine())
        pixels = np.frombuffer(picture.constBits(), np.uint8).reshape(size)[:, : picture.width() * 3]
        far = np.abs(pixels.reshape(picture.height(), -1, 3).astype(int) - QColor(colour).toTuple()[:3])
        return int((far.max(axis=2) < 50).sum())

    slider.clearFocus()
    bar.show_marks(None, None, False)
    plain_text, plain_good = count(colours.text), count(colours.good)
    bar.show_marks(2.0, 8.0, True)
    assert count(colours.text) > plain_text
    assert count(colours.good) > plain_good + 300
    marked = count(colours.text)
    slider.setFocus()
    qtbot.waitUntil(slider.hasFocus)
    assert count(colours.text) > marked


@pytest.mark.parametrize(
    ("rate", "words", "row"), [(1.0, "1x", 4), (-2.0, "◀ 2x", 7), (0.1, "0.1x", 0), (3.0, "3x", -1), (16.0, "16x", 10)]
)
def test_the_speed_is_shown_as_it_is(qtbot: Any, rate: float, words: str, row: int) -> None:
    box = SpeedBox()
    qtbot.addWidget(box)
    box.show_rate(rate)
    assert speed_words(rate) == words
    assert box.currentIndex() == row
    assert (box.currentText() if row >= 0 else box.placeholderText()) == words
    with qtbot.waitSignal(box.speed_requested) as told:
        box.activated.emit(2)
    assert told.args == [0.5]
