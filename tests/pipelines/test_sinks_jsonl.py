from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scenescope.models import Detections, SinkError, Tracks
from scenescope.pipelines import Frame, SourceInfo
from scenescope.pipelines.frame import Stamp
from scenescope.pipelines.sinks.jsonl import JsonLines, found_objects

INFO = SourceInfo("clip", (64, 48), 10.0, live=False)
NAMES = ("person", "car")


def boxes(*rows: tuple[float, float, float, float], cls: int = 1, confidence: float = 0.5) -> Detections:
    n = len(rows)
    return Detections(xyxy=rows, confidence=[confidence] * n, class_id=[cls] * n, class_names=NAMES)


def tracks(found: Detections, ids: list[int], follows: str = "detect") -> Tracks:
    return Tracks(
        xyxy=found.xyxy,
        confidence=found.confidence,
        class_id=found.class_id,
        class_names=found.class_names,
        track_id=ids,
        follows=follows,
    )


@pytest.fixture
def frame() -> Frame:
    return Frame(np.zeros((48, 64, 3), np.uint8), 7, 0.28, 12.0, "clip")


def written(frame: Frame, folder: Path) -> dict:
    sink = JsonLines(folder / "results.jsonl")
    sink.open(INFO)
    sink.write(sink.prepare(frame))
    sink.close()
    text = (folder / "results.jsonl").read_text(encoding="utf-8")
    assert text.endswith("\n")
    (line,) = text.splitlines()
    return json.loads(line)


def test_a_line_has_the_words_of_the_contract(frame: Frame, tmp_path: Path) -> None:
    found = boxes((1.234, 2.345, 30.456, 40.567), confidence=0.594567)
    line = written(frame.with_result("detect", found).with_result("track", tracks(found, [3])), tmp_path)
    assert line == {
        "frame": 7,
        "pts_s": 0.28,
        "detections": [{"label": "car", "confidence": 0.5946, "xyxy": [1.23, 2.35, 30.46, 40.57], "track_id": 3}],
    }


def test_a_frame_without_results_has_a_line_too(frame: Frame, tmp_path: Path) -> None:
    assert written(frame, tmp_path) == {"frame": 7, "pts_s": 0.28, "detections": []}


def test_unconfirmed_and_untracked_objects_have_no_track(frame: Frame) -> None:
    found = boxes((0, 0, 5, 5), (9, 9, 20, 20))
    tracked = frame.with_result("detect", found).with_result("track", tracks(found, [-1, 4]))
    assert [f.track_id for f in found_objects(tracked)] == [None, 4]
    assert [f.track_id for f in found_objects(frame.with_result("detect", found))] == [None, None]


def test_two_detectors_are_both_listed_and_a_followed_one_is_not_twice(frame: Frame) -> None:
    cars, people = boxes((0, 0, 5, 5)), boxes((9, 9, 20, 20), cls=0)
    both = frame.with_result("detect", cars).with_result("detect-2", people)
    assert [(f.result, f.label) for f in found_objects(both)] == [("detect", "car"), ("detect-2", "person")]
    followed = both.with_result("track", tracks(people, [1], follows="detect-2"))
    assert [(f.result, f.label) for f in found_objects(followed)] == [("detect", "car"), ("track", "person")]


def test_boxes_are_in_pixels_of_the_source_picture(frame: Frame) -> None:
    half = np.diag([2.0, 2.0, 1.0])
    half[:2, 2] = (10, 20)
    cropped = frame.with_image(np.zeros((10, 10, 3), np.uint8), to_previous=half)
    (found,) = found_objects(cropped.with_result("detect", boxes((1, 2, 3, 4))))
    assert found.xyxy == (12, 24, 16, 28)


def test_what_was_found_in_an_earlier_picture_is_not_repeated(frame: Frame) -> None:
    late = frame.with_result("slow", boxes((0, 0, 5, 5)), Stamp(3, 11.0))
    assert not list(found_objects(late))


def test_every_line_is_on_disk_before_the_next_one(frame: Frame, tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "new" / "folder" / "results.jsonl")
    sink.open(INFO)
    try:
        for count in (1, 2, 3):
            sink.write(sink.prepare(frame))
            assert len(sink.path.read_text().splitlines()) == sink.lines == count
    finally:
        sink.close()
        sink.close()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError, match=r"Cannot write .*results\.jsonl: .+\.") as caught:
        JsonLines(tmp_path / "file" / "results.jsonl").open(INFO)
    assert caught.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is simulated with /dev/full")
def test_a_full_disk_is_a_sink_error(frame: Frame, tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").symlink_to("/dev/full")
    sink = JsonLines(tmp_path / "results.jsonl")
    sink.open(INFO)
    with pytest.raises(SinkError, match="No space left"):
        sink.write(sink.prepare(frame))
    with pytest.raises(SinkError):
        sink.close()
