"""What is written comes back: by our readers, and by pycocotools, supervision and pandas."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenescope.models import SinkError
from scenescope.pipelines.exchange.detect import recognise
from scenescope.pipelines.exchange.fakes import ODD_NAMES, make_table, rows_by_frame
from scenescope.pipelines.exchange.formats import FORMATS
from scenescope.pipelines.exchange.table import BoxTable, BoxTableBuilder

ALL = list(FORMATS)
PICTURES = [name for name, one in FORMATS.items() if one.pictures]
KEEPS_CONFIDENCE_AND_TRACK = [name for name in ALL if name not in ("yolo", "voc")]
HALF_PIXEL = 0.5
OURS = 0.011


def written(name: str, table: BoxTable, out: Path, **more) -> Path:
    one = FORMATS[name]
    one.write(table, one.target(out), **more)
    return one.target(out)


@pytest.mark.parametrize("names", [("car", "person", "traffic light"), ODD_NAMES], ids=["plain", "odd"])
@pytest.mark.parametrize("name", ALL)
def test_comes_back(name: str, names: tuple[str, ...], tmp_path: Path):
    table = make_table(names=names)
    path = written(name, table, tmp_path)
    back = FORMATS[name].read(path)
    assert path.name == f"results.{name}"
    assert path.is_dir() == FORMATS[name].folder
    assert back.frame_index.tolist() == table.frame_index.tolist()
    assert back.frame_pts_s.tolist() == table.frame_pts_s.tolist()
    assert set(back.class_names) == set(names)
    assert back.notes == ()
    for (_, _, here), (_, _, there) in zip(rows_by_frame(table), rows_by_frame(back), strict=True):
        assert len(here) == len(there)
        for one, other in zip(here, there, strict=True):
            np.testing.assert_allclose(other[0], one[0], atol=OURS)
            assert other[1] == one[1]
            if name in KEEPS_CONFIDENCE_AND_TRACK:
                assert other[2:] == one[2:]
    found = recognise(path)
    assert found is not None
    assert found.format.name == name
    assert found.sure


@pytest.mark.parametrize("name", ALL)
def test_equal_tables_give_equal_bytes(name: str, tmp_path: Path):
    files = []
    for folder in ("a", "b"):
        path = written(name, make_table(), tmp_path / folder)
        parts = sorted(path.rglob("*")) if path.is_dir() else [path]
        files.append([(str(p.relative_to(tmp_path / folder)), p.read_bytes()) for p in parts if p.is_file()])
    assert files[0] == files[1]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("frames", [0, 3])
def test_no_objects(name: str, frames: int, tmp_path: Path):
    table = BoxTable("f", (64, 48), 10.0, np.arange(frames), np.arange(frames) / 10, [], [], (), [], [], [])
    path = written(name, table, tmp_path)
    if name == "jsonl" and not frames:
        assert path.read_bytes() == b""
    elif frames or name not in ("yolo", "voc"):
        back = FORMATS[name].read(path)
        assert len(back) == 0
        assert back.frame_index.tolist() == table.frame_index.tolist()


@pytest.mark.parametrize("name", ALL)
def test_an_export_takes_the_place_of_the_one_before(name: str, tmp_path: Path):
    written(name, make_table(60), tmp_path)
    path = written(name, make_table(10), tmp_path)
    assert len(FORMATS[name].read(path).frame_index) == 10
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_is_not_ours_in_the_folder_stays(table: BoxTable, tmp_path: Path):
    mine = tmp_path / "results.yolo" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    written("yolo", table, tmp_path)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_go_with_it(name: str, table: BoxTable, pictures: dict[int, Path], tmp_path: Path):
    path = written(name, table, tmp_path / "out", images=pictures)
    assert len(list(path.rglob("*.jpg"))) == len(table.frame_index)
    assert len(FORMATS[name].read(path)) == len(table)


def test_names_of_the_users_own_pictures_are_kept(tmp_path: Path):
    table = make_table(3, frame_name=("beach.png", "dog & cat.png", "z.png"))
    for name in ("yolo", "voc"):
        path = written(name, table, tmp_path)
        assert {p.stem for p in path.rglob("*.txt" if name == "yolo" else "*.xml")} >= {"beach", "dog & cat", "z"}
    assert FORMATS["coco"].read(written("coco", table, tmp_path)).frame_name == table.frame_name


@pytest.mark.parametrize("names", [("../../up.png", "b.png", "c.png"), ("a.png", "a.jpg", "c.png")])
def test_names_that_cannot_be_used_are_replaced(names: tuple[str, ...], tmp_path: Path):
    table = make_table(3, frame_name=names)
    if "/" in names[0]:
        table = replace(table, frame_name=("..", "b", "c:d"))
    path = written("voc", table, tmp_path / "in" / "deep")
    assert {p.name for p in path.rglob("*.xml")} == {f"frame_{i:06d}.xml" for i in table.frame_index.tolist()}


def test_pictures_of_different_sizes(tmp_path: Path):
    table = make_table(4)
    sizes = np.array([[640, 360], [320, 200], [1280, 720], [640, 360]])
    table = replace(table, frame_size_wh=sizes)
    for name in ("yolo", "voc", "coco"):
        back = FORMATS[name].read(written(name, table, tmp_path))
        assert back.sizes_wh.tolist() == sizes.tolist()
        inside = np.clip(table.xyxy, 0, np.tile(sizes[table.row_frame], 2)) if name != "coco" else table.xyxy
        kept = (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])
        assert len(back) == int(kept.sum())


# Boxes that formats cannot hold ----------------------------------------------------------------------------------


def odd_boxes() -> BoxTable:
    xyxy = [
        [-20, -10, 50, 40],
        [600, 300, 700, 400],
        [5, 5, 5, 30],
        [np.nan, 0, 5, 5],
        [900, 10, 950, 50],
        [1, 1, 2, 9],
    ]
    return BoxTable("f", (640, 360), 10.0, [0], [0.0], [0] * 6, [0] * 6, ("x",), [1.0] * 6, xyxy, [-1] * 6)


@pytest.mark.parametrize(
    ("name", "objects", "dropped", "clipped"),
    [
        ("jsonl", 5, 1, 0), ("csv", 5, 1, 0), ("parquet", 5, 1, 0), ("coco", 4, 2, 0), ("mot", 4, 2, 0),
        ("cvat", 4, 2, 0), ("yolo", 3, 3, 3), ("voc", 3, 3, 3),
    ],
)  # fmt: skip
def test_what_a_format_cannot_hold_is_counted(name: str, objects: int, dropped: int, clipped: int, tmp_path: Path):
    told = FORMATS[name].write(odd_boxes(), FORMATS[name].target(tmp_path))
    assert (told.objects, told.dropped, told.clipped) == (objects, dropped, clipped)
    assert ("without area left out" in str(told)) == bool(dropped)
    back = FORMATS[name].read(told.path)
    flat = 1 if name in ("jsonl", "csv", "parquet") else 0
    assert len(back) == objects - flat
    if name in ("yolo", "voc"):
        np.testing.assert_allclose(back.xyxy[0], [0, 0, 50, 40], atol=0.01)


def test_yolo_needs_the_size(tmp_path: Path):
    with pytest.raises(SinkError, match="whose size is not known"):
        written("yolo", replace(make_table(), size_wh=(0, 0)), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ALL)
def test_a_place_that_cannot_be_written(name: str, table: BoxTable, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="Cannot write"):
        written(name, table, tmp_path / "file")


@pytest.mark.parametrize("name", [name for name in ALL if FORMATS[name].folder])
def test_a_file_where_a_folder_is_to_be(name: str, table: BoxTable, tmp_path: Path):
    FORMATS[name].target(tmp_path).write_text("mine")
    with pytest.raises(SinkError, match="is a file"):
        written(name, table, tmp_path)
    assert FORMATS[name].target(tmp_path).read_text() == "mine"


@pytest.mark.parametrize("name", ALL)
def test_ended_in_between_leaves_the_old_one(name: str, tmp_path: Path):
    path = written(name, make_table(5), tmp_path)

    def end(done: float) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError):
        FORMATS[name].write(make_table(9), path, told=end)
    assert len(FORMATS[name].read(path).frame_index) == 5
    assert len(list(tmp_path.iterdir())) == 1


# Other libraries -------------------------------------------------------------------------------------------------


def by_frame(table: BoxTable, at: int) -> np.ndarray:
    boxes = table.xyxy[table.rows_of(at)]
    return boxes[np.lexsort(boxes.T)]


@pytest.mark.slow
def test_pandas_reads_the_tables(table: BoxTable, tmp_path: Path):
    import pandas

    for frame in (
        pandas.read_csv(written("csv", table, tmp_path)),
        pandas.read_parquet(written("parquet", table, tmp_path)),
    ):
        objects = frame.dropna(subset=["x1"])
        np.testing.assert_allclose(objects[["x1", "y1", "x2", "y2"]], table.xyxy, atol=0.005)
        assert objects["label"].astype(str).tolist() == table.labels
        assert objects["track_id"].fillna(-1).astype(int).tolist() == table.track_id.tolist()
        assert sorted(frame["frame"].unique()) == table.frame_index.tolist()
        assert frame.drop_duplicates("frame")["pts_s"].tolist() == table.frame_pts_s.tolist()


@pytest.mark.slow
def test_pycocotools_reads_coco(table: BoxTable, tmp_path: Path):
    from pycocotools.coco import COCO

    path = written("coco", table, tmp_path) / "annotations.json"
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
        results = coco.loadRes(json.loads(path.read_text())["annotations"])
    assert [image["pts_s"] for image in coco.loadImgs(coco.getImgIds())] == table.frame_pts_s.tolist()
    assert [image["frame_index"] for image in coco.loadImgs(coco.getImgIds())] == table.frame_index.tolist()
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == list(table.class_names)
    for found in (coco, results):
        for at in range(len(table.frame_index)):
            boxes = np.array([a["bbox"] for a in found.loadAnns(found.getAnnIds(at + 1))]).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            np.testing.assert_allclose(boxes, table.xyxy[table.rows_of(at)], atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coco", "yolo", "voc"])
def test_supervision_reads(
    name: str, table: BoxTable, pictures: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import supervision
    import tqdm

    # Its progress bars would keep a thread.
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)
    path = written(name, table, tmp_path / "out", images=pictures)
    if name == "coco":
        data = supervision.DetectionDataset.from_coco(str(path / "images"), str(path / "annotations.json"))
    elif name == "yolo":
        data = supervision.DetectionDataset.from_yolo(
            str(path / "images/train"), str(path / "labels/train"), str(path / "data.yaml")
        )
    else:
        data = supervision.DetectionDataset.from_pascal_voc(str(path / "JPEGImages"), str(path / "Annotations"))
    found = {int(Path(image).stem.removeprefix("frame_")): value for image, value in data.annotations.items()}
    assert sorted(found) == table.frame_index.tolist()
    for at, index in enumerate(table.frame_index.tolist()):
        boxes = found[index].xyxy
        labels = sorted(data.classes[i] for i in found[index].class_id)
        assert labels == sorted(table.class_names[i] for i in table.class_id[table.rows_of(at)])
        np.testing.assert_allclose(boxes[np.lexsort(boxes.T)], by_frame(table, at), atol=HALF_PIXEL)


@pytest.mark.slow
def test_trackers_reads_mot(table: BoxTable, tmp_path: Path):
    from trackers.io.mot import load_mot_file

    found = load_mot_file(written("mot", table, tmp_path) / "gt" / "gt.txt")
    for at in range(len(table.frame_index)):
        rows = table.rows_of(at)
        if rows.stop > rows.start:
            boxes = found[at + 1].boxes.copy()
            boxes[:, 2:] += boxes[:, :2]
            np.testing.assert_allclose(boxes, table.xyxy[rows], atol=0.01)
            assert (found[at + 1].confidences == 1).all()
            known = table.track_id[rows] >= 0
            assert found[at + 1].ids[known].tolist() == table.track_id[rows][known].tolist()


def test_jsonl_is_what_the_sink_writes(tmp_path: Path):
    from scenescope.models import Tracks
    from scenescope.pipelines.exchange.table import BoxTableBuilder
    from scenescope.pipelines.frame import Frame
    from scenescope.pipelines.sinks.jsonl import JsonLines
    from scenescope.pipelines.source import SourceInfo

    table = make_table(30, names=ODD_NAMES)
    info = SourceInfo("film.mp4", (640, 360), 29.97, False)
    sink, builder = JsonLines(tmp_path / "sink.jsonl"), BoxTableBuilder("film.mp4", (640, 360), 29.97)
    sink.open(info)
    image = np.zeros((360, 640, 3), np.uint8)
    for at in range(len(table.frame_index)):
        rows = table.rows_of(at)
        found = Tracks(
            xyxy=table.xyxy[rows],
            confidence=table.confidence[rows],
            class_id=table.class_id[rows],
            class_names=ODD_NAMES,
            track_id=table.track_id[rows],
        )
        frame = Frame(image, int(table.frame_index[at]), float(table.frame_pts_s[at])).with_result("track", found)
        sink.write(sink.prepare(frame))
        builder.add(frame)
    sink.close()
    path = written("jsonl", builder.table(), tmp_path)
    assert path.read_bytes() == (tmp_path / "sink.jsonl").read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_times_are_those_of_results_jsonl_to_the_last_digit(name, tmp_path):
    # Ticks of 1/12800 s lie half-way between two microseconds; 1001/30000 s has no end.
    times = [0.0, 4 / 12800, 12 / 12800, 1001 / 30000, 2002 / 30000]
    builder = BoxTableBuilder("film.mp4", (64, 48), 30.0)
    for index, pts_s in enumerate(times):
        builder.add_found(index, pts_s, [])
    FORMATS[name].write(builder.table(), tmp_path / name)
    assert FORMATS[name].read(tmp_path / name, 30.0).frame_pts_s.tolist() == [round(pts_s, 6) for pts_s in times]
