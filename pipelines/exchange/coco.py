"""COCO object detection: one JSON file with ``images``, ``annotations`` and ``categories`` (cocodataset.org, format).

Beyond the format, pictures carry ``frame_index`` and ``pts_s``, annotations ``score`` and ``track_id``, which the tools
that read COCO pass over.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scenescope.models import SourceError
from scenescope.pipelines.exchange.files import (
    CHUNK_ROWS,
    Told,
    broken,
    frame_numbers,
    new_folder,
    picture_stems,
    place_pictures,
)
from scenescope.pipelines.exchange.gather import Gathered, reading
from scenescope.pipelines.exchange.table import BoxTable

__all__ = ["ANNOTATIONS_FILE", "read_coco", "write_coco"]

ANNOTATIONS_FILE = "annotations.json"
MAX_FILE_BYTES = 4_000_000_000


def write_coco(table: BoxTable, path: Path, images: Mapping[int, Path] | None, told: Told) -> None:
    """``annotations.json`` and, with pictures, ``images``; numbers of pictures, classes and objects begin at 1."""
    stems = picture_stems(table)
    with new_folder(path, (ANNOTATIONS_FILE, "images")) as folder:
        names = place_pictures(images, stems, folder / "images")
        own = table.frame_name if table.frame_name and not names else ()
        with (folder / ANNOTATIONS_FILE).open("w", encoding="utf-8", newline="") as file:
            info = {"description": table.source, "rate_hz": table.rate_hz, "version": "1.0"}
            file.write(f'{{"info":{_json(info)},"licenses":[],\n"images":[')
            sizes = table.sizes_wh.tolist()
            times = zip(table.frame_index.tolist(), table.frame_pts_s.tolist(), strict=True)
            for at, (index, pts_s) in enumerate(times):
                name = names.get(at) or (own[at] if own else f"{stems[at]}.jpg")
                file.write(
                    f'{"," if at else ""}\n{{"id":{at + 1},"file_name":{_json(name)},"width":{sizes[at][0]},'
                    f'"height":{sizes[at][1]},"frame_index":{index},"pts_s":{pts_s!r}}}'
                )
            file.write('],\n"annotations":[')
            for first in range(0, len(table), CHUNK_ROWS):
                told(first / len(table))
                file.write("," if first else "")
                file.write(",".join(_annotations(table, slice(first, first + CHUNK_ROWS))))
            file.write('],\n"categories":[')
            file.write(
                ",".join(f'\n{{"id":{i},"name":{_json(n)}}}' for i, n in enumerate(table.class_names, 1)) + "]}\n"
            )


def _annotations(table: BoxTable, rows: slice) -> list[str]:
    xyxy = table.xyxy[rows]
    # Width and height are those between the rounded corners, so that corners come back as they were.
    corner = np.round(xyxy[:, :2], 3)
    size = np.round(np.round(xyxy[:, 2:], 3) - corner, 3)
    return [
        f'\n{{"id":{n},"image_id":{f},"category_id":{c},"bbox":[{x!r},{y!r},{w!r},{h!r}],"area":{round(w * h, 3)!r},'
        f'"iscrowd":0,"segmentation":[],"score":{round(p, 6)!r}' + (f',"track_id":{t}}}' if t >= 0 else "}")
        for n, f, c, (x, y), (w, h), p, t in zip(
            range(rows.start + 1, rows.start + 1 + len(xyxy)),
            (table.row_frame[rows] + 1).tolist(),
            (table.class_id[rows] + 1).tolist(),
            corner.tolist(),
            size.tolist(),
            table.confidence[rows].tolist(),
            table.track_id[rows].tolist(),
            strict=True,
        )
    ]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class _Annotations:
    """Takes the annotations out while the file is parsed, so that a million of them are arrays and not dictionaries."""

    def __init__(self) -> None:
        self.image, self.category, self.track = array("q"), array("q"), array("q")
        self.score, self.xywh = array("d"), array("d")
        self.crowds = 0

    def take(self, entry: dict[str, Any]) -> Any:
        if "bbox" not in entry or "image_id" not in entry:
            return entry
        if entry.get("iscrowd"):
            self.crowds += 1
            return None
        x, y, w, h = entry["bbox"]
        self.xywh.extend((x, y, w, h))
        self.image.append(entry["image_id"])
        self.category.append(entry["category_id"])
        track_id = entry.get("track_id", (entry.get("attributes") or {}).get("track_id"))
        self.track.append(-1 if track_id is None else int(track_id))
        self.score.append(entry.get("score", 1.0))
        return None


def read_coco(path: Path, rate_hz: float) -> BoxTable:
    """A COCO file, or a folder that holds one. Areas of crowds are left out.

    Raises:
        SourceError: it is damaged, or other JSON.
    """
    if path.is_dir():
        path = _file_in(path)
    rows = _Annotations()
    with reading(path):
        if path.stat().st_size > MAX_FILE_BYTES:
            raise broken(path, "it is larger than 4 GB", "Divide it into several.")
        with path.open(encoding="utf-8-sig") as file:
            try:
                content = json.load(file, object_hook=rows.take, parse_constant=_no_constant)
            except json.JSONDecodeError as error:
                raise broken(path, f"line {error.lineno} is not JSON ({error.msg})") from error
        if not isinstance(content, dict) or not isinstance(content.get("images"), list):
            raise broken(path, "it has no list of images, as a COCO file has")
        return _table(path, content, rows, rate_hz)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _file_in(folder: Path) -> Path:
    found = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json"), *folder.glob("*/*.json")])
    preferred = [path for path in found if path.name == ANNOTATIONS_FILE or "instances" in path.name]
    if not found:
        raise SourceError(f"{folder.name} holds no COCO file.", hint="Choose the JSON file itself.", permanent=True)
    return (preferred or found)[0]


def _table(path: Path, content: dict[str, Any], rows: _Annotations, rate_hz: float) -> BoxTable:
    categories = sorted(content.get("categories") or (), key=lambda category: int(category["id"]))
    name_of = {int(category["id"]): str(category["name"]) for category in categories}
    gathered = Gathered(path, name_of.values())
    known = len(set(name_of.values()))
    images = content["images"]
    if images and all("frame_index" in image for image in images):
        numbers = [int(image["frame_index"]) for image in images]
    else:
        images = sorted(images, key=lambda image: str(image.get("file_name", "")))
        numbers = frame_numbers([Path(str(image.get("file_name", ""))).stem for image in images])
    frame_of: dict[int, int] = {}
    for image, number in zip(images, numbers, strict=True):
        if int(image["id"]) in frame_of:
            raise broken(path, f"two of its images have the number {image['id']}")
        frame_of[int(image["id"])] = number
        pts_s = image.get("pts_s")
        size = int(image.get("width") or 0), int(image.get("height") or 0)
        gathered.frame(number, None if pts_s is None else float(pts_s), str(image.get("file_name", "")), size)
    for at in range(len(rows.image)):
        x, y, w, h = rows.xywh[4 * at : 4 * at + 4]
        frame, label = frame_of.get(rows.image[at]), name_of.get(rows.category[at])
        if frame is None or label is None:
            missing = f"image {rows.image[at]}" if frame is None else f"category {rows.category[at]}"
            raise broken(path, f"annotation {at + 1} belongs to {missing}, which it does not have")
        gathered.add(frame, label, (x, y, x + w, y + h), rows.score[at], rows.track[at])
    if rows.crowds:
        gathered.notes.append(f"{rows.crowds:,} areas of crowds were left out.")
    info = content.get("info")
    info = info if isinstance(info, dict) else {}
    rate = float(info.get("rate_hz") or rate_hz)
    return gathered.table(str(info.get("description") or ""), rate_hz=rate, known_names=known)
