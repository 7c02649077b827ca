"""The report: whole, escaped, the same every time, and bounded."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import ScenescopeError, SinkError, Tracks
from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.exchange import report_page, report_tally
from scenescope.pipelines.exchange.fakes import logged, make_table
from scenescope.pipelines.exchange.report import ReportSink, cutout, render, report_of_session
from scenescope.pipelines.exchange.report_data import Picture, Plot, PlotRow, ReportData, clock, passages
from scenescope.pipelines.exchange.report_tally import Tally
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.log.records import NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.sinks.jsonl import FoundObject
from scenescope.pipelines.source import SourceInfo

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert('1')</script>\"&{{7*7}}"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks that tags match, and keeps what matters."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data + "\n"

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


class Spotter:
    """Two events a frame, and one at the end."""

    def __init__(self, info: SourceInfo) -> None:
        self.info = info

    def spot(self, frame: Frame) -> list[LogEvent]:
        return [
            LogEvent(EventKind.LINE_CROSS, frame.pts_s, frame.index, HOSTILE, 1, line="Gate", direction="in"),
            LogEvent(EventKind.ZONE_ENTER, frame.pts_s, frame.index, "car", 2, zone=HOSTILE),
        ]

    def finish(self) -> list[LogEvent]:
        return [LogEvent(EventKind.MARK, 0.5, 5, text=HOSTILE)]


def run(path: Path, frames: int = 30, name: str = "film.mp4") -> ReportSink:
    sink = ReportSink(path, PipelineSpec().added("boxes", {"label": HOSTILE}), Spotter)
    sink.open(SourceInfo(name, (320, 180), 10.0, False, detail="H.264"))
    sink.timings.append(("boxes", 1.25))
    sink.warnings.append(HOSTILE)
    for index in range(frames):
        image = np.full((180, 320, 3), 40 + index % 100, np.uint8)
        found = Tracks(
            xyxy=[[10 + index % 50, 20, 60 + index % 50, 90], [200, 50, 260, 150]],
            confidence=[0.5 + index % 40 / 100, 0.8],
            class_id=[0, 1],
            class_names=(HOSTILE, "car"),
            track_id=[1, 2],
        )
        sink.write(sink.prepare(Frame(image, index, index / 10, source=name).with_result("track", found)))
    sink.close()
    return sink


def test_a_run(tmp_path: Path):
    run(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.of("script") == page.of("link") == page.of("iframe") == page.of("a") == []
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in page.of("img"))
    assert len(page.of("img")) == 6 + 2
    assert "http" not in re.sub(r"base64,[^\"]*", "", html).replace("http-equiv", "")
    assert HOSTILE in page.words
    assert "49" not in [line.strip() for line in page.words.splitlines()]
    listed = ("film.mp4", "320 x 180 pixels", "H.264", "Line Gate", "entered", "All 61 events.", "1.2", "2 of 2")
    for words in listed:
        assert words in page.words
    assert len(page.of("path")) == 2 + 3
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_equal_runs_give_equal_pages(tmp_path: Path):
    for name in ("a", "b"):
        run(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nothing_at_all(tmp_path: Path):
    run(tmp_path / "report.html", frames=0)
    assert "No objects." in Page((tmp_path / "report.html").read_text()).words
    Page(render(ReportData("")))


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(report_tally, "MOST_PICTURES_KEPT", 4)
    monkeypatch.setattr(report_tally, "MOST_GALLERY", 3)
    monkeypatch.setattr(report_tally, "MOST_EVENTS", 10)
    tally = Tally(10.0)
    for index in range(20_000):
        track_id = min(index // 10, 50)
        for better in tally.add(index / 10, [FoundObject("t", "car", 0.5, (0, 0, 10, 10), track_id)]):
            tally.keep(better[0], better[1], 0.5, b"picture")
    assert sum(bool(moment.jpeg) for moment in tally.tracks.values()) == 4
    assert len(tally.gallery()) == 3
    assert tally.gallery()[-1].title == "car 50"
    (row,) = tally.presence().rows
    assert 100 < len(row.values) <= report_tally.MOST_SLOTS
    assert set(row.values) == {1.0}
    events = [LogEvent(EventKind.MARK, at, at) for at in range(40)]
    listed, _, plot = report_tally.shown_events(events, (0, 40))
    assert len(listed) == 10
    assert sum(plot.rows[0].values) == 40


def test_counts():
    tally = Tally()
    tally.add(0.0, [FoundObject("t", name, 0.5, (0, 0, 1, 1), i) for i, name in enumerate(("car", "car", "dog"))])
    tally.add(1.0, [FoundObject("t", "car", 0.5, (0, 0, 1, 1), 2), FoundObject("t", "car", 0.5, (0, 0, 1, 1), None)])
    assert [(c.label, c.detections, c.most_at_once, c.tracks) for c in tally.classes()] == [
        ("car", 4, 2, 3),
        ("dog", 1, 1, 0),
    ]
    events = Spotter(SourceInfo("", (2, 2), 1.0, False)).spot(Frame(np.zeros((2, 2, 3), np.uint8))) * 2
    assert [(one.place, one.what, one.count) for one in passages(events)] == [
        ("Line Gate", "in", 2),
        (f"Zone {HOSTILE}", "entered", 2),
    ]


def test_cutouts_follow_the_picture():
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 40:60] = 255
    whole = Frame(image)
    shown = cv2.imdecode(np.frombuffer(cutout(whole, (40, 40, 60, 60)), np.uint8), cv2.IMREAD_COLOR)
    assert shown.mean() > 150
    half = whole.with_image(image[::2, ::2].copy(), np.diag([2.0, 2.0, 1.0]))
    shown = cv2.imdecode(np.frombuffer(cutout(half, (40, 40, 60, 60)), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[:2] == (12, 12)
    assert shown.mean() > 120
    for box in ((200, 200, 300, 300), (5, 5, 5, 5), (float("nan"), 0, 9, 9)):
        assert cutout(whole, box) == b""


@pytest.mark.parametrize(
    ("t_s", "words"), [(0, "0:00.000"), (59.9996, "1:00.000"), (3723.4, "1:02:03.400"), (-1.5, "-0:01.500")]
)
def test_clock(t_s: float, words: str):
    assert clock(t_s) == words


@pytest.mark.parametrize(("start_s", "end_s"), [(0, 0.01), (0, 9.7), (5, 75), (100, 100), (0, 1e6)])
def test_ticks_are_few_and_inside(start_s: float, end_s: float):
    plot = Plot("", "", start_s, max(end_s, start_s + 1e-3), (PlotRow("x", (1.0, 0.0), 1.0),))
    ticks = report_page._ticks(plot)
    assert 1 <= len(ticks) <= 8
    assert all(-1e-6 <= at <= 1 + 1e-6 for at, _ in ticks)


def test_a_missing_library_is_said_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(SinkError, match=r"scenescope\[export\]"):
        ReportSink(tmp_path / "r.html").open(SourceInfo("f", (4, 4), 1.0, False))


def test_an_unwritable_place(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="Cannot write"):
        run(tmp_path / "file" / "r.html", frames=1)


# Sessions --------------------------------------------------------------------------------------------------------


def test_a_session(tmp_path: Path):
    table = make_table(30, names=("car", HOSTILE))
    jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    events = [LogEvent(EventKind.LINE_CROSS, 0.5, 9, "car", 1, line="Gate", direction="out")] * 3
    tracks = [TrackRecord(i, HOSTILE, 0.0, 7, i / 10, 20, 0.8, picture_jpeg=jpeg) for i in range(1, 5)]
    log = EventLog(tmp_path / "log.sqlite")
    session_id = logged(log, table, "/films/street.mp4", PipelineSpec().added("detect").to_yaml(), events, tracks)
    told: list[float] = []
    data = report_of_session(log, session_id, told.append)
    log.close()
    assert data.title == "street.mp4"
    assert sum(one.detections or 0 for one in data.classes) == len(table)
    assert [(one.place, one.what, one.count) for one in data.passages] == [("Line Gate", "out", 3)]
    assert (data.event_count, data.track_count, len(data.gallery)) == (3, 4, 4)
    assert data.warnings == ()
    assert told == sorted(told)
    assert HOSTILE in Page(render(data)).words


def test_a_session_that_was_only_watched(tmp_path: Path):
    log = EventLog(tmp_path / "log.sqlite")
    session_id = log.begin(NewSession(SessionKind.WATCHED, "Desk camera", (64, 48), 30.0))
    log.add(session_id, [], [TrackRecord(1, "cup", 0.0, 0, 1.0, 30)])
    assert log.flush()
    data = report_of_session(log, session_id)
    with pytest.raises(ScenescopeError, match="not in the log"):
        report_of_session(log, 99)
    log.close()
    assert [(one.label, one.detections, one.tracks) for one in data.classes] == [("cup", None, 1)]
    assert "not finished" in data.warnings[0]
    assert "not counted" in Page(render(data)).words


def test_pictures_need_no_title():
    page = Page(render(ReportData("t", samples=(Picture("", "", b"x"),))))
    assert page.of("img")[0]["alt"] == ""


def test_the_events_are_those_of_the_log(tmp_path: Path):
    sink = ReportSink(tmp_path / "report.html")
    sink.open(SourceInfo("film.mp4", (320, 180), 10.0, False))
    image = np.zeros((180, 320, 3), np.uint8)
    for index in range(40):
        boxes = [[10, 20, 60, 90]] if index > 5 else []
        found = Tracks(
            xyxy=boxes, confidence=[0.9] * len(boxes), class_id=[0] * len(boxes), class_names=("car",),
            track_id=[1] * len(boxes),
        )  # fmt: skip
        sink.write(Frame(image, index, index / 10).with_result("track", found))
    sink.close()
    assert "appear" in Page((tmp_path / "report.html").read_text()).words
