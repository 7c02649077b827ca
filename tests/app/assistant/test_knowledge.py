"""Knowledge over a log that is being written: what is counted, when it is all there, and what jumps do to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from scenescope.app.assistant import sightings
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.spans import Span
from scenescope.models import EventKind
from scenescope.models.language import Evidence
from scenescope.pipelines.frame import Image
from scenescope.pipelines.log.fakes import CAMERA, DOG, FILE, GREY, PERSON, WATCHED, Row, event, frame, rows_of
from scenescope.pipelines.log.records import TrackRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.scene import SceneObserver
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.sinks.event_log import LogSink
from scenescope.pipelines.source import SourceInfo

K = EventKind
RED, BLUE = (np.full_like(GREY, bgr) for bgr in ((0, 0, 220), (220, 0, 0)))


@pytest.fixture
def log(tmp_path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.db")
    yield log
    log.close()


class Watching:
    """A source that is watched into a log, frame by frame, ten a second."""

    def __init__(self, log: EventLog, info: SourceInfo, pictures: bool = True) -> None:
        self.observer, self.sink = SceneObserver(), LogSink(log, pictures=pictures)
        self.sinks = (self.observer, self.sink)
        self.captured_s = 100.0
        for sink in self.sinks:
            sink.open(info)
        self.knowledge = Knowledge(
            lambda: self.observer.state, log, lambda: self.sink.latest_session_id, caught_up=self.sink.wait_for,
            monotonic=lambda: self.captured_s,
        )  # fmt: skip

    def see(self, indices: range, *rows: Row, image: Image = GREY) -> None:
        for index in indices:
            self.captured_s += 0.1
            one = frame(index, rows_of(rows), captured_s=self.captured_s, image=image)
            for sink in self.sinks:
                sink.write(sink.prepare(one))

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()


def seen(knowledge: Knowledge, label: str, span: Span) -> int:
    knowledge.flush()
    return sightings.present(knowledge, [label], span).objects


class TestSpans:
    @pytest.mark.parametrize(
        ("ago_s", "counts"),
        [(0.0, True), (59.9, True), (60.0, True), (60.0000001, True), (60.001, False), (60.1, False)],
    )
    def test_the_last_minute_holds_what_was_exactly_60_s_ago(self, log, ago_s, counts):
        session_id = log.begin(WATCHED)
        now_s = 61.234
        log.add(session_id, [event(K.MARK, now_s - ago_s)])
        scene = SceneState(frame_index=612, pts_s=now_s)
        knowledge = Knowledge(lambda: scene, log, lambda: session_id)
        knowledge.flush()
        assert knowledge.count([K.MARK], knowledge.span(last_s=60)).events == counts
        assert len(knowledge.events(knowledge.span(last_s=60))) == counts

    @pytest.mark.parametrize(("t_s", "counts"), [(9.999, 0), (10.0, 1), (19.999, 1), (20.0, 0), (0.1 + 0.2, 0)])
    def test_a_span_holds_its_start_and_not_its_end(self, log, t_s, counts):
        session_id = log.begin(WATCHED)
        log.add(session_id, [event(K.MARK, t_s)])
        knowledge = Knowledge(SceneState, log, lambda: session_id)
        knowledge.flush()
        span = knowledge.span(start_s=10.0, end_s=20.0)
        assert knowledge.count([K.MARK], span).events == counts == span.holds(t_s)

    def test_now_stands_still_while_an_answer_is_made(self, log):
        watching = Watching(log, CAMERA)
        watching.see(range(11), PERSON)
        still = watching.knowledge.at(watching.observer.state)
        now_s = still.now_s
        watching.see(range(11, 30), PERSON)
        assert still.now_s == now_s == pytest.approx(1.0)
        watching.captured_s += 60
        assert watching.knowledge.now_s == pytest.approx(62.9)
        watching.close()

    def test_a_session_that_was_cut_off_ends_with_its_last_event(self, log):
        session_id = log.begin(WATCHED)
        log.add(session_id, [event(K.MARK, 12.5)])
        log.progress(session_id, 100, 11.9)
        log.flush()
        assert Knowledge(SceneState, log, lambda: session_id).now_s == 12.5

    def test_an_empty_session(self, log):
        session_id = log.begin(WATCHED)
        knowledge = Knowledge(SceneState, log, lambda: session_id)
        assert (knowledge.now_s, knowledge.unwatched_s(knowledge.span(last_s=60))) == (0.0, 0.0)
        assert knowledge.count([K.APPEAR], knowledge.span(last_s=60)).events == 0
        assert knowledge.first_seen([]) is knowledge.last_seen([]) is None


class TestSightings:
    def test_who_was_there_before_the_log_has_noted_how_long(self, log):
        watching = Watching(log, CAMERA)
        watching.see(range(25), PERSON)
        watching.see(range(25, 40), PERSON, DOG)
        assert seen(watching.knowledge, "person", watching.knowledge.span(last_s=0.5)) == 1
        assert seen(watching.knowledge, "dog", watching.knowledge.span(last_s=0.5)) == 1
        assert seen(watching.knowledge, "dog", watching.knowledge.span(end_s=2.5)) == 0
        assert seen(watching.knowledge, "dog", watching.knowledge.span(end_s=2.6)) == 1
        watching.close()

    def test_after_a_jump_back_in_a_film_each_moment_still_counts_once(self, log):
        watching = Watching(log, FILE)
        watching.see(range(40), PERSON)
        watching.see(range(10, 40), PERSON)
        watching.see(range(40, 60), PERSON)
        knowledge = watching.knowledge
        assert seen(knowledge, "person", knowledge.span()) == 1
        assert seen(knowledge, "person", knowledge.span(last_s=1)) == 1
        knowledge.flush()
        assert knowledge.count([K.APPEAR], knowledge.span()).events == 1
        watching.close()

    def test_in_a_film_what_is_after_the_picture_that_is_shown_is_not_in_the_last_minute(self, log):
        watching = Watching(log, FILE)
        watching.see(range(30))
        watching.see(range(30, 60), PERSON)
        watching.see(range(20))
        knowledge = watching.knowledge
        assert seen(knowledge, "person", knowledge.span(last_s=60)) == 0
        assert seen(knowledge, "person", knowledge.span()) == 1
        assert knowledge.first_seen(["person"]).evidence.frame_index == 30
        assert knowledge.last_seen(["person"]).evidence.frame_index == 59
        watching.close()

    def test_colours_come_from_the_pictures_in_the_log(self, log):
        def jpeg(bgr: tuple[int, int, int]) -> bytes:
            return cv2.imencode(".jpg", np.full((40, 40, 3), bgr, np.uint8))[1].tobytes()

        session_id = log.begin(WATCHED)
        log.add(
            session_id,
            [event(K.APPEAR, 1.0, "car", track_id=1), event(K.APPEAR, 2.0, "car", track_id=2)],
            [
                TrackRecord(1, "car", 1.0, 10, 5.0, 50, picture_jpeg=jpeg((220, 0, 0))),
                TrackRecord(2, "car", 2.0, 20, 6.0, 60, picture_jpeg=jpeg((0, 0, 220))),
            ],
        )
        knowledge = Knowledge(SceneState, log, lambda: session_id)
        knowledge.flush()
        assert knowledge.first_seen(["car"], "red").evidence == Evidence(20, 2.0, 2, 2, session_id)
        assert knowledge.last_seen(["car"], "blue").evidence.frame_index == 50
        assert knowledge.first_seen(["car"], "green") is None
        assert not knowledge.first_seen(["car"]).since_start

    @pytest.mark.parametrize("info", [FILE, CAMERA])
    def test_colours_are_kept_of_more_objects_than_the_scene_remembers_and_without_pictures(self, log, info):
        watching = Watching(log, info, pictures=False)
        places = [(x, y, x + 6, y + 6) for x in range(0, 112, 10) for y in range(0, 82, 8)]
        watching.see(range(10), PERSON, image=RED)
        watching.see(range(10, 40))
        watching.see(range(40, 50), *((2 + n, "person", box) for n, box in enumerate(places)), image=BLUE)
        watching.see(range(50, 80))
        knowledge = watching.knowledge
        knowledge.flush()
        assert len(watching.observer.state.gone) < len(places)
        assert knowledge.first_seen(["person"], "red").evidence.track_id == 1
        assert knowledge.last_seen(["person"], "red").evidence.frame_index == 9
        assert len(sightings.of_colour(knowledge, ["person"], "blue")) == len(places)
        assert knowledge.without_colour(["person"], Span()) == 0
        session_id = watching.sink.session_id
        watching.close()
        log.delete_session(session_id)
        log.flush()
        assert log.colours.tracks(session_id, "red") == ()

    def test_after_a_jump_back_colours_go_to_the_numbers_of_the_log(self, log):
        watching = Watching(log, FILE)
        watching.see(range(100, 120), PERSON, image=RED)
        watching.see(range(20), PERSON, image=BLUE)
        assert seen(watching.knowledge, "person", Span()) == 2
        assert watching.knowledge.first_seen(["person"], "red").evidence.frame_index == 100
        assert watching.knowledge.first_seen(["person"], "blue").evidence.frame_index == 0
        watching.close()

    def test_pictures_of_older_logs_are_looked_at_however_many_and_what_is_left_is_counted(self, log):
        red, blue = (cv2.imencode(".jpg", picture[:8, :8])[1].tobytes() for picture in (RED, BLUE))
        session_id = log.begin(WATCHED)
        log.add(
            session_id,
            [event(K.LINE_CROSS, 0.1 * n, "car", track_id=n, line="road") for n in range(610)],
            [TrackRecord(n, "car", n / 10, n, n / 10, n, picture_jpeg=red if n < 100 else blue) for n in range(600)],
        )
        log.flush()
        knowledge = Knowledge(SceneState, log, lambda: session_id)
        assert len(sightings.of_colour(knowledge, ["car"], "red")) == 100
        assert knowledge.without_colour(["car"], Span(), [K.LINE_CROSS]) == 10
        assert knowledge.without_colour(["car"], Span(end_s=60.5), [K.LINE_CROSS]) == 5
        assert log.colours.tracks(session_id, "blue") == tuple(range(100, 600))
        # What the scene tells goes first.
        log.colours.keep(session_id, {0: "green"})
        log.flush()
        assert len(sightings.of_colour(knowledge, ["car"], "red")) == 99

    def test_without_a_log_the_scene_remembers(self):
        observer = SceneObserver()
        observer.open(FILE)
        for index in range(40):
            observer.write(frame(index, rows_of((PERSON,) if index < 20 else (DOG,))))
        knowledge = Knowledge(lambda: observer.state, None, lambda: None)
        assert knowledge.flush()
        assert knowledge.first_seen(["person"]).since_start
        assert knowledge.first_seen(["dog"]).evidence == Evidence(20, 2.0, 2)
        assert knowledge.last_seen(["person"]).evidence == Evidence(19, 1.9, 1)
        assert knowledge.last_seen(["cup"]) is None
        assert knowledge.events(Span()) == []


class TestCatchingUp:
    def test_an_answer_waits_for_the_picture_that_is_shown(self, log):
        sink = LogSink(log)
        assert sink.wait_for(1e9, 0), "nothing is open"
        sink.open(CAMERA)
        assert not sink.wait_for(5.0, 0)
        arrived = threading.Event()
        waiting = threading.Thread(target=lambda: sink.wait_for(5.0, 10) and arrived.set())
        waiting.start()
        sink.write(frame(0, rows_of((PERSON,)), captured_s=5.0))
        waiting.join(10)
        assert arrived.is_set()
        assert not sink.wait_for(5.1, 0)
        sink.enabled = False
        sink.write(frame(1, rows_of((PERSON,)), captured_s=5.1))
        assert sink.wait_for(5.1, 0), "a log that is off keeps nobody waiting"
        sink.close()
        assert sink.wait_for(1e9, 0)

    def test_a_session_can_be_asked_about_after_its_source_has_ended(self, log):
        watching = Watching(log, FILE)
        watching.see(range(20), PERSON)
        session_id = watching.sink.session_id
        assert watching.sink.latest_session_id == session_id is not None
        watching.close()
        assert (watching.sink.session_id, watching.sink.latest_session_id) == (None, session_id)
        watching.sink.open(CAMERA)
        assert watching.sink.latest_session_id is None
        watching.sink.close()

    def test_names_are_those_that_occur_in_the_session(self, log):
        session_id, other = log.begin(WATCHED), log.begin(WATCHED)
        crossing = event(K.LINE_CROSS, 1.0, "dog", line="l", direction="up")
        log.add(session_id, [crossing, event(K.ZONE_ENTER, 1.0, "cat", zone="z")])
        log.add(other, [event(K.ZONE_ENTER, 1.0, "cup", zone="other")])
        log.flush()
        names = Knowledge(SceneState, log, lambda: session_id).names
        assert (names.labels, names.zones, names.lines, names.directions) == (("cat", "dog"), ("z",), ("l",), ("up",))
