"""The panel of events over a real log: sessions, live growth, filters, marks, and what goes wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QUndoStack
from PySide6.QtTest import QTest

from scenescope.models import SinkError
from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines.events import Counts, StageStats, Stats
from scenescope.pipelines.log.records import EventQuery, NewSession, SearchHit, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.widgets.event_panel import EventPanel
from scenescope.widgets.timeline_data import Group
from scenescope.widgets.timeline_fakes import street, street_log
from scenescope.widgets.timeline_hits import What

pytestmark = pytest.mark.slow

FILM = "/films/street.mp4"
WAIT_MS = 10_000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made, _ = street_log(tmp_path / "events.db", FILM)
    yield made
    made.close()


@pytest.fixture
def make_panel(qtbot: Any) -> Iterator[Callable[..., EventPanel]]:
    made: list[EventPanel] = []

    def make(log: EventLog | None) -> EventPanel:
        panel = EventPanel(QUndoStack())
        made.append(panel)
        panel.resize(1100, 420)
        panel.show()
        if log is not None:
            panel.set_log(log)
        return panel

    yield make
    for panel in made:
        panel.close_threads()
        panel.close()
        panel.deleteLater()


@pytest.fixture
def panel(make_panel: Callable[..., EventPanel], log: EventLog, qtbot: Any) -> EventPanel:
    made = make_panel(log)
    qtbot.waitUntil(lambda: made.session is not None, timeout=WAIT_MS)
    made.set_source((FILM,), film=True, duration_s=120.0)
    return made


def count(panel: EventPanel) -> int:
    return len(panel.view.data.columns)


def begin(log: EventLog, source: str = "Door camera", kind: SessionKind = SessionKind.LIVE) -> int:
    return log.begin(NewSession(kind, source, (320, 180), 25.0))


# Sessions -----------------------------------------------------------------------------------------------------------


def test_the_newest_session_is_shown_and_grows(panel: EventPanel, log: EventLog, qtbot: Any):
    whole = count(panel)
    assert whole == log.count(EventQuery(panel.session.id))
    assert f"{whole:,} events" in panel.filter.count.text()
    live = begin(log)
    log.add(live, [LogEvent(EventKind.APPEAR, 1.0, 25, "cat", 1)])
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == live, timeout=WAIT_MS)
    for n in range(2, 40):
        log.add(live, [LogEvent(EventKind.APPEAR, float(n), 25 * n, "cat", n)])
    qtbot.waitUntil(lambda: count(panel) == 39, timeout=WAIT_MS)
    log.retract(live, [LogEvent(EventKind.APPEAR, 5.0, 125, "cat", 5)])
    qtbot.waitUntil(lambda: count(panel) == 38, timeout=WAIT_MS)
    assert panel.view.data.columns.track_id.tolist() == [n for n in range(1, 40) if n != 5]


def test_a_chosen_session_stays_when_another_begins(panel: EventPanel, log: EventLog, qtbot: Any):
    first = panel.session.id
    panel.sessions.choose(first)
    live = begin(log)
    qtbot.waitUntil(lambda: panel.sessions.box.findData(live) > 0, timeout=WAIT_MS)
    assert panel.session.id == first
    panel.sessions.choose(live)
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == live, timeout=WAIT_MS)
    assert count(panel) == 0
    assert "no events" in panel.view.empty_text
    panel.view.grab()


def test_a_session_is_deleted_after_a_yes(panel: EventPanel, log: EventLog, qtbot: Any):
    session = panel.session
    panel.sessions.delete.click()
    assert "street.mp4" in panel.sessions.question.text()
    QTest.keyClick(panel.sessions.question, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: panel.sessions.question is None)
    assert log.session(session.id) is not None
    panel.sessions.delete.click()
    yes = next(button for button in panel.sessions.question.buttons() if "Delete" in button.text())
    yes.click()
    qtbot.waitUntil(lambda: log.session(session.id) is None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not panel.sessions.sessions, timeout=WAIT_MS)
    assert count(panel) == 0
    assert "empty" in panel.view.empty_text
    assert not panel.sessions.delete.isEnabled()


def test_a_session_that_goes_meanwhile_is_left(panel: EventPanel, log: EventLog, qtbot: Any):
    log.delete_session(panel.session.id)
    log.flush()
    panel.feed.refresh()
    qtbot.waitUntil(lambda: panel.session is None and not panel.sessions.sessions, timeout=WAIT_MS)
    panel.add_mark("x")
    assert "no session" in panel.notice.message.text()


def hit_of(session_id: int) -> SearchHit:
    return SearchHit(0.0, session_id, 1.0, 25, None, None)


@pytest.mark.parametrize("before", [True, False], ids=["listed before", "listed after"])
def test_what_leads_to_a_session_that_is_gone_says_so(panel: EventPanel, log: EventLog, qtbot: Any, before: bool):
    street = panel.session.id
    # A list that was asked for before, or one that comes while the session is read, must not take the wish away.
    if before:
        panel.feed.list_sessions()
    panel.show_hit(hit_of(999))
    if not before:
        panel._show_list(log.sessions())
    qtbot.waitUntil(lambda: "not in the event log any more" in panel.notice.message.text(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == street, timeout=WAIT_MS)
    assert panel.sessions.follows_newest


def test_a_session_beyond_the_list_stays_chosen(
    panel: EventPanel, log: EventLog, qtbot: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("scenescope.widgets.event_sessions.MOST_SHOWN", 1)
    street = panel.session.id
    live = begin(log)
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == live, timeout=WAIT_MS)
    assert panel.sessions.box.findData(street) < 0
    with qtbot.waitSignal(panel.frame_requested, timeout=WAIT_MS) as told:
        panel.show_hit(hit_of(street))
    assert told.args == [25, 1.0]
    panel._show_list(log.sessions())
    assert (panel.session.id, panel.sessions.box.currentData()) == (street, street)
    assert "street.mp4" in panel.sessions.box.currentText()


def test_a_hit_waits_for_its_session_until_another_is_chosen(panel: EventPanel, log: EventLog, qtbot: Any):
    street = panel.session.id
    live = begin(log)
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == live, timeout=WAIT_MS)
    panel.show_hit(hit_of(street))
    panel.sessions.choose(live)
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == live, timeout=WAIT_MS)
    with qtbot.assertNotEmitted(panel.frame_requested):
        panel.sessions.choose(street)
        qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == street, timeout=WAIT_MS)
    # One that is wished for while its session is still being read is not lost.
    panel.sessions.choose(live)
    panel.sessions.choose(street)
    with qtbot.waitSignal(panel.frame_requested, timeout=WAIT_MS):
        panel.show_hit(hit_of(street))


def test_events_of_another_film_offer_to_open_it(panel: EventPanel, qtbot: Any):
    row = 3
    frame, t_s = int(panel.view.data.columns.frame[row]), float(panel.view.data.columns.t_s[row])
    with qtbot.waitSignal(panel.frame_requested) as told:
        panel.go_to(frame, t_s)
    assert told.args == [frame, t_s]
    panel.set_source(("/films/other.mp4",), film=True, duration_s=9.0)
    assert not panel.is_open
    with qtbot.assertNotEmitted(panel.frame_requested):
        panel.go_to(frame, t_s)
    assert "street.mp4" in panel.notice.message.text()
    with qtbot.waitSignal(panel.open_source_requested) as told:
        panel.notice.button.click()
    assert told.args == [FILM, t_s]


def test_a_camera_cannot_be_turned_back(panel: EventPanel, log: EventLog, qtbot: Any):
    live = begin(log)
    qtbot.waitUntil(lambda: panel.session is not None and panel.session.id == live, timeout=WAIT_MS)
    panel.set_source(("Door camera",), film=False, duration_s=None)
    with qtbot.assertNotEmitted(panel.time_requested), qtbot.assertNotEmitted(panel.open_source_requested):
        panel.go_to(-1, 3.0)
    assert "live" in panel.notice.message.text()


# Filters ------------------------------------------------------------------------------------------------------------


def test_filters_narrow_and_are_cleared(panel: EventPanel, qtbot: Any):
    bar, whole = panel.filter, count(panel)
    bar.label.setCurrentIndex(bar.label.findData("car"))
    cars = len(panel.view.rows)
    assert 0 < cars < whole
    assert bar.count.text() == f"{cars:,} of {whole:,} events"
    bar.kind_actions[EventKind.APPEAR].setChecked(True)
    assert 0 < len(panel.view.rows) < cars
    assert bar.kinds.text() == "Appears"
    bar.reset.click()
    assert len(panel.view.rows) == whole
    assert not bar.reset.isEnabled()
    bar.place.setCurrentIndex(bar.place.findText("Line Door"))
    assert {panel.view.data.columns.words("line", row) for row in panel.view.rows} == {"Door"}
    bar.clear()
    bar.track.setText("7")
    assert set(panel.view.data.columns.track_id[panel.view.rows].tolist()) == {7}
    bar.clear()
    assert not bar.in_marks.isEnabled()
    panel.set_marks(20.0, 40.0)
    bar.in_marks.setChecked(True)
    times = panel.view.data.columns.t_s[panel.view.rows]
    assert times.max() < 40.0
    panel.set_marks(20.0, 30.0)
    assert panel.view.data.columns.t_s[panel.view.rows].max() < 30.0
    panel.set_marks(None, None)
    assert len(panel.view.rows) == whole


@pytest.mark.parametrize(
    ("text", "found"), [("bus", ["CITY BUS 42"]), ("قف", ["قف"]), ("40063", ["4006381333931"]), ('"*) OR', [])]
)
def test_events_are_filtered_by_their_text(panel: EventPanel, log: EventLog, qtbot: Any, text: str, found: list[str]):
    panel.filter.text.setText(text)
    qtbot.waitUntil(lambda: len(panel.view.rows) == len(found), timeout=WAIT_MS)
    events = {event.id: event.text for event in log.events(EventQuery(panel.session.id))}
    assert [events[one] for one in panel.view.data.columns.id[panel.view.rows].tolist()] == found


# Marks --------------------------------------------------------------------------------------------------------------


def marks_of(log: EventLog, session_id: int) -> list[str]:
    return [event.text for event in log.events(EventQuery(session_id, (EventKind.MARK,)))]


def test_marks_are_set_changed_deleted_and_all_of_it_undone(panel: EventPanel, log: EventLog, qtbot: Any):
    stack, session_id = panel.marks._stack, panel.session.id
    panel.set_position(77.0, 1925, playing=False)
    panel.menu.mark_text.setText("a <b>cat</b>")
    QTest.keyClick(panel.menu.mark_text, Qt.Key.Key_Return)
    assert panel.menu.mark_text.text() == ""

    def shown(*texts: str) -> None:
        qtbot.waitUntil(lambda: marks_of(log, session_id) == list(texts), timeout=WAIT_MS)
        qtbot.waitUntil(
            lambda: sum(len(row.rows) for row in panel.view.scene.rows if row.group is Group.MARKS) == len(texts),
            timeout=WAIT_MS,
        )

    shown("look here", "a <b>cat</b>")
    made = next(one for one in log.events(EventQuery(session_id, (EventKind.MARK,))) if "cat" in one.text)
    assert (made.t_s, made.frame) == (77.0, 1925)
    panel.view.focus_on(panel.view.find_hit(made.id, None))
    qtbot.waitUntil(lambda: panel.focused_mark() is not None, timeout=WAIT_MS)
    QTest.keyClick(panel.view, Qt.Key.Key_F2)
    panel.menu.dialog.setTextValue("a dog")
    panel.menu.dialog.accept()
    shown("look here", "a dog")
    qtbot.waitUntil(lambda: panel.focused_mark() is not None, timeout=WAIT_MS)
    assert panel.focused_mark().text == "a dog"
    QTest.keyClick(panel.view, Qt.Key.Key_Delete)
    shown("look here")
    for texts in (("look here", "a dog"), ("look here", "a <b>cat</b>"), ("look here",)):
        stack.undo()
        shown(*texts)
    for texts in (("look here", "a <b>cat</b>"), ("look here", "a dog"), ("look here",)):
        stack.redo()
        shown(*texts)


def test_other_events_are_not_deleted(panel: EventPanel, log: EventLog, qtbot: Any):
    whole = count(panel)
    for row in range(5):
        panel.view.focus_on(panel.view.find_hit(int(panel.view.data.columns.id[row]), None))
        panel.menu.remove()
    assert log.count(EventQuery(panel.session.id)) == whole


def test_a_mark_needs_a_session_of_what_is_played(panel: EventPanel, log: EventLog, qtbot: Any):
    panel.set_source(("/films/other.mp4",), film=True, duration_s=9.0)
    panel.set_position(1.0, 25, playing=True)
    with qtbot.waitSignal(panel.failed):
        panel.add_mark()
    assert marks_of(log, panel.session.id) == ["look here"]


def test_a_mark_waits_for_its_session_to_be_read(panel: EventPanel, log: EventLog, qtbot: Any):
    street = panel.session.id
    panel.set_position(1.0, 25, playing=True)
    panel.sessions.choose(begin(log, FILM))
    panel.sessions.choose(street)
    assert panel.session is None
    panel.add_mark("while it is read")
    panel.set_position(2.0, 50, playing=True)
    qtbot.waitUntil(lambda: marks_of(log, street) == ["while it is read", "look here"], timeout=WAIT_MS)
    assert log.events(EventQuery(street, kinds=(EventKind.MARK,)))[0].frame == 25
    panel.show_hit(hit_of(999))
    with qtbot.waitSignal(panel.failed, timeout=WAIT_MS) as told:
        panel.add_mark("of nothing")
        assert panel.session is None
    assert told.args[0] == "There is no session to mark."


def test_a_mark_that_cannot_be_kept_is_said(panel: EventPanel, log: EventLog, qtbot: Any, monkeypatch):
    def full(session_id: int, event: LogEvent) -> int:
        raise SinkError("The disk is full.", hint="Make room.")

    monkeypatch.setattr(log, "add_now", full)
    panel.set_position(1.0, 25, playing=False)
    with qtbot.waitSignal(panel.failed, timeout=WAIT_MS) as told:
        panel.add_mark("x")
    assert told.args == ["The disk is full.", "Make room."]
    panel.marks._stack.undo()
    qtbot.waitUntil(lambda: count(panel) == log.count(EventQuery(panel.session.id)), timeout=WAIT_MS)


# Details, stages, followers -----------------------------------------------------------------------------------------


def test_what_the_columns_lack_is_looked_up(panel: EventPanel, qtbot: Any):
    columns = panel.view.data.columns
    row = next(row for row in range(len(columns)) if columns.words("kind", row) == "line_cross")
    panel.view.focus_on(panel.view.find_hit(int(columns.id[row]), None))
    qtbot.waitUntil(lambda: "(in)" in panel.view.accessibleDescription(), timeout=WAIT_MS)


def test_stages_are_shown_for_what_is_played_only(panel: EventPanel):
    stats = Stats(1, 1, 1, 0, 0, 0, 0, 0, Counts(), (StageStats("detect", 9.0, 9.0, 1, 0),))
    for n in range(8):
        panel.set_position(n * 0.25, n, playing=n % 2 == 0)
        panel.show_stats(stats)
    assert len(panel.history) == 4, "a picture that is held has no new time"
    assert any(row.group is Group.LATENCY for row in panel.view.scene.rows)
    panel.set_source(("/films/other.mp4",), film=True, duration_s=9.0)
    assert not any(row.group is Group.LATENCY for row in panel.view.scene.rows)
    assert len(panel.history) == 0


def test_a_track_in_the_timeline_can_be_chosen(panel: EventPanel, qtbot: Any):
    hit = panel.view.find_hit(None, 3)
    assert hit.what is What.TRACK
    panel.view.focus_on(hit)
    assert panel.menu.find_similar()
    qtbot.waitUntil(lambda: bool(panel.search.results.found), timeout=WAIT_MS)
    assert panel.search.results.found[0].hit.track_id % 8 == 3


# What goes wrong ----------------------------------------------------------------------------------------------------


def test_without_a_log_a_sentence_says_why(make_panel: Callable[..., EventPanel]):
    panel = make_panel(None)
    panel.set_log(None, "The event log is damaged.", "Delete it.")
    assert panel.view.empty_text == "The event log is damaged. Delete it."
    assert not panel.search.isEnabled()
    panel.go_to(1, 1.0)
    panel.add_mark()
    assert not panel.menu.find_similar()
    panel.view.go(1, everywhere=True)
    assert not panel.view.grab().isNull()


def test_a_log_that_breaks_is_said(panel: EventPanel, log: EventLog, qtbot: Any, monkeypatch):
    for error in (SinkError("The event log cannot be read.", hint="Restart."), sqlite3.DatabaseError("malformed")):

        def broken(session_id: int, problem: Exception = error) -> None:
            raise problem

        panel.notice.hide()
        monkeypatch.setattr(log, "session", broken)
        panel.feed.refresh()
        qtbot.waitUntil(panel.notice.isVisible, timeout=WAIT_MS)
        assert "cannot be read" in panel.notice.message.text()
    panel.show_problem(SinkError("The disk is full.", hint="Make room."))
    assert panel.notice.hint.text() == "Make room."
    panel.show_problem(None)
    assert not panel.notice.isVisible()


def test_a_closed_log_is_no_end(panel: EventPanel, log: EventLog, qtbot: Any):
    log.close()
    panel.feed.refresh()
    qtbot.waitUntil(panel.notice.isVisible, timeout=WAIT_MS)
    panel.set_log(None)


def test_hostile_names_are_shown_as_they_are(make_panel: Callable[..., EventPanel], log: EventLog, qtbot: Any):
    live = begin(log, source="<img src=x>\n\u202eevil.mp4")
    bad = ["<b>bold</b>", "a\nb", "x" * 3000, "\u202eabc", "قف", "'; DROP TABLE events; --"]
    events, _ = street(5, 20.0)
    log.add(live, [replace(events[0], id=None, label=label, zone=label, t_s=float(n)) for n, label in enumerate(bad)])
    log.flush()
    panel = make_panel(log)
    qtbot.waitUntil(lambda: count(panel) == len(bad), timeout=WAIT_MS)
    texts = [panel.filter.label.itemText(at) for at in range(panel.filter.label.count())]
    texts += [panel.sessions.box.itemText(0), *(row.title for row in panel.view.scene.rows)]
    assert all("\n" not in text and "\u202e" not in text and len(text) < 200 for text in texts)
    assert "<b>bold</b>" in texts
    panel.filter.label.setCurrentIndex(panel.filter.label.findData("a\nb"))
    assert len(panel.view.rows) == 1
    assert not panel.grab().isNull()


def test_only_what_is_new_is_read(log: EventLog):
    session_id = log.sessions()[0].id
    whole = log.columns(session_id)
    known = sorted(whole.id.tolist())[50]
    new = log.columns(session_id, after_id=known)
    assert sorted(new.id.tolist()) == [one for one in sorted(whole.id.tolist()) if one > known]
    assert len(log.columns(session_id, after_id=int(whole.id.max()))) == 0
    assert len(log.columns(session_id + 1, after_id=0)) == 0


def test_the_menu_offers_what_can_be_done(panel: EventPanel, qtbot: Any):
    view, menu = panel.view, panel.menu
    kinds = [view.data.columns.words("kind", row) for row in range(count(panel))]
    for kind, mark, similar in (("mark", True, False), ("appear", False, True), ("scene_change", False, False)):
        view.focus_on(view.find_hit(int(view.data.columns.id[kinds.index(kind)]), None))
        QTest.keyClick(view, Qt.Key.Key_Menu)
        assert menu.events.isVisible()
        assert (menu.remove_action.isVisible(), menu.similar.isVisible()) == (mark, similar)
        menu.events.hide()
    view.focus_on(None)
    QTest.keyClick(view, Qt.Key.Key_Menu)
    assert menu.lanes.isVisible()
    menu.lanes.hide()
    menu.groups[Group.CLASSES].setChecked(False)
    assert Group.CLASSES not in {row.group for row in view.scene.rows}
