"""EventLog: what is put in comes out, exactly and only where it is asked for."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

import numpy as np
import pytest

from scenescope.models import EventKind, LogEvent, SinkError
from scenescope.pipelines.log import queries
from scenescope.pipelines.log.fakes import LIVE, WATCHED, event
from scenescope.pipelines.log.records import EventQuery, FrameRecord, NewSession, SessionKind, TrackRecord

APPEAR, VANISH, CROSS = EventKind.APPEAR, EventKind.VANISH, EventKind.LINE_CROSS
FULL = LogEvent(
    EventKind.DWELL, 1.1, 33, "person", 7, "Door", "Gate", "in", "a note", 2.5, (1.5, 2.0, 30.25, 40.0), 3.2, 1.7e9
)
TRACK = TrackRecord(7, "person", 1.0, 30, 2.0, 60, 0.9, 45, 1.5, (1.0, 2.0, 3.0, 4.0), b"\xff\xd8picture")


class TestSessions:
    def test_a_session_comes_back_as_it_was_begun(self, log):
        new = NewSession(
            SessionKind.ANALYSIS, "clip.mp4", (640, 480), 29.97, "abc", "stages: []", 1.5, 9.0, 1.7e9, "Evening"
        )
        number = log.begin(new)
        session = log.session(number)
        assert {name: getattr(session, name) for name in new.__dict__} == new.__dict__
        assert (session.id, session.complete, session.ended_wall_s, session.frames) == (number, False, None, 0)

    def test_progress_and_end(self, log):
        number = log.begin(WATCHED)
        log.progress(number, 120, 4.0)
        log.end(number, complete=True)
        assert log.flush()
        session = log.session(number)
        assert (session.frames, session.last_s, session.complete) == (120, 4.0, True)
        assert session.ended_wall_s >= session.began_wall_s > 1.6e9

    def test_the_newest_first_and_by_source_or_content(self, log):
        numbers = [
            log.begin(replace(WATCHED, source=source, fingerprint=content, began_wall_s=began))
            for source, content, began in (("a", "1", 10.0), ("b", "2", 30.0), ("a", "2", 20.0))
        ]
        assert [session.id for session in log.sessions()] == [numbers[1], numbers[2], numbers[0]]
        assert [session.id for session in log.sessions(source="a")] == [numbers[2], numbers[0]]
        assert [session.id for session in log.sessions(fingerprint="2")] == [numbers[1], numbers[2]]
        assert log.sessions(source="a", fingerprint="3") == []
        assert log.session(99) is None


class TestEvents:
    def test_an_event_comes_back_to_the_last_bit(self, log):
        number = log.begin(WATCHED)
        log.add(number, [FULL, LogEvent(APPEAR, 0.1 + 0.2, 3)])
        assert log.flush()
        bare, full = log.events(EventQuery(number))
        assert replace(full, id=None, session_id=None) == FULL
        assert replace(bare, id=None, session_id=None) == LogEvent(APPEAR, 0.1 + 0.2, 3)
        assert full.session_id == number

    def test_a_query_takes_the_start_and_leaves_the_end(self, log):
        number = log.begin(WATCHED)
        times = [0.0, 1 / 3, 1.0, 64.0, 64.5, 4096.0, 5000.1]
        log.add(number, [event(APPEAR, t_s, "person", track_id=1) for t_s in times])
        assert log.flush()
        for start_s in (None, *times):
            for end_s in (None, *times):
                query = EventQuery(number, start_s=start_s, end_s=end_s)
                wanted = [t for t in times if (start_s is None or t >= start_s) and (end_s is None or t < end_s)]
                assert [one.t_s for one in log.events(query)] == wanted
                assert log.count(query) == len(wanted)

    def test_unix_times_of_a_camera_whose_clock_is_set_back(self, log):
        number = log.begin(LIVE)
        walls = [1000.0, 1010.0, 1005.0, 1015.0]  # At 20 s of media time the clock goes back.
        log.add(number, [event(APPEAR, 10.0 * n, wall_s=wall) for n, wall in enumerate(walls)])
        assert log.flush()
        query = EventQuery(number, wall_start_s=1005.0, wall_end_s=1015.0)
        assert [one.t_s for one in log.events(query)] == [10.0, 20.0]
        assert log.count(query) == 2

    @pytest.mark.parametrize(
        ("query", "wanted"),
        [
            (EventQuery(), [0, 1, 2, 3, 4]),
            (EventQuery(kinds=(APPEAR, CROSS)), [0, 1, 3, 4]),
            (EventQuery(labels=("dog",)), [1, 2]),
            (EventQuery(zones=("Door",)), [4]),
            (EventQuery(lines=("Gate",)), [3]),
            (EventQuery(directions=("in",)), [3]),
            (EventQuery(track_ids=(2, 3)), [1, 2, 3]),
            (EventQuery(kinds=(APPEAR,), labels=("dog", "person")), [0, 1]),
            (EventQuery(text="gate"), [3]),
            (EventQuery(labels=("cat",)), []),
            (EventQuery(track_ids=tuple(range(100_000))), [0, 1, 2, 3]),
            (EventQuery(limit=2), [0, 1]),
            (EventQuery(limit=2, newest_first=True), [4, 3]),
            (EventQuery(labels=("person",), limit=0), []),
        ],
    )
    def test_conditions(self, log, query, wanted):
        number = log.begin(WATCHED)
        events = [
            event(APPEAR, 0.0, "person", track_id=1),
            event(APPEAR, 1.0, "dog", track_id=2),
            event(VANISH, 2.0, "dog", track_id=2),
            event(CROSS, 3.0, "person", track_id=3, line="Gate", direction="in"),
            event(APPEAR, 4.0, zone="Door"),
        ]
        log.add(number, events)
        assert log.flush()
        found = log.events(replace(query, session_id=number))
        assert [round(one.t_s) for one in found] == wanted
        if query.limit is None:
            assert log.count(query) == log.count(replace(query, session_id=number)) == len(wanted)

    def test_a_few_of_many_are_the_right_ones(self, log):
        number = log.begin(WATCHED)
        log.add(number, [event(APPEAR, n / 7, ("dog", "cup")[n % 2]) for n in range(2000)])
        assert log.flush()
        newest = log.events(EventQuery(number, labels=("dog",), newest_first=True, limit=3))
        assert [one.t_s for one in newest] == [1998 / 7, 1996 / 7, 1994 / 7]

    def test_distinct_objects(self, log):
        first, second = log.begin(WATCHED), log.begin(WATCHED)
        for number in (first, second):
            log.add(number, [event(CROSS, t / 2, "car", track_id=t % 3, line="Gate") for t in range(30)])
            log.add(number, [event(CROSS, 50.0, "car", line="Gate")])
        assert log.flush()
        assert log.count(EventQuery(first, lines=("Gate",))) == 31
        assert log.count(EventQuery(first, lines=("Gate",)), distinct_tracks=True) == 3
        assert log.count(EventQuery(lines=("Gate",)), distinct_tracks=True) == 6

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
    def test_an_event_without_a_time_is_refused(self, log, bad):
        number = log.begin(WATCHED)
        with pytest.raises(ValueError, match="no place in time"):
            log.add(number, [LogEvent(APPEAR, bad, 0)])

    def test_a_measure_that_is_no_number_is_none(self, log):
        number = log.begin(WATCHED)
        log.add(number, [LogEvent(APPEAR, 1.0, 0, value=float("nan"), xyxy=(0.0, float("nan"), 1.0, 1.0))])
        assert log.flush()
        (one,) = log.events(EventQuery(number))
        assert (one.value, one.xyxy) == (None, None)

    def test_numpy_numbers_are_numbers(self, log):
        number = log.begin(WATCHED)
        box = tuple(np.array([1, 2, 3, 4], np.float32))
        log.add(number, [LogEvent(APPEAR, np.float32(0.5), np.int64(3), track_id=np.int64(9), xyxy=box)])
        assert log.flush()
        (one,) = log.events(EventQuery(number, track_ids=(9,)))
        assert (one.t_s, one.frame, one.xyxy) == (0.5, 3, (1.0, 2.0, 3.0, 4.0))

    def test_one_bad_record_takes_no_others_along(self, log, capsys):
        number = log.begin(WATCHED)
        log.add(number, [event(APPEAR, 1.0)])
        log.add(number, [LogEvent(APPEAR, 2.0, 2**70)])
        log.add(number, [event(APPEAR, 3.0)])
        assert log.flush()
        assert [one.t_s for one in log.events(EventQuery(number))] == [1.0, 3.0]
        assert log.dropped == 1
        assert log.problem is None
        assert "OverflowError" in capsys.readouterr().err

    def test_columns_say_the_same_as_events(self, log):
        number = log.begin(WATCHED)
        events = [FULL, event(VANISH, 9.0, "dog", track_id=4), event(APPEAR, 0.5, "person"), event(APPEAR, 0.5, "cup")]
        log.add(number, events)
        assert log.flush()
        columns, events = log.columns(number), log.events(EventQuery(number))
        assert columns.id.tolist() == [one.id for one in events]
        assert columns.t_s.tolist() == [one.t_s for one in events]
        assert columns.end_s.tolist() == [one.t_s if one.end_s is None else one.end_s for one in events]
        assert columns.frame.tolist() == [one.frame for one in events]
        assert columns.track_id.tolist() == [-1 if one.track_id is None else one.track_id for one in events]
        for name in ("kind", "label", "zone", "line"):
            assert [columns.words(name, row) for row in range(len(columns))] == [getattr(one, name) for one in events]
        assert len(log.columns(number, kinds=(VANISH,))) == 1
        assert len(log.columns(99)) == 0


class TestMarks:
    def test_a_mark_is_added_removed_and_restored(self, log):
        number = log.begin(WATCHED)
        mark = event(EventKind.MARK, 2.0, text="look here")
        mark_id = log.add_now(number, mark)
        (stored,) = log.events(EventQuery(number))
        assert stored == replace(mark, id=mark_id, session_id=number)
        log.remove_event(mark_id)
        assert log.flush()
        assert (log.events(EventQuery(number)), log.count(EventQuery(number))) == ([], 0)
        log.restore(stored)
        log.restore(stored)
        assert log.flush()
        assert log.events(EventQuery(number)) == [stored]
        assert log.count(EventQuery(number)) == 1
        assert log.add_now(99, mark) == 0

    def test_a_retracted_event_is_found_by_what_it_says(self, log):
        number = log.begin(WATCHED)
        twice = event(APPEAR, 1.0, "dog", track_id=2)
        log.add(number, [twice, twice, event(APPEAR, 1.0, "dog", track_id=3)])
        log.retract(number, [twice, event(APPEAR, 2.0, "dog", track_id=2)])
        assert log.flush()
        assert [one.track_id for one in log.events(EventQuery(number))] == [2, 3]
        assert log.count(EventQuery(number)) == 2


class TestTracksAndFrames:
    def test_a_track_comes_back_and_a_later_one_takes_its_place(self, log):
        number = log.begin(WATCHED)
        embedding = np.array([0.6, 0.8], np.float32)
        log.add(number, tracks=[TRACK, replace(TRACK, track_id=8, label="dog", first_s=0.5)])
        log.add(number, tracks=[replace(TRACK, last_s=5.0, embedding=embedding)])
        assert log.flush()
        listed = log.tracks(number)
        assert [(track.track_id, track.last_s, track.picture_jpeg) for track in listed] == [
            (8, 2.0, b""),
            (7, 5.0, b""),
        ]
        assert [track.track_id for track in log.tracks(number, labels=("dog",))] == [8]
        whole = log.track(number, 7)
        assert whole == replace(TRACK, last_s=5.0, session_id=number)
        np.testing.assert_array_equal(whole.embedding, embedding)
        assert log.track(number, 1) is None

    def test_frames_come_by_number_from_start_to_before_end(self, log):
        number = log.begin(replace(WATCHED, kind=SessionKind.ANALYSIS))
        records = [FrameRecord(index, index / 30, bytes([index % 256]) * 10) for index in range(300)]
        shuffled = records.copy()
        random.Random(1).shuffle(shuffled)
        log.add(number, frames=shuffled)
        assert log.flush()
        assert list(log.frames(number)) == records
        assert list(log.frames(number, 10, 200)) == records[10:200]
        assert list(log.frames(number, 299, 299)) == []
        assert log.frame(number, 42) == records[42]
        assert log.frame(number, 300) is None
        assert log.frame_numbers(number).tolist() == list(range(300))
        assert log.frame_numbers(number).dtype == np.int64

    def test_a_reader_who_stops_half_way_holds_nothing_up(self, log):
        number = log.begin(WATCHED)
        log.add(number, frames=[FrameRecord(index, 0.0, b"x") for index in range(1000)])
        assert log.flush()
        some = log.frames(number)
        next(some)
        log.delete_session(number)
        assert log.flush()
        assert len(list(some)) == queries.FRAMES_AT_ONCE - 1

    def test_similar_tracks_come_first(self, log):
        number, other = log.begin(WATCHED), log.begin(WATCHED)
        angles = {1: 0.0, 2: 0.3, 3: 1.5}
        for track_id, angle in angles.items():
            embedding = np.array([np.cos(angle), np.sin(angle)], np.float32)
            log.add(number, tracks=[replace(TRACK, track_id=track_id, embedding=embedding)])
        log.add(other, tracks=[replace(TRACK, track_id=9, embedding=np.array([0.0, 1.0], np.float32))])
        log.add(other, tracks=[replace(TRACK, track_id=10, embedding=np.ones(3, np.float32)), TRACK])
        assert log.flush()
        wanted = np.array([2.0, 0.0], np.float32)
        found = log.similar(wanted, number)
        assert [(hit.track_id, round(hit.score, 3)) for hit in found] == [(1, 1.0), (2, 0.955), (3, 0.071)]
        assert (found[0].t_s, found[0].frame, found[0].label) == (1.5, 45, "person")
        assert [hit.track_id for hit in log.similar(wanted, limit=2)] == [1, 2]
        assert [hit.track_id for hit in log.similar(np.array([0.0, 1.0]), limit=1)] == [9]
        log.add(number, tracks=[replace(TRACK, track_id=4, embedding=np.array([1.0, 0.0], np.float32))])
        assert log.flush()
        assert [hit.track_id for hit in log.similar(wanted, number)][:2] == [1, 4]
        assert log.similar(np.zeros(2, np.float32)) == log.similar(np.ones(5, np.float32)) == []

    def test_tracks_without_an_embedding_of_a_length_are_told_newest_first(self, log):
        first, last = (log.begin(replace(WATCHED, began_wall_s=at)) for at in (1000.0, 2000.0))
        pair = np.array([1.0, 0.0], np.float32)
        for number, picture, embedding in ((1, b"jpeg", None), (2, b"", None), (3, b"jpeg", pair), (4, b"jpeg", None)):
            made = replace(TRACK, track_id=number, last_s=2.0 + number, picture_jpeg=picture, embedding=embedding)
            log.add(first, tracks=[made])
        log.add(last, tracks=[replace(TRACK, track_id=9, picture_jpeg=b"jpeg")])
        assert log.flush()
        assert log.without_embedding(None, 2, 10) == [(last, 9), (first, 4), (first, 1)]
        assert log.without_embedding(None, 2, 2) == [(last, 9), (first, 4)]
        assert log.without_embedding(first, 3, 10) == [(first, 4), (first, 3), (first, 1)]

    def test_an_embedding_is_kept_unless_another_picture_has_come(self, log):
        number = log.begin(WATCHED)
        log.add(number, tracks=[replace(TRACK, track_id=n, picture_jpeg=b"jpeg") for n in (1, 2)])
        assert log.flush()
        known = [log.track(number, n) for n in (1, 2)]
        log.add(number, tracks=[replace(known[1], best_frame=known[1].best_frame + 1, last_s=9.0)])
        log.keep_embeddings(
            replace(one, embedding=np.array([0.0, 1.0])) for one in [*known, replace(TRACK, track_id=3)]
        )
        assert log.flush()
        assert log.track(number, 1).embedding.tolist() == [0.0, 1.0]
        assert log.track(number, 1) == known[0], "nothing else has changed"
        assert (log.track(number, 2).embedding, log.track(number, 2).last_s) == (None, 9.0)
        assert log.track(number, 3) is None
        assert [hit.track_id for hit in log.similar(np.array([0.0, 1.0]))] == [1]


class TestGoingOn:
    def test_a_session_goes_on_until_its_end_is_written_and_when_it_is_reopened(self, log):
        number, other = log.begin(WATCHED), log.begin(WATCHED)
        assert log.goes_on(number)
        assert [one.active for one in log.sessions()] == [True, True]
        log.end(number, complete=False)
        assert log.flush()
        assert not log.goes_on(number)
        assert [one.active for one in log.sessions()] == [True, False]
        log.reopen(number)
        session = log.session(number)
        assert (session.active, session.complete, session.ended_wall_s) == (True, False, None)
        log.end(number, complete=True)
        log.delete_session(other)
        assert log.flush()
        assert (log.session(number).active, log.session(number).complete) == (False, True)
        assert not log.goes_on(other)
        for gone in (other, 12345):
            with pytest.raises(SinkError, match="not in the log any more"):
                log.reopen(gone)
            assert not log.goes_on(gone)

    def test_another_process_has_sessions_that_do_not_go_on_here(self, log, make):
        number = log.begin(WATCHED)
        assert not make().session(number).active


class TestThreads:
    @pytest.mark.slow
    def test_eight_threads_read_while_one_writes(self, log):
        number = log.begin(WATCHED)
        problems: list[str] = []
        done = threading.Event()

        def read() -> None:
            last = 0
            while not done.is_set():
                events, count = log.events(EventQuery(number)), log.count(EventQuery(number))
                whole = [one.t_s for one in events] == [n / 10 for n in range(len(events))]
                if not whole or len(events) < last or count < len(events):
                    problems.append(f"{len(events)} events, {count} counted, {last} before")
                last = len(events)
                log.search("person")

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for start in range(0, 400, 20):
            log.add(number, [event(APPEAR, n / 10, "person") for n in range(start, start + 20)])
            assert log.flush()
        done.set()
        for thread in threads:
            thread.join()
        assert not problems
        assert log.count(EventQuery(number)) == 400

    def test_listeners_hear_of_each_session_once_written(self, log, capsys):
        heard: list[tuple[int, int]] = []

        def broken(number: int) -> None:
            raise RuntimeError("a listener's own fault")

        number = log.begin(WATCHED)
        log.subscribe(broken)
        end = log.subscribe(lambda session_id: heard.append((session_id, log.count(EventQuery(session_id)))))
        log.add(number, [event(APPEAR, 1.0)])
        assert log.flush()
        assert heard[-1] == (number, 1)
        end()
        heard.clear()
        log.add(number, [event(APPEAR, 2.0)])
        assert log.flush()
        assert not heard
        assert "a listener's own fault" in capsys.readouterr().err

    def test_after_close_all_is_refused_in_a_sentence(self, make):
        log = make()
        number = log.begin(WATCHED)
        log.add(number, [event(APPEAR, 1.0)])
        log.close()
        log.close()
        for refused in (
            lambda: log.add(number, [event(APPEAR, 1.0)]),
            lambda: log.begin(WATCHED),
            lambda: log.events(EventQuery(number)),
        ):
            with pytest.raises(SinkError, match="closed"):
                refused()
        again = make()
        assert again.count(EventQuery(number)) == 1
        assert not again.session(number).complete

    def test_two_programs_share_a_file(self, make):
        one, other = make(), make()
        first, second = one.begin(WATCHED), other.begin(WATCHED)
        assert first != second
        for log, number in ((one, first), (other, second)):
            log.add(number, [event(APPEAR, 1.0, "dog"), event(APPEAR, 2.0, "cup")])
            assert log.flush()
        one.delete_session(first)
        assert one.flush()
        other.add(second, [event(APPEAR, 3.0, "dog")])
        assert other.flush()
        assert one.count(EventQuery(second, labels=("dog",))) == 2
        assert [hit.t_s for hit in one.search("dog")] == [3.0, 1.0]
