"""LogSink and EventsJsonl: what the sinks of the event log write, live and from files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scenescope.models import EventKind, ModelMissing, SinkError
from scenescope.models.budget import ThreadBudget
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.pipelines.log import writer
from scenescope.pipelines.log.fakes import CAMERA, DOG, FILE, PERSON, Telling, event, frame, rows_of, said
from scenescope.pipelines.log.records import EventQuery, SessionKind
from scenescope.pipelines.sinks.event_log import LogSink, WatchedSource
from scenescope.pipelines.sinks.events_jsonl import EventsJsonl, event_line


class Clocks:
    """The two clocks of a computer; the one on the wall can be set."""

    def __init__(self) -> None:
        self.offset_s = 1.7e9
        self.now_s = 0.0

    def wall(self) -> float:
        return self.now_s + self.offset_s

    def monotonic(self) -> float:
        return self.now_s


def run(sink, frames, info=FILE):
    sink.open(info)
    for one in frames:
        sink.write(sink.prepare(one))
    sink.close()


def scene(*rows, start=0):
    return [frame(start + index, rows_of(row)) for index, row in enumerate(rows)]


class TestSession:
    def test_of_a_file(self, log):
        about = WatchedSource("/films/clip.mp4", "abc", "stages: []")
        run(LogSink(log, lambda: about), scene(*[(PERSON,)] * 20, *[()] * 20))
        assert log.flush()
        (session,) = log.sessions()
        assert (session.kind, session.source, session.fingerprint) == (SessionKind.WATCHED, "/films/clip.mp4", "abc")
        assert (session.pipeline, session.size_wh, session.rate_hz) == ("stages: []", (120, 90), 10)
        assert (session.complete, session.frames, session.last_s) == (True, 40, 3.9)
        events = log.events(EventQuery(session.id))
        assert said(events) == [("appear", 0.0, "person"), ("vanish", 1.9, "person")]
        assert {one.wall_s for one in events} == {None}
        (track,) = log.tracks(session.id)
        assert (track.track_id, track.label, track.first_s, track.last_s) == (1, "person", 0.0, 1.9)
        assert log.track(session.id, 1).picture_jpeg.startswith(b"\xff\xd8")

    def test_of_a_camera_with_the_time_of_day_even_when_the_clock_is_set(self, log):
        clocks = Clocks()
        sink = LogSink(log, wall_clock=clocks.wall, monotonic=clocks.monotonic)
        sink.open(CAMERA)
        for index in range(80):
            if index == 40:
                clocks.offset_s -= 3600
            # Pictures take 0.2 s through the pipeline; the camera was opened at 5 s.
            clocks.now_s = 5.0 + index / 10 + 0.2
            rows = (PERSON,) * (index < 20) + (DOG,) * (index >= 50)
            sink.write(frame(index, rows_of(rows), captured_s=5.0 + index / 10))
        sink.close()
        assert log.flush()
        (session,) = log.sessions()
        assert (session.kind, session.source, session.began_wall_s) == (SessionKind.LIVE, "camera", 1.7e9 + 5.2)
        events = log.events(EventQuery(session.id))
        assert said(events) == [("appear", 0.0, "person"), ("vanish", 1.9, "person"), ("appear", 5.0, "dog")]
        assert [one.wall_s - 1.7e9 for one in events] == pytest.approx([5.0, 6.9, 10.0 - 3600])
        early = EventQuery(session.id, wall_start_s=1.7e9 - 3600, wall_end_s=1.7e9)
        assert said(log.events(early)) == [("appear", 5.0, "dog")]

    def test_a_pause_of_the_player_is_no_event(self, log):
        frames = scene(*[(PERSON,)] * 20)
        run(LogSink(log), [*frames, *[frames[-1]] * 30, *scene(*[(PERSON,)] * 20, start=20)])
        assert log.flush()
        assert said(log.events(EventQuery())) == [("appear", 0.0, "person")]

    def test_watching_a_part_again_adds_nothing(self, log):
        rows = [*[(PERSON,)] * 30, *[()] * 30, *[(DOG,)] * 40]
        run(LogSink(log), [*scene(*rows[:80]), *scene(*rows[10:], start=10), *scene(*rows)])
        assert log.flush()
        (session,) = log.sessions()
        assert said(log.events(EventQuery())) == [
            ("appear", 0.0, "person"),
            ("vanish", 2.9, "person"),
            ("appear", 6.0, "dog"),
        ]
        assert session.frames == 100

    def test_each_source_is_a_session_and_one_without_frames_is_none(self, log):
        sink = LogSink(log)
        for info in (FILE, CAMERA, FILE):
            run(sink, scene(*[(PERSON,)] * 8) if info is not CAMERA else [], info)
        assert log.flush()
        assert [session.kind for session in log.sessions()] == [SessionKind.WATCHED] * 2

    def test_switched_off_for_a_while_there_is_a_gap(self, log):
        sink = LogSink(log)
        sink.open(CAMERA)
        for one in scene(*[(PERSON,)] * 100):
            sink.enabled = not 20 <= one.index < 60
            sink.write(one)
        sink.close()
        assert log.flush()
        events = log.events(EventQuery())
        assert said(events) == [("appear", 0.0, "person"), ("gap", 1.9, "")]
        assert events[1].end_s == 6.0

    def test_off_from_the_beginning_there_is_nothing(self, log):
        sink = LogSink(log)
        sink.enabled = False
        run(sink, scene(*[(PERSON,)] * 30))
        assert log.flush()
        assert log.sessions() == []

    def test_without_pictures(self, log):
        run(LogSink(log, pictures=False), scene(*[(PERSON,)] * 30))
        assert log.flush()
        assert log.track(log.sessions()[0].id, 1).picture_jpeg == b""

    def test_embeddings_and_a_network_that_fails(self, log):
        run(LogSink(log, embed=lambda pictures: np.eye(3, dtype=np.float32)[: len(pictures)]), scene(*[(DOG,)] * 30))
        assert log.flush()
        number = log.sessions()[0].id
        assert log.track(number, 2).embedding.tolist() == [1, 0, 0]
        assert [hit.track_id for hit in log.similar(np.array([1, 0, 0]))] == [2]

        def broken(pictures):
            raise ModelMissing("The weights are gone.")

        sink = LogSink(log, embed=broken)
        run(sink, scene(*[(DOG,)] * 60))
        assert log.flush()
        assert str(sink.embed_problem) == "The weights are gone."
        assert log.track(log.sessions()[0].id, 2).embedding is None
        assert log.track(log.sessions()[0].id, 2).picture_jpeg

    def test_while_the_log_cannot_be_written_events_wait_in_memory(self, make, monkeypatch):
        monkeypatch.setattr(writer, "RETRY_S", 0.02)
        real, opened = writer.open_file, []

        def read_only(*args):
            connection, notice = real(*args)
            connection.execute("PRAGMA query_only = ON")
            opened.append(connection)
            return connection, notice

        log = make()
        monkeypatch.setattr(writer, "open_file", read_only)
        log._writer._changes.connection.execute("PRAGMA query_only = ON")
        clocks = Clocks()
        sink = LogSink(log, monotonic=clocks.monotonic)
        sink.open(CAMERA)
        for one in scene(*[(PERSON,)] * 20, *[()] * 20):
            clocks.now_s = one.pts_s
            sink.write(one)
        assert sink.session_id is None
        assert "cannot be written" in str(log.problem)
        monkeypatch.setattr(writer, "open_file", real)
        for one in scene(*[()] * 60, start=40):
            clocks.now_s = one.pts_s
            sink.write(one)
        sink.close()
        assert log.flush()
        assert said(log.events(EventQuery())) == [("appear", 0.0, "person"), ("vanish", 1.9, "person")]
        assert log.problem is None

    def test_a_closed_log_stops_the_sink_with_a_sentence(self, make):
        log = make()
        sink = LogSink(log)
        sink.open(FILE)
        log.close()
        with pytest.raises(SinkError, match="closed"):
            sink.write(frame(0, rows_of((PERSON,))))

    def test_a_sink_that_was_never_opened_can_be_closed(self, log):
        LogSink(log).close()


def test_in_an_engine_both_say_the_same(log, tmp_path):
    sinks = [LogSink(log), EventsJsonl(tmp_path / "events.jsonl")]
    spec = PipelineSpec().added("boxes")
    engine = Engine(spec, sinks=sinks, registry=fake_registry(), budget=ThreadBudget(2, 1))
    engine.start(FakeSource(count=60))
    assert engine.wait(30)
    assert engine.stop(10)
    assert log.flush()
    (session,) = log.sessions()
    assert (session.complete, session.frames, session.source) == (True, 60, "fake")
    events = log.events(EventQuery(session.id))
    assert said(events) == [("appear", 0.0, "person")]
    assert sinks[1].path.read_bytes() == b"".join(map(event_line, events))


class TestEventsJsonl:
    FRAMES = scene(*[(PERSON,)] * 20, *[(PERSON, DOG)] * 20, *[(DOG,)] * 40, *[()] * 40)

    def test_lines_are_exact_and_by_time(self, tmp_path):
        sink = EventsJsonl(tmp_path / "new" / "events.jsonl")
        run(sink, self.FRAMES)
        text = sink.path.read_text()
        assert text.splitlines()[0] == (
            '{"t_s":0.0,"type":"appear","label":"person","track_id":1,"zone":"","line":"","direction":"","frame":0}'
        )
        lines = [json.loads(line) for line in text.splitlines()]
        assert [(line["type"], line["t_s"], line["label"], line["frame"]) for line in lines] == [
            ("appear", 0.0, "person", 0),
            ("appear", 2.0, "dog", 20),
            ("vanish", 3.9, "person", 39),
            ("vanish", 7.9, "dog", 79),
        ]
        assert sink.lines == 4

    def test_equal_frames_give_equal_bytes(self, tmp_path):
        for name in ("a", "b"):
            run(EventsJsonl(tmp_path / name), self.FRAMES)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != b""

    @pytest.mark.parametrize(
        ("one", "more"),
        [
            (event(EventKind.TEXT, 1.0, text='a "b" 出口'), ',"text":"a \\"b\\" 出口"'),
            (event(EventKind.SPEED, 1.0, "car", value=1 / 3), ',"value":0.3333'),
            (event(EventKind.APPEAR, 1.0, "car", track_id=None), ""),
        ],
    )
    def test_more_keys_only_where_there_is_more(self, one, more):
        line = event_line(one).decode()
        head = f'{{"t_s":1.0,"type":"{one.kind.value}","label":"{one.label}","track_id":null,"zone":"","line":"",'
        assert line == f'{head}"direction":"","frame":10{more}}}\n'

    def test_an_event_that_is_told_late_still_comes_in_its_place(self, tmp_path):
        sink = EventsJsonl(tmp_path / "events.jsonl")
        late = Telling((event(EventKind.ZONE_LEAVE, 4.0, "dog", zone="Door"),))
        frames = [one.with_result("zones", late if one.index == 65 else Telling()) for one in self.FRAMES]
        run(sink, frames)
        times = [json.loads(line)["t_s"] for line in sink.path.read_text().splitlines()]
        assert times == [0.0, 2.0, 3.9, 4.0, 7.9]

    def test_lines_are_written_as_soon_as_they_are_sure(self, tmp_path):
        sink = EventsJsonl(tmp_path / "events.jsonl")
        sink.open(FILE)
        for one in self.FRAMES[:32]:
            sink.write(one)
        assert len(sink.path.read_bytes().splitlines()) == 1
        sink.close()

    def test_where_no_file_can_be(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(SinkError, match="Cannot write") as caught:
            EventsJsonl(tmp_path / "file" / "events.jsonl").open(FILE)
        assert "folder" in caught.value.hint

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
    def test_a_full_disk_is_said(self, tmp_path):
        (tmp_path / "events.jsonl").symlink_to("/dev/full")
        with pytest.raises(SinkError, match="No space left"):
            run(EventsJsonl(tmp_path / "events.jsonl"), self.FRAMES)

    @pytest.mark.slow
    def test_a_killed_process_leaves_whole_lines(self, tmp_path):
        path = tmp_path / "events.jsonl"
        code = """
import os, sys
from pathlib import Path
from scenescope.pipelines.log.fakes import FILE, PERSON, frame, rows_of
from scenescope.pipelines.sinks.events_jsonl import EventsJsonl
sink = EventsJsonl(Path(sys.argv[1]))
sink.open(FILE)
for index in range(1000):
    sink.write(frame(index, rows_of((PERSON,) if index % 40 < 20 else ())))
os.kill(os.getpid(), 9)
"""
        subprocess.run([sys.executable, "-c", code, str(path)], check=False)
        text = path.read_text()
        assert text.endswith("\n")
        assert len([json.loads(line) for line in text.splitlines()]) >= 44
