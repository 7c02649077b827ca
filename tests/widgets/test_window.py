"""The window as a whole: notices, numbers, themes, snapshots, what is remembered, and that nothing stays behind."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QToolButton, QWidget

from scenescope.models.vision.placement import Placement
from scenescope.pipelines import Frame, PipelineSpec, Source
from scenescope.pipelines.display import DisplayMode
from scenescope.pipelines.events import (
    EngineFault,
    SinkFailed,
    SourcePhase,
    StagePhase,
    StageState,
    Stats,
)
from scenescope.pipelines.fakes import FakeSource
from scenescope.pipelines.overlay import OverlayStyle
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.playback_bar import clock
from scenescope.widgets.settings import MemorySettings
from scenescope.widgets.snapshot import write_pair
from scenescope.widgets.source_commands import Cameras
from scenescope.widgets.status_strip import StatusStrip, overlay_words
from scenescope.widgets.theme import DARK, LIGHT, ThemeChoice

pytestmark = pytest.mark.slow

# Notices -----------------------------------------------------------------------------------------------------------


def test_what_nobody_expected_can_be_copied_as_a_report(window: MainWindow, qtbot: Any) -> None:
    window.bridge.fault.emit(EngineFault("the display", "boom", "Traceback: line 7"))
    notice = window.notices.notice
    assert notice.isVisible()
    assert "boom" in notice.message.text()
    notice.button.click()
    assert "Traceback: line 7" in QApplication.clipboard().text()
    assert not notice.isVisible()


def test_a_sink_that_stopped_is_told(window: MainWindow, qtbot: Any) -> None:
    window.bridge.sink_failed.emit(SinkFailed("mp4", "The disk is full.", "Free some space."))
    assert window.notices.notice.message.text() == "The disk is full."


# Numbers -----------------------------------------------------------------------------------------------------------


def test_rates_and_times_are_shown_while_it_runs(window: MainWindow, qtbot: Any) -> None:
    window.open_source_text("live")
    qtbot.waitUntil(lambda: window.status.analysed.value.text() not in ("-", "0.0 fps"), timeout=10_000)
    qtbot.waitUntil(lambda: bool(window.stages.model.rows[0].timing), timeout=10_000)
    assert window.status.age.value.text().endswith("ms")
    assert "320 x 180" in window.status.source.text()
    assert window.timing.bars.rows[0][0] == "Boxes"
    assert "Boxes" in window.timing.bars.accessibleDescription()
    window.timing.bars.grab()
    qtbot.waitUntil(lambda: "old" in window.status.overlay.value.text(), timeout=10_000)
    window.set_mode(DisplayMode.IN_STEP)
    qtbot.waitUntil(lambda: window.status.overlay.value.text() == "in step", timeout=10_000)


def test_a_narrow_window_keeps_the_numbers_that_matter_most(qtbot: Any) -> None:
    strip = StatusStrip()
    qtbot.addWidget(strip)
    strip.show()
    before = 9
    for width in (1800, 700, 450, 220):
        strip.resize(width, 28)
        names = [measure.name for measure in strip.measures if measure.isVisible()]
        assert len(names) < before
        assert not names or "shown" in names
        before = len(names)
    assert before == 0


@pytest.mark.parametrize(
    ("wished", "device", "wrong"),
    [
        ("auto", "CPU", False),
        ("cuda", "CUDA:0", False),
        ("cuda:0", "CUDA", False),
        ("cuda:1", "CUDA:0", True),
        ("cuda", "CPU", True),
        ("directml", "Dml", False),
    ],
)
def test_a_stage_that_runs_elsewhere_than_wished_is_marked(qtbot: Any, wished: str, device: str, wrong: bool) -> None:
    spec = PipelineSpec().added("detect", {"device": wished})
    problem = Placement(device, wished).problem
    assert bool(problem) is wrong
    state = StageState("detect", StagePhase.READY, device, device_problem=problem)
    strip = StatusStrip()
    qtbot.addWidget(strip)
    strip.show_devices(spec, [state], True)
    assert strip.device.text() == (f"! {device}" if wrong else device)
    assert (strip.device.property("level") == "bad") is wrong


def test_the_age_of_the_overlay_in_words(playing: MainWindow, qtbot: Any) -> None:
    from dataclasses import replace

    picture = playing.bridge.picture
    assert picture is not None
    newest = replace(picture, mode=DisplayMode.NEWEST)
    assert overlay_words(None) == "none"
    assert overlay_words(replace(picture, overlay_age_s=0.0, mode=DisplayMode.IN_STEP)) == "in step"
    assert overlay_words(replace(newest, overlay_age_s=0.084)) == "84 ms old"
    assert overlay_words(replace(newest, overlay_age_s=0.4)) == "400 ms old, dim"
    assert overlay_words(replace(newest, overlay_age_s=1.4, overlay_state="dropped")) == "too old"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (3.24, "0:03.2"), (59.96, "1:00.0"), (3723.4, "1:02:03.4")]
)
def test_media_time(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_stats_of_a_stopped_engine_are_not_shown(window: MainWindow, qtbot: Any) -> None:
    window._show_stats(Stats(30, 30, 30, 0, 0, 1, 1, 0, window.engine.counts))
    assert window.status.captured.value.text() == "-"


# Themes ------------------------------------------------------------------------------------------------------------


def test_the_theme_is_switched_and_remembered(window: MainWindow, qtbot: Any, qapp: QApplication) -> None:
    for choice, colours in ((ThemeChoice.DARK, DARK), (ThemeChoice.LIGHT, LIGHT)):
        window.actions_[f"theme.{choice}"].trigger()
        assert window.theme.colours == colours
        assert qapp.palette().window().color().name() == colours.window
        assert window.settings.get("theme") == choice.value
        window.grab()
    assert window.actions_["theme.light"].isChecked()
    assert not window.actions_["theme.dark"].isChecked()


# Snapshots ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_writes_the_picture_with_and_without_overlay(
    playing: MainWindow, qtbot: Any, tmp_path: Path
) -> None:
    playing.snapshots.folder = tmp_path / "new" / "folder"
    with qtbot.waitSignal(playing.snapshots.saved, timeout=10_000) as told:
        QTest.keyClick(playing, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    with_overlay, plain = (cv2.imread(path) for path in told.args)
    latest = playing.engine.latest
    assert latest is not None
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 2
    assert np.array_equal(plain, latest.image)
    assert with_overlay.shape == plain.shape
    assert not np.array_equal(with_overlay, plain)
    assert playing.notices.notice.isVisible()


def test_snapshots_never_overwrite_each_other(tmp_path: Path) -> None:
    frame = Frame(np.zeros((40, 60, 3), np.uint8), 7, source="a/b: c.mp4")
    names = {path.name for _ in range(3) for path in write_pair(frame, OverlayStyle(), tmp_path)}
    assert len(names) == 6
    assert all(name.startswith("b-c") and "frame7" in name for name in names)


def test_a_snapshot_that_cannot_be_written_is_told(playing: MainWindow, qtbot: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    playing.snapshots.folder = blocked
    with qtbot.waitSignal(playing.snapshots.failed, timeout=10_000) as told:
        playing.actions_["snapshot.save"].trigger()
    assert "file" in told.args[0]


def test_a_snapshot_is_copied(playing: MainWindow, qtbot: Any) -> None:
    with qtbot.waitSignal(playing.snapshots.copied, timeout=10_000):
        playing.actions_["snapshot.copy"].trigger()
    image = QApplication.clipboard().image()
    assert (image.width(), image.height()) == (320, 180)


def test_there_is_no_snapshot_without_a_picture(window: MainWindow, qtbot: Any) -> None:
    window.actions_["snapshot.save"].trigger()
    assert "no picture" in window.notices.notice.message.text()


# Layout and memory -------------------------------------------------------------------------------------------------


def test_the_next_window_is_as_the_last_was_left(make_window: Any, qtbot: Any) -> None:
    settings = MemorySettings()
    first = make_window(settings=settings)
    first.resize(1100, 700)
    first.actions_["dock.timing"].trigger()
    first.actions_["overlay.labels"].trigger()
    first.actions_["mode.in_step"].trigger()
    first.actions_["theme.dark"].trigger()
    first.close()
    second = make_window(settings=settings)
    assert second.layout_keeper.docks["timing"].isHidden()
    assert not second.actions_["dock.timing"].isChecked()
    assert not second.actions_["overlay.labels"].isChecked()
    assert not second.engine.display.options.style.labels
    assert second.viewport.mode is DisplayMode.IN_STEP
    assert second.mode_combo.currentText() == "In step"
    assert second.theme.choice is ThemeChoice.DARK
    second.actions_["window.reset"].trigger()
    assert not second.layout_keeper.docks["timing"].isHidden()


def test_settings_that_make_no_sense_are_passed_over(make_window: Any, qtbot: Any) -> None:
    window = make_window(settings=MemorySettings({"theme": "plaid", "view.mode": "?", "window.state": "!!", "x": 1}))
    assert window.theme.choice is ThemeChoice.SYSTEM
    assert window.viewport.mode is DisplayMode.AUTO


def test_a_presentation_shows_the_picture_alone(window: MainWindow, qtbot: Any) -> None:
    shown = [name for name, dock in window.layout_keeper.docks.items() if dock.isVisible()]
    QTest.keyClick(window, Qt.Key.Key_F11)
    assert window.isFullScreen()
    assert not any(dock.isVisible() for dock in window.layout_keeper.docks.values())
    assert not window.menuBar().isVisible()
    assert not window.playback_bar.isVisible()
    QTest.keyClick(window.viewport, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert window.menuBar().isVisible()
    assert [name for name, dock in window.layout_keeper.docks.items() if dock.isVisible()] == shown
    assert "stages" in shown
    assert not window.actions_["window.present"].isChecked()


def test_space_presses_a_focused_button_and_pauses_elsewhere(window: MainWindow, qtbot: Any) -> None:
    window.open_source_text("live")
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)
    button = next(
        one
        for one in window.stages.findChildren(QToolButton)
        if one.defaultAction() is window.actions_["stage.duplicate"]
    )
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    button.setFocus()
    qtbot.waitUntil(button.hasFocus)
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert len(window.engine.spec.stages) == 2
    assert window.playback.phase is SourcePhase.PLAYING
    window.viewport.setFocus()
    QTest.keyClick(window.viewport, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.playback.phase is SourcePhase.PAUSED)


class Assistant(QWidget):
    """Has the signals that the window looks for."""

    seek_requested = Signal(float)
    track_selected = Signal(int)


def test_the_assistant_leads_to_a_time_and_a_track(make_window: Any, qtbot: Any) -> None:
    panel = Assistant()
    window = make_window(assistant_panel=panel)
    window.open_source_text("film")
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)
    window.engine.pause()
    panel.seek_requested.emit(2.0)
    qtbot.waitUntil(lambda: window.bridge.picture.frame_index == 120, timeout=10_000)
    panel.track_selected.emit(5)
    assert window.viewport.selected_track == 5
    assert window.actions_["dock.assistant"].isEnabled()


def test_dialogs_give_up_quietly(window: MainWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: ("", ""))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: ("", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: "")
    for action in ("source.file", "source.folder", "pipeline.open", "pipeline.save", "snapshot.folder"):
        window.actions_[action].trigger()
    assert not window.engine.running


def test_files_are_asked_for(window: MainWindow, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(tmp_path / "out.yaml"), ""))
    window.actions_["pipeline.save"].trigger()
    assert PipelineSpec.load(tmp_path / "out.yaml") == window.engine.spec
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path))
    window.actions_["snapshot.folder"].trigger()
    assert window.snapshots.folder == tmp_path
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: ("film", ""))
    window.actions_["source.file"].trigger()
    assert window.engine.running


def test_closing_ends_all_threads_and_lets_the_window_go(make_window: Any, qtbot: Any) -> None:
    before = set(threading.enumerate())
    window = make_window()
    window.open_source_text("live")
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)
    window.close()
    # The log is closed by whoever made it.
    left = [t for t in threading.enumerate() if t not in before and t.is_alive() and t.name != "event-log"]
    assert not left
    assert not window.engine.running
    window.close()


def test_the_camera_list_is_made_here_and_read_anywhere(qtbot: Any) -> None:
    parent = QObject()
    cameras = Cameras(parent)
    here = list(cameras())
    elsewhere: list[object] = []
    thread = threading.Thread(target=lambda: elsewhere.append(list(cameras())))
    thread.start()
    thread.join()
    assert elsewhere == [here]
    assert len(parent.findChildren(QObject)) > 0, "a watcher keeps it up to date"


def test_a_typed_camera_is_looked_for_among_those_that_the_window_knows(make_window: Any) -> None:
    made: list[dict[str, Any]] = []

    def open_source(text: str, **options: Any) -> Source:
        made.append(options)
        return FakeSource(2)

    window = make_window(open_source=open_source)
    window.open_source_text("webcam")
    window.open_source_text("webcamera.mp4")
    assert [set(options) for options in made] == [{"lister"}, set()]
