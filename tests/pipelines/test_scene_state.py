"""SceneState and SceneObserver: what appears, stays and vanishes, exactly in media time."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from scenescope.models import Detections, Tracks
from scenescope.pipelines import Frame, SourceInfo, Stamp
from scenescope.pipelines.scene import KEPT_EVENTS, KEPT_GONE, SceneObserver
from scenescope.pipelines.scene_look import COLOURS, colour_name, motion_name
from scenescope.pipelines.scene_state import (
    LabelMemory,
    SceneEvent,
    SceneEventKind,
    SceneState,
    SceneTrack,
    clean_text,
    zone_of,
)

NAMES = ("person", "dog", "cup")
RATE_HZ = 10
BLACK = np.zeros((90, 120, 3), np.uint8)
FILE = SourceInfo("clip.mp4", (120, 90), RATE_HZ, live=False)
Row = tuple[int, str, tuple[float, float, float, float]]
PERSON: Row = (1, "person", (10, 30, 30, 60))
DOG: Row = (2, "dog", (90, 60, 110, 80))


def tracks(*rows: Row) -> Tracks:
    return Tracks(
        xyxy=np.array([row[2] for row in rows], np.float32),
        confidence=np.full(len(rows), 0.9),
        class_id=np.array([NAMES.index(row[1]) for row in rows], int),
        class_names=NAMES,
        track_id=np.array([row[0] for row in rows], int),
    )


def detections(*rows: Row) -> Detections:
    found = tracks(*rows)
    return Detections(
        xyxy=found.xyxy, confidence=found.confidence, class_id=found.class_id, class_names=found.class_names
    )


def frame(index: int, *results: Detections, image: np.ndarray = BLACK, start: int = 0) -> Frame:
    pts_s = (index + start) / RATE_HZ
    made = Frame(image=image, index=index, pts_s=pts_s, captured_s=pts_s)
    for n, result in enumerate(results):
        made = made.with_result(f"stage-{n}", result)
    return made


def watch(*scenes: tuple[Row, ...], observer: SceneObserver | None = None) -> SceneObserver:
    """One frame for every scene, a tenth of a second apart."""
    observer = observer or SceneObserver()
    if not observer.state.source:
        observer.open(FILE)
    for index, rows in enumerate(scenes):
        observer.write(frame(index, tracks(*rows)))
    return observer


def told(state: SceneState) -> list[tuple[str, float, str]]:
    return [(event.kind.value, round(event.pts_s, 3), event.label) for event in state.events]


class TestAppearing:
    def test_appears_after_half_a_second_and_is_dated_back(self):
        scenes = [(), (), *[(PERSON,)] * 5]
        assert told(watch(*scenes).state) == []
        state = watch(*scenes, (PERSON,)).state
        assert told(state) == [("appeared", 0.2, "person")]
        assert state.events[0].frame_index == 2
        assert state.tracks[0].first_s == pytest.approx(0.2)
        assert state.tracks[0].age_s == pytest.approx(0.5)
        assert dict(state.counts) == {"person": 1}

    def test_vanishes_after_a_second_and_a_half_and_is_dated_back(self):
        scenes = [*[(PERSON,)] * 10, *[()] * 14]  # Last seen at 0.9 s; the scene is at 2.3 s.
        assert told(watch(*scenes).state) == [("appeared", 0.0, "person")]
        state = watch(*scenes, ()).state
        assert told(state)[1:] == [("vanished", 0.9, "person")]
        assert state.events[1].frame_index == 9
        assert not state.tracks
        assert not state.counts
        assert [(track.track_id, round(track.last_s, 3)) for track in state.gone] == [(1, 0.9)]

    @pytest.mark.parametrize("appear_s", [0.2, 1.0])
    def test_the_wait_is_a_setting(self, appear_s):
        steps = round(appear_s * RATE_HZ)
        assert not watch(*[(PERSON,)] * steps, observer=SceneObserver(appear_s=appear_s)).state.events
        assert watch(*[(PERSON,)] * (steps + 1), observer=SceneObserver(appear_s=appear_s)).state.events

    @pytest.mark.parametrize(
        "pattern",
        [[1], [1, 1], [1, 0] * 60, [1, 0, 0] * 40, [1, 1, 0, 0] * 30, [1, 1, 1, 1] + [0] * 40],
        ids=["one frame", "two frames", "every other", "every third", "pairs", "four frames"],
    )
    def test_what_only_flickers_never_appears(self, pattern):
        assert not watch(*[(PERSON,) if seen else () for seen in pattern]).state.events

    @pytest.mark.parametrize("gap", [1, 5, 14])
    def test_a_gap_makes_no_event(self, gap):
        scenes = ([(PERSON,)] * 10 + [()] * gap) * 4
        state = watch(*scenes).state
        assert told(state) == [("appeared", 0.0, "person")]
        assert dict(state.counts) == {"person": 1}

    def test_missed_frames_change_nothing(self):
        whole, thin = SceneObserver(), SceneObserver()
        for observer, step in ((whole, 1), (thin, 2)):
            observer.open(FILE)
            for index in range(0, 60, step):
                observer.write(frame(index, tracks(*(PERSON,) * (index < 20))))
        assert told(whole.state)[0] == told(thin.state)[0] == ("appeared", 0.0, "person")
        assert [kind for kind, _, _ in told(thin.state)] == ["appeared", "vanished"]

    def test_a_new_number_in_the_same_place_is_the_same_object(self):
        again: Row = (7, "person", (11, 30, 31, 60))
        state = watch(*[(PERSON,)] * 10, *[()] * 3, *[(again,)] * 10).state
        assert told(state) == [("appeared", 0.0, "person")]
        assert [track.track_id for track in state.tracks] == [7]
        assert state.tracks[0].first_s == 0.0

    def test_another_object_in_the_same_place_is_another_object(self):
        beside: Row = (7, "person", (11, 30, 31, 60))
        state = watch(*[(PERSON,)] * 10, *[(PERSON, beside)] * 10).state
        assert dict(state.counts) == {"person": 2}

    def test_unconfirmed_tracks_do_not_count(self):
        assert not watch(*[((-1, "person", (10, 30, 30, 60)),)] * 20).state.tracks

    def test_a_label_that_changes_for_good_is_told_once(self):
        state = watch(*[(PERSON,)] * 10, *[((1, "dog", PERSON[2]),)] * 40).state
        assert told(state)[1][0::2] == ("renamed", "dog")
        assert len(state.events) == 2
        assert dict(state.counts) == {"dog": 1}

    def test_a_label_that_flickers_is_not_told(self):
        state = watch(*[(PERSON,), (PERSON,), ((1, "dog", PERSON[2]),)] * 20).state
        assert told(state) == [("appeared", 0.0, "person")]


class TestSources:
    def test_one_picture_is_taken_as_it_is(self):
        observer = SceneObserver()
        observer.open(SourceInfo("photo.png", (120, 90), 0.0, live=False, frame_count=1))
        observer.write(frame(0, tracks(PERSON, DOG)))
        assert dict(observer.state.counts) == {"person": 1, "dog": 1}

    def test_still_pictures_are_each_taken_as_they_are(self):
        observer = SceneObserver()
        observer.open(SourceInfo("photos", (120, 90), 0.1, live=False, frame_count=2))
        for index, row in enumerate((PERSON, DOG)):
            picture = Frame(image=BLACK, index=index, pts_s=index * 10.0).with_result("track", tracks(row))
            observer.write(picture)
        assert told(observer.state) == [
            ("appeared", 0.0, "person"),
            ("vanished", 0.0, "person"),
            ("appeared", 10.0, "dog"),
        ]

    def test_another_source_begins_anew(self):
        observer = watch(*[(PERSON,)] * 10)
        session = observer.state.session
        observer.open(SourceInfo("other.mp4", (120, 90), RATE_HZ, live=False))
        state = observer.state
        assert (state.source, state.session) == ("other.mp4", session + 1)
        assert not state.tracks
        assert not state.memory
        assert not state.watching

    @pytest.mark.parametrize(("start", "at_s"), [(-5, 0.5), (200, 21.0)], ids=["back", "forward"])
    def test_a_jump_forgets_without_claiming_that_anything_vanished(self, start, at_s):
        observer = watch(*[(PERSON,)] * 10)
        observer.write(frame(10, tracks(PERSON), start=start))
        state = observer.state
        assert told(state)[1:] == [("jumped", at_s, "")]
        assert not state.tracks
        assert state.since_s == pytest.approx(at_s)
        assert state.memory["person"].last_s == pytest.approx(0.9)

    def test_without_reports_nothing_is_claimed(self):
        observer = watch(*[(PERSON,)] * 10)
        for index in range(10, 24):
            observer.write(frame(index))
        assert dict(observer.state.counts) == {"person": 1}
        observer.write(frame(24))
        state = observer.state
        assert told(state)[1:] == [("blind", 2.4, "")]
        assert not state.watching
        assert not state.tracks

    def test_what_a_slow_stage_finds_belongs_to_the_picture_it_saw(self):
        observer = SceneObserver()
        observer.open(SourceInfo("camera", (120, 90), RATE_HZ, live=True))
        for index in range(30):
            seen = index // 10 * 10  # A new result every second, found in a picture that is up to a second old.
            picture = frame(index).with_result("slow", tracks(PERSON), stamp=Stamp(seen, seen / RATE_HZ))
            observer.write(picture)
        state = observer.state
        assert (state.tracks[0].first_frame, state.tracks[0].last_frame) == (0, 20)
        assert state.tracks[0].last_s == pytest.approx(2.0)

    def test_counts_without_a_tracker(self):
        second: Row = (2, "cup", (60, 40, 70, 50))
        first: Row = (1, "cup", (20, 40, 30, 50))
        observer = SceneObserver()
        observer.open(FILE)
        for index in range(60):
            rows = (first, second) if 10 <= index < 30 else (first,)
            observer.write(frame(index, detections(*rows)))
        state = observer.state
        assert told(state) == [("appeared", 0.0, "cup"), ("appeared", 1.0, "cup"), ("vanished", 2.9, "cup")]
        assert dict(state.counts) == {"cup": 1}
        assert state.tracks[0].track_id is None

    def test_a_tracker_is_preferred_to_its_detector(self):
        observer = SceneObserver()
        observer.open(FILE)
        for index in range(10):
            observer.write(frame(index, tracks(PERSON), detections(PERSON, DOG)))
        assert dict(observer.state.counts) == {"person": 1}


class TestMemory:
    def test_first_and_last_by_label(self):
        other: Row = (9, "person", (80, 10, 100, 40))
        state = watch(*[(PERSON,)] * 10, *[()] * 20, *[(other,)] * 10, *[()] * 20).state
        assert state.memory["person"] == LabelMemory(0.0, 0, 1, pytest.approx(3.9), 39, 9)

    def test_hours_of_coming_and_going_stay_bounded(self):
        observer = SceneObserver(appear_s=0.1, vanish_s=0.1)
        observer.open(FILE)
        for index in range(3000):
            number = index // 3
            observer.write(
                frame(index, tracks((number, NAMES[number % 3], (10 * (number % 9), 10, 10 * (number % 9) + 9, 20))))
            )
        state = observer.state
        assert state.event_count > 1500
        assert len(state.events) == KEPT_EVENTS
        assert len(state.gone) == KEPT_GONE
        assert len(observer._objects) < 5
        assert state.events_after(state.event_count - 3) == state.events[-3:]
        assert state.events_after(0) == state.events
        assert state.events_after(state.event_count) == ()

    def test_state_may_be_read_while_frames_come(self):
        observer = SceneObserver()
        observer.open(FILE)
        done, wrong = threading.Event(), []

        def read() -> None:
            while not done.is_set():
                state = observer.state
                if sum(state.counts.values()) != len(state.tracks):
                    wrong.append(state)

        reader = threading.Thread(target=read)
        reader.start()
        for index in range(300):
            observer.write(frame(index, tracks(*[PERSON, DOG][: index // 20 % 3])))
        done.set()
        reader.join(5)
        assert not wrong


class TestJson:
    def big(self, label: str) -> SceneState:
        rows = [
            SceneTrack(
                n,
                f"{label}{n % 90}",
                0.5,
                "bottom right",
                100.0,
                "moving closer",
                "turquoise",
                0,
                0,
                1,
                1,
                (0, 0, 1, 1),
            )
            for n in range(500)
        ]
        events = [SceneEvent(SceneEventKind.APPEARED, 1.0, 5, f"{label}{n}", n, "bottom right") for n in range(50)]
        counts = {f"{label}{n}": 500 // 90 for n in range(90)}
        return SceneState(
            label * 2, True, 1, 9.0, 9, tracks=tuple(rows), counts=counts, events=tuple(events), event_count=50
        )

    @pytest.mark.parametrize("label", ["person", "a label of thirty-nine characters long", "\N{GRINNING FACE}" * 39])
    def test_at_most_two_kilobytes_with_five_hundred_tracks(self, label):
        text = self.big(label).to_json()
        assert len(text.encode()) <= 2048
        content = json.loads(text)
        assert content["total"] == 450
        assert len(content["tracks"]) + content["tracks_left_out"] == 500
        assert len(content["counts"]) + content["labels_left_out"] == 90
        assert len(content["events"]) <= 10

    def test_an_ordinary_scene_is_whole(self):
        content = json.loads(watch(*[(PERSON, DOG)] * 10).state.to_json())
        assert content["counts"] == {"person": 1, "dog": 1}
        assert content["tracks_left_out"] == 0
        assert content["source"] == "clip.mp4"
        assert content["tracks"][0] == {
            "id": 1, "label": "person", "confidence": 0.9, "zone": "left", "age_s": 0.9, "motion": "still",
            "colour": "black",
        }  # fmt: skip
        assert [event["what"] for event in content["events"]] == ["appeared", "appeared"]


class TestLook:
    @pytest.mark.parametrize(
        ("bgr", "name"),
        [
            ((0, 0, 0), "black"), ((128, 128, 128), "grey"), ((255, 255, 255), "white"), ((0, 0, 220), "red"),
            ((0, 140, 255), "orange"), ((20, 60, 110), "brown"), ((0, 230, 240), "yellow"), ((40, 180, 40), "green"),
            ((200, 200, 0), "turquoise"), ((220, 60, 20), "blue"), ((180, 30, 130), "purple"),
            ((180, 105, 255), "pink"),
        ],
    )  # fmt: skip
    def test_colours(self, bgr, name):
        image = np.zeros((60, 60, 3), np.uint8)
        image[20:40, 20:40] = bgr
        assert colour_name(image, (20 / 60, 20 / 60, 40 / 60, 40 / 60)) == name
        assert name in COLOURS

    @pytest.mark.parametrize("box", [(2.0, 2.0, 3.0, 3.0), (0.5, 0.5, 0.5, 0.5), (-1.0, -1.0, -0.5, -0.5)])
    def test_no_colour_of_nothing(self, box):
        assert colour_name(BLACK, box) == ""

    def test_no_colour_of_a_changed_picture(self):
        observer = SceneObserver()
        observer.open(FILE)
        for index in range(10):
            picture = frame(index).with_image(np.full((90, 120, 3), 255, np.uint8))
            observer.write(picture.with_result("track", tracks(PERSON)))
        assert observer.state.tracks[0].colour == ""

    @pytest.mark.parametrize(
        ("dx", "dy", "grow", "name"),
        [
            (0, 0, 0, "still"), (2, 0, 0, "moving right"), (-2, 0.5, 0, "moving left"), (0, 2, 0, "moving down"),
            (0.3, -2, 0, "moving up"), (0, 0, 0.5, "moving closer"), (0, 0, -0.5, "moving away"),
            (0.1, 0.1, 0.02, "still"),
        ],
    )  # fmt: skip
    def test_motion(self, dx, dy, grow, name):
        path = []
        for n in range(11):
            half = 0.05 * np.exp(grow * n / 10)
            x, y = 0.5 + dx * 0.1 * n / 10, 0.5 + dy * 0.1 * n / 10
            path.append((n / 10, (x - half, y - half, x + half, y + half)))
        assert motion_name(path) == name

    def test_jitter_is_no_motion(self):
        rng = np.random.default_rng(1)
        boxes = np.array([0.4, 0.4, 0.6, 0.7]) + rng.normal(0, 0.004, (11, 4))
        assert motion_name([(n / 10, tuple(box)) for n, box in enumerate(boxes.tolist())]) == "still"

    def test_too_short_to_tell(self):
        assert motion_name([(0.0, (0, 0, 1, 1)), (0.1, (0, 0, 1, 1))]) == ""

    @pytest.mark.parametrize(
        ("x", "y", "zone"),
        [
            (0.1, 0.1, "top left"),
            (0.5, 0.5, "centre"),
            (0.9, 0.5, "right"),
            (0.5, 0.99, "bottom"),
            (-1, 2, "bottom left"),
        ],
    )
    def test_zones(self, x, y, zone):
        assert zone_of(x, y) == zone

    @pytest.mark.parametrize(
        ("text", "clean"),
        [
            ("cell_phone", "cell phone"), ("a\nb\x00\x1b[31mc", "a b[31mc"), ("", "?"),
            ("\N{RIGHT-TO-LEFT OVERRIDE}x", "x"),
            ("x" * 99, "x" * 39 + "…"), ("<b>dog</b>", "<b>dog</b>"),
        ],
    )  # fmt: skip
    def test_names_from_outside_are_cleaned(self, text, clean):
        assert clean_text(text) == clean
