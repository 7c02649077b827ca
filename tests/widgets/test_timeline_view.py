"""The timeline under the mouse and the keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip

from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines.events import Counts, StageStats, Stats
from scenescope.pipelines.log.records import TrackRecord
from scenescope.widgets.theme import Theme, ThemeChoice
from scenescope.widgets.timeline_canvas import HEADS_PX
from scenescope.widgets.timeline_data import EventFilter, Group, TimelineData, TrackColumns
from scenescope.widgets.timeline_fakes import columns_of, street
from scenescope.widgets.timeline_hits import Hit, What
from scenescope.widgets.timeline_layout import BAR_PX, PAD_PX
from scenescope.widgets.timeline_paint import RULER_PX
from scenescope.widgets.timeline_stats import StageHistory
from scenescope.widgets.timeline_view import TimelineView

LEFT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
K = Qt.Key
EVENTS = [
    LogEvent(EventKind.APPEAR, 10.0, 250, "car", 1, id=11),
    LogEvent(EventKind.LINE_CROSS, 20.0, 500, "car", 1, line="Gate", direction="in", id=12),
    LogEvent(EventKind.APPEAR, 30.0, 750, "dog", 2, id=13),
    LogEvent(EventKind.MARK, 40.0, 1000, text="look", id=14),
    LogEvent(EventKind.VANISH, 50.0, 1250, "car", 1, id=15),
    LogEvent(EventKind.GAP, 60.0, 1500, end_s=70.0, value=10.0, id=16),
]
TRACKS = [TrackRecord(1, "car", 10.0, 250, 50.0, 1250), TrackRecord(2, "dog", 30.0, 750, 31.0, 775)]
STAGES = (StageStats("detect", 20.0, 25.0, 9, 0),)


@pytest.fixture
def view(qapp: QApplication, qtbot: Any) -> Iterator[TimelineView]:
    made = TimelineView()
    made.resize(HEADS_PX + 800, 400)
    made.show_data(TimelineData(columns_of(EVENTS), TrackColumns.of(TRACKS)))
    with qtbot.waitActive(made):
        made.show()
        made.activateWindow()
    made.setFocus()
    yield made
    QToolTip.hideText()
    made.close()
    made.deleteLater()


def point(view: TimelineView, t_s: float, group: Group, name: str = "", down: float | None = None) -> QPoint:
    """Where a time is in a lane."""
    row = next(row for row in view.scene.rows if row.key == (group, name))
    y = RULER_PX + row.top - view.scene.scroll_px + (row.height / 2 if down is None else down)
    return QPointF(view.x_of(t_s), y).toPoint()


def wheel(view: TimelineView, at: QPointF, dx: int = 0, dy: int = 0, shift: bool = False) -> None:
    held = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    button, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(at, view.mapToGlobal(at), QPoint(), QPoint(dx, dy), button, held, phase, False)
    QApplication.sendEvent(view, event)


def drag(view: TimelineView, start: QPoint, end: QPoint, button: Qt.MouseButton = LEFT) -> None:
    QTest.mousePress(view, button, pos=start)
    for step in (0.4, 0.7, 1.0):
        QTest.mouseMove(view, start + QPoint(round((end - start).x() * step), round((end - start).y() * step)))
    QTest.mouseRelease(view, button, pos=end)


# Mouse --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t_s", "group", "name", "frame"),
    [
        (10.0, Group.CLASSES, "car", 250),
        (20.0, Group.LINES, "Gate", 500),
        (40.0, Group.MARKS, "", 1000),
        (65.0, Group.GAPS, "", 1500),
    ],
)
def test_a_click_on_an_event_goes_to_its_frame(view, qtbot, t_s, group, name, frame):
    with qtbot.waitSignal(view.frame_requested) as told, qtbot.assertNotEmitted(view.time_requested):
        QTest.mouseClick(view, LEFT, pos=point(view, t_s, group, name))
    assert told.args == [frame, frame / 25]
    assert f"frame {frame}" in view.accessibleDescription()


def test_a_click_on_a_track_goes_to_its_first_frame(view, qtbot):
    for at_s, down, frame in ((45.0, PAD_PX + 2, 250), (30.5, PAD_PX + BAR_PX + 2, 750)):
        with qtbot.waitSignal(view.frame_requested) as told:
            QTest.mouseClick(view, LEFT, pos=point(view, at_s, Group.TRACKS, down=down))
        assert told.args[0] == frame
    with qtbot.assertNotEmitted(view.frame_requested), qtbot.waitSignal(view.time_requested):
        QTest.mouseClick(view, LEFT, pos=point(view, 60.0, Group.TRACKS, down=PAD_PX + 2))


def test_a_click_on_nothing_goes_to_its_time(view, qtbot):
    with qtbot.waitSignal(view.time_requested) as told:
        QTest.mouseClick(view, LEFT, pos=point(view, 25.0, Group.MARKS))
    assert told.args[0] == pytest.approx(25.0, abs=0.2)
    with qtbot.waitSignal(view.time_requested) as told:
        QTest.mouseClick(view, LEFT, pos=QPoint(round(view.x_of(33.0)), 5))
    assert told.args[0] == pytest.approx(33.0, abs=0.2)


def test_a_drag_on_the_ruler_selects_in_either_direction(view, qtbot):
    for ends in ((15.0, 45.0), (45.0, 15.0)):
        start, end = (QPoint(round(view.x_of(t)), 8) for t in ends)
        with qtbot.waitSignal(view.range_selected) as told, qtbot.assertNotEmitted(view.time_requested):
            drag(view, start, end)
        assert told.args == pytest.approx([15.0, 45.0], abs=0.2)
        assert view.marks_s == pytest.approx((15.0, 45.0), abs=0.2)


@pytest.mark.parametrize("button", [LEFT, MIDDLE])
def test_a_drag_pans_and_chooses_nothing(view, qtbot, button):
    view.zoom(4, 400)
    before = view.span
    with qtbot.assertNotEmitted(view.frame_requested), qtbot.assertNotEmitted(view.time_requested):
        drag(view, QPoint(HEADS_PX + 400, 200), QPoint(HEADS_PX + 300, 200), button)
    assert view.span.start_s == pytest.approx(before.t(100), abs=0.05)
    assert view.span.length_s == pytest.approx(before.length_s)


def test_the_wheel_zooms_at_the_cursor_and_goes_along_with_shift(view):
    under = view.span.t(200)
    wheel(view, QPointF(HEADS_PX + 200, 100), dy=240)
    assert view.span.t(200) == pytest.approx(under)
    length = view.span.length_s
    assert length < 60
    start = view.span.start_s
    wheel(view, QPointF(HEADS_PX + 200, 100), dy=-120, shift=True)
    assert view.span.start_s == pytest.approx(start + 0.1 * length)
    wheel(view, QPointF(HEADS_PX + 200, 100), dx=120)
    assert view.span.start_s == pytest.approx(start)
    for _ in range(80):
        wheel(view, QPointF(HEADS_PX + 200, 100), dy=-120)
    assert view.span.length_s < 120
    assert view.span.start_s <= 70 <= view.span.end_s + 70


def test_groups_are_opened_and_closed_and_hidden(view, qtbot):
    head = next(row for row in view.scene.rows if row.group is Group.CLASSES)
    with qtbot.waitSignal(view.layout_changed):
        QTest.mouseClick(view, LEFT, pos=QPoint(20, RULER_PX + head.top + 5))
    (row,) = [row for row in view.scene.rows if row.group is Group.CLASSES]
    assert row.closed
    assert len(row.rows) == 3
    view.hide_groups({Group.CLASSES, Group.TRACKS})
    assert {row.group for row in view.scene.rows} == {Group.MARKS, Group.LINES, Group.GAPS}


def test_many_lanes_are_scrolled(view):
    events = [LogEvent(EventKind.APPEAR, n * 0.1, n, f"class {n:04d}", id=n) for n in range(1000)]
    view.show_data(TimelineData(columns_of(events), TrackColumns.of(())))
    assert len(view.scene.seen(view.height())) < 30
    view.show_lane((Group.CLASSES, "class 0999"))
    assert view.scene.seen(view.height() - RULER_PX)[-1].name == "class 0999"
    wheel(view, QPointF(20, 100), dy=120)
    assert view.scene.seen(view.height() - RULER_PX)[-1].name != "class 0999"
    assert not view.grab().isNull()


# Keys ---------------------------------------------------------------------------------------------------------------


def test_keys_go_through_events_and_lanes(view, qtbot):
    QTest.keyClick(view, K.Key_Home)
    assert "car #1 appears" in view.accessibleDescription()
    seen = []
    for _ in range(len(EVENTS)):
        seen.append(int(view.data.columns.id[view.focused.row]))
        QTest.keyClick(view, K.Key_Right)
    assert seen == [11, 12, 13, 14, 15, 16]
    assert not view.go(1)
    QTest.keyClick(view, K.Key_Left)
    assert int(view.data.columns.id[view.focused.row]) == 15
    with qtbot.waitSignal(view.frame_requested) as told:
        QTest.keyClick(view, K.Key_Return)
    assert told.args[0] == 1250
    keys = [None]
    for _ in view.scene.rows:
        QTest.keyClick(view, K.Key_Down)
        keys.append(view.lane)
    assert keys[1:] == [row.key for row in view.scene.rows]
    QTest.keyClick(view, K.Key_Down)
    assert view.lane == keys[-1]
    view.show_lane((Group.CLASSES, "car"))
    QTest.keyClick(view, K.Key_Home)
    QTest.keyClick(view, K.Key_Right)
    assert view.words(view.focused).startswith("car #1 vanishes")
    assert "Lane car" in view.accessibleDescription()
    QTest.keyClick(view, K.Key_Space)
    assert Group.CLASSES in view.collapsed


def test_keys_zoom_and_show_all(view):
    whole = view.span.length_s
    QTest.keyClick(view, K.Key_Plus)
    assert view.span.length_s < whole
    QTest.keyClick(view, K.Key_Minus)
    assert view.span.length_s == pytest.approx(whole)
    QTest.keyClick(view, K.Key_Plus)
    QTest.keyClick(view, K.Key_0)
    assert view.span.length_s == pytest.approx(whole)
    assert view.fits


def test_next_and_previous_start_where_the_film_is(view, qtbot):
    view.set_playhead(25.0)
    for step, frame in ((1, 750), (-1, 500)):
        view.set_playhead(25.0)
        view.focus_on(None)
        with qtbot.waitSignal(view.frame_requested) as told:
            assert view.go(step, everywhere=True)
        assert told.args[0] == frame
    view.focus_on(Hit(What.EVENT, 0))
    view.set_playhead(60.0)
    assert not view.go(1, everywhere=True), "the focused event is elsewhere, and there is none after the film"


def test_events_of_one_moment_are_gone_through_one_by_one(view):
    events = [LogEvent(EventKind.APPEAR, 10.0, 250, "car", n, id=n) for n in range(5)]
    view.show_data(TimelineData(columns_of(events), TrackColumns.of(())))
    view.set_playhead(0.0)
    seen = []
    while view.go(1, everywhere=True):
        seen.append(view.focused.row)
        view.set_playhead(10.0)
    assert seen == [0, 1, 2, 3, 4]


# What is shown ------------------------------------------------------------------------------------------------------


def test_the_focused_event_stays_when_more_come(view):
    view.focus_on(view.find_hit(13, None))
    more = [*EVENTS, LogEvent(EventKind.APPEAR, 5.0, 125, "cat", 9, id=17)]
    view.show_data(TimelineData(columns_of(sorted(more, key=lambda one: one.t_s)), TrackColumns.of(TRACKS)))
    assert int(view.data.columns.id[view.focused.row]) == 13
    view.show_data(TimelineData())
    assert view.focused is None
    assert view.accessibleDescription() == "0 events"


def test_the_view_grows_with_the_session_until_one_looks_closer(view):
    later = LogEvent(EventKind.APPEAR, 500.0, 12500, "cat", 9, id=17)
    view.show_data(TimelineData(columns_of([*EVENTS, later]), TrackColumns.of(TRACKS)))
    assert view.span.end_s > 500
    view.zoom(10, 100)
    span = view.span
    later = LogEvent(EventKind.APPEAR, 900.0, 22500, "cat", 9, id=18)
    view.show_data(TimelineData(columns_of([*EVENTS, later]), TrackColumns.of(TRACKS)))
    assert view.span == span


def test_the_view_follows_the_film_unless_one_looks_elsewhere(view):
    view.zoom(8, 0)
    view.set_playhead(view.span.start_s)
    for n in range(100):
        view.set_playhead(view.playhead_s + 0.1)
        assert view.span.start_s <= view.playhead_s <= view.span.end_s, n
    view.pan(40.0)
    span = view.span
    view.set_playhead(view.playhead_s + 0.1)
    assert view.span == span
    view.follow = False
    view.reveal(view.playhead_s)
    span = view.span
    view.set_playhead(span.end_s + 1)
    assert view.span == span


def test_events_beyond_the_film_and_before_it_are_shown(view):
    events = [LogEvent(EventKind.APPEAR, t, 0, "x", id=n) for n, t in enumerate((-5.0, 10.0, 900.0))]
    view.show_data(TimelineData(columns_of(events), TrackColumns.of(())))
    view.set_limits((0.0, 60.0))
    view.fit()
    assert view.span.start_s < -5
    assert view.span.end_s > 900
    assert view.hit(QPointF(point(view, 900.0, Group.CLASSES, "x"))) is not None
    assert view.hit(QPointF(point(view, -5.0, Group.CLASSES, "x"))) is not None


def test_stages_and_dropped_frames_have_lanes_once_they_are_known(view):
    assert not any(row.group is Group.LATENCY for row in view.scene.rows)
    history = StageHistory()
    for n in range(40):
        history.add(n * 0.25, Stats(1, 1, 1, 0, 0, 0, 0, 0, Counts(superseded=n), STAGES))
    view.set_history(history)
    assert any(row.group is Group.LATENCY for row in view.scene.rows)
    tip_at = point(view, 5.0, Group.LATENCY)
    view.set_filter(EventFilter(label="dog"))
    assert any(row.group is Group.GAPS for row in view.scene.rows)
    assert "detect 20.0 ms" in history.words(view.span.t(tip_at.x() - HEADS_PX))


@pytest.mark.parametrize("choice", [ThemeChoice.LIGHT, ThemeChoice.DARK])
@pytest.mark.parametrize("factor", [1.0, 7.0, 300.0])
def test_every_kind_is_painted_and_told_apart(view, qapp, choice, factor):
    theme = Theme(qapp, choice)
    events, tracks = street(60, 300.0)
    view.show_data(TimelineData(columns_of(events), TrackColumns.of(tracks)))
    view.set_marks(100.0, 200.0)
    view.zoom(factor, 300)
    view.resize(900, 700)
    image = view.grab().toImage().convertToFormat(view.grab().toImage().Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1)
    assert len(np.unique(pixels)) > 20
    theme.close()


@pytest.mark.parametrize("label", ["<b>x</b>", "a\nb", "x" * 10_000, "\u202eabc", "قف", "", "%s{}"])
def test_labels_are_shown_as_they_are(view, label):
    events = [LogEvent(EventKind.APPEAR, 10.0, 250, label, 1, zone="", id=1)]
    view.show_data(TimelineData(columns_of(events), TrackColumns.of([TrackRecord(1, label, 1.0, 1, 2.0, 2)])))
    lane = next(row for row in view.scene.rows if not row.head)
    assert "\n" not in lane.title
    assert len(lane.title) <= 80
    QTest.mouseMove(view, point(view, 10.0, lane.group, lane.name))
    view.focus_on(Hit(What.EVENT, 0))
    assert "\n" not in view.accessibleDescription()
    view._show_tip(view.words(view.focused))
    assert "<b>" not in QToolTip.text()
    assert not view.grab().isNull()


def test_details_are_asked_for_once_and_complete_the_words(view, qtbot):
    mark = view.find_hit(14, None)
    with qtbot.waitSignal(view.details_wanted) as told:
        view.focus_on(mark)
    assert told.args == [14]
    view.set_details(EVENTS[3])
    assert "“look”" in view.accessibleDescription()
    with qtbot.assertNotEmitted(view.details_wanted):
        view.focus_on(mark)
