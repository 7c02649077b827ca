"""EventSpotter and TrackKeeper: frames in, events and tracks out, exactly and always the same."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from scenescope.models import EventKind, LogEvent, Tracks
from scenescope.pipelines import SourceInfo, Stamp
from scenescope.pipelines.log.fakes import CAMERA, DOG, FILE, GREY, NAMES, PERSON, Telling, frame, rows_of, said, texts
from scenescope.pipelines.log.spotter import EventSpotter
from scenescope.pipelines.log.tracks import FORGET_AFTER_S, TrackKeeper
from scenescope.pipelines.scene import SceneObserver


def spot(*frames, info: SourceInfo = FILE) -> list[LogEvent]:
    spotter = EventSpotter(info)
    return [event for one in frames for event in spotter.spot(one)] + spotter.finish()


def scenes(*seen, start: int = 0):
    return [frame(start + index, rows_of(rows)) for index, rows in enumerate(seen)]


class TestObjects:
    def test_an_object_appears_where_it_was_first_seen_and_vanishes_where_it_was_last_seen(self):
        events = spot(*scenes((), (), *[(PERSON,)] * 20, *[()] * 30))
        assert said(events) == [("appear", 0.2, "person"), ("vanish", 2.1, "person")]
        appear, vanish = events
        assert (appear.frame, appear.track_id, appear.xyxy, appear.zone) == (2, 1, pytest.approx(PERSON[2]), "")
        assert (vanish.frame, vanish.track_id) == (21, 1)

    def test_what_is_there_at_the_end_has_not_vanished(self):
        assert said(spot(*scenes(*[(PERSON,)] * 20))) == [("appear", 0.0, "person")]

    def test_what_flickers_is_no_event(self):
        assert not spot(*scenes(*[(PERSON,), ()] * 30))

    def test_log_and_scene_say_the_same(self):
        frames = scenes(*[(PERSON,)] * 20, *[(PERSON, DOG)] * 20, *[()] * 30, *[(DOG,)] * 20)
        observer = SceneObserver()
        observer.open(FILE)
        for one in frames:
            observer.write(one)
        words = {"appeared": "appear", "vanished": "vanish"}
        scene = [(words[e.kind.value], round(e.pts_s, 3), e.label) for e in observer.state.events]
        assert said(spot(*frames)) == scene

    def test_boxes_are_in_pixels_of_the_source(self):
        half = np.diag([2.0, 2.0, 1.0])
        small = [
            frame(index).with_image(GREY[::2, ::2], half).with_result("d", rows_of(((1, "dog", (10, 10, 20, 20)),)))
            for index in range(8)
        ]
        assert spot(*small)[0].xyxy == pytest.approx((20, 20, 40, 40))

    def test_equal_frames_give_equal_events(self):
        frames = scenes(*[(PERSON,)] * 20, *[(DOG,)] * 40)
        assert spot(*frames) == spot(*frames)


class TestStages:
    CROSS = LogEvent(EventKind.LINE_CROSS, 0.3, 3, "traffic_light", 7, line="Gate", direction="in")

    def test_what_a_result_tells_is_taken_at_its_word(self):
        assert spot(frame(0), frame(3, Telling((self.CROSS,)))) == [replace(self.CROSS, label="traffic light")]

    def test_a_result_that_comes_with_several_frames_tells_once(self):
        late = [frame(n).with_result("slow", Telling((self.CROSS,)), Stamp(2, 0.2)) for n in range(3, 8)]
        assert len(spot(frame(2), *late)) == 1


class TestTexts:
    def test_a_text_is_told_when_it_is_new_and_after_three_seconds_without_it(self):
        frames = [frame(n, texts("EXIT") if n in (2, 3, 20, 50, 81, 120) else texts()) for n in range(125)]
        assert said(spot(*frames)) == [("text", 0.2, "EXIT"), ("text", 8.1, "EXIT"), ("text", 12.0, "EXIT")]

    def test_codes_are_exact_and_texts_are_not(self):
        frames = [
            frame(0, texts("Exit  Now\n"), texts("abC 1", coded=True)),
            frame(1, texts("EXIT NOW", "exit now"), texts("ABC 1", coded=True)),
        ]
        assert said(spot(*frames)) == [("text", 0.0, "Exit Now"), ("code", 0.0, "abC 1"), ("code", 0.1, "ABC 1")]

    def test_hostile_texts_are_made_printable(self):
        events = spot(frame(0, texts("\u202eevil\0", "", "\n", "a" * 9999)))
        assert [event.text[:10] for event in events] == ["evil", "a" * 10]
        assert len(events[1].text) == 5000

    def test_a_slow_stage_dates_it_back_to_the_picture_that_it_read(self):
        late = [frame(n).with_result("read", texts("EXIT"), Stamp(2, 0.2)) for n in (6, 7, 8)]
        (event,) = spot(*late)
        assert (event.frame, event.t_s, event.xyxy) == (2, pytest.approx(0.2), (10, 10, 50, 20))


class TestGaps:
    @pytest.mark.parametrize(
        ("frames", "gaps"),
        [
            ([frame(0), frame(1), frame(2)], []),
            ([frame(0), frame(1), frame(11), frame(12)], []),
            ([frame(0), frame(1), frame(12), frame(13)], [(0.1, 1, 1.1, 1.2)]),
            ([frame(0), frame(1, pts_s=9.0), frame(2, pts_s=9.1)], []),
            ([frame(n * 20) for n in range(9)], [(0.0, 0, 2.0, 2.0)]),
            ([frame(50), frame(3), frame(4)], []),
        ],
        ids=["none", "a second", "longer", "a still picture of nine seconds", "slow all along", "back"],
    )
    def test_of_a_file(self, frames, gaps):
        found = [(e.t_s, e.frame, pytest.approx(e.value), pytest.approx(e.end_s)) for e in spot(*frames)]
        assert found == gaps

    def test_of_a_camera_that_was_away(self):
        (gap,) = spot(frame(0), frame(1), frame(2, pts_s=60.0), info=CAMERA)
        assert (gap.kind, gap.t_s, gap.end_s) == (EventKind.GAP, 0.1, 60.0)


def keep(*frames, info: SourceInfo = FILE, **options):
    keeper = TrackKeeper(info, **options)
    records = {}
    for one in frames:
        records |= {record.track_id: record for record in keeper.see(one)}
    return records | {record.track_id: record for record in keeper.flush()}


def tracks(*rows) -> Tracks:
    """Rows of (number, label, confidence, box)."""
    return Tracks(
        xyxy=np.array([row[3] for row in rows], np.float32),
        confidence=np.array([row[2] for row in rows], np.float32),
        class_id=np.array([NAMES.index(row[1]) for row in rows], int),
        class_names=NAMES,
        track_id=np.array([row[0] for row in rows], int),
    )


class TestTracks:
    def test_a_track_from_its_first_frame_to_its_last_under_its_most_frequent_label(self):
        labels = ["dog", "person", "person", "dog", "person", "cup"]
        frames = [frame(n, tracks((5, label, 0.5, (10, 10, 30, 30)))) for n, label in enumerate(labels, 3)]
        records = keep(frame(0), *frames)
        record = records[5]
        assert list(records) == [5]
        assert (record.label, record.first_frame, record.last_frame) == ("person", 3, 8)
        assert (record.first_s, record.last_s) == (pytest.approx(0.3), pytest.approx(0.8))

    def test_unconfirmed_and_short_tracks_are_left_out(self):
        frames = [
            frame(n, tracks((-1, "dog", 0.9, (0, 0, 9, 9)), (n // 4, "cup", 0.9, (9, 9, 20, 20)))) for n in range(8)
        ]
        assert keep(*frames) == {}
        assert set(keep(*frames, info=replace(FILE, rate_hz=1.0))) == {0, 1}

    def test_the_best_moment_is_sure_large_and_whole(self):
        looks = [
            (0.9, (10, 10, 20, 20)),
            (0.9, (10, 10, 50, 50)),
            (0.5, (10, 10, 55, 55)),
            (0.9, (0, 10, 80, 80)),
            (0.8, (10, 10, 51, 51)),
            (0.9, (10, 10, 20, 20)),
        ]
        record = keep(*[frame(n, tracks((1, "dog", *look))) for n, look in enumerate(looks)])[1]
        assert (record.best_frame, record.best_s, record.best_xyxy) == (1, 0.1, (10, 10, 50, 50))
        assert record.confidence == pytest.approx(0.9)

    def test_the_picture_is_the_box_of_the_best_moment_as_the_stages_left_it(self):
        red = np.zeros((900, 1200, 3), np.uint8)
        red[100:500, 200:400] = (0, 0, 255)
        frames = []
        for n in range(8):
            seen = frame(n, tracks((1, "dog", 0.9 if n == 3 else 0.5, (200, 100, 400, 500))), image=red)
            # A privacy stage behind the tracker makes it blue, and smaller.
            blue = np.zeros((450, 600, 3), np.uint8)
            blue[50:250, 100:200] = (255, 0, 0)
            frames.append(seen.with_image(blue, np.diag([2.0, 2.0, 1.0])))
        record = keep(*frames)[1]
        picture = cv2.imdecode(np.frombuffer(record.picture_jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (160, 80, 3)
        assert picture.reshape(-1, 3).mean(axis=0) == pytest.approx([255, 0, 0], abs=3)
        assert record.best_xyxy == (200, 100, 400, 500)
        assert keep(*frames, pictures=False)[1].picture_jpeg == b""
        assert keep(*frames) == keep(*frames)

    @pytest.mark.parametrize(
        "box", [(500, 500, 600, 600), (-50, -50, -10, -10), (30, 30, 30, 30), (5, 5, float("nan"), 9), (50, 50, 10, 10)]
    )
    def test_boxes_without_pixels_have_no_picture(self, box):
        record = keep(*[frame(n, tracks((1, "dog", 0.9, box))) for n in range(8)])[1]
        assert record.picture_jpeg == b""

    def test_embeddings_are_made_for_new_pictures_only(self):
        asked = []

        def embed(pictures):
            asked.append(len(pictures))
            return np.eye(4, dtype=np.float32)[: len(pictures)]

        rows = [(1, "dog", 0.9, (10, 10, 40, 40)), (2, "cup", 0.9, (50, 50, 70, 70))]
        records = keep(*[frame(n, tracks(*rows)) for n in range(60)], embed=embed)
        assert asked == [2]
        assert [records[i].embedding.tolist() for i in (1, 2)] == [[1, 0, 0, 0], [0, 1, 0, 0]]

    def test_tracks_of_old_are_forgotten(self):
        keeper = TrackKeeper(FILE)
        late = round((FORGET_AFTER_S + 10) * 10)
        for n in [*range(10), *range(late, late + 40)]:
            keeper.see(frame(n, tracks((1 if n < 10 else 2, "dog", 0.9, (10, 10, 40, 40)))))
        assert list(keeper._tracks) == [2]
