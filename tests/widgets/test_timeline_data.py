"""What a timeline shows, without Qt: arrays, filters, lanes, columns of pixels, words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines.events import Counts, StageStats, Stats
from scenescope.pipelines.log.records import TrackRecord
from scenescope.widgets import timeline_raster as raster
from scenescope.widgets.timeline_data import (
    EventFilter,
    Group,
    TimelineData,
    TrackColumns,
    lanes_of,
    merged,
    no_events,
    pack,
    without,
)
from scenescope.widgets.timeline_fakes import columns_of, street
from scenescope.widgets.timeline_layout import arrange, row_at
from scenescope.widgets.timeline_span import Span, ticks
from scenescope.widgets.timeline_stats import MOST, StageHistory
from scenescope.widgets.timeline_words import event_words, one_line, stamp

APPEAR, CROSS, MARK = EventKind.APPEAR, EventKind.LINE_CROSS, EventKind.MARK


@pytest.fixture(scope="module")
def data() -> TimelineData:
    events, tracks = street(40, 120.0)
    return TimelineData(columns_of(events), TrackColumns.of(tracks))


def event(t_s: float, number: int = 1, kind: EventKind = APPEAR, **more: object) -> LogEvent:
    return LogEvent(kind, t_s, round(t_s * 25) if abs(t_s) < 1e9 else 0, id=number, **more)


# Arrays ------------------------------------------------------------------------------------------------------------


def test_parts_put_together_are_the_whole():
    events, _ = street(40, 120.0)
    whole = merged(no_events(), columns_of(events))
    parts = no_events()
    # In the order of their ids, which is not that of their times: so they come from the log.
    by_id = sorted(events, key=lambda one: one.id or 0)
    for start in range(0, len(by_id), 17):
        parts = merged(parts, columns_of(by_id[start : start + 17]))
    assert len(parts) == len(whole) == len(events)
    known = {
        int(whole.id[row]): [whole.words(column, row) for column in ("kind", "label", "zone", "line")]
        for row in range(len(whole))
    }
    for row in range(len(parts)):
        assert known[int(parts.id[row])] == [parts.words(c, row) for c in ("kind", "label", "zone", "line")]
    assert (np.diff(parts.t_s) >= 0).all()


def test_a_row_that_comes_again_takes_the_place_of_the_old():
    old = merged(no_events(), columns_of([event(1.0, 1, label="a"), event(2.0, 2, label="b")]))
    new = merged(old, columns_of([event(0.5, 2, label="c")]))
    assert new.id.tolist() == [2, 1]
    assert new.words("label", 0) == "c"
    assert without(new, [2]).id.tolist() == [1]
    assert without(new, [9]) is new


def test_damaged_times_are_left_out_and_ends_are_never_before_beginnings():
    times = [5.0, math.nan, -3.0, math.inf, 1e300, 1.0]
    columns = merged(no_events(), columns_of([event(t, n, end_s=0.5) for n, t in enumerate(times)]))
    assert columns.t_s.tolist() == [-3.0, 1.0, 5.0]
    assert columns.end_s.tolist() == [0.5, 1.0, 5.0]
    tracks = [TrackRecord(1, "a", 2.0, 50, 1.0, 25), TrackRecord(2, "b", math.nan, 0, 1.0, 25)]
    bars = TrackColumns.of(tracks)
    assert bars.track_id.tolist() == [1]
    assert bars.last_s.tolist() == [2.0]


def test_bars_overlap_only_when_rows_run_out():
    rng = np.random.default_rng(3)
    first = np.sort(rng.uniform(0, 100, 400))
    last = first + rng.exponential(2.0, 400)
    rows = pack(first, last, 400)
    for row in range(rows.max() + 1):
        mine = rows == row
        assert (first[mine][1:] > last[mine][:-1]).all()
    assert pack(first, last, 3).max() == 2
    assert len(pack(first[:0], last[:0], 3)) == 0


def test_nothing_at_all_is_no_lanes():
    empty = TimelineData()
    assert lanes_of(empty, EventFilter()) == ([], pytest.approx([]))
    assert empty.range_s == (0.0, 0.0)


# Lanes and filters --------------------------------------------------------------------------------------------------


def test_every_event_is_in_one_lane(data: TimelineData):
    lanes, rows = lanes_of(data, EventFilter())
    together = np.sort(np.concatenate([lane.rows for lane in lanes]))
    assert together.tolist() == rows.tolist() == list(range(len(data.columns)))
    groups = [lane.group for lane in lanes]
    assert groups == sorted(groups, key=list(Group).index)
    for lane in lanes:
        assert (np.diff(data.columns.t_s[lane.rows]) >= 0).all()
        column = {Group.ZONES: "zone", Group.LINES: "line", Group.CLASSES: "label"}.get(lane.group)
        if column:
            assert {data.columns.words(column, row) for row in lane.rows} <= {lane.name}


@pytest.mark.parametrize(
    ("wanted", "check"),
    [
        (EventFilter(kinds=frozenset({CROSS})), lambda one: one.kind is CROSS),
        (EventFilter(label="car"), lambda one: one.label == "car"),
        (EventFilter(label="no such class"), lambda one: False),
        (EventFilter(zone="Pavement"), lambda one: one.zone == "Pavement"),
        (EventFilter(line="Door"), lambda one: one.line == "Door"),
        (EventFilter(track_id=7), lambda one: one.track_id == 7),
        (EventFilter(ids=frozenset({3, 5})), lambda one: one.id in (3, 5)),
        (EventFilter(range_s=(20.0, 40.0)), lambda one: (one.end_s or one.t_s) >= 20.0 and one.t_s < 40.0),
        (EventFilter(label="car", kinds=frozenset({CROSS})), lambda one: one.kind is CROSS and one.label == "car"),
    ],
)
def test_a_filter_keeps_what_fits(data: TimelineData, wanted: EventFilter, check):
    events, _ = street(40, 120.0)
    _, rows = lanes_of(data, wanted)
    assert sorted(data.columns.id[rows].tolist()) == sorted(one.id for one in events if check(one))


def test_a_thousand_classes_are_a_thousand_lanes_and_one_when_closed():
    events = [event(n * 0.1, n, label=f"class {n:04d}") for n in range(1000)]
    data = TimelineData(columns_of(events), TrackColumns.of(()))
    lanes, _ = lanes_of(data, EventFilter())
    rows = arrange(lanes, data, (), ())
    assert len(rows) == 1001
    assert [row.top for row in rows[1:]] == [row.bottom for row in rows[:-1]]
    for row in (rows[0], rows[500], rows[-1]):
        assert row_at(rows, row.top) is row
        assert row_at(rows, row.bottom - 1) is row
    assert row_at(rows, -1) is None
    assert row_at(rows, rows[-1].bottom) is None
    (closed,) = arrange(lanes, data, {Group.CLASSES}, ())
    assert len(closed.rows) == 1000
    assert arrange(lanes, data, (), {Group.CLASSES}) == []


def test_a_kind_that_this_version_does_not_know_is_shown_all_the_same():
    columns = replace(columns_of([event(1.0, 1, label="x")]))
    columns = replace(columns, names={**columns.names, "kind": ("from the future",)})
    lanes, rows = lanes_of(TimelineData(columns, TrackColumns.of(())), EventFilter())
    assert [lane.name for lane in lanes] == ["x"]
    assert len(rows) == 1


# Columns of pixels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", [Span(-5, 105, 700), Span(20.0, 20.5, 700), Span(300, 400, 64), Span(0, 1, 1)])
def test_columns_hold_what_falls_on_them(span: Span):
    rng = np.random.default_rng(5)
    first = np.sort(rng.uniform(0, 100, 3000))
    last = first + rng.exponential(1.0, 3000)
    left, right = span.edges_s[:-1, None], span.edges_s[1:, None]
    assert raster.density(first, span).tolist() == ((first >= left) & (first < right)).sum(axis=1).tolist()
    covers = ((first < right) & (last >= left)).sum(axis=1)
    assert raster.coverage(first, np.sort(last), span).tolist() == covers.tolist()
    alone, crowd = raster.split(first, span, 6.0, 10.0)
    away = np.diff(np.concatenate(([-np.inf], first, [np.inf])))
    near = np.minimum(away[:-1], away[1:]) * span.px_per_s
    x = (first - span.start_s) * span.px_per_s
    shown = (x >= -10) & (x < span.width_px + 10)
    assert sorted(alone.tolist()) == np.flatnonzero((near >= 6.0) & shown).tolist()
    inside = (first >= span.edges_s[0]) & (first < span.edges_s[-1])
    assert crowd.sum() + np.isin(alone, np.flatnonzero(inside)).sum() == inside.sum()


def test_more_events_are_stronger_and_one_can_be_seen():
    shares = raster.strength(np.array([0, 1, 2, 10, 40, 100_000]))
    assert shares[0] == 0
    assert shares[1] >= 0.5
    assert shares[-1] == shares[-2] == 1
    assert (np.diff(shares) >= 0).all()


def test_colours_are_mixed_channel_by_channel():
    block = np.full((3, 4), raster.packed((10, 200, 30)), np.uint32)
    raster.tint(block, np.array([0.0, 0.5, 1.0, 0.25], np.float32), (210, 0, 130))
    channels = [((value >> 16) & 255, (value >> 8) & 255, value & 255) for value in block[2].tolist()]
    assert channels[0] == (10, 200, 30)
    assert channels[2] == (210, 0, 130)
    assert channels[1] == pytest.approx((110, 100, 80), abs=1)
    assert channels[3] == pytest.approx((60, 150, 55), abs=1)
    assert (block >> 24 == 255).all()


@pytest.mark.parametrize(
    ("places", "x", "found"),
    [([], 5, None), ([1.0, 9.0], 4, 0), ([1.0, 9.0], 6, 1), ([1.0, 9.0], 30, None), ([5.0], 5, 0)],
)
def test_the_nearest_place_is_found(places, x, found):
    assert raster.near(np.array(places), x, 7.0) == found


# Time ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length_s", [0.005, 0.03, 0.7, 8, 61, 600, 5_000, 90_000, 3e6, 9e9])
def test_labels_of_the_ruler_do_not_touch_and_say_different_times(length_s):
    span = Span(3.0, 3.0 + length_s, 900)
    marks = [tick for tick in ticks(span, 90) if tick.label]
    places = np.array([span.x(tick.t_s) for tick in marks])
    assert 2 <= len(marks) <= 11
    assert (np.diff(places) >= 89.9).all()
    assert len({tick.label for tick in marks}) == len(marks)


def test_zooming_keeps_the_time_under_the_cursor():
    span = Span(10.0, 70.0, 600)
    closer = span.zoomed(2.0, 200.0, 100.0)
    assert closer.t(200.0) == pytest.approx(span.t(200.0))
    assert closer.length_s == pytest.approx(30.0)
    assert span.zoomed(1e-9, 200.0, 100.0).length_s == pytest.approx(100.0)
    assert span.zoomed(1e12, 200.0, 100.0).length_s == pytest.approx(0.005)


def test_a_history_grows_no_further_and_loses_no_dropped_frame():
    history = StageHistory()
    for n in range(MOST + 1000):
        stages = (StageStats("detect", 5.0, 6.0, n + 1, 0), StageStats("slow", 90.0, 99.0, 1, 0, age_ms=3.0))
        history.add(n * 0.25, Stats(1, 1, 1, 0, 0, 0, 0, 0, Counts(superseded=3 * n), stages))
    assert len(history) <= MOST
    t_s, total_ms, dropped = history.arrays
    assert (np.diff(t_s) > 0).all()
    assert set(total_ms.tolist()) == {5.0}, "what runs beside the pipeline holds no frame up"
    assert dropped.sum() == history.dropped == 3 * (MOST + 999)
    assert "detect 5.0 ms" in history.words(1000.0)
    assert history.words(-50.0) == ""


def test_another_source_is_no_drop():
    history = StageHistory()
    for dropped in (0, 50, 2):
        history.add(1.0, Stats(1, 1, 1, 0, 0, 0, 0, 0, Counts(superseded=dropped)))
    assert history.dropped == 50


# Words --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\r\nlines\tand\x00nothing", "two lines and nothing"),
        ("\u202eevil\u2066", "evil"),
        ("x" * 200, "x" * 79 + "…"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("قف", "قف"),
        ("\u2028\u2029", ""),
    ],
)
def test_foreign_text_is_one_harmless_line(text, shown):
    assert one_line(text) == shown


def test_a_huge_text_takes_no_time():
    assert len(one_line("a\n" * 1_000_000)) == 80


@pytest.mark.parametrize(
    ("t_s", "words"),
    [(3.25, "0:03.25"), (-1.0, "-0:01.00"), (3723.4, "1:02:03.40"), (59.999, "1:00.00"), (math.nan, "no time")],
)
def test_times_are_written_for_people(t_s, words):
    assert stamp(t_s) == words


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (event(1.0, label="car", track_id=4), "car #4 appears at 0:01.00, frame 25"),
        (event(1.0, kind=CROSS, label="car", line="Gate", direction="in"), "car crosses line Gate (in) at 0:01.00"),
        (event(1.0, kind=EventKind.DWELL, label="dog", zone="Lawn", value=5.0), "dog stays in Lawn for 5.0 s"),
        (event(1.0, kind=EventKind.SPEED, value=math.nan), "object is fast at 0:01.00"),
        (event(1.0, kind=MARK, text="look\nhere"), "Mark “look here” at 0:01.00"),
        (event(1.0, kind=EventKind.GAP, value=2.0), "Nothing was analysed for 2.0 s"),
    ],
)
def test_an_event_is_a_sentence(one, words):
    assert event_words(one).startswith(words)
