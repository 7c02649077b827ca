"""From a film to its numbers in one window: watched, counted, found again, analysed, replayed, exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenescope.models import EventKind, Tracks
from scenescope.pipelines import Frame, PipelineSpec, Stage
from scenescope.pipelines.events import SourcePhase
from scenescope.pipelines.exchange.session import table_of_session
from scenescope.pipelines.fakes import fake_registry
from scenescope.pipelines.log.records import EventQuery, Session, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.sources import code_marker
from scenescope.pipelines.sources.open import open_source
from scenescope.pipelines.sources.video_fakes import write_video
from scenescope.pipelines.stages.track.zones import Zones
from scenescope.widgets.main_window import MainWindow

pytestmark = pytest.mark.slow

COUNT, RATE_HZ = 75, 25
WAIT_MS = 30_000
GATE = {"lines": [{"name": "gate", "start": [0.5, 0.0], "end": [0.5, 1.0]}]}
MakeWindow = Callable[..., MainWindow]


def place(index: int) -> tuple[float, float, float, float]:
    """Where the walker is in a frame: from left to right, once over the middle of 400 pixels."""
    x = 20 + 5.0 * index
    return (x - 20, 100, x + 20, 200)


class Walker(Stage, title="Walker", group="Test"):
    """Reports one object that walks; ``seen`` are the frames in which it was asked."""

    seen: list[int] = []

    def process(self, frame: Frame) -> Frame:
        self.seen.append(frame.index)
        tracks = Tracks(
            xyxy=np.array([place(frame.index)], np.float32),
            confidence=np.array([0.9]),
            class_id=np.array([0]),
            class_names=("person",),
            track_id=np.array([1]),
        )
        return frame.with_result(self.context.stage_id, tracks)


@pytest.fixture
def registry() -> Registry[Stage]:
    registry = fake_registry()
    registry.add("walker", Walker)
    registry.add("zones", Zones)
    return registry


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Three seconds of pictures with their numbers burnt in."""
    return write_video(tmp_path / "walk.mp4", COUNT)


@pytest.fixture
def window(make_window: MakeWindow, registry: Registry[Stage], film: Path, qtbot: Any) -> MainWindow:
    spec = PipelineSpec().added("walker").added("zones", {"shapes": GATE})
    window = make_window(spec, registry=registry, open_source=open_source)
    window.open_source_text(str(film))
    qtbot.waitUntil(lambda: window.engine.frame_index is not None, timeout=WAIT_MS)
    return window


def log_of(window: MainWindow) -> EventLog:
    log = window.inspection.timeline.panel.log
    assert log is not None
    return log


def watched_to_the_end(window: MainWindow, qtbot: Any) -> Session:
    qtbot.waitUntil(lambda: window.playback.phase is SourcePhase.ENDED, timeout=WAIT_MS)
    window.playback.stop()
    log = log_of(window)
    qtbot.waitUntil(lambda: [s.complete for s in log.sessions()] == [True], timeout=WAIT_MS)
    return log.sessions()[0]


def crossings(log: EventLog, session_id: int) -> list[tuple[int, str, str]]:
    found = log.events(EventQuery(session_id=session_id, kinds=(EventKind.LINE_CROSS,)))
    return [(event.frame, event.line, event.direction) for event in found]


def analyse(window: MainWindow, qtbot: Any) -> Session:
    log, analysis = log_of(window), window.inspection.analysis
    window.actions_["analysis.start"].trigger()
    qtbot.waitUntil(
        lambda: not analysis.busy and any(s.kind is SessionKind.ANALYSIS and s.complete for s in log.sessions()),
        timeout=WAIT_MS,
    )
    return next(s for s in log.sessions() if s.kind is SessionKind.ANALYSIS)


def test_what_is_watched_is_counted_and_every_event_leads_to_its_picture(window: MainWindow, qtbot: Any, film: Path):
    session = watched_to_the_end(window, qtbot)
    log = log_of(window)
    # The feet are at x = 20 + 5 n, so they are beyond 200 pixels from picture 37 on; from its left side to its right,
    # seen along the line, which points down, is its backward direction.
    assert crossings(log, session.id) == [(37, "gate", "out")]
    assert Path(session.source) == film
    assert [(t.track_id, t.first_frame, t.last_frame) for t in log.tracks(session.id)] == [(1, 0, COUNT - 1)]
    window.playback.start()
    window.engine.pause()
    panel = window.inspection.timeline.panel
    qtbot.waitUntil(lambda: panel.is_open and window.engine.frame_index is not None, timeout=WAIT_MS)
    for hit in log.search("gate", session_id=session.id):
        panel.frame_requested.emit(hit.frame, hit.t_s)
        qtbot.waitUntil(lambda: window.bridge.picture is not None and window.bridge.picture.frame_index == 37)
    latest = window.engine.latest
    assert latest is not None
    assert code_marker.read(latest.image) == 37


def test_an_analysis_is_replayed_without_its_stages_and_exported(window: MainWindow, qtbot: Any, tmp_path: Path):
    watched_to_the_end(window, qtbot)
    window.playback.start()
    session = analyse(window, qtbot)
    log = log_of(window)
    assert crossings(log, session.id) == [(37, "gate", "out")]
    table = table_of_session(log, session.id)
    assert table.frame_index.tolist() == list(range(COUNT))
    assert table.frame_pts_s == pytest.approx(np.arange(COUNT) / RATE_HZ, abs=1e-6)
    assert table.xyxy == pytest.approx(np.array([place(i) for i in range(COUNT)]), abs=0.01)
    window.actions_["analysis.replay"].trigger()
    qtbot.waitUntil(lambda: not window.engine.spec.stages and window.engine.frame_index is not None, timeout=WAIT_MS)
    window.engine.pause()
    # From here on; the film played until now.
    Walker.seen.clear()
    for number in (60, 3, 44):
        window.engine.seek_frame(number)
        qtbot.waitUntil(
            lambda number=number: window.bridge.picture is not None and window.bridge.picture.frame_index == number
        )
        latest = window.engine.latest
        assert latest is not None
        assert code_marker.read(latest.image) == latest.index == number
        assert latest.result("walker").xyxy[0].tolist() == pytest.approx(place(number))
    assert Walker.seen == []
    window.actions_["edit.undo"].trigger()
    assert [stage.kind for stage in window.engine.spec.stages] == ["walker", "zones"]


def test_the_next_window_finds_everything_again(
    window: MainWindow, make_window: MakeWindow, registry: Registry[Stage], qtbot: Any
):
    watched_to_the_end(window, qtbot)
    window.playback.start()
    analyse(window, qtbot)
    log = log_of(window)
    window.close()
    again = make_window(registry=registry, open_source=open_source, log=log)
    panel = again.inspection.timeline.panel
    qtbot.waitUntil(lambda: panel.session is not None, timeout=WAIT_MS)
    assert {s.kind for s in log.sessions()} == {SessionKind.WATCHED, SessionKind.ANALYSIS}


def test_closing_in_the_middle_of_everything_loses_nothing(window: MainWindow, qtbot: Any):
    log, panel = log_of(window), window.inspection.timeline.panel
    qtbot.waitUntil(lambda: panel.session is not None and window.bridge.picture is not None, timeout=WAIT_MS)
    window.actions_["analysis.start"].trigger()
    qtbot.waitUntil(lambda: any(s.kind is SessionKind.ANALYSIS for s in log.sessions()), timeout=WAIT_MS)
    # While a session is being read, a mark waits for it.
    qtbot.waitUntil(lambda: panel.session is not None, timeout=WAIT_MS)
    window.actions_["events.mark"].trigger()
    window.close()
    assert log.flush()
    marks = [e for s in log.sessions() for e in log.events(EventQuery(session_id=s.id, kinds=(EventKind.MARK,)))]
    assert len(marks) == 1
