"""Pascal VOC: an XML file for every picture (development kit of VOC2012, section 3.3).

Left and top count from 1 and name a pixel, as in the development kit and in supervision: 1 more than our coordinates;
right and bottom are the same number. Decimals are kept. ``frames.csv`` keeps the times.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenescope.pipelines.exchange import xml
from scenescope.pipelines.exchange.files import (
    Told,
    broken,
    frame_numbers,
    new_folder,
    picture_stems,
    place_pictures,
    read_frame_times,
    told_every,
    write_frame_times,
)
from scenescope.pipelines.exchange.gather import Gathered, reading
from scenescope.pipelines.exchange.table import BoxTable

__all__ = ["annotation_files", "read_voc", "write_voc"]

ANNOTATIONS = "Annotations"
MOST_FILES = 2_000_000


def write_voc(table: BoxTable, path: Path, images: Mapping[int, Path] | None, told: Told) -> None:
    """``Annotations``, ``ImageSets/Main``, ``frames.csv`` and, with pictures, ``JPEGImages``."""
    stems, labels = picture_stems(table), [xml.text(name) for name in table.class_names]
    sizes, bounds = table.sizes_wh.tolist(), table.bounds.tolist()
    parts = (ANNOTATIONS, "ImageSets", "JPEGImages", "frames.csv", "labels.txt")
    with new_folder(path, parts) as folder:
        names = place_pictures(images, stems, folder / "JPEGImages")
        (folder / ANNOTATIONS).mkdir()
        for at, stem in enumerate(told_every(stems, len(stems), told)):
            rows = slice(bounds[at], bounds[at + 1])
            objects = "".join(
                f"<object><name>{labels[c]}</name><pose>Unspecified</pose><truncated>0</truncated>"
                f"<difficult>0</difficult><bndbox><xmin>{round(x1 + 1, 3)}</xmin><ymin>{round(y1 + 1, 3)}</ymin>"
                f"<xmax>{round(x2, 3)}</xmax><ymax>{round(y2, 3)}</ymax></bndbox></object>\n"
                for c, (x1, y1, x2, y2) in zip(table.class_id[rows].tolist(), table.xyxy[rows].tolist(), strict=True)
            )
            width, height = sizes[at]
            file = folder / ANNOTATIONS / f"{stem}.xml"
            file.write_text(
                f"<annotation><folder>JPEGImages</folder><filename>{xml.text(names.get(at, stem + '.jpg'))}</filename>"
                f"<source><database>{xml.text(table.source)}</database></source>"
                f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
                f"<segmented>0</segmented>\n{objects}</annotation>\n",
                encoding="utf-8",
                newline="",
            )
        sets = folder / "ImageSets" / "Main"
        sets.mkdir(parents=True)
        listed = "".join(f"{stem}\n" for stem in stems)
        for name in ("train", "trainval"):
            (sets / f"{name}.txt").write_text(listed, encoding="utf-8", errors="replace", newline="")
        write_frame_times(table, stems, folder / "frames.csv")


def annotation_files(path: Path) -> list[Path]:
    """The XML files of a data set: those in ``Annotations``, else those in the folder itself."""
    folder = path / ANNOTATIONS if (path / ANNOTATIONS).is_dir() else path
    files = []
    for file in folder.glob("*.xml"):
        files.append(file)
        if len(files) > MOST_FILES:
            raise broken(path, f"it holds more than {MOST_FILES:,} files")
    return sorted(files)


def read_voc(path: Path, rate_hz: float) -> BoxTable:
    """A folder of annotations. Names of pictures in them are not followed.

    Raises:
        SourceError: it is damaged, or another folder.
    """
    root = path if path.is_dir() else path.parent
    with reading(path):
        files = annotation_files(root) if path.is_dir() else [path]
        if not files:
            raise broken(path, "it holds no XML files")
        times = read_frame_times(root)
        stems = [file.stem for file in files]
        ours = times is not None and all(stem in times.frame for stem in stems)
        numbers = [times.frame[stem] for stem in stems] if ours and times else frame_numbers(stems)
        gathered = Gathered(path)
        source = ""
        for file, number in zip(files, numbers, strict=True):
            tree = xml.element_tree(file)
            if tree.tag != "annotation":
                raise broken(file, f"it begins with <{tree.tag[:40]}> instead of <annotation>")
            source = source or tree.findtext("source/database") or ""
            pts_s = times.pts_s.get(file.stem) if times else None
            size = int(_number(file, tree, "size/width", 0)), int(_number(file, tree, "size/height", 0))
            name = Path((tree.findtext("filename") or "").replace("\\", "/")).name
            gathered.frame(number, pts_s, "" if ours and name.startswith("frame_") else name, size)
            for one in tree.iterfind("object"):
                label = one.findtext("name")
                if label is None:
                    raise broken(file, "an object in it has no name")
                gathered.add(number, label, _box(file, one))
        return gathered.table(source if ours else root.name, rate_hz=rate_hz)


def _box(file: Path, one: Any) -> tuple[float, float, float, float]:
    left, top, right, bottom = (_number(file, one, f"bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax"))
    x1, y1, x2, y2 = left - 1, top - 1, right, bottom
    # A box names two corners; some tools write them the other way round.
    if left > right + 1:
        x1, x2 = right - 1, left
    if top > bottom + 1:
        y1, y2 = bottom - 1, top
    return x1, y1, x2, y2


def _number(file: Path, parent: Any, name: str, default: float | None = None) -> float:
    words = parent.findtext(name)
    if words is None and default is not None:
        return default
    try:
        value = float(words)
        if abs(value) < 1e9:
            return value
    except (TypeError, ValueError):
        pass
    raise broken(file, f"<{name.rsplit('/', 1)[-1]}> is no usable number: {str(words)[:40]}")
