from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QMessageBox, QWidget

from scenescope.pipelines import Frame, PipelineSpec, Stage
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.pipelines.look_back import LookBackStatus
from scenescope.pipelines.recording import (
    Container,
    Part,
    Quality,
    RecordingOptions,
    RecordingPhase,
    RecordingStatus,
)
from scenescope.pipelines.recording_fakes import times_s
from scenescope.pipelines.sinks import _encoder
from scenescope.pipelines.sinks._encoder import EncoderChoice
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.recording import RecordingStrip, RecordingWishes, length
from scenescope.widgets.recording_commands import RecordingCommands
from scenescope.widgets.recording_dialog import RecordingDialog
from scenescope.widgets.settings import MemorySettings

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def software(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started to look for hardware."""
    monkeypatch.setattr(_encoder, "_choice", EncoderChoice("libx264", False, "These are tests."))


class Hide(Stage, title="Hide", group="Test", privacy=True):
    """Stands for a stage that hides something."""

    def process(self, frame: Frame) -> Frame:
        return frame


class Desk:
    """Commands over an engine with a camera."""

    def __init__(self, folder: Path, parts: list[str], kinds: list[str], look_back_s: float = 0.0) -> None:
        registry = fake_registry()
        registry.add("hide", Hide)
        spec = PipelineSpec()
        for kind in kinds:
            spec = spec.added(kind)
        self.window = QWidget()
        self.engine = Engine(spec, registry=registry)
        self.bridge = EngineBridge(self.engine)
        self.settings = MemorySettings(
            {"recording.folder": str(folder), "recording.parts": parts, "recording.look_back_s": look_back_s}
        )
        self.commands = RecordingCommands(self.engine, self.bridge, self.settings, self.window, registry=registry)
        self.action = QAction("Record", self.window)
        self.action.setCheckable(True)
        self.action.setShortcut("Ctrl+Alt+R")
        self.commands.attach(self.action)
        self.told: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str]] = []
        self.commands.told.connect(lambda message, more: self.told.append((message, more)))
        self.commands.failed.connect(lambda message, hint: self.failed.append((message, hint)))

    def start(self, qtbot: Any) -> None:
        self.engine.start(FakeSource(count=None, rate_hz=60, live=True))
        qtbot.waitUntil(lambda: self.engine.counts.captured > 2)

    def close(self) -> None:
        self.commands.close()
        self.bridge.close()
        assert self.engine.stop(10)
        self.commands.strip.deleteLater()
        self.window.deleteLater()


@pytest.fixture
def make_desk(qtbot, tmp_path):
    made: list[Desk] = []

    def make(*parts: str, kinds: tuple[str, ...] = ("boxes",), look_back_s: float = 0.0) -> Desk:
        made.append(Desk(tmp_path / "films", list(parts) or ["annotated"], list(kinds), look_back_s))
        return made[-1]

    yield make
    for desk in made:
        desk.close()


def test_a_recording_is_started_shown_and_stopped(qtbot, make_desk, tmp_path) -> None:
    desk = make_desk("raw", "results")
    assert desk.action.toolTip() == (
        f"Record pictures as captured and results (json lines) to {tmp_path / 'films'} (Ctrl+Alt+R)"
    )
    desk.start(qtbot)
    desk.commands.toggle("toggle", True)
    strip = desk.commands.strip
    qtbot.waitUntil(lambda: strip.word.text() == "REC" and "libx264" in strip.encoder.text(), timeout=10_000)
    assert desk.action.isChecked()
    assert desk.action.toolTip() == "Stop the recording (Ctrl+Alt+R)"
    assert "REC" in strip.accessibleDescription()
    qtbot.waitUntil(lambda: desk.commands.recordings.current.status.seconds > 0.5)
    desk.commands.toggle("toggle", False)
    qtbot.waitUntil(lambda: bool(desk.told), timeout=10_000)
    assert desk.told[0][0].startswith("Recorded 0:0")
    assert "without sound" in desk.told[0][1]
    assert not desk.action.isChecked()
    assert strip.isHidden()
    assert not desk.failed
    films = sorted(path.suffix for path in (tmp_path / "films").iterdir())
    assert films == [".jsonl", ".mp4"]


def test_without_a_source_there_is_a_sentence_and_no_check(qtbot, make_desk) -> None:
    desk = make_desk()
    desk.action.setChecked(True)
    desk.commands.toggle("toggle", True)
    qtbot.waitUntil(lambda: desk.failed == [("There is nothing to record.", "Start a source first.")])
    assert not desk.action.isChecked()


@pytest.mark.parametrize("nevertheless", [True, False])
def test_pictures_that_are_hidden_are_asked_for(qtbot, make_desk, tmp_path, nevertheless: bool) -> None:
    desk = make_desk("raw", kinds=("hide",))
    desk.start(qtbot)
    desk.commands.toggle("toggle", True)
    qtbot.waitUntil(lambda: desk.window.findChild(QMessageBox) is not None, timeout=10_000)
    box = desk.window.findChild(QMessageBox)
    assert "'Hide' hides parts of them" in box.text()
    assert box.defaultButton() is box.button(QMessageBox.StandardButton.Cancel)
    words = "Record unhidden" if nevertheless else "Cancel"
    next(button for button in box.buttons() if button.text().replace("&", "") == words).click()
    if nevertheless:
        qtbot.waitUntil(lambda: desk.commands.recordings.recording, timeout=10_000)
    else:
        assert not desk.commands.recording
        assert not list((tmp_path / "films").iterdir())


def test_the_last_seconds_are_saved(qtbot, make_desk, tmp_path) -> None:
    desk = make_desk(look_back_s=5.0)
    desk.start(qtbot)
    qtbot.waitUntil(lambda: desk.commands.look_back.status.seconds > 0.3, timeout=10_000)
    desk.commands.save_last()
    qtbot.waitUntil(lambda: bool(desk.told), timeout=10_000)
    (path,) = (tmp_path / "films").iterdir()
    assert desk.told == [(f"Saved the last 0:00 as {path.name}.", f"In {path.parent}")]
    assert path.name.endswith("fake last seconds.mp4")
    assert len(times_s(path)) > 10
    qtbot.waitUntil(lambda: desk.commands.strip.look_back.text().startswith("last "))


def test_the_last_seconds_that_are_not_kept_are_said(qtbot, make_desk) -> None:
    desk = make_desk()
    desk.commands.save_last()
    assert desk.failed == [("The last seconds are not kept.", "Switch that on in the recording options.")]


def test_options_are_edited_with_the_keyboard_and_remembered(qtbot, make_desk, tmp_path) -> None:
    desk = make_desk()
    desk.commands.options()
    dialog = desk.window.findChild(RecordingDialog)
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    dialog.parts[Part.ANNOTATED].click()
    assert not ok.isEnabled()
    assert "at least one part" in ok.toolTip()
    dialog.parts[Part.RESULTS].click()
    dialog.folder.setText("")
    assert not ok.isEnabled()
    dialog.folder.setText(str(tmp_path))
    dialog.container.setCurrentIndex(1)
    dialog.quality.setCurrentIndex(2)
    dialog.keep.setChecked(True)
    dialog.seconds.setValue(45)
    qtbot.waitUntil(lambda: dialog.encoder.text() == "software (libx264)" and "free" in dialog.free.text())
    ok.click()
    wishes = RecordingWishes(
        RecordingOptions(tmp_path, frozenset({Part.RESULTS}), Container.MKV, Quality.HIGH, True), 45.0
    )
    assert desk.commands.wishes == wishes == RecordingWishes.recalled(desk.settings)
    assert desk.commands.look_back.status.on


@pytest.mark.parametrize(
    "values",
    [
        {"parts": "raw", "container": 7, "quality": "best", "look_back_s": "long", "folder": 3},
        {"parts": ["none of ours"], "look_back_s": -5},
    ],
)
def test_damaged_settings_give_the_default(values: dict[str, Any]) -> None:
    settings = MemorySettings({f"recording.{name}": value for name, value in values.items()})
    assert RecordingWishes.recalled(settings) == RecordingWishes.recalled(MemorySettings())


def test_a_presentation_says_over_the_picture_that_it_is_recorded(make_window: Any, qtbot: Any, tmp_path) -> None:
    settings = MemorySettings({"recording.folder": str(tmp_path / "films"), "recording.parts": ["results"]})
    window = make_window(settings=settings)
    window.open_source_text("live")
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)
    QTest.keyClick(window, Qt.Key.Key_F11)
    window.inspection.recording.toggle("toggle", True)
    qtbot.waitUntil(lambda: window.viewport.badge.startswith("● REC 0:0"), timeout=10_000)
    QTest.keyClick(window, Qt.Key.Key_F11)
    qtbot.waitUntil(lambda: "REC" not in window.viewport.badge, timeout=10_000)
    assert window.inspection.recording.strip.isVisible()
    window.inspection.recording.toggle("toggle", False)
    qtbot.waitUntil(window.inspection.recording.strip.isHidden, timeout=10_000)


@pytest.mark.parametrize(
    ("status", "look_back", "words", "brief"),
    [
        (None, LookBackStatus(False), "", ""),
        (None, LookBackStatus(True, 12.4, 3_000_000), "last 12 s kept, 3.0 MB", ""),
        (
            RecordingStatus(RecordingPhase.RECORDING, 127, 48_300_000, encoder="software (libx264)"),
            LookBackStatus(False),
            "REC, 2:07  48.3 MB, encoder: software (libx264)",
            "● REC 2:07",
        ),
        (
            RecordingStatus(RecordingPhase.RECORDING, 5, 1000, missed=3, encoder="x"),
            LookBackStatus(False),
            "REC, 0:05  1 KB, encoder: x, ! 3 pictures missed",
            "● REC 0:05 ! 3 pictures missed",
        ),
        (
            RecordingStatus(RecordingPhase.FINISHING, 61, 1000, encoder="x"),
            LookBackStatus(False),
            "Finishing, 1:01  1 KB, encoder: x",
            "○ Finishing 1:01",
        ),
        (RecordingStatus(RecordingPhase.ENDED), LookBackStatus(False), "", ""),
    ],
)
def test_the_strip_says_everything_in_words(qtbot, status, look_back, words: str, brief: str) -> None:
    strip = RecordingStrip()
    qtbot.addWidget(strip)
    strip.show_status(status, look_back)
    assert strip.accessibleDescription() == words
    assert strip.isHidden() == (not words)
    assert strip.brief == brief


def test_lengths_are_for_people() -> None:
    assert [length(seconds) for seconds in (0.9, 61, 3723)] == ["0:00", "1:01", "1:02:03"]
