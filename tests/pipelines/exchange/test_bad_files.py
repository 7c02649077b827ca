"""Broken and hostile files give a sentence that names the file, never a crash."""

from __future__ import annotations

import json
import resource
import stat
import zipfile
from pathlib import Path

import pytest

from scenescope.models import SinkError, SourceError
from scenescope.pipelines.exchange import archive
from scenescope.pipelines.exchange.detect import detect, recognise
from scenescope.pipelines.exchange.fakes import make_table
from scenescope.pipelines.exchange.formats import FORMATS

pytestmark = pytest.mark.slow

ALL = list(FORMATS)
MAIN_FILE = {
    "jsonl": "",
    "csv": "",
    "parquet": "",
    "coco": "annotations.json",
    "yolo": "data.yaml",
    "voc": "Annotations",
    "mot": "gt/gt.txt",
    "cvat": "annotations.xml",
}
BILLION_LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<{root}><source>&b;</source></{root}>"""
OUTSIDE_ENTITY = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<{root}><source>&a;</source></{root}>"""


def main_file(name: str, path: Path) -> Path:
    if name == "voc":
        return next(iter(sorted((path / "Annotations").iterdir())))
    return path / MAIN_FILE[name] if MAIN_FILE[name] else path


def good(name: str, out: Path) -> tuple[Path, Path]:
    """A whole export, and the file in it that is about to be damaged."""
    path = FORMATS[name].target(out)
    FORMATS[name].write(make_table(12), path)
    return path, main_file(name, path)


def refuses(name: str, path: Path, words: str = "") -> str:
    with pytest.raises(SourceError) as caught:
        FORMATS[name].read(path)
    assert words in str(caught.value)
    assert caught.value.user_message.endswith(".")
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ALL)
def test_missing(name: str, tmp_path: Path):
    refuses(name, tmp_path / "nothing", "does not exist")


@pytest.mark.parametrize("name", [name for name in ALL if name != "yolo"])
def test_truncated(name: str, tmp_path: Path):
    path, file = good(name, tmp_path)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 2 // 3 - 5])
    if name == "csv" and data[: len(data) * 2 // 3 - 5].endswith(b"\n"):
        pytest.fail("the cut must be within a line")
    refuses(name, path, file.name if name != "coco" else "annotations.json")


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("parquet", "voc", "cvat")])
def test_wrong_encoding(name: str, tmp_path: Path):
    path, file = good(name, tmp_path)
    file.write_bytes("Größe".encode("utf-16") + file.read_bytes())
    refuses(name, path)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"\xff\xd8\xff\xe0 a picture", b"hello\nworld\n"])
def test_something_else(name: str, content: bytes, tmp_path: Path):
    file = tmp_path / "thing"
    file.write_bytes(content)
    if name == "mot" and not content:
        assert len(FORMATS[name].read(file)) == 0
    else:
        refuses(name, file)
    assert detect(file) is None


@pytest.mark.parametrize("name", [name for name in ALL if FORMATS[name].folder])
def test_an_empty_folder(name: str, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    refuses(name, tmp_path / "empty")
    assert detect(tmp_path / "empty") is None


@pytest.mark.parametrize("attack", [BILLION_LAUGHS, OUTSIDE_ENTITY])
@pytest.mark.parametrize(("name", "root"), [("voc", "annotation"), ("cvat", "annotations")])
def test_xml_with_entities(name: str, root: str, attack: str, tmp_path: Path):
    file = tmp_path / "a.xml"
    file.write_text(attack.format(root=root))
    refuses(name, file, "do harm")


@pytest.mark.parametrize(("name", "root"), [("voc", "annotation"), ("cvat", "annotations")])
def test_xml_nested_deeply(name: str, root: str, tmp_path: Path):
    file = tmp_path / "a.xml"
    file.write_text(f"<{root}>" + "<x>" * 50_000 + "</x>" * 50_000 + f"</{root}>")
    if name == "cvat":
        refuses(name, file, "nested")
    else:
        assert len(FORMATS[name].read(file)) == 0


def test_json_nested_deeply(tmp_path: Path):
    for name in ("coco", "jsonl"):
        file = tmp_path / f"a.{name}"
        file.write_text('{"images":' + "[" * 200_000)
        refuses(name, file)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "1e7", '"x"', "null", "-50"])
def test_absurd_numbers_in_coco(value: str, tmp_path: Path):
    text = (
        '{"images":[{"id":1,"file_name":"a.jpg","width":9,"height":9}],"categories":[{"id":1,"name":"x"}],'
        f'"annotations":[{{"id":1,"image_id":1,"category_id":1,"bbox":[1,1,{value},5]}}]}}'
    )
    (tmp_path / "a.json").write_text(text)
    refuses("coco", tmp_path / "a.json")


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "1e7", "x", ""])
def test_absurd_numbers_elsewhere(value: str, tmp_path: Path):
    files = {
        "csv": f"frame,label,x1,y1,x2,y2\n1,car,{value},1,2,3\n",
        "jsonl": f'{{"frame":0,"pts_s":0,"detections":[{{"label":"a","xyxy":[{value or "[]"},1,2,3]}}]}}\n',
        "mot": f"1,1,{value or 'x'},1,2,3,1,1,1\n",
        "voc": f"<annotation><object><name>a</name><bndbox><xmin>{value}</xmin><ymin>1</ymin><xmax>2</xmax>"
        "<ymax>3</ymax></bndbox></object></annotation>",
        "cvat": f'<annotations><track id="0" label="a"><box frame="0" outside="0" xtl="{value}" ytl="1" xbr="2" '
        'ybr="3"/></track></annotations>',
    }
    for name, text in files.items():
        file = tmp_path / f"a.{name}"
        file.write_text(text)
        refuses(name, file)


@pytest.mark.parametrize(
    "line", ["0 0.5 0.5", "7 0.5 0.5 0.1 0.1", "x 0.5 0.5 0.1 0.1", "0 nan 0.5 0.1 0.1", "0 1 1 -1 1"]
)
def test_bad_yolo_lines(line: str, tmp_path: Path):
    path, _ = good("yolo", tmp_path)
    next((path / "labels" / "train").iterdir()).write_text(line)
    refuses("yolo", path)


@pytest.mark.parametrize("names", ["names: 5", "names: {a: b}", "names: [", "names: {-1: x}", "a: &a [*a]\nnames: 1"])
def test_bad_yolo_names(names: str, tmp_path: Path):
    path, file = good("yolo", tmp_path)
    file.write_text(names)
    refuses("yolo", path, "data.yaml")


@pytest.mark.parametrize("frame", ["0", "-3", "999999999999999999999", "1.5e300", "abc"])
def test_bad_frame_numbers(frame: str, tmp_path: Path):
    (tmp_path / "gt.txt").write_text(f"{frame},1,1,1,5,5,1,1,1\n")
    refuses("mot", tmp_path / "gt.txt")
    if frame != "0":
        (tmp_path / "a.csv").write_text(f"frame,label,x1,y1,x2,y2\n{frame},a,1,1,5,5\n")
        refuses("csv", tmp_path / "a.csv")
        (tmp_path / "a.xml").write_text(
            f'<annotations><track id="0" label="a"><box frame="{frame}" xtl="1" ytl="1" xbr="2" ybr="3"/></track>'
            "</annotations>"
        )
        refuses("cvat", tmp_path / "a.xml")


def test_cvat_that_claims_too_much(tmp_path: Path):
    box = '<box frame="{}" outside="0" xtl="1" ytl="1" xbr="2" ybr="3"/>'
    (tmp_path / "a.xml").write_text(
        f'<annotations><track id="0" label="a">{box.format(0)}{box.format(10**9)}</track></annotations>'
    )
    refuses("cvat", tmp_path / "a.xml", "nothing between")
    (tmp_path / "b.xml").write_text(
        "<annotations><meta><task><mode>interpolation</mode><start_frame>0</start_frame>"
        "<stop_frame>99999999999</stop_frame></task></meta></annotations>"
    )
    refuses("cvat", tmp_path / "b.xml", "claims")
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nseqLength=99999999999\n")
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text("1,1,1,1,5,5,1,1,1\n")
    refuses("mot", tmp_path, "no number of frames")


def test_coco_that_contradicts_itself(tmp_path: Path):
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"id": 1, "image_id": 2, "category_id": 1, "bbox": [1, 1, 2, 2]}],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    refuses("coco", tmp_path / "a.json", "image 2")
    content["images"] *= 2
    (tmp_path / "a.json").write_text(json.dumps(content))
    refuses("coco", tmp_path / "a.json", "two of its images")


# Archives --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["../up.txt", "/etc/passwd", "a/../../b", "..\\up.txt", "C:\\x.txt"])
def test_archives_with_names_that_lead_out(entry: str, tmp_path: Path):
    place = tmp_path / "place"
    place.mkdir()
    with zipfile.ZipFile(place / "a.zip", "w") as made:
        made.writestr("gt/gt.txt", "1,1,1,1,5,5,1,1,1\n")
        made.writestr(entry, "harm")
    refuses("mot", place / "a.zip", "leads out")
    assert [p.name for p in tmp_path.rglob("*")] == ["place", "a.zip"]


def test_an_archive_with_a_link(tmp_path: Path):
    link = zipfile.ZipInfo("gt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(link, "/etc")
    refuses("mot", tmp_path / "a.zip", "leads out")


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "RATIO_MATTERS_ABOVE_BYTES", 1_000_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("annotations.xml", b" " * 5_000_000)
    refuses("cvat", tmp_path / "a.zip", "unpacked")


def test_a_broken_archive(tmp_path: Path):
    path, _ = good("mot", tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.write(path / "gt" / "gt.txt", "gt/gt.txt")
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data[: len(data) // 2])
    refuses("mot", tmp_path / "a.zip", "ZIP")
    with pytest.raises(SourceError, match="ZIP"):
        recognise(tmp_path / "a.zip")


# Disks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_disk_that_is_full(name: str, tmp_path: Path):
    table = make_table(4000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(SinkError, match="Cannot write"):
            FORMATS[name].write(table, FORMATS[name].target(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
