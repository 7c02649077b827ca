"""The sink that exports a run."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import Detections, SinkError
from scenescope.pipelines.events import SourcePhase, SourceState
from scenescope.pipelines.exchange.formats import FORMATS
from scenescope.pipelines.fakes import FakeSource
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sinks.export import ExportSink, as_captured
from scenescope.pipelines.source import SourceInfo

INFO = SourceInfo("film.mp4", (64, 48), 10.0, False)


def frame(index: int, boxes: list[list[float]], source: str = "film.mp4") -> Frame:
    image = np.full((48, 64, 3), index * 10, np.uint8)
    found = Detections(xyxy=boxes, confidence=[0.5] * len(boxes), class_id=[0] * len(boxes), class_names=("car",))
    return Frame(image, index, index / 10, source=source).with_result("detect", found)


def run(sink: ExportSink, frames: list[Frame]) -> None:
    sink.open(INFO)
    for one in frames:
        sink.write(sink.prepare(one))
    sink.close()


def test_writes_all_formats_at_the_end(tmp_path: Path):
    sink = ExportSink(tmp_path, list(FORMATS))
    run(sink, [frame(0, []), frame(1, [[1, 2, 30, 40]]), frame(2, [])])
    for one in FORMATS.values():
        back = one.read(one.target(tmp_path))
        assert back.frame_index.tolist() == [0, 1, 2]
        np.testing.assert_allclose(back.xyxy, [[1, 2, 30, 40]], atol=0.01)
    assert [told.objects for told in sink.written] == [1] * len(FORMATS)


def test_works_in_an_engine(make, tmp_path: Path):
    engine, watch = make("boxes")
    sink = ExportSink(tmp_path, ("csv", "coco"), images=True)
    engine.add_sink(sink)
    engine.start(FakeSource(count=20))
    watch.wait_for(lambda: any(state.phase is SourcePhase.ENDED for state in watch.of(SourceState)))
    assert engine.stop(10)
    back = FORMATS["coco"].read(tmp_path / "results.coco")
    assert back.frame_index.tolist() == list(range(20))
    assert len(list((tmp_path / "results.coco" / "images").iterdir())) == 20
    assert {p.name for p in tmp_path.iterdir()} == {"results.csv", "results.coco"}


def test_saves_pictures_for_the_formats_that_hold_them(tmp_path: Path):
    sink = ExportSink(tmp_path, ("csv", "yolo", "voc"), images=True)
    run(sink, [frame(at, [[1, 2, 30, 40]]) for at in (3, 5)])
    for place in ("results.yolo/images/train", "results.voc/JPEGImages"):
        assert sorted(p.name for p in (tmp_path / place).iterdir()) == ["frame_000003.jpg", "frame_000005.jpg"]
    image = cv2.imread(str(tmp_path / "results.yolo/images/train/frame_000005.jpg"))
    assert abs(int(image.mean()) - 50) < 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results.csv", "results.voc", "results.yolo"]


def test_pictures_of_a_folder_keep_their_names(tmp_path: Path):
    sink = ExportSink(tmp_path, ("yolo",))
    run(sink, [frame(0, [], "beach.png"), frame(1, [], "dog.png")])
    assert sorted(p.name for p in (tmp_path / "results.yolo/labels/train").iterdir()) == ["beach.txt", "dog.txt"]


def test_pictures_fit_the_boxes_when_a_stage_has_cropped():
    whole = np.zeros((48, 64, 3), np.uint8)
    whole[20:30, 40:60] = 255
    cropped = Frame(whole).with_image(whole[10:40, 30:64], np.array([[1.0, 0, 30], [0, 1, 10], [0, 0, 1]]))
    back = as_captured(cropped)
    assert back.shape == whole.shape
    assert np.array_equal(back, whole)


def test_frames_that_come_again_are_counted(tmp_path: Path):
    sink = ExportSink(tmp_path, ("csv",))
    run(sink, [frame(at, [[1, 2, 3, 4]]) for at in (0, 1, 0, 1, 2)])
    assert sink.again == 2
    assert FORMATS["csv"].read(tmp_path / "results.csv").frame_index.tolist() == [0, 1, 2]


def test_one_that_fails_does_not_keep_the_others(tmp_path: Path):
    sink = ExportSink(tmp_path, ("coco", "csv"))
    sink.open(INFO)
    sink.write(sink.prepare(frame(0, [[1, 2, 3, 4]])))
    (tmp_path / "results.coco").write_text("a file in the way")
    with pytest.raises(SinkError, match=r"results\.coco is a file"):
        sink.close()
    assert (tmp_path / "results.csv").exists()


def test_unknown_formats_and_folders(tmp_path: Path):
    with pytest.raises(SinkError, match="'xls' is not a format"):
        ExportSink(tmp_path, ("xls",))
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="Cannot write"):
        ExportSink(tmp_path / "file", ("csv",)).open(INFO)
    ExportSink(tmp_path / "never", ("csv",)).close()
    assert not (tmp_path / "never").exists()
