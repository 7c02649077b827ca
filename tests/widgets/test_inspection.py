"""What the parts for looking closely tell each other in a real window, and what the log lets go when it opens."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scenescope.models import SinkError
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.analysis.fakes import Finder, analysis_registry, write_film
from scenescope.pipelines.events import Counts, SourcePhase, SourceState, Stats
from scenescope.pipelines.fakes import FakeFilm
from scenescope.pipelines.log.records import NewSession, Session, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.sources._fingerprint import content_fingerprint
from scenescope.pipelines.sources.open import open_source
from scenescope.widgets.banner import Level
from scenescope.widgets.bridge import PaintedStats
from scenescope.widgets.event_data import session_words
from scenescope.widgets.inspection import KEEP_DAYS_KEY, let_old_go
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.settings import MemorySettings
from scenescope.widgets.status_strip import StatusStrip

WAIT_MS = 20_000
DAY_S = 86_400.0
MakeWindow = Callable[..., MainWindow]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "old.db")
    yield made
    made.close()


# What the log lets go ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, {"analysis 200", "live 80", "watched 10", "live 500, goes on"}),
        ({KEEP_DAYS_KEY: 30}, {"analysis 200", "watched 10", "live 500, goes on"}),
        ({KEEP_DAYS_KEY: 0}, {"analysis 200", "live 80", "live 100", "watched 10", "watched 95", "live 500, goes on"}),
        (
            {KEEP_DAYS_KEY: 10**400},
            {"analysis 200", "live 80", "live 100", "watched 10", "watched 95", "live 500, goes on"},
        ),
        *[
            ({KEEP_DAYS_KEY: wrong}, {"analysis 200", "live 80", "watched 10", "live 500, goes on"})
            for wrong in (-1, "soon", None, True, float("nan"), [90])
        ],
    ],
)
def test_what_was_watched_long_ago_goes(log: EventLog, settings: dict[str, Any], kept: set[str]) -> None:
    for title in ("analysis 200", "live 80", "live 100", "watched 10", "watched 95", "live 500, goes on"):
        kind, days = title.split(",")[0].split()
        began_s = time.time() - float(days) * DAY_S
        number = log.begin(NewSession(SessionKind(kind), "a source", began_wall_s=began_s, title=title))
        if "goes on" not in title:
            log.end(number, complete=True)
    let_old_go(log, MemorySettings(settings))
    assert log.flush()
    assert {session.title for session in log.sessions()} == kept


# Words and numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"active": True}, "goes on"),
        ({"complete": True, "ended_wall_s": 1.0}, "complete"),
        ({"ended_wall_s": 1.0}, "cut off"),
        ({}, "cut off"),
    ],
)
def test_how_a_session_ended_in_a_word(state: dict[str, Any], word: str) -> None:
    assert session_words(Session(SessionKind.LIVE, "camera", **state)) == f"camera, live, {word}"


def test_skipped_pictures_are_counted_without_moving_anything(qtbot: Any) -> None:
    strip = StatusStrip()
    qtbot.addWidget(strip)
    strip.resize(1600, 28)
    strip.show()
    places = []
    for skipped in (0, 123_456):
        counts = Counts(captured=9, skipped=skipped)
        strip.show_stats(Stats(30, 30, 30, 0, 0, 1, 1, 0, counts), PaintedStats(0, 0, 0, 0))
        places.append([measure.geometry() for measure in strip.measures])
        assert strip.skipped.value.text() == str(skipped)
    assert places[0] == places[1]
    assert strip.skipped.isVisible()
    assert "fast" in strip.skipped.toolTip()


# In the window -----------------------------------------------------------------------------------------------------


def test_a_film_that_breaks_off_says_so_until_it_is_played_back(make_window: MakeWindow, qtbot: Any) -> None:
    film = FakeFilm(60, rate_hz=200, fail_at=(40,))
    window = make_window(open_source=lambda _text, **_more: film)
    banner = window.notices.source_banner
    window.open_source_text("film")
    qtbot.waitUntil(lambda: window.playback.phase is SourcePhase.ENDED and banner.isVisible(), timeout=WAIT_MS)
    assert banner.level is Level.WARNING
    assert banner.message.text() == "The fake camera was unplugged."
    window.engine.set_rate(-1)
    qtbot.waitUntil(lambda: not banner.isVisible(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.bridge.picture.frame_index == 0, timeout=WAIT_MS)


def test_the_end_of_a_film_is_no_problem(make_window: MakeWindow) -> None:
    window = make_window()
    window.notices.show_source(SourceState(SourcePhase.ENDED))
    assert not window.notices.source_banner.isVisible()


@pytest.mark.slow
def test_a_renamed_film_keeps_its_sessions(make_window: MakeWindow, tmp_path: Path, qtbot: Any) -> None:
    film = write_film(tmp_path / "squares.mp4")
    window = make_window(open_source=open_source, settings=MemorySettings({"events.keep": False}))
    panel, log = window.inspection.timeline.panel, window.inspection.timeline.panel.log
    for name, fingerprint in (("old.mp4", "another"), ("holiday.mp4", content_fingerprint(film))):
        log.begin(NewSession(SessionKind.ANALYSIS, str(tmp_path / name), fingerprint=fingerprint))
    ids = {Path(session.source).name: session.id for session in log.sessions()}
    panel.show_session(ids["holiday.mp4"])
    window.open_source_text(str(film))
    qtbot.waitUntil(lambda: panel.session is not None and panel.is_open, timeout=WAIT_MS)
    panel.show_session(ids["old.mp4"])
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == ids["old.mp4"], timeout=WAIT_MS)
    assert not panel.is_open
    other = write_film(tmp_path / "other.mp4", seed=7)
    panel.show_session(ids["holiday.mp4"])
    window.open_source_text(str(other))
    assert not panel.is_open
    gone = write_film(tmp_path / "gone.mp4", seed=8)
    window.open_source_text(str(gone))
    gone.unlink()
    shutil.copy(film, gone)
    window.open_source_text(str(gone))
    qtbot.waitUntil(lambda: panel.session is not None and panel.is_open, timeout=WAIT_MS)


def test_what_keeps_the_log_from_writing_stands_above_the_timeline(make_window: MakeWindow, qtbot: Any) -> None:
    window = make_window()
    panel = window.inspection.timeline.panel
    # What the writer does when the window opens tells, too, that all is well.
    assert panel.log.flush()
    tell = panel.log._writer._tell
    tell(SinkError("There is no room on the disk for the event log.", hint="Make room."))
    qtbot.waitUntil(lambda: "no room" in panel.notice.message.text(), timeout=WAIT_MS)
    assert panel.notice.level is Level.ERROR
    assert not panel.notice.isHidden()
    tell(None)
    qtbot.waitUntil(panel.notice.isHidden, timeout=WAIT_MS)


@pytest.mark.slow
def test_the_analysis_that_begins_is_shown(
    make_window: MakeWindow, tmp_path: Path, qtbot: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    film = write_film(tmp_path / "squares.mp4")
    spec = PipelineSpec().added("finder", {"hold_at": 50}).added("follow")
    window = make_window(spec, registry=analysis_registry(), open_source=open_source)
    analysis, panel = window.inspection.analysis, window.inspection.timeline.panel
    window.open_source_text(str(film))
    qtbot.waitUntil(lambda: window.bridge.picture is not None, timeout=WAIT_MS)
    window.engine.pause()
    ended: list[int] = []
    analysis.ended.connect(ended.append)
    with qtbot.waitSignal(analysis.begun, timeout=WAIT_MS) as begun:
        analysis.start()
    (number,) = begun.args
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == number, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: panel.sessions.box.currentText().endswith("goes on"), timeout=WAIT_MS)
    assert panel.is_open
    Finder.gate.set()
    qtbot.waitUntil(lambda: ended == [number], timeout=WAIT_MS)
    qtbot.waitUntil(lambda: panel.sessions.box.currentText().endswith("complete"), timeout=WAIT_MS)
    panel.sessions.choose(None)
    window.inspection._analysis_ended(number)
    assert panel.feed.wanted_id == number
    assert not panel.sessions.follows_newest
