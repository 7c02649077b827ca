"""Ground truths of other tools are recognised and read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.models import SourceError
from scenescope.pipelines.exchange.detect import recognise
from scenescope.pipelines.exchange.fakes import make_table, rows_by_frame
from scenescope.pipelines.exchange.formats import FORMATS
from scenescope.pipelines.exchange.table import BoxTable
from scenescope.pipelines.exchange.yolo import picture_size_wh


def read(path: Path, name: str, rate_hz: float = 0.0) -> BoxTable:
    """Recognised as ``name``, and read."""
    found = recognise(path)
    assert found is not None
    assert found.format.name == name
    return found.format.read(found.path, rate_hz)


def picture(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, np.zeros((height, width, 3), np.uint8))[1].tobytes())


def test_coco_as_cvat_writes_it(tmp_path: Path):
    content = {
        "licenses": [], "info": {"year": 2020},
        "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}],
        "images": [
            {"id": 7, "width": 100, "height": 50, "file_name": "frame_000010.PNG"},
            {"id": 9, "width": 100, "height": 50, "file_name": "frame_000002.PNG"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 18, "bbox": [1, 2, 3, 4], "iscrowd": 0,
             "attributes": {"occluded": False, "track_id": 5}},
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 1},
        ],
    }  # fmt: skip
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_default.json").write_text(json.dumps(content))
    for path in (tmp_path, tmp_path / "annotations" / "instances_default.json"):
        table = read(path, "coco", rate_hz=10.0)
        assert table.frame_index.tolist() == [2, 10]
        assert table.frame_pts_s.tolist() == [0.2, 1.0]
        assert (table.xyxy.tolist(), table.labels, table.track_id.tolist()) == ([[1, 2, 4, 6]], ["dog"], [5])
        assert table.class_names == ("car", "dog")
        assert table.notes == ("1 areas of crowds were left out.",)


def test_times_that_nobody_knows(tmp_path: Path):
    (tmp_path / "gt.txt").write_text("3,1,10,10,5,5,1,1,1\n")
    table = read(tmp_path / "gt.txt", "mot")
    assert table.frame_pts_s.tolist() == [0.0]
    assert "neither times nor a frame rate" in table.notes[0]


def test_yolo_as_roboflow_packs_it(tmp_path: Path):
    (tmp_path / "data.yaml").write_text("train: ../../../../etc\nval: ../valid/images\nnc: 2\nnames: ['a', 'b']\n")
    for split, stem, line in (("train", "img_003", "1 0.5 0.5 0.2 0.4"), ("valid", "img_001", "0 0.1 0.1 0.2 0.2 0.9")):
        picture(tmp_path / split / "images" / f"{stem}.jpg", 200, 100)
        (tmp_path / split / "labels").mkdir()
        (tmp_path / split / "labels" / f"{stem}.txt").write_text(line + "\n\n")
    picture(tmp_path / "valid" / "images" / "img_009.jpg", 200, 100)
    table = read(tmp_path, "yolo", rate_hz=30.0)
    assert table.frame_index.tolist() == [1, 3, 9]
    assert table.labels == ["a", "b"]
    np.testing.assert_allclose(table.xyxy, [[0, 0, 40, 20], [80, 30, 120, 70]], atol=1e-4)
    assert table.confidence.tolist() == [0.9, 1.0]


def test_yolo_outlines_become_boxes_and_need_pictures(tmp_path: Path):
    (tmp_path / "classes.txt").write_text("cat\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "0.txt").write_text("0 0.1 0.2 0.5 0.2 0.5 0.6\n")
    with pytest.raises(SourceError, match="size of the picture"):
        read(tmp_path, "yolo")
    picture(tmp_path / "images" / "0.png", 100, 100)
    np.testing.assert_allclose(read(tmp_path, "yolo").xyxy, [[10, 20, 50, 60]], atol=1e-4)
    (tmp_path / "images" / "0.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match="not a picture"):
        read(tmp_path, "yolo")


def test_what_is_no_picture_is_said_also_where_pillow_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As Ultralytics does, for formats that need another package."""

    def replaced(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'pi_heif'")

    monkeypatch.setattr("PIL.Image.open", replaced)
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match="not a picture"):
        picture_size_wh(tmp_path / "0.png")


def test_voc_beside_its_pictures(tmp_path: Path):
    text = (
        "<annotation><folder>..</folder><filename>../../etc/passwd</filename><size><width>100</width>"
        "<height>50</height><depth>3</depth></size><object><name>dog</name><bndbox><xmax>11</xmax><xmin>1</xmin>"
        "<ymax>{}</ymax><ymin>{}</ymin></bndbox></object></annotation>"
    )
    (tmp_path / "000005.xml").write_text(text.format(21, 11))
    (tmp_path / "000006.xml").write_text(text.format(11, 21))
    table = read(tmp_path, "voc", rate_hz=5.0)
    assert table.frame_index.tolist() == [5, 6]
    assert table.xyxy.tolist() == [[0, 10, 11, 21], [0, 10, 11, 21]]
    assert table.frame_name == ("passwd", "passwd")
    assert table.size_wh == (100, 50)


def test_mot17_counts_only_what_counts(tmp_path: Path):
    place = tmp_path / "MOT17-02"
    (place / "gt").mkdir(parents=True)
    (place / "seqinfo.ini").write_text(
        "[Sequence]\nname=MOT17-02\nimDir=img1\nframeRate=30\nseqLength=4\nimWidth=1920\nimHeight=1080\nimExt=.jpg\n"
    )
    (place / "gt" / "gt.txt").write_text(
        "1,2,912,484,97,109,0,7,1\n1,3,1338,418,167,379,1,1,1\n4,3,1342,417,168,380,1,1,0.9\n"
    )
    for path in (place, tmp_path):
        table = read(path, "mot")
        assert table.frame_index.tolist() == [0, 1, 2, 3]
        np.testing.assert_allclose(table.frame_pts_s, [0, 1 / 30, 2 / 30, 3 / 30])
        assert table.labels == ["pedestrian"] * 2
        assert table.track_id.tolist() == [3, 3]
        assert table.size_wh == (1920, 1080)
        assert "not to be counted" in table.notes[0]


def test_a_trackers_own_lines(tmp_path: Path):
    (tmp_path / "MOT17-02.txt").write_text("1,1,10,20,30,40,0.87,-1,-1,-1\n2,1,11,20,30,40,-1,-1,-1,-1\n")
    table = read(tmp_path / "MOT17-02.txt", "mot", 25.0)
    assert table.confidence.tolist() == [0.87, 1.0]
    assert table.labels == ["object", "object"]


def cvat(tracks: str, meta: str = "") -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{tracks}</annotations>'


def test_cvat_moves_boxes_between_key_frames(tmp_path: Path):
    box = '<box frame="{}" outside="{}" occluded="0" keyframe="1" xtl="{}" ytl="0" xbr="{}" ybr="10" z_order="0"/>'
    boxes = box.format(0, 0, 0, 10) + box.format(4, 0, 8, 18) + box.format(7, 1, 8, 18)
    shape = '<polygon frame="0" points="1,2;3,4;5,6"/>'
    meta = (
        "<meta><job><size>9</size><mode>interpolation</mode><start_frame>0</start_frame><stop_frame>8</stop_frame>"
        "<labels><label><name>bike</name></label><label><name>car</name></label></labels>"
        "<original_size><width>64</width><height>48</height></original_size><source>a.mp4</source></job></meta>"
    )
    (tmp_path / "annotations.xml").write_text(
        cvat(f'<track id="3" label="car">{boxes}</track><track id="4" label="bike">{shape}</track>', meta)
    )
    table = read(tmp_path / "annotations.xml", "cvat", 10.0)
    assert table.frame_index.tolist() == list(range(9))
    assert table.row_frame.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert table.xyxy[:, 0].tolist() == [0, 2, 4, 6, 8, 8, 8]
    assert table.source == "a.mp4"
    assert table.size_wh == (64, 48)
    assert table.notes == ("1 shapes that are no boxes were left out.",)


def test_cvat_for_images_in_a_zip(tmp_path: Path):
    text = cvat(
        '<image id="0" name="a/0.jpg" width="64" height="48"><box label="car" xtl="1" ytl="2" xbr="3" ybr="4"/></image>'
        '<image id="1" name="a/1.jpg" width="64" height="48"><tag label="x"/></image>'
    )
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as made:
        made.writestr("annotations.xml", text)
    table = read(tmp_path / "task.zip", "cvat", 2.0)
    assert table.frame_name == ("0.jpg", "1.jpg")
    assert table.xyxy.tolist() == [[1, 2, 3, 4]]
    assert table.frame_pts_s.tolist() == [0.0, 0.5]


@pytest.mark.parametrize("name", ["coco", "yolo", "mot", "cvat", "voc"])
@pytest.mark.parametrize("around", ["", "task 1/"])
def test_zipped_exports(name: str, around: str, tmp_path: Path):
    table = make_table(12)
    path = FORMATS[name].target(tmp_path)
    FORMATS[name].write(table, path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for file in path.rglob("*"):
            made.write(file, around + str(file.relative_to(path)))
    back = read(tmp_path / "a.zip", name)
    assert [frame[:2] for frame in rows_by_frame(back)] == [frame[:2] for frame in rows_by_frame(table)]
    assert len(back) == len(table)


def test_csv_with_other_columns(tmp_path: Path):
    (tmp_path / "a.csv").write_text("Label,frame,x1,y1,x2,y2,extra\ncar,5,1,2,3,4,x\nbus,2,1,2,3,4,\n")
    table = read(tmp_path / "a.csv", "csv", 10.0)
    assert (table.frame_index.tolist(), table.labels) == ([2, 5], ["bus", "car"])
    (tmp_path / "b.csv").write_text("a,b\n1,2\n")
    assert recognise(tmp_path / "b.csv") is None
    with pytest.raises(SourceError, match="no column 'frame'"):
        FORMATS["csv"].read(tmp_path / "b.csv")


def test_flat_boxes_are_told_of(tmp_path: Path):
    (tmp_path / "a.csv").write_text("frame,label,x1,y1,x2,y2\n1,a,5,5,5,9\n1,a,5,5,6,9\n")
    table = FORMATS["csv"].read(tmp_path / "a.csv", 1.0)
    assert len(table) == 1
    assert table.notes == ("1 objects without area were left out.",)
