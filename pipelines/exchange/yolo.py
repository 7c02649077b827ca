"""YOLO as Ultralytics reads it: ``data.yaml``, and a text file for every picture with class, centre and size.

Centres and sizes are fractions of the picture, to 7 digits. ``frames.csv`` beside ``data.yaml`` keeps the times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scenescope.models import SinkError
from scenescope.pipelines.exchange.files import (
    FrameTimes,
    Told,
    broken,
    frame_numbers,
    new_folder,
    picture_stems,
    place_pictures,
    read_frame_times,
    read_text,
    told_every,
    write_frame_times,
)
from scenescope.pipelines.exchange.gather import Gathered, reading
from scenescope.pipelines.exchange.table import BoxTable

__all__ = ["picture_size_wh", "read_yolo", "write_yolo", "yolo_names"]

DATA_FILE = "data.yaml"
NAME_FILES = ("classes.txt", "obj.names")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MOST_FILES = 2_000_000


def write_yolo(table: BoxTable, path: Path, images: Mapping[int, Path] | None, told: Told) -> None:
    """``data.yaml``, ``labels/train``, ``frames.csv`` and, with pictures, ``images/train``.

    Raises:
        SinkError: it cannot be written, or the size of the pictures is not known.
    """
    sizes = table.sizes_wh
    if len(table) and (sizes <= 0).any():
        raise SinkError(
            "YOLO cannot be written: its boxes are fractions of the picture, whose size is not known.",
            hint="Choose COCO or CSV, or export from a run of the video.",
        )
    stems = picture_stems(table)
    with new_folder(path, (DATA_FILE, "frames.csv", "labels", "images")) as folder:
        place_pictures(images, stems, folder / "images" / "train")
        (folder / "images" / "train").mkdir(parents=True, exist_ok=True)
        labels = folder / "labels" / "train"
        labels.mkdir(parents=True)
        data = {
            "path": ".",
            "train": "images/train",
            "val": "images/train",
            "nc": len(table.class_names),
            "names": dict(enumerate(table.class_names)),
            "source": table.source,
            "rate_hz": table.rate_hz,
        }
        (folder / DATA_FILE).write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")
        write_frame_times(table, stems, folder / "frames.csv")
        bounds = table.bounds.tolist()
        for at, stem in enumerate(told_every(stems, len(stems), told)):
            rows = slice(bounds[at], bounds[at + 1])
            corners = table.xyxy[rows].reshape(-1, 2, 2) / sizes[at]
            centre, size = corners.mean(axis=1), corners[:, 1] - corners[:, 0]
            lines = [
                f"{c} {x:.7f} {y:.7f} {w:.7f} {h:.7f}\n"
                for c, (x, y, w, h) in zip(
                    table.class_id[rows].tolist(), np.hstack([centre, size]).tolist(), strict=True
                )
            ]
            (labels / f"{stem}.txt").write_text("".join(lines), encoding="utf-8", newline="")


def read_yolo(path: Path, rate_hz: float) -> BoxTable:
    """A folder with ``data.yaml`` or ``classes.txt``, and label files; the paths in ``data.yaml`` are not followed.

    Boxes are fractions, so the size of every picture is needed: from ``frames.csv``, or from the pictures.

    Raises:
        SourceError: it is damaged or another folder, or sizes are missing.
    """
    root = path if path.is_dir() else path.parent
    with reading(path):
        names, data = yolo_names(root)
        times = read_frame_times(root)
        files = sorted(_label_files(root), key=lambda file: (file.stem, str(file)))
        pictures = {_key(file, root): file for file in _walk(root) if file.suffix.lower() in PICTURE_SUFFIXES}
        labels = {_key(file, root): file for file in files}
        keys = sorted(set(labels) | set(pictures))
        if not keys:
            raise broken(path, "it holds neither label files nor pictures")
        numbers = _numbers(keys, times)
        gathered = Gathered(path, names)
        for key, number in zip(keys, numbers, strict=True):
            stem = key.rsplit("/", 1)[-1]
            picture, file = pictures.get(key), labels.get(key)
            lines = read_text(file).splitlines() if file else []
            size_wh = _size_of(stem, picture, times)
            if size_wh is None and any(line.strip() for line in lines):
                raise broken(
                    path,
                    f"the size of the picture for {stem}.txt is not known",
                    "Put the pictures into the folder 'images' beside 'labels'.",
                )
            pts_s = times.pts_s.get(stem) if times else None
            gathered.frame(number, pts_s, picture.name if picture else "", size_wh or (0, 0))
            for at, line in enumerate(lines, 1):
                if values := line.split():
                    try:
                        _take(gathered, number, values, names, size_wh or (0, 0))
                    except ValueError as error:
                        assert file is not None
                        raise broken(file, f"line {at}: {error}") from error
        rate = data.get("rate_hz") if isinstance(data.get("rate_hz"), (int, float)) else 0.0
        return gathered.table(
            str(data.get("source") or root.name), rate_hz=float(rate or rate_hz), known_names=len(set(names))
        )


def _take(gathered: Gathered, frame: int, values: list[str], names: list[str], size_wh: tuple[int, int]) -> None:
    if len(values) < 5:
        raise ValueError(f"{len(values)} values where a class and a box are 5")
    number = float(values[0])
    if number != int(number) or not 0 <= number < max(len(names), 1):
        raise ValueError(f"there is no class {values[0][:40]}")
    numbers = [float(value) for value in values[1:]]
    width, height = size_wh
    confidence = 1.0
    if len(numbers) in (4, 5):
        x, y, w, h = numbers[:4]
        box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        confidence = numbers[4] if len(numbers) == 5 else 1.0
    else:
        xs, ys = numbers[0 : len(numbers) // 2 * 2 : 2], numbers[1::2]
        box = (min(xs), min(ys), max(xs), max(ys))
    label = names[int(number)] if names else str(int(number))
    gathered.add(frame, label, (box[0] * width, box[1] * height, box[2] * width, box[3] * height), confidence)


def yolo_names(root: Path) -> tuple[list[str], dict[str, Any]]:
    """Class names of a folder, and all that ``data.yaml`` says; both empty when there is none.

    Raises:
        SourceError: ``data.yaml`` is damaged.
    """
    for file in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]):
        try:
            data = yaml.safe_load(read_text(file, 1_000_000))
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise broken(file, "it is not YAML") from error
        if not isinstance(data, dict) or "names" not in data:
            continue
        names = data["names"]
        if isinstance(names, list):
            return [str(name) for name in names], data
        if isinstance(names, dict) and all(isinstance(key, int) and 0 <= key < 100_000 for key in names):
            return [str(names.get(i, i)) for i in range(max(names, default=-1) + 1)], data
        raise broken(file, "'names' is neither a list nor numbered")
    for name in NAME_FILES:
        if (root / name).is_file():
            return [line.strip() for line in read_text(root / name, 1_000_000).splitlines() if line.strip()], {}
    return [], {}


def _walk(root: Path) -> Iterator[Path]:
    for count, file in enumerate(root.rglob("*")):
        if count >= MOST_FILES:
            raise broken(root, f"it holds more than {MOST_FILES:,} files", "Choose the folder of the data set itself.")
        if file.is_file():
            yield file


def _label_files(root: Path) -> list[Path]:
    texts = [file for file in _walk(root) if file.suffix.lower() == ".txt" and file.name not in NAME_FILES]
    inside = [file for file in texts if "labels" in file.relative_to(root).parts[:-1]]
    beside = [file for file in texts if any(file.with_suffix(suffix).exists() for suffix in PICTURE_SUFFIXES)]
    return inside or beside


def _key(file: Path, root: Path) -> str:
    """The same for a picture and its label file: the path without ending and without "labels" or "images" in it."""
    parts = [part for part in file.relative_to(root).with_suffix("").parts if part not in ("labels", "images")]
    return "/".join(parts)


def _numbers(keys: list[str], times: FrameTimes | None) -> list[int]:
    stems = [key.rsplit("/", 1)[-1] for key in keys]
    if times and all(stem in times.frame for stem in stems) and len(set(stems)) == len(stems):
        return [times.frame[stem] for stem in stems]
    return frame_numbers(stems)


def _size_of(stem: str, picture: Path | None, times: FrameTimes | None) -> tuple[int, int] | None:
    known = times.size_wh.get(stem) if times else None
    if known is not None and min(known) > 0:
        return known
    return picture_size_wh(picture) if picture is not None else None


def picture_size_wh(picture: Path) -> tuple[int, int]:
    """Width and height of a picture, from its beginning.

    Raises:
        SourceError: it is not a picture.
    """
    from PIL import Image

    try:
        with Image.open(picture) as image:
            return int(image.width), int(image.height)
    # Ultralytics, once imported, looks for another package when Pillow does not know a file.
    except (OSError, ValueError, SyntaxError, ImportError, Image.DecompressionBombError) as error:
        raise broken(picture, "it is not a picture") from error
