"""The timeline beside a real engine: commands, jumps, marks, and finding similar objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Slot
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget

from scenescope.models import SinkError
from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import SourcePhase
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.pipelines.log.records import EventQuery, NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.playback import Playback
from scenescope.widgets.settings import MemorySettings
from scenescope.widgets.timeline_data import Group
from scenescope.widgets.timeline_dock import Timeline
from scenescope.widgets.transport_marks import Marks
from scenescope.widgets.viewport import Viewport

pytestmark = pytest.mark.slow

WAIT_MS = 10_000
RATE_HZ = 60.0


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "events.db")
    yield made
    made.close()


class Window(QWidget):
    """As much of a window as the timeline knows."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine(PipelineSpec().added("boxes"), registry=fake_registry())
        self.bridge = EngineBridge(self.engine, self)
        self.playback = Playback(self.engine, MemorySettings(), open_fake, self)
        self.stack = QUndoStack(self)
        self.viewport = Viewport(self.engine.display, self.bridge.note_painted)
        column = QVBoxLayout(self)
        column.addWidget(self.viewport)
        self.bridge.picture_changed.connect(self._show)

    @Slot()
    def _show(self) -> None:
        self.viewport.show_picture(self.bridge.picture)


def open_fake(text: str) -> FakeSource:
    return FakeSource(count=None if text == "live" else 600, size_wh=(320, 180), rate_hz=RATE_HZ, live=text == "live")


@pytest.fixture
def window(qapp: QApplication, qtbot: Any) -> Iterator[Window]:
    """A film that is held at a picture in which a box was found."""
    made = Window()
    made.resize(640, 360)
    made.show()
    made.playback.open_text("film")
    qtbot.waitUntil(lambda: bool(made.viewport.objects), timeout=WAIT_MS)
    made.engine.pause()
    qtbot.waitUntil(lambda: made.playback.phase is SourcePhase.PAUSED, timeout=WAIT_MS)
    yield made
    made.engine.stop()
    made.bridge.close()
    made.close()
    made.deleteLater()


@pytest.fixture
def timeline(window: Window, log: EventLog, qtbot: Any) -> Iterator[Timeline]:
    """A timeline over that film of 600 frames, with a session that has an event every hundred."""
    session_id = log.begin(NewSession(SessionKind.WATCHED, "film", (320, 180), RATE_HZ))
    events = [LogEvent(EventKind.APPEAR, n / RATE_HZ, n, "thing", n) for n in range(100, 600, 100)]
    track = TrackRecord(100, "thing", 1.0, 60, 2.0, 120, embedding=np.eye(4, dtype=np.float32)[0])
    log.add(session_id, events, [track])
    log.flush()
    made = make(window, log)
    qtbot.waitUntil(lambda: made.panel.session is not None and made.panel.is_open, timeout=WAIT_MS)
    yield made
    made.close()


def make(window: Window, log: EventLog | SinkError | None, settings: MemorySettings | None = None) -> Timeline:
    used = settings or MemorySettings()
    return Timeline(window.engine, window.bridge, log, window.playback, window.stack, used, window)


def frame(window: Window) -> int:
    return window.bridge.picture.frame_index if window.bridge.picture is not None else -1


def test_commands_go_from_event_to_event(timeline: Timeline, window: Window, qtbot: Any):
    window.playback.seek(150 / RATE_HZ)
    qtbot.waitUntil(lambda: frame(window) == 150, timeout=WAIT_MS)
    for command, index in (
        (timeline.next_event, 200),
        (timeline.next_event, 300),
        (timeline.previous_event, 200),
        (timeline.previous_event, 100),
    ):
        command()
        qtbot.waitUntil(lambda index=index: frame(window) == index, timeout=WAIT_MS)
    assert timeline.panel.view.playhead_s == pytest.approx(100 / RATE_HZ)


def test_a_mark_is_set_at_the_frame_that_is_shown_and_undone(
    timeline: Timeline, window: Window, log: EventLog, qtbot: Any
):
    window.playback.seek(240 / RATE_HZ)
    qtbot.waitUntil(lambda: frame(window) == 240, timeout=WAIT_MS)
    query = EventQuery(timeline.panel.session.id, (EventKind.MARK,))
    timeline.panel.menu.mark_text.setText("here")
    timeline.mark()
    qtbot.waitUntil(lambda: log.count(query) == 1, timeout=WAIT_MS)
    (mark,) = log.events(query)
    assert (mark.frame, mark.text) == (240, "here")
    window.stack.undo()
    qtbot.waitUntil(lambda: log.count(query) == 0, timeout=WAIT_MS)


def test_a_range_sets_the_marks_of_the_film_in_one_step(timeline: Timeline, window: Window):
    stack = window.stack
    marks = Marks(stack, window)
    marks.show("film")
    timeline.set_film_marks(marks)
    timeline.panel.range_selected.emit(2.0, 4.0)
    assert timeline.panel.view.marks_s == (2.0, 4.0)
    timeline.panel.range_selected.emit(5.0, 6.0)
    assert timeline.panel.view.marks_s == (5.0, 6.0)
    stack.undo()
    assert timeline.panel.view.marks_s == (2.0, 4.0)
    stack.undo()
    assert timeline.panel.view.marks_s == (None, None)


def test_another_source_has_other_events(timeline: Timeline, window: Window, qtbot: Any):
    window.playback.open_text("live")
    qtbot.waitUntil(lambda: window.playback.phase is SourcePhase.PLAYING, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not timeline.panel.is_open, timeout=WAIT_MS)
    timeline.panel.view.focus_on(timeline.panel.view.find_hit(None, 100))
    timeline.panel.view.jump()
    timeline.panel.notice.button.click()
    qtbot.waitUntil(lambda: timeline.panel.is_open and frame(window) >= 60, timeout=WAIT_MS)
    assert window.playback.text == "film"


def test_a_selected_object_is_compared(timeline: Timeline, window: Window, qtbot: Any):
    search = timeline.panel.search
    timeline.find_similar()
    assert "Select an object" in search.said.text()
    window.viewport.select(window.viewport.objects[0])
    timeline.set_embed("Install a network that compares objects.")
    with qtbot.waitSignal(timeline.shown):
        timeline.find_similar()
    qtbot.waitUntil(lambda: "Install a network" in search.said.text() or "not kept" in search.said.text())
    shapes: list[tuple[int, ...]] = []

    def embed(pictures: list[Any]) -> Any:
        shapes.extend(one.shape for one in pictures)
        return np.eye(4, dtype=np.float32)[:1]

    timeline.set_embed(embed)
    timeline.find_similar()
    qtbot.waitUntil(lambda: bool(search.results.found), timeout=WAIT_MS)
    assert search.results.found[0].hit.track_id == 100
    assert len(shapes) == 1
    assert shapes[0][2] == 3


def test_the_choice_of_lanes_and_following_is_remembered(window: Window, log: EventLog):
    settings = MemorySettings({"timeline.hidden": ["Tracks", "no such lane"], "timeline.follow": False})
    first = make(window, log, settings)
    assert first.panel.view.hidden == {Group.TRACKS}
    assert not first.panel.follow.isChecked()
    assert not first.panel.menu.groups[Group.TRACKS].isChecked()
    first.toggle_follow("follow", True)
    first.panel.view.collapse(Group.ZONES)
    first.panel.menu.groups[Group.TRACKS].setChecked(True)
    first.close()
    second = make(window, log, settings)
    assert second.panel.view.hidden == set()
    assert second.panel.view.collapsed == {Group.ZONES}
    assert second.panel.follow.isChecked()
    second.close()


def test_no_log_is_said_and_commands_do_no_harm(window: Window, qtbot: Any):
    made = make(window, SinkError("The event log is newer than this program.", hint="Update."))
    assert "newer" in made.panel.view.empty_text
    for command in (made.mark, made.next_event, made.previous_event, made.search, made.zoom_all, made.find_similar):
        command()
    made.close()
