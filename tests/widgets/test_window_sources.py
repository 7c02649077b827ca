"""The window's sources: films, cameras, addresses, what is dropped on it, what fails and comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from scenescope.pipelines import PipelineSpec, SourceInfo
from scenescope.pipelines.events import (
    SourcePhase,
    SourceState,
)
from scenescope.pipelines.fakes import FakeSource
from scenescope.widgets.banner import Level
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.source_chooser import CameraDialog, UrlDialog, dropped_text

pytestmark = pytest.mark.slow

# Sources -----------------------------------------------------------------------------------------------------------


def test_an_empty_window_says_what_to_do(window: MainWindow, qtbot: Any) -> None:
    assert window.viewport.empty.isVisible()
    assert "demo camera" in window.viewport.empty.text.text()
    assert window.status.source.text() == "No source"
    QTest.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)
    assert not window.viewport.empty.isVisible()
    assert window.playback_bar.live.isVisible()
    assert not window.playback_bar.slider.isVisible()


def test_a_film_plays_pauses_steps_seeks_and_ends(window: MainWindow, qtbot: Any) -> None:
    window.show_source(FakeSource(count=90, size_wh=(320, 180), rate_hz=30))
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)
    assert window.playback_bar.slider.isVisible()
    assert not window.playback_bar.live.isVisible()
    window.viewport.setFocus()
    QTest.keyClick(window.viewport, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.playback.phase is SourcePhase.PAUSED)
    window.playback.seek(1.0)
    qtbot.waitUntil(lambda: window.bridge.picture is not None and window.bridge.picture.frame_index == 30)
    QTest.keyClick(window.viewport, Qt.Key.Key_Period)
    qtbot.waitUntil(lambda: window.bridge.picture.frame_index == 31)
    slider = window.playback_bar.slider
    QTest.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() * 2 // 3, slider.height() // 2))
    qtbot.waitUntil(lambda: 55 <= window.bridge.picture.frame_index <= 65, timeout=5_000)
    qtbot.waitUntil(lambda: window.playback_bar.time.text().endswith("/ 0:03.0"))
    window.playback.seek(2.9)
    QTest.keyClick(window.viewport, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.playback.phase is SourcePhase.ENDED, timeout=5_000)
    QTest.keyClick(window.viewport, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.playback.phase is SourcePhase.PLAYING, timeout=5_000)


def test_stop_and_start_again(window: MainWindow, qtbot: Any) -> None:
    window.open_source_text("live")
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)
    QTest.keyClick(window, Qt.Key.Key_F5, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: window.viewport.picture is None)
    assert window.viewport.empty.isVisible()
    assert not window.actions_["play.stop"].isEnabled()
    window.playback.source._interrupted.clear()  # type: ignore[union-attr] - the fake forgets it only here
    QTest.keyClick(window, Qt.Key.Key_F5)
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)


def test_text_that_is_no_source_gives_one_sentence(window: MainWindow, qtbot: Any) -> None:
    assert not window.open_source_text("no/such/thing")
    banner = window.notices.source_banner
    assert banner.isVisible()
    assert "no/such/thing" in banner.message.text()
    assert banner.level is Level.ERROR
    assert banner.hint.text() == "Try 'demo'."


def test_a_source_that_fails_is_told_in_the_banner_and_retried(window: MainWindow, qtbot: Any) -> None:
    window.open_source_text("broken")
    banner = window.notices.source_banner
    qtbot.waitUntil(banner.isVisible, timeout=10_000)
    assert banner.message.text() == "The fake camera was unplugged."
    assert banner.hint.text() == "Plug it in again."
    assert banner.button.text() == "Retry"
    assert window.viewport.empty.isVisible()
    QTest.mouseClick(banner.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)
    assert not banner.isVisible()


def test_a_camera_that_comes_back_hides_its_banner(window: MainWindow, qtbot: Any) -> None:
    notices = window.notices
    info = SourceInfo("Desk camera", (640, 480), 30.0, True)
    notices.show_source(SourceState(SourcePhase.RECONNECTING, info, "Desk camera was unplugged.", "", 0.5))
    assert notices.source_banner.isVisible()
    assert "Trying again in 0.5 s." in notices.source_banner.hint.text()
    notices.show_source(SourceState(SourcePhase.PLAYING, info))
    assert not notices.source_banner.isVisible()


def drop(window: MainWindow, data: QMimeData) -> bool:
    at, buttons, keys = QPointF(200, 200), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at.toPoint(), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(window, enter)
    if not enter.isAccepted():
        return False
    event = QDropEvent(at, Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(window, event)
    return True


def test_files_and_addresses_are_dropped_on_the_window(make_window: Any, qtbot: Any, tmp_path: Path) -> None:
    opened: list[str] = []

    def remember(text: str, **options: Any) -> FakeSource:
        opened.append(text)
        return FakeSource(count=3)

    window = make_window()
    window.playback._open_source = remember
    pipeline = tmp_path / "mine.yaml"
    PipelineSpec().added("tint").save(pipeline)
    film = tmp_path / "film.mp4"
    film.touch()
    for urls in ([film], [pipeline]):
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(url)) for url in urls])
        assert drop(window, data)
    address = QMimeData()
    address.setText("rtsp://camera.local/stream")
    assert drop(window, address)
    nothing = QMimeData()
    nothing.setText("just words")
    assert not drop(window, nothing)
    assert [Path(text).name for text in opened] == ["film.mp4", "stream"]
    assert [stage.kind for stage in window.engine.spec.stages] == ["tint"]
    assert dropped_text(["/a/1.png", "/a/2.png"]) == "/a"
    assert dropped_text([]) is None


def test_recent_sources_are_listed_without_secrets(window: MainWindow, qtbot: Any, tmp_path: Path) -> None:
    window.playback._open_source = lambda text, **options: FakeSource(count=1)
    for text in ("demo", "webcam:1", "rtsp://user:secret@host/one", "rtsp://host/two", str(tmp_path)):
        window.open_source_text(text)
    assert window.playback.recent == [str(tmp_path), "rtsp://host/two"]
    window.source_menu.fill()
    titles = [action.text() for action in window.source_menu.actions()]
    assert titles[:3] == ["&Demo camera", "Desk camera", "Door camera"]
    assert titles[-1] == "two"
    window.playback.text = "rtsp://user:secret@host/one"
    assert window.playback.name == "host"


def test_a_camera_and_its_format_are_chosen(window: MainWindow, qtbot: Any) -> None:
    dialog = CameraDialog(window.sources._lister, window)
    assert [dialog.cameras.item(row).text() for row in range(2)] == ["Desk camera (default)", "Door camera"]
    assert dialog.choice() == ("webcam:cam-1", {"lister": window.sources._lister})
    dialog.formats.setCurrentIndex(2)
    assert dialog.choice()[1] | {"lister": None} == {"size_wh": (640, 480), "rate_hz": 60.0, "lister": None}
    dialog.cameras.setCurrentRow(1)
    assert dialog.formats.count() == 1
    dialog._lister = list
    dialog.look()
    assert dialog.nothing.isVisibleTo(dialog)
    assert not dialog.open_button.isEnabled()
    dialog.deleteLater()


@pytest.mark.parametrize(
    ("text", "good"), [("rtsp://host/a", True), ("HTTP://host", True), ("host/a", False), ("rtsp://", False)]
)
def test_an_address_needs_a_scheme(window: MainWindow, qtbot: Any, text: str, good: bool) -> None:
    dialog = UrlDialog(window)
    dialog.line.setText(text)
    assert dialog._buttons.button(dialog._buttons.StandardButton.Open).isEnabled() is good
    dialog.deleteLater()
